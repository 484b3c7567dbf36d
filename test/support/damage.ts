/** Finds and flips bytes in the files of a data directory. */
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Flips one bit of byte `offset` of a file. */
export async function flipBit(path: string, offset: number, bit = 0): Promise<void> {
	const file = await open(path, 'r+');
	try {
		const byte = Buffer.alloc(1);
		await file.read(byte, 0, 1, offset);
		byte[0] = (byte[0] as number) ^ (1 << bit);
		await file.write(byte, 0, 1, offset);
	} finally {
		await file.close();
	}
}

/** The log files of a lane, oldest first. */
export async function logFiles(dataDir: string, lane: string): Promise<string[]> {
	const names = await readdir(join(dataDir, 'log'));
	return names
		.filter((name) => name.startsWith(`${lane}-`))
		.sort()
		.map((name) => join(dataDir, 'log', name));
}

/** Flips a bit of the stored byte `at` of a content; it is found by the bytes that follow. */
export async function damageContent(dataDir: string, lane: string, content: Uint8Array, at: number): Promise<void> {
	const needle = content.subarray(at, at + 64);
	for (const path of await logFiles(dataDir, lane)) {
		const offset = (await readFile(path)).lastIndexOf(needle);
		if (offset >= 0) return flipBit(path, offset);
	}
	throw new Error(`no log file of the lane ${lane} holds the content`);
}
