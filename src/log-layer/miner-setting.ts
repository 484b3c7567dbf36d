/** The miner that the sealed copies of this store are made for, kept in the journal (docs/format.md §6). */
import type { Journal } from '../settlement/journal.js';
import { HASH_BYTES } from '../units.js';

const KEY = 'miner';

export class MinerSetting {
	readonly #journal: Journal;

	constructor(journal: Journal) {
		this.#journal = journal;
	}

	/** 32 bytes; undefined: there is none yet. */
	get current(): Uint8Array | undefined {
		const stored = this.#journal.setting(KEY);
		return stored?.length === HASH_BYTES ? stored : undefined;
	}

	/** Resolves when it is durable. Errors: those of Journal.putSettings. */
	async change(minerId: Uint8Array): Promise<void> {
		await this.#journal.putSettings([{ key: KEY, value: minerId }]);
	}
}
