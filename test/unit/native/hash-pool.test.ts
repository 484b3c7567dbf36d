import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LIMITS } from '../../../src/limits.js';
import { crc32cBlocks, fileRoot, sectorLeaves, treeRoot } from '../../../src/native/addon.js';
import { type HashInput, HashPool, type HashPoolObserver, type SegmentHash } from '../../../src/native/hash-pool.js';
import { SlabRing, type Slot } from '../../../src/native/slab-ring.js';
import { SEGMENT_BYTES, SEGMENT_SECTORS } from '../../../src/units.js';
import { DIE, DIE_ONCE, HOLD, NO_START } from '../../support/hash-faults.js';
import { Prng } from '../../support/prng.js';

const FAULTY = new URL('../../support/hash-fault-worker.js', import.meta.url);

interface Setting {
	readonly ring: SlabRing;
	readonly pool: HashPool;
	readonly events: string[];
}

async function withPool(
	options: { workers?: number; workerModule?: URL },
	body: (setting: Setting) => Promise<void>,
): Promise<void> {
	const ring = new SlabRing(2);
	const events: string[] = [];
	const observer: HashPoolObserver = {
		queued: (segments) => void events.push(`queued ${segments}`),
		started: (segments) => void events.push(`started ${segments}`),
		ended: (segments) => void events.push(`ended ${segments}`),
		workerLost: () => void events.push('lost'),
	};
	const pool = await HashPool.start({ ring, observer, workers: 1, ...options });
	try {
		await body({ ring, pool, events });
	} finally {
		await pool.close();
	}
}

function fill(ring: SlabRing, content: Uint8Array, leaves = Math.ceil(content.byteLength / 256)): HashInput {
	const slot = ring.take() as Slot;
	slot.bytes.set(content);
	return { slot, lengthBytes: content.byteLength, leaves };
}

function marked(ring: SlabRing, mark: number): HashInput {
	const input = fill(ring, new Uint8Array(1024));
	const words = wordsOf(input);
	words[0] = mark;
	words[1] = 0;
	words[2] = 0;
	return input;
}

function wordsOf({ slot }: HashInput): Int32Array {
	return new Int32Array(slot.bytes.buffer, slot.bytes.byteOffset, 3);
}

/** Not in TypeScript's library before ES2024, but in every Node that runs this. */
const { waitAsync } = Atomics as unknown as {
	waitAsync(words: Int32Array, index: number, value: number): { readonly value: string | Promise<string> };
};

/** Resolves once a worker stands at the slot. */
async function held(input: HashInput): Promise<void> {
	await waitAsync(wordsOf(input), 1, 0).value;
}

function letGo(input: HashInput): void {
	Atomics.store(wordsOf(input), 2, 1);
	Atomics.notify(wordsOf(input), 2);
}

/** The same by direct calls, not through hashSegments. */
function expected({ slot, lengthBytes, leaves }: HashInput): SegmentHash {
	const content = slot.bytes.slice(0, lengthBytes);
	const crcs = new Uint32Array(Math.ceil(lengthBytes / 4096));
	crc32cBlocks(content, crcs);
	return { root: treeRoot(sectorLeaves(content, leaves)), blockCrcs: new Uint8Array(crcs.buffer) };
}

