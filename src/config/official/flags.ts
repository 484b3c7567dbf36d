/** The official command line. Apart from the keys: each verb knows these flags, and few of them read a configuration. */

/** Flags of the official command line, without their dashes, by the keys that they set. */
export const OFFICIAL_FLAGS: Readonly<Record<string, string>> = {
	'log-config-file': 'log_config_file',
	'miner-key': 'miner_key',
	'blockchain-rpc-endpoint': 'blockchain_rpc_endpoint',
	'db-max-num-sectors': 'db_max_num_sectors',
	'db-max-num-chunks': 'db_max_num_sectors',
	'network-enr-address': 'network_enr_address',
};
