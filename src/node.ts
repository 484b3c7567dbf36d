/**
 * The composition root: builds every room in order and closes them in reverse. The only file that knows all rooms.
 */
import { parseShard, shardText } from './config/shard-position.js';
import { pino, type Logger } from 'pino';
import type { ReplayProgress } from './append-log/append-log.js';
import { about } from './config/refusal.js';
import type { Config } from './config/schema.js';
import { packageVersion } from './config/version.js';
import { deferred } from './deferred.js';
import { destroyRocks, openRocksKv } from './db/rocks.js';
import { PerigeeError } from './errors.js';
import { systemClock } from './io/clock.js';
import { createNodeIo } from './io/node-io.js';
import { systemRandomness } from './io/randomness.js';
import type { StorageIo } from './io/storage-io.js';
import { LIMITS } from './limits.js';
import { STORE_FORMAT, replaceFile } from './log-layer/checkpoint.js';
import { HealingStore } from './log-layer/healing-store.js';
import { openStore, type StoreOptions } from './log-layer/store.js';
import type { StoreObserver } from './log-layer/store-observer.js';
import { logDirectory } from './log-layer/volumes.js';
import { makeFirstDataDir, NODE_FILE } from './node/data-dir.js';
import { settlementMaker } from './node/settlement.js';
import type { FileModules } from './node/access.js';
import { startListeners } from './node/listeners.js';
import { startMining } from './node/start-mining.js';
import { startTrimming } from './node/memory-trim.js';
import { healingObserver, laneMeters, scrubObserver } from './node/observers.js';
import { checkStart } from './node/start-check.js';
import { rebuildSummary, type RebuildSummary } from './node/rebuild-summary.js';
import { refreshStoreMetrics } from './node/store-metrics.js';
import { createMetrics, type Metrics } from './metrics/metrics.js';
import { watchProcess } from './metrics/process-metrics.js';
import * as addon from './native/addon.js';
import { HashPool, type HashPoolObserver } from './native/hash-pool.js';
import { SlabRing } from './native/slab-ring.js';

const WRITE_BUFFER_BYTES = 4 * 2 ** 20;
const PROGRESS_LINE_MS = 10_000;
const VERSION = packageVersion();

export interface RunningNode {
	/** Where REST listens. */
	readonly url: string;
	/** URLs, or unix: and a path; of gRPC `host:port`, as its clients take it. */
	readonly listeners: { readonly http: string; readonly admin: string; readonly grpc: string };
	/** Resolves once an operator has asked over the admin listener that the node stops; whoever runs it then closes it. */
	readonly stopAsked: Promise<void>;
	/** Stops intake, drains, commits, makes a checkpoint, closes. Safe to call twice. */
	close(): Promise<void>;
}

/** What the rooms are built with, and what closes them again. */
interface Site {
	readonly config: Config;
	readonly io: StorageIo;
	readonly log: Logger;
	readonly metrics: Metrics;
	/** In the order of building; closing goes backwards. */
	readonly closers: (() => Promise<void> | void)[];
}

function openSite(config: Config): Site {
	const log = pino(
		{ level: config.log.level },
		pino.destination({ dest: config.log.output === 'stdout' ? 1 : 2, sync: false }),
	);
	return {
		config,
		io: createNodeIo({ misalignment: addon.misalignment, readRight: addon.readRight }),
		log,
		metrics: createMetrics(),
		closers: [],
	};
}

async function closeSite({ closers }: Site): Promise<void> {
	for (let closer = closers.pop(); closer; closer = closers.pop()) await closer();
}

function modulesOf({ config, metrics, log }: Site): FileModules {
	return { config, metrics, log, clock: systemClock, randomness: systemRandomness };
}

/** Whether a node would start so, as far as that can be told without changing anything. Errors: as of `checkStart`. */
export async function checkConfig(config: Config): Promise<void> {
	const site = openSite(config);
	(await checkStart(site.io, modulesOf(site))).close();
}

