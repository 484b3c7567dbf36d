/** Rules of paying on a chain, each taken out of a copy of the compiled code (mutant-site.ts): the test that guards it must fail there. */
import type { Mutant } from './mutant-site.js';

const PAYING = 'unit/settlement/evm/paying.test.js';

export const PAYMENT_MUTANTS: readonly Mutant[] = [
	{
		rule: 'a transaction is written down before it is sent',
		file: 'settlement/evm/payer.js',
		find: 'await this.#payments.signed(transaction);',
		replace: '',
		test: PAYING,
		guard: 'goes on with the same transaction after a stop',
	},
	{
		rule: 'what the chain shows is no longer paid for',
		file: 'settlement/evm/payments.js',
		find: 'wanted.delete(key);',
		replace: '',
		test: PAYING,
		guard: 'does not pay for what somebody else submits before it does',
	},
	{
		rule: 'a transaction whose nonce is taken is paid for anew',
		file: 'settlement/evm/payments.js',
		find: 'this.#wanted.set(paymentKey(payment), payment);\n        });',
		replace: ';\n        });',
		test: PAYING,
		guard: 'pays anew when another transaction of its account has taken the nonce',
	},
	{
		rule: 'a transaction that the chain took back is under way again',
		file: 'settlement/evm/payments.js',
		find: '.filter(({ shownAt = 0 }) => shownAt > block)',
		replace: '.filter(() => false)',
		test: PAYING,
		guard: 'has its transaction on the way again when the chain takes its block back',
	},
	{
		rule: 'an upload that waits for its submission names it',
		file: 'log-layer/apply-journal.js',
		find: 'encodeSubmissionRow(submission, upload ?? waiting)',
		replace: 'encodeSubmissionRow(submission, upload)',
		test: PAYING,
		guard: 'keeps the newest name over a restart',
	},
];
