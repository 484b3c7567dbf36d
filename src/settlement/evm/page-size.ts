/** How many blocks are asked for at once: fewer where an endpoint refuses, and more again as far as it does not. */

/** After so many failures in a row a page is made smaller, whatever the endpoint says. */
const FAILURES = 3;
/** After so many pages without a refusal a size that was refused is tried again. */
const FORGIVEN_AFTER = 256;

export class PageSize {
	readonly #most: number;
	#blocks: number;
	/** Of the page that is asked for now. */
	#failures = 0;
	/** So many were refused. */
	#refused = Infinity;
	#takenSince = 0;

	constructor(most: number) {
		this.#most = most;
		this.#blocks = most;
	}

	get blocks(): number {
		return this.#blocks;
	}

	taken(): void {
		this.#failures = 0;
		if (++this.#takenSince >= FORGIVEN_AFTER) this.#refused = Infinity;
		this.#blocks = Math.max(1, Math.min(this.#most, this.#blocks * 2, this.#refused - 1));
	}

	/** Endpoints have many words for a page that is too large: whatever fails again and again is asked for in smaller ones. False: it is not made smaller. */
	refused(isTooLarge: boolean): boolean {
		if ((!isTooLarge && ++this.#failures < FAILURES) || this.#blocks <= 1) return false;
		if (isTooLarge) this.#refused = this.#blocks;
		this.#takenSince = 0;
		this.#failures = 0;
		this.#blocks = Math.floor(this.#blocks / 2);
		return true;
	}
}
