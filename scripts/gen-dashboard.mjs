// Writes ops/grafana/godwit.json from the table of panels below: a dashboard's JSON is nine tenths repetition, and nobody
// reviews it. With --check nothing is written and a difference fails.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FILE = fileURLToPath(new URL('../ops/grafana/godwit.json', import.meta.url))
const WIDTH = 24
const HEIGHT = 8

const INSTANCE = 'instance=~"$instance"'
const DATASET = `${INSTANCE},dataset=~"$dataset"`
const RATE = '$__rate_interval'

const rate = (metric, labels = INSTANCE) => `rate(${metric}{${labels}}[${RATE}])`
const quantile = (q, metric, by, labels) =>
  `histogram_quantile(${q}, sum by (${[...by, 'le'].join(', ')}) (${rate(`${metric}_bucket`, labels)}))`

/** A panel: title, unit of Grafana, what it shows and what to do about it, and its queries as [expression, legend]. */
const panel = (title, unit, description, ...queries) => ({ title, unit, description, queries })

const ROWS = {
  Traffic: [
    panel('Requests', 'reqps', 'Requests answered a second, by dataset and operation.', [
      `sum by (dataset, operation) (${rate('godwit_requests_total', DATASET)})`,
      '{{dataset}} {{operation}}',
    ]),
    panel(
      'Requests in flight',
      'short',
      'Requests that wait for an answer. Steady growth means that the disk or an origin does not keep up.',
      [`sum by (thread) (godwit_requests_in_flight{${INSTANCE}})`, '{{thread}}'],
    ),
    panel(
      'Connections',
      'short',
      'Open client connections, and those that are refused a second.',
      [`sum by (listener) (godwit_connections{${INSTANCE}})`, '{{listener}}'],
      [
        `sum by (listener, reason) (${rate('godwit_connections_refused_total')})`,
        'refused: {{listener}} {{reason}}',
      ],
    ),
  ],
  Errors: [
    panel(
      'Failed requests by code',
      'reqps',
      'Codes that start in the data (CORRUPT) or in Godwit (INTERNAL) need a look at once; OVERLOADED and UNAVAILABLE a look at the machine.',
      [`sum by (code) (${rate('godwit_requests_total', `${DATASET},code!=""`)})`, '{{code}}'],
    ),
    panel('Share of failed requests', 'percentunit', 'By dataset, all codes together.', [
      `sum by (dataset) (${rate('godwit_requests_total', `${DATASET},code!=""`)}) / sum by (dataset) (${rate('godwit_requests_total', DATASET)})`,
      '{{dataset}}',
    ]),
    panel(
      'Faults, malformed frames, lines left out',
      'ops',
      'Faults are bugs in Godwit. Malformed frames come from clients that speak something else. Lines left out of the log came too often.',
      [`sum(${rate('godwit_request_faults_total')})`, 'faults'],
      [`sum by (reason) (${rate('godwit_malformed_frames_total')})`, 'malformed: {{reason}}'],
      [`sum(${rate('godwit_log_lines_suppressed_total')})`, 'log lines left out'],
    ),
  ],
  Latency: [
    ...[0.5, 0.99, 0.999].map((q) =>
      panel(
        `Latency, quantile ${q}`,
        's',
        'From admission to the answer, by operation; interpolated between the buckets.',
        [quantile(q, 'godwit_request_duration_seconds', ['operation'], DATASET), '{{operation}}'],
      ),
    ),
    panel(
      'Slowest datasets, quantile 0.99',
      's',
      'The ten datasets with the slowest hundredth of their requests.',
      [`topk(10, ${quantile(0.99, 'godwit_request_duration_seconds', ['dataset'], DATASET)})`, '{{dataset}}'],
    ),
  ],
  'Event loops': [
    panel(
      'Use of the event loop',
      'percentunit',
      'Share of the time in which a thread worked. Data threads above 0.9: add threads or machines.',
      [
        `sum by (thread) (${rate('godwit_event_loop_active_seconds_total')}) / (sum by (thread) (${rate('godwit_event_loop_active_seconds_total')}) + sum by (thread) (${rate('godwit_event_loop_idle_seconds_total')}))`,
        '{{thread}}',
      ],
    ),
    panel(
      'Event loop delay, quantile 0.99',
      's',
      'How late timers run: what every request of the thread waits.',
      [quantile(0.99, 'godwit_event_loop_delay_seconds', ['thread'], INSTANCE), '{{thread}}'],
    ),
    panel('Garbage collection', 'percentunit', 'Share of the time in which the collector stopped a thread.', [
      `sum by (thread, kind) (${rate('godwit_gc_pause_seconds_sum')})`,
      '{{thread}} {{kind}}',
    ]),
    panel(
      'JavaScript heaps',
      'bytes',
      'In use, by thread; a thread that reaches its limit ends the process.',
      [`sum by (thread) (godwit_heap_used_bytes{${INSTANCE}})`, '{{thread}}'],
      [`sum by (thread) (godwit_external_bytes{${INSTANCE}})`, '{{thread}} outside the heap'],
    ),
  ],
  RocksDB: [
    panel('Table files', 'bytes', 'Bytes on disk by dataset.', [
      `sum by (dataset) (godwit_rocksdb_sst_bytes{${DATASET}})`,
      '{{dataset}}',
    ]),
    panel('Log files', 'bytes', 'About what memtables hold and no table file does: what a start replays.', [
      `sum by (dataset) (godwit_rocksdb_log_bytes{${DATASET}})`,
      '{{dataset}}',
    ]),
    panel(
      'Files, and entries of sealed shards',
      'short',
      'Many small files slow reads and take descriptors.',
      [`sum by (dataset) (godwit_rocksdb_sst_files{${DATASET}})`, 'files {{dataset}}'],
      [`sum by (dataset) (godwit_rocksdb_estimated_keys{${DATASET}})`, 'entries {{dataset}}'],
    ),
    panel(
      'Flushes and compactions under way',
      'short',
      'Two background threads serve all DBs of the process.',
      [`sum(godwit_rocksdb_running_flushes{${DATASET}})`, 'flushes'],
      [`sum(godwit_rocksdb_running_compactions{${DATASET}})`, 'compactions'],
    ),
    panel(
      'Writes held back',
      'short',
      'Shards whose writes RocksDB slows or stops, because flushes and compactions are behind; failed ones of these.',
      [`sum by (dataset) (godwit_rocksdb_write_stopped{${DATASET}})`, 'stopped {{dataset}}'],
      [`sum by (dataset) (godwit_rocksdb_write_delayed{${DATASET}})`, 'slowed {{dataset}}'],
      [`sum by (dataset) (godwit_rocksdb_background_errors{${DATASET}})`, 'errors {{dataset}}'],
    ),
    panel(
      'Indexes in memory',
      'bytes',
      'Memory for indexes and filters of sealed shards, and the age of the oldest figure in this row.',
      [`sum by (dataset) (godwit_rocksdb_table_readers_bytes{${DATASET}})`, '{{dataset}}'],
      [`max(godwit_rocksdb_oldest_sample_seconds{${INSTANCE}})`, 'oldest figure, seconds'],
    ),
  ],
  Writer: [
    panel(
      'Writes in a group commit',
      'short',
      'One sync a group: groups grow by themselves under load.',
      [quantile(0.5, 'godwit_group_commit_operations', [], INSTANCE), 'median'],
      [quantile(0.99, 'godwit_group_commit_operations', [], INSTANCE), 'quantile 0.99'],
    ),
    panel(
      'Duration of a group commit',
      's',
      'The sync to the disk is most of it. Rising: the disk is slow or shared.',
      [quantile(0.5, 'godwit_group_commit_duration_seconds', [], INSTANCE), 'median'],
      [quantile(0.99, 'godwit_group_commit_duration_seconds', [], INSTANCE), 'quantile 0.99'],
    ),
    panel(
      'Writes that wait',
      'bytes',
      'Not acknowledged, by data thread; writes are refused as OVERLOADED at 64 MiB.',
      [`sum by (thread) (godwit_unacknowledged_write_bytes{${INSTANCE}})`, '{{thread}}'],
    ),
  ],
  'Loads and versions': [
    panel(
      'Loads and jobs by state',
      'short',
      'Those that the gateway remembers.',
      [`sum by (state) (godwit_loads{${INSTANCE}})`, '{{state}}'],
      [`sum by (kind, state) (godwit_jobs{${INSTANCE}})`, '{{kind}} {{state}}'],
    ),
    panel('Progress of running loads', 'percentunit', 'Share of the input that was read.', [
      `max by (dataset) (godwit_load_progress_ratio{${DATASET}})`,
      '{{dataset}}',
    ]),
    panel('Callers in the last 24 hours', 'short', 'By wire API; godwit usage says who they are.', [
      `max by (api) (godwit_callers{${INSTANCE}})`,
      '{{api}}',
    ]),
    panel('Age of served versions', 's', 'Time since the upload of the version that is served.', [
      `time() - max by (dataset) (godwit_current_version_timestamp_seconds{${DATASET}})`,
      '{{dataset}}',
    ]),
    panel('Versions by state', 'short', 'Of all datasets together.', [
      `sum by (state) (godwit_versions{${DATASET}})`,
      '{{state}}',
    ]),
    panel(
      'Purged entries',
      'ops',
      'Stored entries that no read could see any more, removed a second: what they were.',
      [`sum by (kind) (${rate('godwit_purged_entries_total')})`, '{{kind}}'],
      [`sum by (code) (${rate('godwit_purge_failures_total')})`, 'failed slices: {{code}}'],
    ),
  ],
  'Leaf processes': [
    panel(
      'Answering',
      'short',
      'Leaf processes that answer, and data threads that do not ask one because it failed too often.',
      [`sum by (leaf) (godwit_leaf_up{${INSTANCE}})`, 'up: {{leaf}}'],
      [`sum by (leaf) (godwit_leaf_breaker_open{${INSTANCE}})`, 'not asked: {{leaf}}'],
    ),
    panel(
      'Batches, retries, wrong answers',
      'reqps',
      'Reads given to another leaf are retries; wrong answers are for a version that was not asked for.',
      [`sum by (leaf) (${rate('godwit_leaf_batches_total')})`, '{{leaf}}'],
      [`sum(${rate('godwit_leaf_retries_total')})`, 'retries'],
      [`sum(${rate('godwit_leaf_own_reads_total')})`, "read from the gateway's own copy"],
      [`sum by (leaf) (${rate('godwit_leaf_wrong_answers_total')})`, 'wrong: {{leaf}}'],
    ),
    panel(
      'In the leaf processes',
      'reqps',
      'Batches served, reads refused for want of a copy, copies of shards held, and copies that failed.',
      [`sum by (instance) (${rate('godwit_leaf_served_batches_total')})`, 'served {{instance}}'],
      [`sum by (instance) (${rate('godwit_leaf_refused_reads_total')})`, 'refused {{instance}}'],
      [`sum by (leaf) (godwit_leaf_copies{${INSTANCE}})`, 'copies {{leaf}}'],
      [`sum by (code) (${rate('godwit_leaf_copy_failures_total')})`, 'failed copies: {{code}}'],
    ),
  ],
  Terrapin: [
    panel(
      'Second reads',
      'reqps',
      'Of calls that name two clusters: fired, won by the first read or lost to the second, withheld for the load.',
      [`sum by (outcome) (${rate('godwit_terrapin_second_reads_total')})`, '{{outcome}}'],
    ),
    panel(
      'ZooKeeper',
      'short',
      'Sessions, file sets that are published, and those in whose place another program has a node.',
      [`sum(godwit_zookeeper_connected{${INSTANCE}})`, 'connected'],
      [`sum by (state) (godwit_zookeeper_file_sets{${INSTANCE}})`, '{{state}}'],
      [`sum(${rate('godwit_zookeeper_failures_total')})`, 'failures a second'],
    ),
  ],
  Origins: [
    panel(
      'Answers of origins',
      'reqps',
      'By code, empty for success; primary is for callers, shadow for what is only compared.',
      [
        `sum by (backend, role, code) (${rate('godwit_backend_requests_total')})`,
        '{{backend}} {{role}} {{code}}',
      ],
      [
        `sum by (backend, role, kind) (${rate('godwit_backend_attempts_total')})`,
        '{{backend}} {{role}} {{kind}}',
      ],
    ),
    panel(
      'Latency of origins',
      's',
      'From handing a request over to its answer, the wait for its turn included.',
      [
        quantile(0.5, 'godwit_backend_request_duration_seconds', ['backend', 'role'], INSTANCE),
        'median {{backend}} {{role}}',
      ],
      [
        quantile(0.99, 'godwit_backend_request_duration_seconds', ['backend', 'role'], INSTANCE),
        'quantile 0.99 {{backend}} {{role}}',
      ],
    ),
    panel(
      'Breakers and queues of origins',
      'short',
      'An open breaker keeps requests from an origin that fails; requests in flight, waiting and refused.',
      [`max by (backend, role) (godwit_backend_breaker_open{${INSTANCE}})`, 'open: {{backend}} {{role}}'],
      [
        `sum by (backend, role) (godwit_backend_requests_in_flight{${INSTANCE}})`,
        'in flight: {{backend}} {{role}}',
      ],
      [
        `sum by (backend, role) (godwit_backend_requests_queued{${INSTANCE}})`,
        'waiting: {{backend}} {{role}}',
      ],
      [
        `sum by (backend, role, reason) (${rate('godwit_backend_refused_total')})`,
        'refused: {{backend}} {{role}} {{reason}}',
      ],
    ),
  ],
  'Datasets that move': [
    panel(
      'Reads by side',
      'reqps',
      'Reads that each side was asked for, shadow reads included, and those that it could not answer.',
      [`sum by (dataset, side) (${rate('godwit_migration_reads_total', DATASET)})`, '{{dataset}} {{side}}'],
      [
        `sum by (dataset, side) (${rate('godwit_migration_read_errors_total', DATASET)})`,
        'failed: {{dataset}} {{side}}',
      ],
    ),
    panel(
      'Latency by side',
      's',
      'Over the last minute; what a step of the split is judged by.',
      [
        `max by (dataset, side) (godwit_migration_read_p50_seconds{${DATASET}})`,
        'median {{dataset}} {{side}}',
      ],
      [
        `max by (dataset, side) (godwit_migration_read_p99_seconds{${DATASET}})`,
        'quantile 0.99 {{dataset}} {{side}}',
      ],
    ),
    panel(
      'Shadow reads',
      'reqps',
      'What became of reads that were to be compared; mismatched ones are listed by godwit diff.',
      [`sum by (dataset) (${rate('godwit_migration_shadow_reads_total', DATASET)})`, '{{dataset}}'],
      [
        `sum by (dataset, result) (${rate('godwit_migration_shadow_results_total', DATASET)})`,
        '{{dataset}} {{result}}',
      ],
      [
        `sum by (dataset) (${rate('godwit_migration_shadow_unconfirmed_total', DATASET)})`,
        'lost, and may differ: {{dataset}}',
      ],
      [`sum by (dataset) (godwit_migration_shadow_waiting{${DATASET}})`, 'waiting: {{dataset}}'],
    ),
    panel(
      'Baseline',
      'reqps',
      'Reads for which the origin was asked twice, and those in which it did not repeat itself.',
      [`sum by (dataset) (${rate('godwit_migration_baseline_reads_total', DATASET)})`, '{{dataset}}'],
      [
        `sum by (dataset) (${rate('godwit_migration_baseline_unstable_total', DATASET)})`,
        'unstable: {{dataset}}',
      ],
    ),
  ],
  'Leases, shards, traces': [
    panel(
      'Leases',
      'short',
      'DBs that wait for their last use, and those that wait for longer than the lease time-out: a thread hangs.',
      [`sum(godwit_leases_retiring{${INSTANCE}})`, 'retiring'],
      [`sum(godwit_leases_overdue{${INSTANCE}})`, 'overdue'],
    ),
    panel(
      'Open DBs, degraded datasets',
      'short',
      'A degraded dataset has a shard that is not served, or a damaged copy; godwit status says why.',
      [`sum(godwit_open_dbs{${INSTANCE}})`, 'open DBs'],
      [`sum(godwit_degraded_datasets{${INSTANCE}})`, 'degraded datasets'],
      [`sum(godwit_damaged_copies{${INSTANCE}})`, 'damaged copies'],
      [`sum(increase(godwit_shard_failures_total{${INSTANCE}}[${RATE}]))`, 'shards reopened'],
    ),
    panel('Traces', 'ops', 'Spans exported, dropped for want of room, failed.', [
      `sum by (outcome) (${rate('godwit_trace_spans_total')})`,
      '{{outcome}}',
    ]),
  ],
  Process: [
    panel('Processor', 'percentunit', 'Cores in use, RocksDB’s threads included.', [
      rate('process_cpu_seconds_total'),
      '{{instance}}',
    ]),
    panel('Memory', 'bytes', 'In RAM: heaps, buffers, memtables and indexes of RocksDB.', [
      `process_resident_memory_bytes{${INSTANCE}}`,
      '{{instance}}',
    ]),
    panel(
      'File descriptors',
      'short',
      'About six an open shard.',
      [`process_open_fds{${INSTANCE}}`, '{{instance}} open'],
      [`process_max_fds{${INSTANCE}}`, '{{instance}} allowed'],
    ),
    panel(
      'What runs',
      'short',
      'Version and Node.js of each instance, whether it is ready, and the epoch of its ClusterMap.',
      [`godwit_build_info{${INSTANCE}}`, '{{instance}} {{version}} {{node}}'],
      [`godwit_ready{${INSTANCE}}`, '{{instance}} ready'],
      [`godwit_cluster_map_epoch{${INSTANCE}}`, '{{instance}} epoch'],
    ),
  ],
}

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' }

