/** Rows of the view count before the engine has them: no reader can tell, and nothing overtakes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type KvEngine, type KvOperation, type KvRow, ViewDamagedError } from '../../../src/db/kv-engine.js';
import { deferred } from '../../../src/deferred.js';
import { View } from '../../../src/log-layer/view.js';
import { LossyKv } from '../../support/lossy-kv.js';

const key = (table: number, name: string): Buffer => Buffer.concat([Buffer.of(table), Buffer.from(name)]);
const text = (row: Uint8Array | undefined): string | undefined => row && Buffer.from(row).toString();

async function valuesOf(scan: AsyncIterable<readonly KvRow[]>): Promise<(string | undefined)[]> {
	const values: (string | undefined)[] = [];
	for await (const rows of scan) values.push(...rows.map(({ value }) => text(value)));
	return values;
}

/** A view over an engine whose batches wait for `release`, or fail. */
function slowView() {
	const kv = new LossyKv();
	const batches: string[][] = [];
	const told: string[] = [];
	let gate = deferred();
	const engine: KvEngine = {
		get: (name) => kv.get(name),
		getMany: (names) => kv.getMany(names),
		scan: (range) => kv.scan(range),
		flush: () => kv.flush(),
		close: () => kv.close(),
		async batch(operations: readonly KvOperation[]) {
			batches.push(operations.map((operation) => Buffer.from(operation.key).toString('latin1', 1)));
			await gate.promise;
			await kv.batch(operations);
		},
	};
	const view = new View(engine, {
		batch: () => undefined,
		damaged: () => void told.push('damaged'),
		stalled: () => undefined,
		failed: () => void told.push('failed'),
	});
	const put = (name: Buffer, value: string): Promise<void> =>
		view.change((turn) => Promise.resolve(turn.put(name, Buffer.from(value))));
	return {
		view,
		kv,
		batches,
		told,
		put,
		release: () => gate.resolve(),
		fail(error: Error) {
			const failing = gate;
			gate = deferred();
			failing.reject(error);
		},
	};
}

/** Of tables that the cache of rows keeps and of one that it does not. */
const KEPT = 0x02;
const PLAIN = 0x7e;

describe('rows on their way into the engine', () => {
	for (const table of [KEPT, PLAIN]) {
		it(`are what every read finds (table ${table})`, async () => {
			const { view, kv, put, release } = slowView();
			await put(key(table, 'a'), 'first');
			await put(key(table, 'b'), 'first');
			await put(key(table, 'a'), 'second');
			await view.change((turn) => Promise.resolve(turn.del(key(table, 'b'))));
			assert.equal(await kv.get(key(table, 'a')), undefined);
			assert.equal(text(await view.get(key(table, 'a'))), 'second');
			assert.equal(await view.get(key(table, 'b')), undefined);
			assert.deepEqual((await view.getMany([key(table, 'b'), key(table, 'a'), key(table, 'c')])).map(text), [
				undefined,
				'second',
				undefined,
			]);
			await view.change(async (turn) => assert.equal(text(await turn.get(key(table, 'a'))), 'second'));
			release();
			await view.landed();
			assert.equal(text(await kv.get(key(table, 'a'))), 'second');
			assert.equal(text(await view.get(key(table, 'a'))), 'second');
			assert.equal(await kv.get(key(table, 'b')), undefined);
			await view.close();
		});
	}

	it('are there before a scan begins, also one within a change', async () => {
		const { view, put, release } = slowView();
		const range = { from: key(PLAIN, ''), to: key(PLAIN, 'z') };
		let isDone = false;
		await put(key(PLAIN, 'a'), '1');
		const changing = view.change(async (turn) => {
			turn.put(key(PLAIN, 'b'), Buffer.from('2'));
			await turn.commit();
			assert.deepEqual(await valuesOf(turn.scan(range)), ['1', '2']);
		});
		await new Promise((resolve) => setImmediate(resolve));
		const scanning = valuesOf(view.scan(range)).finally(() => {
			isDone = true;
		});
		await new Promise((resolve) => setImmediate(resolve));
		assert.equal(isDone, false);
		release();
		await changing;
		assert.deepEqual(await scanning, ['1', '2']);
		await view.close();
	});

	it('gather while a batch is written, and follow it as one', async () => {
		const { view, put, batches, release } = slowView();
		await put(key(PLAIN, 'a'), '1');
		while (batches.length === 0) await new Promise((resolve) => setImmediate(resolve));
		await put(key(PLAIN, 'b'), '2');
		await put(key(PLAIN, 'c'), '3');
		release();
		await view.close();
		assert.deepEqual(batches, [['a'], ['b', 'c']]);
	});

	it('stay readable when the engine refuses them; then no further change is taken', async () => {
		const { view, put, batches, fail, told } = slowView();
		await put(key(PLAIN, 'a'), '1');
		while (batches.length === 0) await new Promise((resolve) => setImmediate(resolve));
		await put(key(PLAIN, 'b'), '2');
		const damage = new ViewDamagedError('a table is gone');
		fail(damage);
		await assert.rejects(view.landed(), damage);
		assert.deepEqual(told, ['damaged', 'failed']);
		assert.equal(view.damage, damage);
		await assert.rejects(put(key(PLAIN, 'c'), '3'), damage);
		assert.equal(text(await view.get(key(PLAIN, 'a'))), '1');
		assert.equal(text(await view.get(key(PLAIN, 'b'))), '2');
		assert.equal(batches.length, 1);
		await view.close();
	});
});
