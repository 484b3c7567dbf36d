/**
 * Everything that may happen to the files of the view: bits, holes, cuts, missing files, copies from different moments. After an open and a
 * replay, and a rebuild where one is needed, the view equals one that is built anew from the log, row by row.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { KvEngine } from '../../src/db/kv-engine.js';
import { createNodeIo } from '../../src/io/node-io.js';
import { readCheckpoint, writeCheckpoint } from '../../src/log-layer/checkpoint.js';
import type { Store } from '../../src/log-layer/store.js';
import { SEGMENT_BYTES } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import { dumpView, type TestStoreOptions } from '../support/test-store.js';
import { type Acknowledged, type Content, makeContent, Oracle } from './oracle.js';
import { type SimulatedMachine, toldNothing } from './simulated-machine.js';
import { firstDifference } from './verify.js';
import { Violation } from './violation.js';
import { type HostedOutcome, ViewHost } from './view-host.js';
import { openStill, serve } from './view-serving.js';
import { upload } from './workload.js';

/** What became of a mutation. `absent`: there was nothing of that kind to hit. */
export type MutationOutcome = HostedOutcome | 'absent';

/** A moment at which the directory was copied: after a close, while idle, or in the middle of a flush with two of RocksDB's logs. */
export const MOMENTS = ['closed', 'running', 'flushing'] as const;
type Moment = (typeof MOMENTS)[number];

interface Mutation {
	readonly name: string;
	/** Files of the view that it may hit. */
	readonly files: RegExp;
	/** Answers false when there was nothing to do. */
	readonly apply: (path: string, prng: Prng) => Promise<boolean>;
}

const LOG = /^\d+\.log$/;
const TABLE = /\.sst$/;
const MANIFEST = /^MANIFEST/;
const MOST_HOLE_BYTES = 20_000;
/** Small, so that holes hit rows rather than the padding of flushes. */
const ROCKS = { writeBufferBytes: 128 * 1024 };

export const MUTATIONS: readonly Mutation[] = [
	...[
		{ what: 'log', files: LOG },
		{ what: 'table', files: TABLE },
		{ what: 'manifest', files: MANIFEST },
	].flatMap(({ what, files }) => [
		{ name: `${what}-flip`, files, apply: changed(flipBit) },
		{ name: `${what}-flips`, files, apply: changed(flipBits) },
		{ name: `${what}-hole`, files, apply: changed(makeHole) },
		{ name: `${what}-part-removed`, files, apply: changed(removePart) },
		{ name: `${what}-cut`, files, apply: cut },
		{ name: `${what}-missing`, files, apply: (path: string) => unlink(path).then(() => true) },
	]),
	{ name: 'older-log-missing', files: LOG, apply: unlinkOldest },
	{ name: 'current-missing', files: /^CURRENT$/, apply: (path) => unlink(path).then(() => true) },
	{ name: 'current-wrong', files: /^CURRENT$/, apply: (path) => writeFile(path, 'MANIFEST-999999\n').then(() => true) },
	{ name: 'directory-missing', files: /^CURRENT$/, apply: (path) => removeDirectory(join(path, '..')) },
	{ name: 'all-tables-missing', files: /^CURRENT$/, apply: (path) => removeAll(join(path, '..'), TABLE) },
	{ name: 'all-logs-missing', files: /^CURRENT$/, apply: (path) => removeAll(join(path, '..'), LOG) },
];

function changed(change: (bytes: Buffer, prng: Prng) => Buffer) {
	return async (path: string, prng: Prng): Promise<boolean> => {
		const bytes = await readFile(path);
		if (bytes.length === 0) return false;
		await writeFile(path, change(bytes, prng));
		return true;
	};
}

function flipBit(bytes: Buffer, prng: Prng): Buffer {
	const at = prng.below(bytes.length);
	bytes[at] = (bytes[at] ?? 0) ^ (1 << prng.below(8));
	return bytes;
}

function flipBits(bytes: Buffer, prng: Prng): Buffer {
	for (let flips = 2 + prng.below(7); flips > 0; flips--) flipBit(bytes, prng);
	return bytes;
}

function stretch(bytes: Buffer, prng: Prng): { readonly from: number; readonly to: number } {
	const from = prng.below(bytes.length);
	return { from, to: Math.min(bytes.length, from + 1 + prng.below(MOST_HOLE_BYTES)) };
}

function makeHole(bytes: Buffer, prng: Prng): Buffer {
	const { from, to } = stretch(bytes, prng);
	return bytes.fill(0, from, to);
}

function removePart(bytes: Buffer, prng: Prng): Buffer {
	const { from, to } = stretch(bytes, prng);
	return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
}

async function cut(path: string, prng: Prng): Promise<boolean> {
	const { size } = statSync(path);
	if (size === 0) return false;
	await truncate(path, prng.below(size));
	return true;
}

