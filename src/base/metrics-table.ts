/**
 * Every metric: name, help, kind, labels, buckets, in one table. OPERATING.md prints it; dashboards and alert rules are
 * checked against it; nothing else may be exposed.
 */

/** Seconds. Sub-millisecond steps, because that is where reads from memory lie. */
export const DURATION_BUCKETS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
] as const

/** Seconds. A timer is a millisecond late at worst when all is well. */
const PAUSE_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5] as const

/** Seconds. From a commit that is not synced to a disk that hangs. */
const COMMIT_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5,
] as const

/** Operations, up to limits.maxGroupCommitOperations. */
const GROUP_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 20_000] as const

export interface MetricRow {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Histograms: upper bounds, rising. */
  readonly buckets?: readonly number[]
}

export const METRICS = {
  godwit_requests_total: {
    kind: 'counter',
    help: 'Requests answered, by the API’s call; code is empty for success. dataset is empty when no such dataset exists, and (other) for those beyond limits.maxLabelledDatasets',
    labels: ['api', 'operation', 'dataset', 'code'],
  },
  godwit_request_duration_seconds: {
    kind: 'histogram',
    help: 'From admission to the answer, of requests that succeeded or failed',
    labels: ['api', 'operation', 'dataset'],
    buckets: DURATION_BUCKETS,
  },
  godwit_requests_in_flight: {
    kind: 'gauge',
    help: 'Requests that were admitted and are not answered',
    labels: ['thread'],
  },
  godwit_connections: { kind: 'gauge', help: 'Open client connections', labels: ['listener'] },
  godwit_connections_total: { kind: 'counter', help: 'Client connections accepted', labels: ['listener'] },
  godwit_connections_refused_total: {
    kind: 'counter',
    help: 'Client connections closed at once or cut, by a limit or while draining',
    labels: ['listener', 'reason'],
  },
  godwit_malformed_frames_total: {
    kind: 'counter',
    help: 'Connections closed because of bytes that are no request',
    labels: ['listener', 'reason'],
  },
  godwit_request_faults_total: {
    kind: 'counter',
    help: 'Requests that failed because of a fault in Godwit itself; every one is a bug',
    labels: ['listener'],
  },
  godwit_cluster_map_epoch: {
    kind: 'gauge',
    help: 'Newest ClusterMap that every thread adopted',
    labels: [],
  },
  godwit_open_dbs: { kind: 'gauge', help: 'RocksDB instances open', labels: [] },
  godwit_leases_retiring: {
    kind: 'gauge',
    help: 'DBs that no map names any more and that are still used',
    labels: [],
  },
  godwit_leases_overdue: {
    kind: 'gauge',
    help: 'DBs that should be closed and are still used after the lease time-out',
    labels: [],
  },
  godwit_degraded_datasets: {
    kind: 'gauge',
    help: 'Datasets with a shard that is not served, or whose copy in this gateway is damaged',
    labels: [],
  },
  godwit_purged_entries_total: {
    kind: 'counter',
    help: 'Stored entries that no read could see any more, removed: what they were',
    labels: ['kind'],
  },
  godwit_purge_failures_total: {
    kind: 'counter',
    help: 'Slices of the purge that failed (UNAVAILABLE) or passed over damaged data (CORRUPT)',
    labels: ['code'],
  },
  godwit_shard_failures_total: { kind: 'counter', help: 'Shards reopened after an I/O error', labels: [] },
  godwit_backend_breaker_open: {
    kind: 'gauge',
    help: '1 while an origin failed too often and is not asked for a moment; role: primary for callers, shadow for what is compared',
    labels: ['backend', 'role'],
  },
  godwit_backend_requests_total: {
    kind: 'counter',
    help: 'Requests that an origin was asked; code is empty for success',
    labels: ['backend', 'role', 'code'],
  },
  godwit_backend_request_duration_seconds: {
    kind: 'histogram',
    help: 'From handing a request to an origin to its answer, the wait for its turn included',
    labels: ['backend', 'role'],
    buckets: DURATION_BUCKETS,
  },
  godwit_backend_requests_in_flight: {
    kind: 'gauge',
    help: 'Requests that an origin was sent and has not answered',
    labels: ['backend', 'role'],
  },
  godwit_backend_requests_queued: {
    kind: 'gauge',
    help: 'Requests that wait for those in flight at an origin',
    labels: ['backend', 'role'],
  },
  godwit_backend_attempts_total: {
    kind: 'counter',
    help: 'Reads of an origin beside the first: retry after a failed connection, hedge after a delay, probe of one that is left alone',
    labels: ['backend', 'role', 'kind'],
  },
  godwit_backend_refused_total: {
    kind: 'counter',
    help: 'Requests refused without asking the origin: by its breaker, or because too many wait (bulkhead)',
    labels: ['backend', 'role', 'reason'],
  },
  godwit_group_commit_operations: {
    kind: 'histogram',
    help: 'Writes that the writer thread committed together; greater groups mean that it is busier',
    labels: [],
    buckets: GROUP_BUCKETS,
  },
  godwit_group_commit_duration_seconds: {
    kind: 'histogram',
    help: 'From the first write of a group to its acknowledgement, the sync to the disk included',
    labels: [],
    buckets: COMMIT_BUCKETS,
  },
  godwit_writer_queue_operations: {
    kind: 'gauge',
    help: 'Writes that wait for the next group commit',
    labels: [],
  },
  godwit_unacknowledged_write_bytes: {
    kind: 'gauge',
    help: 'Bytes of writes that a data thread gave to the writer and that are not acknowledged; refused as OVERLOADED beyond limits.maxQueuedWriteBytes',
    labels: ['thread'],
  },
  godwit_datasets: { kind: 'gauge', help: 'Datasets that the metastore knows', labels: ['mode'] },
  godwit_versions: {
    kind: 'gauge',
    help: 'Versions of BATCH datasets by state',
    labels: ['dataset', 'state'],
  },
  godwit_current_version_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the served version of a BATCH dataset was uploaded, in Unix time',
    labels: ['dataset'],
  },
  godwit_callers: {
    kind: 'gauge',
    help: 'Callers (name and address) that were seen in the last 24 hours; godwit usage says which',
    labels: ['api'],
  },
  godwit_loads: { kind: 'gauge', help: 'Loads that the gateway remembers, by state', labels: ['state'] },
  godwit_jobs: {
    kind: 'gauge',
    help: 'Loads, archives, restores, snapshots and other long work that the gateway remembers, by state',
    labels: ['kind', 'state'],
  },
  godwit_load_rows: { kind: 'gauge', help: 'Rows that a running load has packed', labels: ['dataset'] },
  godwit_load_progress_ratio: {
    kind: 'gauge',
    help: 'Share of its input that a running load has read, 0 to 1',
    labels: ['dataset'],
  },
  godwit_rocksdb_sst_bytes: { kind: 'gauge', help: 'Bytes of table files', labels: ['dataset'] },
  godwit_rocksdb_sst_files: { kind: 'gauge', help: 'Table files', labels: ['dataset'] },
  godwit_rocksdb_log_bytes: {
    kind: 'gauge',
    help: 'Bytes of log files: about what memtables hold and no table file does yet',
    labels: ['dataset'],
  },
  godwit_rocksdb_sequence: {
    kind: 'gauge',
    help: 'Operations that the shards have taken in their life',
    labels: ['dataset'],
  },
  godwit_rocksdb_estimated_keys: {
    kind: 'gauge',
    help: 'Stored entries of sealed shards, as RocksDB estimates them',
    labels: ['dataset'],
  },
  godwit_rocksdb_table_readers_bytes: {
    kind: 'gauge',
    help: 'Memory for indexes and filters of sealed shards, beside the page cache',
    labels: ['dataset'],
  },
  godwit_rocksdb_running_flushes: { kind: 'gauge', help: 'Memtables being written out', labels: ['dataset'] },
  godwit_rocksdb_running_compactions: { kind: 'gauge', help: 'Compactions under way', labels: ['dataset'] },
  godwit_rocksdb_write_stopped: {
    kind: 'gauge',
    help: 'Shards whose writes RocksDB holds back altogether',
    labels: ['dataset'],
  },
  godwit_rocksdb_write_delayed: {
    kind: 'gauge',
    help: 'Shards whose writes RocksDB slows down',
    labels: ['dataset'],
  },
  godwit_rocksdb_stall_seconds: {
    kind: 'gauge',
    help: 'Time for which RocksDB held writes back, since the shards were opened',
    labels: ['dataset'],
  },
  godwit_rocksdb_background_errors: {
    kind: 'gauge',
    help: 'Failed flushes and compactions since the shards were opened',
    labels: ['dataset'],
  },
  godwit_rocksdb_oldest_sample_seconds: {
    kind: 'gauge',
    help: 'Age of the oldest of the figures above: a scrape renews as many shards as its time allows',
    labels: [],
  },
  godwit_event_loop_delay_seconds: {
    kind: 'histogram',
    help: 'How late a timer of the thread ran: what a request waits before the thread looks at it',
    labels: ['thread'],
    buckets: PAUSE_BUCKETS,
  },
  godwit_event_loop_active_seconds_total: {
    kind: 'counter',
    help: 'Time in which the thread worked',
    labels: ['thread'],
  },
  godwit_event_loop_idle_seconds_total: {
    kind: 'counter',
    help: 'Time in which the thread waited for events',
    labels: ['thread'],
  },
  godwit_gc_pause_seconds: {
    kind: 'histogram',
    help: 'Pauses of the garbage collector: minor, major, incremental, weak callbacks',
    labels: ['thread', 'kind'],
    buckets: PAUSE_BUCKETS,
  },
  godwit_heap_used_bytes: {
    kind: 'gauge',
    help: 'JavaScript heap in use; buffers and RocksDB not included',
    labels: ['thread'],
  },
  godwit_heap_limit_bytes: {
    kind: 'gauge',
    help: 'JavaScript heap at which the process ends',
    labels: ['thread'],
  },
  godwit_external_bytes: {
    kind: 'gauge',
    help: 'Memory of buffers and other objects outside the JavaScript heap',
    labels: ['thread'],
  },
  godwit_log_lines_suppressed_total: {
    kind: 'counter',
    help: 'Warnings and errors left out of the log because the same line came too often',
    labels: ['thread'],
  },
  godwit_trace_spans_total: {
    kind: 'counter',
    help: 'Spans of traces: exported, dropped because too many waited, failed to be exported',
    labels: ['outcome'],
  },
  godwit_leaf_batches_total: {
    kind: 'counter',
    help: 'POSTs of reads sent to a leaf process',
    labels: ['leaf'],
  },
  godwit_leaf_retries_total: {
    kind: 'counter',
    help: 'Reads given to another leaf process because one failed, was late, or had the row damaged',
    labels: [],
  },
  godwit_leaf_own_reads_total: {
    kind: 'counter',
    help: "Reads that no leaf process answered, given to the gateway's own copy",
    labels: [],
  },
  godwit_leaf_wrong_answers_total: {
    kind: 'counter',
    help: 'Answers of a leaf process that were for another version than asked for, or no answers at all',
    labels: ['leaf'],
  },
  godwit_leaf_breaker_open: {
    kind: 'gauge',
    help: 'Data threads that do not ask a leaf process because it failed too often',
    labels: ['leaf'],
  },
  godwit_leaf_up: {
    kind: 'gauge',
    help: '1 when a leaf process answers the gateway and holds its copies',
    labels: ['leaf'],
  },
  godwit_leaf_copies: { kind: 'gauge', help: 'Copies of shards that a leaf process has', labels: ['leaf'] },
  godwit_leaf_copy_failures_total: {
    kind: 'counter',
    help: 'Copies of shards to leaf processes that failed and are tried again; code CORRUPT: the source is damaged',
    labels: ['code'],
  },
  godwit_damaged_copies: {
    kind: 'gauge',
    help: "Shards whose copy in the gateway's own directory is damaged, as was seen when a leaf was to get it",
    labels: [],
  },
  godwit_leaf_served_batches_total: {
    kind: 'counter',
    help: 'In a leaf process: batches of reads served',
    labels: [],
  },
  godwit_leaf_refused_reads_total: {
    kind: 'counter',
    help: 'In a leaf process: reads of a version or shard that it has no copy of',
    labels: [],
  },
  godwit_terrapin_second_reads_total: {
    kind: 'counter',
    help: 'Second reads of Terrapin calls that name two clusters: fired; of these won by the first read, lost to the second; withheld for the load',
    labels: ['outcome'],
  },
  godwit_zookeeper_connected: {
    kind: 'gauge',
    help: '1 while there is a session with ZooKeeper; only where a quorum is configured',
    labels: [],
  },
  godwit_zookeeper_file_sets: {
    kind: 'gauge',
    help: 'File sets of all clusters in ZooKeeper: published, or foreign: another program has a node in their place',
    labels: ['state'],
  },
  godwit_zookeeper_failures_total: {
    kind: 'counter',
    help: 'Attempts to publish to ZooKeeper that failed and are repeated',
    labels: [],
  },
  godwit_migration_reads_total: {
    kind: 'counter',
    help: 'Reads of a dataset with two sides that a side was asked for, shadow reads included',
    labels: ['dataset', 'side'],
  },
  godwit_migration_read_errors_total: {
    kind: 'counter',
    help: 'Those of them that the side could not answer, wholly or in part',
    labels: ['dataset', 'side'],
  },
  godwit_migration_read_p50_seconds: {
    kind: 'gauge',
    help: 'Median time of a side over the last minute; left out while there are too few reads',
    labels: ['dataset', 'side'],
  },
  godwit_migration_read_p99_seconds: {
    kind: 'gauge',
    help: 'The time that one read of a hundred exceeds, of a side, over the last minute; left out as above',
    labels: ['dataset', 'side'],
  },
  godwit_migration_shadow_reads_total: {
    kind: 'counter',
    help: 'Reads that were to be compared with the other side',
    labels: ['dataset'],
  },
  godwit_migration_shadow_results_total: {
    kind: 'counter',
    help: 'What became of them: matched, mismatched, tied (of different versions, or of an origin that does not repeat itself), dropped (no room), expired, failed',
    labels: ['dataset', 'result'],
  },
  godwit_migration_shadow_waiting: {
    kind: 'gauge',
    help: 'Shadow reads that are under way or looked at again',
    labels: ['dataset'],
  },
  godwit_migration_shadow_unaccounted: {
    kind: 'gauge',
    help: 'Shadow reads that became nothing of the above; anything but 0 is a bug',
    labels: ['dataset'],
  },
  godwit_migration_shadow_unconfirmed_total: {
    kind: 'counter',
    help: 'Of those that were dropped, expired or failed: differed at first, and could not be looked at again',
    labels: ['dataset'],
  },
  godwit_migration_baseline_reads_total: {
    kind: 'counter',
    help: 'Shadow reads for which the origin was read twice',
    labels: ['dataset'],
  },
  godwit_migration_baseline_unstable_total: {
    kind: 'counter',
    help: 'Those of them whose two answers differed: the origin does not repeat itself',
    labels: ['dataset'],
  },
  godwit_migration_differences_lost_total: {
    kind: 'counter',
    help: 'Differences that were found and not recorded, because there were too many or the disk failed',
    labels: [],
  },
  godwit_ready: { kind: 'gauge', help: '1 when the gateway should be sent requests', labels: [] },
  godwit_build_info: {
    kind: 'gauge',
    help: 'Always 1; the labels say what runs',
    labels: ['version', 'node'],
  },
  process_resident_memory_bytes: { kind: 'gauge', help: 'Memory of the process in RAM', labels: [] },
  process_cpu_seconds_total: {
    kind: 'counter',
    help: 'Processor time of all threads, RocksDB’s included',
    labels: [],
  },
  process_open_fds: { kind: 'gauge', help: 'Open file descriptors', labels: [] },
  process_max_fds: { kind: 'gauge', help: 'File descriptors that the process may open', labels: [] },
  process_start_time_seconds: { kind: 'gauge', help: 'When the process started, in Unix time', labels: [] },
} as const satisfies Readonly<Record<string, MetricRow>>

export type MetricName = keyof typeof METRICS

/** Stands in the label `dataset` for all datasets beyond the bound; no dataset can have this name. */
export const OTHER_DATASETS = '(other)'

/** What a metric is, with the optional parts that the table's literal types leave out. */
export function metricRow(name: MetricName): MetricRow {
  return METRICS[name]
}
