/**
 * What the journal brings into the view: names are those of the newest uploads, and a replay over a newer view gives the same rows, also where the
 * chain takes submissions back.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TABLES } from '../../../src/db/tables.js';
import { applyJournalItems } from '../../../src/log-layer/apply-journal.js';
import { FlowEdge } from '../../../src/log-layer/flow-tree.js';
import { decodeRootRow, decodeSubmissionRow, rowKeys, type SubmissionRow } from '../../../src/log-layer/rows.js';
import { keccak256 } from '../../../src/native/addon.js';
import type { JournalItem } from '../../../src/settlement/journal.js';
import type { UploadRecord } from '../../../src/settlement/journal-records.js';
import type { PlacedSubmission } from '../../../src/settlement/settlement.js';
import {
	type DataRoot,
	type FlowId,
	type Lsn,
	OWN_FLOW,
	rootFromBytes,
	type SectorIndex,
	type TxSeq,
} from '../../../src/units.js';
import { LossyKv } from '../../support/lossy-kv.js';
import { Prng } from '../../support/prng.js';
import { emptyMemory, quietView } from '../../support/quiet-view.js';

const FLOW_OF = { own: OWN_FLOW, chain: 1 as FlowId } as const;
const LSN = 1n as Lsn;
const LEAVES = ['a', 'b', 'c'].map((name) => keccak256(Buffer.from(name)));
const REPLAYS = 6;

/** `own`: this node orders submissions, and each stays. `chain`: some are taken back. */
type Kind = 'own' | 'chain';

interface History {
	readonly flowId: FlowId;
	readonly items: readonly JournalItem[];
	/** Submissions that stand in the end. */
	readonly standing: readonly PlacedSubmission[];
	/** The newest upload of each root. */
	readonly newest: ReadonlyMap<DataRoot, UploadRecord>;
	/** The uploads that made submissions. */
	readonly makers: readonly UploadRecord[];
}

/** One sector each, so that they stand without gaps. */
function placedAt(flowId: FlowId, txSeq: number, leaf: Uint8Array): PlacedSubmission {
	return {
		flowId,
		txSeq: txSeq as TxSeq,
		lengthBytes: 256n,
		tags: new Uint8Array(0),
		nodes: [{ root: leaf, height: 0 }],
		submitter: new Uint8Array(20).fill(1),
		dataRoot: rootFromBytes(leaf),
		identity: new Uint8Array(32),
		startSector: BigInt(txSeq + 1) as SectorIndex,
		lengthBefore: BigInt(txSeq + 1),
		lengthAfter: BigInt(txSeq + 2),
		flowRoot: new Uint8Array(32),
		timeMs: 0,
		blockNumber: 1,
	};
}

async function edgeOf(flowId: FlowId, standing: readonly PlacedSubmission[]): Promise<FlowEdge> {
	const edge = await FlowEdge.at(new LossyKv(), { flowId, lengthSectors: 1n, submissions: 0 });
	for (const submission of standing) edge.append(submission);
	return edge;
}

async function makeHistory(kind: Kind, prng: Prng): Promise<History> {
	const flowId = FLOW_OF[kind];
	const items: JournalItem[] = [];
	const standing: PlacedSubmission[] = [];
	const newest = new Map<DataRoot, UploadRecord>();
	const makers: UploadRecord[] = [];
	const upload = (root: DataRoot): UploadRecord => {
		const timeMs = items.length;
		return { flowId, root, timeMs, name: `upload ${timeMs}`, contentType: '' };
	};
	const write = (record: UploadRecord): void => {
		items.push({ lsn: LSN, upload: record });
		newest.set(record.root, record);
	};
	for (let step = 8 + prng.below(30); step > 0; step--) {
		const what = prng.below(10);
		const leaf = prng.pick(LEAVES);
		const root = rootFromBytes(leaf);
		if (what < 5) {
			const submission = placedAt(flowId, standing.length, leaf);
			standing.push(submission);
			items.push({ lsn: LSN, event: { kind: 'submission', submission } });
			if (kind === 'chain') continue;
			const maker = { ...upload(root), txSeq: submission.txSeq };
			makers.push(maker);
			write(maker);
		} else if (what < 8) {
			const known = standing.find(({ dataRoot }) => dataRoot === root);
			if (kind === 'chain') write(upload(root));
			// Without a submission it makes one.
			else if (known) write({ ...upload(root), txSeq: known.txSeq });
		} else if (kind === 'chain' && standing.length > 0) {
			const fromSeq = prng.below(standing.length) as TxSeq;
			standing.length = fromSeq;
			const { frontier, lengthSectors: flowLength } = await edgeOf(flowId, standing);
			items.push({ lsn: LSN, event: { kind: 'revertedTo', flowId, fromSeq, flowLength, frontier } });
		}
	}
	return { flowId, items, standing, newest, makers };
}

