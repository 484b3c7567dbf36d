/** How far the node follows its settlement, and which flow it is, as 0G clients see it (spec log-layer §4.3). */
import type { FileStore } from '../../log-layer/types.js';
import { hexOf } from '../../units.js';
import type { JsonOut } from './json-writer.js';

/** Of the protocol between nodes. */
const P2P_VERSION = { major: 0, minor: 4, build: 0 };

/** Status. */
export function statusOf(store: FileStore): JsonOut {
	const { chainId, flowAddress, blockNumber, blockHash } = store.network();
	return {
		connectedPeers: 0,
		logSyncHeight: blockNumber,
		logSyncBlock: hexOf(blockHash),
		nextTxSeq: store.flow().submissions,
		networkIdentity: { chainId, flowAddress: hexOf(flowAddress), p2pProtocolVersion: P2P_VERSION },
	};
}
