/** What the lane `sealed` says of one flow segment, in whatever order compaction has brought it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { LogRecord, RecordInput } from '../../../src/append-log/types.js';
import { applyPayloadRecords } from '../../../src/log-layer/apply-payload.js';
import { judge } from '../../../src/log-layer/liveness.js';
import { flowSegmentDropped, sealedFlowSegment } from '../../../src/log-layer/sealed-records.js';
import { decodeSealedRow, sealedKey } from '../../../src/log-layer/sealed-rows.js';
import type { View } from '../../../src/log-layer/view.js';
import type { FlowId, Lsn } from '../../../src/units.js';
import { LossyKv } from '../../support/lossy-kv.js';
import { emptyMemory, quietView } from '../../support/quiet-view.js';

const KEY = { flowId: 0 as FlowId, index: 7n };

/** As the log holds it: written first as number `origin`, here as number `lsn`. */
function recordOf({ type, ext }: RecordInput, origin: number, lsn: number): LogRecord {
	const place = { lane: 'sealed', fileNo: lsn, offset: 4096, lengthBytes: 262_144 } as const;
	const numbers = { origin: BigInt(origin) as Lsn, lsn: BigInt(lsn) as Lsn, lane: 'sealed' } as const;
	const record = { type, ext, ...numbers, blockCrcs: new Uint8Array(256) };
	return type === flowSegmentDropped(KEY).type ? record : { ...record, place };
}

function sealed(origin: number, lsn = origin): LogRecord {
	const fields = { ...KEY, minerId: new Uint8Array(32).fill(1), seals: 5n, contexts: [], pieces: [] };
	return recordOf(sealedFlowSegment(fields, new Uint8Array(1), new Uint8Array(4)), origin, lsn);
}

function dropped(origin: number, lsn = origin): LogRecord {
	return recordOf(flowSegmentDropped(KEY), origin, lsn);
}

async function after(records: readonly LogRecord[]): Promise<{ readonly view: View; readonly row: unknown }> {
	const view = quietView(new LossyKv());
	await view.change((turn) => applyPayloadRecords(turn, records, emptyMemory()));
	const value = await view.get(sealedKey(KEY));
	const row = value && decodeSealedRow(value);
	return { view, row: row && ('place' in row ? `in file ${row.place.fileNo}` : `dropped by ${row.droppedBy}`) };
}

it('the later writing counts, and a copy of an earlier one changes nothing', async () => {
	assert.equal((await after([sealed(3), sealed(5)])).row, 'in file 5');
	assert.equal((await after([sealed(3), sealed(5), sealed(3, 9)])).row, 'in file 5');
	assert.equal((await after([sealed(3), sealed(3, 9)])).row, 'in file 9');
	assert.equal((await after([sealed(3), dropped(5), sealed(3, 9)])).row, 'dropped by 5');
	assert.equal((await after([sealed(3), dropped(5), sealed(6), dropped(5, 9)])).row, 'in file 6');
});

it('one writing is alive, the last one, also where it says that there is none any more', async () => {
	const fates = async (records: readonly LogRecord[]): Promise<readonly string[]> => {
		const { view } = await after(records);
		let judged: readonly string[] = [];
		await view.change(async (turn) => {
			judged = (await judge(turn, records, () => false)).map(({ fate }) => fate);
		});
		return judged;
	};
	assert.deepEqual(await fates([sealed(3), sealed(5)]), ['dead', 'live']);
	assert.deepEqual(await fates([sealed(3), dropped(5)]), ['dead', 'live']);
	assert.deepEqual(await fates([dropped(5), sealed(6)]), ['dead', 'live']);
});
