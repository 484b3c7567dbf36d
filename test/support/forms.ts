/** Multipart forms as browsers and curl send them. */
/** What stands between the parts. */
export const BOUNDARY = 'a-boundary';

export interface Part {
	readonly name?: string;
	readonly filename?: string;
	readonly type?: string;
	readonly body: Uint8Array | string;
}

/** A multipart form. */
export function formOf(parts: readonly Part[]): Buffer {
	const pieces = parts.flatMap((part) => [
		Buffer.from(
			`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${part.name ?? 'file'}"` +
				(part.filename === undefined ? '' : `; filename="${part.filename}"`) +
				(part.type === undefined ? '' : `\r\nContent-Type: ${part.type}`) +
				'\r\n\r\n',
		),
		Buffer.from(part.body),
		Buffer.from('\r\n'),
	]);
	return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}
