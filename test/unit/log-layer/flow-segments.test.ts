import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FlowSegment } from '../../../src/log-layer/flow-segments.js';
import type { StoredFile } from '../../../src/log-layer/types.js';
import { fileRoot } from '../../../src/native/addon.js';
import { SEGMENT_SECTORS, type TxSeq } from '../../../src/units.js';
import { damageContent } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const ALL_SEALS = 2n ** 64n - 1n;

async function upload(store: TestStore, content: Uint8Array): Promise<StoredFile> {
	const file = await store.files.fileBySeq((await put(store, content)).txSeq);
	assert.ok(file);
	return file;
}

/** What a test compares of a flow segment's pieces. */
function pieces({ pieces: found }: FlowSegment): unknown {
	return found.map(({ submission, sector, sectors, fileSector, object }) => ({
		txSeq: submission.txSeq,
		sector: Number(sector),
		sectors,
		fileSector: Number(fileSector),
		isHeld: object !== undefined,
	}));
}

function whole(file: StoredFile, isHeld = true): unknown {
	const [sector, sectors] = [Number(file.startSector), Number(file.paddedSectors)];
	return { txSeq: file.txSeq, sector, sectors, fileSector: 0, isHeld };
}

/** Seals of a flow segment that lie wholly in [0, sectors). */
const sealsBefore = (sectors: number): bigint => 2n ** BigInt(Math.floor(sectors / 16)) - 1n;

describe('a flow segment', () => {
	it('of many small files has a piece for each, and the seals before the end of the flow', async () => {
		const store = await stores.open();
		const prng = new Prng(1);
		const files: StoredFile[] = [];
		for (let i = 0; i < 40; i++) files.push(await upload(store, prng.bytes(1 + prng.below(4000))));
		const segment = await store.files.flowSegment(0n);
		const end = Number(store.files.flow().lengthSectors);
		assert.ok(end < SEGMENT_SECTORS);
		assert.deepEqual(
			pieces(segment),
			files.map((file) => whole(file)),
		);
		assert.equal(segment.availability, sealsBefore(end));
		await store.close();
	});

	it('lacks the seals that touch a submission whose data is not here, until it is uploaded', async () => {
		const store = await stores.open();
		const foreign = new Prng(2).bytes(9000);
		const first = await upload(store, new Prng(3).bytes(3000));
		const { nodes } = fileRoot(foreign);
		const submitter = new Uint8Array(20).fill(1);
		await store.settlement.submit({ lengthBytes: 9000n, tags: new Uint8Array(0), nodes, submitter });
		const missing = await store.files.fileBySeq(1 as TxSeq);
		const last = await upload(store, new Prng(4).bytes(60_000));
		assert.ok(missing);
		const before = await store.files.flowSegment(0n);
		assert.deepEqual(pieces(before), [whole(first), whole(missing, false), whole(last)]);
		const all = sealsBefore(Number(store.files.flow().lengthSectors));
		let touched = 0n;
		for (let sector = missing.startSector as bigint; sector < missing.startSector + missing.paddedSectors; sector++) {
			touched |= 1n << (sector / 16n);
		}
		assert.equal(before.availability, all & ~touched);
		assert.notEqual(before.availability, all);
		await put(store, foreign);
		assert.equal((await store.files.flowSegment(0n)).availability, all);
		await store.close();
	});

	it('of a large file is one piece of it; of a gap nothing, and all seals', async () => {
		const store = await stores.open();
		await upload(store, new Prng(5).bytes(100));
		const large = await upload(store, new Prng(6).bytes(5_242_893));
		const first = Number(large.startSector) / SEGMENT_SECTORS;
		assert.ok(first > 1, 'there is a gap before it');
		const gap = await store.files.flowSegment(BigInt(first - 1));
		assert.deepEqual([pieces(gap), gap.availability], [[], ALL_SEALS]);
		for (let index = 0; index < large.segmentsPadded; index++) {
			const segment = await store.files.flowSegment(BigInt(first + index));
			const sector = (first + index) * SEGMENT_SECTORS;
			const piece = { txSeq: 1, sector, sectors: SEGMENT_SECTORS, fileSector: index * SEGMENT_SECTORS, isHeld: true };
			assert.deepEqual(pieces(segment), [piece]);
			assert.equal(segment.availability, ALL_SEALS);
		}
		const behind = await store.files.flowSegment(BigInt(first + large.segmentsPadded));
		assert.deepEqual([pieces(behind), behind.availability], [[], 0n]);
		await store.close();
	});

	it('lacks the seals of a damaged segment of a file, and no others', async () => {
		const store = await stores.open();
		const content = new Prng(7).bytes(900_000);
		const file = await upload(store, content);
		const first = file.startSector / BigInt(SEGMENT_SECTORS);
		await damageContent(store.dataDir, 'bulk', content, 300_000);
		await assert.rejects(readBack(store, file), { code: 'DATA_DAMAGED' });
		assert.equal((await store.files.flowSegment(first)).availability, ALL_SEALS);
		const damaged = await store.files.flowSegment(first + 1n);
		assert.equal(damaged.availability, 0n);
		assert.equal(damaged.pieces[0]?.object, undefined);
		await put(store, content);
		assert.equal((await store.files.flowSegment(first + 1n)).availability, ALL_SEALS);
		await store.close();
	});
});
