import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { LogRecord, RecordInput } from '../../../src/append-log/types.js';
import { applyPayloadRecords } from '../../../src/log-layer/apply-payload.js';
import {
	DELETED_BECAUSE,
	objectClosed,
	objectDeleted,
	objectOpened,
	segmentRecord,
} from '../../../src/log-layer/records.js';
import { decodeObjectRow, decodeRootRow, rowKeys } from '../../../src/log-layer/rows.js';
import { keccak256 } from '../../../src/native/addon.js';
import { type Lsn, rootFromBytes, SEGMENT_BYTES } from '../../../src/units.js';
import { LossyKv } from '../../support/lossy-kv.js';
import { emptyMemory, quietView } from '../../support/quiet-view.js';

/** More than the view keeps in memory for repeated look-ups. */
const DELETIONS = 20_000;
const COPIES = 64;

class CountingKv extends LossyKv {
	reads = 0;
	written = 0;

	override get(key: Uint8Array): Promise<Uint8Array | undefined> {
		this.reads++;
		return super.get(key);
	}

	override getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
		this.reads++;
		return super.getMany(keys);
	}

	override batch(operations: Parameters<LossyKv['batch']>[0]): Promise<void> {
		this.written += operations.length;
		return super.batch(operations);
	}
}

function rootAt(index: number): Uint8Array {
	return keccak256(Buffer.from(String(index)));
}

function deletion(index: number, lsn: number): LogRecord {
	const objectId = BigInt(index + 1);
	const { type, ext } = objectDeleted({ objectId, root: rootAt(index), cause: DELETED_BECAUSE.unwanted });
	const origin = BigInt(DELETIONS + index) as Lsn;
	return { type, ext, lane: 'small', origin, lsn: BigInt(lsn) as Lsn, blockCrcs: new Uint8Array(0) };
}

it('deletions that compaction copies cost one look-up together and no row: nothing else waits for one way each', async () => {
	const kv = new CountingKv();
	const view = quietView(kv);
	const memory = emptyMemory();
	const apply = async (records: readonly LogRecord[]): Promise<void> => {
		await view.change((turn) => applyPayloadRecords(turn, records, memory));
		await view.landed();
	};
	for (let from = 0; from < DELETIONS; from += 1000)
		await apply(Array.from({ length: 1000 }, (_, index) => deletion(from + index, DELETIONS + from + index)));
	const before = { reads: kv.reads, written: kv.written };
	await apply(Array.from({ length: COPIES }, (_, index) => deletion(index, 3 * DELETIONS + index)));
	assert.equal(kv.reads - before.reads, 1);
	assert.equal(kv.written - before.written, 0);
	for (const index of [0, COPIES - 1, DELETIONS - 1]) {
		const row = await view.get(rowKeys.root(rootFromBytes(rootAt(index))));
		assert.deepEqual(row && decodeRootRow(row).ended, { objectId: BigInt(index + 1), isDeleted: true });
	}
});

it('what is left of a dropped segment makes its file incomplete, also when the file with the fact is lost', async () => {
	const objectId = 10n;
	const segments = [rootAt(0), rootAt(1)];
	const root = keccak256(Buffer.concat(segments));
	const record = ({ type, ext }: RecordInput, lsn: bigint): LogRecord => ({
		type,
		ext,
		lane: 'bulk',
		lsn: lsn as Lsn,
		origin: lsn as Lsn,
		blockCrcs: new Uint8Array(0),
	});
	const stored = segments.map((segmentRoot, segment): LogRecord => {
		const input = segmentRecord({ objectId, segment, root: segmentRoot }, new Uint8Array(0), new Uint8Array(0));
		const place = { lane: 'bulk', fileNo: 1, offset: 4096 * (segment + 1), lengthBytes: 4096 } as const;
		return Object.assign(record(input, 11n + BigInt(segment)), { place });
	});
	const opened = record(objectOpened(), objectId);
	const closed = record(objectClosed({ objectId, sizeBytes: BigInt(SEGMENT_BYTES + 4096), root }), 13n);
	const { place: _, ...rest } = stored[0]!;
	const left: LogRecord = { ...rest, lsn: 20n as Lsn };
	// Compaction may have written what is left before or behind the copy of the record that closed the object.
	for (const records of [
		[opened, ...stored, closed, left],
		[opened, stored[1]!, left, closed],
		[stored[1]!, left, { ...closed, lsn: 21n as Lsn }],
	]) {
		const view = quietView(new LossyKv());
		await view.change((turn) => applyPayloadRecords(turn, records, emptyMemory()));
		const object = await view.get(rowKeys.object(objectId));
		assert.deepEqual(object && decodeObjectRow(object).dropped, [{ first: 0, count: 1 }]);
		const row = await view.get(rowKeys.root(rootFromBytes(root)));
		assert.equal(row && decodeRootRow(row).object?.isPruned, true);
	}
});
