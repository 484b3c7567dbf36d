/** A real store (files of this machine, RocksDB, one hashing worker) in a directory of its own, for tests. */
import { shardText, type Shard } from '../../src/config/shard-position.js';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { KvEngine } from '../../src/db/kv-engine.js';
import { destroyRocks, openRocksKv, type RocksOptions } from '../../src/db/rocks.js';
import { type Clock, systemClock } from '../../src/io/clock.js';
import { createNodeIo } from '../../src/io/node-io.js';
import { type Randomness, systemRandomness } from '../../src/io/randomness.js';
import type { StorageIo } from '../../src/io/storage-io.js';
import { laneOf, objectDeleted } from '../../src/log-layer/records.js';
import { decodeRootRow, rowKeys } from '../../src/log-layer/rows.js';
import type { ScrubSettings } from '../../src/log-layer/scrub.js';
import { openStore, type Store, type StoreOptions } from '../../src/log-layer/store.js';
import type { StoreObserver } from '../../src/log-layer/store-observer.js';
import type { UploadOptions } from '../../src/log-layer/types.js';
import { storedUpload, type StoredUpload } from './placed.js';
import * as addon from '../../src/native/addon.js';
import { HashPool } from '../../src/native/hash-pool.js';
import { SlabRing } from '../../src/native/slab-ring.js';
import { EmbeddedSettlement } from '../../src/settlement/embedded/embedded-settlement.js';
import { createGenesis } from '../../src/settlement/embedded/genesis.js';
import { bytesOfHex, hexOf, type DataRoot } from '../../src/units.js';

const ROCKS = { cacheBytes: 4 * 2 ** 20, writeBufferBytes: 2 ** 20, crc32c: addon.crc32c };
const ALL_ROWS = { from: Uint8Array.of(0x02), to: Uint8Array.of(0xff) };

export interface TestStoreOptions {
	readonly maxFileBytes?: number;
	readonly maxUploads?: number;
	readonly reserveBytes?: number;
	/** Data directories of further volumes. */
	readonly dataDirs?: readonly string[];
	readonly rollBytes?: number;
	readonly uploadExpiryMs?: number;
	readonly resumableExpiryMs?: number;
	readonly rebuild?: boolean;
	readonly shard?: Shard;
	readonly maxSectors?: number;
	/** Called when the view turns out to be damaged. */
	readonly onViewDamage?: () => void;
	/** Default: without rests. */
	readonly scrub?: ScrubSettings;
	/** Default: an embedded ledger. */
	readonly makeSettlement?: StoreOptions['makeSettlement'];
	/** Default: time stands still, so that nothing happens by itself. */
	readonly clock?: Clock;
	/** How the engine of the view is opened, where it differs from the usual small one. */
	readonly rocks?: Partial<RocksOptions>;
	/** Puts something between the store and its files. */
	readonly wrapIo?: (io: StorageIo) => StorageIo;
	/** Puts something between the store and the engine of its view. */
	readonly wrapKv?: (kv: KvEngine) => KvEngine;
}

export interface TestStore extends Store {
	readonly dataDir: string;
	/** What the store told its observer, in order: `rebuilding`, `replayed <lane>`, `damaged view`, … */
	readonly told: readonly string[];
	/** The engine of its view. */
	readonly kv: KvEngine;
}

/** Shared by all stores of a test file: the hashing pool and its ring. */
export interface TestStores {
	readonly ring: SlabRing;
	readonly pool: HashPool;
	/** Opens the store of a directory; by default of a new one. */
	open(options?: TestStoreOptions, dataDir?: string): Promise<TestStore>;
	newDirectory(): Promise<string>;
}

