/** What paying needs to ask a chain, and to tell it. */
import type { Hex } from 'viem';

/** Wei for a unit of gas. */
export interface GasPrices {
	/** Most that is paid; of a chain without EIP-1559 the price. */
	readonly most: bigint;
	/** Absent on a chain without EIP-1559. */
	readonly tip?: bigint;
	/** What the chain asks for itself now; 0 where it does not tell. */
	readonly base: bigint;
}

export interface ContractCall {
	/** 0x and 40 digits. */
	readonly from: Hex;
	readonly to: Hex;
	readonly data: Hex;
	/** Wei. */
	readonly value: bigint;
}

/** Errors of all: ChainError. */
export interface PayingChain {
	/** Wei that the flow asks for a sector; 0 where it has no market. */
	pricePerSector(): Promise<bigint>;
	gasPrices(): Promise<GasPrices>;
	/** Transactions of an account up to a block, or the newest one, or with those that wait. */
	transactionCount(address: Hex, at: number | 'latest' | 'pending'): Promise<number>;
	/** Wei that an account has, without what waits. */
	balance(address: Hex): Promise<bigint>;
	/** Gas that a call would take. Errors: RefusedError when it would fail. */
	estimateGas(call: ContractCall): Promise<bigint>;
	/** Hands a signed transaction to every endpoint; one that takes it, or has it, is enough. Errors: RefusedError. */
	send(raw: Hex): Promise<void>;
}
