import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { FilePiece, StoredFile } from '../../../src/log-layer/types.js';
import { LIMITS } from '../../../src/limits.js';
import { SEGMENT_BYTES, type TxSeq } from '../../../src/units.js';
import { damageContent } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const MIB = 1024 * 1024;
const SIZES = [1, 255, 4096, 4097, 65_537, SEGMENT_BYTES, SEGMENT_BYTES + 1, MIB, MIB + 1, 3 * MIB - 1, 9_000_001];

describe('reading', () => {
	let store: TestStore;
	const files: { file: StoredFile; content: Uint8Array }[] = [];

	before(async () => {
		store = await stores.open();
		const prng = new Prng(1);
		// Two at a time, so that their segments lie between each other.
		for (let at = 0; at < SIZES.length; at += 2) {
			const contents = SIZES.slice(at, at + 2).map((size) => prng.bytes(size));
			const results = await Promise.all(contents.map((content) => put(store, content, {}, 50_000)));
			for (const [index, { txSeq }] of results.entries()) {
				const file = await store.files.fileBySeq(txSeq);
				assert.ok(file);
				files.push({ file, content: contents[index] as Uint8Array });
			}
		}
	});

	it('any range gives the bytes of the source, in pieces of at most 1 MiB', async () => {
		const prng = new Prng(2);
		for (const { file, content } of files) {
			for (let round = 0; round < 12; round++) {
				const from = prng.below(content.length);
				const to = from + 1 + prng.below(content.length - from);
				const pieces: Buffer[] = [];
				for await (const piece of store.files.read(file, from, to)) {
					assert.ok(piece.bytes.length <= MIB);
					pieces.push(Buffer.from(piece.bytes));
					piece.release();
				}
				assert.ok(Buffer.concat(pieces).equals(content.subarray(from, to)), `[${from}, ${to}) of ${content.length}`);
			}
		}
	});

	it('any range of at most a segment gives the bytes of the source at once', async () => {
		const prng = new Prng(3);
		for (const { file, content } of files) {
			for (let round = 0; round < 20; round++) {
				const from = prng.below(content.length);
				const to = from + 1 + prng.below(Math.min(SEGMENT_BYTES, content.length - from));
				const bytes = await store.files.readSmall(file, from, to);
				assert.ok(Buffer.from(bytes).equals(content.subarray(from, to)), `[${from}, ${to}) of ${content.length}`);
			}
		}
	});

	it('ranges at the ends of blocks, segments and pieces give the bytes of the source', async () => {
		const { file, content } = files.at(-1) as { file: StoredFile; content: Uint8Array };
		const ends = [
			0,
			1,
			4095,
			4096,
			SEGMENT_BYTES - 1,
			SEGMENT_BYTES,
			MIB - 1,
			MIB,
			MIB + 4096,
			8 * MIB,
			content.length,
		];
		for (const from of ends) {
			for (const to of ends) {
				if (from > to) continue;
				const bytes = await readBack(store, file, from, to);
				assert.ok(bytes.equals(content.subarray(from, to)), `[${from}, ${to})`);
			}
		}
	});

	it('a reader that leaves early gives its buffers back', async () => {
		const { file } = files.at(-1) as { file: StoredFile };
		for (let round = 0; round < 2 * LIMITS.readBuffers; round++) {
			for await (const piece of store.files.read(file, 0, file.sizeBytes)) {
				piece.release();
				break;
			}
		}
		const all = await holdAll(store, file);
		assert.equal(all.length, LIMITS.readBuffers);
		for (const piece of all) piece.release();
	});

	it('readers beyond the buffers wait, and get on as soon as one is given back', async () => {
		const { file, content } = files.at(-1) as { file: StoredFile; content: Uint8Array };
		const held = await holdAll(store, file);
		let isDone = false;
		const waiting = readBack(store, file).finally(() => {
			isDone = true;
		});
		// Reads that need no buffer of the pool go on meanwhile.
		const small = await store.files.readSmall(file, 0, SEGMENT_BYTES);
		assert.ok(Buffer.from(small).equals(content.subarray(0, SEGMENT_BYTES)));
		assert.equal(isDone, false);
		held[0]?.release();
		assert.ok((await waiting).equals(content));
		for (const piece of held) piece.release();
	});

	it('many slow readers at once all get their bytes', async () => {
		const { file, content } = files.at(-1) as { file: StoredFile; content: Uint8Array };
		const read = async (): Promise<void> => {
			let at = 0;
			for await (const piece of store.files.read(file, 0, file.sizeBytes)) {
				await store.files.fileBySeq(0 as TxSeq);
				assert.ok(Buffer.from(piece.bytes).equals(content.subarray(at, at + piece.bytes.length)));
				at += piece.bytes.length;
				piece.release();
				piece.release();
			}
			assert.equal(at, content.length);
		};
		await Promise.all(Array.from({ length: 3 * LIMITS.readBuffers }, read));
		const all = await holdAll(store, file);
		assert.equal(all.length, LIMITS.readBuffers, 'a piece that is released twice counts once');
		for (const piece of all) piece.release();
	});

	it('a flipped bit is found wherever in a piece it lies, and nothing of its segment is served', async () => {
		const damaged = await stores.open();
		const content = new Prng(9).bytes(3 * MIB);
		const { txSeq } = await put(damaged, content);
		for (const at of [0, SEGMENT_BYTES - 64, MIB + 4096, 2 * MIB + 77_777]) {
			await damageContent(damaged.dataDir, 'bulk', content, at);
			const file = await damaged.files.fileBySeq(txSeq);
			assert.ok(file);
			const from = Math.floor(at / SEGMENT_BYTES) * SEGMENT_BYTES;
			await assert.rejects(damaged.files.readSmall(file, at, at + 1), { code: 'DATA_DAMAGED' });
			const pieces = damaged.files.read(file, from, from + MIB);
			await assert.rejects(pieces[Symbol.asyncIterator]().next(), { code: 'DATA_DAMAGED' });
		}
		// Two of them lie in one segment.
		assert.equal(damaged.damage.count, 3);
	});
});

/** As many pieces as there are buffers, each by a reader of one piece. */
async function holdAll(store: TestStore, file: StoredFile): Promise<FilePiece[]> {
	return Promise.all(
		Array.from({ length: LIMITS.readBuffers }, async () => {
			const reader = store.files.read(file, 0, 4096)[Symbol.asyncIterator]();
			const next = await reader.next();
			assert.ok(!next.done);
			return next.value;
		}),
	);
}
