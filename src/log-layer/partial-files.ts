/** The files that are being uploaded by segments, each with its open object. Their number is bounded. */
import { tableRange, TABLES } from '../db/tables.js';
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import { LIMITS } from '../limits.js';
import type { DataRoot } from '../units.js';
import { givenUp } from './file-deletion.js';
import { PartialFile, type SegmentSources } from './partial-file.js';
import type { ProvedSegment } from './proved-segment.js';
import type { ObjectId } from './records.js';
import { decodeResumableRow } from './resumable-rows.js';
import { decodeObjectRow, OBJECT_CLOSED, OBJECT_OPEN, rowKeys } from './rows.js';
import { resumableFact, SECRET_BYTES, type ResumableFact } from './resumable-records.js';
import { openedInLog } from './segment-stream.js';

export interface PartialFilesParts extends SegmentSources {
	readonly clock: Clock;
	readonly randomness: Randomness;
	/** How long a file that nobody goes on with is kept when others want its place. */
	readonly uploadExpiryMs: number;
	/** Whether so much may wait. Errors: `full`, and as of FileStore.beginUpload. */
	readonly admitSegments: (segment: ProvedSegment, bytes: number, isSubmitted: boolean) => void;
}

/** Nothing can be added to it until then. */
export interface BusyFile {
	readonly until: Promise<void>;
}

export class PartialFiles {
	readonly #parts: PartialFilesParts;
	/** By root and size. */
	readonly #files = new Map<string, Promise<PartialFile>>();
	readonly #byObject = new Map<ObjectId, PartialFile>();

	constructor(parts: PartialFilesParts) {
		this.#parts = parts;
	}

	/** Finds what earlier runs left; resolves with what is said of files that are whole. Errors: those of the view. */
	async load(): Promise<readonly ResumableFact[]> {
		const { view, clock } = this.#parts;
		const whole: ResumableFact[] = [];
		for await (const rows of view.scan(tableRange(TABLES.resumable))) {
			const facts = rows.map(({ value }) => decodeResumableRow(value).fact).filter(({ bySegment }) => bySegment);
			const objects = await view.getMany(facts.map(({ objectId }) => rowKeys.object(objectId)));
			for (const [at, fact] of facts.entries()) {
				const object = objects[at];
				const state = object && decodeObjectRow(object).state;
				if (state === OBJECT_OPEN) this.#add(fact, clock.nowMs());
				else if (state === OBJECT_CLOSED) whole.push(fact);
			}
		}
		return whole;
	}

	has(objectId: ObjectId): boolean {
		return this.#byObject.has(objectId);
	}

	all(): Iterable<PartialFile> {
		return this.#byObject.values();
	}

	/** A file that is being uploaded; why one could not be opened is the business of who sent it. */
	async found(root: DataRoot, sizeBytes: number): Promise<PartialFile | undefined> {
		return this.#files.get(keyOf(root, sizeBytes))?.catch(() => undefined);
	}

	/** The file that segments go to, open until `ended` is called on it; while it is being closed, that, which may need slots of the ring. */
	async begin(segment: ProvedSegment, isSubmitted: boolean): Promise<PartialFile | BusyFile> {
		const { root, sizeBytes } = segment;
		const key = keyOf(root, sizeBytes);
		for (;;) {
			const file = await (this.#files.get(key) ?? this.#opening(key, this.#open(segment, isSubmitted)));
			await file.durable(this.#parts);
			if (file.closing) return { until: file.closing };
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
		await this.#makeRoom();
		this.#parts.admitSegments(segment, 0, isSubmitted);
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

	/** When too many files are under way, one goes that nobody has gone on with for long. Errors: TOO_MANY_UPLOADS, those of the log. */
	async #makeRoom(): Promise<void> {
		if (this.#byObject.size < LIMITS.partialFiles) return;
		const { clock, uploadExpiryMs } = this.#parts;
		let oldest: PartialFile | undefined;
		for (const file of this.#byObject.values())
			if (file.puts === 0 && !file.closing && !(oldest && oldest.lastMs <= file.lastMs)) oldest = file;
		if (!oldest || clock.nowMs() - oldest.lastMs < uploadExpiryMs)
			throw new PerigeeError('TOO_MANY_UPLOADS', `${LIMITS.partialFiles} files are being uploaded by segments`);
		await this.discard(oldest);
	}

	async discard(file: PartialFile): Promise<void> {
		this.forget(file);
		await this.#parts.log.write('bulk', [givenUp(file.objectId)]).applied;
	}

	#add(fact: ResumableFact, nowMs: number): void {
		const { sizeBytes, expectedRoot } = fact;
		if (sizeBytes === undefined || expectedRoot === undefined) return;
		const file = PartialFile.found(fact, expectedRoot, sizeBytes, nowMs);
		this.#byObject.set(file.objectId, file);
		this.#files.set(keyOf(expectedRoot, sizeBytes), Promise.resolve(file));
	}

	/** It is content of its root now. */
	forget(file: PartialFile): void {
		this.#byObject.delete(file.objectId);
		this.#files.delete(keyOf(file.root, file.sizeBytes));
	}
}

function keyOf(root: DataRoot, sizeBytes: number): string {
	return `${root}/${sizeBytes}`;
}
