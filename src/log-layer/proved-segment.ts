/** Segments that come with a proof of their place in a file, as 0G clients upload them (spec log-layer §1.5, §6). */
import type { DataRoot } from '../units.js';
import type { FileProof } from './types.js';

export interface ProvedSegment {
	readonly root: DataRoot;
	/** Of the whole file, at least 1. */
	readonly sizeBytes: number;
	/** Of a segment that holds bytes of the file. */
	readonly index: number;
	readonly proof: FileProof;
	/** Writes the bytes as uploaded, whole sectors; `into` has room for exactly those. */
	copyTo(into: Uint8Array): void;
}

/**
 * Why a segment is not taken. Of its proof: `shape` (lengths), `root` (it ends elsewhere), `leaf` (it begins elsewhere than the data), `position`
 * (it leads to another segment), `padding` (what is behind the file is not zero). `repeated`: it came before, in this run of the node. `full`:
 * too much waits for its submission already.
 */
export type SegmentRefusal = 'shape' | 'root' | 'leaf' | 'position' | 'padding' | 'repeated' | 'full';

export class SegmentRefusedError extends Error {
	override name = 'SegmentRefusedError';
	readonly refusal: SegmentRefusal;
	readonly segment: ProvedSegment;
	/** Root of the segment that came, 32 bytes; absent when nobody has worked it out. */
	readonly leaf: Uint8Array | undefined;

	constructor(refusal: SegmentRefusal, segment: ProvedSegment, leaf?: Uint8Array) {
		super(`segment ${segment.index} of ${segment.root} is refused: ${refusal}`);
		this.refusal = refusal;
		this.segment = segment;
		this.leaf = leaf;
	}
}

export interface PutOptions {
	/** A submission of the root with this size is known. */
	readonly isSubmitted: boolean;
	/** Take a segment that came before for stored, and go on. Otherwise it is refused as `repeated`, if the file is submitted. */
	readonly skipRepeated: boolean;
}

/** The chunk pool of spec log-layer §6: uploads of files by segments with proofs, in any order, before or after their submission is known. */
export interface SegmentUploads {
	/**
	 * Stores segments of one file, in order; the first one that is refused ends it, and those before it are stored. Durable when it resolves; with
	 * the last segment of a submitted file the content is there. Errors: SegmentRefusedError, TOO_MANY_UPLOADS, OVERLOADED, DISK_FULL, READ_ONLY,
	 * SHUTTING_DOWN.
	 */
	put(segments: readonly ProvedSegment[], options: PutOptions): Promise<void>;
	/** Segments from the beginning of a file that is being uploaded, up to the first that is missing; 0 when nothing of it came. */
	progress(root: DataRoot, sizeBytes: number): Promise<number>;
	/**
	 * Bytes [from, to) of a file that is being uploaded, at most one segment's length; undefined when not all of them are here. Errors:
	 * DATA_DAMAGED, READ_FAILED.
	 */
	read(root: DataRoot, sizeBytes: number, from: number, to: number): Promise<Uint8Array | undefined>;
}
