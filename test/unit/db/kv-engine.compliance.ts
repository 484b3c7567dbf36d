/** What every KvEngine must do; run against the real one and the one in memory. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KvEngine, KvRange } from '../../../src/db/kv-engine.js';
import { Prng } from '../../support/prng.js';

export interface KvEngineSubject {
	/** Opens the same store; the one before has been closed. */
	open(): Promise<KvEngine>;
	dispose(): Promise<void>;
}

const ALL = { from: Buffer.of(0x01), to: Buffer.of(0xff) };

async function rowsOf(kv: KvEngine, range: KvRange = ALL): Promise<[string, string][]> {
	const rows: [string, string][] = [];
	for await (const chunk of kv.scan(range)) {
		for (const { key, value } of chunk) rows.push([Buffer.from(key).toString(), Buffer.from(value).toString()]);
	}
	return rows;
}

function put(key: string, value: string): { type: 'put'; key: Uint8Array; value: Uint8Array } {
	return { type: 'put', key: new TextEncoder().encode(key), value: new TextEncoder().encode(value) };
}

const abc = [put('a', '1'), put('b', '2'), put('c', '3'), put('d', '4')];

export function kvEngineCompliance(name: string, subject: () => Promise<KvEngineSubject>): void {
	const test = (title: string, body: (kv: KvEngine, reopen: () => Promise<KvEngine>) => Promise<void>): void => {
		it(title, async () => {
			const { open, dispose } = await subject();
			let kv = await open();
			const reopen = async (): Promise<KvEngine> => {
				await kv.close();
				kv = await open();
				return kv;
			};
			try {
				await body(kv, reopen);
			} finally {
				await kv.close();
				await dispose();
			}
		});
	};

	describe(`KvEngine: ${name}`, () => {
		test('get answers what the last batch put, and nothing for a row that is not there', async (kv) => {
			await kv.batch([put('a', '1'), put('b', '2'), put('a', '3')]);
			assert.equal(Buffer.from((await kv.get(Buffer.from('a'))) ?? []).toString(), '3');
			assert.equal(await kv.get(Buffer.from('x')), undefined);
			await kv.batch([{ type: 'del', key: Buffer.from('a') }]);
			assert.equal(await kv.get(Buffer.from('a')), undefined);
		});

		test('getMany answers in the order of the keys', async (kv) => {
			await kv.batch(abc);
			const values = await kv.getMany(['d', 'x', 'a', 'a'].map((key) => Buffer.from(key)));
			assert.deepEqual(
				values.map((value) => value && Buffer.from(value).toString()),
				['4', undefined, '1', '1'],
			);
			assert.deepEqual(await kv.getMany([]), []);
		});

		test('keys and values are any bytes, also an empty value and shared memory', async (kv) => {
			const key = Uint8Array.of(2, 0, 255, 128, 0);
			const value = new Uint8Array(new SharedArrayBuffer(300)).fill(200);
			await kv.batch([
				{ type: 'put', key, value },
				{ type: 'put', key: Uint8Array.of(3), value: new Uint8Array(0) },
			]);
			assert.deepEqual([...((await kv.get(key)) ?? [])], new Array(300).fill(200));
			assert.equal((await kv.get(Uint8Array.of(3)))?.byteLength, 0);
			const big = new Prng(3).bytes(100_000);
			await kv.batch([{ type: 'put', key, value: big }]);
			assert.ok(Buffer.from((await kv.get(key)) ?? []).equals(big));
		});

		test('the caller may reuse its buffers as soon as batch and getMany have been called', async (kv) => {
			const key = Buffer.from('a');
			const value = Buffer.from('1');
			const written = kv.batch([{ type: 'put', key, value }]);
			key.write('z');
			value.write('9');
			await written;
			assert.deepEqual(await rowsOf(kv), [['a', '1']]);
		});

		test('scan goes over [from, to) in key order, forwards and backwards, in chunks, up to a limit', async (kv) => {
			await kv.batch(abc);
			const range = { from: Buffer.from('b'), to: Buffer.from('d') };
			assert.deepEqual(await rowsOf(kv, range), [
				['b', '2'],
				['c', '3'],
			]);
			assert.deepEqual(await rowsOf(kv, { ...range, reverse: true }), [
				['c', '3'],
				['b', '2'],
			]);
			assert.deepEqual(await rowsOf(kv, { from: range.to, to: range.from }), []);
			for (const reverse of [false, true]) {
				const whole = await rowsOf(kv, { ...ALL, reverse });
				assert.equal(whole.length, 4);
				for (const chunkRows of [1, 2, 3, 4, 5]) {
					assert.deepEqual(await rowsOf(kv, { ...ALL, reverse, chunkRows }), whole);
					assert.deepEqual(await rowsOf(kv, { ...ALL, reverse, chunkRows, limitRows: 3 }), whole.slice(0, 3));
				}
			}
			assert.deepEqual(await rowsOf(kv, { ...ALL, limitRows: 0 }), []);
		});

		test('a scan hands out chunks of the asked size and never an empty one', async (kv) => {
			await kv.batch(abc);
			const sizes: number[] = [];
			for await (const chunk of kv.scan({ ...ALL, chunkRows: 3 })) sizes.push(chunk.length);
			assert.deepEqual(sizes, [3, 1]);
			for await (const chunk of kv.scan({ ...ALL, chunkRows: 2 })) assert.equal(chunk.length, 2);
		});

		test('a scan sees what is written between its chunks', async (kv) => {
			await kv.batch(abc);
			const keys: string[] = [];
			for await (const chunk of kv.scan({ ...ALL, chunkRows: 2 })) {
				keys.push(...chunk.map(({ key }) => Buffer.from(key).toString()));
				if (keys.length === 2) await kv.batch([put('bb', 'new'), { type: 'del', key: Buffer.from('c') }]);
			}
			assert.deepEqual(keys, ['a', 'b', 'bb', 'd']);
		});

		test('more scans at once than the engine holds iterators all come to their end, also when some are left early', async (kv) => {
			await kv.batch(abc);
			const scans = Array.from({ length: 100 }, async (_, index) => {
				if (index % 3 !== 0) return rowsOf(kv, { ...ALL, chunkRows: 1 });
				for await (const chunk of kv.scan({ ...ALL, chunkRows: 1 })) {
					assert.equal(chunk.length, 1);
					break;
				}
				return undefined;
			});
			for (const rows of await Promise.all(scans)) if (rows !== undefined) assert.equal(rows.length, 4);
		});

		test('random batches give the same rows as a map', async (kv) => {
			const prng = new Prng(11);
			const expected = new Map<string, string>();
			for (let round = 0; round < 40; round += 1) {
				const operations = Array.from({ length: 1 + prng.below(20) }, () => {
					const key = `k${prng.below(60)}`;
					if (prng.chance(0.3)) {
						expected.delete(key);
						return { type: 'del' as const, key: Buffer.from(key) };
					}
					const value = String(prng.next());
					expected.set(key, value);
					return put(key, value);
				});
				await kv.batch(operations);
				if (prng.chance(0.2)) await kv.flush();
			}
			const sorted = [...expected].sort(([a], [b]) => (a < b ? -1 : 1));
			assert.deepEqual(await rowsOf(kv), sorted);
			assert.deepEqual(await rowsOf(kv, { ...ALL, reverse: true, chunkRows: 7 }), sorted.reverse());
		});

		test('flush leaves no row of its own, and the rows as they were', async (kv) => {
			await kv.flush();
			await kv.batch(abc);
			await Promise.all([kv.flush(), kv.flush(), kv.batch([put('e', '5')])]);
			await kv.flush();
			assert.equal((await rowsOf(kv, { from: Buffer.of(0), to: Buffer.of(0xff, 0xff) })).length, 5);
		});

		test('what was written is there after closing and opening again, flushed or not', async (kv, reopen) => {
			await kv.batch([put('a', '1')]);
			await kv.flush();
			await kv.batch([put('b', '2')]);
			const again = await reopen();
			assert.equal((await rowsOf(again)).length, 2);
		});

		test('close waits for what is under way; later calls are refused', async (kv) => {
			const written = kv.batch(abc);
			const read = kv.getMany([Buffer.from('a')]);
			const flushed = kv.flush();
			const scanned = rowsOf(kv);
			await kv.close();
			await Promise.all([written, read, flushed, scanned]);
			const refused = { code: 'SHUTTING_DOWN' };
			await assert.rejects(kv.get(Buffer.from('a')), refused);
			await assert.rejects(kv.batch(abc), refused);
			await assert.rejects(kv.flush(), refused);
			await assert.rejects(rowsOf(kv), refused);
			await kv.close();
		});

		test('a scan that is paused does not hold up closing, and then ends with an error', async (kv) => {
			await kv.batch(abc);
			const scan = kv.scan({ ...ALL, chunkRows: 1 })[Symbol.asyncIterator]();
			await scan.next();
			await kv.close();
			await assert.rejects(Promise.resolve(scan.next()), { code: 'SHUTTING_DOWN' });
		});
	});
}
