/** Takes what the journal brings into the view: submissions with their place in the flow, the names of uploads, and deletions. */
import { ViewDamagedError } from '../db/kv-engine.js';
import { PerigeeError } from '../errors.js';
import type { JournalItem } from '../settlement/journal.js';
import type { DeletionRecord, UploadRecord } from '../settlement/journal-records.js';
import type { PlacedSubmission } from '../settlement/settlement.js';
import type { FlowId, TxSeq } from '../units.js';
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
	type RootSubmissions,
	type SubmissionRow,
} from './rows.js';
import type { ViewTurn } from './view.js';

const PRESENT = Uint8Array.of(1);

/** What is kept in memory beside the view, and learns of each item. */
export interface JournalMemory {
	readonly edge: FlowEdge;
	readonly pending: PendingObjects;
	readonly live: LiveBytes;
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
			if (makers.of(item.upload) !== item.upload) await applyUpload(turn, item.upload, edge);
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

/** The uploads that made submissions of these items: a submission and its upload come in one group, and then become one row at once. */
class Makers {
	readonly #flows = new Map<FlowId, Map<TxSeq, UploadRecord | undefined>>();

	constructor(items: readonly JournalItem[]) {
		for (const item of items) {
			if ('deletion' in item) continue;
			if ('upload' in item) {
				const { flowId, txSeq } = item.upload;
				if (txSeq === undefined) continue;
				const flow = this.#flows.get(flowId);
				// The first one counts, and only behind its submission.
				if (flow?.has(txSeq) && flow.get(txSeq) === undefined) flow.set(txSeq, item.upload);
			} else if (item.event.kind === 'submission') {
				const { flowId, txSeq } = item.event.submission;
				const flow = this.#flows.get(flowId) ?? new Map<TxSeq, UploadRecord | undefined>();
				this.#flows.set(flowId, flow.set(txSeq, undefined));
			}
		}
	}

