/**
 * What Godwit counts, under the names of Terrapin's statistics and in the form of Ostrich's: counters, gauges, labels, and
 * metrics with their percentiles. Only what is counted: a name that is not known is not there.
 *
 * Latencies and sizes are kept in buckets, so that percentiles, minimum and maximum are the upper bounds of buckets, in
 * milliseconds and bytes.
 */
import type { RequestSeries } from '../../src/base/request-figures.js'
import { SIZE_BOUNDS, type SizeSeries } from '../../src/base/value-sizes.js'
import { type StatusPage, jsonText, plainText } from './status-server.js'

/** What the figures are made from. */
export interface StatsInput {
  readonly series: readonly RequestSeries[]
  readonly valueSizes: readonly SizeSeries[]
  /** Of second reads, by what became of them. */
  readonly secondReads: Readonly<Record<string, number>>
  readonly connections: number
  /** Shards that are served of the current version, 0 to 1, by file set. */
  readonly onlineShares: ReadonlyMap<string, number>
}

/** What Ostrich had beside statistics and health, and what to use instead. */
export const UNSERVED_BESIDE_STATS: ReadonlyMap<string, string> = new Map([
  ...['/server_info', '/threads', '/gc', '/contention'].map(
    (path) => [path, 'use "godwit status" or GET /metrics of the admin API'] as const,
  ),
  ...['/shutdown', '/quiesce', '/quitquitquit', '/abortabortabort', '/reload'].map(
    (path) => [path, 'stop a gateway by SIGTERM'] as const,
  ),
  ...['/logging', '/report', '/static', '/pprof', '/tracing', '/graph', '/graph_data'].map(
    (path) => [path, 'GET /metrics of the admin API has all figures'] as const,
  ),
])

interface Metric {
  readonly count: number
  readonly sum: number
  readonly minimum: number
  readonly maximum: number
  readonly average: number
  readonly p50: number
  readonly p90: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
  readonly p9999: number
}

export interface Stats {
  readonly counters: Readonly<Record<string, number>>
  readonly metrics: Readonly<Record<string, Metric>>
  readonly gauges: Readonly<Record<string, number>>
  readonly labels: Readonly<Record<string, string>>
}

/** Terrapin's names of a call's latency, beside which stands one a file set with its name in front. */
const LATENCIES: Readonly<Record<string, string>> = {
  get: 'lookup-latency-ms',
  multiGet: 'multi-lookup-latency-ms',
}

/** Of a get's value, if there is one, and of all that a multiGet found. */
const VALUE_SIZES: Readonly<Record<string, string>> = { get: 'value-size', multiGet: 'multi-value-size' }

const SERVICE = 'TERRAPIN_THRIFT'

export function statsOf(input: StatsInput): Stats {
  const { series, valueSizes, secondReads, connections, onlineShares } = input
  const merged = new Map<string, Merged>()
  const counted = { requests: 0, failures: 0 }
  for (const one of series) {
    const name = one.api === 'terrapin' ? LATENCIES[one.operation] : undefined
    if (name === undefined) continue
    counted.requests += one.counts.reduce((sum, count) => sum + count, 0)
    counted.failures += one.failures
    const latencies = latenciesOf(one)
    add(merged, `${SERVICE}/request_latency_ms`, latencies)
    addNamed(merged, name, one.dataset, latencies)
  }
  for (const { operation, dataset, counts, sumBytes } of valueSizes) {
    const name = VALUE_SIZES[operation]
    if (name !== undefined) addNamed(merged, name, dataset, { counts, bounds: SIZE_BOUNDS, sum: sumBytes })
  }
  const { requests, failures } = counted
  const counters: Record<string, number> = {
    [`${SERVICE}/requests`]: requests,
    [`${SERVICE}/success`]: requests - failures,
    [`${SERVICE}/failures`]: failures,
  }
  for (const [event, name] of SECOND_READS) counters[`terrapin-get-many-${name}`] = secondReads[event] ?? 0
  const shares = [...onlineShares.values()]
  const gauges: Record<string, number> = {
    [`${SERVICE}/connections`]: connections,
    // Each has as many partitions as another here, so that all count alike; of none it was 0 (Terrapin's GaugeManager).
    'terrapin-controller-online-pct': shares.reduce((sum, share) => sum + share, 0) / (shares.length || 1),
  }
  for (const [fileSet, share] of onlineShares)
    gauges[`terrapin-controller-fileset-${fileSet}-online-pct`] = share
  const metrics = Object.fromEntries(Array.from(merged, ([name, one]) => [name, metricOf(one)]))
  return { counters, metrics, gauges, labels: {} }
}

