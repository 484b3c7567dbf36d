/** The contract's rules for a submission (spec log-layer §2.2), and what it is made of (§1.4, §2.1). */
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import { HASH_BYTES, SECTOR_BYTES } from '../../units.js';
import type { Submission, SubmissionNode } from '../settlement.js';
import type { FlowHashing } from './hashing.js';

/** Bytes of an address. */
export const SUBMITTER_BYTES = 20;
/** Most subtrees of a submission: their heights decrease strictly and differ by less than 4. */
export const MAX_NODES = 4;
/** Longest flow in sectors, so that its tree stays below 64 levels. */
export const MAX_FLOW_SECTORS = 1n << 63n;
const MAX_LENGTH_BYTES = 1n << 64n;
const MAX_HEIGHT = 63;
/** Heights of first and last node differ by less. */
const HEIGHT_SPREAD = 4;
const SECTOR = BigInt(SECTOR_BYTES);

/** Checks what does not depend on the flow. Errors: SUBMISSION_INVALID, with a sentence of its own for each rule. */
export function checkSubmission(submission: Submission): void {
	const { submitter, tags, nodes, lengthBytes } = submission;
	if (submitter.length !== SUBMITTER_BYTES)
		refuse(`The submitter has ${submitter.length} bytes, an address has ${SUBMITTER_BYTES}.`);
	if (submitter.every((byte) => byte === 0)) refuse('The submitter is the zero address.');
	if (tags.length > LIMITS.submissionTagsBytes) {
		refuse(`The tags have ${tags.length} bytes, at most ${LIMITS.submissionTagsBytes} are taken.`);
	}
	checkNodes(nodes);
	const sectors = sectorsOf(nodes);
	if (lengthBytes < 0n || lengthBytes >= MAX_LENGTH_BYTES)
		refuse(`The length of ${lengthBytes} bytes is not below 2^64.`);
	if (lengthBytes > sectors * SECTOR) {
		refuse(`The length of ${lengthBytes} bytes does not fit into ${sectors} sectors.`);
	}
	const lower = lowerSectors(nodes, sectors);
	if (lengthBytes <= lower * SECTOR) {
		refuse(
			`The length of ${lengthBytes} bytes is too short for ${sectors} sectors: it must exceed ${lower * SECTOR} bytes.`,
		);
	}
}

/** Checks that the flow of `flowLength` sectors has room behind it. Errors: SUBMISSION_INVALID. */
export function checkRoom(nodes: readonly SubmissionNode[], flowLength: bigint): void {
	const sectors = sectorsOf(nodes);
	const height = BigInt(nodes[0]?.height ?? 0);
	// What is moved to the next segment for crossing its border would cross the flow's end, a segment border too, if it had no room there.
	const start = ((flowLength + (1n << height) - 1n) >> height) << height;
	if (start + sectors > MAX_FLOW_SECTORS)
		refuse(`The flow has no room for ${sectors} sectors behind its ${flowLength}.`);
}

function checkNodes(nodes: readonly SubmissionNode[]): void {
	const first = nodes[0];
	const last = nodes.at(-1);
	if (!first || !last) refuse('The submission has no nodes.');
	for (const [index, { root, height }] of nodes.entries()) {
		if (root.length !== HASH_BYTES)
			refuse(`The root of node ${index} has ${root.length} bytes, a root has ${HASH_BYTES}.`);
		if (!Number.isInteger(height) || height < 0 || height > MAX_HEIGHT) {
			refuse(`The height of node ${index} is ${height}, a height is below 64.`);
		}
		const before = nodes[index - 1];
		if (before && height >= before.height) {
			refuse(`The heights do not decrease strictly: ${height} follows ${before.height}.`);
		}
	}
	if (first.height - last.height >= HEIGHT_SPREAD) {
		refuse(`The heights ${first.height} and ${last.height} of the first and last node differ by 4 or more.`);
	}
}

/** Sectors that a submission takes without alignment, which are those that it is charged for. */
export function sectorsOf(nodes: readonly SubmissionNode[]): bigint {
	return nodes.reduce((sum, node) => sum + (1n << BigInt(node.height)), 0n);
}

/** A file that would need no more than so many sectors has to be submitted with fewer (spec log-layer §2.2, `lastCap`). */
function lowerSectors(nodes: readonly SubmissionNode[], sectors: bigint): bigint {
	if (sectors < 16n) return sectors - 1n;
	if (nodes.length === 1) return sectors - sectors / 16n;
	return sectors - (1n << BigInt((nodes[0]?.height ?? 0) - 3));
}

/** Root of the file: right fold of the node roots (spec log-layer §1.4). */
export function foldRoots(nodes: readonly SubmissionNode[], hashing: FlowHashing): Uint8Array {
	const last = nodes.at(-1);
	if (!last) throw new Error('a submission without nodes was not refused');
	let root = last.root;
	for (let index = nodes.length - 2; index >= 0; index--) {
		const node = nodes[index];
		if (node) root = hashing.hashPair(node.root, root);
	}
	return root;
}

function refuse(sentence: string): never {
	throw new PerigeeError('SUBMISSION_INVALID', sentence);
}
