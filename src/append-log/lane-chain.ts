/** The chain of a lane's files: each header names the file that was the lane's last when it was begun (docs/format.md §2). */
import type { StorageIo } from '../io/storage-io.js';
import { decodeFileStart, FIRST_GROUP_OFFSET } from './format.js';
import type { LogFiles } from './log-files.js';
import type { Checksums, Lane } from './types.js';

/**
 * A file that one of the lane's files from number `from` on names as the one before it, and that is not there; undefined when the chain is
 * whole. What lies before `from` is not asked for. A header that cannot be read names nothing.
 */
export async function missingInChain(
	io: StorageIo,
	checksums: Checksums,
	files: LogFiles,
	lane: Lane,
	from: number,
): Promise<number | undefined> {
	const start = Buffer.alloc(FIRST_GROUP_OFFSET);
	for (const fileNo of files.numbers(lane)) {
		if (fileNo < from) continue;
		const file = await io.open(files.path(lane, fileNo), 'read');
		try {
			const header = decodeFileStart(start.subarray(0, await file.read(start, 0)), checksums);
			const previous = header?.previousFileNo ?? 0;
			if (previous >= Math.max(1, from) && !files.has(lane, previous)) return previous;
		} finally {
			await file.close();
		}
	}
	return undefined;
}
