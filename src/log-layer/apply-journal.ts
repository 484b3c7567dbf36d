/** Takes what the journal brings into the view: submissions with their place in the flow, the names of uploads, and deletions. */
import { ViewDamagedError } from '../db/kv-engine.js';
import { PerigeeError } from '../errors.js';
import type { JournalItem } from '../settlement/journal.js';
import type { DeletionRecord, UploadRecord } from '../settlement/journal-records.js';
import type { PlacedSubmission } from '../settlement/settlement.js';
import { OWN_FLOW, type TxSeq } from '../units.js';
import type { ContentChanges } from './content-changes.js';
import { applyRevert } from './apply-revert.js';
import type { FlowEdge } from './flow-tree.js';
import type { LiveBytes } from './live-bytes.js';
import type { PendingObjects } from './pending-objects.js';
import type { ObjectId } from './records.js';
import {
	decodeRootRow,
	decodeSubmissionRow,
	encodeRootRow,
	encodeSubmissionRow,
	type NamedUpload,
	rowKeys,
	type RootRow,
	type SubmissionRow,
} from './rows.js';
import type { ViewTurn } from './view.js';

const PRESENT = Uint8Array.of(1);

/** What is kept in memory beside the view, and learns of each item. */
export interface JournalMemory {
	readonly edge: FlowEdge;
	readonly pending: PendingObjects;
	readonly live: LiveBytes;
	readonly changes: ContentChanges;
}

/** Applies items in order. Applying them again, from any point on, changes nothing. */
export async function applyJournalItems(
	turn: ViewTurn,
	items: readonly JournalItem[],
	memory: JournalMemory,
): Promise<void> {
	const { edge, pending } = memory;
	const makers = new Makers(items);
	const deleted = items.flatMap((item) => ('deletion' in item ? [rowKeys.root(item.deletion.root)] : []));
	if (deleted.length > 0) await turn.expect(deleted);
	for (const item of items) {
		if ('deletion' in item) await applyDeletion(turn, item.deletion, memory);
		else if ('upload' in item) {
			if (!makers.includes(item.upload)) await applyUpload(turn, item.upload, edge);
		} else if (item.event.kind === 'submission') {
			const { submission } = item.event;
			pending.settled(submission.dataRoot);
			const applying = applySubmission(turn, submission, makers.of(submission), edge);
			if (applying) await applying;
		} else if (item.event.kind === 'revertedTo') {
			await applyRevert(turn, item.event, edge, pending);
		}
		const relief = turn.relieve();
		if (relief) await relief;
	}
}

/**
 * The uploads that made submissions of these items: a submission and its upload come in one group, and then become one row at once. An upload that
 * anything else came before finds its submission in the view.
 */
class Makers {
	readonly #uploads = new Map<PlacedSubmission, UploadRecord>();
	readonly #made: ReadonlySet<UploadRecord>;

	constructor(items: readonly JournalItem[]) {
		const open = new Map<TxSeq | undefined, PlacedSubmission>();
		for (const item of items) {
			if ('event' in item && item.event.kind === 'submission') {
				const { submission } = item.event;
				open.set(submission.txSeq, submission);
				continue;
			}
			const upload = 'upload' in item ? item.upload : undefined;
			const submission = open.get(upload?.txSeq);
			if (upload && submission?.flowId === upload.flowId && submission.dataRoot === upload.root) {
				this.#uploads.set(submission, upload);
				open.delete(upload.txSeq);
			} else open.clear();
		}
		this.#made = new Set(this.#uploads.values());
	}

	/** The upload that made a submission. */
	of(submission: PlacedSubmission): UploadRecord | undefined {
		return this.#uploads.get(submission);
	}

	/** Whether the upload has made one of them. */
	includes(upload: UploadRecord): boolean {
		return this.#made.has(upload);
	}
}

function applySubmission(
	turn: ViewTurn,
	submission: PlacedSubmission,
	maker: UploadRecord | undefined,
	edge: FlowEdge,
): Promise<void> | undefined {
	const { flowId, txSeq, dataRoot } = submission;
	for (const subtree of edge.append(submission))
		turn.put(rowKeys.flowNode(flowId, subtree.height, subtree.index), subtree.hash);
	if (edge.lengthSectors !== submission.lengthAfter)
		throw new ViewDamagedError(`submission ${txSeq} does not follow the flow of the view`);
	const upload = maker && uploadOf(maker);
	const key = rowKeys.root(dataRoot);
	const row = turn.get(key);
	if (row instanceof Promise) return row.then((found) => putSubmission(turn, key, found, submission, upload));
	putSubmission(turn, key, row, submission, upload);
	return undefined;
}

