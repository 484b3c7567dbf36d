/** The flow as the specification describes it: a full binary tree over every sector, all in memory (spec log-layer §1.6, §2.1). */
import { fileGeometry, hashPair, sectorLeaves, zeroHash } from '../../src/native/addon.js';
import { HASH_BYTES } from '../../src/units.js';

export class NaiveFlow {
	/** Hashes by height, each level one behind the other; level 0 are the sectors. */
	readonly #levels: Buffer[] = [];
	readonly lengthSectors: number;

	/** `files`: contents with the first sector of each; they end before `lengthSectors`. */
	constructor(lengthSectors: number, files: readonly { readonly start: number; readonly content: Uint8Array }[]) {
		this.lengthSectors = lengthSectors;
		const width = 2 ** Math.ceil(Math.log2(lengthSectors));
		let level = Buffer.alloc(width * HASH_BYTES, zeroHash(0));
		level.fill(0, 0, HASH_BYTES);
		for (const { start, content } of files) {
			const { padded } = fileGeometry(BigInt(content.length));
			level.set(sectorLeaves(content, Number(padded)), start * HASH_BYTES);
		}
		for (;;) {
			this.#levels.push(level);
			if (level.length === HASH_BYTES) return;
			const above = Buffer.alloc(level.length / 2);
			for (let at = 0; at < above.length; at += HASH_BYTES) {
				above.set(
					hashPair(
						level.subarray(2 * at, 2 * at + HASH_BYTES),
						level.subarray(2 * at + HASH_BYTES, 2 * at + 2 * HASH_BYTES),
					),
					at,
				);
			}
			level = above;
		}
	}

	get root(): Buffer {
		return this.#levels.at(-1) as Buffer;
	}

	/** Leaf, siblings from the bottom up, root. */
	lemma(sector: number): Buffer[] {
		const siblings = this.#levels.slice(0, -1).map((level, height) => hashAt(level, (sector >> height) ^ 1));
		return [hashAt(this.#levels[0] as Buffer, sector), ...siblings, this.root];
	}
}

function hashAt(level: Buffer, index: number): Buffer {
	return level.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
}
