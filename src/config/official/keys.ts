/**
 * The keys of an official configuration, the TOML file of a 0G storage node: the type of each one, and either the setting that it becomes
 * or why it is not used here (spec log-layer §2.7, §2.9, §4.1, §6.1, §7; pora-and-contracts §3, §6; p2p-and-sync appendix C).
 */
import type { SettingValue } from '../schema.js';
import {
	address,
	addressOrNone,
	duration,
	flag,
	type OfficialType,
	real,
	text,
	texts,
	u16,
	u32,
	u64,
	u8,
} from './types.js';

interface HonouredKey {
	/** Dotted: `rpc.listen_address` stands in the section `rpc`. */
	readonly key: string;
	readonly type: OfficialType;
	/** The setting that it becomes, or what else it does. */
	readonly setting?: string;
	readonly effect?: (value: unknown) => string;
	/** What a 0G storage node takes where no key says it; absent where one must, and for older names. */
	readonly fallback?: string | number;
	/** The setting's value, where it is another one. */
	readonly as?: (value: string) => SettingValue;
}

interface UnusedKey {
	readonly key: string;
	readonly type: OfficialType;
	/** What follows "not used here, because". */
	readonly reason: string;
}

export type OfficialKey = HonouredKey | UnusedKey;

/** One of them is false: no RPC is wanted. */
export const SERVES_KEYS: readonly string[] = ['rpc_enabled', 'rpc.enabled'];

/** Older versions have no section for RPC; where both are there, the section counts. */
const RPC: readonly OfficialKey[] = [
	...SERVES_KEYS.map((key) => ({
		key,
		type: flag,
		effect: (value: unknown) =>
			value === true ? 'the listeners are where the file says' : 'the listeners keep to the loopback address',
	})),
	{ key: 'rpc_listen_address', type: address, setting: 'http' },
	{ key: 'rpc_listen_address_admin', type: addressOrNone, setting: 'admin' },
	{ key: 'rpc.listen_address', type: address, setting: 'http', fallback: '0.0.0.0:5678' },
	{ key: 'rpc.listen_address_admin', type: addressOrNone, setting: 'admin', fallback: '127.0.0.1:5679' },
	{ key: 'rpc.listen_address_grpc', type: address, setting: 'grpc', fallback: '0.0.0.0:50051' },
];

/** Official files leave the 0x out, or not. */
function chainAddress(digits: string): string {
	return /^[0-9a-f]{40}$/i.test(digits) ? `0x${digits}` : digits;
}

const LOG_SYNC: readonly OfficialKey[] = [
	{
		key: 'blockchain_rpc_endpoint',
		type: text,
		setting: 'chain.endpoints',
		fallback: 'http://127.0.0.1:8545',
		as: (url) => [url],
	},
	{ key: 'log_contract_address', type: text, setting: 'chain.flowAddress', as: chainAddress },
	{ key: 'reward_contract_address', type: text, setting: 'chain.rewardAddress', as: chainAddress },
	{ key: 'log_sync_start_block_number', type: u64, setting: 'chain.startBlock', fallback: 0 },
	{ key: 'confirmation_block_count', type: u64, setting: 'chain.confirmations', fallback: 3 },
	{ key: 'log_page_size', type: u64, setting: 'chain.pageBlocks', fallback: 999 },
	{ key: 'watch_loop_wait_time_ms', type: u64, setting: 'chain.pollMs', fallback: 500 },
];

/** Mining itself is asked for with --mine (mining.mode). */
const MINING: readonly OfficialKey[] = [
	{ key: 'mine_contract_address', type: text, setting: 'chain.mineAddress', as: chainAddress },
	{
		key: 'miner_id',
		type: text,
		setting: 'mining.minerId',
		as: (id) => (/^[0-9a-f]{64}$/i.test(id) ? `0x${id}` : id),
	},
	{
		key: 'miner_cpu_percentage',
		type: u64,
		setting: 'mining.cpuPercent',
		// More than all of it is all of it.
		as: (percent) => Math.min(100, Number(percent)),
	},
	{
		key: 'mine_context_query_seconds',
		type: u64,
		setting: 'mining.pollMs',
		as: (seconds) => Number(seconds) * 1000,
	},
];