async function unlinkOldest(path: string): Promise<boolean> {
	const directory = join(path, '..');
	const [oldest, next] = (await readdir(directory)).filter((name) => LOG.test(name)).sort();
	if (oldest === undefined || next === undefined) return false;
	await unlink(join(directory, oldest));
	return true;
}

async function removeDirectory(directory: string): Promise<boolean> {
	await rm(directory, { recursive: true });
	return true;
}

async function removeAll(directory: string, files: RegExp): Promise<boolean> {
	const names = (await readdir(directory)).filter((name) => files.test(name));
	for (const name of names) await unlink(join(directory, name));
	return names.length > 0;
}

/** A directory as it was at one moment, and the file that says what its clients knew then, and the rows of a view built anew from its log. */
interface Snapshot {
	readonly directory: string;
	readonly known: string;
}

/** A rule that a canary switches off. */
export interface ViewBreakage {
	/** Checksum of the rows. */
	readonly crc32c?: () => number;
	/** The checkpoint says that the view has everything, whatever its tables hold. */
	readonly trustsAll?: boolean;
}

export class ViewSubject {
	readonly #home: string;
	readonly #options: TestStoreOptions;
	readonly #trustsAll: boolean;
	readonly #seed: number;
	readonly #snapshots = new Map<Moment, Promise<Snapshot>>();
	readonly #host = new ViewHost(ROCKS);
	#copies = 0;

	private constructor(home: string, seed: number, { crc32c, trustsAll = false }: ViewBreakage) {
		this.#home = home;
		this.#seed = seed;
		this.#options = { rocks: crc32c ? { ...ROCKS, crc32c } : ROCKS };
		this.#trustsAll = trustsAll;
	}

	/** `breakage`: breaks a rule in every store of this subject, or in its snapshots. */
	static async make(seed: number, breakage: ViewBreakage = {}): Promise<ViewSubject> {
		return new ViewSubject(await mkdtemp(join(tmpdir(), 'perigee-view-')), seed, breakage);
	}

