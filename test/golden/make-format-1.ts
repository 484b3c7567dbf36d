/**
 * Writes the golden data directory of format 1: `node scripts/run.cjs test/golden/make-format-1.js <new directory>`. It follows from its seed alone,
 * so the same version writes the same bytes again. A released directory is never written anew: a later format gets a generator and a directory of
 * its own beside it.
 *
 * It holds what a store meets in its life: small files and large ones, the same content twice, an upload that was broken off, a journal group whose
 * bodies are payloads with second copies, rolled files with close marks, a crash with what recovery states about it, idle time, a clean close; files
 * that were deleted, before and after compaction, one that lost a segment, records that compaction has moved and files that it has retired, and a
 * second volume.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Store } from '../../src/log-layer/store.js';
import type { ResumableUpload } from '../../src/log-layer/types.js';
import { type DataRoot, SEGMENT_BYTES, type TxSeq } from '../../src/units.js';
import { type Content, makeContent, Oracle } from '../crash/oracle.js';
import { DATA_DIR, SimulatedMachine } from '../crash/simulated-machine.js';
import { inTurns } from '../crash/turns.js';
import { upload } from '../crash/workload.js';
import { Prng } from '../support/prng.js';

const SEED = 20_261_122;
const CROWD = 48;
const YEAR_MS = 365 * 86_400_000;

/** What a golden directory holds, as its own version answered. */
export interface GoldenExpectation {
	readonly files: readonly {
		readonly txSeq: number;
		readonly root: string;
		readonly sizeBytes: number;
		readonly name: string;
		readonly sha256: string;
		readonly deleted: boolean;
		/** Fewer than the file has: some were dropped. */
		readonly heldSegments: number;
	}[];
	/** Uploads that are not whole. */
	readonly resumables: readonly { readonly id: string; readonly offsetBytes: number; readonly sizeBytes: number }[];
	readonly flow: { readonly submissions: number; readonly lengthSectors: string; readonly root: string };
	readonly stateHash: string;
}

class Author {
	readonly #prng = new Prng(SEED);
	readonly #oracle = new Oracle();
	readonly #machine = new SimulatedMachine({ seed: SEED, rollBytes: 80_000, furtherVolumes: 1 });
	/** Contents that are deleted, or lose their first segment, in a later life. */
	readonly #doomed: Content[] = [];
	#pruned: Content | undefined;
	readonly #resumables: GoldenExpectation['resumables'][number][] = [];

