/**
 * One request's part of a resumable upload (docs/architecture.md §6): the bytes behind the whole segments are taken up again, what comes goes the
 * way of any upload, and at the end the bytes behind the last whole segment are staged. With its last byte the upload becomes a file.
 */
import type { AppendLog } from '../append-log/append-log.js';
import type { RecordInput } from '../append-log/types.js';
import type { Clock } from '../io/clock.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { fileGeometry, type FileTree } from '../native/addon.js';
import { hashSmallFile } from '../native/small-file.js';
import { rootFromBytes, SEGMENT_BYTES } from '../units.js';
import { givenUp } from './file-deletion.js';
import { resumableFact, stagedBytes, type ResumableFact } from './resumable-records.js';
import { SegmentIntake } from './segment-intake.js';
import { SegmentStream, type SegmentStreamParts } from './segment-stream.js';
import type { UploadOptions } from './types.js';
import type { BoundContent, ReadyContent } from './upload.js';

export interface ResumableParts extends SegmentStreamParts {
	readonly log: AppendLog;
	readonly clock: Clock;
	readonly maxFileBytes: number;
	/** How long an upload may be silent. */
	readonly resumableExpiryMs: number;
	/** Binds content to a submission. */
	readonly bind: (content: ReadyContent, options: UploadOptions) => Promise<BoundContent>;
}

/** What is known in memory of an upload between two requests. All its bytes are durable. */
export interface KnownUpload {
	readonly fact: ResumableFact;
	/** Over the whole segments. */
	readonly tree: FileTree;
	/** Behind the whole segments. */
	readonly tailBytes: number;
	readonly stagedPieces: number;
}

/** Bytes that came of an upload, all of them durable. */
export function offsetOf({ tree, tailBytes }: KnownUpload): number {
	return Number(tree.segments()) * SEGMENT_BYTES + tailBytes;
}

/** Every byte has come, and it is no file yet. */
export function isComplete(known: KnownUpload): boolean {
	return known.fact.stored === undefined && offsetOf(known) === known.fact.sizeBytes;
}

/** A new fact is written once this part of the time is over. */
const RENEW_SHARE = 1 / 8;

/** The content of an upload becomes a file; what is known of the upload then, durably. Errors: ROOT_MISMATCH, those of the log and the settlement. */
export async function bindContent(
	{ log, clock, bind, resumableExpiryMs }: ResumableParts,
	fact: ResumableFact,
	content: ReadyContent,
): Promise<ResumableFact> {
	const { limitBytes: _, expectedRoot, ...rest } = fact;
	const { objectId, name, contentType } = fact;
	const root = rootFromBytes(content.tree.root);
	if (expectedRoot && expectedRoot !== root)
		throw new PerigeeError('ROOT_MISMATCH', `the content has the root ${root}`);
	const { result, spare } = await bind(content, { name, contentType });
	const { txSeq, awaited } = result;
	const named = { root, ...(txSeq !== undefined && { txSeq }), ...(awaited && { awaited }) };
	const stored = { ...rest, stored: named, expiresMs: clock.nowMs() + resumableExpiryMs };
	const records = [resumableFact(stored)];
	// A small file is an object of its own, and content that was here already needs none; both facts are one group, so that the upload is known.
	if ('bytes' in content.stored || spare !== undefined) records.push(givenUp(objectId));
	await log.write('bulk', records).applied;
	return stored;
}

export class ResumableTransfer {
	readonly #parts: ResumableParts;
	readonly #before: KnownUpload;
	readonly #tree: FileTree;
	readonly #wholeBefore: number;
	readonly #intake: SegmentIntake;
	#fact: ResumableFact;
	#receivedBytes = 0;
	#failure: Error | undefined;

	/** `fact`: what is known from now on. `tail`: the bytes behind the whole segments. The tree belongs to this transfer from now on. */
	constructor(parts: ResumableParts, known: KnownUpload, fact: ResumableFact, tail: Uint8Array) {
		this.#parts = parts;
		this.#before = known;
		this.#tree = known.tree;
		this.#fact = fact;
		const { objectId } = fact;
		this.#wholeBefore = Number(known.tree.segments());
		this.#intake = new SegmentIntake(() => new SegmentStream(parts, { objectId, tree: this.#tree }));
		if (tail.length > 0) this.#intake.take(tail, false);
	}