	async remove(): Promise<void> {
		await this.#host.close();
		await rm(this.#home, { recursive: true, force: true });
	}

	/** Mutates a copy, opens it until it serves everything, and compares its rows. Throws a Violation. */
	async mutate(mutation: Mutation, moment: Moment, prng: Prng): Promise<MutationOutcome> {
		const { directory, known } = await this.#at(moment);
		const copy = join(this.#home, `copy-${++this.#copies}`);
		await cp(directory, copy, { recursive: true });
		try {
			const view = join(copy, 'view');
			const names = (await readdir(view)).filter((name) => mutation.files.test(name)).sort();
			if (names.length === 0 || !(await mutation.apply(join(view, prng.pick(names)), prng))) return 'absent';
			const request = { known, directory: copy, readsFirst: prng.chance(0.5) };
			// A broken checksum cannot be handed to another process.
			return this.#options.rocks?.crc32c ? await serve(request, this.#options) : await this.#host.serve(request);
		} finally {
			await rm(copy, { recursive: true, force: true });
		}
	}

	async #snapshot(moment: Moment, prng: Prng): Promise<Snapshot> {
		const origin = join(this.#home, `origin-${moment}`);
		const directory = join(this.#home, moment);
		const oracle = new Oracle();
		let acknowledged: readonly Acknowledged[] | undefined;
		const take = (): boolean => {
			if (oracle.acknowledged.length > UPLOADS / 2 && !acknowledged && copyNow(origin, directory))
				acknowledged = [...oracle.acknowledged];
			return acknowledged !== undefined;
		};
		const wrapKv = (kv: KvEngine): KvEngine =>
			moment === 'flushing' ? lookIntoFlushes(kv, () => logsOf(origin).length > 1 && take()) : kv;
		const store = await openStill(origin, toldNothing(), { ...this.#options, wrapKv });
		await fill(store, oracle, prng);
		for (let flushes = 0; moment === 'flushing' && !acknowledged && flushes < MOST_FLUSHES; flushes++) {
			await fill(store, oracle, prng);
			await store.checkpoint();
		}
		if (moment === 'running') take();
		await store.close();
		if (moment === 'closed') take();
		if (this.#trustsAll) await trustAll(origin, directory);
		if (!acknowledged) throw new Error(`no copy was taken at the moment "${moment}"`);
		const known = `${directory}.known`;
		await writeFile(known, serialize({ acknowledged, rows: await this.#rebuilt(directory) }));
		return { directory, known };
	}

	async #rebuilt(directory: string): Promise<ReadonlyMap<string, string>> {
		const copy = join(this.#home, 'rebuilt');
		await cp(directory, copy, { recursive: true });
		for (const name of ['view', 'view.checkpoint']) await rm(join(copy, name), { recursive: true, force: true });
		const store = await openStill(copy, toldNothing(), this.#options);
		await store.close();
		const rows = await dumpView(copy, this.#options);
		await rm(copy, { recursive: true });
		return rows;
	}

	#at(moment: Moment): Promise<Snapshot> {
		let snapshot = this.#snapshots.get(moment);
		if (!snapshot) this.#snapshots.set(moment, (snapshot = this.#snapshot(moment, new Prng(this.#seed))));
		return snapshot;
	}
}

async function openAndDump(directory: string, options: TestStoreOptions): Promise<ReadonlyMap<string, string>> {
	const store = await openStill(directory, toldNothing(), options);
	await store.settle();
	await store.close();
	return dumpView(directory, options);
}

async function forgetView(directory: string): Promise<void> {
	for (const name of ['view', 'view.checkpoint']) await rm(join(directory, name), { recursive: true, force: true });
}

/** Compares the view of a stopped store, as the next open brings it up to date, with one built anew. Throws a Violation. */
export async function verifyViewOf(dataDir: string): Promise<void> {
	const home = await mkdtemp(join(tmpdir(), 'perigee-view-'));
	try {
		const [continued, rebuilt] = [join(home, 'continued'), join(home, 'rebuilt')];
		for (const copy of [continued, rebuilt]) await cp(dataDir, copy, { recursive: true });
		await forgetView(rebuilt);
		const difference = firstDifference(await openAndDump(continued, {}), await openAndDump(rebuilt, {}));
		if (difference) throw new Violation(`the view differs from a rebuilt one: ${difference}`);
	} finally {
		await rm(home, { recursive: true, force: true });
	}
}

const UPLOADS = 60;
/** Checkpoints that may pass until a copy meets RocksDB in the middle of a flush. */
const MOST_FLUSHES = 50;

/** Uploads with a checkpoint on the way, and as many behind it; in the end names alone, of which the flow knows nothing. */
async function fill(store: Store, oracle: Oracle, prng: Prng): Promise<void> {
	const machine = { io: { crashed: false } } as SimulatedMachine;
	const again: Content[] = [];
	for (let count = 0; count < UPLOADS; count++) {
		const sizeBytes = count % 10 === 0 ? 5 * SEGMENT_BYTES + count : 1 + prng.below(3000);
		const content = makeContent(prng, sizeBytes);
		await upload(machine, store, oracle, prng, content);
		if (count === UPLOADS / 2) await store.checkpoint();
		// Large content that comes again leaves an object to be purged, at once or later.
		if (count > UPLOADS / 2 && sizeBytes < SEGMENT_BYTES) again.push(content);
	}
	for (const content of again) await upload(machine, store, oracle, prng, content);
}

/** Gives an older copy the positions of the newer directory, which its clients know all of. */
async function trustAll(newer: string, older: string): Promise<void> {
	const io = createNodeIo();
	const [end, known] = [await readCheckpoint(io, newer), await readCheckpoint(io, older)];
	if (!end || !known) throw new Error('a directory without a checkpoint');
	await writeCheckpoint(io, older, { ...end, id: known.id });
}

function logsOf(dataDir: string): readonly string[] {
	return readdirSync(join(dataDir, 'view')).filter((name) => LOG.test(name));
}

/** Calls `look` again and again while a flush runs, until it answers true. */
function lookIntoFlushes(kv: KvEngine, look: () => boolean): KvEngine {
	return {
		get: (key) => kv.get(key),
		getMany: (keys) => kv.getMany(keys),
		batch: (operations) => kv.batch(operations),
		scan: (range) => kv.scan(range),
		close: () => kv.close(),
		async flush() {
			let isDone = false;
			const flushing = kv.flush().finally(() => {
				isDone = true;
			});
			while (!isDone && !look()) await nextTurn();
			await flushing;
		},
	};
}

/**
 * Copies a directory in use without a turn of the event loop: the view before the log, so that the log is never behind it, and in the view
 * its list of tables before what it lists. Answers false when a file went away meanwhile.
 */
function copyNow(from: string, to: string): boolean {
	const view = readdirSync(join(from, 'view')).filter((name) => name !== 'LOCK');
	const inOrder = [MANIFEST, /^CURRENT$/, LOG].flatMap((files) => view.filter((name) => files.test(name)));
	const rest = view.filter((name) => !inOrder.includes(name));
	mkdirSync(join(to, 'view'), { recursive: true });
	mkdirSync(join(to, 'log'), { recursive: true });
	try {
		copyFileSync(join(from, 'view.checkpoint'), join(to, 'view.checkpoint'));
		for (const name of [...inOrder, ...rest]) copyFileSync(join(from, 'view', name), join(to, 'view', name));
		for (const name of readdirSync(join(from, 'log'))) copyFileSync(join(from, 'log', name), join(to, 'log', name));
		copyFileSync(join(from, 'store.json'), join(to, 'store.json'));
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
		rmSync(to, { recursive: true, force: true });
		return false;
	}
}