const SECOND_READS = [
  ['fired', 'backup-fired'],
  ['won', 'won'],
  ['lost', 'lost'],
] as const

/** A count a bucket, the upper bounds of buckets, and the sum of what was counted. */
interface Distribution {
  readonly counts: readonly number[]
  readonly bounds: readonly number[]
  readonly sum: number
}

interface Merged extends Distribution {
  readonly counts: number[]
  sum: number
}

function latenciesOf({ counts, boundsSeconds, sumSeconds }: RequestSeries): Distribution {
  return { counts, bounds: boundsSeconds.map((bound) => bound * 1000), sum: sumSeconds * 1000 }
}

/** Under Terrapin's name, and with the file set's in front of it. */
function addNamed(
  merged: Map<string, Merged>,
  name: string,
  fileSet: string,
  distribution: Distribution,
): void {
  add(merged, name, distribution)
  if (/^[\w.-]+$/.test(fileSet)) add(merged, `${fileSet}-${name}`, distribution)
}

function add(merged: Map<string, Merged>, name: string, { counts, bounds, sum }: Distribution): void {
  let known = merged.get(name)
  if (known === undefined) {
    known = { counts: counts.map(() => 0), bounds, sum: 0 }
    merged.set(name, known)
  }
  for (const [bucket, count] of counts.entries()) known.counts[bucket] = (known.counts[bucket] ?? 0) + count
  known.sum += sum
}

function metricOf({ counts, bounds, sum }: Merged): Metric {
  const count = counts.reduce((all, one) => all + one, 0)
  // Beyond the last bound nothing more is known.
  const boundOf = (bucket: number): number => Math.ceil(bounds[bucket] ?? bounds.at(-1) ?? 0)
  const at = (share: number): number => {
    let left = Math.max(1, Math.ceil(count * share))
    const bucket = counts.findIndex((one) => (left -= one) <= 0)
    return count === 0 ? 0 : boundOf(bucket)
  }
  return {
    count,
    sum: Math.round(sum),
    minimum: at(0),
    maximum: at(1),
    average: count === 0 ? 0 : sum / count,
    p50: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    p999: at(0.999),
    p9999: at(0.9999),
  }
}

/** Ostrich's other form: a heading a map, a line a name. */
export function statsText({ counters, metrics, gauges, labels }: Stats): string {
  const lines: string[] = []
  const section = (title: string, entries: readonly (readonly [string, string])[]): void => {
    lines.push(`${title}:`)
    for (const [name, text] of entries) lines.push(`  ${name}: ${text}`)
  }
  const sorted = <T>(map: Readonly<Record<string, T>>): [string, T][] =>
    Object.entries(map).sort(([one], [other]) => (one < other ? -1 : 1))
  section('counters', sorted(counters).map(([name, value]) => [name, String(value)])) // prettier-ignore
  section('gauges', sorted(gauges).map(([name, value]) => [name, String(value)])) // prettier-ignore
  section('labels', sorted(labels))
  const metricText = (metric: Metric) =>
    `(${Object.entries(metric).sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, value]) => `${name}=${String(value)}`).join(', ')})` // prettier-ignore
  section('metrics', sorted(metrics).map(([name, metric]) => [name, metricText(metric)])) // prettier-ignore
  return lines.join('\n')
}

/** The pages of Ostrich that are served. `read` answers what is counted now. */
export function statsPages(read: () => Promise<StatsInput>): ReadonlyMap<string, StatusPage> {
  // Every thread is asked, and every series copied, for one answer: whoever asks meanwhile shares it.
  let reading: Promise<Stats> | null = null
  const current = (): Promise<Stats> => {
    reading ??= read()
      .then(statsOf)
      .finally(() => (reading = null))
    return reading
  }
  const stats = (form: (stats: Stats) => ReturnType<typeof jsonText>): StatusPage => ({
    method: 'GET',
    async answer({ query }) {
      if (query.has('period')) {
        return plainText(
          501,
          'Godwit does not keep periods: leave period out and take differences of the sums',
        )
      }
      return form(await current())
    },
  })
  const fixed = (answer: ReturnType<typeof jsonText>): StatusPage => ({ method: 'GET', answer: () => answer })
  return new Map([
    ['/stats.json', stats(jsonText)],
    ['/stats', stats(jsonText)],
    ['/stats.txt', stats((all) => plainText(200, statsText(all)))],
    ['/ping', fixed(jsonText({ response: 'pong' }))],
    ['/ping.json', fixed(jsonText({ response: 'pong' }))],
    ['/ping.txt', fixed(plainText(200, 'pong'))],
    ['/health', fixed(plainText(200, 'OK'))],
  ])
}
