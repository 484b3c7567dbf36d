import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RowDamagedError } from '../../../src/db/kv-engine.js';
import { LossyKv } from '../../support/lossy-kv.js';
import { Prng } from '../../support/prng.js';
import { kvEngineCompliance } from './kv-engine.compliance.js';

kvEngineCompliance('the lossy one in memory', async () => {
	let kv: LossyKv | undefined;
	return {
		async open() {
			kv = kv?.kill() ?? new LossyKv();
			return kv;
		},
		dispose: () => Promise.resolve(),
	};
});

const key = (name: string): Buffer => Buffer.from(name);
const put = (name: string): { type: 'put'; key: Buffer; value: Buffer } => ({
	type: 'put',
	key: key(name),
	value: key(name),
});

describe('LossyKv', () => {
	it('a crash keeps what was flushed and any subset of the later batches, each whole', async () => {
		const kv = new LossyKv();
		await kv.batch([put('flushed')]);
		await kv.flush();
		await kv.batch([put('a'), put('a2')]);
		await kv.batch([put('b')]);
		await kv.batch([put('c')]);
		const seen = new Set<string>();
		for (let seed = 0; seed < 100; seed += 1) {
			const after = kv.crash(new Prng(seed));
			const names = ['flushed', 'a', 'a2', 'b', 'c'];
			const values = await after.getMany(names.map(key));
			const there = names.filter((_, index) => values[index] !== undefined);
			assert.ok(there.includes('flushed'));
			assert.equal(there.includes('a'), there.includes('a2'));
			seen.add(there.join());
		}
		assert.equal(seen.size, 8);
	});

	it('a killed process keeps every batch, and a crash after it may still lose them', async () => {
		const kv = new LossyKv();
		await kv.batch([put('a')]);
		const after = kv.kill();
		assert.notEqual(await after.get(key('a')), undefined);
		const sizes = new Set(Array.from({ length: 20 }, (_, seed) => after.crash(new Prng(seed)).size));
		assert.deepEqual([...sizes].sort(), [0, 1]);
	});

	it('a failed flush makes nothing durable', async () => {
		const kv = new LossyKv();
		await kv.batch([put('a')]);
		kv.before = (kind) => {
			if (kind === 'flush') throw new Error('refused');
		};
		await assert.rejects(kv.flush(), /refused/);
		const sizes = new Set(Array.from({ length: 20 }, (_, seed) => kv.crash(new Prng(seed)).size));
		assert.ok(sizes.has(0));
	});

	it('a damaged row throws on get and scan until it is written again', async () => {
		const kv = new LossyKv();
		await kv.batch([put('a'), put('b')]);
		kv.damage(key('a'));
		await assert.rejects(kv.get(key('a')), RowDamagedError);
		await assert.rejects(async () => {
			for await (const chunk of kv.scan({ from: key('a'), to: key('z') })) assert.fail(String(chunk.length));
		}, RowDamagedError);
		assert.notEqual(await kv.get(key('b')), undefined);
		await kv.batch([put('a')]);
		assert.notEqual(await kv.get(key('a')), undefined);
	});
});
