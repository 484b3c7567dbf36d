/**
 * Uploads of 0G clients (spec log-layer §6): segments with proofs, in any order, before or after the submission of their file is known. The segments
 * of a file go into one open object as they come; with the last one the object is closed, and whatever submission names its root, now or later, is
 * a file. A file of one segment becomes an object at once. Of a submitted file only those are stored that this node's shard owns, each with its
 * proof; the others are looked at all the same.
 *
 * Promises: what was answered is durable; what came is found again after a restart, and counts. A submitted file is not given up, unless too many
 * are under way and nobody has gone on with it for long. What nobody has submitted is bounded, in files and in bytes, and given up when its time is
 * over.
 */
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { hashSmallFile } from '../native/small-file.js';
import { SEGMENT_BYTES, type DataRoot } from '../units.js';
import { CachedContent } from './cached-content.js';
import type { ChunkPoolParts } from './chunk-pool-parts.js';
import { PartialClosing } from './partial-closing.js';
import type { PartialFile } from './partial-file.js';
import { PartialFiles } from './partial-files.js';
import { refusalOf } from './proved-batch.js';
import { SegmentRefusedError, type ProvedSegment, type PutOptions, type SegmentUploads } from './proved-segment.js';
import { uploadBytes, type ObjectId } from './records.js';
import { isDeletedRow } from './rows.js';
import { SegmentStoring, type SegmentStoringParts } from './segment-storing.js';
import { isKept, type KeptSegments } from './shard.js';
import { submissionAt } from './submissions.js';

export class ChunkPool implements SegmentUploads {
	readonly #parts: ChunkPoolParts;
	readonly #files: PartialFiles;
	readonly #storing: SegmentStoring;
	readonly #closing: PartialClosing;
	readonly #cached: CachedContent;
	readonly #active = new Set<Promise<void>>();
	#isClosing = false;

