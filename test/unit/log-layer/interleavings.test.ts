import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { it } from 'node:test';
import type { TxSeq } from '../../../src/units.js';
import { Prng } from '../../support/prng.js';
import { dumpView, put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const CONTENTS = 12;
const STEPS = 60;

/** Uploads, repeated uploads, broken-off ones, reads and checkpoints, all at once; answers the content of each submission. */
async function act(store: TestStore, prng: Prng): Promise<Uint8Array[]> {
	const contents = Array.from({ length: CONTENTS }, () =>
		prng.bytes(1 + prng.below(prng.pick([500, 262_144, 1_500_000]))),
	);
	const bySeq: Uint8Array[] = [];
	const step = async (own: Prng): Promise<void> => {
		const content = own.pick(contents);
		if (own.chance(0.2)) {
			const upload = store.files.beginUpload({ name: 'broken off', contentType: '' });
			await upload.write(content.slice());
			return upload.abort();
		}
		if (own.chance(0.05)) return store.checkpoint();
		// The same content with zeros behind it is often another file with the same root.
		const longer = own.chance(0.3) ? Buffer.concat([content, new Uint8Array(1 + own.below(200))]) : content;
		const { txSeq } = await put(store, longer, { name: `name ${own.below(100)}` }, 1 + own.below(300_000));
		bySeq[txSeq] ??= longer;
		assert.equal(bySeq[txSeq]?.length, longer.length);
		assert.ok((await readBack(store, { txSeq })).equals(longer));
	};
	const running = new Set<Promise<void>>();
	for (let count = 0; count < STEPS; count++) {
		const work = step(prng.fork()).finally(() => running.delete(work));
		running.add(work);
		if (running.size >= 8) await Promise.race(running);
	}
	await Promise.all(running);
	return bySeq;
}

for (const seed of [1, 2, 3]) {
	it(`after work of all kinds at once the view, its replay and its rebuild have the same rows (seed ${seed})`, async () => {
		const store = await stores.open();
		const bySeq = await act(store, new Prng(seed));
		const killed = await stores.newDirectory();
		await cp(store.dataDir, killed, { recursive: true });
		await store.settle();
		await store.close();
		const dump = await dumpView(store.dataDir);
		for (const [dataDir, rebuild] of [
			[killed, false],
			[killed, true],
			[store.dataDir, true],
		] as const) {
			const again = await stores.open({ rebuild }, dataDir);
			assert.deepEqual(again.files.health(), []);
			assert.equal(again.files.flow().submissions, bySeq.length);
			for (const [txSeq, content] of bySeq.entries()) {
				assert.ok((await readBack(again, { txSeq: txSeq as TxSeq })).equals(content));
			}
			await again.settle();
			await again.close();
			assert.deepEqual(await dumpView(dataDir), dump);
		}
	});
}