	/** The tree over the segments that were sent is complete only once all have been hashed; their number is known at once. */
	get #whole(): number {
		return this.#intake.segments?.sent ?? this.#wholeBefore;
	}

	get #offset(): number {
		return this.#whole * SEGMENT_BYTES + this.#intake.waitingBytes;
	}

	/** As UploadSession.write. Errors: BODY_TOO_LARGE, UPLOAD_OVERRUN, those of the log and the pool. */
	write(chunk: Uint8Array, isGiven: boolean): Promise<void> | undefined {
		if (this.#failure) return Promise.reject(this.#failure);
		const end = this.#offset + chunk.length;
		const { sizeBytes } = this.#fact;
		if (end > this.#parts.maxFileBytes) return Promise.reject(this.#fail(new PerigeeError('BODY_TOO_LARGE')));
		if (sizeBytes !== undefined && end > sizeBytes)
			return Promise.reject(
				this.#fail(new PerigeeError('UPLOAD_OVERRUN', `the upload has ${sizeBytes} bytes, and these end at ${end}`)),
			);
		this.#receivedBytes += chunk.length;
		return this.#intake.take(chunk, isGiven) ? undefined : this.#drain();
	}

	/**
	 * Makes what came durable, or a file if that is all. Answers what is known then. Errors: ROOT_MISMATCH, and those of the log, the pool, the disk
	 * and the settlement; then everything was let go of, and nothing that was known before is lost.
	 */
	async pause(): Promise<KnownUpload> {
		try {
			if (this.#failure) throw this.#failure;
			return this.#offset === this.#fact.sizeBytes ? await this.#store() : await this.#keep();
		} catch (error) {
			await this.abort();
			throw error;
		}
	}

	/** Lets go of everything; segments that were written stay in the log. */
	async abort(): Promise<void> {
		this.#fail(new Error('the bytes were given up'));
		this.#intake.clear();
		await this.#intake.segments?.abort();
	}

	async #drain(): Promise<void> {
		try {
			await this.#intake.drain();
		} catch (error) {
			throw this.#fail(error);
		}
	}

	async #keep(): Promise<KnownUpload> {
		const { log, clock, disk, resumableExpiryMs } = this.#parts;
		await this.#intake.segments?.settle();
		const { tailBytes, stagedPieces } = this.#before;
		const tail = this.#intake.tail();
		const start = this.#whole * SEGMENT_BYTES;
		const { objectId } = this.#fact;
		const records: RecordInput[] = [];
		const isBehind = this.#whole === this.#wholeBefore && stagedPieces > 0 && stagedPieces < LIMITS.stagedPieces;
		const from = isBehind ? tailBytes : 0;
		const isNew = this.#whole > this.#wholeBefore || tail.length > tailBytes;
		if (isNew && tail.length > from) {
			disk.claim('bulk', tail.length - from);
			records.push(stagedBytes({ objectId, offset: start + from }, tail.subarray(from)));
		}
		const expiresMs = clock.nowMs() + resumableExpiryMs;
		const isStale = expiresMs - this.#fact.expiresMs >= resumableExpiryMs * RENEW_SHARE;
		const isChanged =
			this.#fact !== this.#before.fact || (this.#fact.limitBytes !== undefined && this.#receivedBytes > 0);
		if (isStale || isChanged) {
			const limit = this.#fact.limitBytes === undefined ? {} : { limitBytes: start + tail.length };
			this.#fact = { ...this.#fact, expiresMs, ...limit };
			records.push(resumableFact(this.#fact));
		}
		if (records.length > 0) await log.write('bulk', records).applied;
		const pieces = isNew ? (isBehind ? stagedPieces + 1 : 1) : stagedPieces;
		this.#intake.clear();
		return { fact: this.#fact, tree: this.#tree, tailBytes: tail.length, stagedPieces: pieces };
	}

	/** The upload is whole. */
	async #store(): Promise<KnownUpload> {
		const content = await this.#content();
		this.#fact = await bindContent(this.#parts, this.#fact, content);
		return { fact: this.#fact, tree: this.#tree, tailBytes: 0, stagedPieces: 0 };
	}

	async #content(): Promise<ReadyContent> {
		const sizeBytes = this.#offset;
		const tail = this.#intake.tail();
		if (this.#whole === 0) {
			this.#parts.disk.claim('small', tail.length);
			const { tree, blockCrcs } = hashSmallFile(tail);
			return { tree, sizeBytes, stored: { bytes: tail, blockCrcs } };
		}
		const { objectId } = this.#fact;
		const segments = this.#intake.segments ?? new SegmentStream(this.#parts, { objectId, tree: this.#tree });
		await segments.room();
		segments.send([tail], fileGeometry(BigInt(sizeBytes)).lastSegmentLeaves);
		const { tree } = await segments.finish(sizeBytes, tail);
		return { tree, sizeBytes, stored: { objectId } };
	}

	#fail(error: unknown): Error {
		this.#failure ??= error instanceof Error ? error : new Error(String(error));
		return this.#failure;
	}
}
