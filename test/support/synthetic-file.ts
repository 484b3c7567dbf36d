/**
 * A data directory with one file of any size, made in little time and room: 1 TiB takes the bytes of its group headers. The store's own
 * writers write it, and only the disk below them leaves a hole where the zeros of a payload would go. Content and checksums are true, so that
 * every byte can be read and proved. There is no view yet: the first open builds it from the headers.
 */
import { AppendLog } from '../../src/append-log/append-log.js';
import type { LogObserver } from '../../src/append-log/types.js';
import { systemClock } from '../../src/io/clock.js';
import { createNodeIo } from '../../src/io/node-io.js';
import { systemRandomness } from '../../src/io/randomness.js';
import type { StorageFile, StorageIo } from '../../src/io/storage-io.js';
import { objectClosed, objectOpened, segmentRecord } from '../../src/log-layer/records.js';
import { openIdentity } from '../../src/log-layer/store-identity.js';
import { logChecksums } from '../../src/log-layer/log-checksums.js';
import { LogFiles } from '../../src/append-log/log-files.js';
import { logDirectory } from '../../src/log-layer/volumes.js';
import * as addon from '../../src/native/addon.js';
import { EmbeddedSettlement } from '../../src/settlement/embedded/embedded-settlement.js';
import { createGenesis } from '../../src/settlement/embedded/genesis.js';
import { Journal } from '../../src/settlement/journal.js';
import {
	BLOCK_BYTES,
	type DataRoot,
	HASH_BYTES,
	type Lsn,
	rootFromBytes,
	SEGMENT_BYTES,
	type TxSeq,
} from '../../src/units.js';

export interface SyntheticFile {
	readonly root: DataRoot;
	readonly txSeq: TxSeq;
	readonly segments: number;
	readonly sizeBytes: number;
}

/** Every so many segments one begins with its number, so that a segment in the wrong place is noticed. Prime, so that it drifts over groups. */
const STAMP_EVERY = 1021;
/** As uploads write them. */
const SEGMENTS_AT_ONCE = 16;
const ROLL_BYTES = 2 ** 30;
const ZEROS = Buffer.alloc(SEGMENT_BYTES);
const ZERO_CRCS = logChecksums.blockCrcs(ZEROS);
const ZERO_ROOT = addon.fileRoot(ZEROS).root;

/** The bytes of a segment. */
export function syntheticSegment(segment: number): Buffer {
	if (segment % STAMP_EVERY !== 0) return ZEROS;
	const bytes = Buffer.alloc(SEGMENT_BYTES);
	bytes.writeBigUInt64LE(BigInt(segment) + 1n);
	return bytes;
}

/** Writes the log of a new data directory that holds one file of so many whole segments. */
export async function makeSyntheticFile(dataDir: string, segments: number): Promise<SyntheticFile> {
	const io = sparseIo(createNodeIo());
	const volume = { number: 0, directory: logDirectory(dataDir) };
	await io.makeDir(volume.directory);
	const { storeId } = await openIdentity(io, systemClock, systemRandomness, logChecksums, dataDir);
	const journal: Journal = new Journal({
		write: (records) => log.write('journal', records),
		sink: () => Promise.resolve(),
	});
	const choices = { chainId: 1n, blocksPerEpoch: 10, blockIntervalMs: 10_000, pricePerSector: 0n };
	const settlement = new EmbeddedSettlement({
		journal,
		clock: systemClock,
		hashing: addon,
		genesis: createGenesis(choices, systemClock, systemRandomness),
	});
	const log = await AppendLog.open({
		io,
		clock: systemClock,
		randomness: systemRandomness,
		checksums: logChecksums,
		observer: SILENT,
		files: await LogFiles.open(io, [volume], 8),
		placement: {
			candidates: () => [volume],
			began: () => undefined,
			shouldLeave: () => false,
			refused: () => undefined,
		},
		storeId,
		from: {},
		nextLsn: 1n as Lsn,
		consumer: (lane, records, end) => (lane === 'journal' ? journal.consume(lane, records, end) : Promise.resolve()),
		begun: () => Promise.resolve(),
		journalHead: () => journal.headRecords(),
		rollBytes: ROLL_BYTES,
	});
	await settlement.start();
	const tree = await writeObject(log, segments);
	const sizeBytes = segments * SEGMENT_BYTES;
	const submission = { lengthBytes: BigInt(sizeBytes), tags: new Uint8Array(0), nodes: tree.nodes };
	const { txSeq } = await settlement.submit(
		{ ...submission, submitter: new Uint8Array(20).fill(1) },
		{ name: 'synthetic', contentType: '' },
	);
	await settlement.close();
	await log.close();
	return { root: rootFromBytes(tree.root), txSeq, segments, sizeBytes };
}

async function writeObject(log: AppendLog, segments: number): Promise<addon.FileRoot> {
	const [opened] = await log.write('bulk', [objectOpened()], false).written;
	if (!opened) throw new Error('the log answered no record');
	const objectId = opened.lsn;
	const tree = new addon.FileTree();
	/** One group is encoded while the one before it is written. */
	let before: Promise<unknown> = Promise.resolve();
	for (let first = 0; first < segments; first += SEGMENTS_AT_ONCE) {
		const count = Math.min(SEGMENTS_AT_ONCE, segments - first);
		const roots = Buffer.alloc(count * HASH_BYTES);
		const records = Array.from({ length: count }, (_, index) => {
			const bytes = syntheticSegment(first + index);
			const root = bytes === ZEROS ? ZERO_ROOT : addon.fileRoot(bytes).root;
			roots.set(root, index * HASH_BYTES);
			const blockCrcs = bytes === ZEROS ? ZERO_CRCS : logChecksums.blockCrcs(bytes);
			return segmentRecord({ objectId, segment: first + index, root }, bytes, blockCrcs);
		});
		tree.push(roots);
		const { written } = log.write('bulk', records, false);
		await before;
		before = written;
	}
	await before;
	const sizeBytes = BigInt(segments) * BigInt(SEGMENT_BYTES);
	const file = tree.finish(sizeBytes, syntheticSegment(segments - 1));
	await log.write('bulk', [objectClosed({ objectId, sizeBytes, root: file.root })]).applied;
	return file;
}

const SILENT: LogObserver = {
	committed: () => undefined,
	unsynced: () => undefined,
	shortWrite: () => undefined,
	failed: () => undefined,
	damaged: () => undefined,
	inDoubt: () => undefined,
	spareCopy: () => undefined,
};

/** Holes for zeros, and no syncs: nobody relies on this directory after a crash. */
function sparseIo(io: StorageIo): StorageIo {
	return {
		...io,
		open: async (path, mode) => sparseFile(await io.open(path, mode)),
		syncDir: () => Promise.resolve(),
	};
}

function sparseFile(file: StorageFile): StorageFile {
	return {
		path: file.path,
		read: (buffer, position) => file.read(buffer, position),
		size: () => file.size(),
		close: () => file.close(),
		fdatasync: () => Promise.resolve(),
		async writev(buffers, position) {
			let at = position;
			let run: Uint8Array[] = [];
			let runAt = at;
			for (const buffer of buffers) {
				if (buffer.length === SEGMENT_BYTES) {
					if (buffer !== ZEROS) run.push(buffer.subarray(0, BLOCK_BYTES));
					await file.writev(run, runAt);
					run = [];
					runAt = at + buffer.length;
				} else run.push(buffer);
				at += buffer.length;
			}
			await file.writev(run, runAt);
			return at - position;
		},
	};
}