/** Builds and starts a node. Errors: DIRECTORY_LOCKED, FORMAT_UNKNOWN, CONFIG_INVALID, and whatever the disk answers. */
export async function startNode(config: Config): Promise<RunningNode> {
	const site = openSite(config);
	try {
		const modules = modulesOf(site);
		const doors = await checkStart(site.io, modules);
		site.closers.push(() => doors.close());
		const { healing, refresh } = await buildStore(site, { rebuild: false });
		const processWatch = watchProcess(site.metrics);
		site.closers.push(() => processWatch.stop());
		site.closers.push(startTrimming(systemClock));
		const { mining, refreshMining } = await startMining(site, healing);
		const refreshMetrics = (): void => {
			processWatch.refresh();
			refresh();
			refreshMining();
		};
		const stopAsked = deferred();
		const listeners = await startListeners(doors, {
			...modules,
			version: VERSION,
			healing,
			mining,
			refreshMetrics,
			shutdown: () => stopAsked.resolve(),
			closers: site.closers,
		});
		const fields = { pid: process.pid, listeners, version: VERSION, format: STORE_FORMAT, simd: addon.simd() };
		await replaceFile(site.io, config.dataDir, NODE_FILE, Buffer.from(`${JSON.stringify(fields, null, 2)}\n`));
		let closing: Promise<void> | undefined;
		const close = (): Promise<void> => (closing ??= closeSite(site));
		return { url: listeners.http, listeners, stopAsked: stopAsked.promise, close };
	} catch (error) {
		await closeSite(site);
		throw error;
	}
}

/**
 * Throws the view away and builds it anew from the log. No node may run on the directory. Errors as of `startNode`, and JOURNAL_DAMAGED,
 * with which the view stays. `givesUp`: what is missing or cannot be read no longer belongs to the store, for good.
 */
export async function rebuildView(
	config: Config,
	onProgress: (progress: ReplayProgress) => void,
	givesUp = false,
): Promise<RebuildSummary> {
	const site = openSite(config);
	const startMs = performance.now();
	let records = 0;
	const { dataDir } = config;
	if (!(await site.io.stat(logDirectory(dataDir))) && !(await site.io.stat(`${dataDir}/store.json`)))
		throw new PerigeeError('CONFIG_INVALID', `${dataDir} holds no store: nothing to rebuild`);
	try {
		const { healing } = await buildStore(site, {
			rebuild: true,
			onReplayed: (count) => {
				records += count;
			},
			onProgress,
		});
		const store = healing.store();
		if (givesUp) await store.giveUpLosses();
		return rebuildSummary(store, records, givesUp, startMs);
	} finally {
		await closeSite(site);
	}
}

interface StoreChoices {
	readonly rebuild: boolean;
	readonly onReplayed?: (records: number) => void;
	readonly onProgress?: (progress: ReplayProgress) => void;
}

