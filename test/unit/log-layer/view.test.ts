/** Whoever reads the view finds every row of a change that has resolved, whatever is being changed meanwhile. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { deferred } from '../../../src/deferred.js';
import { rowKeys } from '../../../src/log-layer/rows.js';
import { rootFromBytes } from '../../../src/units.js';
import { LossyKv } from '../../support/lossy-kv.js';
import { quietView } from '../../support/quiet-view.js';

const KEY = rowKeys.root(rootFromBytes(new Uint8Array(32).fill(7)));
const row = (value: number): Uint8Array => Uint8Array.of(value);

it('a row that is to be put again is found by every read, also while that is being done', async () => {
	const view = quietView(new LossyKv());
	await view.change(async (turn) => turn.put(KEY, row(1)));
	await view.landed();
	await view.change(async (turn) => turn.putLater(KEY, row(2)));
	const assertRow = async (value: number): Promise<void> => {
		assert.deepEqual([...((await view.get(KEY)) ?? [])], [value]);
		assert.deepEqual([...((await view.getMany([KEY]))[0] ?? [])], [value]);
	};
	await assertRow(2);
	for (const [next, fails] of [
		[3, true],
		[4, false],
	] as const) {
		const held = deferred();
		const changing = view.change(async (turn) => {
			turn.put(KEY, row(next));
			await held.promise;
			if (fails) throw new Error('on purpose');
		});
		await assertRow(2);
		held.resolve();
		await changing.catch(() => undefined);
		await assertRow(fails ? 2 : next);
	}
	await view.close();
});

it('rows that were to be put again are found while they are settled', async () => {
	const view = quietView(new LossyKv());
	await view.change(async (turn) => turn.putLater(KEY, row(2)));
	const held = deferred();
	const settling = view.change(async (turn) => {
		turn.settleLater();
		await held.promise;
	});
	assert.equal((await view.get(KEY))?.[0], 2);
	held.resolve();
	await settling;
	await view.landed();
	assert.equal((await view.get(KEY))?.[0], 2);
	// What is put again in the same turn is newer.
	await view.change(async (turn) => turn.putLater(KEY, row(3)));
	await view.change(async (turn) => {
		turn.put(KEY, row(4));
		turn.settleLater();
	});
	assert.equal((await view.get(KEY))?.[0], 4);
	await view.close();
});
