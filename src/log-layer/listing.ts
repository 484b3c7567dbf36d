/** Lists of files and submissions, in the order of their sequence numbers, a bounded step at a time. */
import { LIMITS } from '../limits.js';
import type { TxSeq } from '../units.js';
import type { FileList, ListOptions, StoredFile } from './types.js';

/** Submissions that are looked up side by side. */
const STEP = 64;

/**
 * Looks at submissions one after the other until `most` of them fit or LIMITS.listedSubmissions were looked at. `count`: how many there are; `at`
 * answers the entry of a submission, undefined when it has none.
 */
export async function listFiles(
	count: number,
	at: (txSeq: TxSeq) => Promise<StoredFile | undefined>,
	options: ListOptions,
): Promise<FileList> {
	const { newestFirst, most } = options;
	const files: StoredFile[] = [];
	let from: number = options.from ?? (newestFirst ? count - 1 : 0);
	// A cursor of a longer log, as before a restore, is no reason to look for what is not there.
	if (newestFirst) from = Math.min(from, count - 1);
	const isIn = (txSeq: number): boolean => txSeq >= 0 && txSeq < count;
	for (let looked = 0; looked < LIMITS.listedSubmissions && isIn(from) && files.length < most; ) {
		const numbers = Array.from({ length: STEP }, (_, index) => (newestFirst ? from - index : from + index)).filter(
			isIn,
		);
		const found = await Promise.all(numbers.map((txSeq) => at(txSeq as TxSeq)));
		for (const [index, file] of found.entries()) {
			const txSeq = numbers[index] as number;
			from = newestFirst ? txSeq - 1 : txSeq + 1;
			looked++;
			if (file && fits(file, options)) files.push(file);
			if (files.length === most) break;
		}
	}
	return isIn(from) ? { files, next: from as TxSeq } : { files };
}

function fits(file: StoredFile, { namePrefix, finalized, deleted }: ListOptions): boolean {
	return (
		file.name.startsWith(namePrefix) &&
		(finalized === undefined || file.finalized === finalized) &&
		(deleted === undefined || file.deleted === deleted)
	);
}
