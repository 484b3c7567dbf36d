/** Bounds what bodies of calls take in memory, all connections together: who does not fit waits, in order, with its body unread. */

interface Waiting {
	readonly bytes: number;
	readonly go: () => void;
}

export class BodyBudget {
	readonly #most: number;
	#taken = 0;
	readonly #waiting: Waiting[] = [];

	/** `most`: bytes; a single body that is larger goes alone. */
	constructor(most: number) {
		this.#most = most;
	}

	/** Resolves once `bytes` are this caller's, who gives them back. */
	async take(bytes: number): Promise<void> {
		if (this.#waiting.length === 0 && this.#fits(bytes)) this.#taken += bytes;
		else await new Promise<void>((go) => void this.#waiting.push({ bytes, go }));
	}

	give(bytes: number): void {
		this.#taken -= bytes;
		for (let [next] = this.#waiting; next && this.#fits(next.bytes); [next] = this.#waiting) {
			this.#waiting.shift();
			this.#taken += next.bytes;
			next.go();
		}
	}

	#fits(bytes: number): boolean {
		return this.#taken === 0 || this.#taken + bytes <= this.#most;
	}
}
