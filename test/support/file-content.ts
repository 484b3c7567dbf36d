/** The generators of the file vectors (vectors/file-merkle.json, `content`). */
const GENERATORS: Readonly<Record<string, (at: number) => number>> = {
	lcg31_7: (at) => at * 31 + 7,
	zeros: () => 0,
	mixed: (at) => at * 31 + Math.floor(at / 256) * 7 + Math.floor(at / 65_536) * 13 + 7,
};

/** The bytes that a generator makes. */
export function fileContent(generator: string, sizeBytes: number): Buffer {
	const byteAt = GENERATORS[generator];
	if (!byteAt) throw new Error(`there is no generator ${generator}`);
	const bytes = Buffer.alloc(sizeBytes);
	for (let at = 0; at < sizeBytes; at++) bytes[at] = byteAt(at) % 256;
	return bytes;
}