const variable = (name, label, metric) => ({
  name,
  label,
  type: 'query',
  datasource: DATASOURCE,
  query: { query: `label_values(${metric}, ${name})`, refId: name },
  refresh: 2,
  includeAll: true,
  multi: true,
  allValue: '.*',
  current: { text: 'All', value: '$__all' },
})

/** The dashboard as Grafana imports it. */
export function dashboard() {
  const panels = []
  let y = 0
  for (const [title, row] of Object.entries(ROWS)) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      panels: [],
      gridPos: at(0, y, WIDTH, 1),
    })
    y += 1
    const width = row.length % 3 === 0 ? WIDTH / 3 : WIDTH / Math.min(row.length, 4)
    const perLine = Math.floor(WIDTH / width)
    for (const [index, one] of row.entries()) {
      const line = Math.floor(index / perLine)
      const place = at((index % perLine) * width, y + line * HEIGHT, width, HEIGHT)
      panels.push(timeSeries(panels.length + 1, one, place))
    }
    y += Math.ceil(row.length / perLine) * HEIGHT
  }
  return {
    uid: 'godwit',
    title: 'Godwit',
    description: 'Traffic, errors, latency, threads, RocksDB, writer, loads, versions, leases, process.',
    tags: ['godwit'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
        variable('instance', 'Instance', 'godwit_build_info'),
        variable('dataset', 'Dataset', 'godwit_requests_total'),
      ],
    },
    panels,
  }
}

function at(x, y, w, h) {
  return { x, y, w, h }
}

function timeSeries(id, { title, unit, description, queries }, gridPos) {
  return {
    id,
    type: 'timeseries',
    title,
    description,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: {
      defaults: { unit, min: 0, custom: { fillOpacity: 10, showPoints: 'never' } },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom' },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = `${JSON.stringify(dashboard(), null, 2)}\n`
  const isCurrent = readFileSync(FILE, 'utf8') === text
  if (process.argv.includes('--check')) {
    if (!isCurrent) process.stdout.write('gen-dashboard: not current; run node scripts/gen-dashboard.mjs\n')
    process.exitCode = isCurrent ? 0 : 1
  } else writeFileSync(FILE, text)
}
