/** Which context owns a seal, as the settlement has said; asked again only when the newest answers may have changed. */
import { LIMITS } from '../limits.js';
import type { MiningSettlement, SealOwner } from '../settlement/mining.js';

export class SealOwners {
	readonly #mining: MiningSettlement;
	/** By ascending start. */
	#known: SealOwner[] = [];

	constructor(mining: MiningSettlement) {
		this.#mining = mining;
	}

	/** The owner of the seal that ends with `lastSector`; undefined: nobody yet. Errors: those of the settlement. */
	async of(lastSector: bigint): Promise<SealOwner | undefined> {
		const known = this.#find(lastSector);
		if (known) return known;
		const owner = await this.#mining.sealOwner(lastSector);
		if (owner) this.#learn(owner);
		return owner;
	}

	/**
	 * Asks for the newest owners again. Answers those that are none any more, newest first: a context holds the hash of a block, so one that is as it was
	 * means that all before it are. Errors: those of the settlement.
	 */
	async recheck(): Promise<readonly SealOwner[]> {
		const gone: SealOwner[] = [];
		for (let newest = this.#known.at(-1); newest; newest = this.#known.at(-1)) {
			const now = await this.#mining.sealOwner(newest.end - 1n);
			if (now && isSame(now, newest)) break;
			gone.push(newest);
			this.#known.pop();
		}
		return gone;
	}

	#find(sector: bigint): SealOwner | undefined {
		let low = 0;
		let high = this.#known.length;
		while (low < high) {
			const middle = (low + high) >>> 1;
			if ((this.#known[middle]?.start ?? 0n) <= sector) low = middle + 1;
			else high = middle;
		}
		const found = this.#known[low - 1];
		return found && sector < found.end ? found : undefined;
	}

	/** A new answer outdates what it overlaps. */
	#learn(owner: SealOwner): void {
		const others = this.#known.filter(({ start, end }) => end <= owner.start || owner.end <= start);
		this.#known = [...others, owner].sort((a, b) => (a.start < b.start ? -1 : 1)).slice(-LIMITS.sealOwners);
	}
}

function isSame(left: SealOwner, right: SealOwner): boolean {
	return left.start === right.start && left.end === right.end && Buffer.compare(left.digest, right.digest) === 0;
}
