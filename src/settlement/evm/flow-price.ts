/** What the flow asks for a sector, remembered for a while: it is told with every upload that waits for its submission. */
import { type Clock, within } from '../../io/clock.js';
import type { PayingChain } from './paying-chain.js';

const REMEMBERED_MS = 10_000;
/** An answer does not wait longer for endpoints that are silent. */
const PATIENCE_MS = 3000;

export class FlowPrice {
	readonly #chain: Pick<PayingChain, 'pricePerSector'>;
	readonly #clock: Clock;
	#asked: Promise<bigint | undefined> | undefined;
	#askedMs = 0;

	constructor(chain: Pick<PayingChain, 'pricePerSector'>, clock: Clock) {
		this.#chain = chain;
		this.#clock = clock;
	}

	/** Wei; undefined where no endpoint tells. */
	async perSector(): Promise<bigint | undefined> {
		const nowMs = this.#clock.monotonicMs();
		if (!this.#asked || nowMs - this.#askedMs > REMEMBERED_MS) {
			this.#asked = this.#chain.pricePerSector().catch(() => undefined);
			this.#askedMs = nowMs;
		}
		return await within(this.#clock, PATIENCE_MS, this.#asked);
	}
}
