/** Rows about large stores: a file of 1 TiB, which is headers and holes, and a million files of 300 bytes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { verifyFileProof } from '../../src/native/addon.js';
import { bytesOfHex } from '../../src/units.js';
import { makeRandom } from '../load/content.js';
import { expectStatus, HttpConnection } from '../load/http-connection.js';
import { type BenchContext, atMost, interleave, median, type Round, type Row, summarize } from '../row.js';
import {
	fileBytes,
	largeFileStore,
	SMALL_FILE_BYTES,
	sixteenthRebuild,
	smallFilesStore,
	tebibytes,
} from '../scale/large-stores.js';
import { dropCaches } from '../servers/pair.js';
import { memoryOf } from '../servers/process-stats.js';
import { type ServerProcess, startLoadClient, startPerigee } from '../servers/processes.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const REBUILD_GOAL_MIB = 256;
const OPEN_GOAL_SECONDS = 1;
const OPEN_SMALL_GOAL_SECONDS = 2;
const MEMORY_GOAL_MIB = 64;
const PROOF_GOAL_MS = 5;
const VIEW_GOAL_BYTES = 300;
const LOG_GOAL_BYTES = 1024;
const CONNECTIONS = 64;
/** An opened node comes to rest. */
const REST_MS = 1000;
const CHECKED_PROOFS = 20;

const rebuild: Row = {
	id: 'scale-rebuild',
	title: 'peak of resident memory while the view of a 1-TiB file is rebuilt',
	async measure(context) {
		const { rebuild: whole, logBytes, viewBytes, madeSeconds, file } = await largeFileStore(context);
		const sixteenth = await sixteenthRebuild(context);
		const ours = whole.peak.resident / MIB;
		return {
			unit: 'MiB',
			ours,
			reference: sixteenth.peak.resident / MIB,
			referenceName: 'a sixteenth of the file',
			goal: atMost(REBUILD_GOAL_MIB, ours, 'MiB'),
			rounds: [],
			details: {
				'size of the file, TiB': tebibytes(file),
				'time, s': whole.seconds,
				'time for a sixteenth, s': sixteenth.seconds,
				'records replayed': whole.records,
				'peak of anonymous memory, MiB': whole.peak.anonymous / MIB,
				'log on disk, headers without payloads, GiB': logBytes / GIB,
				'view on disk, GiB': viewBytes / GIB,
				'view, bytes for each segment': viewBytes / file.segments,
				'time to write the headers, s': madeSeconds,
			},
		};
	},
};

const open: Row = {
	id: 'scale-open',
	title: 'start of a node with a 1-TiB file until it listens',
	async measure(context) {
		const { dataDir } = await largeFileStore(context);
		const { cold, ...times } = await openingTimes(context, dataDir);
		return {
			unit: 's',
			...times,
			goal: atMost(OPEN_GOAL_SECONDS, times.ours, 's'),
			details: { 'with its files out of the page cache, s': cold },
		};
	},
};

const memory: Row = {
	id: 'scale-memory',
	title: 'anonymous memory of a node with a 1-TiB file, more than an empty one has',
	async measure(context) {
		const { dataDir, file } = await largeFileStore(context);
		const { added, rounds, afterwards } = await addedMemory(context, dataDir, (server) =>
			proofs(server, file, context.sizes.scaleProofs),
		);
		return {
			unit: 'MiB',
			ours: added,
			goal: atMost(MEMORY_GOAL_MIB, added, 'MiB'),
			rounds,
			details: { 'more after random proofs (the cache of the view has filled), MiB': afterwards },
		};
	},
};

const proof: Row = {
	id: 'scale-proof',
	title: 'a random segment of a 1-TiB file with its proof, over HTTP, p99',
	async measure(context) {
		const { dataDir, file } = await largeFileStore(context);
		await dropCaches(dataDir);
		const server = await startPerigee({ dataDir });
		try {
			const cold = await proofs(server, file, context.sizes.scaleProofs, 1);
			const warm = await proofs(server, file, context.sizes.scaleProofs, 1);
			const ours = quantile(warm, 0.99);
			return {
				unit: 'ms',
				ours,
				goal: atMost(PROOF_GOAL_MS, ours, 'ms'),
				rounds: [],
				details: {
					'p50, ms': quantile(warm, 0.5),
					'slowest, ms': quantile(warm, 1),
					'first time, files out of the page cache, p50, ms': quantile(cold, 0.5),
					'first time, files out of the page cache, p99, ms': quantile(cold, 0.99),
				},
			};
		} finally {
			await server.stop();
		}
	},
};

const smallView: Row = {
	id: 'scale-small-view',
	title: 'view on disk for each of a million 300-byte files',
	async measure(context) {
		const { files, rows, viewBytes, logBytes, madeSeconds } = await smallFilesStore(context);
		const ours = viewBytes / files;
		return {
			unit: 'bytes',
			ours,
			goal: atMost(VIEW_GOAL_BYTES, ours, 'bytes'),
			rounds: [],
			details: {
				files,
				'rows of the view for each file': rows / files,
				'log for each file, bytes': logBytes / files,
				'files/s, 64 uploads at once in one process': files / madeSeconds,
			},
		};
	},
};

const smallOpen: Row = {
	id: 'scale-small-open',
	title: 'start of a node with a million 300-byte files until it listens',
	async measure(context) {
		const { dataDir, files } = await smallFilesStore(context);
		const { cold, ...times } = await openingTimes(context, dataDir);
		const { added } = await addedMemory(context, dataDir);
		return {
			unit: 's',
			...times,
			goal: atMost(OPEN_SMALL_GOAL_SECONDS, times.ours, 's'),
			details: {
				files,
				'with its files out of the page cache, s': cold,
				'anonymous memory, more than an empty node has, MiB': added,
				'the same for each file, bytes': (added * MIB) / files,
			},
		};
	},
};

