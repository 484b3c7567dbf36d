/**
 * Uploads of 0G clients (spec log-layer §6): segments with proofs, in any order, before or after the submission of their file is known. The segments
 * of a file go into one open object as they come; with the last one the object is closed, and whatever submission names its root, now or later, is
 * a file. A file of one segment becomes an object at once. Of a submitted file only those are stored that this node's shard owns, each with its
 * proof; the others are looked at all the same.
 *
 * Promises: what was answered is durable; what came is found again after a restart, and counts. A submitted file is never given up. What nobody
 * has submitted is bounded, in files and in bytes, and given up when its time is over.
 */
import { tableRange, TABLES } from '../db/tables.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { hashSmallFile } from '../native/small-file.js';
import { bytesOfHex, SEGMENT_BYTES, type DataRoot } from '../units.js';
import type { ChunkPoolParts } from './chunk-pool-parts.js';
import { OvertakenError } from './content-binding.js';
import { CachedContent } from './cached-content.js';
import { givenUp } from './file-deletion.js';
import { PartialFile } from './partial-file.js';
import { ProvedBatch, recordsOf, refusalOf, type RightSegment } from './proved-batch.js';
import { SegmentRefusedError, type ProvedSegment, type PutOptions, type SegmentUploads } from './proved-segment.js';
import { uploadBytes, type ObjectId } from './records.js';
import { resumableFact, SECRET_BYTES, type ResumableFact } from './resumable-records.js';
import { decodeResumableRow } from './resumable-rows.js';
import { decodeObjectRow, OBJECT_OPEN, rowKeys } from './rows.js';
import type { SegmentSet } from './segment-set.js';
import { isKept, keptCount, type KeptSegments } from './shard.js';
import { openedInLog } from './segment-stream.js';
import { submissionAt } from './submissions.js';

export class ChunkPool implements SegmentUploads {
	readonly #parts: ChunkPoolParts;
	/** By root and size. */
	readonly #files = new Map<string, Promise<PartialFile>>();
	readonly #byObject = new Map<ObjectId, PartialFile>();
	readonly #cached: CachedContent;
	readonly #active = new Set<Promise<void>>();
	#isClosing = false;

	constructor(parts: ChunkPoolParts) {
		this.#parts = parts;
		this.#cached = new CachedContent({ ...parts, submitted: (root) => this.#narrow(root) });
	}

	/** Finds what earlier runs left; call it once, before anything is given up. Errors: those of the view. */
	async load(): Promise<void> {
		const { view, clock } = this.#parts;
		for await (const rows of view.scan(tableRange(TABLES.resumable))) {
			const facts = rows.map(({ value }) => decodeResumableRow(value).fact).filter(({ bySegment }) => bySegment);
			const objects = await view.getMany(facts.map(({ objectId }) => rowKeys.object(objectId)));
			for (const [at, fact] of facts.entries()) {
				const object = objects[at];
				if (object && decodeObjectRow(object).state === OBJECT_OPEN) this.#add(fact, clock.nowMs());
			}
		}
	}

