import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { PerigeeError } from '../../../src/errors.js';
import { Prng } from '../../support/prng.js';
import { put, readBack, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();

it('after a failed write the store refuses uploads, serves reads, says so and closes', async () => {
	const store = await stores.open();
	const content = new Prng(1).bytes(700_000);
	const kept = await put(store, content);
	const upload = store.files.beginUpload({ name: '', contentType: '' });
	await upload.write(content.subarray(0, 600_000));
	store.log.fail('bulk', new Error('the disk broke'));
	await assert.rejects(upload.finish(), { code: 'READ_ONLY' });
	assert.throws(() => store.files.beginUpload({ name: '', contentType: '' }), { code: 'READ_ONLY' });
	assert.ok((await readBack(store, kept)).equals(content));
	assert.deepEqual(
		store.files.health().map(({ code, ready }) => ({ code, ready })),
		[{ code: 'READ_ONLY', ready: false }],
	);
	await store.close();
	const again = await stores.open({}, store.dataDir);
	assert.ok((await readBack(again, kept)).equals(content));
	assert.equal(again.files.flow().submissions, 1);
	assert.deepEqual(again.files.health(), []);
	await again.close();
});

for (const sizeBytes of [5000, 300_000, 6_000_000]) {
	it(`a view that cannot take durable records ends writing; the next open takes them (${sizeBytes} bytes)`, async () => {
		let failing = false;
		const store = await stores.open({
			wrapKv: (kv) => ({
				get: (key) => kv.get(key),
				getMany: (keys) => kv.getMany(keys),
				scan: (range) => kv.scan(range),
				flush: () => kv.flush(),
				close: () => kv.close(),
				batch: (operations) => (failing ? Promise.reject(new Error('no batch')) : kv.batch(operations)),
			}),
		});
		failing = true;
		const content = new Prng(2).bytes(sizeBytes);
		// It may be answered before the engine refuses its rows: it is durable.
		await put(store, content).catch((error: unknown) => assert.equal((error as PerigeeError).code, 'READ_ONLY'));
		while (!store.log.failure) await new Promise((resolve) => setImmediate(resolve));
		assert.throws(() => store.files.beginUpload({ name: '', contentType: '' }), { code: 'READ_ONLY' });
		await store.close();
		const again = await stores.open({}, store.dataDir);
		const file = await put(again, content);
		assert.ok((await readBack(again, file)).equals(content));
		await again.close();
	});
}
