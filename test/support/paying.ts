/** What tests of paying share: accounts with money, and chains that answer otherwise. */
import assert from 'node:assert/strict';
import type { Hex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { fileRoot } from '../../src/native/addon.js';
import { ChainError } from '../../src/settlement/evm/chain-reader.js';
import type { PayingChain } from '../../src/settlement/evm/paying-chain.js';
import { type DataRoot, hexOf, type TxSeq } from '../../src/units.js';
import type { TestChain } from './chain.js';
import { type ChainStore, until } from './chain-store.js';
import { readBack } from './test-store.js';

/** An account of its own for a test. */
export async function fundedAccount(
	chain: TestChain,
	wei = 10n ** 18n,
): Promise<{ readonly key: Hex; readonly address: Hex }> {
	const key = generatePrivateKey();
	const { address } = privateKeyToAccount(key);
	await chain.client.setBalance({ address, value: wei });
	return { key, address };
}

export type Mining = (what: string, holds: () => Promise<boolean> | boolean) => Promise<void>;

/** Mines until something holds. */
export async function miningUntil(chain: TestChain, ...[what, holds]: Parameters<Mining>): Promise<void> {
	await until(what, async () => {
		if (await holds()) return true;
		await chain.mine(1);
		return false;
	});
}

export function rootOf(content: Uint8Array): DataRoot {
	return hexOf(fileRoot(content).root) as DataRoot;
}

export async function isFile(store: ChainStore, content: Uint8Array): Promise<boolean> {
	return (await store.files.fileByRoot(rootOf(content)))?.finalized === true;
}

export async function assertFile(store: ChainStore, content: Uint8Array, name: string): Promise<TxSeq> {
	const file = await store.files.fileByRoot(rootOf(content));
	assert.ok(file);
	assert.deepEqual([file.finalized, file.name], [true, name]);
	assert.ok((await readBack(store, file)).equals(content));
	return file.txSeq;
}

/** A chain of which some answers are others. */
export function bent(by: (plain: PayingChain) => Partial<PayingChain>): (plain: PayingChain) => PayingChain {
	return (plain) => ({
		pricePerSector: () => plain.pricePerSector(),
		gasPrices: () => plain.gasPrices(),
		transactionCount: (...args) => plain.transactionCount(...args),
		estimateGas: (call) => plain.estimateGas(call),
		send: (raw) => plain.send(raw),
		balance: (address) => plain.balance(address),
		...by(plain),
	});
}

/** Lets no transaction through until it is told to. */
export class Gate {
	isOpen = false;
	tried = 0;
	/** Goes between a node and the chain. */
	readonly bend = bent((plain) => ({
		send: async (raw) => {
			this.tried++;
			if (!this.isOpen) throw new ChainError('no endpoint takes it');
			await plain.send(raw);
		},
	}));
}
