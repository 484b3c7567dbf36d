/**
 * Cuts what comes of a file into segments. Whole ones go on into the log; at most one segment of bytes stays here between two calls: until
 * more comes it may be the last one, or the whole file.
 */
import { freeMemory } from '../native/addon.js';
import { SEGMENT_BYTES, SEGMENT_SECTORS } from '../units.js';
import type { SegmentStream } from './segment-stream.js';

interface Chunk {
	/** What was not sent on. */
	readonly rest: Uint8Array;
	/** The chunk as it came, if its memory may be freed. */
	readonly whole: Uint8Array | undefined;
}

export class SegmentIntake {
	readonly #begin: () => SegmentStream;
	#segments: SegmentStream | undefined;
	#chunks: Chunk[] = [];
	#waitingBytes = 0;

	/** `begin`: called once, when more than one segment has come. */
	constructor(begin: () => SegmentStream) {
		this.#begin = begin;
	}

	/** Where segments go; undefined until there was more than one. */
	get segments(): SegmentStream | undefined {
		return this.#segments;
	}

	/** Bytes that stay here. */
	get waitingBytes(): number {
		return this.#waitingBytes;
	}

	/** Takes a chunk over. False: not all that is whole could be sent on; `drain` waits for the room. `isGiven`: as of UploadSession.write. */
	take(chunk: Uint8Array, isGiven: boolean): boolean {
		this.#chunks.push({ rest: chunk, whole: isGiven ? chunk : undefined });
		this.#waitingBytes += chunk.length;
		return this.#sendWhole();
	}

	/** Errors: as of SegmentStream.room. */
	async drain(): Promise<void> {
		do await this.#segments?.room();
		while (!this.#sendWhole());
	}

	/** What stays here, in one piece. */
	tail(): Uint8Array {
		const [first, second] = this.#chunks;
		if (first && !second) return first.rest;
		return Buffer.concat(
			this.#chunks.map(({ rest }) => rest),
			this.#waitingBytes,
		);
	}

	/** Lets go of what stays here. */
	clear(): void {
		this.#chunks = [];
		this.#waitingBytes = 0;
	}

	#sendWhole(): boolean {
		while (this.#waitingBytes > SEGMENT_BYTES) {
			this.#segments ??= this.#begin();
			if (!this.#segments.hasRoom()) return false;
			this.#sendSegment(this.#segments);
		}
		return true;
	}

	#sendSegment(segments: SegmentStream): void {
		const parts: Uint8Array[] = [];
		let missing = SEGMENT_BYTES;
		let spent = 0;
		for (const { rest } of this.#chunks) {
			if (rest.length > missing) break;
			parts.push(rest);
			missing -= rest.length;
			spent++;
		}
		const cut = this.#chunks[spent];
		if (missing > 0 && cut) parts.push(cut.rest.subarray(0, missing));
		segments.send(parts, SEGMENT_SECTORS);
		for (const { whole } of this.#chunks.splice(0, spent)) if (whole) freeMemory(whole);
		if (missing > 0 && cut) this.#chunks[0] = { ...cut, rest: cut.rest.subarray(missing) };
		this.#waitingBytes -= SEGMENT_BYTES;
	}
}
