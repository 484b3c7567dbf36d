/** The stores that the rows about scale measure, each made once for a run and removed with its work directory. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openRocksKv } from '../../src/db/rocks.js';
import { systemClock } from '../../src/io/clock.js';
import * as addon from '../../src/native/addon.js';
import { HashPool } from '../../src/native/hash-pool.js';
import { SlabRing } from '../../src/native/slab-ring.js';
import { SEGMENT_BYTES } from '../../src/units.js';
import { observerInto, openTestStore } from '../../test/support/test-store.js';
import { makeSyntheticFile, type SyntheticFile } from '../../test/support/synthetic-file.js';
import type { BenchContext } from '../row.js';
import { type MemoryBytes, memoryOf } from '../servers/process-stats.js';

const PERIGEE = fileURLToPath(new URL('../../../bin/perigee.cjs', import.meta.url));
const SAMPLE_MS = 50;
/** As a node opens it (src/node.ts, src/config/schema.ts). */
const ROCKS = { cacheBytes: 32 * 2 ** 20, writeBufferBytes: 4 * 2 ** 20 };
export const SMALL_FILE_BYTES = 300;
const UPLOADERS = 64;
const STEP_FILES = 10_000;

export interface Rebuild {
	readonly records: number;
	readonly seconds: number;
	/** Largest seen while it ran. */
	readonly peak: MemoryBytes;
}

export interface LargeFileStore {
	readonly dataDir: string;
	readonly file: SyntheticFile;
	readonly madeSeconds: number;
	readonly rebuild: Rebuild;
	/** What the directories take of the disk. */
	readonly logBytes: number;
	readonly viewBytes: number;
}

export interface SmallFilesStore {
	readonly dataDir: string;
	readonly files: number;
	readonly rows: number;
	readonly madeSeconds: number;
	readonly logBytes: number;
	readonly viewBytes: number;
}

const made = new Map<string, Promise<unknown>>();

/** A node's directory with one file of `sizes.scaleSegments` segments, whose view was rebuilt from the log. */
export async function largeFileStore(context: BenchContext): Promise<LargeFileStore> {
	const { scaleSegments } = context.sizes;
	const dataDir = join(context.workDir, `file-of-${scaleSegments}`);
	const { file, madeSeconds } = await makeOnce(`${dataDir}.made`, async () => {
		await rm(dataDir, { recursive: true, force: true });
		context.progress(`writing the headers of ${scaleSegments} segments`);
		const startMs = performance.now();
		const written = await makeSyntheticFile(dataDir, scaleSegments);
		return { file: written, madeSeconds: (performance.now() - startMs) / 1000 };
	});
	const { rebuild, logBytes, viewBytes } = await makeOnce(`${dataDir}.rebuilt`, async () => {
		context.progress('rebuilding the view');
		const measured = await rebuildOf(dataDir);
		return {
			rebuild: measured,
			logBytes: await diskBytes(join(dataDir, 'log')),
			viewBytes: await diskBytes(join(dataDir, 'view')),
		};
	});
	return { dataDir, file, madeSeconds, rebuild, logBytes, viewBytes };
}

/** The rebuild of a file of one sixteenth of the size. */
export function sixteenthRebuild(context: BenchContext): Promise<Rebuild> {
	const dataDir = join(context.workDir, 'sixteenth');
	return makeOnce(`${dataDir}.rebuilt`, async () => {
		await rm(dataDir, { recursive: true, force: true });
		await makeSyntheticFile(dataDir, context.sizes.scaleSegments / 16);
		const rebuild = await rebuildOf(dataDir);
		await rm(dataDir, { recursive: true });
		return rebuild;
	});
}

/** A node's directory with `sizes.scaleFiles` files of 300 bytes, uploaded by 64 at once. */
export function smallFilesStore(context: BenchContext): Promise<SmallFilesStore> {
	const { scaleFiles } = context.sizes;
	const dataDir = join(context.workDir, `small-files-${scaleFiles}`);
	return makeOnce(`${dataDir}.made`, async () => {
		await rm(dataDir, { recursive: true, force: true });
		const startMs = performance.now();
		await uploadSmallFiles(dataDir, context);
		const madeSeconds = (performance.now() - startMs) / 1000;
		const [logBytes, viewBytes] = [await diskBytes(join(dataDir, 'log')), await diskBytes(join(dataDir, 'view'))];
		return { dataDir, files: scaleFiles, rows: await countRows(dataDir), madeSeconds, logBytes, viewBytes };
	});
}

