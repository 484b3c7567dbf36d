import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { freeMemory, gather, misalignment, trimMemory } from '../../../src/native/addon.js';
import { startTrimming } from '../../../src/node/memory-trim.js';
import { SimulatedClock } from '../../support/simulated-clock.js';

describe('gather', () => {
	it('copies arrays one behind the other, also into shared memory', () => {
		const target = new Uint8Array(new SharedArrayBuffer(10));
		assert.equal(gather(target, [Buffer.from('ab'), new Uint8Array(0), Buffer.from('xcdex').subarray(1, 4)]), 5);
		assert.equal(Buffer.from(target).toString('latin1'), 'abcde\0\0\0\0\0');
	});

	it('refuses what does not fit, overlaps or is no array of bytes', () => {
		assert.throws(() => gather(new Uint8Array(3), [Buffer.from('ab'), Buffer.from('cd')]), /room for 1 bytes of 2/);
		const bytes = new Uint8Array(8);
		assert.throws(() => gather(bytes, [bytes.subarray(4)]), /overlaps/);
		assert.throws(() => gather(bytes, ['text'] as unknown as Uint8Array[]), /Uint8Array/);
		assert.throws(() => gather(bytes, 5 as unknown as Uint8Array[]), /array/);
	});
});

const IS_GNU_LINUX =
	process.platform === 'linux' &&
	(process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header.glibcVersionRuntime !== undefined;

describe('freeMemory', () => {
	it('gives memory back of which the array has all', () => {
		const bytes = new Uint8Array(1000).fill(1);
		assert.equal(freeMemory(bytes), true);
		assert.equal(bytes.length, 0);
		assert.equal(bytes.buffer.byteLength, 0);
	});

	it('leaves memory alone that others may have', () => {
		const whole = new Uint8Array(1000).fill(1);
		assert.equal(freeMemory(whole.subarray(1)), false);
		assert.equal(freeMemory(whole.subarray(0, 999)), false);
		assert.equal(freeMemory(new Uint8Array(new SharedArrayBuffer(8))), false);
		assert.equal(whole[999], 1);
		const pooled = Buffer.from('from a pool that others share');
		assert.equal(freeMemory(pooled), false);
		assert.equal(pooled.toString(), 'from a pool that others share');
	});
});

describe('misalignment', () => {
	it('tells how far memory lies behind a multiple', () => {
		const bytes = new Uint8Array(5000);
		const shift = misalignment(bytes, 4096);
		assert.equal(misalignment(bytes.subarray(1), 4096), (shift + 1) % 4096);
		assert.equal(misalignment(bytes.subarray(4096), 4096), shift);
		assert.throws(() => misalignment(bytes, 3), /power of two/);
	});
});

describe('trimMemory', () => {
	it('gives back what the allocator has kept between blocks in use', {
		skip: !IS_GNU_LINUX && 'GNU/Linux only',
	}, async () => {
		// Below the size from which the allocator maps each block on its own; every eighth stays.
		const blocks = Array.from({ length: 4000 }, () => new Uint8Array(60_000).fill(1));
		for (const [index, block] of blocks.entries()) if (index % 8 > 0) freeMemory(block);
		const before = residentBytes();
		assert.equal(await trimMemory(), true);
		assert.ok(before - residentBytes() > 100_000_000, `${before} bytes before, ${residentBytes()} after`);
		assert.equal(blocks[0]?.length, 60_000);
	});

	it('is called again and again until it is stopped', async () => {
		const clock = new SimulatedClock();
		const stop = startTrimming(clock);
		for (let times = 0; times < 3; times++) {
			assert.equal(clock.scheduled, 1);
			clock.advance(60_000);
		}
		await stop();
		assert.equal(clock.scheduled, 0);
	});
});

function residentBytes(): number {
	const [, pages] = readFileSync('/proc/self/statm', 'utf8').split(' ');
	return Number(pages) * 4096;
}