const smallLog: Row = {
	id: 'scale-small-log',
	title: 'log for each 300-byte file, uploaded over 64 connections',
	async measure(context) {
		const { scaleLoggedFiles: count } = context.sizes;
		const ours = await loggedBytes(context, CONNECTIONS, count);
		const reference = await loggedBytes(context, 1, Math.ceil(count / CONNECTIONS));
		return {
			unit: 'bytes',
			ours,
			reference,
			referenceName: 'one connection',
			goal: atMost(LOG_GOAL_BYTES, ours, 'bytes'),
			rounds: [],
		};
	},
};

export const scaleRows: readonly Row[] = [rebuild, open, memory, proof, smallView, smallOpen, smallLog];

/** Starts a node on the directory and one on an empty directory in turn; seconds until they listen. */
async function openingTimes(context: BenchContext, dataDir: string) {
	const empty = await mkdtemp(join(context.workDir, 'empty-'));
	const secondsOf = (directory: string) => async (): Promise<number> => {
		const startMs = performance.now();
		const server = await startPerigee({ dataDir: directory });
		const seconds = (performance.now() - startMs) / 1000;
		await server.stop();
		return seconds;
	};
	const rounds = await interleave(context.rounds, secondsOf(dataDir), secondsOf(empty));
	await dropCaches(dataDir);
	const cold = await secondsOf(dataDir)();
	await rm(empty, { recursive: true });
	return { ...summarize(rounds), referenceName: 'an empty node', rounds, cold };
}

/** Anonymous memory at rest after a start, compared with that of a node on an empty directory; then after some work. */
async function addedMemory(context: BenchContext, dataDir: string, work?: (server: ServerProcess) => Promise<unknown>) {
	const empty = await mkdtemp(join(context.workDir, 'empty-'));
	const atRest = (directory: string, then?: typeof work) => async (): Promise<number> => {
		const server = await startPerigee({ dataDir: directory });
		await delay(REST_MS);
		await then?.(server);
		const bytes = memoryOf(server.pid).anonymous;
		await server.stop();
		return bytes / MIB;
	};
	const rounds: Round[] = await interleave(Math.min(3, context.rounds), atRest(dataDir), atRest(empty));
	const added = median(rounds.map(({ ours, reference }) => ours - reference));
	const afterwards = work ? (await atRest(dataDir, work)()) - median(rounds.map(({ reference }) => reference)) : added;
	await rm(empty, { recursive: true });
	return { added, rounds, afterwards };
}

/** Asks for random segments with their proofs, one after another; milliseconds of each, sorted. The first ones are verified. */
async function proofs(
	server: ServerProcess,
	file: { readonly root: string; readonly segments: number; readonly sizeBytes: number },
	count: number,
	seed = 2,
): Promise<Float64Array> {
	const random = makeRandom(seed);
	const connection = await HttpConnection.open(server.port);
	const times = new Float64Array(count);
	for (let index = 0; index < count; index++) {
		const segment = Math.floor((random() / 2 ** 32) * file.segments);
		const request = Buffer.from(
			`GET /v1/files/${file.root}/segments/${segment}?proof=1 HTTP/1.1\r\nHost: bench\r\n\r\n`,
		);
		const startMs = performance.now();
		const answered = connection.answer({ keepBody: index < CHECKED_PROOFS });
		connection.write(request);
		const answer = await answered;
		times[index] = performance.now() - startMs;
		expectStatus(answer, 200);
		if (index < CHECKED_PROOFS) assertProof(file, segment, answer.body);
	}
	connection.close();
	return times.sort();
}

function assertProof(file: { readonly root: string; readonly sizeBytes: number }, segment: number, body: Buffer): void {
	const { proof: given } = JSON.parse(body.toString()) as {
		readonly proof: { readonly lemma: readonly string[]; readonly path: readonly boolean[] };
	};
	const lemma = given.lemma.map((hash) => bytesOfHex(hash));
	const reason = verifyFileProof(
		bytesOfHex(file.root),
		BigInt(file.sizeBytes),
		BigInt(segment),
		lemma[0] ?? new Uint8Array(0),
		Buffer.concat(lemma),
		Uint8Array.from(given.path, Number),
		true,
	);
	if (reason !== null) throw new Error(`the proof of segment ${segment} does not hold: ${reason}`);
}

function quantile(sorted: Float64Array, share: number): number {
	return sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
}

/** Bytes of log that each file costs a fresh node. Looked at while it is stopped: a stop cuts off the zeros that were written ahead. */
async function loggedBytes(context: BenchContext, connections: number, count: number): Promise<number> {
	const dataDir = await mkdtemp(join(context.workDir, 'logged-'));
	try {
		const log = join(dataDir, 'log');
		await (await startPerigee({ dataDir })).stop();
		const before = await fileBytes(log);
		await putSmallFiles(dataDir, connections, count);
		return ((await fileBytes(log)) - before) / count;
	} finally {
		await rm(dataDir, { recursive: true, force: true });
	}
}

async function putSmallFiles(dataDir: string, connections: number, count: number): Promise<void> {
	const server = await startPerigee({ dataDir });
	const client = await startLoadClient();
	try {
		const { port } = server;
		await client.run({ kind: 'small-puts', port, connections, count, sizeBytes: SMALL_FILE_BYTES, seed: connections });
	} finally {
		await client.stop();
		await server.stop();
	}
}
