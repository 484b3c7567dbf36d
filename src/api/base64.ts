/** Bytes turned into base64 at once; a multiple of 3. What comes of them is a short text, which the young generation takes. */
const STEP_BYTES = 48 * 1024;

/** Bytes that `count` bytes take in base64. */
export function base64Length(count: number): number {
	return Math.ceil(count / 3) * 4;
}

/** Writes `bytes` in base64 (standard alphabet, padded), without a long text on the way. Answers where it ends in `into`. */
export function writeBase64(bytes: Uint8Array, into: Buffer, from: number): number {
	const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	let at = from;
	for (let next = 0; next < source.length; next += STEP_BYTES)
		at += into.write(source.toString('base64', next, Math.min(next + STEP_BYTES, source.length)), at, 'latin1');
	return at;
}
