/** What a node has to pay for: changes come one after the other, and each looks again at what the one before has left. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { deferred } from '../../../../src/deferred.js';
import type { Payment, PaymentTransaction } from '../../../../src/settlement/evm/payment-records.js';
import { Payments, SETTLED_BLOCKS, type ShownSubmission } from '../../../../src/settlement/evm/payments.js';
import type { Journal } from '../../../../src/settlement/journal.js';
import type { SettingRecord, UploadRecord } from '../../../../src/settlement/journal-records.js';
import { bytesOfHex, type FlowId, rootFromBytes, type SectorIndex, type TxSeq } from '../../../../src/units.js';
import { Prng } from '../../../support/prng.js';

const prng = new Prng(0x9a1);
const FROM = `0x${'ab'.repeat(20)}`;
const NO_HASH = new Uint8Array(32);

/** Settings in memory, taken at once. */
class Memory implements Pick<Journal, 'recordUpload' | 'putSettings' | 'settings'> {
	readonly #settings = new Map<string, Uint8Array>();

	async recordUpload(_upload: UploadRecord, settings: readonly SettingRecord[] = []): Promise<void> {
		await this.putSettings(settings);
	}

	readonly putSettings = async (settings: readonly SettingRecord[]): Promise<void> => {
		await Promise.resolve();
		for (const { key, value } of settings) {
			if (value.length === 0) this.#settings.delete(key);
			else this.#settings.set(key, value);
		}
	};

	settings(): ReadonlyMap<string, Uint8Array> {
		return this.#settings;
	}
}

function payment(): Payment {
	return { root: rootFromBytes(prng.bytes(32)), lengthBytes: 256n, nodes: [{ root: prng.bytes(32), height: 0 }] };
}

function transaction(nonce: number, payments: readonly Payment[]): PaymentTransaction {
	const hashes = [prng.bytes(32)];
	return { from: FROM, nonce, raw: prng.bytes(100), hashes, mostForGas: 1n, submissions: payments.length, payments };
}

function shown(
	{ root, nodes }: Payment,
	blockNumber: number,
	txHash: Uint8Array = NO_HASH,
	txSeq = 0,
): ShownSubmission {
	const placed = {
		flowId: 1 as FlowId,
		txSeq: txSeq as TxSeq,
		lengthBytes: 256n,
		tags: new Uint8Array(0),
		nodes,
		submitter: bytesOfHex(FROM),
		dataRoot: root,
		identity: NO_HASH,
		startSector: 1n as SectorIndex,
		lengthBefore: 1n,
		lengthAfter: 2n,
		flowRoot: NO_HASH,
		timeMs: 0,
		blockNumber,
	};
	return { placed, txHash };
}

async function begin(...wanted: readonly Payment[]): Promise<{ payments: Payments; memory: Memory }> {
	const memory = new Memory();
	const payments = new Payments(memory);
	payments.changed = () => undefined;
	payments.begin();
	for (const each of wanted) {
		const upload = { flowId: 1 as FlowId, root: each.root, timeMs: 0, name: '', contentType: '' };
		await payments.want(each, upload);
	}
	return { payments, memory };
}

/** What the settings say, as a restart takes it up. */
function restarted(memory: Memory): Payments {
	const payments = new Payments(memory);
	payments.begin();
	return payments;
}

it('a transaction may not be sent when others were first while it was being written down', async () => {
	const [first, second] = [payment(), payment()];
	const { payments, memory } = await begin(first, second);
	const held = deferred();
	const showing = payments.shown(
		() => [shown(first, 5)],
		async (settings) => {
			await held.promise;
			await memory.putSettings(settings);
		},
	);
	const signing = payments.signed(transaction(0, [first, second]));
	held.resolve();
	await showing;
	assert.equal(await signing, false);
	for (const each of [payments, restarted(memory)]) {
		assert.deepEqual(
			each.wanted.map(({ root }) => root),
			[second.root],
		);
		assert.deepEqual(each.underway, []);
	}
});

