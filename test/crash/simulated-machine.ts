/**
 * A machine that may lose its power: a simulated disk, an index that loses batches, a clock, and a store process on top that can be
 * started and stopped any number of times. All of it follows from one seed.
 */
import type { BadRange, Lane, MissingFile } from '../../src/append-log/types.js';
import { type KvEngine, ViewDamagedError } from '../../src/db/kv-engine.js';
import type { StorageIo } from '../../src/io/storage-io.js';
import { PerigeeError } from '../../src/errors.js';
import { openStore, type Store } from '../../src/log-layer/store.js';
import type { StoreObserver } from '../../src/log-layer/store-observer.js';
import * as addon from '../../src/native/addon.js';
import type { HashInput, HashPool, HashTicket } from '../../src/native/hash-pool.js';
import { SlabRing } from '../../src/native/slab-ring.js';
import { EmbeddedSettlement } from '../../src/settlement/embedded/embedded-settlement.js';
import { createGenesis, type LedgerGenesis } from '../../src/settlement/embedded/genesis.js';
import { HASH_BYTES, SEGMENT_BLOCKS, SEGMENT_BYTES } from '../../src/units.js';
import { LossyKv } from '../support/lossy-kv.js';
import { Prng } from '../support/prng.js';
import { SeededRandomness, SimulatedClock } from '../support/simulated-clock.js';
import { type FaultHook, SimulatedCrash, SimulatedIo } from '../support/simulated-io.js';
import { addTally, changesDisk, momentOf, pointName, type Tally } from './points.js';

export const DATA_DIR = '/data';
const VIEW_DIR = `${DATA_DIR}/view`;

/** A rule of the store that a canary switches off, by wrapping what the store stands on. */
export interface Breakage {
	readonly io?: (io: StorageIo) => StorageIo;
	readonly kv?: (kv: KvEngine) => KvEngine;
}

export interface MachineOptions {
	readonly seed: number;
	readonly breakage?: Breakage;
	readonly capacityBytes?: number;
	/** Bytes after which log files roll; by default drawn by the seed. */
	readonly rollBytes?: number;
	readonly reserveBytes?: number;
	readonly ballastBytes?: number;
	/** Volumes beside the data directory; the store makes them. */
	readonly furtherVolumes?: number;
}

/** What a store process has told its observers. */
export interface Told {
	readonly damaged: BadRange[];
	/** Damaged places that were not known. */
	found: number;
	readonly missing: MissingFile[];
	readonly lostNotes: string[];
	readonly failed: Error[];
	readonly rebuilt: string[];
	readonly checkpointErrors: unknown[];
	readonly housekeepingErrors: unknown[];
	expired: number;
	/** Files that compaction left as they are. */
	readonly kept: Error[];
	copied: number;
	removedFiles: number;
	inDoubt: number;
	shortWrites: number;
	checkpoints: number;
}

/** A store that runs on the machine. */
export interface Process {
	readonly store: Store;
	readonly told: Told;
}

const ROLL_CHOICES = [24 * 1024, 300 * 1024, 1024 * 1024, 2 ** 30] as const;

/** Rings of processes that ended idle: making one costs as much as a short life. */
const idleRings: SlabRing[] = [];

export class SimulatedMachine {
	io: SimulatedIo;
	readonly clock = new SimulatedClock();
	/** Decides about each call of the running process. */
	faults: FaultHook | undefined;
	/** Of the next process: how long content that nobody names is kept. */
	uploadExpiryMs = 0;
	resumableExpiryMs = 30 * 86_400_000;
	/** 0: no limit of what is held. */
	maxSectors = 0;
	/** Also those of earlier processes. */
	totalCalls = 0;
	/** Crashes beside calls that change the disk. */
	readonly points: Tally = {};
	readonly #options: MachineOptions;
	readonly #prng: Prng;
	readonly #randomness: SeededRandomness;
	readonly #genesis: LedgerGenesis;
	/** Databases by the number that stands in their directory. */
	#databases = new Map<number, LossyKv>();
	#nextDatabase = 1;
	#current: LossyKv | undefined;
	/** Of the running process. */
	#ring: SlabRing | undefined;

