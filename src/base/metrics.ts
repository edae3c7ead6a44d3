/**
 * Every metric: name, help, kind, labels, buckets, in one table (OPERATING.md prints it). Each thread keeps its own
 * figures; a scrape gathers snapshots of all threads and adds them up.
 *
 * The figures of requests are kept in plain arrays: prom-client's histogram costs 0.6 us and its counter 0.3 us an
 * observation, several per cent of a request; an array element costs nothing that shows.
 */
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client'

/** Seconds. Sub-millisecond steps, because that is where reads from memory lie. */
export const DURATION_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
] as const

export interface MetricRow {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
}

export const METRICS = {
  godwit_requests_total: {
    kind: 'counter',
    help: 'Requests answered; code is empty for success. dataset is empty when no such dataset exists',
    labels: ['api', 'operation', 'dataset', 'code'],
  },
  godwit_request_duration_seconds: {
    kind: 'histogram',
    help: 'From admission to the answer, of requests that succeeded or failed',
    labels: ['api', 'operation', 'dataset'],
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
  godwit_leases_overdue: {
    kind: 'gauge',
    help: 'DBs that should be closed and are still used after the lease time-out',
    labels: [],
  },
  godwit_degraded_datasets: { kind: 'gauge', help: 'Datasets with a shard that is not served', labels: [] },
  godwit_purged_entries_total: {
    kind: 'counter',
    help: 'Stored entries that no read could see any more, removed: what they were',
    labels: ['kind'],
  },
  godwit_shard_failures_total: { kind: 'counter', help: 'Shards reopened after an I/O error', labels: [] },
} as const satisfies Readonly<Record<string, MetricRow>>

export type MetricName = keyof typeof METRICS

/** Plain data in prom-client's JSON shape; travels between threads. */
export type MetricsSnapshot = readonly object[]

/** Counts one request. `durationMs` from admission to answer; `code` null for success. */
export interface RequestMetrics {
  record(api: string, operation: string, dataset: string, durationMs: number, code: string | null): void
}

interface RequestSlot {
  readonly api: string
  readonly operation: string
  readonly dataset: string
  readonly buckets: Float64Array
  readonly codes: Map<string, number>
  sumSeconds: number
  count: number
}

/** The figures of one thread. */
export class ThreadMetrics implements RequestMetrics {
  readonly #registry = new Registry()
  readonly #slots = new Map<string, RequestSlot[]>()

  record(api: string, operation: string, dataset: string, durationMs: number, code: string | null): void {
    const slot = this.#slot(api, operation, dataset)
    const seconds = durationMs / 1000
    let bucket = 0
    while (bucket < DURATION_BUCKETS.length && seconds > (DURATION_BUCKETS[bucket] ?? 0)) bucket += 1
    slot.buckets[bucket] = (slot.buckets[bucket] ?? 0) + 1
    slot.sumSeconds += seconds
    slot.count += 1
    if (code !== null) slot.codes.set(code, (slot.codes.get(code) ?? 0) + 1)
  }

  /** A counter's child, resolved once; call the result to add to it. */
  counter(name: MetricName, labels: Readonly<Record<string, string>> = {}): (amount?: number) => void {
    const child = this.#metric(name, Counter).labels(labels)
    child.inc(0)
    return (amount = 1) => child.inc(amount)
  }

  /** A gauge's child, resolved once; call the result to set it. */
  gauge(name: MetricName, labels: Readonly<Record<string, string>> = {}): (value: number) => void {
    const child = this.#metric(name, Gauge).labels(labels)
    return (value) => child.set(value)
  }

  async snapshot(): Promise<MetricsSnapshot> {
    return [...(await this.#registry.getMetricsAsJSON()), ...this.#requestMetrics()]
  }

  #metric<T extends Counter | Gauge>(name: MetricName, Kind: new (config: MetricConfig) => T): T {
    const known = this.#registry.getSingleMetric(name)
    // The table fixes each name's kind, and all metrics of this registry are made here.
    if (known !== undefined) return known as unknown as T
    const { help, labels } = METRICS[name]
    return new Kind({ name, help, labelNames: [...labels], registers: [this.#registry] })
  }

  #slot(api: string, operation: string, dataset: string): RequestSlot {
    let slots = this.#slots.get(dataset)
    if (slots === undefined) this.#slots.set(dataset, (slots = []))
    for (const slot of slots) if (slot.operation === operation && slot.api === api) return slot
    const slot: RequestSlot = {
      api,
      operation,
      dataset,
      buckets: new Float64Array(DURATION_BUCKETS.length + 1),
      codes: new Map(),
      sumSeconds: 0,
      count: 0,
    }
    slots.push(slot)
    return slot
  }

  #requestMetrics(): object[] {
    const totals: object[] = []
    const durations: object[] = []
    for (const slots of this.#slots.values()) {
      for (const slot of slots) {
        const { api, operation, dataset } = slot
        let failed = 0
        for (const [code, value] of slot.codes) {
          failed += value
          totals.push({ labels: { api, operation, dataset, code }, value })
        }
        totals.push({ labels: { api, operation, dataset, code: '' }, value: slot.count - failed })
        durations.push(...histogramValues(slot))
      }
    }
    return [
      jsonMetric('godwit_requests_total', totals),
      jsonMetric('godwit_request_duration_seconds', durations),
    ]
  }
}

interface MetricConfig {
  readonly name: string
  readonly help: string
  readonly labelNames: string[]
  readonly registers: Registry[]
}

function histogramValues({ api, operation, dataset, buckets, sumSeconds, count }: RequestSlot): object[] {
  const name = 'godwit_request_duration_seconds'
  const values: object[] = []
  let cumulative = 0
  for (const [index, le] of DURATION_BUCKETS.entries()) {
    cumulative += buckets[index] ?? 0
    values.push({
      labels: { le, api, operation, dataset },
      value: cumulative,
      metricName: `${name}_bucket`,
      exemplar: null,
    })
  }
  values.push({ labels: { le: '+Inf', api, operation, dataset }, value: count, metricName: `${name}_bucket` })
  values.push({ labels: { api, operation, dataset }, value: sumSeconds, metricName: `${name}_sum` })
  values.push({ labels: { api, operation, dataset }, value: count, metricName: `${name}_count` })
  return values
}

function jsonMetric(name: MetricName, values: object[]): object {
  return { name, help: METRICS[name].help, type: METRICS[name].kind, values, aggregator: 'sum' }
}

/** The text of a scrape: the sum over all threads' snapshots. */
export async function renderMetrics(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return AggregatorRegistry.aggregate([...snapshots] as object[][]).metrics()
}
