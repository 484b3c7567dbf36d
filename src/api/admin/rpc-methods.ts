/**
 * The admin_ and miner_ methods of 0G Storage (spec log-layer §4.5, pora-and-contracts §2.6). This node follows its settlement and no other nodes: they answer what a node without
 * peers answers, and what could begin only with one is refused.
 */
import type { MiningControl } from '../../pora/mining-status.js';
import type { FileStore, StoredFile } from '../../log-layer/types.js';
import { SECTOR_BYTES } from '../../units.js';
import { fileOfSeq } from '../rpc/file-info.js';
import type { JsonOut } from '../rpc/json-writer.js';
import type { RpcMethods } from '../rpc/method.js';
import { internalError } from '../rpc/rpc-error.js';

/** What a method may use. */
export interface AdminRpcContext {
	readonly store: FileStore;
	readonly mining: MiningControl;
	/** All metrics as they are now, in the text format of Prometheus. */
	readonly metricsText: () => Promise<string>;
	/** Stops the node once the answer is on its way. */
	readonly shutdown: () => void;
}

export const ADMIN_METHODS: RpcMethods<AdminRpcContext> = {
	admin_shutdown({ shutdown }) {
		shutdown();
		return null;
	},

	admin_getSyncServiceState: () => ({ numSyncing: 0, catchedUp: null, autoSyncSerial: null, autoSyncRandom: null }),

	admin_getSyncStatus(_context, params) {
		params.u64('tx_seq');
		// In the reference the answer where no sync of the file runs, also when it is whole.
		return 'unknown';
	},

	admin_getSyncInfo(_context, params) {
		params.optionalU64('tx_seq');
		return {};
	},

	async admin_startSyncFile({ store }, params) {
		await unfinishedFile(store, params.u64('tx_seq'));
		throw noPeers();
	},

	async admin_startSyncChunks({ store }, params) {
		const seq = params.u64('tx_seq');
		const start = params.u64('start_index');
		const end = params.u64('end_index');
		const file = await unfinishedFile(store, seq);
		if (start >= end || end > Math.ceil(file.sizeBytes / SECTOR_BYTES)) throw internalError('Invalid chunk range');
		throw noPeers();
	},

	admin_terminateSync(_context, params) {
		params.u64('tx_seq');
		return false;
	},

	async admin_findFile({ store }, params) {
		// There is nobody to ask.
		await knownFile(store, params.u64('tx_seq'));
		return null;
	},

	async admin_getFileLocation({ store }, params) {
		const seq = params.u64('tx_seq');
		params.bool('all_shards');
		if (!(await fileOfSeq(store, seq))) throw internalError('tx not found');
		return null;
	},

	admin_getNetworkInfo: () => ({
		peerId: '',
		listenAddresses: [],
		totalPeers: 0,
		bannedPeers: 0,
		disconnectedPeers: 0,
		connectedPeers: 0,
		connectedOutgoingPeers: 0,
		connectedIncomingPeers: 0,
	}),

	admin_getPeers: () => ({}),

	async admin_getMetrics({ metricsText }, params) {
		const prefix = params.optionalText('prefix') ?? '';
		return valuesOf(await metricsText(), prefix);
	},
};

/** Only where the node mines, as in the reference (spec pora-and-contracts §2.6). */
export const MINER_METHODS: RpcMethods<AdminRpcContext> = {
	miner_start({ mining }) {
		mining.start();
		return true;
	},

	miner_stop({ mining }) {
		mining.stop();
		return true;
	},

	miner_setStartPosition({ mining }, params) {
		mining.setStartPosition(params.u64('start_position'));
		return true;
	},
};

async function knownFile(store: FileStore, seq: bigint): Promise<StoredFile> {
	const file = await fileOfSeq(store, seq);
	if (!file) throw internalError('Transaction not found');
	return file;
}

/** A file that a sync could be of. */
async function unfinishedFile(store: FileStore, seq: bigint): Promise<StoredFile> {
	const file = await knownFile(store, seq);
	if (file.finalized) throw internalError('File already exists [Finalized]');
	if (file.deleted) throw internalError('File already exists [Pruned]');
	return file;
}

function noPeers() {
	return internalError('No peers to sync from');
}

/** The value of each metric, by its name with its labels, in the order of the names. */
function valuesOf(text: string, prefix: string): JsonOut {
	const values = text
		.split('\n')
		.filter((line) => line !== '' && !line.startsWith('#') && line.startsWith(prefix))
		.map((line) => {
			const at = line.lastIndexOf(' ');
			return [line.slice(0, at), line.slice(at + 1)] as const;
		});
	return Object.fromEntries(values.sort(([one], [other]) => (one < other ? -1 : 1)));
}
