/**
 * The threads that mine and the one that seals: pools of their own, at the lowest priority, so that uploads never wait behind them. What a task reads and
 * writes lies in shared memory or in files; its message is small.
 */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { asPerigeeError, PerigeeError } from '../errors.js';
import type { MineFind, MineRange } from './addon.js';

/** As `mine` of the addon takes it. */
export interface MineJob {
	readonly task: {
		/** 32 bytes. */
		readonly minerId: Uint8Array;
		/** 32 bytes. */
		readonly subtaskDigest: Uint8Array;
		readonly range: MineRange;
		/** 32 bytes, big-endian. */
		readonly threshold: Uint8Array;
	};
	/** 32 bytes; the last 8 are counted up. */
	readonly firstNonce: Uint8Array;
	/** How long it lasts, about. */
	readonly milliseconds: number;
	/** Shared memory: 16 bytes for each flow segment. */
	readonly places: Uint8Array;
	/** Descriptors that stay open until the task has ended. */
	readonly files: Uint32Array;
}

export interface MineTally {
	readonly nonces: bigint;
	readonly reads: bigint;
	readonly qualities: bigint;
	readonly failures: bigint;
	readonly finds: readonly MineFind[];
	readonly runMs: number;
}

export interface SealJob {
	/** Shared memory: whole flow segments that follow each other; sealed in place. */
	readonly bytes: Uint8Array;
	/** For each flow segment the seals that are wanted, bit s for seal s. */
	readonly seals: readonly bigint[];
	/** 32 bytes. */
	readonly minerId: Uint8Array;
	/** For each seal the digest of its context, 32 bytes. */
	readonly digests: Uint8Array;
	readonly firstSector: bigint;
}

/** A task waits for a free thread; more than this wait for nothing. */
const QUEUED_TASKS_PER_THREAD = 2;

export class MiningPool {
	readonly threads: number;
	readonly #miners: Piscina<MineJob, MineTally>;
	readonly #sealer: Piscina<SealJob, Uint8Array>;
	#isClosing = false;

	/** `threads`: 0 means one less than there are processors, at least one. They start with their first tasks. */
	constructor(threads: number) {
		this.threads = threads > 0 ? threads : Math.max(1, availableParallelism() - 1);
		this.#miners = startPool<MineJob, MineTally>('mineTask', this.threads);
		this.#sealer = startPool<SealJob, Uint8Array>('sealTask', 1);
	}

	/** Mines on one thread. Errors: INTERNAL, SHUTTING_DOWN. */
	mine(job: MineJob): Promise<MineTally> {
		return this.#run(this.#miners, job);
	}

	/** Seals flow segments. Answers the CRC-32C of all their blocks, little-endian. Errors as of `mine`. */
	seal(job: SealJob): Promise<Uint8Array> {
		return this.#run(this.#sealer, job);
	}

	/** Resolves when no native call runs any more. */
	async close(): Promise<void> {
		this.#isClosing = true;
		await Promise.all([this.#miners.destroy(), this.#sealer.destroy()]);
	}

	async #run<J, T>(pool: Piscina<J, T>, job: J): Promise<T> {
		if (this.#isClosing) throw new PerigeeError('SHUTTING_DOWN');
		try {
			return await pool.run(job);
		} catch (error) {
			if (this.#isClosing) throw new PerigeeError('SHUTTING_DOWN', undefined, { cause: error });
			throw new PerigeeError('INTERNAL', `a mining worker failed: ${asPerigeeError(error).message}`, { cause: error });
		}
	}
}

function startPool<J, T>(name: string, threads: number): Piscina<J, T> {
	return new Piscina<J, T>({
		filename: new URL('./mining-worker.js', import.meta.url).href,
		name,
		minThreads: 0,
		maxThreads: threads,
		idleTimeout: 10_000,
		maxQueue: threads * QUEUED_TASKS_PER_THREAD,
	});
}