describe('HashPool', () => {
	it('gives the roots and checksums of a direct call, for any length, over many tasks and two workers', () =>
		withPool({ workers: 2 }, async ({ ring, pool }) => {
			const prng = new Prng(1);
			for (let round = 0; round < 12; round += 1) {
				const inputs = Array.from({ length: 24 }, (_, index) => {
					const length =
						[1, 255, 256, 257, 4096, 4097, SEGMENT_BYTES - 1, SEGMENT_BYTES][index] ?? 1 + prng.below(SEGMENT_BYTES);
					const least = Math.ceil(length / 256);
					return fill(ring, prng.bytes(length), least + prng.below(SEGMENT_SECTORS - least + 1));
				});
				const sizes = [1, 2, 3, 1, 5, 12];
				const tickets = sizes.map((size, index) => {
					const from = sizes.slice(0, index).reduce((sum, count) => sum + count, 0);
					return pool.hash(inputs.slice(from, from + size));
				});
				const hashes = (await Promise.all(tickets.map((ticket) => ticket.hashes))).flat();
				assert.equal(hashes.length, inputs.length);
				for (const [index, hash] of hashes.entries()) assert.deepEqual(hash, expected(inputs[index] as HashInput));
				await Promise.all(tickets.map((ticket) => ticket.settled));
				for (const { slot } of inputs) slot.release();
			}
		}));

	it('a whole segment has the root that a file of one segment has', () =>
		withPool({}, async ({ ring, pool }) => {
			const content = new Prng(2).bytes(SEGMENT_BYTES);
			const [hash] = await pool.hash([fill(ring, content)]).hashes;
			assert.deepEqual(hash?.root, fileRoot(content).root);
			assert.equal(hash?.blockCrcs.byteLength, 256);
		}));

	it('requests that come while the workers are busy gather into tasks of up to 16 segments, in order', () =>
		withPool({ workerModule: FAULTY }, async ({ ring, pool, events }) => {
			const holds = [marked(ring, HOLD), marked(ring, HOLD)];
			const held1 = pool.hash([holds[0] as HashInput]);
			await held(holds[0] as HashInput);
			const held2 = pool.hash([holds[1] as HashInput]);
			await Promise.resolve();
			const order: number[] = [];
			const tickets = Array.from({ length: 20 }, (_, index) => {
				const ticket = pool.hash([fill(ring, Uint8Array.of(index))]);
				void ticket.hashes.then(() => order.push(index));
				return ticket;
			});
			assert.equal(pool.waitingSegments, 20);
			for (const input of holds) letGo(input);
			await Promise.all([held1.hashes, held2.hashes, ...tickets.map((ticket) => ticket.hashes)]);
			const started = events.filter((event) => event.startsWith('started')).map((event) => Number(event.slice(8)));
			assert.equal(Math.max(...started), LIMITS.hashTaskSegments);
			assert.equal(
				started.reduce((sum, count) => sum + count, 0),
				22,
			);
			assert.ok(started.length <= 5, `20 requests went into few tasks: ${started.join()}`);
			assert.deepEqual(order, [...Array(20).keys()]);
			assert.ok(events.includes('queued 20') && events.at(-1)?.startsWith('ended'));
		}));

	it('a worker that dies is replaced, and its work is done by the next one', () =>
		withPool({ workerModule: FAULTY }, async ({ ring, pool, events }) => {
			const input = marked(ring, DIE_ONCE);
			const [hash] = await pool.hash([input]).hashes;
			assert.deepEqual(hash, expected(input));
			assert.ok(events.includes('lost'));
			const next = fill(ring, Uint8Array.of(1));
			assert.deepEqual((await pool.hash([next]).hashes)[0], expected(next));
		}));

	it('work that kills its worker twice is an error, settles, and the pool goes on', () =>
		withPool({ workerModule: FAULTY }, async ({ ring, pool }) => {
			const ticket = pool.hash([marked(ring, DIE)]);
			await assert.rejects(ticket.hashes, { code: 'INTERNAL' });
			await ticket.settled;
			const next = fill(ring, Uint8Array.of(1));
			assert.deepEqual((await pool.hash([next]).hashes)[0], expected(next));
		}));

	it('workers that cannot start again are an error for what runs, what waits and what comes, not a hang', () =>
		withPool({ workerModule: FAULTY }, async ({ ring, pool }) => {
			new Int32Array(ring.bytes.buffer, ring.bytes.byteOffset + ring.bytes.length - SEGMENT_BYTES)[0] = NO_START;
			const tickets = [marked(ring, DIE), marked(ring, DIE), marked(ring, DIE)].map((input) => pool.hash([input]));
			for (const ticket of tickets) await assert.rejects(ticket.hashes, { code: 'INTERNAL' });
			await Promise.all(tickets.map((ticket) => ticket.settled));
			await assert.rejects(pool.hash([fill(ring, Uint8Array.of(1))]).hashes, { code: 'INTERNAL' });
		}));

	it('an abort rejects at once, but the slot is settled only when the native call under way has ended', () =>
		withPool({ workerModule: FAULTY }, async ({ ring, pool }) => {
			const input = marked(ring, HOLD);
			const controller = new AbortController();
			const ticket = pool.hash([input], controller.signal);
			await held(input);
			let settled = false;
			void ticket.settled.then(() => {
				settled = true;
			});
			const reason = new Error('the client left');
			controller.abort(reason);
			await assert.rejects(ticket.hashes, reason);
			await new Promise((resolve) => setImmediate(resolve));
			assert.equal(settled, false);
			letGo(input);
			await ticket.settled;
		}));

	it('one signal may end many requests: each is told, and nobody is warned of a leak', () =>
		withPool({ workerModule: FAULTY }, async ({ ring, pool }) => {
			const warnings: Error[] = [];
			const note = (warning: Error): void => void warnings.push(warning);
			process.on('warning', note);
			const hold = marked(ring, HOLD);
			const running = pool.hash([hold]);
			await held(hold);
			const controller = new AbortController();
			const inputs = Array.from({ length: 25 }, () => fill(ring, Uint8Array.of(1)));
			const tickets = inputs.map((input) => pool.hash([input], controller.signal));
			controller.abort();
			for (const ticket of tickets) await assert.rejects(ticket.hashes, { name: 'AbortError' });
			letGo(hold);
			await Promise.all([running.settled, ...tickets.map((ticket) => ticket.settled)]);
			await new Promise((resolve) => setImmediate(resolve));
			process.off('warning', note);
			assert.deepEqual(warnings, []);
		}));

	it('an abort of what still waits takes it out of the queue and settles at once', () =>
		withPool({ workerModule: FAULTY }, async ({ ring, pool }) => {
			const holds = [marked(ring, HOLD), marked(ring, HOLD)];
			const running = holds.map((input) => pool.hash([input]));
			await held(holds[0] as HashInput);
			const controller = new AbortController();
			const waiting = pool.hash([fill(ring, Uint8Array.of(1))], controller.signal);
			assert.equal(pool.waitingSegments, 1);
			controller.abort();
			await assert.rejects(waiting.hashes, { name: 'AbortError' });
			await waiting.settled;
			assert.equal(pool.waitingSegments, 0);
			await assert.rejects(pool.hash([fill(ring, Uint8Array.of(1))], controller.signal).hashes, { name: 'AbortError' });
			for (const input of holds) letGo(input);
			await Promise.all(running.map((ticket) => ticket.hashes));
		}));

	it('more segments than may wait are refused with OVERLOADED, and nothing that waits is lost', () =>
		withPool({ workerModule: FAULTY }, async ({ ring, pool }) => {
			const holds = [marked(ring, HOLD), marked(ring, HOLD)];
			const running = holds.map((input) => pool.hash([input]));
			await held(holds[0] as HashInput);
			const inputs = Array.from({ length: LIMITS.hashTaskSegments }, () => fill(ring, Uint8Array.of(1)));
			const full = Array.from({ length: LIMITS.hashQueueSegments / inputs.length }, () => pool.hash(inputs));
			await assert.rejects(pool.hash([inputs[0] as HashInput]).hashes, { code: 'OVERLOADED' });
			for (const input of holds) letGo(input);
			for (const ticket of [...running, ...full]) await ticket.hashes;
		}));

	it('what is no segment is refused and spoils no other request', () =>
		withPool({}, async ({ ring, pool }) => {
			const good = fill(ring, Uint8Array.of(1, 2, 3));
			const wrong = [
				[],
				[{ ...good, lengthBytes: 0 }],
				[{ ...good, lengthBytes: SEGMENT_BYTES + 1, leaves: 1024 }],
				[{ ...good, lengthBytes: 257, leaves: 1 }],
				[{ ...good, leaves: 1025 }],
				[{ ...good, leaves: 1.5 }],
				Array.from({ length: LIMITS.hashTaskSegments + 1 }, () => good),
			];
			const tickets = [...wrong, [good]].map((inputs) => pool.hash(inputs));
			for (const ticket of tickets.slice(0, -1)) await assert.rejects(ticket.hashes, RangeError);
			assert.deepEqual(await tickets.at(-1)?.hashes, [expected(good)]);
		}));

	it('closing lets everything that was taken end, and takes nothing more', async () => {
		const ring = new SlabRing(2);
		const pool = await HashPool.start({ ring, workers: 1 });
		const inputs = Array.from({ length: 30 }, (_, index) => fill(ring, Uint8Array.of(index)));
		const tickets = inputs.map((input) => pool.hash([input]));
		const closed = pool.close();
		await assert.rejects(pool.hash([inputs[0] as HashInput]).hashes, { code: 'SHUTTING_DOWN' });
		const hashes = await Promise.all(tickets.map((ticket) => ticket.hashes));
		assert.deepEqual(hashes.flat(), inputs.map(expected));
		await Promise.all([closed, pool.close()]);
	});

	it('closing after its deadline refuses what has not ended and settles only after the threads are gone', async () => {
		const ring = new SlabRing(2);
		const pool = await HashPool.start({ ring, workers: 1, workerModule: FAULTY });
		const holds = [marked(ring, HOLD), marked(ring, HOLD)];
		const tickets = [...holds, fill(ring, Uint8Array.of(1))].map((input) => pool.hash([input]));
		await held(holds[0] as HashInput);
		const closed = pool.close(0);
		for (const ticket of tickets) await assert.rejects(ticket.hashes, { code: 'SHUTTING_DOWN' });
		await Promise.all([closed, ...tickets.map((ticket) => ticket.settled)]);
	});

	it('workers that cannot start are an error of start, not a hang', async () => {
		const workerModule = new URL('./no-such-worker.js', import.meta.url);
		await assert.rejects(HashPool.start({ ring: new SlabRing(1), workers: 1, workerModule }), { code: 'INTERNAL' });
	});
});