	of({ flowId, txSeq }: { readonly flowId: FlowId; readonly txSeq?: TxSeq }): UploadRecord | undefined {
		return txSeq === undefined ? undefined : this.#flows.get(flowId)?.get(txSeq);
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
	const upload = maker && namedBy(maker);
	const key = rowKeys.root(dataRoot);
	const row = turn.get(key);
	if (row instanceof Promise) return row.then((found) => putSubmission(turn, key, found, submission, upload));
	return putSubmission(turn, key, row, submission, upload);
}

/** Puts the submission's row, and lets the root's row name it. Without an upload of its own it was made by the one that waited for it. */
function putSubmission(
	turn: ViewTurn,
	key: Buffer,
	row: Uint8Array | undefined,
	submission: PlacedSubmission,
	upload: NamedUpload | undefined,
): Promise<void> | undefined {
	const { flowId, txSeq, dataRoot } = submission;
	const { waiting, ...current }: RootRow = row ? decodeRootRow(row) : {};
	const known = current.submissions;
	const ownKey = rowKeys.submission(flowId, txSeq);
	if (!known) {
		turn.put(ownKey, encodeSubmissionRow(submission, upload ?? waiting));
		turn.put(key, encodeRootRow({ ...current, submissions: { flowId, firstSeq: txSeq, more: false } }));
		return undefined;
	}
	if (known.flowId !== flowId || known.firstSeq !== txSeq) {
		turn.put(rowKeys.rootSeq(dataRoot, flowId, txSeq), PRESENT);
		const submissions = { ...known, more: true, ...(upload ? { newest: upload } : {}) };
		turn.put(key, encodeRootRow({ ...(upload ? withUpload(current) : current), submissions }));
	}
	if (!upload) return putAgain(turn, ownKey, submission);
	turn.put(ownKey, encodeSubmissionRow(submission, upload));
	return undefined;
}

/** A submission that was applied before keeps the upload that had waited for it. */
async function putAgain(turn: ViewTurn, key: Buffer, submission: PlacedSubmission): Promise<void> {
	const row = await turn.get(key);
	const before = row && decodeSubmissionRow(submission.flowId, submission.txSeq, row);
	const upload = before?.dataRoot === submission.dataRoot ? before.upload : undefined;
	turn.put(key, encodeSubmissionRow(submission, upload));
}

/** The first upload that names a submission made it; each later one is the newest of its root. */
async function applyUpload(turn: ViewTurn, upload: UploadRecord, edge: FlowEdge): Promise<void> {
	const { flowId, txSeq, root } = upload;
	const named = namedBy(upload);
	const key = rowKeys.root(root);
	if (txSeq === undefined) {
		const current = await rootRow(turn, key);
		if (!current.submissions) turn.put(key, encodeRootRow({ ...withUpload(current), waiting: named }));
		else await nameLater(turn, key, current, current.submissions, named);
		return;
	}
	const submission = await submissionOf(turn, flowId, txSeq, edge);
	const current = await rootRow(turn, key);
	const isMaker = !submission.upload || isSame(submission.upload, named);
	if (isMaker) turn.put(rowKeys.submission(flowId, txSeq), encodeSubmissionRow(submission, named));
	if (current.submissions && (!isMaker || current.submissions.firstSeq !== txSeq)) {
		const submissions = { ...current.submissions, newest: named };
		turn.put(key, encodeRootRow({ ...withUpload(current), submissions }));
	}
}

/** An upload that was to wait for a submission finds one: it came in between, or all of this is applied again. */
async function nameLater(
	turn: ViewTurn,
	key: Buffer,
	current: RootRow,
	submissions: RootSubmissions,
	named: NamedUpload,
): Promise<void> {
	const { flowId, firstSeq } = submissions;
	const ownKey = rowKeys.submission(flowId, firstSeq);
	const row = await turn.get(ownKey);
	if (!row) throw new ViewDamagedError(`a root names submission ${firstSeq}, which the view does not know`);
	const submission = decodeSubmissionRow(flowId, firstSeq, row);
	const { upload } = submission;
	if (!upload) turn.put(ownKey, encodeSubmissionRow(submission, named));
	else if (named.timeMs > Math.max(upload.timeMs, submissions.newest?.timeMs ?? 0))
		turn.put(key, encodeRootRow({ ...withUpload(current), submissions: { ...submissions, newest: named } }));
}

async function submissionOf(turn: ViewTurn, flowId: FlowId, txSeq: TxSeq, edge: FlowEdge): Promise<SubmissionRow> {
	const row = await turn.get(rowKeys.submission(flowId, txSeq));
	if (!row && txSeq >= edge.submissions)
		throw new PerigeeError('FORMAT_UNKNOWN', `the journal names submission ${txSeq} before it was made`);
	if (!row) throw new ViewDamagedError(`an upload names submission ${txSeq}, which the view does not know`);
	return decodeSubmissionRow(flowId, txSeq, row);
}

/** Whatever the root's row holds up to the deleted object counts no more. */
async function applyDeletion(
	turn: ViewTurn,
	{ root, objectId, isDeleted }: DeletionRecord,
	{ pending, live }: JournalMemory,
): Promise<void> {
	const key = rowKeys.root(root);
	const { object, ended, deletion, ...rest } = await rootRow(turn, key);
	if (deletion && deletion.objectId > objectId) return;
	const isNewer = (known: { readonly objectId: ObjectId } | undefined): boolean =>
		known !== undefined && known.objectId > objectId;
	if (object && !isNewer(object)) {
		pending.settled(root);
		live.moved(key, object.place, undefined);
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
function withUpload(row: RootRow): RootRow {
	return row.deletion ? { ...row, deletion: { ...row.deletion, isDeleted: false } } : row;
}

function namedBy({ name, contentType, timeMs }: UploadRecord): NamedUpload {
	return { name, contentType, timeMs };
}

function isSame(left: NamedUpload, right: NamedUpload): boolean {
	return left.timeMs === right.timeMs && left.name === right.name && left.contentType === right.contentType;
}

async function rootRow(turn: ViewTurn, key: Buffer): Promise<RootRow> {
	const row = await turn.get(key);
	return row ? decodeRootRow(row) : {};
}
