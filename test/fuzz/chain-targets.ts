/** What a node that follows a chain reads back: entries of the journal, and the state in the checkpoint. */
import { ByteWriter } from '../../src/bytes.js';
import * as addon from '../../src/native/addon.js';
import {
	decodeEvmEntry,
	encodeBlocks,
	encodeGenesis,
	encodeRevert,
	writeChainSubmission,
} from '../../src/settlement/evm/evm-entry.js';
import { decodeEvmState, encodeEvmState, initialEvmState } from '../../src/settlement/evm/evm-state.js';
import { bytes, type FuzzTarget } from './inputs.js';

const HASH = Buffer.alloc(32, 7);
const GENESIS = { chainId: 16_661n, flowAddress: Buffer.alloc(20, 9), startBlock: 5 };
const BLOCK = { number: 77, hash: HASH, timeMs: 1_700_000_000_000 };

function blocksSample(): Buffer {
	const writer = new ByteWriter();
	writeChainSubmission(writer, {
		txSeq: 3,
		blockNumber: 77,
		timeMs: 5,
		txHash: HASH,
		startSector: 16n,
		lengthBytes: 300n,
		tags: Buffer.alloc(40, 1),
		submitter: Buffer.alloc(20, 2),
		nodes: [{ height: 1, root: HASH }],
	});
	return Buffer.from(encodeBlocks({ upTo: BLOCK, firstSeq: 3, flowRoot: HASH }, 1, writer.toBytes()));
}

const REVERT = encodeRevert({ upTo: BLOCK, submissions: 3, flowLength: 6n, frontier: Buffer.alloc(64, 1) });

export const CHAIN_TARGETS: readonly FuzzTarget[] = [
	bytes('entry of a chain', [blocksSample(), Buffer.from(encodeGenesis(GENESIS)), Buffer.from(REVERT)], decodeEvmEntry),
	bytes('saved state of a chain', [Buffer.from(encodeEvmState(initialEvmState(GENESIS)))], (input) => {
		decodeEvmState(input, addon);
	}),
];
