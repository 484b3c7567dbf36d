/** Rules of following a chain, each taken out of a copy of the compiled code (mutant-site.ts): the test that guards it must fail there. */
import type { Mutant } from './mutant-site.js';

const SEVERAL = 'unit/settlement/evm/several-endpoints.test.js';

export const CHAIN_MUTANTS: readonly Mutant[] = [
	{
		rule: 'an endpoint that shows no new block is compared with the others',
		file: 'settlement/evm/chain-head.js',
		find: 'others > this.#block + LAG_BLOCKS',
		replace: 'false',
		test: SEVERAL,
		guard: 'one stands still while the others go on',
	},
	{
		rule: 'of an endpoint whose answers do not fit the others are asked first',
		file: 'settlement/evm/endpoints.js',
		find: 'endpoint.distrustedUntilMs = this.#nowMs() + pauseMs;',
		replace: ';',
		test: SEVERAL,
		guard: 'the first answers logs left out',
	},
	{
		rule: 'the contract is asked for its count when no endpoint told it before',
		file: 'settlement/evm/chain-sync.js',
		find: 'this.#comparison.isUncounted &&',
		replace: 'false &&',
		test: SEVERAL,
		guard: 'the only one has left submissions out',
	},
	{
		rule: 'logs are read for fewer blocks near the head too',
		file: 'settlement/evm/chain-sync.js',
		find: 'Math.min(isWatched ? last : last - WATCHED_BLOCKS, from + this.#pages.blocks - 1)',
		replace: '(isWatched ? last : Math.min(last - WATCHED_BLOCKS, from + this.#pages.blocks - 1))',
		test: SEVERAL,
		guard: 'none answers for more than five blocks',
	},
	{
		rule: 'the flow root is compared again after a restart',
		file: 'settlement/evm/chain-sync.js',
		find: 'if (!this.#comparison.isCompared)',
		replace: 'if (false)',
		test: SEVERAL,
		guard: 'most say that the flow is another one',
	},
	{
		rule: 'which submissions are right is decided by most endpoints',
		file: 'settlement/evm/fork-point.js',
		find: 'return same > 0 && 2 * same >= roots.length;',
		replace: 'return same === roots.length;',
		test: SEVERAL,
		guard: 'one shows a wrong submission and calls every flow root wrong',
	},
	{
		rule: 'a branch that one endpoint alone has is left',
		file: 'settlement/evm/chain-head.js',
		find: 'if (2 * same < hashes.length)',
		replace: 'if (false)',
		test: SEVERAL,
		guard: 'one of 3 shows a branch that is longer',
	},
	{
		rule: 'where flow roots differ what most endpoints have counts',
		file: 'settlement/evm/flow-comparison.js',
		find: '(same > 0 && 2 * same >= opinions.length)',
		replace: 'same > 0',
		test: SEVERAL,
		guard: 'most say that the flow is another one',
	},
	{
		rule: 'what an endpoint alone has shown is read again before the flow counts as another one',
		file: 'settlement/evm/flow-comparison.js',
		find: 'if (this.#reader.shownWrong())',
		replace: 'if (this.#reader.shownWrong() || true)',
		test: SEVERAL,
		guard: 'the first answers submissions that are none',
	},
	{
		rule: 'who has shown what is wrong is asked last for it until it is right',
		file: 'settlement/evm/viem-reader.js',
		find: 'this.#wrong.set(endpoint, ',
		replace: 'void (',
		test: SEVERAL,
		guard: 'one shows wrong submissions, is asked first again',
	},
];