/** Applies all items, in steps of any size; `goesBack`: now and then from an earlier one on again. */
async function rowsAfter(
	{ flowId, items }: Pick<History, 'flowId' | 'items'>,
	prng: Prng,
	goesBack: boolean,
): Promise<{ kv: LossyKv; rows: string[] }> {
	const kv = new LossyKv();
	const view = quietView(kv);
	const memory = emptyMemory();
	let edge = await edgeOf(flowId, []);
	let backLeft = goesBack ? 3 : 0;
	for (let at = 0; at < items.length || backLeft > 0; ) {
		const step = items.slice(at, at + 1 + prng.below(6));
		await view.change((turn) => applyJournalItems(turn, step, { ...memory, edge }));
		at += step.length;
		if (backLeft === 0 || (at < items.length && !prng.chance(0.2))) continue;
		backLeft--;
		at = prng.below(at + 1);
		edge = await edgeOf(flowId, standingAfter(items.slice(0, at)));
	}
	await view.landed();
	const rows: string[] = [];
	for (const table of [TABLES.root, TABLES.rootSeq, TABLES.submission, TABLES.flowNode]) {
		for await (const chunk of kv.scan({ from: Buffer.of(table), to: Buffer.of(table + 1) }))
			for (const { key, value } of chunk) rows.push(Buffer.concat([key, value]).toString('hex'));
	}
	return { kv, rows };
}

function standingAfter(items: readonly JournalItem[]): PlacedSubmission[] {
	const standing: PlacedSubmission[] = [];
	for (const item of items) {
		if (!('event' in item)) continue;
		if (item.event.kind === 'submission') standing.push(item.event.submission);
		else if (item.event.kind === 'revertedTo') standing.length = item.event.fromSeq;
	}
	return standing;
}

/** Of a root: its first submission, and the name that it has. */
async function namedIn(
	kv: LossyKv,
	root: DataRoot,
): Promise<{ firstSeq: TxSeq | undefined; name: string | undefined }> {
	const { newest, submissions } = decodeRootRow((await kv.get(rowKeys.root(root))) ?? assert.fail());
	const first = submissions && (await makerOf(kv, submissions.flowId, submissions.firstSeq));
	return { firstSeq: submissions?.firstSeq, name: (newest ?? first)?.name };
}

async function makerOf(kv: LossyKv, flowId: FlowId, txSeq: TxSeq): Promise<SubmissionRow['upload']> {
	const value = (await kv.get(rowKeys.submission(flowId, txSeq))) ?? assert.fail();
	return decodeSubmissionRow(flowId, txSeq, value).upload;
}

for (const kind of ['own', 'chain'] as const) {
	it(`the newest upload names its content, and a replay changes nothing (${kind})`, async () => {
		let [waiting, named] = [0, 0];
		for (let seed = 1; seed <= 150; seed++) {
			const prng = new Prng(seed);
			const history = await makeHistory(kind, prng);
			const { kv, rows } = await rowsAfter(history, prng, false);
			for (let replay = 0; replay < REPLAYS; replay++)
				assert.deepEqual((await rowsAfter(history, prng, true)).rows, rows, `seed ${seed}`);
			for (const [root, { name }] of history.newest) {
				const first = history.standing.find(({ dataRoot }) => dataRoot === root);
				assert.deepEqual(await namedIn(kv, root), { firstSeq: first?.txSeq, name }, `seed ${seed}`);
				if (first) named++;
				else waiting++;
			}
			if (kind === 'own') assert.equal(history.makers.length, history.standing.length);
			for (const { txSeq, name } of history.makers)
				assert.equal((await makerOf(kv, history.flowId, txSeq ?? assert.fail()))?.name, name, `seed ${seed}`);
		}
		assert.ok(named > 50 && waiting >= (kind === 'chain' ? 50 : 0), `${waiting} waiting, ${named} named`);
	});
}

it('an upload that names a submission which the chain took back names its root', async () => {
	const flowId = FLOW_OF.chain;
	const [leaf, other] = LEAVES.map((root) => placedAt(flowId, 0, root));
	assert.ok(leaf && other);
	const upload = { flowId, txSeq: 0 as TxSeq, root: leaf.dataRoot, timeMs: 1, name: 'late', contentType: '' };
	const { frontier } = await edgeOf(flowId, []);
	const submitted = { lsn: LSN, event: { kind: 'submission', submission: leaf } } as const;
	const reverted = {
		lsn: LSN,
		event: { kind: 'revertedTo', flowId, fromSeq: 0 as TxSeq, flowLength: 1n, frontier },
	} as const;
	const replaced = { lsn: LSN, event: { kind: 'submission', submission: other } } as const;
	for (const between of [[reverted], [reverted, replaced]]) {
		const items = [submitted, ...between, { lsn: LSN, upload }];
		for (let seed = 1; seed <= 20; seed++) {
			const { kv } = await rowsAfter({ flowId, items }, new Prng(seed), seed > 10);
			assert.deepEqual(await namedIn(kv, leaf.dataRoot), { firstSeq: undefined, name: 'late' });
			if (between.length > 1) assert.equal(await makerOf(kv, flowId, 0 as TxSeq), undefined);
		}
	}
});
