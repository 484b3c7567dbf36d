/** What is known about files: by root, by submission, in lists. */
import type { Shard } from '../config/shard-position.js';
import { fileGeometry } from '../native/addon.js';
import { hexOf, type DataRoot, type FlowId, type TxSeq } from '../units.js';
import type { HeldContent } from './held-content.js';
import { listFiles } from './listing.js';
import { isDeletedRow, type RootRow, type SubmissionRow } from './rows.js';
import { keptCount, ownSegments } from './shard.js';
import { submissionAt } from './submissions.js';
import type { FileList, ListOptions, StoredFile } from './types.js';
import type { Unrewarded } from './unrewarded.js';
import type { View } from './view.js';

export class FileLookup {
	readonly #view: View;
	readonly #flowId: FlowId;
	readonly #held: HeldContent;
	readonly #shard: () => Shard;
	readonly #unrewarded: Unrewarded;

	constructor(view: View, flowId: FlowId, held: HeldContent, shard: () => Shard, unrewarded: Unrewarded) {
		this.#view = view;
		this.#flowId = flowId;
		this.#held = held;
		this.#shard = shard;
		this.#unrewarded = unrewarded;
	}

	async fileByRoot(root: DataRoot): Promise<StoredFile | undefined> {
		const row = await this.#held.rootRow(root);
		const submissions = row?.submissions;
		if (!row || !submissions) return undefined;
		const submission = await submissionAt(this.#view, submissions.flowId, submissions.firstSeq);
		return submission && (await this.#storedFile(submission, row, row.newest ?? submission.upload));
	}

	async fileBySeq(txSeq: TxSeq): Promise<StoredFile | undefined> {
		const submission = await submissionAt(this.#view, this.#flowId, txSeq);
		if (!submission) return undefined;
		return this.#storedFile(submission, (await this.#held.rootRow(submission.dataRoot)) ?? {}, submission.upload);
	}

	/** Out of the first `submissions` of them. */
	list(options: ListOptions, submissions: number): Promise<FileList> {
		const isOfFiles = options.what === 'files';
		return listFiles(submissions, (txSeq) => (isOfFiles ? this.#fileBegunBy(txSeq) : this.fileBySeq(txSeq)), options);
	}

	/** The file whose first submission this is. */
	async #fileBegunBy(txSeq: TxSeq): Promise<StoredFile | undefined> {
		const submission = await submissionAt(this.#view, this.#flowId, txSeq);
		if (!submission) return undefined;
		const row = await this.#held.rootRow(submission.dataRoot);
		const submissions = row?.submissions;
		if (!submissions || submissions.firstSeq !== txSeq || submissions.flowId !== this.#flowId) return undefined;
		return this.#storedFile(submission, row, row.newest ?? submission.upload);
	}

	async #storedFile(submission: SubmissionRow, row: RootRow, upload: SubmissionRow['upload']): Promise<StoredFile> {
		const geometry = fileGeometry(submission.lengthBytes);
		const segments = Number(geometry.segments);
		const heldSegments = row.object ? await this.#held.heldSegments(row.object, segments) : 0;
		const deleted = isDeletedRow(row) || (await this.#unrewarded.includes(submission.dataRoot, row, submission));
		const finalized = !deleted && heldSegments === segments;
		return {
			root: submission.dataRoot,
			txSeq: submission.txSeq,
			sizeBytes: Number(submission.lengthBytes),
			segments,
			segmentsPadded: Number(geometry.segmentsPadded),
			startSector: submission.startSector,
			paddedSectors: geometry.padded,
			name: upload?.name ?? '',
			contentType: upload?.contentType ?? '',
			uploadedAtMs: upload?.timeMs ?? submission.timeMs,
			finalized,
			isShardHeld: finalized || (!deleted && (await this.#isShardHeld(submission, row, segments))),
			deleted,
			heldSegments,
			submitter: hexOf(submission.submitter),
			tags: submission.tags,
			nodes: submission.nodes,
		};
	}

	/** A file of which nothing belongs to this node is held as soon as it is known (spec log-layer §2.7). */
	async #isShardHeld(submission: SubmissionRow, { object }: RootRow, segments: number): Promise<boolean> {
		const own = ownSegments(this.#shard(), submission.startSector);
		if (!own) return false;
		return keptCount(own, segments) === 0 || (object !== undefined && this.#held.holdsAll(object, own, segments));
	}
}
