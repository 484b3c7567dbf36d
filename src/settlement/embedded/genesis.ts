/** The parameters a ledger begins with. They are its first journal entry and never change. */
import type { Clock } from '../../io/clock.js';
import type { Randomness } from '../../io/randomness.js';
import { HASH_BYTES } from '../../units.js';
import type { ByteReader, ByteWriter } from '../../bytes.js';
import { ByteWriter as Writer } from '../../bytes.js';
import type { FlowHashing } from '../flow/hashing.js';

export interface LedgerGenesis {
	/** What clients see as the chain id; at most 2^53 - 1, since they read it as a JSON number. */
	readonly chainId: bigint;
	/** Number of the genesis block; epochs count from it. */
	readonly firstBlock: number;
	/** Ledger blocks of one epoch, 1 to 2^32 - 1. */
	readonly blocksPerEpoch: number;
	/** Time that one block of an idle ledger stands for, 1 to 2^32 - 1 ms. */
	readonly blockIntervalMs: number;
	/** Time of the genesis block, milliseconds since 1970. */
	readonly timeMs: number;
	/** Price of one sector in the smallest unit, below 2^128. */
	readonly pricePerSector: bigint;
	/** 32 random bytes, so that no two ledgers have the same flow address. */
	readonly salt: Uint8Array;
}

/** What an operator chooses of a new ledger. */
export type GenesisChoices = Pick<LedgerGenesis, 'chainId' | 'blocksPerEpoch' | 'blockIntervalMs' | 'pricePerSector'>;

/** What is chosen now and what the ledger began with, where they differ. */
export interface ChoiceDifference {
	readonly choice: keyof GenesisChoices;
	readonly chosen: bigint | number;
	readonly inForce: bigint | number;
}

const CHOICES = ['chainId', 'blocksPerEpoch', 'blockIntervalMs', 'pricePerSector'] as const;

/** A ledger never changes its parameters; whoever chooses others should know. */
export function differentChoices(chosen: GenesisChoices, ledger: GenesisChoices): readonly ChoiceDifference[] {
	return CHOICES.filter((choice) => chosen[choice] !== ledger[choice]).map((choice) => ({
		choice,
		chosen: chosen[choice],
		inForce: ledger[choice],
	}));
}

/** Bytes of an encoded genesis. */
export const GENESIS_BYTES = 8 + 8 + 4 + 4 + 8 + 16 + HASH_BYTES;

const FLOW_ADDRESS_BYTES = 20;

/** The genesis of a new ledger. */
export function createGenesis(choices: GenesisChoices, clock: Clock, randomness: Randomness): LedgerGenesis {
	return { ...choices, firstBlock: 0, timeMs: clock.nowMs(), salt: randomness.bytes(HASH_BYTES) };
}

/** chainId u64, firstBlock u64, blocksPerEpoch u32, blockIntervalMs u32, time u64, price u128, salt 32. */
export function writeGenesis(writer: ByteWriter, genesis: LedgerGenesis): void {
	writer
		.u64(genesis.chainId)
		.u64(genesis.firstBlock)
		.u32(genesis.blocksPerEpoch)
		.u32(genesis.blockIntervalMs)
		.u64(genesis.timeMs)
		.u128(genesis.pricePerSector)
		.fixed(genesis.salt, HASH_BYTES);
}

export function readGenesis(reader: ByteReader): LedgerGenesis {
	const genesis = {
		chainId: reader.u64('chain id'),
		firstBlock: reader.safeU64('first block'),
		blocksPerEpoch: reader.u32('blocks per epoch'),
		blockIntervalMs: reader.u32('block interval'),
		timeMs: reader.safeU64('time'),
		pricePerSector: reader.u128('price'),
		salt: reader.bytes(HASH_BYTES, 'salt').slice(),
	};
	if (genesis.blocksPerEpoch === 0) reader.fail('an epoch has no blocks');
	if (genesis.blockIntervalMs === 0) reader.fail('a block takes no time');
	return genesis;
}

/** Hash of the genesis block: K(0x00 || genesis). */
export function genesisHash(genesis: LedgerGenesis, hashing: FlowHashing): Uint8Array {
	const writer = new Writer(1 + GENESIS_BYTES).u8(0);
	writeGenesis(writer, genesis);
	return hashing.keccak256(writer.toBytes());
}

/** The address that stands for the flow's contract: the last 20 bytes of the genesis hash. */
export function flowAddressOf(genesis: LedgerGenesis, hashing: FlowHashing): Uint8Array {
	return genesisHash(genesis, hashing).slice(HASH_BYTES - FLOW_ADDRESS_BYTES);
}
