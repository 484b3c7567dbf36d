/** Bytes as a JSON array of numbers, 0 to 255: the form that `zgs_getDataByNodeIndex` has. */
const TEXTS = Array.from({ length: 256 }, (_, byte) => Buffer.from(`${byte},`));
const LONGEST = 4;

/** Errors: none. A segment of 262,144 bytes becomes about 940,000. */
export function byteNumbers(bytes: Uint8Array): Buffer {
	const into = Buffer.allocUnsafe(bytes.length * LONGEST + 2);
	into[0] = 0x5b;
	let at = 1;
	for (const byte of bytes) for (const digit of TEXTS[byte] ?? []) into[at++] = digit;
	if (bytes.length > 0) at--;
	into[at++] = 0x5d;
	return into.subarray(0, at);
}
