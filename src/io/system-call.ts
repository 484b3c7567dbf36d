/** The callback API of node:fs as promises, and the codes of its errors. */

type Callback<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

export function call<T>(start: (done: Callback<T>) => void): Promise<T> {
	return new Promise((resolve, reject) => {
		start((error, value) => (error ? reject(error) : resolve(value)));
	});
}

export function codeOf(error: unknown): string | undefined {
	return (error as NodeJS.ErrnoException | undefined)?.code;
}
