/** What the flow asks for a sector, remembered for a while: it is told with every upload that waits for its submission. */
import type { Clock } from '../../io/clock.js';
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
		let cancel = (): void => undefined;
		const silence = new Promise<undefined>((resolve) => {
			cancel = this.#clock.schedule(PATIENCE_MS, () => resolve(undefined));
		});
		const price = await Promise.race([this.#asked, silence]);
		cancel();
		return price;
	}
}
