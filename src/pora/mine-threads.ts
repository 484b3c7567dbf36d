/** Keeps the mining threads busy: one bounded native call after another on each, aimed anew each time. */
import { asPerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import { LIMITS } from '../limits.js';
import type { MineFind, MineRange } from '../native/addon.js';
import type { MineTally, MiningPool } from '../native/mining-pool.js';
import type { MiningWork } from '../settlement/mining.js';
import { HASH_BYTES } from '../units.js';
import type { SealMap } from './seal-map.js';
import { pause } from './pause.js';

/** What the threads are aimed at. */
export interface MineAim {
	readonly work: MiningWork;
	readonly range: MineRange;
	/** 32 bytes, big-endian. */
	readonly threshold: Uint8Array;
}

export interface MineThreadsParts {
	readonly pool: MiningPool;
	readonly map: SealMap;
	readonly clock: Clock;
	readonly randomness: Randomness;
	/** 32 bytes. */
	readonly minerId: Uint8Array;
	/** 1 to 100. */
	readonly cpuPercent: number;
	/** Undefined: there is nothing to mine now. */
	readonly aim: () => MineAim | undefined;
	readonly tally: (tally: MineTally) => void;
	readonly found: (find: MineFind, aim: MineAim) => void;
	/** A native call failed; undefined: they work again. */
	readonly trouble: (message: string | undefined) => void;
}

export class MineThreads {
	readonly #parts: MineThreadsParts;
	readonly #running = new Set<Promise<unknown>>();

	constructor(parts: MineThreadsParts) {
		this.#parts = parts;
	}

	/** Mines until the signal; rejects with its reason. */
	async run(signal: AbortSignal): Promise<void> {
		await Promise.all(Array.from({ length: this.#parts.pool.threads }, () => this.#thread(signal)));
	}

	/** Resolves when every native call that runs now has ended. */
	async quiet(): Promise<void> {
		await Promise.allSettled(this.#running);
	}

	async #thread(signal: AbortSignal): Promise<void> {
		const { map, clock, cpuPercent, aim, tally, found, trouble } = this.#parts;
		for (;;) {
			signal.throwIfAborted();
			const target = map.counts.segments > 0 ? aim() : undefined;
			if (!target) {
				await pause(clock, LIMITS.mineTaskMs, signal);
				continue;
			}
			try {
				const result = await this.#mine(target);
				trouble(undefined);
				tally(result);
				for (const find of result.finds) found(find, target);
				if (cpuPercent < 100) await pause(clock, (result.runMs * (100 - cpuPercent)) / cpuPercent, signal);
			} catch (error) {
				signal.throwIfAborted();
				trouble(asPerigeeError(error).message);
				await pause(clock, LIMITS.sealRetryMs, signal);
			}
		}
	}

	#mine({ work, range, threshold }: MineAim): Promise<MineTally> {
		const { pool, map, randomness, minerId } = this.#parts;
		const mining = pool.mine({
			task: { minerId, subtaskDigest: work.subtaskDigest, range, threshold },
			firstNonce: randomness.bytes(HASH_BYTES),
			milliseconds: LIMITS.mineTaskMs,
			places: map.places,
			files: map.files,
		});
		this.#running.add(mining);
		const ended = (): void => void this.#running.delete(mining);
		mining.then(ended, ended);
		return mining;
	}
}
