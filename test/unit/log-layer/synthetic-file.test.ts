/** A large file of holes: what a rebuild reads of it, and that it can be read and proved afterwards. */
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { describe, it } from 'node:test';
import type { ReplayProgress } from '../../../src/append-log/append-log.js';
import { createNodeIo } from '../../../src/io/node-io.js';
import type { StorageIo } from '../../../src/io/storage-io.js';
import { verifyFileProof } from '../../../src/native/addon.js';
import { bytesOfHex, HASH_BYTES } from '../../../src/units.js';
import { logFiles } from '../../support/damage.js';
import { makeSyntheticFile, syntheticSegment } from '../../support/synthetic-file.js';
import { observerInto, openTestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
/** Three log files of 1 GiB and a bit. */
const SEGMENTS = 12_500;
/** Header and trailer of a group of 16 segments, with what is read ahead of them. */
const READ_BYTES_A_GROUP = 16 * 1024;

describe('a file of several log files with holes for payloads', () => {
	it('is rebuilt from the headers alone, with progress, and every segment can be proved', async (t) => {
		const dataDir = await stores.newDirectory();
		const file = await makeSyntheticFile(dataDir, SEGMENTS);
		const paths = await logFiles(dataDir, 'bulk');
		assert.equal(paths.length, 4);
		const sizes = await Promise.all(paths.map((path) => stat(path)));
		const onDisk = sizes.reduce((sum, { blocks }) => sum + 512 * blocks, 0);
		const apparent = sizes.reduce((sum, { size }) => sum + size, 0);
		assert.ok(apparent > file.sizeBytes && onDisk < file.sizeBytes / 100, `${onDisk} of ${apparent} bytes`);

		const io = countingIo();
		const heard: ReplayProgress[] = [];
		const store = await openTestStore(dataDir, {
			ring: stores.ring,
			pool: stores.pool,
			io,
			observer: { ...observerInto([]), replaying: (progress) => heard.push(progress) },
		});
		t.after(() => store.close());
		assert.ok(io.readBytes < (SEGMENTS / 16) * READ_BYTES_A_GROUP, `${io.readBytes} bytes were read`);
		const last = heard.at(-1);
		assert.ok(heard.length > 10 && last);
		assert.equal(heard[0]?.doneBytes, 0);
		assert.equal(last.doneBytes, last.totalBytes);
		assert.ok(last.totalBytes > apparent);
		assert.ok(heard.every(({ doneBytes }, index) => doneBytes >= (heard[index - 1]?.doneBytes ?? 0)));

		const stored = await store.files.fileByRoot(file.root);
		assert.ok(stored?.finalized);
		assert.equal(stored.heldSegments, SEGMENTS);
		for (const segment of [0, 1021, 4095, 4096, 12_252, SEGMENTS - 1]) {
			const { data, proof } = await store.files.segmentProof(stored, segment);
			assert.ok(syntheticSegment(segment).equals(data), `segment ${segment}`);
			const lemma = Buffer.concat(proof.lemma);
			const leaf = lemma.subarray(0, HASH_BYTES);
			const path = Uint8Array.from(proof.path, Number);
			const reason = verifyFileProof(
				bytesOfHex(file.root),
				BigInt(file.sizeBytes),
				BigInt(segment),
				leaf,
				lemma,
				path,
				true,
			);
			assert.equal(reason, null, `segment ${segment}`);
		}
	});
});

function countingIo(): StorageIo & { readonly readBytes: number } {
	const io = createNodeIo();
	let readBytes = 0;
	return {
		...io,
		get readBytes() {
			return readBytes;
		},
		async open(path, mode) {
			const file = await io.open(path, mode);
			return {
				path,
				writev: (buffers, position) => file.writev(buffers, position),
				async read(buffer, position) {
					const bytes = await file.read(buffer, position);
					readBytes += bytes;
					return bytes;
				},
				fdatasync: () => file.fdatasync(),
				size: () => file.size(),
				close: () => file.close(),
			};
		},
	};
}
