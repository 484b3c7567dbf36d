import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rootFromBytes, hexOf } from '../../../src/units.js';
import { fileContent } from '../../support/file-content.js';
import { put, readBack, useTestStores } from '../../support/test-store.js';
import { readFilesWithTree } from '../../support/vectors.js';

const stores = useTestStores();
const WRITE_BYTES = [1, 255, 4096, 65_536, Number.MAX_SAFE_INTEGER];
const MOST_WRITES = 25_000;

for (const writeBytes of WRITE_BYTES) {
	const how = writeBytes === Number.MAX_SAFE_INTEGER ? 'one write' : `writes of ${writeBytes} bytes`;
	describe(`files uploaded in ${how}`, () => {
		it('have the root, nodes, bytes and proofs of the vectors', async () => {
			const store = await stores.open();
			const files = readFilesWithTree().filter(({ size }) => size / writeBytes <= MOST_WRITES);
			assert.ok(files.length > 0);
			for (const [txSeq, vector] of files.entries()) {
				const content = fileContent(vector.content, vector.size);
				const result = await put(store, content, {}, writeBytes);
				const of = `${vector.size} bytes of ${vector.content}`;
				const { dataRoot: root, size: sizeBytes, segments } = vector;
				assert.deepEqual(result, { root, txSeq, sizeBytes, segments, name: '', existed: false }, of);
				const file = await store.files.fileByRoot(result.root);
				assert.ok(file, of);
				assert.equal(file.segmentsPadded, vector.segmentsPadded, of);
				assert.equal(Number(file.paddedSectors), vector.paddedChunks, of);
				assert.ok(file.finalized, of);
				assert.deepEqual(
					file.nodes.map((node) => ({ root: rootFromBytes(node.root), height: node.height })),
					vector.submissionNodes,
					of,
				);
				assert.ok((await readBack(store, result)).equals(content), of);
				for (const { segmentIndex, lemma, path } of vector.proofs) {
					if (segmentIndex >= segments) continue;
					const { data, proof } = await store.files.segmentProof(file, segmentIndex);
					assert.deepEqual({ lemma: proof.lemma.map(hexOf), path: proof.path }, { lemma, path }, of);
					if (segmentIndex === segments - 1) assert.equal(data.length, vector.lastSegmentUploadBytes, of);
				}
			}
			await store.close();
		});
	});
}

it('an upload without bytes is refused and leaves nothing', async () => {
	const store = await stores.open();
	await assert.rejects(put(store, new Uint8Array(0)), { code: 'EMPTY_FILE' });
	assert.equal(store.files.uploadsInProgress, 0);
	assert.equal(store.files.flow().submissions, 0);
	await store.close();
});
