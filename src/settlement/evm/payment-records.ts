/**
 * What is durable of payments, as settings of the journal (docs/format.md §6):
 *
 *     payment/<data root>/<bytes>  version u8 = 1, nodes: wanted, and in no transaction yet
 *     transaction/<from>/<nonce>   version u8 = 2, shown at block u64 (2^64 - 1: not shown), the number of its first submission u64 (the same),
 *                                  most for a unit of gas u128, hashes u8, n × 32, the signed transaction (bytes u32, bytes), submissions
 *                                  that it makes u8, those of them that are still to be made u8, n × (data root 32, bytes u64, nodes)
 *
 * Tags of what this node submits are always empty.
 */
import { ByteReader, ByteWriter } from '../../bytes.js';
import { bytesOfHex, type DataRoot, HASH_BYTES, parseDataRoot, rootFromBytes } from '../../units.js';
import { readNodes, writeNodes } from '../flow/nodes.js';
import type { SettingRecord } from '../journal-records.js';
import type { SubmissionNode } from '../settlement.js';

const WANTED_VERSION = 1;
const TRANSACTION_VERSION = 2;
const WANTED = /^payment\/(0x[0-9a-f]{64})\/([0-9]{1,20})$/;
const NONCE_DIGITS = 15;
const TRANSACTION = /^transaction\/(0x[0-9a-f]{40})\/([0-9]{1,15})$/;
const GONE = new Uint8Array(0);

/** A submission that this node pays for. */
export interface Payment {
	readonly root: DataRoot;
	readonly lengthBytes: bigint;
	readonly nodes: readonly SubmissionNode[];
}

/** A transaction that pays for submissions, or for none and only has its nonce used: signed, and maybe sent. */
export interface PaymentTransaction {
	/** Who pays: 0x and 40 digits, lower case. */
	readonly from: string;
	readonly nonce: number;
	/** The signed bytes that were sent last. */
	readonly raw: Uint8Array;
	/** Of all that were signed with this nonce, the last one last; 32 bytes each. One of them can become part of the chain. */
	readonly hashes: readonly Uint8Array[];
	/** Wei that `raw` pays at most for a unit of gas. */
	readonly mostForGas: bigint;
	/** Submissions that `raw` makes. */
	readonly submissions: number;
	/** Of those the ones that nobody else has made before. */
	readonly payments: readonly Payment[];
	/** Where the chain has shown it: its block, and its first submission. */
	readonly shownAt?: { readonly block: number; readonly txSeq: number };
}

/** What a transaction is known by: one of those with the same can become part of the chain. */
export function transactionKey({ from, nonce }: Pick<PaymentTransaction, 'from' | 'nonce'>): string {
	return `${from}/${nonce}`;
}

/** What a payment is known by: content that differs in trailing zeros has the same root and is another file. */
export function paymentKey({ root, lengthBytes }: Pick<Payment, 'root' | 'lengthBytes'>): string {
	return `${root}/${lengthBytes}`;
}

export function wantedSetting(payment: Payment): SettingRecord {
	const writer = new ByteWriter(140).u8(WANTED_VERSION);
	writeNodes(writer, payment.nodes);
	return { key: `payment/${paymentKey(payment)}`, value: writer.toBytes() };
}

export function noLongerWanted(payment: Payment): SettingRecord {
	return { key: `payment/${paymentKey(payment)}`, value: GONE };
}

export function transactionSetting(transaction: PaymentTransaction): SettingRecord {
	const { nonce, raw, hashes, mostForGas, submissions, payments, shownAt } = transaction;
	if (!Number.isSafeInteger(nonce) || nonce < 0 || nonce >= 10 ** NONCE_DIGITS) throw new Error(`${nonce} is no nonce`);
	const writer = new ByteWriter(raw.length + payments.length * 180 + 256)
		.u8(TRANSACTION_VERSION)
		.u64OrNone(shownAt?.block)
		.u64OrNone(shownAt?.txSeq)
		.u128(mostForGas)
		.u8(hashes.length);
	for (const hash of hashes) writer.fixed(hash, HASH_BYTES);
	writer.u32(raw.length).raw(raw).u8(submissions).u8(payments.length);
	for (const { root, lengthBytes, nodes } of payments) {
		writer.fixed(bytesOfHex(root), HASH_BYTES).u64(lengthBytes);
		writeNodes(writer, nodes);
	}
	return { key: `transaction/${transactionKey(transaction)}`, value: writer.toBytes() };
}

export function forgottenTransaction(transaction: PaymentTransaction): SettingRecord {
	return { key: `transaction/${transactionKey(transaction)}`, value: GONE };
}

/** The payment that a setting says is wanted; undefined when it says something else. Errors: FORMAT_UNKNOWN. */
export function readWanted(key: string, value: Uint8Array): Payment | undefined {
	const [, digits, lengthBytes] = WANTED.exec(key) ?? [];
	const root = digits === undefined ? undefined : parseDataRoot(digits);
	if (root === undefined || lengthBytes === undefined) return undefined;
	const reader = readerOf(value, 'a payment', WANTED_VERSION);
	const nodes = readNodes(reader);
	reader.end();
	return { root, lengthBytes: BigInt(lengthBytes), nodes };
}

/** The same of a transaction. */
export function readTransaction(key: string, value: Uint8Array): PaymentTransaction | undefined {
	const [, from, nonce] = TRANSACTION.exec(key) ?? [];
	if (from === undefined) return undefined;
	const reader = readerOf(value, 'a transaction', TRANSACTION_VERSION);
	const block = reader.safeU64OrNone('block');
	const txSeq = reader.safeU64OrNone('submission');
	const mostForGas = reader.u128('gas price');
	const hashes = Array.from({ length: reader.u8('hash count') }, () => reader.bytes(HASH_BYTES, 'hash'));
	const raw = reader.bytes(reader.u32('transaction length'), 'transaction');
	const submissions = reader.u8('submissions');
	const payments = Array.from({ length: reader.u8('submission count') }, () => ({
		root: rootFromBytes(reader.bytes(HASH_BYTES, 'root')),
		lengthBytes: reader.u64('length'),
		nodes: readNodes(reader),
	}));
	reader.end();
	return {
		from,
		nonce: Number(nonce),
		raw,
		hashes,
		mostForGas,
		submissions,
		payments,
		...(block === undefined || txSeq === undefined ? {} : { shownAt: { block, txSeq } }),
	};
}

function readerOf(value: Uint8Array, what: string, known: number): ByteReader {
	const reader = new ByteReader(value, what);
	const version = reader.u8('version');
	if (version !== known) reader.fail(`its version is ${version}, this program knows ${known}`);
	return reader;
}
