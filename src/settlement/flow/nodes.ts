/** The nodes of a submission as all drivers write them: count u8, n × (height u8, root 32). */
import type { ByteReader, ByteWriter } from '../../bytes.js';
import { HASH_BYTES } from '../../units.js';
import type { SubmissionNode } from '../settlement.js';
import { MAX_NODES } from './submission-rules.js';

export function writeNodes(writer: ByteWriter, nodes: readonly SubmissionNode[]): void {
	writer.u8(nodes.length);
	for (const { height, root } of nodes) writer.u8(height).fixed(root, HASH_BYTES);
}

/** Bytes that `writeNodes` writes. */
export function nodesBytes(nodes: readonly SubmissionNode[]): number {
	return 1 + nodes.length * (1 + HASH_BYTES);
}

/** Roots are views of the input. Errors: FORMAT_UNKNOWN. */
export function readNodes(reader: ByteReader): SubmissionNode[] {
	const count = reader.u8('node count');
	if (count > MAX_NODES) reader.fail(`a submission has ${count} nodes, at most ${MAX_NODES}`);
	const nodes: SubmissionNode[] = [];
	for (let index = 0; index < count; index++) {
		const height = reader.u8('height');
		nodes.push({ height, root: reader.bytes(HASH_BYTES, 'node root') });
	}
	return nodes;
}