/** Call it once at the top of a test file: stores that are still open at its end are closed, and their directories removed. */
export function useTestStores(): TestStores {
	const directories: string[] = [];
	const open = new Set<Store>();
	const ring = new SlabRing(2);
	let pool: HashPool;
	before(async () => {
		pool = await HashPool.start({ ring, workers: 1 });
	});
	after(async () => {
		for (const store of open) await store.close();
		ring.close();
		await pool.close();
		for (const directory of directories) await rm(directory, { recursive: true, force: true });
	});
	const newDirectory = async (): Promise<string> => {
		const directory = await mkdtemp(join(tmpdir(), 'perigee-store-'));
		directories.push(directory);
		return directory;
	};
	return {
		ring,
		get pool() {
			return pool;
		},
		newDirectory,
		async open(options = {}, dataDir) {
			const directory = dataDir ?? (await newDirectory());
			const told: string[] = [];
			const opened: { kv?: KvEngine } = {};
			const wrapKv = (kv: KvEngine): KvEngine => (opened.kv = options.wrapKv?.(kv) ?? kv);
			const store = await openTestStore(
				directory,
				{ ring, pool, observer: observerInto(told) },
				{ ...options, wrapKv },
			);
			const { kv } = opened;
			assert.ok(kv);
			open.add(store);
			const close = store.close.bind(store);
			const closeOnce = async (): Promise<void> => {
				if (open.delete(store)) await close();
			};
			return Object.assign(store, { dataDir: directory, told, kv, close: closeOnce });
		},
	};
}

/** What a store is put together with. */
export interface StoreParts {
	readonly ring: SlabRing;
	readonly pool: HashPool;
	readonly observer: StoreObserver;
	readonly randomness?: Randomness;
	/** Default: the files of this machine. */
	readonly io?: StorageIo;
}

/** A real store in a directory, which is made if it is missing. */
export async function openTestStore(
	dataDir: string,
	parts: StoreParts,
	options: TestStoreOptions = {},
): Promise<Store> {
	const clock = options.clock ?? stillClock();
	const {
		io = createNodeIo({ misalignment: addon.misalignment, readRight: addon.readRight }),
		randomness = systemRandomness,
	} = parts;
	await io.makeDir(dataDir);
	return openStore({
		...parts,
		dataDir,
		dataDirs: options.dataDirs ?? [],
		...(options.rollBytes === undefined ? {} : { rollBytes: options.rollBytes }),
		io: options.wrapIo?.(io) ?? io,
		clock,
		randomness,
		kv: {
			async open(directory) {
				const kv = await openRocksKv(directory, { ...ROCKS, ...options.rocks });
				return options.wrapKv?.(kv) ?? kv;
			},
			destroy: destroyRocks,
		},
		makeSettlement:
			options.makeSettlement ??
			((journal) =>
				new EmbeddedSettlement({
					journal,
					clock,
					hashing: addon,
					genesis: createGenesis(
						{ chainId: 1n, blocksPerEpoch: 10, blockIntervalMs: 10_000, pricePerSector: 0n },
						clock,
						randomness,
					),
				})),
		reserveBytes: options.reserveBytes ?? 1,
		maxFileBytes: options.maxFileBytes ?? 2 ** 40,
		compactionTranquility: 0,
		compactionDeadPercent: 8,
		maxUploads: options.maxUploads ?? 64,
		uploadExpiryMs: options.uploadExpiryMs ?? 86_400_000,
		resumableExpiryMs: options.resumableExpiryMs ?? 86_400_000,
		rebuild: options.rebuild ?? false,
		...(options.shard ? { shard: options.shard } : {}),
		...(options.maxSectors === undefined ? {} : { maxSectors: options.maxSectors }),
		...(options.onViewDamage ? { onViewDamage: options.onViewDamage } : {}),
		scrub: options.scrub ?? { tranquility: 0, intervalDays: 30 },
	});
}

/** Stands still unless told; timers never ring. */
function stillClock(): Clock {
	const nowMs = systemClock.nowMs();
	return { nowMs: () => nowMs, monotonicMs: () => 0, schedule: () => () => undefined };
}