/** Puts the submission's row, and lets the root's row name it. */
function putSubmission(
	turn: ViewTurn,
	key: Buffer,
	row: Uint8Array | undefined,
	submission: PlacedSubmission,
	upload: NamedUpload | undefined,
): void {
	const { flowId, txSeq, dataRoot } = submission;
	turn.put(rowKeys.submission(flowId, txSeq), encodeSubmissionRow(submission, upload));
	const current: RootRow = row ? decodeRootRow(row) : {};
	const known = current.submissions;
	if (!known) {
		turn.put(key, encodeRootRow({ ...current, submissions: { flowId, firstSeq: txSeq, more: false } }));
	} else if (known.flowId !== flowId || known.firstSeq !== txSeq) {
		turn.put(rowKeys.rootSeq(dataRoot, flowId, txSeq), PRESENT);
		const submissions = { ...known, more: true };
		turn.put(key, encodeRootRow(upload ? named({ ...current, submissions }, upload) : { ...current, submissions }));
	}
}

/** The first upload that names a submission has made it; any other one is the newest of its root, and has a submission or waits for one. */
async function applyUpload(turn: ViewTurn, record: UploadRecord, edge: FlowEdge): Promise<void> {
	const { flowId, txSeq, root } = record;
	const upload = uploadOf(record);
	const key = rowKeys.root(root);
	const current = await rootRow(turn, key);
	const submission = txSeq === undefined ? undefined : await submissionOf(turn, record, txSeq, edge);
	const isMaker = submission && (!submission.upload || isSame(submission.upload, upload));
	if (isMaker) turn.put(rowKeys.submission(flowId, submission.txSeq), encodeSubmissionRow(submission, upload));
	if (!isMaker || current.submissions?.firstSeq !== txSeq) turn.put(key, encodeRootRow(named(current, upload)));
}

/**
 * The submission that an upload names. A chain may have taken it back before the upload was written down, and may have another one there; of the own
 * flow each one is there, or its entry is lost.
 */
async function submissionOf(
	turn: ViewTurn,
	{ flowId, root }: UploadRecord,
	txSeq: TxSeq,
	edge: FlowEdge,
): Promise<SubmissionRow | undefined> {
	const row = await turn.get(rowKeys.submission(flowId, txSeq));
	if (!row && flowId === OWN_FLOW && txSeq >= edge.submissions)
		throw new PerigeeError('FORMAT_UNKNOWN', `the journal names submission ${txSeq} before it was made`);
	if (!row && flowId === OWN_FLOW)
		throw new ViewDamagedError(`an upload names submission ${txSeq}, which the view does not know`);
	const submission = row && decodeSubmissionRow(flowId, txSeq, row);
	return submission?.dataRoot === root ? submission : undefined;
}

/** Whatever the root's row holds up to the deleted object counts no more. */
async function applyDeletion(
	turn: ViewTurn,
	{ root, objectId, isDeleted }: DeletionRecord,
	{ pending, live, changes }: JournalMemory,
): Promise<void> {
	const key = rowKeys.root(root);
	const { object, ended, deletion, ...rest } = await rootRow(turn, key);
	if (deletion && deletion.objectId > objectId) return;
	const isNewer = (known: { readonly objectId: ObjectId } | undefined): boolean =>
		known !== undefined && known.objectId > objectId;
	if (object && !isNewer(object)) {
		pending.settled(root);
		live.moved(key, object.place, undefined);
		changes.tell(root);
	}
	const row: RootRow = {
		...(isNewer(object) && { object }),
		...(isNewer(ended) && { ended }),
		deletion: { objectId, isDeleted },
		...rest,
	};
	turn.put(key, encodeRootRow(row));
}

/** The content has come again: should its new object be lost, it is missing and not deleted. Objects up to the deleted one count no more for all that. */
function named({ deletion, ...row }: RootRow, newest: NamedUpload): RootRow {
	return { ...row, ...(deletion && { deletion: { ...deletion, isDeleted: false } }), newest };
}

function uploadOf({ name, contentType, timeMs }: UploadRecord): NamedUpload {
	return { name, contentType, timeMs };
}

function isSame(left: NamedUpload, right: NamedUpload): boolean {
	return left.timeMs === right.timeMs && left.name === right.name && left.contentType === right.contentType;
}

async function rootRow(turn: ViewTurn, key: Buffer): Promise<RootRow> {
	const row = await turn.get(key);
	return row ? decodeRootRow(row) : {};
}
