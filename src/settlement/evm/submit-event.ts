/** The Submit event of the flow contract (spec log-layer §3.1) as endpoints answer it. */
import { decodeAbiParameters, hexToBytes, type Hex } from 'viem';
import { LIMITS } from '../../limits.js';
import { MAX_NODES } from '../flow/submission-rules.js';
import { MAX_U64 } from '../../units.js';
import { ChainError, type FoundSubmission } from './chain-reader.js';

export const SUBMIT_TOPIC = '0x167ce04d2aa1981994d3a31695da0d785373335b1078cec239a1a3a2c7675555';

/** As an endpoint answers it. */
export interface RpcLog {
	readonly address: Hex;
	readonly topics: readonly Hex[];
	readonly data: Hex;
	readonly blockNumber: Hex;
	readonly blockHash: Hex;
	readonly transactionHash: Hex;
	/** Seconds; not all endpoints tell. */
	readonly blockTimestamp?: Hex;
	readonly removed?: boolean;
}

const DATA = [
	{ type: 'uint256' },
	{ type: 'uint256' },
	{ type: 'uint256' },
	{
		type: 'tuple',
		components: [
			{ type: 'uint256', name: 'length' },
			{ type: 'bytes', name: 'tags' },
			{
				type: 'tuple[]',
				name: 'nodes',
				components: [
					{ type: 'bytes32', name: 'root' },
					{ type: 'uint256', name: 'height' },
				],
			},
		],
	},
] as const;

const ADDRESS_AT = 12;

/** Of tags that no entry of the journal could hold the beginning is kept. `timeMs`: used where the endpoint tells no time. Errors: ChainError when it is no such event. */
export function submissionOfLog(log: RpcLog, timeMs: number): FoundSubmission {
	try {
		const [index, startSector, , { length, tags, nodes }] = decodeAbiParameters(DATA, log.data);
		const submitter = log.topics[1];
		if (submitter === undefined || nodes.length === 0 || nodes.length > MAX_NODES) throw new Error('its parts');
		if (index > Number.MAX_SAFE_INTEGER || startSector > MAX_U64 || length > MAX_U64) throw new Error('its numbers');
		return {
			txSeq: Number(index),
			startSector,
			lengthBytes: length,
			tags: hexToBytes(tags).slice(0, LIMITS.chainTagsBytes),
			submitter: hexToBytes(submitter).slice(ADDRESS_AT),
			nodes: nodes.map(({ root, height }) => ({ root: hexToBytes(root), height: heightOf(height) })),
			blockNumber: Number(log.blockNumber),
			blockHash: hexToBytes(log.blockHash),
			txHash: hexToBytes(log.transactionHash),
			timeMs: log.blockTimestamp === undefined ? timeMs : Number(log.blockTimestamp) * 1000,
		};
	} catch (error) {
		throw new ChainError(
			`the event in transaction ${log.transactionHash} is no submission (${(error as Error).message})`,
			{
				cause: error,
			},
		);
	}
}

function heightOf(height: bigint): number {
	if (height > 63n) throw new Error('the height of a node');
	return Number(height);
}
