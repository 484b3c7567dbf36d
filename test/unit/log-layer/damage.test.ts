import assert from 'node:assert/strict';
import { cp, readFile, truncate, unlink, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { type SectorIndex, SEGMENT_BYTES, type TxSeq } from '../../../src/units.js';
import { damageContent, logFiles } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const SMALL = new Prng(1).bytes(50_000);
const LARGE = new Prng(2).bytes(3 * SEGMENT_BYTES + 1000);
const HEALTHY = new Prng(3).bytes(20_000);

const codesOf = (store: TestStore): string[] => store.files.health().map(({ code }) => code);

for (const { lane, content, segment } of [
	{ lane: 'small', content: SMALL, segment: 0 },
	{ lane: 'bulk', content: LARGE, segment: 2 },
]) {
	describe(`a flipped bit in the lane ${lane}`, () => {
		const at = segment * SEGMENT_BYTES + 9000;
		const firstOfBlock = Math.floor(at / 4096) * 4096;

		async function damaged(): Promise<{ store: TestStore; segments: number }> {
			const store = await stores.open();
			await put(store, HEALTHY);
			const { segments } = await put(store, content, { name: 'made' });
			await damageContent(store.dataDir, lane, content, at);
			return { store, segments };
		}

		it('is an error for whoever reads that block, and for nobody else', async () => {
			const { store } = await damaged();
			const file = await store.files.fileBySeq(1 as TxSeq);
			assert.ok(file);
			for (const [from, to] of [
				[at, at + 1],
				[firstOfBlock, firstOfBlock + 1],
				[firstOfBlock - 1, firstOfBlock + 4097],
			] as const) {
				await assert.rejects(store.files.readSmall(file, from, to), { code: 'DATA_DAMAGED' });
				await assert.rejects(readBack(store, file, from, to), { code: 'DATA_DAMAGED' });
			}
			await assert.rejects(readBack(store, file), { code: 'DATA_DAMAGED' });
			await assert.rejects(store.files.segmentProof(file, segment), { code: 'DATA_DAMAGED' });
			const sector = (file.startSector + BigInt(Math.floor(at / 256))) as SectorIndex;
			await assert.rejects(store.files.sectorProof(sector), { code: 'DATA_DAMAGED' });
			assert.ok((await readBack(store, file, 0, firstOfBlock)).equals(content.subarray(0, firstOfBlock)));
			const rest = await readBack(store, file, firstOfBlock + 4096);
			assert.ok(rest.equals(content.subarray(firstOfBlock + 4096)));
			assert.ok((await readBack(store, { txSeq: 0 as TxSeq })).equals(HEALTHY));
			await store.close();
		});

		it('shows in the health and in the file once it was found', async () => {
			const { store, segments } = await damaged();
			assert.deepEqual(codesOf(store), []);
			const before = await store.files.fileBySeq(1 as TxSeq);
			assert.ok(before?.finalized);
			for (let i = 0; i < 2; i++) await assert.rejects(readBack(store, before), { code: 'DATA_DAMAGED' });
			assert.deepEqual(codesOf(store), ['DATA_DAMAGED']);
			assert.equal(store.damage.count, 1);
			const after = await store.files.fileBySeq(1 as TxSeq);
			assert.deepEqual([after?.finalized, after?.heldSegments], [false, segments - 1]);
			assert.equal(store.told.filter((told) => told === 'damage found').length, 1);
			await store.close();
		});

		it('is healed by the same upload, without a new submission, for good', async () => {
			let { store } = await damaged();
			const file = await store.files.fileBySeq(1 as TxSeq);
			assert.ok(file);
			await assert.rejects(readBack(store, file), { code: 'DATA_DAMAGED' });
			const result = await put(store, content, { name: 'healer' });
			assert.deepEqual([result.txSeq, result.existed], [1, false]);
			assert.deepEqual(codesOf(store), []);
			for (const options of [{}, { rebuild: true }]) {
				assert.ok((await readBack(store, file)).equals(content));
				const healed = await store.files.fileByRoot(file.root);
				assert.deepEqual([healed?.finalized, healed?.name], [true, 'healer']);
				assert.equal(store.files.flow().submissions, 2);
				await store.close();
				store = await stores.open(options, store.dataDir);
			}
			assert.ok((await readBack(store, file)).equals(content));
			await store.close();
		});
	});

	describe(`damage in the lane ${lane} that nobody has met since the start`, () => {
		it('is healed by the same upload', async () => {
			const first = await stores.open();
			const { txSeq } = await put(first, content);
			await first.close();
			await damageContent(first.dataDir, lane, content, content.length - 500);
			const store = await stores.open({}, first.dataDir);
			const result = await put(store, content);
			assert.deepEqual([result.txSeq, result.existed], [txSeq, false]);
			assert.ok((await readBack(store, result)).equals(content));
			assert.deepEqual(codesOf(store), []);
			await store.close();
		});
	});

	describe(`a log file of the lane ${lane} that is gone or cut`, () => {
		for (const fate of ['gone', 'cut'] as const) {
			it(`${fate}: never wrong bytes, shown in the health, healed by the same upload`, async () => {
				const first = await stores.open();
				await put(first, content);
				await first.close();
				const [path] = await logFiles(first.dataDir, lane);
				assert.ok(path);
				if (fate === 'gone') await unlink(path);
				else await truncate(path, 8192);
				const store = await stores.open({}, first.dataDir);
				const file = await store.files.fileBySeq(0 as TxSeq);
				assert.ok(file);
				const [code, reason] = fate === 'gone' ? ['NOT_HELD', 'LOG_MISSING'] : ['DATA_DAMAGED', 'DATA_DAMAGED'];
				await assert.rejects(readBack(store, file), { code });
				assert.equal((await store.files.fileBySeq(file.txSeq))?.finalized, false);
				assert.ok(codesOf(store).includes(reason));
				const healed = await put(store, content);
				assert.deepEqual([healed.txSeq, healed.existed], [0, false]);
				assert.ok((await readBack(store, file)).equals(content));
				assert.ok((await store.files.fileBySeq(file.txSeq))?.finalized);
				await store.close();
			});
		}
	});
}

describe('a closed log file that was cut while the node was stopped', () => {
	for (const lane of ['bulk', 'small', 'journal'] as const) {
		it(`is known from the next start on, before anybody reads: ${lane}`, async () => {
			const options = { rollBytes: 600_000 };
			const first = await stores.open(options);
			const contents = [1, 2, 3, 4, 5, 6].map((seed) => new Prng(seed).bytes(seed % 2 === 0 ? 500_000 : 200_000));
			for (const content of contents) await put(first, content);
			// The journal goes on in another file.
			await first.log.roll('journal');
			await first.log.flush();
			await first.close();
			const [path] = await logFiles(first.dataDir, lane);
			assert.ok(path);
			const whole = await readFile(path);
			await truncate(path, whole.length - 1500);
			let store = await stores.open(options, first.dataDir);
			assert.ok(store.told.includes(`damaged ${lane} 1`));
			assert.deepEqual(codesOf(store), ['LOG_DAMAGED']);
			const [cut, ...others] = store.damage.stretches;
			assert.deepEqual([cut?.lane, cut?.fileNo, cut?.from, cut?.foundBy], [lane, 1, whole.length - 1500, 'open']);
			assert.deepEqual(others, []);
			await assert.rejects(store.compaction.start(), { code: 'DATA_DAMAGED' });
			store.scrub.start();
			await store.scrub.idle();
			assert.ok(codesOf(store).includes('LOG_DAMAGED'), 'a pass of the scrub finds it too');
			await store.close();
			await writeFile(path, whole);
			store = await stores.open(options, first.dataDir);
			assert.ok(!store.told.includes(`damaged ${lane} 1`));
			store.scrub.start();
			await store.scrub.idle();
			assert.deepEqual(codesOf(store), []);
			for (const [txSeq, content] of contents.entries())
				assert.ok((await readBack(store, { txSeq: txSeq as TxSeq })).equals(content));
			await store.close();
		});
	}

	it('is none that a crash left with half of its last group', async () => {
		const running = await stores.open();
		await put(running, SMALL);
		const left = `${await stores.newDirectory()}/left`;
		await cp(running.dataDir, left, { recursive: true });
		const [path] = await logFiles(left, 'small');
		assert.ok(path);
		// The group's header stays and promises more than there is.
		await truncate(path, (await readFile(path)).length - 100);
		for (let starts = 0; starts < 2; starts++) {
			const store = await stores.open({}, left);
			assert.ok(!store.told.some((line) => line.startsWith('damaged')), store.told.join());
			await put(store, HEALTHY);
			await store.close();
		}
	});
});
