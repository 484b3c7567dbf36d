/**
 * Keeps what is held within `maxSectors` (spec log-layer §2.9): when nine tenths of that are reached, the number of shards doubles, and of what came
 * over the 0G protocol the half goes that the node owns no more. The new shard is durable before anything is dropped. What came over REST counts
 * and stays; where that alone is too much, nothing goes. What the chain pays nothing for any more goes first. Each start of a sharded node looks whether everything was dropped that is not its
 * own: a stop may have come in between.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AppendLog } from '../append-log/append-log.js';
import { shardText, type Shard } from '../config/shard-position.js';
import type { Randomness } from '../io/randomness.js';
import { deferred } from '../deferred.js';
import { LIMITS } from '../limits.js';
import { PRICING_CHUNK_SECTORS, SECTOR_BYTES, type FlowId } from '../units.js';
import { type HeldContentEntry, heldContents } from './held-contents.js';
import type { HeldContent } from './held-content.js';
import type { LiveBytes } from './live-bytes.js';
import type { Narrowing } from './narrowing.js';
import type { ShardObserver, ShardSetting } from './shard-setting.js';
import type { Unrewarded } from './unrewarded.js';
import type { View } from './view.js';

/** Share of the limit from which on the half is dropped. */
const FULL_SHARE = 0.9;
/** Between two counts the store grows by this share of the limit. */
const RECOUNT_SHARE = 1 / 128;

export interface PruningParts {
	readonly log: AppendLog;
	readonly view: View;
	readonly live: LiveBytes;
	readonly held: HeldContent;
	readonly narrowing: Narrowing;
	readonly shard: ShardSetting;
	readonly randomness: Randomness;
	readonly unrewarded: Unrewarded;
	/** The submissions there are. */
	readonly flow: () => { readonly flowId: FlowId; readonly submissions: number; readonly lengthSectors: bigint };
	/** How often submissions were taken back. */
	readonly reverts: () => number;
	/** What lies before that pricing chunk of the flow is not paid for any more; undefined when nobody tells. */
	readonly firstRewardableChunk: () => Promise<number | undefined>;
	/** 0: no limit. */
	readonly maxSectors: number;
	/** False while part of the log cannot be read. */
	readonly isComplete: () => boolean;
	readonly observer: ShardObserver;
	/** It failed; it is tried again. */
	readonly onError: (error: unknown) => void;
}

export class Pruning {
	readonly #parts: PruningParts;
	#running: Promise<void> | undefined;
	#isStopped = false;
	/** What earlier submissions name was looked at, and nothing has changed since that would make it another. */
	#narrowedTo = 0;
	#narrowedWith = '';
	/** What lies before that sector was looked at, and is not held any more if it is not paid for. */
	#paidFrom = 0n;
	/** By the estimate, when it was counted last and was not too much, or nothing could go. */
	#countedSectors = 0;
	#isFilled = false;
	#onStop: () => void = () => undefined;

	constructor(parts: PruningParts) {
		this.#parts = parts;
	}

