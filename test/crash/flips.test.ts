/** Flipped bits in closed data directories. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HostedOutcome } from './view-host.js';
import { Prng } from '../support/prng.js';
import { FlipSubject, noFlips, RealFlipSubject, type FlipCounts } from './flips.js';

const LOG_FLIPS = 300;
/** Copies with many flips each. */
const COPIES = 60;
const FLIPS_OF_A_COPY = 25;
/** Its bit makes RocksDB end the process at each open. */
const ENDS_THE_PROCESS = 559;
const VIEW_FLIPS = 80;

describe('a closed data directory with one flipped bit', () => {
	it(`serves no wrong byte and hides no loss when the bit is in the log, the checkpoint or store.json (${LOG_FLIPS} flips)`, async (t) => {
		const prng = new Prng(1);
		const subject = await FlipSubject.make(1);
		const counts: Record<string, FlipCounts> = {};
		for (let flip = 0; flip < LOG_FLIPS; flip++) {
			const path = prng.pick(subject.files);
			const [offset, bit, rebuild] = [prng.below(subject.sizeOf(path)), prng.below(8), prng.chance(0.5)];
			const outcome = await subject.flip(path, offset, bit, rebuild).catch((error: unknown) => {
				throw new Error(`bit ${bit} of byte ${offset} of ${path}, rebuild ${rebuild}`, { cause: error });
			});
			const name = /[^/]+$/.exec(path)?.[0].replace(/-\d+/, '') ?? path;
			counts[name] ??= noFlips();
			counts[name][outcome]++;
		}
		t.diagnostic(JSON.stringify(counts));
		for (const lane of ['small.log', 'bulk.log']) assert.ok((counts[lane]?.['found on read'] ?? 0) > 20, lane);
		assert.equal(counts['journal.log']?.['refused to open'], 0, 'a flipped bit in the journal is healed');
		assert.equal(counts['journal.log']?.['found at open'], 0, 'a flipped bit in the journal is healed');
		assert.ok((counts['view.checkpoint']?.rebuilt ?? 0) > 0);
	});

	it(`serves no wrong byte and finds every flip in the bytes of a file (${COPIES} copies with ${FLIPS_OF_A_COPY} flips)`, async (t) => {
		const subject = await FlipSubject.make(1);
		const counts = { found: 0, harmless: 0 };
		for (let seed = 1; seed <= COPIES; seed++) {
			const { found, harmless } = await subject.flipMany(new Prng(seed), FLIPS_OF_A_COPY).catch((error: unknown) => {
				throw new Error(`seed ${seed}`, { cause: error });
			});
			counts.found += found;
			counts.harmless += harmless;
		}
		t.diagnostic(JSON.stringify(counts));
		assert.ok(counts.found > COPIES * 10);
	});

	it(`serves every file, at the latest after a restart, when the bit is in RocksDB's files (${VIEW_FLIPS} flips)`, async (t) => {
		const subject = await RealFlipSubject.make(1);
		try {
			const counts: Partial<Record<HostedOutcome, number>> = {};
			for (const seed of [...Array(VIEW_FLIPS).keys(), ENDS_THE_PROCESS]) {
				const { outcome } = await subject.flip(new Prng(seed));
				counts[outcome] = (counts[outcome] ?? 0) + 1;
			}
			t.diagnostic(JSON.stringify(counts));
			assert.ok(VIEW_FLIPS - (counts.harmless ?? 0) > 10);
		} finally {
			await subject.remove();
		}
	});
});
