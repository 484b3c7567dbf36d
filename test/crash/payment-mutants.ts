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
		find: 'turn.put(key, encodeRootRow(named(current, upload)));',
		replace: ';',
		test: PAYING,
		guard: 'keeps the newest name over a restart',
	},
	{
		rule: 'an upload names its content, whatever has become of the submission that it names',
		file: 'log-layer/apply-journal.js',
		find: 'return submission?.dataRoot === root ? submission : undefined;',
		replace: 'return submission;',
		test: 'unit/log-layer/journal-order.test.js',
		guard: 'an upload that names a submission which the chain took back',
	},
	{
		rule: 'a submission that the chain took back before the upload was written down is awaited anew',
		file: 'log-layer/content-binding.js',
		find: 'if (fits(standing, root, sizeBytes))',
		replace: '',
		test: PAYING,
		guard: 'pays for content whose submission the chain takes back',
	},
];
