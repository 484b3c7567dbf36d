/**
 * Uploads that a client may send in several requests, over broken connections and restarts of the node (docs/architecture.md §6).
 *
 * Promises: what was answered as received is durable, and the next request goes on behind it, whatever ended the last one; an upload that has
 * come whole is a file, once; what nobody continues is given up when its time is over. One request at a time works on an upload: the newest
 * takes it over, as the one before it may be a connection that nobody has noticed to be dead.
 */
import { timingSafeEqual } from 'node:crypto';
import { deferred } from '../deferred.js';
import { asPerigeeError, PerigeeError } from '../errors.js';
import type { Randomness } from '../io/randomness.js';
import { LIMITS } from '../limits.js';
import { FileTree } from '../native/addon.js';
import { KeyLocks } from './key-locks.js';
import type { PendingObjects } from './pending-objects.js';
import { givenUp } from './file-deletion.js';
import type { ObjectId } from './records.js';
import { resumableFact, SECRET_BYTES, type ResumableFact } from './resumable-records.js';
import { decodeResumableRow } from './resumable-rows.js';
import { closedContent, knownTail, resumableState, type ResumableStateParts } from './resumable-state.js';
import {
	bindContent,
	isComplete,
	offsetOf,
	ResumableTransfer,
	type KnownUpload,
	type ResumableParts,
} from './resumable-transfer.js';
import { openedInLog } from './segment-stream.js';
import { decodeObjectRow, OBJECT_CLOSED, OBJECT_OPEN, rowKeys } from './rows.js';
import type { ResumableOptions, ResumableUpload, ResumableUploads, ResumeOptions, ResumeSession } from './types.js';

export interface ResumablesParts extends ResumableParts, ResumableStateParts {
	readonly pending: PendingObjects;
	readonly randomness: Randomness;
	/** Whether an upload may begin or go on now, of which so many bytes are announced. Errors: as of FileStore.beginUpload. */
	readonly admit: (announcedBytes: number) => void;
}

/** An upload with the bytes that its next request needs. */
interface Loaded {
	readonly known: KnownUpload;
	readonly tail: Uint8Array;
}

const ID_BYTES = 8 + SECRET_BYTES;
const NO_BYTES = new Uint8Array(0);
const ID = /^[A-Za-z0-9_-]{32}$/;

export class Resumables implements ResumableUploads {
	readonly #parts: ResumablesParts;
	/** By object, those last used at the end. */
	readonly #known = new Map<ObjectId, KnownUpload>();
	readonly #locks = new KeyLocks<ObjectId>();
	readonly #sessions = new Map<ObjectId, Session>();
	#closing = false;

	constructor(parts: ResumablesParts) {
		this.#parts = parts;
	}

	/** Requests that bring bytes now. */
	get active(): number {
		return this.#sessions.size;
	}

	/** A request works on the object. */
	isActive(objectId: ObjectId): boolean {
		return this.#locks.has(objectId);
	}

	create(options: ResumableOptions): Promise<ResumableUpload> {
		return this.#unlessStalled(this.#create(options));
	}

