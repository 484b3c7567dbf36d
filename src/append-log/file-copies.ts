/** Two files under one log file's name, on two volumes: what a copy or a move by hand leaves that was broken off. */
import { PerigeeError } from '../errors.js';
import type { StorageFile, StorageIo } from '../io/storage-io.js';

const COMPARE_BYTES = 1024 * 1024;

/**
 * Which of two copies counts: the longer one, if the other is a beginning of it. Log files only grow, and only in the process that
 * began them, so the longer one then holds everything. Errors: VOLUME_CONFLICT when their bytes differ.
 */
export async function chooseCopy(
	io: StorageIo,
	first: string,
	second: string,
): Promise<{ readonly kept: 'first' | 'second'; readonly spare: string }> {
	const one = await io.open(first, 'read');
	try {
		const other = await io.open(second, 'read');
		try {
			const [sizeBytes, otherBytes] = [await one.size(), await other.size()];
			const differsAt = await firstDifference(one, other, Math.min(sizeBytes, otherBytes));
			if (differsAt !== undefined) {
				throw new PerigeeError(
					'VOLUME_CONFLICT',
					`${first} and ${second} have the same name and differ from byte ${differsAt} on; take the wrong one away`,
				);
			}
			return otherBytes > sizeBytes ? { kept: 'second', spare: first } : { kept: 'first', spare: second };
		} finally {
			await other.close();
		}
	} finally {
		await one.close();
	}
}

async function firstDifference(one: StorageFile, other: StorageFile, bytes: number): Promise<number | undefined> {
	const left = Buffer.allocUnsafe(COMPARE_BYTES);
	const right = Buffer.allocUnsafe(COMPARE_BYTES);
	for (let at = 0; at < bytes; at += COMPARE_BYTES) {
		const count = Math.min(COMPARE_BYTES, bytes - at);
		await one.read(left.subarray(0, count), at);
		await other.read(right.subarray(0, count), at);
		if (left.subarray(0, count).equals(right.subarray(0, count))) continue;
		for (let byte = 0; byte < count; byte++) if (left[byte] !== right[byte]) return at + byte;
	}
	return undefined;
}
