/** Flipped bits in the files of the real process; the long form is `npm run reliability -- --only process-flip`. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Prng } from '../support/prng.js';
import { ProcessFlipSubject } from './process-flips.js';

const COPIES = 3;
const FLIPS_OF_A_COPY = 8;

it('a node serves no wrong byte and tells of every flip in the bytes of a file, flipped before its start or while it runs', async (t) => {
	const subject = await ProcessFlipSubject.make(1);
	try {
		const sums = { flips: 0, found: 0 };
		for (let seed = 1; seed <= COPIES; seed++) {
			const { flips, found } = await subject.run(new Prng(seed), FLIPS_OF_A_COPY);
			sums.flips += flips;
			sums.found += found;
		}
		t.diagnostic(JSON.stringify(sums));
		assert.ok(sums.found > 0);
	} finally {
		await subject.remove();
	}
});