	constructor(parts: ChunkPoolParts) {
		this.#parts = parts;
		const narrow = (root: DataRoot): Promise<void> => this.#narrow(root);
		const admitSegments: SegmentStoringParts['admitSegments'] = (...what) => this.#admit(...what);
		this.#cached = new CachedContent({ ...parts, submitted: narrow });
		this.#files = new PartialFiles({ ...parts, admitSegments });
		this.#storing = new SegmentStoring({ ...parts, admitSegments });
		const [files, storing, cached] = [this.#files, this.#storing, this.#cached];
		this.#closing = new PartialClosing({ ...parts, files, storing, cached, narrow });
	}

	/** Finds what earlier runs left; call it once, before anything is given up. Errors: those of the view. */
	async load(): Promise<void> {
		for (const { objectId, expectedRoot: root, sizeBytes } of await this.#files.load()) {
			if (root === undefined || sizeBytes === undefined) continue;
			const { object, submissions } = (await this.#parts.held.rootRow(root)) ?? {};
			if (object?.objectId === objectId && !submissions) this.#cached.found(root, sizeBytes);
		}
	}

	/** The object belongs to a file that is being uploaded here. */
	has(objectId: ObjectId): boolean {
		return this.#files.has(objectId);
	}

	/** Others rely on the content from now on: it is no longer given up here. */
	adopt(root: DataRoot): void {
		this.#cached.adopt(root);
	}

	put(segments: readonly ProvedSegment[], options: PutOptions): Promise<void> {
		const [first] = segments;
		if (!first) return Promise.resolve();
		if (this.#isClosing) return Promise.reject(new PerigeeError('SHUTTING_DOWN'));
		const isSmall = first.sizeBytes <= SEGMENT_BYTES;
		const putting = isSmall ? this.#putAllSmall(segments, options) : this.#putLarge(segments, options);
		const active = putting
			.catch(() => undefined)
			.finally(() => {
				this.#active.delete(active);
			});
		this.#active.add(active);
		return this.#parts.view.unlessStalled(putting);
	}

	async progress(root: DataRoot, sizeBytes: number): Promise<number> {
		const file = await this.#files.found(root, sizeBytes);
		if (!file) return 0;
		const durable = await file.durable(this.#parts);
		durable.countOnly(await this.#parts.own.ofRoot(root));
		return durable.firstMissing;
	}

	async read(root: DataRoot, sizeBytes: number, from: number, to: number): Promise<Uint8Array | undefined> {
		const file = await this.#files.found(root, sizeBytes);
		if (!file) return undefined;
		const { held } = await file.durable(this.#parts);
		const own = await this.#parts.own.ofRoot(root);
		for (let at = Math.floor(from / SEGMENT_BYTES); at * SEGMENT_BYTES < to; at++)
			if (!held.has(at) || !isKept(own, at)) return undefined;
		const { view, reader } = this.#parts;
		await view.unlessStalled(file.applied);
		return reader.small({ root, objectId: file.objectId, sizeBytes }, from, to);
	}

	/** Closes files that are complete, and gives up what was not submitted in time. Errors: those of the log and the view. */
	async sweep(): Promise<void> {
		const { log, isComplete } = this.#parts;
		if (log.failure) return;
		for (const file of this.#files.all()) {
			if (file.puts > 0) continue;
			await this.#closing.complete(file);
			// Somebody may have begun to send more meanwhile, or have sent the rest of it.
			const isIdle = (): boolean => file.puts === 0 && !file.closing && this.#files.has(file.objectId);
			if (isComplete() && isIdle() && (await this.#isOver(file)) && isIdle()) await this.#files.discard(file);
		}
		await this.#cached.sweep();
	}

	/** Takes nothing more and waits for what is under way. */
	async close(): Promise<void> {
		this.#isClosing = true;
		await Promise.all(this.#active);
	}

	async #putAllSmall(segments: readonly ProvedSegment[], options: PutOptions): Promise<void> {
		for (const segment of segments) await this.#putSmall(segment, options);
	}

	/** A file of one segment: its bytes are its proof. */
	async #putSmall(segment: ProvedSegment, { isSubmitted }: PutOptions): Promise<void> {
		const { root, sizeBytes } = segment;
		const uploaded = Buffer.allocUnsafe(uploadBytes(sizeBytes));
		segment.copyTo(uploaded);
		const bytes = uploaded.subarray(0, sizeBytes);
		const { tree, blockCrcs } = hashSmallFile(bytes);
		const refused = refusalOf(segment, tree.root);
		if (refused) throw refused;
		const { shard, own, disk, keep } = this.#parts;
		const { count } = shard.current;
		if (isSubmitted && !isKept(await own.ofRoot(root), 0)) return;
		this.#admit(segment, sizeBytes, isSubmitted);
		disk.claim('small', sizeBytes);
		const { wasHeld } = await keep({ tree, sizeBytes, stored: { bytes, blockCrcs } });
		if (!isSubmitted && (!wasHeld || this.#cached.has(root))) this.#cached.add(root, sizeBytes);
		// Whoever went through all content after the change has missed this one.
		if (isSubmitted && count !== shard.current.count) await this.#narrow(root);
	}

	async #putLarge(segments: readonly ProvedSegment[], options: PutOptions): Promise<void> {
		let file: PartialFile | undefined;
		const own = await this.#ownOfSent(segments, options);
		const storing = this.#storing.eachBatch(segments, async (right, sent) => {
			const ours = right.filter(({ index }) => isKept(own, index));
			if (ours.length === 0) return undefined;
			if (!file) {
				const begun = await this.#files.begin(sent, options.isSubmitted);
				if ('until' in begun) return begun;
				file = begun;
			}
			return this.#storing.store(file, sent, ours, options);
		});
		const [ended] = await Promise.allSettled([storing]);
		file?.ended(this.#parts.clock.nowMs());
		// In front of a refused segment the last missing one may have come.
		const completing = file && this.#closing.complete(file);
		if (ended.status === 'fulfilled') return completing;
		await completing?.catch(() => undefined);
		throw ended.reason;
	}

	async #isOver(file: PartialFile): Promise<boolean> {
		const { clock, uploadExpiryMs, damage, own, held, view, unrewarded } = this.#parts;
		const row = (await held.rootRow(file.root)) ?? {};
		const { object, submissions } = row;
		const idleMs = clock.nowMs() - Math.max(file.lastMs, file.submittedMs);
		// It is what the root holds.
		if (object?.objectId === file.objectId) return false;
		// It came another way.
		const owned = object?.isPruned ? await own.ofRoot(file.root) : undefined;
		if (object && owned && (await held.holdsAll(object, owned, file.segments))) return true;
		if (object && !object.isPruned && !damage.of(object.objectId)) return true;
		// It came another way and is wanted no more.
		if (isDeletedRow(row)) return clock.nowMs() - file.lastMs >= LIMITS.cachedSegmentsMs;
		if (submissions) {
			const first = await submissionAt(view, submissions.flowId, submissions.firstSeq);
			if (first && (await unrewarded.includes(file.root, row, first))) return true;
			file.submitted(clock.nowMs());
			return false;
		}
		return idleMs >= (file.isSubmitted ? uploadExpiryMs : LIMITS.cachedSegmentsMs);
	}

	/** Which segments of a file that come now are stored. */
	async #ownOfSent([first]: readonly ProvedSegment[], { isSubmitted }: PutOptions): Promise<KeptSegments | undefined> {
		const { shard, own } = this.#parts;
		if (!first || !isSubmitted || shard.current.count === 1) return undefined;
		const owned = await own.ofRoot(first.root);
		const durable = await (await this.#files.found(first.root, first.sizeBytes))?.durable(this.#parts);
		durable?.countOnly(owned);
		return durable?.lacksProofs ? undefined : owned;
	}

	/** Content is here whole that was submitted: only what the shard owns of it stays. */
	async #narrow(root: DataRoot): Promise<void> {
		if (this.#parts.shard.current.count > 1) await this.#parts.narrowing.narrow(root);
	}

	/** Errors: `full` when too much waits for submissions, and those of FileStore.beginUpload. */
	#admit(segment: ProvedSegment, bytes: number, isSubmitted: boolean): void {
		this.#parts.admit(bytes);
		if (isSubmitted) return;
		const { root } = segment;
		// The file itself is there already, or was.
		let files = this.#cached.files - Number(this.#cached.has(root));
		let waiting = bytes + this.#cached.bytes;
		for (const file of this.#files.all()) {
			if (file.isSubmitted) continue;
			files += Number(file.root !== root);
			waiting += file.bytes;
		}
		if (files >= LIMITS.cachedFiles || waiting > LIMITS.cachedSegmentsBytes)
			throw new SegmentRefusedError('full', segment);
	}
}
