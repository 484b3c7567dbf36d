/** Cuts the pieces of a file anew, without copying them. */
import { PerigeeError } from '../../errors.js';
import type { FilePiece } from '../../log-layer/types.js';

export class PieceCutter {
	readonly #open: () => AsyncIterable<FilePiece>;
	#source: AsyncIterator<FilePiece> | undefined;
	/** What is left of the last piece. */
	#rest: FilePiece | undefined;

	/** `open`: called with the first read, if there is one. */
	constructor(open: () => AsyncIterable<FilePiece>) {
		this.#open = open;
	}

	/** The next bytes, at most `most` of them, as a piece of their own. Errors: those of the source. */
	async next(most: number): Promise<FilePiece> {
		const piece = this.#rest ?? (await this.#read());
		this.#rest = undefined;
		if (piece.bytes.length <= most) return piece;
		const letGo = shared(2, () => piece.release());
		this.#rest = { bytes: piece.bytes.subarray(most), release: letGo };
		return { bytes: piece.bytes.subarray(0, most), release: letGo };
	}

	/** Ends the source; what nobody has taken goes back. */
	async close(): Promise<void> {
		this.#rest?.release();
		this.#rest = undefined;
		await this.#source?.return?.();
	}

	async #read(): Promise<FilePiece> {
		this.#source ??= this.#open()[Symbol.asyncIterator]();
		const step = await this.#source.next();
		if (step.done === true) throw new PerigeeError('INTERNAL', 'a file ended early');
		return step.value;
	}
}

/** Calls `release` with the last of `holders` calls. */
function shared(holders: number, release: () => void): () => void {
	let left = holders;
	return () => {
		left--;
		if (left === 0) release();
	};
}
