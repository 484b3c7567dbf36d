/**
 * Every metric of the node, declared once: name, type, labels and meaning. docs/metrics.md is held equal to this table by
 * a test. A `Metrics` belongs to one node; nothing here is global, so that several nodes live in one process.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

interface MetricRule {
	readonly type: 'counter' | 'gauge' | 'histogram';
	readonly name: string;
	readonly help: string;
	readonly labels: readonly string[];
	readonly buckets?: readonly number[];
}

/** From a fast call to a slow disk. */
const SECONDS = [
	0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const;
const COUNTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] as const;

const counter = <const L extends readonly string[]>(name: string, help: string, labels: L) =>
	({ type: 'counter', name: `perigee_${name}`, help, labels }) as const;
const gauge = <const L extends readonly string[]>(name: string, help: string, labels: L) =>
	({ type: 'gauge', name: `perigee_${name}`, help, labels }) as const;
const histogram = <const L extends readonly string[]>(
	name: string,
	help: string,
	labels: L,
	buckets: readonly number[],
) => ({ type: 'histogram', name: `perigee_${name}`, help, labels, buckets }) as const;

export const METRICS = {
	httpRequests: counter('http_requests_total', 'Requests answered, by endpoint, method and status.', [
		'method',
		'route',
		'status',
	]),
	httpSeconds: histogram(
		'http_request_seconds',
		'Time from the arrival of the headers to the end of the answer.',
		['route'],
		SECONDS,
	),
	httpConnections: gauge('http_connections', 'Open connections.', []),
	grpcRequests: counter(
		'grpc_requests_total',
		'gRPC calls by method and status; CANCELLED also where a call broke before the node answered it.',
		['method', 'status'],
	),
	grpcSeconds: histogram(
		'grpc_request_seconds',
		'Time from the arrival of a gRPC call to the end of its answer.',
		['method'],
		SECONDS,
	),
	grpcConnections: gauge('grpc_connections', 'Open gRPC connections.', []),
	rpcRequests: counter('rpc_requests_total', 'Calls of JSON-RPC by method and outcome: ok, or the code of the error.', [
		'method',
		'outcome',
	]),
	rpcSeconds: histogram(
		'rpc_request_seconds',
		'Time that a method of JSON-RPC took, without its body.',
		['method'],
		SECONDS,
	),
	errors: counter('errors_total', 'Answers that carried an error, by code (docs/errors.md).', ['code']),
	tokens: gauge('tokens', 'Tokens that the node knows.', []),
	tlsExpiresSeconds: gauge(
		'tls_certificate_expires_seconds',
		'When the certificate ends, in seconds since 1970; 0 without TLS.',
		[],
	),
	reloads: counter(
		'reloads_total',
		'Times that changed files were read again, by what (tokens, tls) and outcome (taken, refused).',
		['what', 'outcome'],
	),
	uploadBytes: counter('upload_bytes_total', 'Bytes of files received in uploads.', []),
	downloadBytes: counter('download_bytes_total', 'Bytes of files sent in downloads.', []),
	uploadsInProgress: gauge('uploads_in_progress', 'Uploads in progress.', []),
	uploads: counter('uploads_total', 'Uploads by outcome: stored, existed or failed.', ['outcome']),

	logCommits: counter('log_commits_total', 'Groups made durable, by lane.', ['lane']),
	logRecords: counter('log_records_total', 'Records made durable, by lane.', ['lane']),
	logBytes: counter('log_bytes_total', 'Bytes written to log files, by lane.', ['lane']),
	logSyncSeconds: histogram(
		'log_sync_seconds',
		'Time of one fdatasync, by lane; in journal and small with the write before it.',
		['lane'],
		SECONDS,
	),
	logGroupRecords: histogram('log_group_records', 'Records of one group, by lane.', ['lane'], COUNTS),
	logUnsyncedBytes: gauge('log_unsynced_bytes', 'Bytes written and not yet durable, by lane.', ['lane']),
	logWaitingWrites: gauge('log_waiting_writes', 'Writes that wait for their group to begin, by lane.', ['lane']),
	logFailed: gauge('log_failed', '1 once a failed sync has stopped all writing.', []),
	logInDoubtRecords: counter(
		'log_in_doubt_records_total',
		'Records behind the last confirmed group that were invalid after an unclean stop.',
		['lane'],
	),
	damageFound: counter(
		'damage_found_total',
		'Damaged places found, by where: log, view, note (store.json, log.manifest), read or scrub.',
		['where'],
	),
	damagedPlaces: gauge('damaged_places', 'Segments known to be damaged and not yet healed.', []),
	damagedStretches: gauge('damaged_stretches', 'Stretches of log files known to be damaged.', []),

	scrubRunning: gauge('scrub_running', '1 while a pass of the scrub runs.', []),
	scrubPasses: counter('scrub_passes_total', 'Passes of the scrub that came to their end.', []),
	scrubBytes: counter('scrub_bytes_total', 'Bytes of log files that the scrub has read.', []),
	scrubSegments: counter('scrub_segments_total', 'Segments that the scrub has checked.', []),

	hashQueueSegments: gauge('hash_queue_segments', 'Segments that wait for a hashing worker.', []),
	hashWaitSeconds: histogram('hash_wait_seconds', 'Time a segment waited for a hashing worker.', [], SECONDS),
	hashRunSeconds: histogram('hash_run_seconds', 'Time of one hashing task.', [], SECONDS),
	hashTaskSegments: histogram('hash_task_segments', 'Segments of one hashing task.', [], [1, 2, 4, 8, 16]),
	hashWorkersLost: counter('hash_workers_lost_total', 'Hashing workers that died.', []),
	slabWaiting: gauge('slab_waiting', 'Uploads that wait for a slot of the upload ring.', []),
	slabSlotsFree: gauge('slab_slots_free', 'Free slots of the upload ring.', []),

	compactionRunning: gauge('compaction_running', '1 while a pass of compaction runs.', []),
	compactionFileBytes: gauge(
		'compaction_file_bytes',
		'Size of the log files that compaction looks after (small, bulk and sealed), as of its last look.',
		[],
	),
	compactionDeadBytes: gauge(
		'compaction_dead_bytes',
		'Bytes of these files that nothing needs any more: the debt.',
		[],
	),
	compactionWaitingFiles: gauge(
		'compaction_waiting_files',
		'Emptied log files that a reader outside the event loop holds on to.',
		[],
	),
	compactionKeptFiles: gauge(
		'compaction_kept_files',
		'Log files left as they are because something in them that still counts cannot be read.',
		[],
	),
	compactionCopiedBytes: counter('compaction_copied_bytes_total', 'Payload copied out of log files, by lane.', [
		'lane',
	]),
	compactionRemovedFiles: counter('compaction_removed_files_total', 'Log files taken away, by lane.', ['lane']),
	compactionRemovedBytes: counter('compaction_removed_bytes_total', 'Bytes of log files taken away, by lane.', [
		'lane',
	]),
	compactionFailures: counter('compaction_failures_total', 'Passes of compaction that ended early with an error.', []),

	viewBatches: counter('view_batches_total', 'Batches applied to the view, by lane.', ['lane']),
	viewStalled: gauge('view_stalled', '1 while a full disk keeps the index from being written.', []),
	viewRebuilds: counter('view_rebuilds_total', 'Times the view was rebuilt from the log.', []),
	checkpoints: counter('checkpoints_total', 'Checkpoints written.', []),
	checkpointSeconds: histogram('checkpoint_seconds', 'Time of one checkpoint.', [], SECONDS),
	checkpointAgeSeconds: gauge('checkpoint_age_seconds', 'Time since the last checkpoint.', []),
	replayedRecords: counter('replayed_records_total', 'Records replayed into the view when the node started.', ['lane']),

	deletedFiles: counter('deleted_files_total', 'Files deleted by request.', []),
	droppedSegments: counter('dropped_segments_total', 'Segments dropped by request.', []),
	expiredObjects: counter(
		'expired_objects_total',
		'Objects given up: left behind by a stop, or without a submission for too long.',
		[],
	),
	resumableUploads: gauge(
		'resumable_uploads',
		'Resumable uploads that were begun and are neither whole nor given up.',
		[],
	),
	unnamedObjects: gauge('unnamed_objects', 'Objects that no submission names: in upload, or waiting to expire.', []),
	purgesWaiting: gauge('purges_waiting', 'Deleted files whose rows are still to be removed from the index.', []),

	submissions: gauge('submissions', 'Submissions of the settlement.', []),
	flowLengthSectors: gauge('flow_length_sectors', 'Length of the flow in sectors.', []),
	chainHead: gauge('chain_head_block', 'Number of the newest block of the chain that is followed.', []),
	chainSubmissions: counter('chain_submissions_total', 'Submissions taken from the chain.', []),
	chainReverted: counter('chain_reverted_submissions_total', 'Submissions that the chain has taken back.', []),
	chainTrouble: gauge('chain_trouble', '1 while following the chain does not go on, by reason (docs/operations.md).', [
		'code',
	]),
	chainPayments: gauge(
		'chain_payments',
		'Submissions that this node has still to pay for, and transactions under way.',
		['state'],
	),
	chainTransactions: counter(
		'chain_transactions_total',
		'Transactions of this node: sent, sent again dearer (replaced), or never to become part of the chain (died).',
		['outcome'],
	),
	chainPaymentTrouble: gauge(
		'chain_payment_trouble',
		'1 while paying for submissions does not go on, by reason (docs/operations.md).',
		['code'],
	),
	miningState: gauge('mining_state', '1 for the state that mining is in, 0 for the others (docs/mining.md).', [
		'state',
	]),
	miningNonces: counter('mining_nonces_total', 'Nonces that were tried since the start.', []),
	miningNonceRate: gauge('mining_nonces_per_second', 'Nonces tried in a second, over about the last ten.', []),
	miningQualities: counter('mining_qualities_total', 'Seals that were tried since the start.', []),
	miningReads: counter('mining_reads_total', 'Flow segments of 256 KiB that mining has read since the start.', []),
	miningReadBytes: counter('mining_read_bytes_total', 'Bytes that mining has read since the start.', []),
	miningReadFailures: counter('mining_read_failures_total', 'Flow segments that mining could not read.', []),
	miningHits: counter('mining_hits_total', 'Seals whose quality was good enough for an answer, since the start.', []),
	miningAnswers: counter(
		'mining_answers_total',
		'Answers since the start, by outcome: accepted, refused or given_up.',
		['outcome'],
	),
	miningRewards: counter('mining_rewards_total', 'Credited for answers since the start, in the smallest unit.', []),
	miningRewardsWaiting: gauge('mining_rewards_waiting', 'Credited and not withdrawn, in the smallest unit.', []),
	miningGas: counter('mining_gas_spent_total', 'Wei spent for answers since the start.', []),
	sealedSegments: gauge('sealed_segments', 'Flow segments with a sealed copy that is mined.', []),
	sealedSeals: gauge('sealed_seals', 'Seals of 4,096 bytes in these copies.', []),
	sealsMade: counter('seals_made_total', 'Seals made.', []),
	sealBacklog: gauge('seal_backlog_segments', 'Flow segments that may be sealed and were not looked at yet.', []),
	ledgerBlocks: counter('ledger_blocks_total', 'Ledger blocks that this process has closed, empty ones included.', []),
	ledgerBlock: gauge('ledger_block', 'Number of the latest ledger block.', []),
	diskFreeBytes: gauge(
		'disk_free_bytes',
		'Free space of the file system that holds a volume (0: the data directory).',
		['volume'],
	),
	diskReserveBytes: gauge('disk_reserve_bytes', 'Space of a volume that uploads leave untouched.', ['volume']),
	volumesMissing: gauge('volumes_missing', 'Volumes of the store that were not there when the node started.', []),
	logFilesMissing: gauge(
		'log_files_missing',
		'Log files that are known to have existed and were not there when the node started, by lane.',
		['lane'],
	),
	volumeRefusals: counter(
		'volume_refusals_total',
		'Times that a volume took no new file or no further bytes; where another has room, writing goes on there.',
		['volume'],
	),
	ready: gauge('ready', '1 while the node takes uploads.', []),

	buildInfo: gauge('build_info', 'Always 1; version, Node and SIMD level stand in the labels.', [
		'version',
		'node',
		'simd',
	]),
	startTimeSeconds: gauge('start_time_seconds', 'When the node started, in seconds since 1970.', []),
	residentBytes: gauge('resident_memory_bytes', 'Resident memory of the process.', []),
	heapBytes: gauge('heap_used_bytes', 'Used part of the JavaScript heap.', []),
	externalBytes: gauge('external_memory_bytes', 'Memory of buffers outside the JavaScript heap.', []),
	cpuSeconds: counter('cpu_seconds_total', 'Processor time of the process, by kind: user or system.', ['kind']),
	eventLoopDelaySeconds: gauge(
		'event_loop_delay_seconds',
		'Delay of the event loop since the last scrape, by quantile.',
		['quantile'],
	),
} as const satisfies Record<string, MetricRule>;

type Rules = typeof METRICS;
export type MetricKey = keyof Rules;

type MetricOf<R extends MetricRule> = R['type'] extends 'counter'
	? Counter<R['labels'][number]>
	: R['type'] extends 'gauge'
		? Gauge<R['labels'][number]>
		: Histogram<R['labels'][number]>;

/** All metrics of one node by their key in METRICS, each registered in `registry`. */
export type Metrics = { readonly [K in MetricKey]: MetricOf<Rules[K]> } & { readonly registry: Registry };

/** Builds a node's own set of metrics; nothing is measured until somebody sets or observes. */
export function createMetrics(): Metrics {
	const registry = new Registry();
	const built: Record<string, unknown> = { registry };
	for (const [key, rule] of Object.entries(METRICS) as [MetricKey, MetricRule][]) {
		const options = { name: rule.name, help: rule.help, labelNames: rule.labels, registers: [registry] };
		if (rule.type === 'counter') built[key] = new Counter(options);
		else if (rule.type === 'gauge') built[key] = new Gauge(options);
		else
			built[key] = new Histogram({ ...options, ...(rule.buckets === undefined ? {} : { buckets: [...rule.buckets] }) });
	}
	return built as Metrics;
}
