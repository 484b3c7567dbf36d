/** Runs `run` for each item, at most `most` at once. After a failure nothing new is begun; what runs is awaited, and the first failure is thrown. */
export async function eachAtOnce<T>(items: Iterable<T>, most: number, run: (item: T) => Promise<void>): Promise<void> {
	const waiting = items[Symbol.iterator]();
	const failures: unknown[] = [];
	const runInTurn = async (): Promise<void> => {
		while (failures.length === 0) {
			const step = waiting.next();
			if (step.done === true) return;
			try {
				await run(step.value);
			} catch (error) {
				failures.push(error);
			}
		}
	};
	await Promise.all(Array.from({ length: most }, runInTurn));
	if (failures.length > 0) throw failures[0];
}