	async #create(options: ResumableOptions): Promise<ResumableUpload> {
		const { admit, pending, maxFileBytes, randomness, clock, resumableExpiryMs, log } = this.#parts;
		if ((options.sizeBytes ?? 0) > maxFileBytes) throw tooLong(options.sizeBytes, maxFileBytes);
		admit(options.sizeBytes ?? 0);
		if (pending.resumables >= LIMITS.resumableUploads)
			throw new PerigeeError('TOO_MANY_UPLOADS', `${LIMITS.resumableUploads} resumable uploads are open`);
		const objectId = await openedInLog(log);
		const secret = randomness.bytes(SECRET_BYTES);
		const fact = { ...options, objectId, secret, expiresMs: clock.nowMs() + resumableExpiryMs };
		// Under its lock: an open object of which nothing is known yet would be given up.
		await this.#locks.run(objectId, () => log.write('bulk', [resumableFact(fact)]).applied);
		return shown(fact, 0);
	}

	async find(id: string): Promise<ResumableUpload> {
		const wanted = parseId(id);
		const finding = this.#alone(wanted.objectId, async () => {
			const { known } = await this.#load(wanted);
			return this.#remember(known);
		});
		return this.#unlessStalled(finding);
	}

	async resume(id: string, options: ResumeOptions): Promise<ResumeSession> {
		const wanted = parseId(id);
		const begun = deferred<ResumeSession>();
		const ended = this.#alone(wanted.objectId, async () => {
			const session = await this.#begin(wanted, options);
			this.#sessions.set(wanted.objectId, session);
			begun.resolve(session);
			await session.ended;
			this.#sessions.delete(wanted.objectId);
		});
		ended.catch((error: unknown) => begun.reject(asPerigeeError(error)));
		return this.#unlessStalled(begun.promise);
	}

	async remove(id: string): Promise<void> {
		const wanted = parseId(id);
		const removing = this.#alone(wanted.objectId, async () => {
			const { known } = await this.#load(wanted);
			if (known.fact.stored)
				throw new PerigeeError('UPLOAD_CONFLICT', 'the upload is complete; delete the file by its root');
			await this.#discard(wanted.objectId);
		});
		await this.#unlessStalled(removing);
	}

	/** What is durable when the index begins to wait for room is found later; the work goes on by itself. Errors: DISK_FULL. */
	#unlessStalled<T>(work: Promise<T>): Promise<T> {
		return this.#parts.view.unlessStalled(work);
	}

	/** Interrupts all requests and waits for them to end. */
	async close(): Promise<void> {
		this.#closing = true;
		const sessions = [...this.#sessions.values()];
		for (const session of sessions) session.interrupt(new PerigeeError('SHUTTING_DOWN'));
		await Promise.all(sessions.map(({ ended }) => ended));
	}

	async #begin(wanted: WantedUpload, options: ResumeOptions): Promise<Session> {
		const { known, tail } = await this.#load(wanted);
		const { fact } = known;
		const stands = offsetOf(known);
		const sizeBytes = fact.sizeBytes ?? options.sizeBytes;
		// Segments beyond a size that is said later would stay for ever.
		if (options.isChecked && sizeBytes === undefined)
			throw new PerigeeError(
				'BAD_REQUEST',
				'the length of the upload must be known before what comes of it is checked',
			);
		if (fact.stored) throw new PerigeeError('UPLOAD_CONFLICT', 'the upload is complete');
		if (options.offsetBytes !== stands)
			throw new PerigeeError('UPLOAD_CONFLICT', `the upload stands at ${stands}, not at ${options.offsetBytes}`);
		if (options.sizeBytes !== undefined && sizeBytes !== options.sizeBytes)
			throw new PerigeeError('UPLOAD_CONFLICT', `the upload has ${sizeBytes} bytes, not ${options.sizeBytes}`);
		const { maxFileBytes } = this.#parts;
		if (sizeBytes !== undefined && sizeBytes > maxFileBytes) throw tooLong(sizeBytes, maxFileBytes);
		if (sizeBytes !== undefined && sizeBytes < stands)
			throw new PerigeeError('UPLOAD_CONFLICT', `${stands} bytes have come, more than the ${sizeBytes} of the upload`);
		const expectedRoot = fact.expectedRoot ?? options.expectedRoot;
		if (options.expectedRoot !== undefined && expectedRoot !== options.expectedRoot)
			throw new PerigeeError('ROOT_MISMATCH', `the upload was to have the root ${expectedRoot}`);
		this.#parts.admit((sizeBytes ?? stands) - stands);
		const next: ResumableFact = {
			...fact,
			...(sizeBytes === undefined ? {} : { sizeBytes }),
			...(expectedRoot === undefined ? {} : { expectedRoot }),
			...(options.isChecked ? { limitBytes: stands } : {}),
		};
		const isNew =
			next.sizeBytes !== fact.sizeBytes ||
			next.expectedRoot !== fact.expectedRoot ||
			next.limitBytes !== fact.limitBytes;
		this.#known.delete(fact.objectId);
		// It stands in front of all that comes now, and is in the view before anybody looks again.
		const noted = isNew ? this.#parts.log.write('bulk', [resumableFact(next)], false) : undefined;
		// A disk may refuse it and take what comes behind it.
		await noted?.written;
		const transfer = new ResumableTransfer(this.#parts, known, isNew ? next : fact, tail);
		return new Session(transfer, {
			unlessStalled: (work) => this.#unlessStalled(work),
			paused: (after) => this.#remember(after),
			failed: async (error) => {
				await noted?.written;
				if (noted) this.#parts.log.hurry('bulk');
				await noted?.applied;
				await this.#failed(wanted.objectId, error);
			},
		});
	}

	/** Content with another root than was said will never be right. */
	async #failed(objectId: ObjectId, error: unknown): Promise<void> {
		if (error instanceof PerigeeError && error.code === 'ROOT_MISMATCH') await this.#discard(objectId);
	}

	async #discard(objectId: ObjectId): Promise<void> {
		this.#known.delete(objectId);
		await this.#parts.log.write('bulk', [givenUp(objectId)]).applied;
	}

	/** Runs work on an upload alone; who is just sending bytes is interrupted. */
	async #alone<T>(objectId: ObjectId, work: () => Promise<T>): Promise<T> {
		this.#sessions.get(objectId)?.interrupt(new PerigeeError('UPLOAD_TAKEN_OVER'));
		return this.#locks.run(objectId, async () => {
			if (this.#closing) throw new PerigeeError('SHUTTING_DOWN');
			return work();
		});
	}

	/** An upload of which all bytes have come becomes a file now, if it is none. Errors: UPLOAD_NOT_FOUND, and those of storing. */
	async #load(wanted: WantedUpload): Promise<Loaded> {
		const loaded = await this.#lookUp(wanted);
		if (!isComplete(loaded.known)) return loaded;
		// The node or the connection ended before its last request was answered.
		const { fact } = loaded.known;
		this.#known.delete(fact.objectId);
		try {
			const known = await new ResumableTransfer(this.#parts, loaded.known, fact, loaded.tail).pause();
			return { known, tail: NO_BYTES };
		} catch (error) {
			await this.#failed(fact.objectId, error);
			throw error;
		}
	}

	async #lookUp({ objectId, secret }: WantedUpload): Promise<Loaded> {
		const { view, clock } = this.#parts;
		const [row, objectRow] = await view.getMany([rowKeys.resumable(objectId), rowKeys.object(objectId)]);
		const fact = row && decodeResumableRow(row).fact;
		if (!fact || !timingSafeEqual(fact.secret, secret) || clock.nowMs() >= fact.expiresMs)
			throw new PerigeeError('UPLOAD_NOT_FOUND');
		const object = objectRow && decodeObjectRow(objectRow);
		if (fact.stored) return { known: knownStored(fact), tail: NO_BYTES };
		if (object?.state === OBJECT_CLOSED) {
			const content = await closedContent(this.#parts, fact, Number(object.sizeBytes));
			return { known: knownStored(await bindContent(this.#parts, fact, content)), tail: NO_BYTES };
		}
		const known = this.#known.get(objectId);
		if (object?.state !== OBJECT_OPEN) throw new PerigeeError('UPLOAD_NOT_FOUND');
		if (known) {
			const segments = Number(known.tree.segments());
			const tail = await knownTail(this.#parts, objectId, { ...known, segments });
			if (tail) return { known, tail };
		}
		const { tree, tail, stagedPieces } = await resumableState(this.#parts, fact);
		return { known: { fact, tree, tailBytes: tail.length, stagedPieces }, tail };
	}

	#remember(known: KnownUpload): ResumableUpload {
		const { fact } = known;
		this.#known.delete(fact.objectId);
		if (!fact.stored) {
			this.#known.set(fact.objectId, known);
			const [oldest] = this.#known.keys();
			if (this.#known.size > LIMITS.resumablesInMemory && oldest !== undefined) this.#known.delete(oldest);
		}
		return shown(fact, fact.stored ? (fact.sizeBytes ?? 0) : offsetOf(known));
	}
}

/** What becomes of a request. */
interface SessionEnds {
	readonly unlessStalled: <T>(work: Promise<T>) => Promise<T>;
	readonly paused: (known: KnownUpload) => ResumableUpload;
	/** Nothing of what came counts. */
	readonly failed: (error: unknown) => Promise<void>;
}

/** A request that works on an upload, until it ends. */
class Session implements ResumeSession {
	readonly ended: Promise<void>;
	readonly #transfer: ResumableTransfer;
	readonly #ends: SessionEnds;
	readonly #end: () => void;
	readonly #interrupt = new AbortController();

	constructor(transfer: ResumableTransfer, ends: SessionEnds) {
		this.#transfer = transfer;
		this.#ends = ends;
		const ended = deferred();
		this.ended = ended.promise;
		this.#end = () => ended.resolve();
	}

	get interrupted(): AbortSignal {
		return this.#interrupt.signal;
	}

	interrupt(reason: PerigeeError): void {
		this.#interrupt.abort(reason);
	}

	write(chunk: Uint8Array, isGiven = false): Promise<void> | undefined {
		return this.#transfer.write(chunk, isGiven);
	}

	pause(): Promise<ResumableUpload> {
		return this.#ends.unlessStalled(this.#pause());
	}

	async discard(): Promise<void> {
		await this.#ends.unlessStalled(this.#discard());
	}

	async #pause(): Promise<ResumableUpload> {
		try {
			return this.#ends.paused(await this.#transfer.pause());
		} catch (error) {
			await this.#ends.failed(error).catch(() => undefined);
			throw error;
		} finally {
			this.#end();
		}
	}

	async #discard(): Promise<void> {
		try {
			await this.#transfer.abort();
			await this.#ends.failed(undefined);
		} finally {
			this.#end();
		}
	}
}

interface WantedUpload {
	readonly objectId: ObjectId;
	readonly secret: Uint8Array;
}

function idOf({ objectId, secret }: ResumableFact): string {
	const bytes = Buffer.alloc(ID_BYTES);
	bytes.writeBigUInt64BE(objectId, 0);
	bytes.set(secret, ID_BYTES - SECRET_BYTES);
	return bytes.toString('base64url');
}

/** Errors: UPLOAD_NOT_FOUND. */
function parseId(id: string): WantedUpload {
	const bytes = ID.test(id) ? Buffer.from(id, 'base64url') : Buffer.alloc(0);
	if (bytes.length !== ID_BYTES) throw new PerigeeError('UPLOAD_NOT_FOUND');
	return { objectId: bytes.readBigUInt64BE(0), secret: bytes.subarray(ID_BYTES - SECRET_BYTES) };
}

function tooLong(sizeBytes: number | undefined, maxFileBytes: number): PerigeeError {
	return new PerigeeError('BODY_TOO_LARGE', `the upload has ${sizeBytes} bytes; ${maxFileBytes} are allowed`);
}

function knownStored(fact: ResumableFact): KnownUpload {
	return { fact, tree: new FileTree(), tailBytes: 0, stagedPieces: 0 };
}

function shown(fact: ResumableFact, offsetBytes: number): ResumableUpload {
	const { name, contentType, metadata, expiresMs, sizeBytes, expectedRoot, stored } = fact;
	return {
		id: idOf(fact),
		offsetBytes,
		name,
		contentType,
		metadata,
		expiresMs,
		...(sizeBytes === undefined ? {} : { sizeBytes }),
		...(expectedRoot === undefined ? {} : { expectedRoot }),
		...(stored === undefined ? {} : { stored }),
	};
}
