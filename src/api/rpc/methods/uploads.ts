/** Segments of files, sent before or after the submission of their file is known (spec log-layer §4.4, §6.2). */
import { LIMITS } from '../../../limits.js';
import { SegmentRefusedError, type ProvedSegment } from '../../../log-layer/proved-segment.js';
import type { FileStore, StoredFile } from '../../../log-layer/types.js';
import { fileOfSeq } from '../file-info.js';
import type { RpcMethods } from '../method.js';
import { internalError, invalidParam } from '../rpc-error.js';
import { plausibleSegment, refuseOddLength, refusalText, type SentSegment } from '../segments.js';

export const UPLOAD_METHODS: RpcMethods = {
	async zgs_uploadSegment({ store }, params) {
		const segment = params.segment('segment');
		return upload(store, [segment], byRoot(store), false);
	},

	async zgs_uploadSegmentByTxSeq({ store }, params) {
		const segment = params.segment('segment');
		const seq = params.u64('tx_seq');
		return upload(store, [segment], bySeq(store, seq), false);
	},

	async zgs_uploadSegments({ store }, params) {
		const segments = params.segments('segments');
		// The reference refuses here what came before, and stops; clients that send several at once then give up.
		return upload(store, segments, byRoot(store), true);
	},

	async zgs_uploadSegmentsByTxSeq({ store }, params) {
		const segments = params.segments('segments');
		const seq = params.u64('tx_seq');
		return upload(store, segments, bySeq(store, seq), true);
	},
};

/** The file that a segment belongs to, as far as a submission of it is known. */
type FileFinder = (segment: SentSegment) => Promise<StoredFile | undefined>;

function byRoot(store: FileStore): FileFinder {
	return ({ root }) => store.fileByRoot(root);
}

/** One look for all segments of a call. */
export function bySeq(store: FileStore, seq: bigint): FileFinder {
	let file: Promise<StoredFile | undefined> | undefined;
	return () => (file ??= fileOfSeq(store, seq));
}

/** A segment that passed what can be told without its bytes. */
interface Admitted {
	readonly segment: ProvedSegment;
	readonly isSubmitted: boolean;
}

/** Stores segments in order up to the first that is refused, whose error it throws. */
export async function upload(
	store: FileStore,
	segments: readonly SentSegment[],
	find: FileFinder,
	skipRepeated: boolean,
): Promise<null> {
	const run: Admitted[] = [];
	for (const sent of segments) {
		let admitted: Admitted;
		try {
			admitted = await admit(sent, find);
		} catch (error) {
			await putRun(store, run, skipRepeated);
			throw error;
		}
		const [first] = run;
		const isSameFile =
			first?.segment.root === admitted.segment.root && first.segment.sizeBytes === admitted.segment.sizeBytes;
		if (first && !isSameFile) await putRun(store, run.splice(0), skipRepeated);
		run.push(admitted);
	}
	await putRun(store, run, skipRepeated);
	return null;
}

/** In the order of the checks that the reference makes. */
async function admit(sent: SentSegment, find: FileFinder): Promise<Admitted> {
	refuseOddLength(sent);
	const file = await find(sent);
	if (!file) {
		if (sent.fileSize > LIMITS.cachedFileBytes)
			throw invalidParam('file_size', 'caching of large file when tx is unavailable is not supported');
		return { segment: plausibleSegment(sent), isSubmitted: false };
	}
	if (file.root !== sent.root) throw internalError('data root and tx seq not match');
	if (BigInt(file.sizeBytes) !== sent.fileSize)
		throw invalidParam('file_size', 'segment file size not matched with tx file size');
	if (file.isShardHeld) throw invalidParam('root', 'already uploaded and finalized');
	if (file.deleted) throw invalidParam('root', 'already pruned');
	return { segment: plausibleSegment(sent), isSubmitted: true };
}

async function putRun(store: FileStore, run: readonly Admitted[], skipRepeated: boolean): Promise<void> {
	const [first] = run;
	if (!first) return;
	try {
		const options = { isSubmitted: first.isSubmitted, skipRepeated };
		await store.segmentUploads.put(
			run.map(({ segment }) => segment),
			options,
		);
	} catch (error) {
		if (!(error instanceof SegmentRefusedError)) throw error;
		throw refusalText(error);
	}
}