/** What `make` answers, from memory or from the file `path`, which an earlier run in the same work directory has written. */
function makeOnce<T>(path: string, make: () => Promise<T>): Promise<T> {
	const known = made.get(path);
	if (known) return known as Promise<T>;
	const making = (async () => {
		const text = await readFile(path, 'utf8').catch(() => undefined);
		if (text !== undefined) return JSON.parse(text) as T;
		const result = await make();
		await writeFile(path, JSON.stringify(result));
		return result;
	})();
	made.set(path, making);
	return making;
}

async function uploadSmallFiles(dataDir: string, { sizes: { scaleFiles }, progress }: BenchContext): Promise<void> {
	const ring = new SlabRing();
	const pool = await HashPool.start({ ring, workers: 1 });
	const store = await openTestStore(
		dataDir,
		{ ring, pool, observer: observerInto([]) },
		{ clock: systemClock, rocks: ROCKS },
	);
	let next = 0;
	const upload = async (): Promise<void> => {
		for (let index = next++; index < scaleFiles; index = next++) {
			const bytes = Buffer.alloc(SMALL_FILE_BYTES, 'perigee');
			bytes.writeUInt32LE(index, 0);
			const session = store.files.beginUpload({ name: `file-${index}`, contentType: '' });
			await session.write(bytes);
			await session.finish();
			if (index % STEP_FILES === 0) progress(`${index} of ${scaleFiles} files`);
		}
	};
	await Promise.all(Array.from({ length: UPLOADERS }, upload));
	await store.close();
	ring.close();
	await pool.close();
}

/** `perigee rebuild`, with its memory watched. */
async function rebuildOf(dataDir: string): Promise<Rebuild> {
	const child = spawn(process.execPath, [PERIGEE, 'rebuild', '--data-dir', dataDir, '--json'], {
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	const peak = { resident: 0, anonymous: 0 };
	const timer = setInterval(() => {
		if (child.pid === undefined || child.exitCode !== null) return;
		const { resident, anonymous } = memoryOf(child.pid);
		peak.resident = Math.max(peak.resident, resident);
		peak.anonymous = Math.max(peak.anonymous, anonymous);
	}, SAMPLE_MS);
	try {
		let output = '';
		child.stdout.on('data', (text: Buffer) => {
			output += text.toString();
		});
		const [code] = (await once(child, 'close')) as [number | null];
		if (code !== 0) throw new Error(`perigee rebuild ended with code ${code}`);
		const { records, seconds } = JSON.parse(output) as { readonly records: number; readonly seconds: number };
		return { records, seconds, peak };
	} finally {
		clearInterval(timer);
	}
}

async function countRows(dataDir: string): Promise<number> {
	const kv = await openRocksKv(join(dataDir, 'view'), { ...ROCKS, crc32c: addon.crc32c });
	let rows = 0;
	for await (const chunk of kv.scan({ from: Buffer.of(1), to: Buffer.of(0xff) })) rows += chunk.length;
	await kv.close();
	return rows;
}

/** Bytes that the files of a directory take, holes not counted. */
export async function diskBytes(directory: string): Promise<number> {
	let bytes = 0;
	for (const name of await readdir(directory)) {
		// A file may go at any time.
		const found = await stat(join(directory, name)).catch(() => undefined);
		if (found) bytes += 512 * found.blocks;
	}
	return bytes;
}

/** Sizes of the files of a directory. */
export async function fileBytes(directory: string): Promise<number> {
	let bytes = 0;
	for (const name of await readdir(directory)) bytes += (await stat(join(directory, name))).size;
	return bytes;
}

export function tebibytes(file: SyntheticFile): number {
	return (file.segments * SEGMENT_BYTES) / 2 ** 40;
}
