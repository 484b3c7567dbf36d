/** Every bound of the node, in one place. Sizes in bytes, times in milliseconds. */
export const LIMITS = {
	/** Bytes a lane may hold written but not yet durable. */
	laneUnsyncedBytes: 16 * 1024 * 1024,
	/** Writes that may wait for one lane; more get OVERLOADED. */
	laneQueueWrites: 4096,
	/** Largest payload of one record. */
	recordPayloadBytes: 262_144,
	/** Records of one group. */
	groupRecords: 1024,
	/** Payload bytes gathered into one group. */
	groupPayloadBytes: 4 * 1024 * 1024,
	/** Log files held open for reading at once, all lanes together. */
	openLogFiles: 256,
	/** Iterators of the index open at once; further scans wait for one to end. */
	kvIterators: 16,
	/** Rows of one chunk of a scan, unless the scan asks for fewer. */
	kvChunkRows: 1000,
	/** Slabs of the upload ring, 4 MiB each: the memory bound of all uploads. */
	slabCount: 4,
	/** Takers that may wait for a slot of the ring; more get OVERLOADED. */
	slabWaiters: 4096,
	/** Segments of one hashing task. */
	hashTaskSegments: 16,
	/** Segments that may wait for a hashing worker; more get OVERLOADED. */
	hashQueueSegments: 1024,
	/** Time that hashing tasks get to end when the pool closes. */
	hashDrainMs: 10_000,
	/** Bytes of a file name in UTF-8. */
	nameBytes: 1024,
	/** Bytes of a media type. */
	contentTypeBytes: 255,
	/** All headers of one request, and the most of them. */
	httpHeaderBytes: 16_384,
	httpHeaderCount: 128,
	/** Longest variable part of an address: a name of 1,024 bytes, percent-encoded, and something to be refused with a clear error. */
	httpParamBytes: 8192,
	/** Open connections; more are not accepted. */
	httpConnections: 4096,
	/** Time for all headers of a request to arrive. */
	httpHeadersTimeoutMs: 20_000,
	/** How long an idle connection is kept for a next request. */
	httpKeepAliveMs: 65_000,
	/** A connection on which nothing moves for so long, through no fault of ours, is closed. */
	httpSocketIdleMs: 120_000,
	/** How long, and how far, a refused body is still read so that the client sees the answer. */
	httpLingerMs: 2_000,
	httpLingerBytes: 64 * 1024 * 1024,
	/** Largest file that is answered with one write. */
	httpSmallFileBytes: 65_536,
	/** Ranges of one request. */
	httpRanges: 100,
	/** Segments of a proved range whose hashes are looked up at once: they lie in one or two rows of each band of the tree. */
	httpProofSegments: 16,
	/** Entries of one list, and submissions that are looked at for it. */
	listEntries: 1000,
	listedSubmissions: 4096,
	/** Bytes of a download handed to a socket and not yet taken by it. */
	httpDownloadAheadBytes: 1024 * 1024,
	/** While other downloads wait for a buffer, one that takes no piece for so long is cut; how often that is looked at, and one that took no byte since the last look is cut. */
	httpStalledMs: 5_000,
	httpStalledLookMs: 1_000,
	/** Open gRPC connections, and streams of each. */
	grpcConnections: 1024,
	grpcStreams: 100,
	/** Calls in progress on all of them that move files, and others, which may wait for news; more get OVERLOADED. */
	grpcFileCalls: 256,
	grpcSideCalls: 64,
	/** Calls that bring segments, each whole in memory. */
	grpcSegmentCalls: 64,
	/** Largest message of a client (fifteen segments with their proofs), and largest chunk of a file in one. */
	grpcMessageBytes: 4 * 1024 * 1024,
	/** Buffers of that size that are kept for the next large message. */
	grpcIdleBuffers: 16,
	grpcChunkBytes: 1024 * 1024,
	/** Bytes that a client may send ahead on a stream of which nothing is read. */
	grpcWindowBytes: 512 * 1024,
	/** Bytes of a chunk that the node sends, of what it reads at once for it, and of what is on its way to one client. */
	grpcSentChunkBytes: 256 * 1024,
	grpcReadBytes: 512 * 1024,
	grpcDownloadAheadBytes: 512 * 1024,
	/** Time for the whole request of a call that has one message. */
	grpcRequestMs: 20_000,
	/** A connection that has been silent for so long is asked for a sign of life, and closed without one; without calls it is closed later. */
	grpcKeepaliveMs: 60_000,
	grpcKeepaliveTimeoutMs: 20_000,
	grpcIdleMs: 300_000,
	/** How often the health that somebody watches is looked at. */
	grpcHealthLookMs: 1_000,
	/**
	 * Bytes of the body of a call of JSON-RPC. Bodies above `rpcMiddleBodyBytes` are read one after the other; of the others so many bytes are in
	 * memory at once, and further ones wait.
	 */
	rpcBodyBytes: 100 * 1024 * 1024,
	rpcMiddleBodyBytes: 8 * 1024 * 1024,
	rpcBodiesBytes: 48 * 1024 * 1024,
	/** When one has waited for room for so long, a body that would need longer than the second for its rest is refused. */
	rpcBodyWaitMs: 5_000,
	rpcBodyRestMs: 30_000,
	/** The same of small ones, which wait for no large one. */
	rpcSmallBodiesBytes: 32 * 1024 * 1024,
	/** Bodies above the first and up to the second get memory that is used again: ten segments in base64 fit. So many are kept while none needs them. */
	rpcSmallBodyBytes: 64 * 1024,
	rpcBodyBufferBytes: 4 * 1024 * 1024,
	rpcIdleBodies: 8,
	/** Bytes of its answer. */
	rpcAnswerBytes: 10 * 1024 * 1024,
	/** Values of a body, and how deep they lie: a body full of segments has some thirty thousand. */
	rpcValues: 200_000,
	rpcDepth: 32,
	/** Flow roots that were told and can be asked about later. */
	rpcFlowRoots: 4096,
	/** Files, other fields and bytes of a field of one multipart form. */
	multipartFiles: 1000,
	multipartFields: 100,
	multipartFieldBytes: 65_536,
	/** Files of one directory upload; entries of a directory, how deep they lie, characters of a path in it or of a link, bytes of its metadata. */
	directoryFiles: 10_000,
	directoryEntries: 30_000,
	directoryDepth: 64,
	directoryPathBytes: 4096,
	directoryMetadataBytes: 4 * 1024 * 1024,
	/** Bytes of metadata whose trees are kept for the next request. */
	directoryCacheBytes: 8 * 1024 * 1024,
	/** Files of a directory that are looked up at once. */
	directoryLookups: 64,
	/** Largest file of a directory that the gateway serves, and contents of one question about many. */
	gatewayEntryBytes: 100 * 1024 * 1024,
	gatewayCids: 100,
	/** Members of a digest or precondition header. */
	headerListMembers: 64,
	/** Longest JSON answer that the command line reads: a segment in base64 and its proof are far below. */
	clientJsonBytes: 1024 * 1024,
	/** Longest text of metrics that it reads, and samples in it that it looks at. */
	clientMetricsBytes: 4 * 1024 * 1024,
	clientMetricSamples: 20_000,
	/** Files of this size are sent by the command line so that they go on where they broke off. */
	clientResumableBytes: 8 * 1024 * 1024,
	/** A node of which the command line hears nothing for so long is gone. */
	clientSilenceMs: 120_000,
	/** Files of a directory that the command line sends or fetches at once. */
	clientFilesAtOnce: 8,
	/** Segments that the command line asks for ahead of the one it writes. */
	clientSegmentsAhead: 4,
	/** Tokens of one node, bytes of their file and of the name of one. */
	tokens: 1000,
	tokenFileBytes: 1024 * 1024,
	tokenNameBytes: 64,
	/** Bytes of a certificate (with its chain) or key, and of a file with one token. */
	tlsFileBytes: 1024 * 1024,
	tokenTextBytes: 1024,
	/** How often it is looked whether tokens, certificate or key have changed. */
	fileLookMs: 2_000,
	/** Origins in cors.origins. */
	corsOrigins: 100,
	/** Bytes of the path of a Unix socket, which the system bounds. */
	socketPathBytes: 80,
	/** Bytes of a configuration file. */
	configFileBytes: 1024 * 1024,
	/** Submissions that may wait for the embedded ledger's next block; more get OVERLOADED. */
	ledgerQueueSubmissions: 4096,
	/** The same in bytes of their ledger entries. */
	ledgerQueueBytes: 16 * 1024 * 1024,
	/** Submissions of one ledger block (each with its upload record makes one journal group). */
	ledgerBlockSubmissions: 1000,
	/** Ledger blocks that one entry may cover when nothing was submitted; beyond it time passes without blocks. Never lower: a rule of the ledger. */
	ledgerRunBlocks: 1 << 20,
	/** Epochs that one ledger entry may begin. Never lower: a rule of the ledger. */
	ledgerRunEpochs: 1024,
	/** Tags of one submission. Never lower: a rule of the ledger. */
	submissionTagsBytes: 65_535,
	/** Settings of the journal (repeated at the head of each of its files), their keys and values. */
	settings: 512,
	settingKeyBytes: 255,
	settingValueBytes: 65_536,
	/** All settings together. */
	settingsBytes: 1024 * 1024,
	/** Submissions that this node has still to pay for, at once; more get OVERLOADED. */
	payments: 256,
	/** Transactions that are on their way, or not old enough to be forgotten, and the submissions of one. */
	paymentTransactions: 32,
	paymentBatch: 16,
	/** How long the answer to an upload waits for its submission, unless it says otherwise, and at most. */
	submissionWaitMs: 30_000,
	submissionLongestWaitMs: 600_000,
	/** Rows of the view kept in memory for repeated look-ups. */
	cachedRows: 16_384,
	/** And their bytes in all. */
	cachedRowBytes: 4 * 2 ** 20,
	/** Objects whose trees are kept while they are written, their segments together (2 bytes each), and those of one that may come before their turn. */
	openTrees: 256,
	openTreeSegments: 1 << 24,
	openTreeEarly: 64,
	/** Rows of the view that wait in memory to be put again. */
	laterRows: 2048,
	/** Read buffers of 1 MiB lent out at once; more readers wait. Idle ones kept. */
	readBuffers: 32,
	readBuffersIdle: 8,
	/** Objects without a submission that are kept in mind; beyond it the view is scanned for them. */
	pendingObjects: 100_000,
	/** How often freed memory is given back to the system. */
	trimIntervalMs: 10_000,
	/** Resumable uploads that may be open at once, and of them those whose state is kept in memory between two requests. */
	resumableUploads: 10_000,
	resumablesInMemory: 1024,
	/** Pieces in which the bytes of a segment that is not whole are kept; with the next one all are written anew as one. */
	stagedPieces: 32,
	/** What a client may say about its upload. */
	resumableMetadataBytes: 4096,
	/** Hashes of a proof: of a tree with a leaf for each of 2^64 segments there are fewer. */
	proofItems: 68,
	/** Bytes that are kept of the tags of a submission that a chain shows: the contract takes any number. */
	chainTagsBytes: 131_072,
	/** An endpoint that shows no new block of the chain for so long is compared with the others, and a chain is said to stand still. */
	chainStaleMs: 10_000,
	chainStandstillMs: 600_000,
	/** Files that may be uploaded by segments at once. */
	partialFiles: 10_000,
	/** Of what comes by segments before its submission is known: the largest file, files and bytes in all, and how long it is kept. */
	cachedFileBytes: 10 * 1024 * 1024,
	cachedFiles: 4096,
	cachedSegmentsBytes: 1024 * 1024 * 1024,
	cachedSegmentsMs: 300_000,
	/** How often it is looked for resumable uploads whose time is over. */
	resumableForgetMs: 3_600_000,
	/** How often it is looked for content that nobody continues and no submission names, and how many are given up at once. */
	expiryIntervalMs: 60_000,
	expiryAtOnce: 64,
	/** Deleted objects that wait for the removal of their rows, in memory; more wait in the view. */
	purgeQueue: 10_000,
	/** Segments that one fact drops: one batch of the view; and facts on their way at once. */
	dropFactSegments: 4000,
	dropFactsAtOnce: 64,
	/** Shards of the flow; places in the flow, of one content, by which a shard tells its segments. */
	shards: 2 ** 30,
	keptResidues: 64,
	/** Ranges of dropped segments of one object. */
	droppedRanges: 1024,
	/** Damaged segments remembered by name; the same number of damaged stretches of log files. */
	damagedSegments: 10_000,
	damagedStretches: 1000,
	/** The list of them is written at most so often. */
	damageSaveMs: 1000,
	/** Bytes of that list, and of the state of the scrub. */
	damageFileBytes: 16 * 1024 * 1024,
	/** Bytes of the list of log files, and ranges of numbers in it for each lane: gaps are left by files that could not be begun. */
	manifestBytes: 1024 * 1024,
	manifestRanges: 4096,
	/** Segments that the scrub checks at once, and bytes or rows after which it rests. */
	scrubBatchSegments: 8,
	scrubBatchBytes: 2 * 1024 * 1024,
	scrubRows: 1000,
	/** Segments that could not be read, which a pass tries again at its end. */
	scrubRetries: 1000,
	/** How often the position of the scrub is written down, how often it looks whether a pass is due, and how soon it tries again after an error. */
	scrubSaveMs: 60_000,
	scrubLookMs: 3_600_000,
	scrubRetryMs: 60_000,
	/** Longest rest of background work between two pieces of it. */
	pacerSleepMs: 10_000,
	/** Entries of one page of the list of damage. */
	damagePageEntries: 1000,
	/** How long calls may go on once the view is to be rebuilt, how soon a failed rebuild is tried again, and the shortest time between two. */
	healDrainMs: 5_000,
	healRetryMs: 30_000,
	healIntervalMs: 600_000,
	/** Objects remembered as read through. */
	checkedObjects: 10_000,
	/** An object up to this size is read through when its content comes again and nobody has checked it lately. */
	intactReadBytes: 64 * 1024 * 1024,
	/** Segments that could not be read once, and how much later a second failure counts as damage. */
	suspectSegments: 1000,
	suspectMs: 60_000,
	/** A checkpoint is made after so much log, or so much time with changes. */
	checkpointLogBytes: 64 * 1024 * 1024,
	checkpointIntervalMs: 60_000,
	/** Rows that one turn counts when the live bytes of the log files are counted anew. */
	recountRows: 500,
	/** Records that compaction judges and copies at once, and the stretch of a file that they span, by the lane they go to. */
	copyRecords: 64,
	/** Deletions of one file that are remembered, so that none is copied twice. */
	copiedDeletions: 100_000,
	copySmallBytes: 256 * 1024,
	copyBulkBytes: 2 * 1024 * 1024,
	/** Files that one checkpoint of compaction may release. */
	emptiedFiles: 16,
	/** Files that may wait for readers outside the event loop; compaction pauses beyond. */
	waitingFiles: 64,
	/** A file that waits longer for such a reader is reported. */
	waitingFileMs: 10 * 60_000,
	/** How often compaction looks whether there is work. */
	compactionLookMs: 2_000,
	/** Dead bytes of the whole log below which compaction does not begin by itself. */
	compactionLeastBytes: 32 * 1024 * 1024,
	/** Ranges in one setting of retired files. */
	retiredRanges: 8000,
	/** Age of the last look at the free space of the disk. */
	diskLookMs: 500,
	/** A volume that refused a file or a group is tried again after so long. */
	volumeRetryMs: 10_000,
	/** Time between two tries to write rows of the view to a full disk. */
	viewRetryMs: 500,
	/** Room that is kept so that a node can start on a full disk. */
	ballastBytes: 64 * 1024 * 1024,
	/** Data directories of one store. */
	volumes: 64,
	/** Flow segments that are sealed with one native call and one commit: 4 MiB. */
	sealBatchSegments: 16,
	/** Copies of flow segments whose rows are looked up at once. */
	sealLookSegments: 1000,
	/** Ranges of flow segments that are to be looked at again; with more all of them are. */
	sealDirtyRanges: 4096,
	/** Time without work after which the sealer looks again. */
	sealIdleMs: 5000,
	/** Time after which sealing is tried again when it has failed. */
	sealRetryMs: 5000,
	/** Contexts whose part of the flow is remembered. */
	sealOwners: 4096,
	/** Longest native call of a mining thread. */
	mineTaskMs: 150,
	/** Answers that wait to be sent; more are thrown away, as they would be too late. */
	waitingAnswers: 20,
	/** So many answers in a row that are refused end the mining of a context. */
	refusedAnswers: 3,
	/** Time between two looks whether the store that is mined is still there. */
	mineWatchMs: 250,
	/** Transactions of one ledger block. */
	ledgerBlockTransactions: 16,
	/** Answers and registrations that wait for a ledger block. */
	ledgerQueueTransactions: 64,
	/** Miners of an embedded ledger. */
	ledgerMiners: 1024,
	/** Contexts that own part of the flow of an embedded ledger. */
	ledgerOwners: 2 ** 20,
	/** Pricing chunks of 8 GiB with fees. */
	ledgerPools: 2 ** 20,
} as const;
