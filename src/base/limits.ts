/** Every limit of the system: unit in the name, reason beside it. OPERATING.md prints them. */

export const limits = {
  /** A row key is 1 to 65,535 bytes; its size travels as u16 in formats. */
  maxRowKeyBytes: 65_535,
  /** Local keys share the row key's reason; empty is the unnamed value. */
  maxLocalKeyBytes: 65_535,
  /** A key as RocksDB sees it: token, row key and local key (escaped, at worst doubled), separators, version. */
  maxPhysicalKeyBytes: 262_162,
  /** One value. The binding copies values several times; larger ones belong in an object store. */
  maxValueBytes: 16 * 1024 * 1024,
  /** One thrift frame, request or answer. Announced by describeServer. */
  maxFrameBytes: 64 * 1024 * 1024,
  /** Nesting of structs and containers in a frame; the IDL needs 6. */
  maxThriftDepth: 32,
  /** Elements of all containers of a frame together: an element of one byte may become an object of a hundred. */
  maxThriftElements: 1_000_000,
  /** Rows of one multiGet. Announced by describeServer. */
  maxBatchRows: 10_000,
  /** Columns of one row that one request may name or write. */
  maxCellsPerRow: 10_000,
  /** Local keys, ranges and prefixes of one selector together. */
  maxSelectorParts: 10_000,
  /** Conditions of one scan or one write; each is a comparison for every row that is looked at. */
  maxConditions: 1_000,
  /** Mutations of one row in one request, those of `otherwise` counted apart. */
  maxMutationsPerRow: 1_000,
  /** Keys times columns that one multiGet may name; each is a look-up of its own. */
  maxCellsPerRequest: 100_000,
  /** Rows of a scan's page that names no number of its own, and the greatest number that it may name. */
  defaultPageRows: 100,
  maxPageRows: 10_000,
  /** Bytes of a scan's page that names no number of its own. */
  defaultPageBytes: 1024 * 1024,
  /** Bytes of any page: a last cell of the largest size and what surrounds the cells must still fit the frame. */
  maxPageBytes: 32 * 1024 * 1024,
  /** Parts that a scan may be split into. */
  maxScanSegments: 1_024,
  /** A scan that goes on from shard to shard ends its page after so long, however little it found. */
  scanPageTimeMs: 500,
  /** Requests of one thread that wait for answers before those of priority BATCH are refused as OVERLOADED. */
  maxWaitingBeforeBatchIsShed: 1_000,
  /** Requests of one connection that wait for answers; the socket is not read while it is at the limit. */
  maxPipelinedRequests: 1_024,
  /** Bytes of answers a slow reader may leave in our memory before its socket is not read any more. */
  maxUnsentBytesPerConnection: 8 * 1024 * 1024,
  /** What an answer of a new connection is taken to need, until its own answers show: bounds a first burst of large ones. */
  assumedAnswerBytes: 2 * 1024 * 1024,
  /** Bytes that incomplete requests and unread answers of one listener may hold on one data thread, all together. */
  maxBufferedBytesPerThread: 512 * 1024 * 1024,
  /** Connections of one listener on one data thread. */
  maxConnectionsPerThread: 10_000,
  /** A request that has begun to arrive has arrived whole after so long, or its connection is closed. */
  frameTimeoutMs: 30_000,
  /** A connection silent for so long, with nothing in flight, is closed. */
  idleConnectionMs: 600_000,
  /** Keys of one native MultiGet; the binding's own bound. */
  maxKeysPerMultiGet: 10_000,
  /** Living cells of a mutable row that is read whole, four writes of the largest size; name columns to read of more. */
  maxCellsPerWholeRow: 40_000,
  /** Rows of one shard that are looked through for a living cell while their writes wait; one at a time. */
  maxRowSearches: 64,
  /** Bytes of mutations that wait for the writer thread before more are refused as OVERLOADED. */
  maxQueuedWriteBytes: 64 * 1024 * 1024,
  /** Operations of one group commit; bounds how long a group holds the writer. */
  maxGroupCommitOperations: 20_000,
  /** Bytes of one group commit, for the same reason. */
  maxGroupCommitBytes: 16 * 1024 * 1024,
  /** Bytes of the keys of superseded versions that one read has the writer thread remove; the next finds the others. */
  maxSupersededBytes: 256 * 1024,
  /** Main waits so long for every thread to give up a DB; then it stays open and a metric says so. */
  leaseTimeoutMs: 30_000,
  /** Open DBs of kept versions: about 200 KB of memory and six file descriptors each, more where data is large. */
  openDbs: 2_000,
  /** Milliseconds that a sequence of pages may go on with a version that is kept no longer. */
  leavingVersionMs: 300_000,
  /** Of one dataset; the oldest goes when there are more, so that who publishes often fills neither disk nor list. */
  maxLeavingVersions: 10,
  /** Reads of one thread that wait for versions to be opened before more are refused as OVERLOADED. */
  maxReadsWaitingForVersions: 10_000,
  /** SIGTERM: in-flight requests get so long before connections are cut. */
  drainTimeoutMs: 10_000,
  /** A token is remembered so long: twice what its time may differ from our clock, and the longest wait of a repeat. */
  idempotencyWindowSeconds: 420,
  /** The generation time of an idempotency token may differ so much from the server's clock. */
  maxIdempotencySkewMs: 60_000,
  /** Default deadline of a request that brings none. */
  defaultDeadlineMs: 10_000,
  /** A deadline longer than this is cut to it. */
  maxDeadlineMs: 300_000,
  /** Names of datasets, owners, clusters: they become directory names and metric labels. */
  maxNameLength: 128,
  /** Datasets that have labels of their own in metrics; the others count as (other). */
  maxLabelledDatasets: 1_000,
  /** Pairs of dataset and operation with figures of their own; 20 lines, 2.3 KB of a scrape each. Others: as above. */
  maxRequestSeries: 6_000,
  /** A scrape asks RocksDB for its figures so long; shards that it does not come to keep those that they had. */
  shardFiguresTimeMs: 50,
  /** Requests whose traces one thread begins in a second, those included whose callers ask for it. */
  maxTracesPerSecond: 200,
  /** Traced requests of one thread that wait for their answers; further ones are not traced. */
  maxOpenTraces: 1_000,
  /** Spans of one thread that wait for the collector; further ones are dropped and counted. About 1 KB each. */
  maxQueuedSpans: 8_192,
  /** Leaves of one cluster, and former names that it keeps: its record is one line of the store. */
  maxClusterLeaves: 256,
  maxClusterAliases: 16,
  /** Body of an admin request that changes metadata. */
  maxAdminBodyBytes: 1024 * 1024,
  /** Body of an admin request that writes a row: a value of the largest size, in base64, and its columns. */
  maxAdminRowBodyBytes: 32 * 1024 * 1024,
  /** Head of an admin request: a key of the largest size in its URL, each byte as %XX. */
  maxAdminHeadBytes: 256 * 1024,
  /** Bodies of all admin requests in memory together; a request without room is refused as OVERLOADED. */
  maxAdminBufferedBytes: 128 * 1024 * 1024,
  /** Connections to the admin API; further ones are closed at once. */
  maxAdminConnections: 256,
  /** The head of an admin request has arrived whole after so long, or its connection is closed. */
  adminHeadTimeoutMs: 10_000,
  /** A JSON body has arrived whole after so long: 32 MiB over a slow link. */
  adminBodyTimeoutMs: 60_000,
  /** A streamed body sends something within so long while it is waited for, and whoever reads an answer takes something. */
  adminStallTimeoutMs: 30_000,
  /** A refused upload may go on so long, unread, so that its sender sees the refusal. */
  adminLingerMs: 2_000,
  /** Loads, and other jobs, that wait for their turn before more are refused as OVERLOADED. */
  maxQueuedJobs: 64,
  /** Keys of each kind that a comparison of versions names. */
  maxDiffSamples: 1_000,
  /** Files of one archive or restore that are copied at the same time; each holds some megabytes on its way. */
  parallelTransfers: 4,
  /** Loads and other jobs whose outcome can still be asked for; the oldest that have ended are forgotten. */
  maxRememberedJobs: 100,
  /** One line of a load's input; the load process holds one in memory several times. */
  maxLoadLineBytes: 32 * 1024 * 1024,
  /** Body of a batch that a leaf process takes: the keys of a largest frame, with what goes with each. */
  maxLeafBatchBytes: 96 * 1024 * 1024,
  /** Connections of a leaf process: a few for each data thread of each gateway. */
  maxLeafConnections: 1_024,
  /** Answer of a leaf process to a control request: names of all of its copies. */
  maxLeafControlBytes: 64 * 1024 * 1024,
  /** Files of one shard's copy; a shard of a terabyte has that many. */
  maxFilesPerShard: 16_384,
  /** Free space that an upload leaves on the disk: for what is made of it, and for what else is written meanwhile. */
  minFreeBytesForUploads: 256 * 1024 * 1024,
  /** In so long an upload sends at least `uploadPaceBytes`, or it ends: while it goes on nothing else loads its dataset. */
  uploadPaceMs: 300_000,
  /** 3.4 KB a second: less than any link that rows are sent over. */
  uploadPaceBytes: 1024 * 1024,
  /** Bad lines of a load's input that are reported with line and reason. */
  maxReportedBadLines: 20,
  /** Objects below one directory or prefix: a list of them is held in memory. */
  maxListedObjects: 100_000,
  /** Bytes that one compressed object may unpack to. */
  maxUnpackedBytes: 1024 * 1024 * 1024 * 1024,
  /** Bytes of keys of one thread's calls to one origin in one role, those in flight and those that wait. */
  maxGuardedBytes: 64 * 1024 * 1024,
  /** Longest pause before a thread connects to an origin again: the breaker keeps requests away, for all threads at once. */
  maxOriginBackoffMs: 100,
  /** A call of Terrapin's, whose requests carry no deadline: its own clients wait for two passes of 500 ms. */
  terrapinTimeoutMs: 1_000,
  /** A call of an HBase client, whose requests carry no deadline: hbase.rpc.timeout. */
  hbaseTimeoutMs: 60_000,
  /** Scanners that HBase clients have open on one thread: a place each, a filter's state and rows not yet asked for. */
  maxScannersPerThread: 10_000,
  /** A scanner that nobody asked for so long is forgotten: twice hbase.client.scanner.timeout.period, as in HBase. */
  scannerIdleMs: 120_000,
  /** Rows, or pieces of rows, that one call may ask of a scanner; it gets no more at a time. */
  maxScannerRows: 100_000,
  /** Rows and bytes of one page that a scanner reads ahead. */
  maxScannerPageRows: 1_000,
  scannerPageBytes: 2 * 1024 * 1024,
  /** Memory of what the scanners of one thread have read and not answered yet; beyond, they read no more for now. */
  maxScannerReadyBytes: 256 * 1024 * 1024,
  /** Memory of what the scanners of one thread were opened with: keys, columns, filters. */
  maxScannerHeldBytes: 64 * 1024 * 1024,
  /** Memory of one row that a scan without a batch size gathers from pages. */
  maxScannedRowBytes: 64 * 1024 * 1024,
  /** Bytes behind which a scanner's answer ends, however many rows were asked for. */
  maxScannerAnswerBytes: 16 * 1024 * 1024,
  /** An HBase filter as text; each part is asked for every cell. */
  maxFilterBytes: 64 * 1024,
  maxFilterParts: 1_000,
  /** Parentheses, SKIP and WHILE of a filter within each other, and groups of a regular expression. */
  maxFilterDepth: 50,
  /** Bytes of the filters of one call's gets together; each is kept, some thirty times as large, until all are judged. */
  maxFilterBytesPerCall: 1024 * 1024,
  /** Milliseconds that a filter judges rows at a stretch; then the thread serves others. */
  filterSliceMs: 10,
  /** States of a filter's regular expression; matching takes at most so many steps a character. */
  maxRegexStates: 2_000,
  /** States of all regular expressions of a call's filters, some 150 bytes each. */
  maxFilterStates: 100_000,
  /** Steps of one cell through a filter, about 0.3 s: a value of 1 MiB past ten states, or one of 5 KB past all of them. */
  maxFilterSteps: 30_000_000,
  /** A CQL statement's text, in UTF-16 units; values of more than some megabytes are better bound than written out. */
  maxCqlStatementChars: 16 * 1024 * 1024,
  /** Bind markers of one CQL statement: their number travels as u16. */
  maxCqlMarkers: 65_535,
  /** Values, types and relations of a CQL statement within each other, and values inside values of JSON. */
  maxCqlDepth: 300,
  /** Types within each other, user types followed: what reads and writes their values goes as deep on a thread's stack. */
  maxCqlTypeDepth: 300,
  /** Types that one column's type is made of, each as often as its description says it: every answer says it. */
  maxCqlTypeParts: 10_000,
  /** A varint or a decimal of CQL: arithmetic and text of longer numbers would hold a thread up. */
  maxCqlNumberBytes: 64 * 1024,
  /** What an error shows of a CQL statement or value. */
  maxCqlErrorChars: 400,
  /** loadFileSet answers SHARD_LOAD_TIMEOUT after so long, and the load goes on: its clients give a call up after 120 s. */
  terrapinLoadAnswerMs: 110_000,
  /** Calls of loadFileSet that wait, and loads that they began: Terrapin's own bound (thrift_max_concurrent_requests). */
  maxFileSetLoads: 100,
  /** What WebHDFS answers about a directory, as JSON, in memory: some 300 bytes a file. */
  maxWebHdfsAnswerBytes: 32 * 1024 * 1024,
  /** Second reads of Terrapin's calls that one thread has under way: each holds a request's memory. */
  maxTerrapinSecondReads: 1_000,
  /** One message of a ZooKeeper server; its own limit is 1 MiB a node, lists of children may be longer. */
  maxZooKeeperFrameBytes: 16 * 1024 * 1024,
  /** Longest time between two attempts to reach ZooKeeper. */
  maxZooKeeperRetryMs: 10_000,
  /** What the end of a ZooKeeper session is waited for when a gateway stops. */
  zooKeeperCloseMs: 1_000,
  /** File sets that are compared with ZooKeeper at the same time. */
  zooKeeperLanes: 16,
  /** What could not be published is tried again so long afterwards; each failure more doubles it, six times. */
  zooKeeperRepublishMs: 5_000,
  /** All file sets are compared with ZooKeeper so often, whatever happens. */
  zooKeeperSweepMs: 600_000,
  /** The view of a version that is gone stays so long: clients hear of a publish and of views one after the other. */
  zooKeeperViewLingerMs: 15_000,
  /** A block of an HFile, packed or not: its writers close one at 16 KB, but never inside a value. */
  maxHFileBlockBytes: 64 * 1024 * 1024,
  /** What gzip and zstd may grow data by: rows with keys of their own pack to a fiftieth at best, a bomb to far less. */
  maxUnpackingRatio: 250,
  /** Bytes that data may unpack to before its ratio counts: small files of zeros harm nobody. */
  unpackedBytesBeforeRatio: 64 * 1024 * 1024,
  /** Window of a zstd frame, held in memory while it is unpacked; what `zstd --long=27` makes. */
  maxZstdWindowBytes: 128 * 1024 * 1024,
  /** Footer of a Parquet file; it is parsed whole, into many times its size. */
  maxParquetFooterBytes: 64 * 1024 * 1024,
  /** One page of a Parquet column, unpacked; writers make pages of a megabyte. */
  maxParquetPageBytes: 256 * 1024 * 1024,
  /** Values of one page of a Parquet column. */
  maxParquetPageValues: 16 * 1024 * 1024,
  /** Callers that a split may name: each request's caller is looked up among them. */
  maxSplitCallers: 64,
  /** Loads of one dataset that a side may owe; the next one is refused until something was done about them. */
  maxOwedLoads: 32,
  /** Time between two steps of a ramp: evidence is looked at every second, and nobody waits for a week. */
  minRampStepMs: 1_000,
  maxRampStepMs: 604_800_000,
  /** All threads route by a change of a migration after so long, or its answer says that some do not yet. */
  migrationAdoptionMs: 1_000,
  /** Unless set otherwise: what Terrapin's own clients wait at most, twice 500 ms; its servers answer in milliseconds. */
  originDeadlineMs: 1_000,
  /** Unless set otherwise: as long as Terrapin's own clients wait before they ask a second cluster. */
  originStandInMs: 100,
  /** A load of a Terrapin origin is given up after so long: its controller answers within 120 s. */
  originLoadTimeoutMs: 150_000,
  /** Loads of one origin at the same time. */
  originLoadConnections: 8,
  /** An origin is there if it takes a connection within so long. */
  originProbeMs: 1_000,
  /** An owed load is tried again at least so often. */
  maxOwedRetryMs: 300_000,
  /** Looks back over the figures of one migrating dataset, one a second. */
  maxFigureSamples: 120,
  /** What is read ahead of a Parquet file's columns, all together. */
  maxParquetReadAheadBytes: 64 * 1024 * 1024,
  /** Thrift IDL of one load, all files together; it is parsed by the thread that serves the admin API. */
  maxIdlBytes: 256 * 1024,
  /** Fields of a struct that becomes columns, nested ones counted: their layout is part of the load's record. */
  maxExplodedFields: 1_000,
  /** Kinds of calls that one thread counts between two collections, some seconds; callers beyond are counted together. */
  maxUsageRowsPerThread: 5_000,
  /** Kinds of calls that the gateway remembers, about 200 bytes each; the one that was seen longest ago goes first. */
  maxUsageRows: 20_000,
  /** A caller that was not seen for so long is forgotten. */
  usageDays: 90,
  /** Reads of one thread that are looked at for the columns that they ask for. */
  maxSampledRequestsPerSecond: 50,
  /** Keys of one looked-at request whose selections of their own are. */
  maxSampledSelectors: 100,
  /** Datasets whose requested columns are remembered, callers of each, and columns of each caller. */
  maxAdvisedDatasets: 1_000,
  maxAdvisedReaders: 50,
  maxAdvisedColumns: 256,
  /** Stored rows that advice on a dataset looks at for the sizes of its columns. */
  maxAdvisedRows: 1_000,
  /** Shadow reads of one dataset on one thread, waiting or being looked at again; further ones are dropped and counted. */
  maxShadowReads: 1_024,
  /** Bytes of answers that wait to be compared, of one dataset on one thread. */
  maxShadowBytes: 8 * 1024 * 1024,
  /** The same of all datasets. */
  maxShadowBytesPerThread: 64 * 1024 * 1024,
  /** A shadow read waits so long for the other side; callers of the origin wait no longer by themselves. */
  shadowTimeoutMs: 1_000,
  /** A difference is looked at again after so long: what was on its way has arrived. */
  shadowConfirmMs: 250,
  /** Looks at a difference beyond the first while a side does not answer; each waits twice as long as the one before. */
  maxShadowLooks: 4,
  /** An origin that took a load swaps it in within so long: its own clients wait two minutes for that. */
  originSwapMs: 180_000,
  /** Differences of one read that are recorded; the read counts as mismatched however many there are. */
  maxDifferencesPerRead: 100,
  /** Differences of one thread that wait to be handed to the main thread, and of all that wait for the disk. */
  maxQueuedDifferences: 1_000,
  /** Bytes of the same: a row key and a column of it may each have 64 KB. */
  maxQueuedDifferenceBytes: 2 * 1024 * 1024,
  /** Records of differences of one dataset on disk; the older half goes when they are more. */
  maxDifferenceBytes: 8 * 1024 * 1024,
  /** Groups of differences that are shown: each column of a wide row may have one. */
  maxDifferenceGroups: 100,
  /** Row keys that a group of differences names. */
  maxDifferenceSamples: 10,
  /** Decisions that one thread remembers; 100 bytes each. */
  maxFlights: 20_000,
  /** Files of dumped decisions that are kept; the oldest goes. */
  maxFlightDumps: 10,
  /** Decisions of all threads that one dump holds: the newest ones. */
  maxDumpedFlights: 100_000,
  /** Body of a CQL frame, in either direction; larger requests are refused and passed over. Cassandra's is 256 MB. */
  maxCqlFrameBytes: 64 * 1024 * 1024,
  /** Requests of one CQL connection that wait for answers; drivers number up to 32,768 of them. */
  maxCqlRequestsInFlight: 4_096,
  /** What an answer of a new CQL connection is taken to need, until its own answers show: 2,048 of them in a first burst. */
  assumedCqlAnswerBytes: 4 * 1024,
  /** Text of a CQL statement; values that are bound are not part of it. */
  maxCqlStatementBytes: 1024 * 1024,
  /** Statements of one CQL batch. */
  maxCqlBatchStatements: 10_000,
  /** CQL batches of one thread that were begun and failed half-way, and are tried again; more stay in their log. */
  maxUnfinishedCqlBatches: 100,
  /** What these hold together, as text. */
  maxUnfinishedCqlBatchBytes: 64 * 1024 * 1024,
  /** CQL batches of one thread that are over and whose removal from their log failed and is tried again. */
  maxUnforgottenCqlBatches: 10_000,
  /** Prepared CQL statements of one thread, and bytes of their texts; those not used for longest are prepared again. */
  maxPreparedStatements: 10_000,
  maxPreparedBytes: 16 * 1024 * 1024,
  /** CQL statements that came as text and are kept parsed, of one thread, and how long the text of one may be. */
  maxCachedCqlStatements: 2_000,
  maxCachedCqlChars: 16_384,
  /** The texts of all of them; what is made of one takes some ten times as much. */
  maxCachedCqlTotalChars: 2 * 1024 * 1024,
  /** Name and password of a CQL client, which anybody may send. */
  maxCqlTokenBytes: 4_096,
  /** Wrong passwords of one CQL connection; then it is closed. */
  maxCqlLoginAttempts: 5,
  /** CQL clients of one thread whose passwords wait to be checked, one after the other in some ten milliseconds each. */
  maxWaitingCqlLogins: 100,
  /** Of one address. */
  maxWaitingCqlLoginsPerAddress: 25,
  /** From one look at the gateways that CQL clients are shown as peers to the next; one that fails twice is down. */
  cqlPeerProbeMs: 1_000,
  /** A CQL request, whose frames carry no deadline; drivers wait 10 to 12 s. */
  cqlTimeoutMs: 10_000,
} as const
