/** The last blocks that were looked at one by one: where the chain takes some of them back, the newest that stayed is found without a search. */
import type { ChainBlock } from './chain-submission.js';

const MOST = 512;

export class RecentBlocks {
	/** Ascending. */
	#blocks: ChainBlock[] = [];

	add(block: ChainBlock): void {
		this.cut(block.number - 1);
		this.#blocks.push(block);
		if (this.#blocks.length > MOST) this.#blocks.shift();
	}

	/** Forgets the blocks behind `last`. */
	cut(last: number): void {
		while ((this.#blocks.at(-1)?.number ?? -1) > last) this.#blocks.pop();
	}

	clear(): void {
		this.#blocks = [];
	}

	find(number: number): ChainBlock | undefined {
		return this.#blocks.findLast((block) => block.number === number);
	}

	newestFirst(): readonly ChainBlock[] {
		return this.#blocks.toReversed();
	}
}
