/**
 * Calls of the flow contract that submit. The contract has had two interfaces: the current one names a submitter beside each submission, the old one
 * has none (spec pora-and-contracts §4.3).
 */
import { encodeFunctionData, parseAbi, type Hex } from 'viem';
import { hexOf } from '../../units.js';
import type { Submission } from '../settlement.js';

export type FlowGeneration = 'current' | 'old';

/** What is paid for: the submitter is whoever pays. */
export type PaidSubmission = Omit<Submission, 'submitter'>;

const NODE = 'struct Node { bytes32 root; uint256 height; }';
const DATA = 'struct Data { uint256 length; bytes tags; Node[] nodes; }';
const CURRENT = parseAbi([
	NODE,
	DATA,
	'struct Submission { Data data; address submitter; }',
	'function submit(Submission submission) payable',
	'function batchSubmit(Submission[] submissions) payable',
]);
const OLD = parseAbi([
	NODE,
	DATA,
	'function submit(Data submission) payable',
	'function batchSubmit(Data[] submissions) payable',
]);

/** `submissions`: at least one; several go in one call. `payer`: 20 bytes. */
export function submitCall(generation: FlowGeneration, submissions: readonly PaidSubmission[], payer: Uint8Array): Hex {
	const parts = submissions.map(dataOf);
	const [only, second] = parts;
	if (!only) throw new Error('nothing is submitted');
	if (generation === 'old')
		return second
			? encodeFunctionData({ abi: OLD, functionName: 'batchSubmit', args: [parts] })
			: encodeFunctionData({ abi: OLD, functionName: 'submit', args: [only] });
	const submitter = hexOf(payer) as Hex;
	return second
		? encodeFunctionData({
				abi: CURRENT,
				functionName: 'batchSubmit',
				args: [parts.map((data) => ({ data, submitter }))],
			})
		: encodeFunctionData({ abi: CURRENT, functionName: 'submit', args: [{ data: only, submitter }] });
}

function dataOf({ lengthBytes, tags, nodes }: PaidSubmission) {
	return {
		length: lengthBytes,
		tags: hexOf(tags) as Hex,
		nodes: nodes.map(({ root, height }) => ({ root: hexOf(root) as Hex, height: BigInt(height) })),
	};
}