	constructor(options: MachineOptions) {
		this.#options = options;
		this.#prng = new Prng(options.seed ^ 0x5eed);
		this.#randomness = new SeededRandomness(options.seed);
		this.#genesis = createGenesis(
			{ chainId: 31_337n, blocksPerEpoch: 10, blockIntervalMs: 5000, pricePerSector: 0n },
			this.clock,
			this.#randomness,
		);
		const { capacityBytes } = options;
		const { seed } = options;
		const zerosAhead = seed % 2 === 1;
		this.io = new SimulatedIo(capacityBytes === undefined ? { seed, zerosAhead } : { seed, zerosAhead, capacityBytes });
	}

	/** The disk as an operator hands it over: the data directory's parent is there for good. */
	async prepare(): Promise<void> {
		await this.io.makeDir(DATA_DIR);
		await this.io.syncDir('/');
	}

	/** Starts a store process. Errors: those of `openStore`; SimulatedCrash when the machine stops meanwhile. */
	async start(rebuild = false): Promise<Process> {
		const io = this.io;
		io.hook = (call) => {
			this.totalCalls++;
			const fault = this.faults?.(call);
			const moment = momentOf(call, fault);
			if (moment && changesDisk(call)) addTally(this.points, { [pointName(call, moment)]: 1 });
			return fault;
		};
		const ring = (this.#ring = idleRings.pop() ?? new SlabRing(1));
		const told = toldNothing();
		const store = await openStore({
			dataDir: DATA_DIR,
			dataDirs: Array.from({ length: this.#options.furtherVolumes ?? 0 }, (_, index) => `/disk${index + 1}`),
			io: this.#options.breakage?.io?.(io) ?? io,
			clock: this.clock,
			randomness: this.#randomness,
			kv: { open: () => this.#openDatabase(io), destroy: () => io.removeDir(VIEW_DIR) },
			makeSettlement: (journal) =>
				new EmbeddedSettlement({ journal, clock: this.clock, hashing: addon, genesis: this.#genesis }),
			ring,
			pool: inlineHashPool(ring, this.#prng.fork()),
			observer: observerOf(told),
			reserveBytes: this.#options.reserveBytes ?? 1,
			ballastBytes: this.#options.ballastBytes ?? 0,
			maxFileBytes: 64 * SEGMENT_BYTES,
			compactionTranquility: 0,
			compactionDeadPercent: 8,
			maxUploads: 64,
			uploadExpiryMs: this.uploadExpiryMs,
			resumableExpiryMs: this.resumableExpiryMs,
			maxSectors: this.maxSectors,
			rollBytes: this.#options.rollBytes ?? this.#prng.pick(ROLL_CHOICES),
			rebuild,
		});
		return { store, told };
	}

	/** The power fails: unsynced data and unflushed batches survive or not, as the seed says. */
	powerCut(): void {
		this.#giveBackRing();
		this.io = this.io.crash(this.#prng.fork());
		this.#databases = new Map(
			[...this.#databases].map(([number, database]) => [number, database.crash(this.#prng.fork())]),
		);
		this.#end();
	}

	/** The process is killed: the operating system keeps what it was given. */
	kill(): void {
		this.#giveBackRing();
		this.io = this.io.kill();
		this.#databases = killed(this.#databases);
		this.#end();
	}

	/**
	 * Another machine, stopped, with what this one has at this moment: the disk with all that is not durable, and the view, unless it is left
	 * out. Both go on apart.
	 */
	fork(withView = true): SimulatedMachine {
		const { breakage: _, capacityBytes: __, ...options } = this.#options;
		const fork = new SimulatedMachine({ ...options, seed: options.seed + 1 });
		fork.clock.advance(this.clock.monotonicMs());
		fork.io = this.io.fork(options.seed + this.io.calls);
		fork.#nextDatabase = this.#nextDatabase;
		if (withView) fork.#databases = killed(this.#databases);
		return fork;
	}

	/** A fork whose disk is as processes see it, all of it durable. */
	async copy(withView: boolean): Promise<SimulatedMachine> {
		const copy = this.fork(withView);
		copy.kill();
		if (!withView) await copy.io.removeDir(VIEW_DIR);
		copy.io.settle();
		return copy;
	}

	/** All rows of the running process' view but the checkpoint's own, as hex. */
	async dump(): Promise<Map<string, string>> {
		const rows = new Map<string, string>();
		if (!this.#current) return rows;
		for await (const chunk of this.#current.scan({ from: Buffer.of(0), to: Buffer.alloc(64, 0xff) })) {
			for (const { key, value } of chunk)
				rows.set(Buffer.from(key).toString('hex'), Buffer.from(value).toString('hex'));
		}
		rows.delete('0101');
		return rows;
	}

	/** The running process' database. */
	get database(): LossyKv | undefined {
		return this.#current;
	}

	/** Whoever stopped in the middle of something may still hold slots, or take some. */
	#giveBackRing(): void {
		const ring = this.#ring;
		if (ring && !this.io.crashed && ring.freeSlots === ring.slotCount) idleRings.push(ring);
		this.#ring = undefined;
	}

	#end(): void {
		this.#current = undefined;
		this.faults = undefined;
	}

	/** A database is known by the number in its directory, so that a removed directory that comes back after a power cut brings its old rows. */
	async #openDatabase(io: SimulatedIo): Promise<KvEngine> {
		const path = `${VIEW_DIR}/CURRENT`;
		await io.makeDir(VIEW_DIR);
		let number: number | undefined;
		if (await io.stat(path)) {
			const file = await io.open(path, 'read');
			const bytes = Buffer.alloc(4);
			const count = await file.read(bytes, 0);
			await file.close();
			number = bytes.readUInt32LE(0);
			if (count < 4 || !this.#databases.has(number)) throw new ViewDamagedError('the database is incomplete');
		} else {
			number = this.#nextDatabase++;
			const bytes = Buffer.alloc(4);
			bytes.writeUInt32LE(number);
			const file = await io.open(path, 'create');
			if ((await file.writev([bytes], 0)) < 4)
				throw Object.assign(new Error('no room for the view'), { code: 'ENOSPC' });
			await file.fdatasync();
			await file.close();
			await io.syncDir(VIEW_DIR);
			this.#databases.set(number, new LossyKv());
		}
		// A database that was closed is opened again as it is.
		const database = (this.#databases.get(number) as LossyKv).kill();
		this.#databases.set(number, database);
		database.before = (kind) => {
			if (io.crashed) throw new SimulatedCrash();
			if (kind === 'batch' && io.freeBytes === 0) throw new PerigeeError('DISK_FULL', 'no room for the view');
		};
		this.#current = database;
		return this.#options.breakage?.kv?.(database) ?? database;
	}
}

function killed(databases: ReadonlyMap<number, LossyKv>): Map<number, LossyKv> {
	return new Map([...databases].map(([number, database]) => [number, database.kill()]));
}

export function toldNothing(): Told {
	return {
		damaged: [],
		found: 0,
		missing: [],
		failed: [],
		rebuilt: [],
		checkpointErrors: [],
		housekeepingErrors: [],
		expired: 0,
		kept: [],
		copied: 0,
		removedFiles: 0,
		inDoubt: 0,
		shortWrites: 0,
		checkpoints: 0,
		lostNotes: [],
	};
}

/** Writes down what a store tells. */
export function observerOf(told: Told): StoreObserver {
	return {
		log: {
			committed: () => undefined,
			unsynced: () => undefined,
			shortWrite: () => {
				told.shortWrites++;
			},
			failed: (_lane: Lane, error) => told.failed.push(error),
			damaged: (range) => told.damaged.push(range),
			spareCopy: () => undefined,
			inDoubt: (_lane, records) => {
				told.inDoubt += records;
			},
		},
		compaction: {
			copied: (_lane, _bytes, records) => {
				told.copied += records;
			},
			removed: () => {
				told.removedFiles++;
			},
			kept: (_lane, _fileNo, reason) => told.kept.push(reason),
			failed: () => undefined,
		},
		view: { batch: () => undefined, damaged: () => undefined, stalled: () => undefined, failed: () => undefined },
		replayed: () => undefined,
		rebuilding: (reason) => told.rebuilt.push(reason),
		checkpointed: () => {
			told.checkpoints++;
		},
		checkpointFailed: (error) => told.checkpointErrors.push(error),
		damageFound: () => {
			told.found++;
		},
		volumeMissing: () => undefined,
		filesMissing: (files) => told.missing.push(...files),
		shardKept: () => undefined,
		shardChanged: () => undefined,
		limitFilled: () => undefined,
		rewardEnded: () => undefined,
		noteLost: (name) => told.lostNotes.push(name),
		volumeRefused: () => undefined,
		expired: () => {
			told.expired++;
		},
		housekeepingFailed: (error) => told.housekeepingErrors.push(error),
		damageNotSaved: () => undefined,
		scrub: {
			checked: () => undefined,
			began: () => undefined,
			ended: () => undefined,
			failed: () => undefined,
			notSaved: () => undefined,
		},
	};
}

/** Hashes on this thread; answers after a few turns, so that segments overtake each other as they do with workers. */
export function inlineHashPool(ring: SlabRing, prng: Prng): HashPool {
	const slab = ring.bytes;
	const hash = (inputs: readonly HashInput[], signal?: AbortSignal): HashTicket => {
		const work = async () => {
			for (let turns = prng.below(6); turns > 0; turns--) await Promise.resolve();
			signal?.throwIfAborted();
			const roots = new Uint8Array(inputs.length * HASH_BYTES);
			const crcs = new Uint32Array(inputs.length * SEGMENT_BLOCKS);
			const numbers = (pick: (input: HashInput) => number): Uint32Array => Uint32Array.from(inputs, pick);
			addon.hashSegments(
				slab,
				numbers((input) => input.slot.index),
				numbers((input) => input.lengthBytes),
				numbers((input) => input.leaves),
				roots,
				crcs,
			);
			return inputs.map((input, index) => {
				const first = index * SEGMENT_BLOCKS;
				const blocks = crcs.slice(first, first + Math.ceil((input.lengthBytes / SEGMENT_BYTES) * SEGMENT_BLOCKS));
				return {
					root: roots.slice(index * HASH_BYTES, (index + 1) * HASH_BYTES),
					blockCrcs: new Uint8Array(blocks.buffer),
				};
			});
		};
		const hashes = work();
		const settled = hashes.then(
			() => undefined,
			() => undefined,
		);
		return { hashes, settled };
	};
	// The store asks a pool for hashes and for nothing else.
	return { hash } as unknown as HashPool;
}
