/** Rules of shards, each taken out of a copy of the compiled code (mutant-site.ts): the test that guards it must fail there. */
import type { Mutant } from './mutant-site.js';

const UNREWARDED = 'unit/log-layer/unrewarded.test.js';
const PRUNING = 'unit/log-layer/pruning.test.js';
const RPC = 'unit/api/rpc/shards.test.js';

export const SHARD_MUTANTS: readonly Mutant[] = [
	{
		rule: 'what came over REST stays when the chain pays nothing for it any more',
		file: 'log-layer/unrewarded.js',
		find: '|| isUploadedHere(row, submission)',
		replace: '',
		test: UNREWARDED,
		guard: 'what lies before the first rewardable chunk goes',
	},
	{
		rule: 'content with a submission that is still paid for stays',
		file: 'log-layer/unrewarded.js',
		find: 'if (!row.submissions?.more)',
		replace: 'if (true)',
		test: UNREWARDED,
		guard: 'what lies before the first rewardable chunk goes',
	},
	{
		rule: 'a chain whose time is far from the own one ends no reward',
		file: 'settlement/evm/reward-contract.js',
		find: '> FAR_MS)',
		replace: '> Infinity)',
		test: UNREWARDED,
		guard: 'what lies before the first rewardable chunk goes',
	},
	{
		rule: 'segments of other shards are not stored',
		file: 'log-layer/chunk-pool.js',
		find: '({ index }) => isKept(own, index)',
		replace: '() => true',
		test: RPC,
		guard: 'a large file: own segments finish it',
	},
	{
		rule: 'each segment of a sharded node keeps its proof',
		file: 'log-layer/proved-batch.js',
		find: 'return withProofs ?',
		replace: 'return false ?',
		test: RPC,
		guard: 'a large file: own segments finish it',
	},
	{
		rule: 'proofs of what stays are stored before the tree goes',
		file: 'log-layer/narrowing.js',
		find: 'await this.#storeProofs(object, kept, range);',
		replace: ';',
		test: PRUNING,
		guard: 'is near: the shards double',
	},
	{
		rule: 'segments that are not owned any more are dead',
		file: 'log-layer/liveness.js',
		find: ' || !isKept(known?.kept, segment)',
		replace: '',
		test: PRUNING,
		guard: 'is near: the shards double',
	},
	{
		rule: 'what came over REST stays whole',
		file: 'log-layer/held-contents.js',
		find: 'return newest !== undefined || first?.upload !== undefined;',
		replace: 'return false;',
		test: PRUNING,
		guard: 'is near: the shards double',
	},
	{
		rule: 'another shard is durable before anything goes',
		file: 'log-layer/shard-setting.js',
		find: 'await this.#store(shard);',
		replace: ';',
		test: PRUNING,
		guard: 'a stop on the way',
	},
	{
		rule: 'each start goes on with what a stop has left to drop',
		file: 'log-layer/pruning.js',
		find: '    #narrowedTo = 0;',
		replace: '    #narrowedTo = 2 ** 40;',
		test: PRUNING,
		guard: 'an end of the process at any write',
	},
];
