/** What is durable of payments comes back as it was, and what is no such record is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../../../src/limits.js';
import {
	type Payment,
	type PaymentTransaction,
	readTransaction,
	readWanted,
	transactionSetting,
	wantedSetting,
} from '../../../../src/settlement/evm/payment-records.js';
import { hexOf, rootFromBytes } from '../../../../src/units.js';
import { Prng } from '../../../support/prng.js';

const prng = new Prng(0x9e7);

function payment(nodes: number): Payment {
	return {
		root: rootFromBytes(prng.bytes(32)),
		lengthBytes: 2n ** 64n - 1n,
		nodes: Array.from({ length: nodes }, (_, index) => ({ root: prng.bytes(32), height: 40 - index })),
	};
}

function plain({ root, lengthBytes, nodes }: Payment): unknown {
	return [root, lengthBytes, nodes.map((node) => [hexOf(node.root), node.height])];
}

function plainTransaction({ payments, raw, hashes, ...rest }: PaymentTransaction): unknown {
	return { ...rest, raw: hexOf(raw), hashes: hashes.map(hexOf), payments: payments.map(plain) };
}

test('a payment that is wanted', () => {
	for (const nodes of [1, 4]) {
		const wanted = payment(nodes);
		const { key, value } = wantedSetting(wanted);
		const read = readWanted(key, value);
		assert.ok(read);
		assert.deepEqual(plain(read), plain(wanted));
		assert.equal(readTransaction(key, value), undefined);
	}
});

test('a transaction, shown or not, with as many submissions as it may have', () => {
	for (const block of [undefined, 0, 123_456_789]) {
		const transaction: PaymentTransaction = {
			from: `0x${'ab'.repeat(20)}`,
			nonce: 7,
			raw: prng.bytes(20_000),
			hashes: [prng.bytes(32), prng.bytes(32)],
			mostForGas: 2n ** 100n + 5n,
			submissions: LIMITS.paymentBatch,
			payments: Array.from({ length: LIMITS.paymentBatch }, () => payment(4)),
			...(block === undefined ? {} : { shownAt: { block, txSeq: block + 1 } }),
		};
		const { key, value } = transactionSetting(transaction);
		assert.ok(value.length <= LIMITS.settingValueBytes);
		const read = readTransaction(key, value);
		assert.ok(read);
		assert.deepEqual(plainTransaction(read), plainTransaction(transaction));
		assert.equal(readWanted(key, value), undefined);
		for (const length of [0, 1, 10, 60, value.length - 1])
			assert.throws(() => readTransaction(key, value.subarray(0, length)), { code: 'FORMAT_UNKNOWN' });
	}
});

test('everything that may be under way fits among the settings', () => {
	const wanted = wantedSetting(payment(4));
	const transaction = transactionSetting({
		from: `0x${'ab'.repeat(20)}`,
		nonce: 2 ** 40,
		// The call names four subtrees of each submission in words of 32 bytes, with its offsets.
		raw: new Uint8Array(400 + LIMITS.paymentBatch * 32 * 17),
		hashes: Array.from({ length: 33 }, () => new Uint8Array(32)),
		mostForGas: 1n,
		submissions: LIMITS.paymentBatch,
		payments: Array.from({ length: LIMITS.paymentBatch }, () => payment(4)),
	});
	const bytesOf = ({ key, value }: { readonly key: string; readonly value: Uint8Array }) => key.length + value.length;
	const { payments, paymentTransactions, settings, settingsBytes } = LIMITS;
	// One transaction that dies gives back what it was for.
	const count = payments + LIMITS.paymentBatch + paymentTransactions + 1;
	assert.ok(count <= settings / 1.5);
	const bytes = (payments + LIMITS.paymentBatch) * bytesOf(wanted) + (paymentTransactions + 1) * bytesOf(transaction);
	assert.ok(bytes <= settingsBytes / 1.5, `${bytes}`);
});
