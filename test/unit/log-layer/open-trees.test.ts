import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LIMITS } from '../../../src/limits.js';
import { OpenTrees } from '../../../src/log-layer/open-trees.js';
import { keccak256, treeRoot } from '../../../src/native/addon.js';
import { Prng } from '../../support/prng.js';

const COUNT = 600;
const ROOTS = Array.from({ length: COUNT }, (_, segment) => keccak256(Buffer.from(String(segment))));

function rootOf(trees: OpenTrees, objectId: bigint): string | undefined {
	const tree = trees.take(objectId, COUNT);
	return tree && Buffer.from(tree.finish()).toString('hex');
}

describe('trees of open objects', () => {
	const expected = Buffer.from(treeRoot(Buffer.concat(ROOTS))).toString('hex');

	it('have the root of all segments, also when batches overtake each other', () => {
		const prng = new Prng(1);
		const trees = new OpenTrees();
		const waiting = ROOTS.map((root, segment) => ({ segment, root }));
		while (waiting.length > 0) {
			// As many as an upload has on their way at once.
			const first = waiting[0]?.segment ?? 0;
			const ready = waiting.filter(({ segment }) => segment < first + 16).length;
			const [next] = waiting.splice(prng.below(ready), 1);
			if (next) trees.segment(5n, next.segment, next.root);
		}
		assert.equal(rootOf(trees, 5n), expected);
		assert.equal(rootOf(trees, 5n), undefined, 'a tree is taken once');
	});

	it('are not there when a segment is missing, came twice, or came before too many others', () => {
		const all = ROOTS.map((root, segment) => ({ segment, root }));
		const cases = {
			missing: all.filter(({ segment }) => segment !== 300),
			'the first missing': all.slice(1),
			twice: [...all.slice(0, 10), ...all.slice(9)],
			'far ahead': [...all.slice(0, 10), ...all.slice(11, 400), ...all.slice(10, 11), ...all.slice(400)],
		};
		for (const [name, order] of Object.entries(cases)) {
			const trees = new OpenTrees();
			for (const { segment, root } of order) trees.segment(5n, segment, root);
			assert.equal(rootOf(trees, 5n), undefined, name);
		}
	});

	it('are bounded in number and size: the one that rested longest goes', () => {
		const trees = new OpenTrees();
		for (let object = 0n; object <= BigInt(LIMITS.openTrees); object++)
			for (const [segment, root] of ROOTS.entries()) trees.segment(object, segment, root);
		assert.equal(rootOf(trees, 0n), undefined);
		assert.equal(rootOf(trees, 1n), expected);
		const few = new OpenTrees(2 * COUNT - 1);
		for (const object of [1n, 2n]) for (const [segment, root] of ROOTS.entries()) few.segment(object, segment, root);
		assert.equal(rootOf(few, 1n), undefined);
		assert.equal(rootOf(few, 2n), expected);
		trees.forget(2n);
		assert.equal(rootOf(trees, 2n), undefined);
	});
});
