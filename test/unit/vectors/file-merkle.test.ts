import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RootStream } from '../../../src/cli/root-stream.js';
import { uploadBytes } from '../../../src/log-layer/records.js';
import {
	fileGeometry,
	fileRoot,
	keccak256,
	sectorLeaves,
	treeProof,
	treeRoot,
	verifyFileProof,
	zeroHash,
} from '../../../src/native/addon.js';
import { encodeTransactionRecord, transactionHash } from '../../../src/settlement/transaction-record.js';
import { bytesOfHex, HASH_BYTES, hexOf, SEGMENT_BYTES, SEGMENT_SECTORS } from '../../../src/units.js';
import { fileContent } from '../../support/file-content.js';
import { type FileVector, readFilesWithTree, readFileVectors } from '../../support/vectors.js';

const files = readFilesWithTree();
const hexNodes = (nodes: readonly { root: Uint8Array; height: number }[]): unknown =>
	nodes.map(({ root, height }) => ({ root: hexOf(root), height }));

it('zero hashes are those of the vectors', () => {
	const { zeroHashes } = readFileVectors();
	assert.ok(zeroHashes.length > 0);
	zeroHashes.forEach((expected, level) => assert.equal(hexOf(zeroHash(level)), expected, `level ${level}`));
});

for (const vector of files) {
	describe(`${vector.size} bytes of ${vector.content}`, () => {
		const content = fileContent(vector.content, vector.size);
		const segmentRoots = rootsOfSegments(vector, content);

		it('has the geometry of the vector', () => {
			const geometry = fileGeometry(BigInt(vector.size));
			assert.equal(Number(geometry.chunks), vector.chunks);
			assert.equal(Number(geometry.padded), vector.paddedChunks);
			assert.equal(Number(geometry.padded), vector.feeSectors);
			assert.equal(Number(geometry.segments), vector.segments);
			assert.equal(Number(geometry.segmentsPadded), vector.segmentsPadded);
			assert.equal(uploadBytes(geometry.lastSegmentBytes), vector.lastSegmentUploadBytes);
			assert.equal(2 ** Math.ceil(Math.log2(vector.chunks)), vector.nextPow2Chunks);
			assert.deepEqual(
				geometry.heights,
				vector.submissionNodes.map(({ height }) => height),
			);
		});

		it('has the root, submission nodes and digest of the vector', () => {
			const { root, nodes } = fileRoot(content);
			assert.equal(hexOf(root), vector.dataRoot);
			assert.deepEqual(hexNodes(nodes), vector.submissionNodes);
			assert.equal(hexOf(keccak256(Buffer.concat(nodes.map((node) => node.root)))), vector.submissionDigest);
		});

		it('has the segment roots of the vector', () => {
			assert.deepEqual(segmentRoots.map(hexOf), vector.segmentRoots);
		});

		it('has the same root and nodes when it is streamed in writes of any size', () => {
			for (const writeBytes of [1, 255, 4096, 65_536, vector.size]) {
				if (vector.size / writeBytes > 20_000) continue;
				const stream = new RootStream();
				for (let at = 0; at < content.length; at += writeBytes) stream.update(content.subarray(at, at + writeBytes));
				const { root, nodes } = stream.finish();
				assert.equal(hexOf(root), vector.dataRoot, `in writes of ${writeBytes}`);
				assert.deepEqual(hexNodes(nodes), vector.submissionNodes, `in writes of ${writeBytes}`);
			}
		});

		it('has the proofs of the vector, and only they verify', () => {
			assert.ok(vector.proofs.length > 0);
			for (const { segmentIndex, lemma, path } of vector.proofs) {
				const proof = treeProof(Buffer.concat(segmentRoots), segmentIndex);
				assert.equal(hexOf(proof.lemma), `0x${lemma.map((hash) => hash.slice(2)).join('')}`);
				assert.deepEqual(Array.from(proof.path, Boolean), path);
				assertOnlyThisVerifies(vector, segmentIndex, segmentRoots[segmentIndex] as Uint8Array, proof);
			}
		});

		it('has the transaction record and hash of the vector', () => {
			const { startEntryIndex, seq, ssz, hash } = vector.nodeTxHashExample;
			const record = {
				dataRoot: bytesOfHex(vector.dataRoot),
				nodes: vector.submissionNodes.map(({ root, height }) => ({ root: bytesOfHex(root), height })),
				startEntryIndex: BigInt(startEntryIndex),
				sizeBytes: BigInt(vector.size),
				txSeq: seq,
			};
			assert.equal(hexOf(encodeTransactionRecord(record)), ssz);
			assert.equal(hexOf(transactionHash(record, { keccak256 })), hash);
		});
	});
}

it('a file without bytes has neither geometry nor root', () => {
	const empty = readFileVectors().vectors.filter((vector) => vector.dataRoot === undefined);
	assert.ok(empty.length > 0);
	for (const { size } of empty) {
		assert.throws(() => fileGeometry(BigInt(size)));
		assert.throws(() => fileRoot(new Uint8Array(size)));
		assert.throws(() => new RootStream().finish());
	}
});

function rootsOfSegments(vector: FileVector, content: Uint8Array): Uint8Array[] {
	return vector.segmentRoots.map((_, segment) => {
		const leaves = Math.min(SEGMENT_SECTORS, vector.paddedChunks - segment * SEGMENT_SECTORS);
		return treeRoot(sectorLeaves(content.subarray(segment * SEGMENT_BYTES, (segment + 1) * SEGMENT_BYTES), leaves));
	});
}

/** The proof is good; with any item, flag or index changed it is not. */
function assertOnlyThisVerifies(
	vector: FileVector,
	index: number,
	segmentRoot: Uint8Array,
	proof: { lemma: Uint8Array; path: Uint8Array },
): void {
	const verdict = (lemma: Uint8Array, path: Uint8Array, at = index, padding = true): string | null =>
		verifyFileProof(bytesOfHex(vector.dataRoot), BigInt(vector.size), BigInt(at), segmentRoot, lemma, path, padding);
	assert.equal(verdict(proof.lemma, proof.path), null);
	for (let item = 0; item < proof.lemma.length / HASH_BYTES; item++) {
		const changed = Uint8Array.from(proof.lemma);
		const at = item * HASH_BYTES + (item % HASH_BYTES);
		changed[at] = (changed[at] as number) ^ (1 << (item % 8));
		assert.notEqual(verdict(changed, proof.path, index, false), null, `lemma item ${item} changed`);
	}
	for (let step = 0; step < proof.path.length; step++) {
		const changed = Uint8Array.from(proof.path, (flag, at) => (at === step ? 1 - flag : flag));
		assert.notEqual(verdict(proof.lemma, changed, index, false), null, `path step ${step} changed`);
	}
	for (let other = 0; other <= vector.segmentsPadded; other++) {
		if (other !== index) assert.notEqual(verdict(proof.lemma, proof.path, other, false), null, `index ${other}`);
	}
}