async function buildStore(
	site: Site,
	choices: StoreChoices,
): Promise<{ readonly healing: HealingStore; readonly refresh: () => void }> {
	const { config, io, metrics, log, closers } = site;
	await makeFirstDataDir(io, config.dataDir);
	const lock = await about(['dataDir'], async () => lockDirectory(config.dataDir));
	closers.push(() => lock.release());
	// What a killed node left; a clean stop removes it last.
	await removeNodeFile(site);
	closers.push(() => removeNodeFile(site));
	const ring = new SlabRing();
	const workers = config.native.hashThreads;
	const pool = await HashPool.start({ ring, observer: hashObserver(metrics), ...(workers > 0 ? { workers } : {}) });
	closers.push(async () => {
		ring.close();
		await pool.close();
	});
	let checkpointMs = systemClock.monotonicMs();
	const options: StoreOptions = {
		dataDir: config.dataDir,
		dataDirs: config.storage.dataDirs,
		io,
		clock: systemClock,
		randomness: systemRandomness,
		kv: {
			open: (directory) =>
				openRocksKv(directory, {
					cacheBytes: config.storage.viewCacheBytes,
					writeBufferBytes: WRITE_BUFFER_BYTES,
					crc32c: addon.crc32c,
				}),
			destroy: destroyRocks,
		},
		makeSettlement: await settlementMaker(config, { metrics, log }),
		ring,
		pool,
		observer: {
			...storeObserver(metrics, log),
			replayed(lane, records) {
				metrics.replayedRecords.inc({ lane }, records);
				choices.onReplayed?.(records);
			},
			replaying: choices.onProgress ?? logProgress(log),
			checkpointed(seconds) {
				checkpointMs = systemClock.monotonicMs();
				metrics.checkpoints.inc();
				metrics.checkpointSeconds.observe(seconds);
			},
		},
		reserveBytes: config.storage.reserveBytes,
		ballastBytes: LIMITS.ballastBytes,
		maxFileBytes: config.storage.maxFileBytes,
		maxUploads: config.upload.maxConcurrent,
		uploadExpiryMs: config.storage.uploadExpiryMs,
		resumableExpiryMs: config.upload.resumableExpiryMs,
		shard: parseShard(config.shard.position),
		maxSectors: config.shard.maxSectors,
		compactionTranquility: config.storage.compactionTranquility,
		compactionDeadPercent: config.storage.compactionDeadPercent,
		scrub: {
			tranquility: config.storage.scrubTranquility,
			intervalDays: config.storage.scrubIntervalDays,
		},
	};
	let isFirst = true;
	const healing = await HealingStore.open({
		clock: systemClock,
		observer: healingObserver(metrics, log),
		open(onViewDamage) {
			const rebuild = isFirst && choices.rebuild;
			isFirst = false;
			return openStore({ ...options, rebuild, onViewDamage });
		},
	});
	closers.push(() => healing.close());
	metrics.buildInfo.set({ version: VERSION, node: process.version, simd: addon.simd() }, 1);
	const refresh = (): void => {
		refreshStoreMetrics(metrics, healing);
		metrics.slabSlotsFree.set(ring.freeSlots);
		metrics.slabWaiting.set(ring.waiting);
		metrics.checkpointAgeSeconds.set((systemClock.monotonicMs() - checkpointMs) / 1000);
	};
	return { healing, refresh };
}

/** A line each ten seconds while a start replays the log. */
function logProgress(log: Logger): (progress: ReplayProgress) => void {
	let toldMs = systemClock.monotonicMs();
	return (progress) => {
		const nowMs = systemClock.monotonicMs();
		if (nowMs - toldMs < PROGRESS_LINE_MS) return;
		toldMs = nowMs;
		log.info(progress, 'the view is brought up to date from the log');
	};
}

async function removeNodeFile({ io, config }: Site): Promise<void> {
	const path = `${config.dataDir}/${NODE_FILE}`;
	if (await io.stat(path)) await io.unlink(path);
}

function lockDirectory(dataDir: string): addon.DataLock {
	try {
		return addon.DataLock.acquire(`${dataDir}/LOCK`);
	} catch (error) {
		const message = error instanceof Error ? error.message : String(error);
		if (!message.startsWith('held:')) throw error;
		const holder = message.slice('held:'.length).trim();
		const options = { cause: error };
		throw new PerigeeError('DIRECTORY_LOCKED', `${dataDir} is in use by process ${holder}`, options);
	}
}

function hashObserver(metrics: Metrics): HashPoolObserver {
	return {
		queued: (segments) => metrics.hashQueueSegments.set(segments),
		started(segments, waitMs) {
			metrics.hashWaitSeconds.observe(waitMs / 1000);
			metrics.hashTaskSegments.observe(segments);
		},
		ended: (_segments, runMs) => metrics.hashRunSeconds.observe(runMs / 1000),
		workerLost: () => metrics.hashWorkersLost.inc(),
	};
}

