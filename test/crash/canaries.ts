/** Rules of the store, each switched off from outside. The crash suite must notice every one. */
import { AppendLog } from '../../src/append-log/append-log.js';
import type { KvEngine } from '../../src/db/kv-engine.js';
import type { StorageFile, StorageIo } from '../../src/io/storage-io.js';
import { LogFileStore } from '../../src/log-layer/file-store.js';
import { PendingObjects } from '../../src/log-layer/pending-objects.js';
import { Purge } from '../../src/log-layer/purge.js';
import { RECORDS } from '../../src/log-layer/records.js';
import { JOURNAL_RECORDS } from '../../src/settlement/journal-records.js';
import { RootLocks } from '../../src/log-layer/key-locks.js';
import { Retirement } from '../../src/log-layer/retirement.js';
import { runCompactionSeed } from './compaction-life.js';
import { runExpirySeed } from './expiry-life.js';
import { runPurgeSeed } from './purge-life.js';
import type { Breakage } from './simulated-machine.js';

export interface Canary {
	/** The rule that is broken. */
	readonly rule: string;
	readonly breakage: Breakage;
	/** For rules that no wrapper reaches: puts a broken part in and answers what takes it out. */
	readonly install?: () => () => void;
	/** Runs a seed; absent: one of the crash suite. */
	readonly run?: (seed: number) => Promise<unknown>;
}

export const CANARIES: readonly Canary[] = [
	{
		rule: 'a sync makes data durable',
		breakage: { io: withFiles((file) => ({ fdatasync: () => Promise.resolve(), close: () => file.close() })) },
	},
	{ rule: 'an answer comes after its sync', breakage: { io: withFiles(syncLater) } },
	{
		rule: 'a failed sync is not swallowed',
		breakage: { io: withFiles((file) => ({ fdatasync: () => file.fdatasync().catch(ignoreFaults) })) },
	},
	{
		rule: 'a new name is durable once its directory is synced',
		breakage: { io: (io) => overlay(io, { syncDir: () => Promise.resolve() }) },
	},
	{
		rule: 'the view is flushed before its checkpoint',
		breakage: { kv: (kv) => overlay(kv, { flush: () => Promise.resolve() }) },
	},
	{ rule: 'a short write is noticed', breakage: { io: withFiles(writeHalf) } },
	{ rule: 'batches of the view reach it whole and in order', breakage: { kv: dropSomeBatches } },
	{
		rule: 'a log file goes behind a checkpoint that no longer needs it',
		breakage: {},
		install: () => replaced(Retirement.prototype, 'covered', () => (files) => Promise.resolve(files)),
		run: runCompactionSeed,
	},
	{
		rule: 'a log file is noted as retired before it goes',
		breakage: {},
		install: () => replaced(Retirement.prototype, 'noted', () => () => Promise.resolve()),
	},
	{
		rule: 'copies are durable before their log file goes',
		breakage: { io: withFiles(skipSyncOfCopies) },
		install: watchCopies,
	},
	{
		rule: 'a log file goes only when nobody holds places in it any more',
		breakage: {},
		install: () => replaced(Retirement.prototype, 'confirmed', () => () => Promise.resolve()),
	},
	{ rule: 'data is durable before its submission', breakage: {}, install: answerPayloadAtOnce },
	{ rule: 'a deletion is durable before it is answered', breakage: {}, install: answerDeletionsAtOnce },
	{
		rule: 'a checkpoint lists the objects that no submission names',
		breakage: {},
		install: () => replaced(PendingObjects.prototype, 'entries', () => () => []),
	},
	{
		rule: 'the last rows of a deleted object go after a checkpoint',
		breakage: {},
		install: () =>
			replaced(
				Purge.prototype,
				'wake',
				(wake) =>
					function (this: Purge) {
						wake.call(this);
						void this.idle()
							// A batch of their own, which may reach the disk when the one before does not.
							.then(() => new Promise((resolve) => setImmediate(resolve)))
							.then(() => this.finish(this.removed))
							// The process has ended meanwhile, or its disk failed.
							.catch(() => undefined);
					},
			),
		run: runPurgeSeed,
	},
	{
		rule: 'work on one root takes turns',
		breakage: {},
		install: () => replaced(RootLocks.prototype, 'run', () => (_root, work) => work()),
	},
	{
		rule: 'an object is not given up while an upload works on it',
		breakage: {},
		install: () => replaced(LogFileStore.prototype, 'isUploading', () => () => false),
		run: runExpirySeed,
	},
];

