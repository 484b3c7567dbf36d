/** A deletion stands in the journal, its object in a payload lane: a replay may bring them in any order, and parts of a lane again. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { LogRecord } from '../../../src/append-log/types.js';
import { applyJournalItems } from '../../../src/log-layer/apply-journal.js';
import { applyPayloadRecords } from '../../../src/log-layer/apply-payload.js';
import { FlowEdge } from '../../../src/log-layer/flow-tree.js';
import { DELETED_BECAUSE, decodeDeleted, objectDeleted, wholeObject } from '../../../src/log-layer/records.js';
import {
	decodeRootRow,
	encodeRootRow,
	encodeSubmissionRow,
	isDeletedRow,
	rowKeys,
	type RootRow,
	type SubmissionRow,
} from '../../../src/log-layer/rows.js';
import { keccak256 } from '../../../src/native/addon.js';
import type { DeletionRecord, UploadRecord } from '../../../src/settlement/journal-records.js';
import { type FlowId, type Lsn, rootFromBytes, type SectorIndex, type TxSeq } from '../../../src/units.js';
import { LossyKv } from '../../support/lossy-kv.js';
import { Prng } from '../../support/prng.js';
import { emptyMemory, quietView } from '../../support/quiet-view.js';

const ROOT_BYTES = keccak256(Buffer.from('content'));
const ROOT = rootFromBytes(ROOT_BYTES);
const BYTES = 4096;
const ORDERS = 8;
const LSN = 1n as Lsn;

const UPLOAD = {
	flowId: 0 as FlowId,
	txSeq: 0 as TxSeq,
	root: ROOT,
	timeMs: 1,
	name: 'first',
	contentType: '',
} satisfies UploadRecord;
const SUBMISSION: SubmissionRow = {
	flowId: UPLOAD.flowId,
	txSeq: UPLOAD.txSeq,
	dataRoot: ROOT,
	lengthBytes: BigInt(BYTES),
	startSector: 0n as SectorIndex,
	lengthBefore: 0n,
	lengthAfter: 16n,
	timeMs: 1,
	blockNumber: 1,
	nodes: [{ height: 4, root: ROOT_BYTES }],
	tags: new Uint8Array(0),
	submitter: new Uint8Array(20),
	upload: UPLOAD,
};

interface History {
	readonly small: readonly LogRecord[];
	readonly journal: readonly (DeletionRecord | UploadRecord)[];
}

interface Outcome {
	readonly row: RootRow;
	readonly liveBytes: number;
	readonly unnamed: number;
}

/** The content comes and goes: uploaded, ended as nobody names it, deleted with the journal's word, or by a fact that the journal does not repeat. */
function makeHistory(prng: Prng): History {
	const small: LogRecord[] = [];
	const journal: (DeletionRecord | UploadRecord)[] = [];
	let lsn = 0n;
	for (let round = prng.below(5); round >= 0; round--) {
		const objectId = ++lsn;
		const { type, ext } = wholeObject(ROOT_BYTES, new Uint8Array(BYTES), new Uint8Array(4));
		const place = { lane: 'small', fileNo: 1, offset: BYTES * Number(lsn), lengthBytes: BYTES } as const;
		const blockCrcs = new Uint8Array(4);
		small.push({ type, ext, lane: 'small', lsn: lsn as Lsn, origin: lsn as Lsn, blockCrcs, place });
		// The upload of the first one made the submission.
		if (objectId > 1n) journal.push({ ...UPLOAD, name: `object ${objectId}` });
		if (prng.chance(0.2)) continue;
		const cause = prng.pick(Object.values(DELETED_BECAUSE));
		const isWanted = cause !== DELETED_BECAUSE.spent;
		if (!isWanted || prng.chance(0.5)) small.push(deletionOf(objectId, cause, ++lsn));
		else journal.push({ root: ROOT, objectId, isDeleted: cause === DELETED_BECAUSE.unwanted });
		if (isWanted && prng.chance(0.3) && small.at(-1)?.type !== type)
			journal.push({ root: ROOT, objectId, isDeleted: cause === DELETED_BECAUSE.unwanted });
	}
	return { small, journal };
}

