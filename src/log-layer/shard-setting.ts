/** The shard of this store, kept in the journal: what is held follows from it, so it outlives the configuration (docs/format.md §6). */
import { parseShard, shardText, WHOLE_FLOW, type Shard } from '../config/shard-position.js';
import type { Journal } from '../settlement/journal.js';

const KEY = 'shard';

export interface ShardChoice {
	/** The shard of a new store; one that is there keeps its own. Absent: every segment. */
	readonly shard?: Shard;
	/** From nine tenths of this on the store keeps less of what came over the 0G protocol (pruning.ts). Absent: no limit. */
	readonly maxSectors?: number;
}

export interface ShardObserver {
	/** The store has another shard than the one it was to have, and keeps it. */
	shardKept(stored: Shard, wanted: Shard): void;
	/** The store came near its limit and owns half as much from now on. */
	shardChanged(shard: Shard): void;
	/** What was uploaded here over REST fills the limit by itself: nothing that may go would help. */
	limitFilled(heldSectors: number): void;
	/** The chain pays nothing more for what lies before this sector of the flow: what came over the 0G protocol and lies there goes. */
	rewardEnded(fromSector: bigint): void;
}

export class ShardSetting {
	readonly #journal: Journal;
	#current: Shard;

	private constructor(journal: Journal, current: Shard) {
		this.#journal = journal;
		this.#current = current;
	}

	/** What is configured counts for a new store alone; one without the setting owns every segment. Errors: those of Journal.putSettings. */
	static async open(
		journal: Journal,
		{ shard = WHOLE_FLOW, observer }: ShardChoice & { readonly observer: ShardObserver },
	): Promise<ShardSetting> {
		// The first entry of a flow comes with a setting.
		const isNew = journal.settings().size === 0;
		const stored = journal.setting(KEY);
		const current = stored ? parseShard(Buffer.from(stored).toString()) : isNew ? shard : WHOLE_FLOW;
		const setting = new ShardSetting(journal, current);
		if (!stored && current.count > 1) await setting.#store(current);
		if (shardText(current) !== shardText(shard)) observer.shardKept(current, shard);
		return setting;
	}

	get current(): Shard {
		return this.#current;
	}

	/** From now on the store owns the segments of another shard. Resolves when that is durable. Errors: those of Journal.putSettings. */
	async change(shard: Shard): Promise<void> {
		await this.#store(shard);
		this.#current = shard;
	}

	async #store(shard: Shard): Promise<void> {
		await this.#journal.putSettings([{ key: KEY, value: Buffer.from(shardText(shard)) }]);
	}
}
