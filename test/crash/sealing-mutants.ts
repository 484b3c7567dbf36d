/** Rules of sealed copies, of mining from them and of its settlements, each taken out of a copy of the compiled code (mutant-site.ts): the test that guards it must fail there. */
import type { Mutant } from './mutant-site.js';

const SEALED_ROWS = 'unit/log-layer/sealed-rows.test.js';
const SEALING = 'unit/pora/sealing.test.js';
const SEAL_MAP = 'unit/pora/seal-map.test.js';
const MINING = 'unit/pora/mining.test.js';
const LEDGER = 'unit/settlement/embedded/embedded-mining.test.js';
const CHAIN = 'unit/settlement/evm/mining.test.js';

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
	{
		rule: 'an answer is paid for once',
		file: 'settlement/embedded/mining/rules.js',
		find: 'if (state.outputs.some((known) => Buffer.compare(known, output) === 0))',
		replace: 'if (false)',
		test: LEDGER,
		guard: 'takes an answer, pays for it',
	},
	{
		rule: 'an answer comes in the window of its miner',
		file: 'settlement/embedded/mining/rules.js',
		find: 'if (tick > start + state.params.mineBlocks)',
		replace: 'if (false)',
		test: LEDGER,
		guard: 'has a window for each miner',
	},
	{
		rule: 'an epoch takes twice as many answers as it is meant to bring',
		file: 'settlement/embedded/mining/rules.js',
		find: 'return answers >= 2 * params.targetSubmissions;',
		replace: 'return false;',
		test: LEDGER,
		guard: 'has a window for each miner',
	},
	{
		rule: 'no context is handed out that is not durable',
		file: 'settlement/embedded/embedded-mining.js',
		find: 'if (hasNews(state(), nowMs()))',
		replace: 'if (false)',
		test: LEDGER,
		guard: 'hands out nothing that a crash could take back',
	},
	{
		rule: 'an answer whose gas costs too much is not sent',
		file: 'settlement/evm/mine-sender.js',
		find: 'if (needed > bound)',
		replace: 'if (false)',
		test: CHAIN,
		guard: 'sends nothing that costs more than is allowed',
	},
	{
		rule: 'an epoch has enough answers by its own count alone',
		file: 'settlement/evm/mine-contract.js',
		find: 'takesMore === 0n && lastEpoch === BigInt(epoch)',
		replace: 'takesMore === 0n',
		test: CHAIN,
		guard: 'has answers accepted and paid for until the epoch has enough',
	},
];
