/** The vector files of the specification, as they stand in test/vectors. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const DIRECTORY = join(import.meta.dirname, '..', '..', '..', 'test', 'vectors');

export interface NodeVector {
	readonly root: string;
	readonly height: number;
}

/** A file of at least one byte. */
export interface FileVector {
	readonly content: string;
	readonly size: number;
	readonly dataRoot: string;
	readonly chunks: number;
	readonly paddedChunks: number;
	readonly nextPow2Chunks: number;
	readonly segments: number;
	readonly segmentsPadded: number;
	readonly lastSegmentUploadBytes: number;
	readonly feeSectors: number;
	readonly submissionNodes: readonly NodeVector[];
	readonly submissionDigest: string;
	readonly segmentRoots: readonly string[];
	readonly proofs: readonly { segmentIndex: number; lemma: readonly string[]; path: readonly boolean[] }[];
	readonly nodeTxHashExample: { startEntryIndex: number; seq: number; ssz: string; hash: string };
}

/** A file that has no tree. */
export interface EmptyFileVector {
	readonly content: string;
	readonly size: number;
	readonly dataRoot?: undefined;
}

export interface FileVectors {
	readonly zeroHashes: readonly string[];
	readonly vectors: readonly (FileVector | EmptyFileVector)[];
}

export interface FlowStep {
	readonly event?: undefined;
	readonly seq: number;
	readonly nodes: readonly NodeVector[];
	readonly lengthBefore: string;
	readonly startEntryIndex: string;
	readonly paddingEntries: string;
	readonly lengthAfter: string;
	readonly flowRoot: string;
}

export interface FlowSequence {
	readonly name: string;
	readonly steps: readonly (FlowStep | { event: 'initial'; length: string; root: string })[];
}

export interface FlowVectors {
	readonly sequences: readonly FlowSequence[];
}

export function readFileVectors(): FileVectors {
	return JSON.parse(readFileSync(join(DIRECTORY, 'file-merkle.json'), 'utf8')) as FileVectors;
}

/** Those with a tree; throws if there are none. */
export function readFilesWithTree(): FileVector[] {
	const files = readFileVectors().vectors.filter((vector): vector is FileVector => vector.dataRoot !== undefined);
	if (files.length === 0) throw new Error('there are no vectors');
	return files;
}

export function readFlowVectors(): FlowVectors {
	const vectors = JSON.parse(readFileSync(join(DIRECTORY, 'flow-tree.json'), 'utf8')) as FlowVectors;
	if (vectors.sequences.length === 0) throw new Error('there are no sequences');
	return vectors;
}