function storeObserver(metrics: Metrics, log: Logger): Omit<StoreObserver, 'replayed' | 'checkpointed'> {
	const lanes = laneMeters(metrics);
	return {
		log: {
			committed(lane, groups, records, bytes, syncSeconds) {
				const meters = lanes[lane];
				meters.commits.inc(groups);
				meters.records.inc(records);
				meters.bytes.inc(bytes);
				meters.groupRecords.observe(records / groups);
				meters.syncSeconds.observe(syncSeconds);
			},
			unsynced: (lane, bytes) => lanes[lane].unsyncedBytes.set(bytes),
			shortWrite: (lane) => log.warn({ lane }, 'the disk is full: a group was not written'),
			failed(lane, error) {
				metrics.logFailed.set(1);
				log.fatal({ lane, err: error }, 'writing has stopped; reads go on. Check the disk, then restart the node');
			},
			damaged(range) {
				metrics.damageFound.inc({ where: 'log' });
				log.error({ range }, 'a stretch of the log cannot be read');
			},
			spareCopy: (path) =>
				log.warn(
					{ path },
					'this log file is not used: another volume has the same bytes, or it was given up; remove it',
				),
			inDoubt: (lane, records) => metrics.logInDoubtRecords.inc({ lane }, records),
		},
		view: {
			batch: () => metrics.viewBatches.inc(),
			stalled(isStalled) {
				metrics.viewStalled.set(isStalled ? 1 : 0);
				log.warn(isStalled ? 'the disk is full: the index waits for room' : 'the index has room again');
			},
			damaged(error) {
				metrics.damageFound.inc({ where: 'view' });
				log.error({ err: error }, 'a row of the view is damaged');
			},
			failed: (error) => log.error({ err: error }, 'the index takes no more rows'),
		},
		compaction: {
			copied: (lane, bytes) => metrics.compactionCopiedBytes.inc({ lane }, bytes),
			removed(lane, bytes) {
				metrics.compactionRemovedFiles.inc({ lane });
				metrics.compactionRemovedBytes.inc({ lane }, bytes);
			},
			kept: (lane, fileNo, reason) => log.error({ lane, fileNo, err: reason }, 'compaction leaves a log file as it is'),
			failed(error) {
				metrics.compactionFailures.inc();
				log.warn({ err: error }, 'a pass of compaction ended early; it is tried again');
			},
		},
		rebuilding(reason) {
			metrics.viewRebuilds.inc();
			log.warn({ reason }, 'the view is rebuilt from the log');
		},
		checkpointFailed: (error) => log.error({ err: error }, 'a checkpoint failed; the next one is tried as usual'),
		filesMissing(files) {
			for (const { lane } of files) metrics.logFilesMissing.inc({ lane });
			log.error(
				{ files: files.slice(0, 100), count: files.length },
				'log files are missing; the rest is served. Put them back and restart',
			);
		},
		volumeMissing({ volume, reason }) {
			metrics.volumesMissing.inc();
			log.error({ volume, reason }, 'a volume is missing; what lies on the others is served');
		},
		noteLost(name) {
			metrics.damageFound.inc({ where: 'note' });
			log.error(
				{ name },
				'this file is missing or cannot be read; a start makes it anew, and misses nothing that it alone knew of',
			);
		},
		shardKept: (stored, wanted) =>
			log.warn(
				{ shard: shardText(stored), configured: shardText(wanted) },
				'this store has another shard than shard.position says, and keeps it',
			),
		shardChanged: (shard) =>
			log.warn(
				{ shard: shardText(shard) },
				'what is held came near shard.maxSectors: this node has another shard now, and drops the rest',
			),
		limitFilled: (heldSectors) =>
			log.warn(
				{ heldSectors },
				'what was uploaded here over REST fills shard.maxSectors by itself: nothing is dropped, and what comes is taken until the disk is full',
			),
		rewardEnded: (fromSector) =>
			log.warn(
				{ fromSector: String(fromSector) },
				'the chain pays nothing more for what lies before this sector: what 0G clients have uploaded there is dropped',
			),
		volumeRefused(volume, error) {
			metrics.volumeRefusals.inc({ volume: String(volume) });
			log.warn({ volume, err: error }, 'a volume took no file or no further bytes');
		},
		expired: () => metrics.expiredObjects.inc(),
		housekeepingFailed: (error) => log.warn({ err: error }, 'expiry or the removal of rows failed; it is tried again'),
		damageFound(damage) {
			// What the replay found, the log's observer has told.
			if (damage.foundBy === 'open') return;
			metrics.damageFound.inc({ where: damage.foundBy });
			if ('from' in damage) log.error({ stretch: damage }, 'a stretch of a log file is damaged');
			else {
				const { objectId, ...segment } = damage;
				log.error({ objectId: String(objectId), ...segment }, 'stored data is damaged; the same upload heals it');
			}
		},
		damageNotSaved: (error) =>
			log.warn({ err: error }, 'the list of damage could not be read or written; it is written again'),
		scrub: scrubObserver(metrics, log),
	};
}
