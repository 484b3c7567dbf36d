/**
 * Writes past the page cache: the device reads the caller's memory, so a large file costs the processor next to nothing to write.
 * Memory, position and length must be aligned; small pieces that are not (headers, the last segment of a file) are gathered into memory
 * that is. What cannot be laid out so, and every file system that refuses, is left to the ordinary way.
 */
import * as fs from 'node:fs';
import { call, codeOf } from './system-call.js';

/** How far the array's first byte lies behind a multiple of `align`. */
export type Misalignment = (bytes: Uint8Array, align: number) => number;

/** Position and length of a whole write: a block of the file system. */
const WRITE_ALIGN_BYTES = 4096;
/** Memory and length of one piece: a sector of the device. */
const PIECE_ALIGN_BYTES = 512;

export class DirectWriter {
	readonly #misalignment: Misalignment;
	readonly #fd: number;
	/** Aligned memory of the last write, for the next one. */
	#spare: Uint8Array | undefined;
	#isRefused = false;

	constructor(fd: number, misalignment: Misalignment) {
		this.#fd = fd;
		this.#misalignment = misalignment;
	}

	/** A second descriptor of the file for such writes; undefined where the system has none. */
	static async open(path: string, misalignment: Misalignment): Promise<DirectWriter | undefined> {
		const flag = fs.constants.O_DIRECT as number | undefined;
		if (flag === undefined) return undefined;
		try {
			const fd = await call<number>((done) => fs.open(path, fs.constants.O_RDWR | flag, done));
			return new DirectWriter(fd, misalignment);
		} catch {
			return undefined;
		}
	}

	/** As StorageFile.writev; undefined when this write must go the ordinary way. */
	async writev(buffers: readonly Uint8Array[], position: number): Promise<number | undefined> {
		const sizeBytes = buffers.reduce((sum, { length }) => sum + length, 0);
		if (this.#isRefused || position % WRITE_ALIGN_BYTES !== 0 || sizeBytes % WRITE_ALIGN_BYTES !== 0) return undefined;
		const layout = this.#lay(buffers);
		try {
			return await call<number>((done) => fs.writev(this.#fd, layout.buffers, position, done));
		} catch (error) {
			if (codeOf(error) !== 'EINVAL') throw error;
			this.#isRefused = true;
			return undefined;
		} finally {
			if (layout.gathered) this.#spare = layout.gathered;
		}
	}

	async close(): Promise<void> {
		await call<void>((done) => fs.close(this.#fd, done));
	}

	/** The same bytes in aligned pieces; each run of pieces that are not becomes one. */
	#lay(buffers: readonly Uint8Array[]): {
		readonly buffers: readonly Uint8Array[];
		readonly gathered: Uint8Array | undefined;
	} {
		const runs = alignedRuns(buffers, (piece) => this.#misalignment(piece, PIECE_ALIGN_BYTES) === 0);
		const gatheredBytes = runs.reduce((sum, run) => sum + (run.isAligned ? 0 : run.sizeBytes), 0);
		const gathered = gatheredBytes > 0 ? this.#alignedMemory(gatheredBytes) : undefined;
		let at = 0;
		const pieces = runs.flatMap((run) => {
			if (run.isAligned || !gathered) return run.pieces;
			const start = at;
			for (const piece of run.pieces) {
				gathered.set(piece, at);
				at += piece.length;
			}
			return [gathered.subarray(start, at)];
		});
		return { buffers: pieces, gathered };
	}

	#alignedMemory(sizeBytes: number): Uint8Array {
		const spare = this.#spare;
		// Two writes at a time do not share it.
		this.#spare = undefined;
		if (spare && spare.length >= sizeBytes) return spare;
		const memory = Buffer.allocUnsafeSlow(sizeBytes + PIECE_ALIGN_BYTES);
		return memory.subarray((PIECE_ALIGN_BYTES - this.#misalignment(memory, PIECE_ALIGN_BYTES)) % PIECE_ALIGN_BYTES);
	}
}

interface Run {
	readonly pieces: Uint8Array[];
	readonly isAligned: boolean;
	sizeBytes: number;
}

/** Aligned pieces one by one; between them runs that begin and end at multiples of PIECE_ALIGN_BYTES. */
function alignedRuns(buffers: readonly Uint8Array[], isAligned: (piece: Uint8Array) => boolean): readonly Run[] {
	const runs: Run[] = [];
	let open: Run | undefined;
	for (const piece of buffers) {
		const fits = !open || open.sizeBytes % PIECE_ALIGN_BYTES === 0;
		if (fits && piece.length % PIECE_ALIGN_BYTES === 0 && isAligned(piece)) {
			runs.push({ pieces: [piece], isAligned: true, sizeBytes: piece.length });
			open = undefined;
			continue;
		}
		if (!open) {
			open = { pieces: [], isAligned: false, sizeBytes: 0 };
			runs.push(open);
		}
		open.pieces.push(piece);
		open.sizeBytes += piece.length;
	}
	return runs;
}
