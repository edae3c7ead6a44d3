/** Every limit of the system: unit in the name, reason beside it. OPERATING.md prints them. */

export const limits = {
  /** A row key is 1 to 65,535 bytes; its size travels as u16 in formats. */
  maxRowKeyBytes: 65_535,
  /** Local keys share the row key's reason; empty is the unnamed value. */
  maxLocalKeyBytes: 65_535,
  /** A key as RocksDB sees it: token, escaped row key (at worst doubled), separators, local key. */
  maxPhysicalKeyBytes: 262_144,
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
  /** Bytes of mutations that wait for the writer thread before more are refused as OVERLOADED. */
  maxQueuedWriteBytes: 64 * 1024 * 1024,
  /** Operations of one group commit; bounds how long a group holds the writer. */
  maxGroupCommitOperations: 20_000,
  /** Bytes of one group commit, for the same reason. */
  maxGroupCommitBytes: 16 * 1024 * 1024,
  /** Main waits so long for every thread to give up a DB; then it stays open and a metric says so. */
  leaseTimeoutMs: 30_000,
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
  /** Body of an admin request that changes metadata. */
  maxAdminBodyBytes: 1024 * 1024,
  /** Body of an admin request that writes a row: a value of the largest size, in base64, and its columns. */
  maxAdminRowBodyBytes: 32 * 1024 * 1024,
  /** Head of an admin request: a key of the largest size in its URL, each byte as %XX. */
  maxAdminHeadBytes: 256 * 1024,
  /** Loads that wait for their turn before more are refused as OVERLOADED. */
  maxQueuedLoads: 64,
  /** Finished loads whose outcome can still be asked for. */
  maxRememberedLoads: 100,
  /** One line of a load's input; the load process holds one in memory several times. */
  maxLoadLineBytes: 32 * 1024 * 1024,
  /** Bad lines of a load's input that are reported with line and reason. */
  maxReportedBadLines: 20,
} as const
