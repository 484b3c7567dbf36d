/** Two nodes, one half of the flow each (spec log-layer §2.5, §7): what one owns it holds and proves, what it does not own it never answers. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseShard } from '../../../src/config/shard-position.js';
import { PerigeeError } from '../../../src/errors.js';
import { SegmentRefusedError, type ProvedSegment } from '../../../src/log-layer/proved-segment.js';
import type { StoredFile } from '../../../src/log-layer/types.js';
import { proofRefusal } from '../../../src/native/segment-proof.js';
import { hexOf, SEGMENT_BYTES, SEGMENT_SECTORS, type DataRoot, type SectorIndex } from '../../../src/units.js';
import { startChain, type TestChain } from '../../support/chain.js';
import { caughtUp, openChainStore, type ChainStore } from '../../support/chain-store.js';
import { damageContent } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { provedSegmentsOf } from '../../support/segments.js';
import { dumpView, put, readBack, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(77);
const SUBMITTED = { isSubmitted: true, skipRepeated: true };
const UNSUBMITTED = { isSubmitted: false, skipRepeated: true };
const SIZES = [300, SEGMENT_BYTES, SEGMENT_BYTES + 1, 787_209, 5_242_893, 40 * SEGMENT_BYTES + 5];

/** A store of a shard, closed and opened again as often as a test wants. */
class Member {
	readonly #chain: TestChain;
	readonly #dataDir: string;
	readonly #position: string;
	store!: ChainStore;

	constructor(chain: TestChain, dataDir: string, position: string) {
		this.#chain = chain;
		this.#dataDir = dataDir;
		this.#position = position;
	}

	get dataDir(): string {
		return this.#dataDir;
	}