/** Writes down what a store tells. */
export function observerInto(told: string[]): StoreObserver {
	return {
		log: {
			committed: () => undefined,
			unsynced: () => undefined,
			shortWrite: (lane) => void told.push(`short write ${lane}`),
			failed: (lane, error) => void told.push(`failed ${lane}: ${error.message}`),
			damaged: ({ lane, fileNo }) => void told.push(`damaged ${lane} ${fileNo}`),
			spareCopy: (path) => void told.push(`spare copy ${path}`),
			inDoubt: (lane, records) => void told.push(`in doubt ${lane} ${records}`),
		},
		compaction: {
			copied: () => undefined,
			removed: (lane) => void told.push(`removed ${lane}`),
			kept: (lane, fileNo, reason) => void told.push(`kept ${lane} ${fileNo}: ${reason.message}`),
			failed: (error) => void told.push(`compaction failed: ${String(error)}`),
		},
		view: {
			batch: () => undefined,
			damaged: () => void told.push('damaged view'),
			stalled: (is) => void told.push(is ? 'stalled' : 'goes on'),
			failed: (error) => void told.push(`view failed: ${error.message}`),
		},
		replayed: (lane) => void told.push(`replayed ${lane}`),
		rebuilding: (reason) => void told.push(`rebuilding: ${reason}`),
		checkpointed: () => void told.push('checkpointed'),
		checkpointFailed: (error) => void told.push(`checkpoint failed: ${String(error)}`),
		damageFound: () => void told.push('damage found'),
		filesMissing: (files) => {
			for (const { lane, fileNo } of files) told.push(`missing ${lane} ${fileNo}`);
		},
		shardKept: (stored, wanted) => void told.push(`shard ${shardText(stored)}, not ${shardText(wanted)}`),
		shardChanged: (shard) => void told.push(`shard ${shardText(shard)}`),
		limitFilled: () => void told.push('limit filled'),
		rewardEnded: (fromSector) => void told.push(`paid from sector ${fromSector}`),
		noteLost: (name) => void told.push(`lost ${name}`),
		volumeMissing: ({ volume }) => void told.push(`volume ${volume} missing`),
		volumeRefused: (volume) => void told.push(`volume ${volume} refused`),
		expired: () => void told.push('expired'),
		housekeepingFailed: (error) => void told.push(`housekeeping failed: ${String(error)}`),
		damageNotSaved: (error) => void told.push(`damage not saved: ${String(error)}`),
		scrub: {
			checked: () => undefined,
			began: () => void told.push('scrub began'),
			ended: () => void told.push('scrub ended'),
			failed: (error) => void told.push(`scrub failed: ${String(error)}`),
			notSaved: (error) => void told.push(`scrub not saved: ${String(error)}`),
		},
	};
}

/** Uploads `content` in writes of `writeBytes`; each write has a buffer of its own. */
export async function put(
	store: Store,
	content: Uint8Array,
	options: Partial<UploadOptions> = {},
	writeBytes = 65_536,
): Promise<StoredUpload> {
	const upload = store.files.beginUpload({ name: '', contentType: '', ...options });
	for (let at = 0; at < content.length; at += writeBytes) {
		await upload.write(Uint8Array.prototype.slice.call(content, at, at + writeBytes));
	}
	return storedUpload(await upload.finish());
}

/** Writes the delete fact of a file into its lane alone, as a crash leaves it that comes before the journal's word. */
export async function endInLane(store: TestStore, root: DataRoot, cause: number): Promise<void> {
	await store.checkpoint();
	const row = await store.kv.get(rowKeys.root(root));
	const object = row && decodeRootRow(row).object;
	assert.ok(object);
	const fact = objectDeleted({ objectId: object.objectId, root: bytesOfHex(root), cause });
	await store.log.write(laneOf(object.sizeBytes), [fact]).applied;
}

/** All bytes of [from, to) of a file. */
export async function readBack(
	store: Store,
	result: Pick<StoredUpload, 'txSeq'>,
	from = 0,
	to?: number,
): Promise<Buffer> {
	const file = await store.files.fileBySeq(result.txSeq);
	if (!file) throw new Error(`there is no submission ${result.txSeq}`);
	const pieces: Buffer[] = [];
	for await (const piece of store.files.read(file, from, to ?? file.sizeBytes)) {
		pieces.push(Buffer.from(piece.bytes));
		piece.release();
	}
	return Buffer.concat(pieces);
}

/** Every row of the view of a closed store, but those about checkpoints: key → value, as hex. */
export async function dumpView(
	dataDir: string,
	{ rocks }: Pick<TestStoreOptions, 'rocks'> = {},
): Promise<Map<string, string>> {
	const kv = await openRocksKv(`${dataDir}/view`, { ...ROCKS, ...rocks });
	try {
		const dump = new Map<string, string>();
		for await (const rows of kv.scan(ALL_ROWS)) for (const { key, value } of rows) dump.set(hexOf(key), hexOf(value));
		return dump;
	} finally {
		await kv.close();
	}
}
