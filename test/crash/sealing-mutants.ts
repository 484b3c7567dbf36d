/** Rules of sealed copies and of mining from them, each taken out of a copy of the compiled code (mutant-site.ts): the test that guards it must fail there. */
import type { Mutant } from './mutant-site.js';

const SEALED_ROWS = 'unit/log-layer/sealed-rows.test.js';
const SEALING = 'unit/pora/sealing.test.js';
const SEAL_MAP = 'unit/pora/seal-map.test.js';
const MINING = 'unit/pora/mining.test.js';

export const SEALING_MUTANTS: readonly Mutant[] = [
	{
		rule: 'of two records about a sealed flow segment the later writing counts',
		file: 'log-layer/apply-sealed.js',
		find: 'if (before && originOf(before) > originOf(row))',
		replace: 'if (false)',
		test: SEALED_ROWS,
		guard: 'the later writing counts',
	},
	{
		rule: 'compaction keeps the sealed copy that counts',
		file: 'log-layer/liveness.js',
		find: "return known && 'place' in known && isAt(known.place, record) ? 'live' : 'dead';",
		replace: "return 'dead';",
		test: SEALING,
		guard: 'moves copies with compaction',
	},
	{
		rule: 'that a sealed copy is gone stays known until there is another one',
		file: 'log-layer/liveness.js',
		find: "return isLast ? 'live' : 'dead';",
		replace: "return 'dead';",
		test: SEALED_ROWS,
		guard: 'one writing is alive',
	},
	{
		rule: 'a damaged sealed copy is given up, and is no loss',
		file: 'log-layer/scrub-log.js',
		find: 'if (record.type === RECORDS.sealedFlowSegment)',
		replace: 'if (false)',
		test: SEALING,
		guard: 'makes a copy with a flipped bit anew',
	},
	{
		rule: 'the seal of sector 0 is not mined',
		file: 'log-layer/sealed-segments.js',
		find: 'index === 0n ? segment.availability & ~FIRST_SEAL : segment.availability',
		replace: 'segment.availability',
		test: SEALING,
		guard: 'seals what contexts own',
	},
	{
		rule: 'what was sealed for a context that is none any more is sealed anew',
		file: 'pora/sealer.js',
		find: '&& Buffer.compare(contexts[at].digest, digest) === 0',
		replace: '',
		test: SEALING,
		guard: 'seals anew what a context that is none any more has owned',
	},
	{
		rule: 'what was sealed of other content is sealed anew',
		file: 'pora/sealer.js',
		find: 'Buffer.compare(copy.content, plain.content) === 0 &&',
		replace: '',
		test: SEALING,
		guard: 'seals anew what has come again',
	},
	{
		rule: 'a file of sealed copies is closed only when no native call may read it',
		file: 'pora/seal-map.js',
		find: 'await this.#parts.quiet();',
		replace: '',
		test: SEAL_MAP,
		guard: 'lets go of a file only when',
	},
	{
		rule: 'an answer that our own verifier refuses is not sent',
		file: 'pora/answers.js',
		find: 'if (refusal === undefined)',
		replace: 'if (true)',
		test: MINING,
		guard: 'sends nothing of copies that are wrong',
	},
];
