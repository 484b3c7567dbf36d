/** Small deterministic random source (xoshiro128**, seeded through splitmix32): a seed replays a test. */
export class Prng {
	readonly #state = new Uint32Array(4);

	constructor(seed: number) {
		let mixed = seed >>> 0;
		for (let i = 0; i < 4; i += 1) {
			mixed = (mixed + 0x9e3779b9) >>> 0;
			let word = mixed;
			word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
			word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
			this.#state[i] = word ^ (word >>> 16);
		}
	}

	/** 32 random bits. */
	next(): number {
		const [a = 0, b = 0, c = 0, d = 0] = this.#state;
		const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
		const mixedC = c ^ a;
		const mixedD = d ^ b;
		this.#state[0] = a ^ mixedD;
		this.#state[1] = b ^ mixedC;
		this.#state[2] = mixedC ^ (b << 9);
		this.#state[3] = rotate(mixedD, 11);
		return result;
	}

	/** A whole number from 0 to `bound` - 1. */
	below(bound: number): number {
		if (bound <= 0) throw new RangeError(`nothing is below ${bound}`);
		return Math.floor((this.next() / 2 ** 32) * bound);
	}

	/** True with this probability. */
	chance(probability: number): boolean {
		return this.next() < probability * 2 ** 32;
	}

	pick<T>(items: readonly T[]): T {
		return items[this.below(items.length)] as T;
	}

	bytes(count: number): Uint8Array {
		const bytes = new Uint8Array(count);
		let at = 0;
		for (; at + 4 <= count; at += 4) {
			const word = this.next();
			bytes[at] = word;
			bytes[at + 1] = word >>> 8;
			bytes[at + 2] = word >>> 16;
			bytes[at + 3] = word >>> 24;
		}
		for (; at < count; at += 1) bytes[at] = this.next();
		return bytes;
	}

	/** An independent source; this one moves on by one step. */
	fork(): Prng {
		return new Prng(this.next());
	}
}

function rotate(word: number, bits: number): number {
	return (word << bits) | (word >>> (32 - bits));
}
