/** Segments of a content as a 0G client uploads them, with their proofs made here from all leaves (spec log-layer §1.2, §1.5). */
import { fileGeometry, sectorLeaves, treeProof, treeRoot, zeroHash } from '../../src/native/addon.js';
import type { ProvedSegment } from '../../src/log-layer/proved-segment.js';
import { bytesOfHex, HASH_BYTES, hexOf, SEGMENT_BYTES, SEGMENT_SECTORS, type DataRoot } from '../../src/units.js';

export interface JsonSegment {
	readonly root: string;
	readonly data: string;
	readonly index: number;
	readonly proof: { readonly lemma: readonly string[]; readonly path: readonly boolean[] };
	readonly fileSize: number;
}

/** All segments of a content that hold bytes of it. */
export function segmentsOf(content: Uint8Array): {
	readonly root: DataRoot;
	readonly segments: readonly JsonSegment[];
} {
	const { chunks, padded, segments, segmentsPadded } = fileGeometry(BigInt(content.length));
	const uploaded = Buffer.alloc(Number(chunks) * 256);
	uploaded.set(content);
	const pieces = Array.from({ length: Number(segments) }, (_, at) =>
		uploaded.subarray(at * SEGMENT_BYTES, (at + 1) * SEGMENT_BYTES),
	);
	const roots = Array.from({ length: Number(segmentsPadded) }, (_, at) => {
		const leaves = Math.min(SEGMENT_SECTORS, Number(padded) - at * SEGMENT_SECTORS);
		const piece = pieces[at];
		if (piece) return treeRoot(sectorLeaves(piece, leaves));
		return leaves === SEGMENT_SECTORS
			? zeroHash(10)
			: treeRoot(Buffer.concat(Array.from({ length: leaves }, () => zeroHash(0))));
	});
	const tree = Buffer.concat(roots);
	const root = hexOf(treeRoot(tree)) as DataRoot;
	const sent = pieces.map((piece, index) => {
		const { lemma, path } = treeProof(tree, index);
		const hashes = Array.from({ length: lemma.length / HASH_BYTES }, (_, at) =>
			hexOf(lemma.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)),
		);
		const proof = { lemma: hashes, path: Array.from(path, (step) => step === 1) };
		return { root, data: piece.toString('base64'), index, proof, fileSize: content.length };
	});
	return { root, segments: sent };
}

/** The same as the store takes them. */
export function provedSegmentsOf(content: Uint8Array): readonly ProvedSegment[] {
	const { root, segments } = segmentsOf(content);
	return segments.map(({ data, index, proof }) => {
		const bytes = Buffer.from(data, 'base64');
		return {
			root,
			sizeBytes: content.length,
			index,
			proof: { lemma: proof.lemma.map(bytesOfHex), path: proof.path },
			copyTo: (into: Uint8Array) => into.set(bytes),
		};
	});
}