/** A folder of its own: what another node keeps in the same place stays as it is. */
const STORAGE: readonly OfficialKey[] = [
	{ key: 'db_dir', type: text, setting: 'dataDir', fallback: 'db', as: (directory) => `${directory || '.'}/perigee` },
];

/** The older name of the limit first: the other stands in its place. */
const SHARD: readonly OfficialKey[] = [
	{ key: 'shard_position', type: text, setting: 'shard.position' },
	{ key: 'db_max_num_chunks', type: u64, setting: 'shard.maxSectors' },
	{ key: 'db_max_num_sectors', type: u64, setting: 'shard.maxSectors' },
];

const RETRIES = 'an endpoint that fails is asked again after pauses of its own making, for as long as the node runs';
const LEDGER = 'what the chain takes back is undone by the journal, which keeps all of it';
const POOL = 'the bounds of uploads by segments are fixed (docs/rpc.md, "Uploads by segments")';
const NO_PRUNING = 'this node drops what is to go at its own pace, and looks every minute';
const OWN_GAS = 'gas is estimated, and what it may cost stands in chain.maxGasPriceGwei';
const KEY_APART =
	'a key is read from a file of its own: name it in mining.keyFile (PERIGEE_MINING_KEY_FILE), and start with --mine';
const NO_PEERS = 'this node takes no part in the network of peers';
const NO_SYNC = 'files come by uploads alone, not from peers';
const SCRAPED = 'metrics are always there to be fetched, at /metrics of the public listener';
const LOGGING = 'log lines go to standard output, from the level in log.level on (--log-level)';

