/** The begin of a log file, on whichever volume takes it. */
import type { EncodedGroup } from './format.js';
import { LaneFile } from './lane-file.js';
import type { LogShared } from './log-shared.js';
import type { Lane, RecordInput } from './types.js';
import { isVolumeTrouble } from './volume-trouble.js';

export interface FileToBegin {
	readonly lane: Lane;
	/** Each try takes a number of its own. */
	readonly nextNumber: () => number;
	readonly previousFileNo: number;
	/** What stands first in it. */
	readonly head: readonly RecordInput[];
	/** Writes down that the file exists. */
	readonly begun: (lane: Lane, fileNo: number) => Promise<void>;
}

/**
 * Begins a file on the first volume that takes it: with a file that holds no answered group nothing is lost. It is durable then, and so is
 * the word that it exists. Errors: those of LaneFile.begin, of the last step as `LogShared.writeError` answers them.
 */
export async function beginFile(
	shared: LogShared,
	{ lane, nextNumber, previousFileNo, head, begun }: FileToBegin,
): Promise<{ readonly file: LaneFile; readonly head: EncodedGroup | undefined }> {
	const { placement } = shared;
	let refusal: unknown;
	for (const volume of placement.candidates(lane)) {
		let started;
		try {
			started = await LaneFile.begin(shared, lane, volume, { fileNo: nextNumber(), previousFileNo }, head);
		} catch (error) {
			if (!isVolumeTrouble(error)) throw error;
			placement.refused(volume, error);
			refusal ??= error;
			continue;
		}
		try {
			await begun(lane, started.file.fileNo);
		} catch (error) {
			// Not this volume's fault, so that no other one would help.
			const answer = shared.writeError(lane, error);
			await started.file.discard();
			throw answer;
		}
		placement.began(lane, volume);
		return started;
	}
	throw refusal;
}