	async write(directory: string): Promise<void> {
		// They are read for as long as the format is.
		this.#machine.resumableExpiryMs = 1000 * YEAR_MS;
		await this.#machine.prepare();
		await this.#firstLife();
		await this.#secondLife();
		await this.#crash();
		const expected = await this.#lastLife();
		for (const path of this.#machine.io.files()) {
			if (path.startsWith(`${DATA_DIR}/view/`)) continue;
			const target = join(directory, path);
			mkdirSync(dirname(target), { recursive: true });
			writeFileSync(target, this.#machine.io.contents(path), { flag: 'wx' });
		}
		writeFileSync(join(directory, 'expected.json'), `${JSON.stringify(expected, undefined, '\t')}\n`, { flag: 'wx' });
	}

	async #firstLife(): Promise<void> {
		const { store } = await this.#run(this.#machine.start());
		const put = (content: Content): Promise<void> => upload(this.#machine, store, this.#oracle, this.#prng, content);
		const sized = (sizeBytes: number): Content => makeContent(this.#prng, sizeBytes);
		const twice = sized(4097);
		const uploads = async (): Promise<void> => {
			for (const sizeBytes of [1, 256, 4096, 30_000]) await put(sized(sizeBytes));
			await put(twice);
			await put(sized(SEGMENT_BYTES + 700));
			await put(twice);
			this.#pruned = sized(SEGMENT_BYTES + 1);
			await put(this.#pruned);
			for (const sizeBytes of [2000, SEGMENT_BYTES + 2, 3000, SEGMENT_BYTES + 3]) {
				const content = sized(sizeBytes);
				await put(content);
				this.#doomed.push(content);
			}
			const broken = store.files.beginUpload({ name: 'broken off', contentType: '' });
			await broken.write(sized(5000).bytes);
			await broken.abort();
			await this.#begin(store);
			await Promise.all(Array.from({ length: CROWD }, (_, index) => put(sized(100 + index))));
			await store.checkpoint();
		};
		await this.#run(uploads());
		// Idle time is written down by itself.
		this.#machine.clock.advance(31 * 60_000);
		await this.#run(put(sized(50_000)));
	}

	/** Files go, and compaction gives their space back. */
	async #secondLife(): Promise<void> {
		const { store } = await this.#run(this.#machine.start());
		const { files, compaction } = store;
		const work = async (): Promise<void> => {
			await files.dropSegments(this.#pruned?.root as DataRoot, 0, 1);
			for (const { root } of this.#doomed.splice(0, 2)) await files.deleteFile(root);
			await store.settle();
			await compaction.start({ everything: true });
			await compaction.settled();
		};
		await this.#run(work());
		await this.#run(store.close());
		this.#machine.kill();
	}

	/** Two uploads in several requests: of one a segment and some bytes have come, the other is whole. */
	async #begin(store: Store): Promise<void> {
		const { resumables } = store.files;
		const send = async (content: Content, to: number): Promise<ResumableUpload> => {
			const sizeBytes = content.bytes.length;
			const { id } = await resumables.create({ name: 'in parts', contentType: '', metadata: '', sizeBytes });
			const session = await resumables.resume(id, { offsetBytes: 0 });
			await session.write(content.bytes.subarray(0, to));
			return session.pause();
		};
		const half = makeContent(this.#prng, 2 * SEGMENT_BYTES);
		const { id, offsetBytes } = await send(half, SEGMENT_BYTES + 5000);
		this.#resumables.push({ id, offsetBytes, sizeBytes: half.bytes.length });
		const whole = makeContent(this.#prng, 7000);
		this.#oracle.begun(whole, 'in parts');
		await send(whole, 7000);
	}

	/** An upload is on its way when the power fails. */
	async #crash(): Promise<void> {
		const { store } = await this.#run(this.#machine.start());
		this.#machine.faults = (call) =>
			call.kind === 'fdatasync' && call.path.includes('/small-') ? { type: 'crash' } : undefined;
		const cut = upload(this.#machine, store, this.#oracle, this.#prng, makeContent(this.#prng, 9000));
		await inTurns(cut, 'an upload', () => this.#machine.io.crashed);
		this.#machine.powerCut();
	}

	async #lastLife(): Promise<GoldenExpectation> {
		const { store } = await this.#run(this.#machine.start());
		await this.#run(upload(this.#machine, store, this.#oracle, this.#prng, makeContent(this.#prng, 777)));
		for (const { root } of this.#doomed.splice(0)) await this.#run(store.files.deleteFile(root));
		const pruned = makeContent(this.#prng, SEGMENT_BYTES + 4);
		await this.#run(upload(this.#machine, store, this.#oracle, this.#prng, pruned));
		await this.#run(store.files.dropSegments(pruned.root, 1, 1));
		await this.#run(this.#begin(store));
		const { submissions, lengthSectors, root } = store.files.flow();
		const files: GoldenExpectation['files'][number][] = [];
		for (let txSeq = 0; txSeq < submissions; txSeq++) {
			const file = await this.#run(store.files.fileBySeq(txSeq as TxSeq));
			const content = file && this.#oracle.contentOf(file.root, file.sizeBytes);
			if (!content) throw new Error(`submission ${txSeq} is unknown`);
			const sha256 = createHash('sha256').update(content.bytes).digest('hex');
			const { root: fileRoot, sizeBytes, name, deleted, heldSegments } = file;
			files.push({ txSeq, root: fileRoot, sizeBytes, name, sha256, deleted, heldSegments });
		}
		await this.#run(store.close());
		return {
			files,
			resumables: this.#resumables,
			flow: { submissions, lengthSectors: String(lengthSectors), root: Buffer.from(root).toString('hex') },
			stateHash: Buffer.from(store.settlement.flow().stateHash).toString('hex'),
		};
	}

	async #run<T>(work: Promise<T>): Promise<T> {
		const done = await inTurns(work, 'writing the golden directory', () => false);
		if (!done) throw new Error('the machine stopped');
		return done.value;
	}
}

const [directory] = process.argv.slice(2);
if (directory === undefined)
	throw new Error('usage: node scripts/run.cjs test/golden/make-format-1.js <new directory>');
await new Author().write(directory);
