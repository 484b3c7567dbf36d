import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LIMITS } from '../../../src/limits.js';
import { misalignment } from '../../../src/native/addon.js';
import { SLAB_SLOTS, SlabRing, type Slot } from '../../../src/native/slab-ring.js';
import { BLOCK_BYTES, SEGMENT_BYTES } from '../../../src/units.js';

function takeAll(ring: SlabRing): Slot[] {
	const slots: Slot[] = [];
	for (let slot = ring.take(); slot !== undefined; slot = ring.take()) slots.push(slot);
	return slots;
}

describe('SlabRing', () => {
	it('lends each slot once: distinct pieces of one shared buffer, and no more than there are', () => {
		const ring = new SlabRing(2);
		const slots = takeAll(ring);
		assert.equal(slots.length, 2 * SLAB_SLOTS);
		assert.equal(new Set(slots.map((slot) => slot.index)).size, slots.length);
		for (const { index, bytes } of slots) {
			assert.equal(bytes.buffer, ring.bytes.buffer);
			assert.equal(bytes.byteOffset, ring.bytes.byteOffset + index * SEGMENT_BYTES);
			assert.equal(misalignment(bytes, BLOCK_BYTES), 0, 'direct writes need it');
			assert.equal(bytes.byteLength, SEGMENT_BYTES);
		}
		assert.equal(ring.bytes.length, slots.length * SEGMENT_BYTES);
		assert.equal(ring.take(), undefined);
	});

	it('by default holds what limits.ts says', () => {
		assert.equal(new SlabRing().slotCount, LIMITS.slabCount * SLAB_SLOTS);
	});

	it('serves those who wait in the order of asking, and nobody overtakes them', async () => {
		const ring = new SlabRing(1);
		const slots = takeAll(ring);
		const served: string[] = [];
		const waits = ['first', 'second'].map((name) => ring.wait().then(() => served.push(name)));
		assert.equal(ring.waiting, 2);
		slots[3]?.release();
		assert.equal(ring.take(), undefined, 'the released slot is promised to the first who waits');
		slots[5]?.release();
		await Promise.all(waits);
		assert.deepEqual(served, ['first', 'second']);
		assert.equal(ring.waiting, 0);
		slots[7]?.release();
		assert.equal((await ring.wait()).index, slots[7]?.index);
	});

	it('a slot cannot be released twice, also not by an earlier holder after it was lent again', () => {
		const ring = new SlabRing(1);
		const slot = ring.take();
		slot?.release();
		assert.throws(() => slot?.release(), /twice/);
		const again = ring.take();
		assert.equal(again?.index, slot?.index);
		assert.throws(() => slot?.release(), /twice/);
		assert.equal(ring.freeSlots, SLAB_SLOTS - 1);
	});

	it('an abort ends the wait with its reason and gives the turn to the next', async () => {
		const ring = new SlabRing(1);
		const slots = takeAll(ring);
		const controller = new AbortController();
		const first = ring.wait(controller.signal);
		const second = ring.wait();
		const reason = new Error('the client left');
		controller.abort(reason);
		await assert.rejects(first, reason);
		slots[0]?.release();
		assert.equal((await second).index, slots[0]?.index);
		await assert.rejects(ring.wait(controller.signal), reason);
		assert.equal(ring.waiting, 0);
	});

	it('an abort after the slot was lent changes nothing', async () => {
		const ring = new SlabRing(1);
		const slots = takeAll(ring);
		const controller = new AbortController();
		const wait = ring.wait(controller.signal);
		slots[0]?.release();
		controller.abort();
		(await wait).release();
		assert.equal(ring.freeSlots, 1);
	});

	it('too many who wait are told OVERLOADED', async () => {
		const ring = new SlabRing(1);
		takeAll(ring);
		const waits = Array.from({ length: LIMITS.slabWaiters }, () => ring.wait());
		await assert.rejects(ring.wait(), { code: 'OVERLOADED' });
		ring.close();
		const ended = await Promise.allSettled(waits);
		assert.ok(ended.every((wait) => wait.status === 'rejected'));
	});

	it('closing sends those who wait away, lends nothing more, and takes slots back', async () => {
		const ring = new SlabRing(1);
		const slots = takeAll(ring);
		const wait = ring.wait();
		ring.close();
		await assert.rejects(wait, { code: 'SHUTTING_DOWN' });
		for (const slot of slots) slot.release();
		assert.equal(ring.freeSlots, SLAB_SLOTS);
		assert.equal(ring.take(), undefined);
		await assert.rejects(ring.wait(), { code: 'SHUTTING_DOWN' });
	});
});
