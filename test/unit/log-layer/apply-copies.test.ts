import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { LogRecord } from '../../../src/append-log/types.js';
import { applyPayloadRecords } from '../../../src/log-layer/apply-payload.js';
import { LiveBytes } from '../../../src/log-layer/live-bytes.js';
import { OpenTrees } from '../../../src/log-layer/open-trees.js';
import { PendingObjects } from '../../../src/log-layer/pending-objects.js';
import { DELETED_BECAUSE, objectDeleted } from '../../../src/log-layer/records.js';
import { decodeRootRow, rowKeys } from '../../../src/log-layer/rows.js';
import { View } from '../../../src/log-layer/view.js';
import { keccak256 } from '../../../src/native/addon.js';
import { type Lsn, rootFromBytes } from '../../../src/units.js';
import { LossyKv } from '../../support/lossy-kv.js';

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
	const ignore = (): void => undefined;
	const view = new View(kv, { batch: ignore, damaged: ignore, stalled: ignore, failed: ignore });
	const memory = {
		trees: new OpenTrees(),
		pending: new PendingObjects(() => 0, []),
		live: new LiveBytes(undefined, true),
	};
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
