/**
 * One upload on its way into the log (docs/architecture.md §6). Content of at most one segment is hashed inline and becomes one record of
 * the lane `small`; larger content goes on segment by segment.
 *
 * Promises: `finish` answers only when data, submission and name are durable and visible. Before that nothing is visible. An upload that
 * fails deletes the object it has opened; what a crash leaves behind is an object that nothing names, and expires.
 */
import { createHash, type Hash } from 'node:crypto';
import { PerigeeError } from '../errors.js';
import { fileGeometry, type FileRoot } from '../native/addon.js';
import { hashSmallFile } from '../native/small-file.js';
import { rootFromBytes } from '../units.js';
import type { ObjectId } from './records.js';
import { SegmentIntake } from './segment-intake.js';
import { SegmentStream, type SegmentStreamParts } from './segment-stream.js';
import type { KeptSegments } from './shard.js';
import type { UploadOptions, UploadResult, UploadSession } from './types.js';

/** Content whose bytes are in this process or in the log, ready to be bound to a submission. */
export interface ReadyContent {
	readonly tree: FileRoot;
	readonly sizeBytes: number;
	/**
	 * Small content itself, or the object whose segments are written. `isClosed`: a run before has closed it; `kept`: these are all that it is
	 * to hold.
	 */
	readonly stored:
		| { readonly bytes: Uint8Array; readonly blockCrcs: Uint8Array }
		| { readonly objectId: ObjectId; readonly isClosed?: true; readonly kept?: KeptSegments | undefined };
}

/** Content that a submission names now. */
export interface BoundContent {
	readonly result: UploadResult;
	/** The object that the content came in, when another one holds it: whoever wrote it deletes it. */
	readonly spare?: ObjectId;
}

export interface UploadParts extends SegmentStreamParts {
	readonly maxFileBytes: number;
	/** Binds content to a submission; from then on the object is no longer the upload's to delete. */
	readonly bind: (content: ReadyContent, options: UploadOptions) => Promise<BoundContent>;
	/** Deletes an object that nothing will name; `urgent`: now. */
	readonly discard: (objectId: ObjectId, urgent: boolean) => void;
	/** The upload is over, however it ended. */
	readonly ended: (upload: Upload) => void;
}

export class Upload implements UploadSession {
	readonly #parts: UploadParts;
	readonly #options: UploadOptions;
	readonly #sha256: Hash | undefined;
	readonly #intake: SegmentIntake;
	#sizeBytes = 0;
	#failure: Error | undefined;
	#isHandedOver = false;
	#isOver = false;

	constructor(parts: UploadParts, options: UploadOptions) {
		this.#parts = parts;
		this.#options = options;
		this.#intake = new SegmentIntake(() => new SegmentStream(parts));
		this.#sha256 = options.expectedSha256 ? createHash('sha256') : undefined;
	}

	write(chunk: Uint8Array, isGiven = false): Promise<void> | undefined {
		if (this.#failure) return Promise.reject(this.#failure);
		this.#sizeBytes += chunk.length;
		if (this.#sizeBytes > this.#parts.maxFileBytes)
			return Promise.reject(this.#fail(new PerigeeError('BODY_TOO_LARGE')));
		this.#sha256?.update(chunk);
		return this.#intake.take(chunk, isGiven) ? undefined : this.#drain();
	}

	async finish(): Promise<UploadResult> {
		try {
			this.#check();
			if (this.#sizeBytes === 0) throw new PerigeeError('EMPTY_FILE');
			const digest = this.#sha256?.digest();
			const { expectedRoot, expectedSha256 } = this.#options;
			if (digest && expectedSha256 && !digest.equals(expectedSha256)) throw new PerigeeError('DIGEST_MISMATCH');
			const { segments } = this.#intake;
			const content = segments ? await this.#finishLarge(segments) : this.#finishSmall();
			if (expectedRoot && expectedRoot !== rootFromBytes(content.tree.root)) {
				throw new PerigeeError('ROOT_MISMATCH', `the content has the root ${rootFromBytes(content.tree.root)}`);
			}
			this.#check();
			this.#isHandedOver = true;
			const { result, spare } = await this.#parts.bind(content, this.#options);
			if (spare !== undefined) this.#parts.discard(spare, false);
			return result;
		} catch (error) {
			throw this.#fail(error);
		} finally {
			const ending = this.#end();
			if (ending) await ending;
		}
	}

	async abort(): Promise<void> {
		this.#fail(new PerigeeError('BAD_REQUEST', 'the upload was broken off'));
		await this.#end();
	}

	#finishSmall(): ReadyContent {
		const bytes = this.#intake.tail();
		this.#parts.disk.claim('small', bytes.length);
		const { tree, blockCrcs } = hashSmallFile(bytes);
		return { tree, sizeBytes: bytes.length, stored: { bytes, blockCrcs } };
	}

	async #finishLarge(segments: SegmentStream): Promise<ReadyContent> {
		const tail = this.#intake.tail();
		await segments.room();
		segments.send([tail], fileGeometry(BigInt(this.#sizeBytes)).lastSegmentLeaves);
		const { tree, objectId } = await segments.finish(this.#sizeBytes, tail);
		return { tree, sizeBytes: this.#sizeBytes, stored: { objectId } };
	}

	async #drain(): Promise<void> {
		try {
			await this.#intake.drain();
		} catch (error) {
			throw this.#fail(error);
		}
	}

	#check(): void {
		if (this.#failure) throw this.#failure;
	}

	#fail(error: unknown): Error {
		this.#failure ??= error instanceof Error ? error : new Error(String(error));
		return this.#failure;
	}

	/** Lets go of everything; the upload counts until no slot of the ring is held by it. */
	#end(): Promise<void> | undefined {
		if (this.#isOver) return undefined;
		this.#isOver = true;
		this.#intake.clear();
		const { segments } = this.#intake;
		if (this.#failure && segments) return this.#giveUp(segments);
		this.#parts.ended(this);
		return undefined;
	}

	async #giveUp(segments: SegmentStream): Promise<void> {
		const objectId = await segments.abort();
		if (objectId !== undefined && !this.#isHandedOver) this.#parts.discard(objectId, true);
		this.#parts.ended(this);
	}
}
