/** The face of an indexer whose only trusted node is this one (spec log-layer §8.1): the official clients' Indexer classes ask it where to go. */
import { WHOLE_FLOW, type Shard } from '../../../config/shard-position.js';
import { fileOfRoot } from '../file-info.js';
import type { JsonOut } from '../json-writer.js';
import type { RpcContext, RpcMethods } from '../method.js';
import { uncategorised } from '../rpc-error.js';

export const INDEXER_METHODS: RpcMethods = {
	indexer_getShardedNodes: (context) => ({ trusted: [shardedNode(context)], discovered: [] }),

	indexer_getSelectedNodes(context, params) {
		const replicas = params.u64('expected_replica');
		const method = params.text('method');
		params.bool('full_trusted');
		const dropped = params.optionalTexts('dropped');
		if (replicas === 0n) return { trusted: [], discovered: [] };
		const isMeant = ['min', 'max', 'random', '1'].includes(method);
		const isDropped = dropped.some((url) => url.replace(/\/$/, '') === context.origin);
		// One shard of several is no replica.
		if (!isMeant || isDropped || replicas > 1n || context.store.shard.count > 1)
			throw uncategorised('cannot select a subset from the returned nodes that meets the replication requirement');
		return { trusted: [shardedNode(context)], discovered: [] };
	},

	/** Where a node stands on the globe is nobody's business here. */
	indexer_getNodeLocations: () => ({}),

	async indexer_getFileLocations(context, params) {
		const file = await fileOfRoot(context.store, params.root('root'));
		if (!file) throw uncategorised('file not found');
		// Part of a file does not help: with it alone no client gets the whole.
		return file.finalized ? [nodeOf(context, WHOLE_FLOW)] : null;
	},
};

function shardedNode(context: RpcContext): JsonOut {
	return nodeOf(context, context.store.shard);
}

function nodeOf({ origin }: RpcContext, { id, count }: Shard): JsonOut {
	return { url: origin, config: { shardId: id, numShard: count }, latency: 0, since: 0 };
}