function deletionOf(objectId: bigint, cause: number, lsn: bigint): LogRecord {
	const { type, ext } = objectDeleted({ objectId, root: ROOT_BYTES, cause });
	return { type, ext, lane: 'small', lsn: lsn as Lsn, origin: lsn as Lsn, blockCrcs: new Uint8Array(0) };
}

/** Takes the lanes by turns; `repeats`: now and then goes back in one of them. */
async function outcomeOf({ small, journal }: History, prng: Prng, repeats: boolean): Promise<Outcome> {
	const kv = new LossyKv();
	const view = quietView(kv);
	const memory = emptyMemory();
	const edge = await FlowEdge.at(kv, { flowId: 0 as FlowId, lengthSectors: 0n, submissions: 0 });
	await view.change((turn) => {
		turn.put(rowKeys.submission(UPLOAD.flowId, UPLOAD.txSeq), encodeSubmissionRow(SUBMISSION));
		const submissions = { flowId: UPLOAD.flowId, firstSeq: UPLOAD.txSeq, more: false };
		turn.put(rowKeys.root(ROOT), encodeRootRow({ submissions }));
		return Promise.resolve();
	});
	let [smallAt, journalAt] = [0, 0];
	let repeatsLeft = repeats ? 6 : 0;
	while (smallAt < small.length || journalAt < journal.length) {
		if (journalAt >= journal.length || (smallAt < small.length && prng.chance(0.6))) {
			const records = small.slice(smallAt, ++smallAt);
			await view.change((turn) => applyPayloadRecords(turn, records, memory));
		} else {
			const items = journal
				.slice(journalAt, ++journalAt)
				.map((record) => ('name' in record ? { lsn: LSN, upload: record } : { lsn: LSN, deletion: record }));
			await view.change((turn) => applyJournalItems(turn, items, { ...memory, edge }));
		}
		if (repeatsLeft === 0 || !prng.chance(0.4)) continue;
		repeatsLeft--;
		if (prng.chance(0.5)) smallAt = prng.below(smallAt + 1);
		else journalAt = prng.below(journalAt + 1);
	}
	const row = await view.get(rowKeys.root(ROOT));
	return {
		row: row ? decodeRootRow(row) : {},
		liveBytes: memory.live.of('small', 1),
		unnamed: memory.pending.count,
	};
}

it('whatever the order in which the lanes come, and whatever comes again, the same is held and deleted', async () => {
	const seen = { held: 0, deleted: 0, both: 0, nothing: 0 };
	for (let seed = 1; seed <= 300; seed++) {
		const prng = new Prng(seed);
		const history = makeHistory(prng);
		const first = await outcomeOf(history, prng, false);
		for (let order = 0; order < ORDERS; order++) {
			const outcome = await outcomeOf(history, prng, order % 2 === 1);
			assert.deepEqual(outcome, first, `seed ${seed}`);
		}
		const { object, ended, deletion } = first.row;
		const newest = history.small.findLast(({ place }) => place)?.lsn;
		const fact = history.small
			.filter(({ place }) => !place)
			.map(decodeDeleted)
			.findLast((each) => each.objectId === newest);
		const isInJournal = history.journal.some((record) => 'objectId' in record && record.objectId === newest);
		assert.equal(object?.objectId, fact || isInJournal ? undefined : newest, `seed ${seed}`);
		// Without the journal's word the root remembers it by the fact, or older ones would count again.
		if (fact && fact.cause !== DELETED_BECAUSE.spent && !isInJournal)
			assert.deepEqual(ended, { objectId: newest, isDeleted: fact.cause === DELETED_BECAUSE.unwanted }, `seed ${seed}`);
		assert.equal(first.liveBytes > 0, object !== undefined, `seed ${seed}`);
		assert.equal(first.unnamed, 0, `seed ${seed}`);
		const last = history.journal.at(-1);
		if (last && 'name' in last) assert.notEqual(deletion?.isDeleted, true, `seed ${seed}`);
		for (const newer of [object, ended])
			assert.ok(!newer || !deletion || newer.objectId > deletion.objectId, `seed ${seed}`);
		if (object && deletion) seen.both++;
		else if (object) seen.held++;
		else if (isDeletedRow(first.row)) seen.deleted++;
		else seen.nothing++;
	}
	for (const [what, count] of Object.entries(seen)) assert.ok(count >= 20, `${what}: ${count}`);
});