it('one may be replaced only as long as it is what it was', async () => {
	const [first, second] = [payment(), payment()];
	const { payments } = await begin(first, second);
	const signed = transaction(0, [first, second]);
	assert.equal(await payments.signed(signed), true);
	assert.equal(await payments.signed(transaction(0, [first])), false, 'another one has its nonce');
	await payments.shown(
		() => [shown(first, 5)],
		async () => undefined,
	);
	assert.equal(await payments.signed(transaction(0, [first, second]), signed), false, 'it pays for less now');
	const [narrowed] = payments.underway;
	assert.ok(narrowed);
	assert.deepEqual([narrowed.submissions, narrowed.payments.length], [2, 1]);
	const next = { ...transaction(0, [second]), hashes: [...narrowed.hashes, prng.bytes(32)] };
	assert.equal(await payments.signed(next, narrowed), true);
	// The earlier one comes all the same.
	await payments.shown(
		() => [shown(second, 6, signed.hashes[0])],
		async () => undefined,
	);
	assert.equal(await payments.signed(transaction(0, []), next), false, 'the chain shows it');
	assert.equal(await payments.died(next), false);
	assert.deepEqual([payments.underway, payments.wanted], [[], []]);
});

it('what dies is wanted again, but for what others have submitted', async () => {
	const [first, second] = [payment(), payment()];
	const { payments, memory } = await begin(first, second);
	const signed = transaction(3, [first, second]);
	await payments.signed(signed);
	await payments.shown(
		() => [shown(second, 5)],
		async (settings) => memory.putSettings(settings),
	);
	assert.equal(await payments.died(signed), true);
	for (const each of [payments, restarted(memory)])
		assert.deepEqual([each.wanted.map(({ root }) => root), each.underway], [[first.root], []]);
});

it('after a reorganisation transactions are under way again, and what others had submitted is paid for later', async () => {
	const [own, theirs] = [payment(), payment()];
	const { payments, memory } = await begin(own);
	const signed = transaction(0, [own]);
	await payments.signed(signed);
	const write = (settings: readonly SettingRecord[]) => memory.putSettings(settings);
	await payments.shown(() => [shown(own, 20, signed.hashes[0]), shown(theirs, 20)], write);
	assert.deepEqual(payments.underway, []);
	await payments.reverted({ submissions: 0, block: 19 }, [own, theirs], write);
	for (const each of [payments, restarted(memory)]) {
		assert.equal(each.underway.length, 1);
		assert.deepEqual(
			each.wanted.map(({ root }) => root),
			[theirs.root],
		);
	}
	await payments.want(theirs, { flowId: 1 as FlowId, root: theirs.root, timeMs: 0, name: '', contentType: '' });
	assert.equal(payments.payable(19 + SETTLED_BLOCKS - 1).length, 0);
	assert.equal(payments.payable(19 + SETTLED_BLOCKS).length, 1);
	await payments.shown(() => [shown(theirs, 21)], write);
	assert.deepEqual(payments.wanted, []);
});

it('a transaction whose submission still counts is not under way again, though its block is read anew', async () => {
	const [first, second] = [payment(), payment()];
	const { payments, memory } = await begin(first, second);
	const signed = transaction(0, [first]);
	await payments.signed(signed);
	await payments.signed(transaction(1, [second]));
	const write = (settings: readonly SettingRecord[]) => memory.putSettings(settings);
	const [, underway] = payments.underway;
	await payments.shown(() => [shown(first, 20, signed.hashes[0], 7), shown(second, 21, underway?.hashes[0], 8)], write);
	await payments.reverted({ submissions: 8, block: 19 }, [second], write);
	for (const each of [payments, restarted(memory)]) {
		assert.deepEqual(
			each.underway.map(({ nonce }) => nonce),
			[1],
		);
		assert.deepEqual(each.wanted, []);
	}
});