export const OFFICIAL_KEYS: readonly OfficialKey[] = [
	...RPC,
	...LOG_SYNC,
	...STORAGE,
	...SHARD,
	...unused('a segment has 1,024 sectors, with every client', {
		rpc_chunks_per_segment: u64,
		'rpc.chunks_per_segment': u64,
	}),
	...unused('bodies of up to 100 MiB are taken', {
		max_request_body_size: u32,
		'rpc.max_request_body_size': u32,
	}),
	...unused(POOL, {
		rpc_max_cache_file_size: u64,
		'rpc.max_cache_file_size': u64,
		chunk_pool_write_window_size: u64,
		chunk_pool_max_cached_chunks_all: u64,
		chunk_pool_max_writings: u64,
		chunk_pool_expiration_time_secs: u64,
	}),
	...unused(RETRIES, {
		rate_limit_retries: u32,
		timeout_retries: u32,
		initial_backoff: u64,
		recover_query_delay: u64,
		blockchain_rpc_timeout_secs: u64,
	}),
	...unused(LEDGER, {
		max_cache_data_size: u64,
		cache_tx_seq_ttl: u64,
		default_finalized_block_count: u64,
		remove_finalized_block_interval_minutes: u64,
	}),
	...unused('a start goes on behind the last submission that the journal has', {
		force_log_sync_from_start_block_number: flag,
	}),
	...unused('the cache of the index has its bound in storage.viewCacheBytes', { merkle_node_cache_capacity: u64 }),
	...unused(NO_PRUNING, {
		prune_check_time_s: u64,
		prune_batch_size: u64,
		prune_batch_wait_time_ms: u64,
	}),
	...MINING,
	...unused(OWN_GAS, { miner_submission_gas: u64, miner_submission_max_gas_price: u64 }),
	...unused(KEY_APART, { miner_key: text }),
	...unused('nonces are tried for a bounded time, whatever their number', { mine_iter_batch_size: u64 }),
	...unused(LOGGING, { log_config_file: text, log_directory: text }),
	...unused(NO_PEERS, {
		network_dir: text,
		network_listen_address: text,
		network_enr_address: text,
		network_enr_tcp_port: u16,
		network_enr_udp_port: u16,
		network_libp2p_port: u16,
		network_discovery_port: u16,
		network_target_peers: u64,
		network_boot_nodes: texts,
		network_libp2p_nodes: texts,
		network_private: flag,
		network_disable_discovery: flag,
		network_find_chunks_enabled: flag,
		discv5_request_timeout_secs: u64,
		discv5_query_peer_timeout_secs: u64,
		discv5_request_retries: u8,
		discv5_query_parallelism: u64,
		discv5_report_discovered_peers: flag,
		discv5_disable_packet_filter: flag,
		discv5_disable_ip_limit: flag,
		discv5_disable_enr_network_id: flag,
		'network_peer_db.max_disconnected_peers': u64,
		'network_peer_db.max_banned_peers': u64,
		'network_peer_db.banned_peers_per_ip_threshold': u64,
		'network_peer_db.allowed_negative_gossipsub_factor': real,
		'network_peer_db.dail_timeout': duration,
		'network_peer_manager.heartbeat_interval': duration,
		'network_peer_manager.discovery_enabled': flag,
		'network_peer_manager.metrics_enabled': flag,
		'network_peer_manager.target_peer_count': u64,
		'network_peer_manager.status_interval': u64,
		'network_peer_manager.ping_interval_inbound': u64,
		'network_peer_manager.ping_interval_outbound': u64,
		'router.heartbeat_interval': duration,
		'router.idle_time': duration,
		'router.max_idle_incoming_peers': u64,
		'router.max_idle_outgoing_peers': u64,
		'router.libp2p_nodes': texts,
		'router.private_ip_enabled': flag,
		'router.check_announced_ip': flag,
		'router.public_address': text,
		'router.batcher_timeout': duration,
		'router.batcher_file_capacity': u64,
		'router.batcher_announcement_capacity': u64,
		'router.max_announce_file_tx_ids': u64,
		'file_location_cache.max_entries_total': u64,
		'file_location_cache.max_entries_per_file': u64,
		'file_location_cache.entry_expiration_time_secs': u32,
	}),
	...unused(NO_SYNC, {
		'sync.neighbors_only': flag,
		'sync.heartbeat_interval': duration,
		'sync.auto_sync_enabled': flag,
		'sync.max_sync_files': u64,
		'sync.sync_file_by_rpc_enabled': flag,
		'sync.sync_file_on_announcement_enabled': flag,
		'sync.max_chunks_to_request': u64,
		'sync.max_request_failures': u64,
		'sync.peer_connect_timeout': duration,
		'sync.peer_disconnect_timeout': duration,
		'sync.peer_find_timeout': duration,
		'sync.peer_chunks_download_timeout': duration,
		'sync.peer_wait_outgoing_connection_timeout': duration,
		'sync.peer_next_chunks_request_wait_timeout': duration,
		'sync.max_bandwidth_bytes': u64,
		'sync.bandwidth_wait_timeout': duration,
		'sync.auto_sync_idle_interval': duration,
		'sync.auto_sync_error_interval': duration,
		'sync.max_sequential_workers': u64,
		'sync.max_random_workers': u64,
		'sync.sequential_find_peer_timeout': duration,
		'sync.random_find_peer_timeout': duration,
	}),
	...unused(SCRAPED, {
		'metrics.enabled': flag,
		'metrics.report_interval': duration,
		'metrics.file_report_output': text,
		'metrics.influxdb_report_host': text,
		'metrics.influxdb_report_db': text,
		'metrics.influxdb_report_username': text,
		'metrics.influxdb_report_password': text,
		'metrics.influxdb_report_node': text,
		'metrics.prometheus_listen_addr': text,
	}),
];

function unused(reason: string, keys: Readonly<Record<string, OfficialType>>): UnusedKey[] {
	return Object.entries(keys).map(([key, type]) => ({ key, type, reason }));
}