	async open(options: Parameters<typeof openChainStore>[2] = {}): Promise<void> {
		const shard = parseShard(this.#position);
		this.store = await openChainStore(stores, this.#chain, { shard, ...options }, this.#dataDir);
	}

	async reopen(options: Parameters<typeof openChainStore>[2] = {}): Promise<void> {
		await this.store.close();
		await this.open(options);
	}

	async file(root: DataRoot): Promise<StoredFile> {
		await caughtUp(this.store, this.#chain);
		const file = await this.store.files.fileByRoot(root);
		assert.ok(file);
		return file;
	}

	/** Numbers of the segments that are its own. */
	own({ startSector, segments }: StoredFile): readonly number[] {
		const { id, count } = this.store.files.shard;
		const first = Number(startSector) / SEGMENT_SECTORS;
		return Array.from({ length: segments }, (_, at) => at).filter((at) => (Math.floor(first) + at) % count === id);
	}

	async upload(segments: readonly ProvedSegment[], options = SUBMITTED): Promise<void> {
		for (let at = 0; at < segments.length; at += 7)
			await this.store.files.segmentUploads.put(segments.slice(at, at + 7), options);
	}

	/** Its own segments are answered with their bytes and a right proof, others not at all. */
	async assertHoldsOwn(root: DataRoot, content: Uint8Array): Promise<void> {
		const file = await this.file(root);
		const own = this.own(file);
		assert.deepEqual([file.isShardHeld, file.heldSegments], [true, own.length], `of ${content.length} bytes`);
		assert.equal(file.finalized, own.length === file.segments);
		for (let at = 0; at < file.segments; at++) {
			const proved = this.store.files.segmentProof(file, at);
			if (!own.includes(at)) {
				await assert.rejects(proved, isNotHeld);
				continue;
			}
			const { data, proof } = await proved;
			const expected = content.subarray(at * SEGMENT_BYTES, (at + 1) * SEGMENT_BYTES);
			assert.ok(Buffer.from(data.subarray(0, expected.length)).equals(expected));
			assert.equal(proofRefusal({ root, sizeBytes: content.length }, at, data, proof, true), null);
		}
		if (own.length === file.segments) return;
		await assert.rejects(readBack(this.store, file), isNotHeld);
		await assert.rejects(this.store.files.subtreeRoots(file, [{ first: 0, count: 1 }]), isNotHeld);
	}
}

function isNotHeld(error: unknown): boolean {
	return error instanceof PerigeeError && error.code === 'NOT_HELD';
}

function rootOf([first]: readonly ProvedSegment[]): DataRoot {
	assert.ok(first);
	return first.root;
}

describe('two shards', () => {
	let chain: TestChain;
	let pair: readonly Member[];
	before(async () => {
		chain = await startChain();
		pair = await Promise.all(
			['0/2', '1/2'].map(async (position) => new Member(chain, await stores.newDirectory(), position)),
		);
		for (const member of pair) await member.open();
	});
	after(async () => {
		for (const member of pair) await member.store.close();
		await chain.stop();
	});

	const held: { readonly root: DataRoot; readonly content: Uint8Array }[] = [];

	for (const size of SIZES) {
		it(`${size} bytes: every segment is sent to both, each keeps its own; together they hold all`, async () => {
			const content = prng.bytes(size);
			const segments = provedSegmentsOf(content);
			const root = rootOf(segments);
			await chain.submit([content]);
			const owners = new Array<number>(segments.length).fill(0);
			for (const member of pair) {
				const file = await member.file(root);
				const own = member.own(file);
				assert.equal(file.isShardHeld, own.length === 0);
				await member.upload(segments.toReversed());
				await member.assertHoldsOwn(root, content);
				for (const at of own) owners[at] = (owners[at] ?? 0) + 1;
			}
			assert.ok(owners.every((count) => count === 1));
			held.push({ root, content });
		});

		it(`${size} bytes: only its own segments come to each`, async () => {
			const content = prng.bytes(size);
			const segments = provedSegmentsOf(content);
			const root = rootOf(segments);
			await chain.submit([content]);
			for (const member of pair) {
				const own = member.own(await member.file(root));
				await member.upload(segments.filter(({ index }) => own.includes(index)));
				await member.assertHoldsOwn(root, content);
			}
			held.push({ root, content });
		});

		it(`${size} bytes: all segments come before the submission`, async () => {
			const content = prng.bytes(size);
			const segments = provedSegmentsOf(content);
			const root = rootOf(segments);
			for (const member of pair) await member.upload(segments, UNSUBMITTED);
			await chain.submit([content]);
			for (const member of pair) {
				await member.file(root);
				await member.store.settle();
				await member.assertHoldsOwn(root, content);
			}
			held.push({ root, content });
		});
	}

	it('a part comes before the submission, with foreign segments, which then count no more', async () => {
		const content = prng.bytes(9 * SEGMENT_BYTES + 1);
		const segments = provedSegmentsOf(content);
		const root = rootOf(segments);
		for (const member of pair) await member.upload(segments.slice(0, 5), UNSUBMITTED);
		await chain.submit([content]);
		for (const member of pair) {
			const file = await member.file(root);
			const own = member.own(file);
			const { segmentUploads } = member.store.files;
			const next = own.find((at) => at >= 5);
			assert.equal(await segmentUploads.progress(root, content.length), next);
			for (const at of [0, 1]) {
				const read = await segmentUploads.read(root, content.length, at * SEGMENT_BYTES, at * SEGMENT_BYTES + 256);
				assert.equal(read !== undefined, own.includes(at));
			}
			await member.upload(segments.slice(5));
			await member.assertHoldsOwn(root, content);
		}
		held.push({ root, content });
	});

	it('a foreign segment with a wrong proof or wrong bytes is refused', async () => {
		const content = prng.bytes(4 * SEGMENT_BYTES);
		const segments = provedSegmentsOf(content);
		await chain.submit([content]);
		for (const member of pair) {
			const own = member.own(await member.file(rootOf(segments)));
			for (const segment of segments) {
				const wrong = { ...segment, copyTo: (into: Uint8Array) => into.fill(1) };
				await assert.rejects(
					member.store.files.segmentUploads.put([wrong], SUBMITTED),
					(error) => error instanceof SegmentRefusedError && error.refusal === 'leaf',
				);
			}
			assert.equal(own.length, 2);
			assert.equal((await member.file(rootOf(segments))).heldSegments, 0);
		}
	});

	it('a file that was uploaded here over REST stays whole', async () => {
		const content = prng.bytes(6 * SEGMENT_BYTES + 9);
		const root = rootOf(provedSegmentsOf(content));
		await chain.submit([content]);
		const [member] = pair;
		assert.ok(member);
		await member.file(root);
		await put(member.store, content);
		const file = await member.file(root);
		assert.deepEqual([file.finalized, file.isShardHeld, file.heldSegments], [true, true, 7]);
		assert.ok((await readBack(member.store, file)).equals(content));
	});

	it('proofs of sectors of the flow: of own segments only', async () => {
		for (const { root, content } of held.filter(({ content: { length } }) => length > SEGMENT_BYTES)) {
			for (const member of pair) {
				const file = await member.file(root);
				const own = member.own(file);
				for (const at of [0, 1, file.segments - 1]) {
					const sector = (file.startSector + BigInt(at * SEGMENT_SECTORS)) as SectorIndex;
					const proving = member.store.files.sectorProof(sector);
					if (!own.includes(at)) {
						await assert.rejects(proving, isNotHeld);
						continue;
					}
					const { data, flowRoot } = await proving;
					const bytes = content.subarray(at * SEGMENT_BYTES, at * SEGMENT_BYTES + 256);
					assert.ok(Buffer.from(data.subarray(0, bytes.length)).equals(bytes));
					assert.equal(hexOf(flowRoot), hexOf(member.store.files.flow().root));
				}
			}
		}
	});

	it('all of it outlives restarts, rebuilds and a scrub; nothing counts as damage, nothing stays open', async () => {
		for (const member of pair) {
			await member.reopen();
			for (const { root, content } of held) await member.assertHoldsOwn(root, content);
			member.store.scrub.start();
			await member.store.scrub.idle();
			assert.equal(member.store.scrub.status().last?.damaged, 0);
			assert.equal(member.store.damage.count, 0);
			await member.store.close();
			const before = await dumpView(member.dataDir);
			await member.open({ rebuild: true });
			for (const { root, content } of held) await member.assertHoldsOwn(root, content);
			assert.deepEqual(member.store.files.health(), []);
			await member.store.close();
			assert.equal((await dumpView(member.dataDir)).size, before.size);
			await member.open();
		}
	});

	it('compaction keeps what is kept, and gives the rest back; a rebuild gives the same', async () => {
		for (const member of pair) {
			await member.reopen({ rollBytes: 4 * 2 ** 20 });
			for (let pass = 0; pass < 3; pass++) {
				await member.store.settle();
				await member.store.compaction.start({ everything: true });
				await member.store.compaction.settled();
				for (const { root, content } of held) await member.assertHoldsOwn(root, content);
			}
			await member.reopen();
			for (const { root, content } of held) await member.assertHoldsOwn(root, content);
			await member.store.close();
			const before = await dumpView(member.dataDir);
			await member.open({ rebuild: true });
			for (const { root, content } of held) await member.assertHoldsOwn(root, content);
			await member.store.close();
			assert.deepEqual(await dumpView(member.dataDir), before);
			await member.open();
		}
	});

	it('an upload goes on over restarts, and ends with the last own segment', async () => {
		const content = prng.bytes(12 * SEGMENT_BYTES + 3);
		const segments = provedSegmentsOf(content);
		const root = rootOf(segments);
		await chain.submit([content]);
		for (const member of pair) {
			const own = member.own(await member.file(root));
			for (const at of own.toReversed()) {
				assert.equal((await member.file(root)).isShardHeld, false);
				await member.upload(segments.filter(({ index }) => index === at));
				await member.reopen();
			}
			await member.assertHoldsOwn(root, content);
		}
	});

	it('what came whole before a restart is narrowed when its submission is known', async () => {
		const content = prng.bytes(9 * SEGMENT_BYTES);
		const segments = provedSegmentsOf(content);
		const root = rootOf(segments);
		for (const member of pair) {
			await member.upload(segments, UNSUBMITTED);
			await member.reopen();
		}
		await chain.submit([content]);
		for (const member of pair) {
			await member.file(root);
			await member.store.settle();
			await member.assertHoldsOwn(root, content);
		}
	});

	it('two submissions of one content may give a shard two parts of it', async () => {
		const content = prng.bytes(SEGMENT_BYTES + 1);
		const segments = provedSegmentsOf(content);
		// The second begins three segments behind the first.
		await chain.submit([content, prng.bytes(SEGMENT_BYTES), content]);
		for (const member of pair) {
			await member.file(rootOf(segments));
			const { files } = await member.store.files.list({
				what: 'submissions',
				newestFirst: true,
				most: 3,
				namePrefix: '',
			});
			const [second, , first] = files;
			assert.ok(first && second && first.root === second.root);
			assert.notDeepEqual(member.own(first), member.own(second));
			await member.upload(segments);
			for (const { txSeq } of [first, second])
				assert.equal((await member.store.files.fileBySeq(txSeq))?.isShardHeld, true);
		}
	});

	it('damage of an own segment takes the file back, and the own segments heal it', async () => {
		const content = prng.bytes(8 * SEGMENT_BYTES + 5);
		const segments = provedSegmentsOf(content);
		const root = rootOf(segments);
		await chain.submit([content]);
		for (const member of pair) {
			const own = member.own(await member.file(root));
			await member.upload(segments);
			await member.store.close();
			const [first = 0] = own;
			await damageContent(member.dataDir, 'bulk', content, first * SEGMENT_BYTES + 5000);
			await member.open();
			await assert.rejects(member.store.files.segmentProof(await member.file(root), first), /damaged/);
			const file = await member.file(root);
			assert.deepEqual([file.isShardHeld, file.heldSegments], [false, own.length - 1]);
			await member.upload(segments.filter(({ index }) => own.includes(index)));
			await member.assertHoldsOwn(root, content);
			assert.equal(member.store.damage.count, 0);
		}
	});

	it('content that is deleted is gone, and may come again', async () => {
		const content = prng.bytes(7 * SEGMENT_BYTES);
		const segments = provedSegmentsOf(content);
		const root = rootOf(segments);
		await chain.submit([content]);
		for (const member of pair) {
			await member.file(root);
			await member.upload(segments);
			await member.store.files.deleteFile(root);
			const file = await member.file(root);
			assert.deepEqual([file.isShardHeld, file.deleted, file.heldSegments], [false, true, 0]);
			await member.reopen();
			await put(member.store, content);
			assert.equal((await member.file(root)).finalized, true);
		}
	});

	it('a store keeps its shard, whatever it is told later', async () => {
		const [member] = pair;
		assert.ok(member);
		await member.reopen({ shard: parseShard('3/4') });
		assert.deepEqual(member.store.files.shard, { id: 0, count: 2 });
		assert.ok(member.store.told.includes('shard 0/2, not 3/4'));
		const whole = await stores.open();
		await whole.close();
		const again = await stores.open({ shard: parseShard('1/2') }, whole.dataDir);
		assert.deepEqual(again.files.shard, { id: 0, count: 1 });
		await again.close();
	});
});
