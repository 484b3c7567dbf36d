/** What an operator sees of mining, and may do with it. */

/**
 * Why the node mines or does not; the first that holds, in this order:
 * off: the configuration does not ask for it; stopped: an operator has stopped it; starting; rebuilding: the index is; noKey: answers cannot be
 * sent; noMinerId: it is being registered, or cannot be; unregistered: the settlement does not know the id; lagging: what is followed is behind, or
 * nobody answers; version: the contract is of another one; noContext: no epoch has begun that can be mined; tooManyShards: this node's shard is smaller
 * than the contract takes; noSegment: nothing of the flow is held whole where it may be mined; nothingSealed: sealing has not got there yet;
 * noWindow: the miner's turn in this epoch is over, or still to come; quota: the epoch has enough answers; rejected: several answers in a row
 * were refused (mining goes on with the next epoch); failed: mining workers do not run; throttled: it mines for mining.cpuPercent of the time; mining.
 */
export const MINING_STATES = [
	'off',
	'stopped',
	'starting',
	'rebuilding',
	'noKey',
	'noMinerId',
	'unregistered',
	'lagging',
	'version',
	'noContext',
	'tooManyShards',
	'noSegment',
	'nothingSealed',
	'noWindow',
	'quota',
	'rejected',
	'failed',
	'throttled',
	'mining',
] as const;

export type MiningState = (typeof MINING_STATES)[number];

export interface MiningStatus {
	readonly state: MiningState;
	/** A sentence for an operator: why, and what would help. */
	readonly reason: string;
	/** Milliseconds since 1970: since when it is so. */
	readonly sinceMs: number;
	/** 32 bytes. */
	readonly minerId?: Uint8Array;
	/** 20 bytes: who is paid. */
	readonly beneficiary?: Uint8Array;
	/** What is mined now. */
	readonly work?: {
		readonly epoch: number;
		/** 32 bytes. */
		readonly contextDigest: Uint8Array;
		readonly flowLength: bigint;
		readonly poraTarget: bigint;
		/** First sector and sectors of the range. */
		readonly startPosition: bigint;
		readonly mineLength: bigint;
	};
	readonly sealing: {
		/** Flow segments with at least one seal. */
		readonly segments: number;
		/** Seals of 4,096 bytes. */
		readonly seals: number;
		/** Flow segments that could be sealed and are not yet, as far as is known. */
		readonly backlog: number;
		/** Why sealing does not go on, if it does not. */
		readonly trouble?: string;
	};
	/** Since this process began. */
	readonly totals: {
		readonly nonces: bigint;
		/** Seals that were tried. */
		readonly qualities: bigint;
		/** Flow segments that were read, and that could not be. */
		readonly reads: bigint;
		readonly failures: bigint;
		/** Qualities that were good enough. */
		readonly hits: number;
		readonly accepted: number;
		readonly refused: number;
		readonly givenUp: number;
		/** In the settlement's smallest unit. */
		readonly rewards: bigint;
		readonly gasSpent: bigint;
	};
	/** Nonces in a second, over about the last ten. */
	readonly noncesPerSecond: number;
	/** The beneficiary's, as the settlement says; absent until it was asked. */
	readonly rewardsWaiting?: bigint;
	/** The last answer that was not accepted. */
	readonly lastRefusal?: { readonly reason: string; readonly timeMs: number };
	readonly cpuPercent: number;
	readonly threads: number;
}

export interface MiningControl {
	status(): MiningStatus;
	/** Mines again after `stop`. Errors: MINING_OFF. */
	start(): void;
	/** Mines no more until `start`; a restart of the node begins with the configuration again. Errors: MINING_OFF. */
	stop(): void;
	/** First sector to mine from, as mining.startSector. Errors: MINING_OFF. */
	setStartPosition(sector: bigint): void;
}
