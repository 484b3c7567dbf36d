/** The node, its shard, and the flow: roots, proofs and segments of it. */
import { PerigeeError } from '../../../errors.js';
import type { FileStore } from '../../../log-layer/types.js';
import { hexOf, SEGMENT_SECTORS, type DataRoot, type SectorIndex, type TxSeq } from '../../../units.js';
import { byteNumbers } from '../byte-numbers.js';
import type { FlowRoots } from '../flow-roots.js';
import { ReadyJson, type JsonOut } from '../json-writer.js';
import type { RpcMethods } from '../method.js';
import { statusOf } from '../node-status.js';
import { uncategorised, type RpcError } from '../rpc-error.js';

const SECTORS = BigInt(SEGMENT_SECTORS);

export const FLOW_METHODS: RpcMethods = {
	zgs_getStatus: ({ store }) => statusOf(store),

	zgs_getShardConfig: ({ store: { shard } }) => ({ shardId: shard.id, numShard: shard.count }),

	zgs_getFlowContext({ store, flowRoots }) {
		const flow = store.flow();
		flowRoots.told(flow);
		return [hexOf(flow.root), flow.lengthSectors];
	},

	async zgs_getSectorProof({ store, flowRoots }, params) {
		const sector = params.u64('sector_index');
		const root = params.optionalRoot('flow_root');
		const atSeq = root === undefined ? undefined : seqOfRoot(store, flowRoots, root);
		return sectorProof(store, sector, root, atSeq);
	},

	async zgs_getHashAtNodeIndex({ store }, params) {
		const index = params.u64('index');
		const segments = segmentsOf(store);
		if (index >= segments) throw uncategorised(`Out of bound: position=${index} end=${segments}`);
		const root = await store.flowSegmentRoot(index);
		if (!root) throw uncategorised(`node hash not found at index ${index}`);
		return hexOf(root);
	},

	async zgs_getDataByNodeIndex({ store }, params) {
		const index = params.u64('index');
		if (index >= segmentsOf(store)) return null;
		const stretches = await store.flowSegmentData(index);
		return stretches.length === 0 ? null : stretches.map((bytes) => new ReadyJson(byteNumbers(bytes)));
	},

	async zgs_getMetaDataByNodeIndex({ store }, params) {
		const index = params.u64('index');
		const stretches = index < segmentsOf(store) ? await store.flowSegmentData(index) : [];
		if (stretches.length === 0) return 'None';
		const bytes = stretches.reduce((sum, { length }) => sum + length, 0);
		return `Some(EntryBatch { load_index: ${index}, stretches: ${stretches.length}, bytes: ${bytes} })`;
	},
};

/** Segments of the flow that have a sector; none but the opaque first one in an empty flow. */
function segmentsOf(store: FileStore): bigint {
	return (store.flow().lengthSectors + SECTORS - 1n) / SECTORS;
}

/** The last submission of the flow with this root; undefined for the flow as it stands. */
function seqOfRoot(store: FileStore, flowRoots: FlowRoots, root: DataRoot): TxSeq | undefined {
	const flow = store.flow();
	if (hexOf(flow.root) === root) return undefined;
	const seq = flowRoots.lastSubmission(root);
	if (seq !== undefined && seq < flow.submissions) return seq;
	throw oldRootUnavailable(root);
}

function oldRootUnavailable(root: DataRoot): RpcError {
	return uncategorised(`old root unavailable, root=OptionalHash(Some(${root}))`);
}

async function sectorProof(
	store: FileStore,
	sector: bigint,
	root: DataRoot | undefined,
	atSeq: TxSeq | undefined,
): Promise<JsonOut> {
	try {
		const { lemma, path } = await store.sectorProof(sector as SectorIndex, atSeq);
		// The chain may have taken back what that root was of.
		const proved = lemma.at(-1);
		if (root !== undefined && proved && hexOf(proved) !== root) throw oldRootUnavailable(root);
		return { lemma: lemma.map(hexOf), path };
	} catch (error) {
		if (!(error instanceof PerigeeError && error.code === 'NOT_FOUND')) throw error;
		const { lengthSectors } = store.flow();
		const [segment, segments] = [sector / SECTORS, segmentsOf(store)];
		// The reference asks the tree over segments first, then that inside the last one.
		const isInside = segment < segments;
		const index = isInside ? sector % SECTORS : segment;
		const leaves = isInside ? lengthSectors % SECTORS : segments;
		throw uncategorised(`leaf index out of bound: leaf_index=${index} total_leaves=${leaves}`);
	}
}