	/** Begins to look, unless it is at it. */
	wake(): void {
		if (this.#isStopped || this.#running) return;
		this.#running = this.#run()
			.catch(this.#parts.onError)
			.finally(() => {
				this.#running = undefined;
			});
	}

	/** Resolves when it is not at it. */
	async idle(): Promise<void> {
		await this.#running;
	}

	/** Ends after the content that it is at. */
	async stop(): Promise<void> {
		this.#isStopped = true;
		this.#onStop();
		await this.#running;
	}

	async #run(): Promise<void> {
		const { shard, log, isComplete } = this.#parts;
		// While part of the log is missing nothing goes.
		if (log.failure || !isComplete()) return;
		await this.#dropUnrewarded();
		await this.#narrowAll();
		while (!this.#isStopped && (await this.#isTooMuch())) {
			await shard.change(this.#half(shard.current));
			this.#parts.observer.shardChanged(shard.current);
			this.#countedSectors = 0;
			await this.#narrowAll();
		}
	}

	/** Only where there is a limit: without one nothing goes by itself. */
	async #dropUnrewarded(): Promise<void> {
		const { maxSectors, unrewarded, flow, firstRewardableChunk, observer } = this.#parts;
		if (maxSectors === 0) return;
		// An endpoint that says nothing holds up no stop.
		const stopped = deferred<undefined>();
		this.#onStop = () => stopped.resolve(undefined);
		const told = await Promise.race([firstRewardableChunk(), stopped.promise]);
		if (this.#isStopped) return;
		// Of what is not there yet nobody can say that it is over.
		const reached = Number(flow().lengthSectors / PRICING_CHUNK_SECTORS);
		if (told !== undefined && (await unrewarded.advance(Math.min(told, reached))))
			observer.rewardEnded(unrewarded.fromSector);
		const { fromSector } = unrewarded;
		if (fromSector === this.#paidFrom) return;
		await this.#each(0, async ({ root, startSector, isUploadedHere }) => {
			if (startSector >= fromSector) return false;
			if (!isUploadedHere) await unrewarded.drop(root);
			return true;
		});
		if (!this.#isStopped) this.#paidFrom = fromSector;
	}

	/** By chance, so that nodes which fill up together do not all drop the same. */
	#half({ id, count }: Shard): Shard {
		const bit = (this.#parts.randomness.bytes(1)[0] ?? 0) & 1;
		return { id: id + bit * count, count: 2 * count };
	}

	/** Whether the limit is near and something can go. The estimate is quick; only when it says so is everything counted. */
	async #isTooMuch(): Promise<boolean> {
		const { live, maxSectors, shard, observer } = this.#parts;
		if (maxSectors === 0 || shard.current.count >= LIMITS.shards) return false;
		const full = FULL_SHARE * maxSectors;
		const estimate = live.payloadBytes / SECTOR_BYTES;
		if (estimate < Math.max(full, this.#countedSectors + RECOUNT_SHARE * maxSectors)) return false;
		let [sectors, ofProtocol] = [0, 0];
		await this.#each(0, async ({ heldSectors, isUploadedHere }) => {
			sectors += heldSectors;
			if (!isUploadedHere) ofProtocol += heldSectors;
			return true;
		});
		if (this.#isStopped) return false;
		this.#countedSectors = estimate;
		// Half as much, again and again, would still be too much.
		const isFilled = sectors - ofProtocol >= full;
		if (isFilled && !this.#isFilled) observer.limitFilled(sectors);
		this.#isFilled = isFilled;
		return sectors >= full && !isFilled;
	}

	/** What came before its submission is held whole: so each new submission is looked at too. */
	async #narrowAll(): Promise<void> {
		const { shard, flow, narrowing, reverts } = this.#parts;
		if (shard.current.count === 1) return;
		const { submissions } = flow();
		const narrowedWith = [shardText(shard.current), reverts(), narrowing.failures].join(' ');
		if (narrowedWith !== this.#narrowedWith) this.#narrowedTo = 0;
		this.#narrowedWith = narrowedWith;
		await this.#each(Math.min(this.#narrowedTo, submissions), async ({ root, isUploadedHere }) => {
			if (!isUploadedHere) await narrowing.narrow(root);
			return true;
		});
		if (!this.#isStopped) this.#narrowedTo = submissions;
	}

	/** Goes through the content that is held and submitted, in the order of the flow, until it is stopped or `look` answers false. */
	async #each(from: number, look: (content: HeldContentEntry) => Promise<boolean>): Promise<void> {
		const { view, held, flow } = this.#parts;
		for await (const contents of heldContents(view, held, flow, from)) {
			for (const content of contents) {
				if (this.#isStopped || !(await look(content))) return;
			}
			// Others come first.
			await nextTurn();
		}
	}
}