	/** The object belongs to a file that is being uploaded here. */
	has(objectId: ObjectId): boolean {
		return this.#byObject.has(objectId);
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
		const file = await this.#found(root, sizeBytes);
		return file ? (await this.#counted(file)).firstMissing : 0;
	}

	async read(root: DataRoot, sizeBytes: number, from: number, to: number): Promise<Uint8Array | undefined> {
		const file = await this.#found(root, sizeBytes);
		if (!file) return undefined;
		const held = await file.counted(this.#parts);
		const own = await this.#ownOf(file);
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
		for (const file of this.#byObject.values()) {
			const segments = await this.#counted(file);
			if (file.puts > 0) continue;
			if (segments.isComplete) await this.#complete(file);
			// Somebody may have begun to send more meanwhile.
			else if (isComplete() && (await this.#isOver(file)) && file.puts === 0) await this.#discard(file);
		}
		await this.#cached.sweep();
	}

	/** Takes nothing more and waits for what is under way. */
	async close(): Promise<void> {
		this.#isClosing = true;
		await Promise.all(this.#active);
	}

	/** A file that is being uploaded; why one could not be opened is the business of who sent it. */
	async #found(root: DataRoot, sizeBytes: number): Promise<PartialFile | undefined> {
		return this.#files.get(keyOf(root, sizeBytes))?.catch(() => undefined);
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
		if (isSubmitted && !isKept(await this.#parts.own.ofRoot(root), 0)) return;
		this.#admit(segment, sizeBytes, isSubmitted);
		this.#parts.disk.claim('small', sizeBytes);
		const { wasHeld } = await this.#parts.keep({ tree, sizeBytes, stored: { bytes, blockCrcs } });
		if (!isSubmitted && !wasHeld) this.#cached.add(root, sizeBytes);
	}

	async #putLarge(segments: readonly ProvedSegment[], options: PutOptions): Promise<void> {
		const { ring, pool } = this.#parts;
		let file: PartialFile | undefined;
		const own = await this.#ownOfSent(segments, options);
		try {
			for (let at = 0; at < segments.length; ) {
				const batch = await ProvedBatch.of(ring, pool, segments.slice(at));
				let stored: Promise<void> | undefined;
				try {
					const right = batch.right.filter(({ index }) => isKept(own, index));
					if (right.length > 0) {
						file ??= await this.#beginPut(segments[at] as ProvedSegment, options);
						({ stored } = await this.#store(file, segments[at] as ProvedSegment, right, options));
					}
				} finally {
					batch.release();
				}
				await stored;
				if (batch.refused) throw batch.refused;
				at += batch.taken;
			}
		} finally {
			file?.ended(this.#parts.clock.nowMs());
		}
		if (file && (await this.#counted(file)).isComplete) await this.#complete(file);
	}

	/** The file that segments go to, open until `ended` is called on it. */
	async #beginPut(segment: ProvedSegment, { isSubmitted }: PutOptions): Promise<PartialFile> {
		const { root, sizeBytes } = segment;
		const key = keyOf(root, sizeBytes);
		for (;;) {
			const file = await (this.#files.get(key) ?? this.#opening(key, this.#open(segment, isSubmitted)));
			await file.counted(this.#parts);
			await file.closing;
			// It may have been closed or given up meanwhile.
			if (!this.#byObject.has(file.objectId)) continue;
			file.began(isSubmitted);
			return file;
		}
	}

	/** Others find the file while it is being opened. One that could not be opened is opened anew by whoever comes next. */
	#opening(key: string, file: Promise<PartialFile>): Promise<PartialFile> {
		this.#files.set(key, file);
		file.catch(() => this.#files.delete(key));
		return file;
	}

	async #open(segment: ProvedSegment, isSubmitted: boolean): Promise<PartialFile> {
		const { log, clock, randomness, uploadExpiryMs } = this.#parts;
		const { root, sizeBytes } = segment;
		if (this.#byObject.size >= LIMITS.partialFiles)
			throw new PerigeeError('TOO_MANY_UPLOADS', `${LIMITS.partialFiles} files are being uploaded by segments`);
		this.#admit(segment, 0, isSubmitted);
		const objectId = await openedInLog(log);
		const fact: ResumableFact = {
			objectId,
			secret: randomness.bytes(SECRET_BYTES),
			expiresMs: clock.nowMs() + uploadExpiryMs,
			sizeBytes,
			expectedRoot: root,
			bySegment: true,
			name: '',
			contentType: '',
			metadata: '',
		};
		const file = PartialFile.begun(fact, root, sizeBytes, clock.nowMs());
		// From now on it is not given up.
		this.#byObject.set(objectId, file);
		try {
			// The segments behind it make it durable; that it is in the file nobody else tells.
			await log.write('bulk', [resumableFact(fact)], false).written;
		} catch (error) {
			this.#byObject.delete(objectId);
			throw error;
		}
		return file;
	}

	/**
	 * Writes those of `segments` that are not here; `sent`: any of the file, as it came. Resolves when nobody reads their bytes any more; `stored`: when all are durable. It rejects with
	 * `repeated` then, where a segment that came before is not taken.
	 */
	async #store(
		file: PartialFile,
		sent: ProvedSegment,
		segments: readonly RightSegment[],
		{ isSubmitted, skipRepeated }: PutOptions,
	): Promise<{ readonly stored: Promise<void> }> {
		const { log, disk, shard } = this.#parts;
		const held = await file.counted(this.#parts);
		const fresh: RightSegment[] = [];
		const others: Promise<void>[] = [];
		let repeated: SegmentRefusedError | undefined;
		for (const segment of segments) {
			const { index } = segment;
			const isRepeated = file.came(index) || fresh.some((one) => one.index === index);
			if (isRepeated && isSubmitted && !skipRepeated) {
				repeated = new SegmentRefusedError('repeated', { ...sent, index });
				break;
			}
			const writing = file.writing.get(index);
			if (writing) others.push(writing);
			else if (!held.has(index) && !isRepeated) fresh.push(segment);
		}
		let durable: Promise<void> | undefined;
		let written: Promise<unknown> | undefined;
		if (fresh.length > 0) {
			const bytes = fresh.reduce((sum, segment) => sum + segment.bytes.length, 0);
			this.#admit(sent, bytes, isSubmitted);
			disk.claim('bulk', bytes);
			const withProofs = shard.current.count > 1;
			const ticket = log.write('bulk', recordsOf(file.objectId, fresh, withProofs));
			const indexes = fresh.map(({ index }) => index);
			durable = file.write(indexes, bytes, ticket, withProofs);
			written = ticket.written;
		}
		const stored = Promise.all([durable, ...others]).then(() => {
			if (repeated) throw repeated;
		});
		// Whoever waits for the write hears of it there.
		stored.catch(() => undefined);
		await written;
		return { stored };
	}

	/** All of it is here: from now on it is the content of its root. */
	async #complete(file: PartialFile): Promise<void> {
		if (!this.#byObject.has(file.objectId)) return;
		file.closing ??= this.#close(file).finally(() => {
			file.closing = undefined;
		});
		await file.closing;
	}

	async #close(file: PartialFile): Promise<void> {
		const { log, clock, held, keep } = this.#parts;
		const { root, sizeBytes, objectId, fact } = file;
		const tree = { root: bytesOfHex(root), nodes: [] };
		const kept = await this.#ownOf(file);
		if (keptCount(kept, file.segments) === 0) return this.#discard(file);
		const segments = await file.counted(this.#parts);
		segments.countOnly(kept);
		// A further submission may have given the shard more of it.
		if (!segments.isComplete) return;
		try {
			const { wasHeld, spare } = await keep({ tree, sizeBytes, stored: { objectId, kept } });
			// Whoever lists uploads that may go on need not keep it in mind.
			const over = resumableFact({ ...fact, expiresMs: clock.nowMs() });
			await log.write('bulk', spare === undefined ? [over] : [over, givenUp(spare)]).applied;
			this.#forget(file);
			const isSubmitted = file.isSubmitted || (await held.rootRow(root))?.submissions !== undefined;
			if (!isSubmitted && !wasHeld) this.#cached.add(root, sizeBytes);
			// It came whole, or the shard is another one since.
			if (isSubmitted && kept?.modulus !== this.#parts.shard.current.count) await this.#narrow(root);
		} catch (error) {
			if (!(error instanceof OvertakenError)) throw error;
			await this.#discard(file);
			throw new PerigeeError('UPLOAD_NOT_FOUND', 'the same content came another way and was deleted: send it again');
		}
	}

	async #isOver(file: PartialFile): Promise<boolean> {
		const { clock, uploadExpiryMs, damage, held, view, unrewarded } = this.#parts;
		const row = (await held.rootRow(file.root)) ?? {};
		const { object, submissions } = row;
		// It came another way.
		const own = object?.isPruned ? await this.#ownOf(file) : undefined;
		if (object && own && (await held.holdsAll(object, own))) return true;
		if (object && !object.isPruned && !damage.of(object.objectId)) return true;
		if (submissions) {
			const first = await submissionAt(view, submissions.flowId, submissions.firstSeq);
			if (first && (await unrewarded.includes(file.root, row, first))) return true;
			file.submitted(clock.nowMs());
			return false;
		}
		const most = file.isSubmitted ? uploadExpiryMs : LIMITS.cachedSegmentsMs;
		return clock.nowMs() - file.lastMs >= most;
	}

	async #discard(file: PartialFile): Promise<void> {
		this.#forget(file);
		await this.#parts.log.write('bulk', [givenUp(file.objectId)]).applied;
	}

	/** The durable segments, of which those count that this node is to hold. */
	async #counted(file: PartialFile): Promise<SegmentSet> {
		const held = await file.counted(this.#parts);
		held.countOnly(await this.#ownOf(file));
		return held;
	}

	/** Undefined: all. */
	async #ownOf(file: PartialFile): Promise<KeptSegments | undefined> {
		return file.lacksProofs ? undefined : this.#parts.own.ofRoot(file.root);
	}

	/** Which segments of a file that come now are stored. */
	async #ownOfSent([first]: readonly ProvedSegment[], { isSubmitted }: PutOptions): Promise<KeptSegments | undefined> {
		if (!first || !isSubmitted || this.#parts.shard.current.count === 1) return undefined;
		const file = await this.#found(first.root, first.sizeBytes);
		await file?.counted(this.#parts);
		return file ? this.#ownOf(file) : this.#parts.own.ofRoot(first.root);
	}

	/** Content is here whole that was submitted: only what the shard owns of it stays. */
	async #narrow(root: DataRoot): Promise<void> {
		if (this.#parts.shard.current.count > 1) await this.#parts.narrowing.narrow(root);
	}

	/** Errors: `full` when too much waits for submissions, and those of FileStore.beginUpload. */
	#admit(segment: ProvedSegment, bytes: number, isSubmitted: boolean): void {
		this.#parts.admit(bytes);
		if (isSubmitted) return;
		let [files, waiting] = [this.#cached.files, bytes + this.#cached.bytes];
		for (const file of this.#byObject.values()) {
			if (file.isSubmitted) continue;
			files++;
			waiting += file.bytes;
		}
		if (files >= LIMITS.cachedFiles || waiting > LIMITS.cachedSegmentsBytes)
			throw new SegmentRefusedError('full', segment);
	}

	#add(fact: ResumableFact, nowMs: number): void {
		const { sizeBytes, expectedRoot } = fact;
		if (sizeBytes === undefined || expectedRoot === undefined) return;
		const file = PartialFile.found(fact, expectedRoot, sizeBytes, nowMs);
		this.#byObject.set(file.objectId, file);
		this.#files.set(keyOf(expectedRoot, sizeBytes), Promise.resolve(file));
	}

	#forget(file: PartialFile): void {
		this.#byObject.delete(file.objectId);
		this.#files.delete(keyOf(file.root, file.sizeBytes));
	}
}

function keyOf(root: DataRoot, sizeBytes: number): string {
	return `${root}/${sizeBytes}`;
}
