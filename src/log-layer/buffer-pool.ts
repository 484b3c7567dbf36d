/** Buffers for reading, lent out and taken back; bounded in number, so that slow readers cost no more memory than this. */
export interface LentBuffer {
	readonly bytes: Buffer;
	release(): void;
}

export class BufferPool {
	readonly #bufferBytes: number;
	readonly #mostLent: number;
	readonly #mostIdle: number;
	readonly #idle: Buffer[] = [];
	readonly #waiting: ((lent: LentBuffer) => void)[] = [];
	#lent = 0;

	constructor(bufferBytes: number, mostLent: number, mostIdle: number) {
		this.#bufferBytes = bufferBytes;
		this.#mostLent = mostLent;
		this.#mostIdle = mostIdle;
	}

	/** A buffer of the pool's size; waits, first come first served, while all are lent. */
	async take(): Promise<LentBuffer> {
		if (this.#lent < this.#mostLent) {
			this.#lent++;
			return this.#lend(this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.#bufferBytes));
		}
		return new Promise((resolve) => this.#waiting.push(resolve));
	}

	#lend(bytes: Buffer): LentBuffer {
		let isLent = true;
		return {
			bytes,
			release: () => {
				if (!isLent) return;
				isLent = false;
				const next = this.#waiting.shift();
				if (next) {
					next(this.#lend(bytes));
					return;
				}
				this.#lent--;
				if (this.#idle.length < this.#mostIdle) this.#idle.push(bytes);
			},
		};
	}
}
