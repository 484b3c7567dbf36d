/** The map of sealed flow segments: what the mining threads see of it, and when a file may go. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { deferred } from '../../../src/deferred.js';
import type { StorageFile } from '../../../src/io/storage-io.js';
import type { SealedCopy } from '../../../src/log-layer/sealed-segments.js';
import { countBits, SealMap } from '../../../src/pora/seal-map.js';
import type { Lsn } from '../../../src/units.js';
import { MINER } from '../../support/mining-settlement.js';

const NOT_HELD = 0xffffn;

function copyIn(fileNo: number, offset: number, seals = 3n): SealedCopy {
	const place = {
		lane: 'sealed',
		fileNo,
		offset,
		lengthBytes: 262_144,
		blockCrcs: new Uint8Array(0),
		origin: 1n as Lsn,
	} as const;
	return { minerId: MINER, seals, contexts: [], content: new Uint8Array(32), place };
}

function mapOf(view: Map<bigint, SealedCopy>, quiet: () => Promise<void> = () => Promise.resolve()) {
	const closed: number[] = [];
	const map = new SealMap({
		// The number stands for the descriptor too.
		open: (fileNo) =>
			Promise.resolve({
				descriptor: fileNo,
				close: () => {
					closed.push(fileNo);
					return Promise.resolve();
				},
			} as unknown as StorageFile),
		find: (indices) => Promise.resolve(indices.map((index) => view.get(index))),
		minerId: MINER,
		quiet,
	});
	const learn = (...indices: bigint[]): Promise<void> =>
		map.learn(
			indices,
			indices.map((index) => view.get(index)),
		);
	/** [descriptor or undefined, offset, seals] */
	const at = (index: number): readonly [number | undefined, number, bigint] => {
		const words = new BigUint64Array(map.places.slice().buffer);
		const place = words[2 * index] ?? NOT_HELD << 48n;
		const slot = place >> 48n;
		return [
			slot === NOT_HELD ? undefined : map.files[Number(slot)],
			Number(place & 0xffff_ffff_ffffn),
			words[2 * index + 1] ?? 0n,
		];
	};
	return { map, learn, at, closed };
}

it('has a place for each copy of its miner, however far it lies, and none where there is no copy', async () => {
	const view = new Map([
		[0n, copyIn(4, 4096)],
		[70_000n, copyIn(9, 8192, 0xffn)],
		[5n, { ...copyIn(4, 300_000), minerId: new Uint8Array(32) }],
	]);
	const { map, learn, at } = mapOf(view);
	await learn(0n, 1n, 5n, 70_000n);
	assert.deepEqual(
		[at(0), at(70_000)],
		[
			[4, 4096, 3n],
			[9, 8192, 0xffn],
		],
	);
	for (const index of [1, 5]) assert.deepEqual(at(index), [undefined, 0, 0n]);
	assert.deepEqual(map.counts, { segments: 2, seals: 2 + 8 });
	map.forget(70_000n);
	map.forget(1_000_000n);
	assert.deepEqual([at(70_000)[0], map.counts], [undefined, { segments: 1, seals: 2 }]);
	assert.equal(countBits(0xffff_ffff_ffff_ffffn), 64);
});

it('lets go of a file only when no entry names it and no call runs that has seen one', async () => {
	const view = new Map([
		[0n, copyIn(4, 4096)],
		[1n, copyIn(4, 266_240)],
		[2n, copyIn(5, 4096)],
	]);
	const running = deferred();
	const { map, learn, at, closed } = mapOf(view, () => running.promise);
	await learn(0n, 1n, 2n);
	view.set(0n, copyIn(6, 8192)).delete(1n);
	let isDone = false;
	const moving = map.moving('sealed', 4).then(() => {
		isDone = true;
	});
	await new Promise((resolve) => setTimeout(resolve, 20));
	assert.deepEqual([at(0), at(1)[0], at(2)], [[6, 8192, 3n], undefined, [5, 4096, 3n]]);
	assert.deepEqual([isDone, closed], [false, []], 'a native call may still read it');
	running.resolve();
	await moving;
	assert.deepEqual(closed, [4]);
	await map.moving('sealed', 77);
	await map.moving('bulk', 5);
	assert.deepEqual(closed, [4]);
	await map.close();
	assert.deepEqual(closed.sort(), [4, 5, 6]);
});