function overlay<T extends object>(target: T, changes: Partial<T>): T {
	return new Proxy(target, {
		get(_, name) {
			const own = (changes as Record<string | symbol, unknown>)[name];
			if (own !== undefined) return own;
			const value = Reflect.get(target, name, target) as unknown;
			return typeof value === 'function' ? (value.bind(target) as unknown) : value;
		},
	});
}

function withFiles(changes: (file: StorageFile) => Partial<StorageFile>): (io: StorageIo) => StorageIo {
	return (io) =>
		overlay(io, {
			async open(path, mode, hints) {
				const file = await io.open(path, mode, hints);
				return overlay(file, changes(file));
			},
		});
}

/** Each sync answers at once, and happens only with the next call. */
function syncLater(file: StorageFile): Partial<StorageFile> {
	let isDue = false;
	const settle = async (): Promise<void> => {
		if (isDue) await file.fdatasync();
		isDue = false;
	};
	return {
		async fdatasync() {
			await settle();
			isDue = true;
		},
		async writev(buffers, position) {
			await settle();
			return file.writev(buffers, position);
		},
	};
}

function ignoreFaults(error: unknown): void {
	if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
}

/** Now and then half of a write is lost, and nobody is told. */
function writeHalf(file: StorageFile): Partial<StorageFile> {
	let writes = 0;
	return {
		async writev(buffers, position) {
			const whole = Buffer.concat(buffers);
			if (++writes % 5 === 0) await file.writev([whole.subarray(0, Math.ceil(whole.length / 2))], position);
			else await file.writev([whole], position);
			return whole.length;
		},
	};
}

function dropSomeBatches(kv: KvEngine): KvEngine {
	let batches = 0;
	return overlay(kv, { batch: (operations) => (++batches % 7 === 0 ? Promise.resolve() : kv.batch(operations)) });
}

/** Puts another method in; answers what puts the old one back. */
function replaced<T extends object, K extends keyof T>(target: T, name: K, make: (before: T[K]) => T[K]): () => void {
	const before = target[name];
	target[name] = make(before);
	return () => {
		target[name] = before;
	};
}

const DELETIONS = new Set<number>([RECORDS.objectDeleted, RECORDS.segmentsDropped, JOURNAL_RECORDS.deletion]);

/** The view takes deletions as soon as they are on their way to the disk. */
function answerDeletionsAtOnce(): () => void {
	return replaced(
		AppendLog.prototype,
		'write',
		(write) =>
			function (this: AppendLog, lane, records, urgent) {
				const isDeletion = records.every(({ type }) => DELETIONS.has(type));
				const ticket = write.call(this, lane, records, isDeletion ? false : urgent);
				return isDeletion ? { ...ticket, applied: ticket.written } : ticket;
			},
	);
}

function answerPayloadAtOnce(): () => void {
	const { write } = AppendLog.prototype;
	AppendLog.prototype.write = function (this: AppendLog, lane, records, urgent) {
		const ticket = write.call(this, lane, records, lane === 'journal' && urgent);
		return lane === 'journal' ? ticket : { ...ticket, durable: ticket.written, applied: ticket.written };
	};
	return () => {
		AppendLog.prototype.write = write;
	};
}

/** Copies of compaction on their way through the log of the process that wrote last. */
const copies = new Map<AppendLog, number>();

function watchCopies(): () => void {
	return replaced(
		AppendLog.prototype,
		'write',
		(write) =>
			function (this: AppendLog, lane, records, urgent) {
				const ticket = write.call(this, lane, records, urgent);
				if (!copies.has(this)) copies.clear();
				const count = (by: number): unknown => copies.has(this) && copies.set(this, (copies.get(this) ?? 0) + by);
				copies.set(this, copies.get(this) ?? 0);
				if (!records.some(({ origin }) => origin !== undefined)) return ticket;
				count(1);
				const landed = (): unknown => count(-1);
				ticket.applied.then(landed, landed);
				return ticket;
			},
	);
}

function skipSyncOfCopies(file: StorageFile): Partial<StorageFile> {
	const isPayload = /\/(small|bulk)-/.test(file.path);
	const isCopying = (): boolean => [...copies.values()].some((count) => count > 0);
	return { fdatasync: () => (isPayload && isCopying() ? Promise.resolve() : file.fdatasync()) };
}
