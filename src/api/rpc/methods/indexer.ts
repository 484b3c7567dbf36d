/** The face of an indexer whose only trusted node is this one (spec log-layer §8.1): the official clients' Indexer classes ask it where to go. */
import { fileOfRoot } from '../file-info.js';
import type { JsonOut } from '../json-writer.js';
import type { RpcContext, RpcMethods } from '../method.js';
import { uncategorised } from '../rpc-error.js';

/** This node holds everything: one shard of one. */
const NUM_SHARD = 1;

export const INDEXER_METHODS: RpcMethods = {
	indexer_getShardedNodes: (context) => ({ trusted: [shardedNode(context)], discovered: [] }),

	indexer_getSelectedNodes(context, params) {
		const replicas = params.u64('expected_replica');
		const method = params.text('method');
		params.bool('full_trusted');
		const dropped = params.optionalTexts('dropped');
		if (replicas === 0n) return { trusted: [], discovered: [] };
		const isMeant = ['min', 'max', 'random', String(NUM_SHARD)].includes(method);
		const isDropped = dropped.some((url) => url.replace(/\/$/, '') === context.origin);
		if (!isMeant || isDropped || replicas > 1n)
			throw uncategorised('cannot select a subset from the returned nodes that meets the replication requirement');
		return { trusted: [shardedNode(context)], discovered: [] };
	},

	/** Where a node stands on the globe is nobody's business here. */
	indexer_getNodeLocations: () => ({}),

	async indexer_getFileLocations(context, params) {
		const file = await fileOfRoot(context.store, params.root('root'));
		if (!file) throw uncategorised('file not found');
		return file.finalized ? [shardedNode(context)] : null;
	},
};

function shardedNode({ origin }: RpcContext): JsonOut {
	return { url: origin, config: { shardId: 0, numShard: NUM_SHARD }, latency: 0, since: 0 };
}
