/**
 * The figures of one thread, and the page that a scrape gets: the sum over all threads. metrics-table.ts says which
 * metrics there are.
 *
 * What is counted per request or per commit is kept in plain arrays: prom-client's histogram costs 0.6 us and its counter
 * 0.3 us an observation, several per cent of a request; an array element costs nothing that shows.
 */
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client'
import type { ErrorCode } from './errors.js'
import { limits } from './limits.js'
import { METRICS, type MetricName, OTHER_DATASETS, metricRow } from './metrics-table.js'
import { RequestFigures, type RequestSnapshot, RequestTotals } from './request-figures.js'
import { type SizeSeries, ValueSizes } from './value-sizes.js'

export { DURATION_BUCKETS, METRICS, type MetricName, type MetricRow } from './metrics-table.js'

export type MetricLabels = Readonly<Record<string, string>>

/** Plain data; travels between threads. */
export interface MetricsSnapshot {
  /** In prom-client's JSON shape. */
  readonly families: readonly object[]
  readonly requests: RequestSnapshot
  readonly valueSizes: readonly SizeSeries[]
}

/** Counts one request. `durationMs` from admission to answer; `code` null for success. */
export interface RequestMetrics {
  record(api: string, operation: string, dataset: string, durationMs: number, code: ErrorCode | null): void
}

/** The figures of one thread. */
export class ThreadMetrics implements RequestMetrics {
  readonly #registry = new Registry()
  readonly #requests = new RequestFigures()
  readonly #valueSizes = new ValueSizes()
  readonly #histograms = new Map<MetricName, Histogram[]>()
  readonly #collectors: (() => void)[] = []

  /** Answers nothing and keeps nothing of the request. `dataset` is the name of one that exists, or empty. */
  record(api: string, operation: string, dataset: string, durationMs: number, code: ErrorCode | null): void {
    this.#requests.record(api, operation, dataset, durationMs, code)
  }

  /** Counts an answered value. `dataset` is the name of one that exists. */
  recordValueSize(operation: string, dataset: string, bytes: number): void {
    this.#valueSizes.record(operation, dataset, bytes)
  }

  /** A dataset is gone, and its series with it. */
  forgetDataset(name: string): void {
    this.#requests.forget(name)
    this.#valueSizes.forget(name)
  }

  /** A counter's child, resolved once; call the result to add to it. */
  counter(name: MetricName, labels: MetricLabels = {}): (amount?: number) => void {
    const child = this.#metric(name, Counter).labels(labels)
    child.inc(0)
    return (amount = 1) => child.inc(amount)
  }

  /** A gauge's child, resolved once; call the result to set it. */
  gauge(name: MetricName, labels: MetricLabels = {}): (value: number) => void {
    const child = this.#metric(name, Gauge).labels(labels)
    return (value) => child.set(value)
  }

  /** A histogram's child, resolved once; call the result with what was observed. */
  histogram(name: MetricName, labels: MetricLabels = {}): (value: number) => void {
    const histogram = new Histogram(labels, metricRow(name).buckets ?? [])
    const children = this.#histograms.get(name)
    if (children === undefined) this.#histograms.set(name, [histogram])
    else children.push(histogram)
    return (value) => histogram.observe(value)
  }

  /** Runs `collect` before every snapshot: for figures that somebody else keeps. */
  onSnapshot(collect: () => void): void {
    this.#collectors.push(collect)
  }

  async snapshot(): Promise<MetricsSnapshot> {
    for (const collect of this.#collectors) collect()
    const families = await this.#registry.getMetricsAsJSON()
    for (const [name, children] of this.#histograms) {
      const values = children.flatMap((child) => child.values(name))
      families.push(family(name, values) as (typeof families)[number]) // the shape that getMetricsAsJSON answers
    }
    return { families, requests: this.#requests.snapshot(), valueSizes: this.#valueSizes.snapshot() }
  }

  #metric<T extends Counter | Gauge>(name: MetricName, Kind: new (config: MetricConfig) => T): T {
    const known = this.#registry.getSingleMetric(name)
    // The table fixes each name's kind, and all metrics of this registry are made here.
    if (known !== undefined) return known as unknown as T
    const { help, labels } = METRICS[name]
    return new Kind({ name, help, labelNames: [...labels], registers: [this.#registry] })
  }
}

interface MetricConfig {
  readonly name: string
  readonly help: string
  readonly labelNames: string[]
  readonly registers: Registry[]
}

/** One value of a metric that is read off when the page is made. */
export interface Reading {
  readonly name: MetricName
  readonly labels: MetricLabels
  readonly value: number
}

/** The text of scrapes. One a process: it remembers which datasets have labels. */
export class MetricsPage {
  readonly #totals = new RequestTotals()

  /**
   * The sum of all threads' snapshots, and readings beside them. Readings of the same name and labels are added up; their
   * datasets are bounded as those of requests are, first come first.
   */
  async render(snapshots: readonly MetricsSnapshot[], readings: readonly Reading[] = []): Promise<string> {
    const families = [...snapshots.map(({ families }) => families), familiesOf(readings)]
    const text = await AggregatorRegistry.aggregate(families).metrics()
    return `${this.#totals.render(snapshots.map(({ requests }) => requests))}\n${text}`
  }
}

function familiesOf(readings: readonly Reading[]): object[] {
  const byName = new Map<MetricName, object[]>()
  const datasets = new Set<string>()
  for (const { name, labels, value } of readings) {
    const dataset = labels['dataset']
    let bounded = labels
    if (dataset !== undefined && !datasets.has(dataset)) {
      if (datasets.size < limits.maxLabelledDatasets) datasets.add(dataset)
      else bounded = { ...labels, dataset: OTHER_DATASETS }
    }
    const values = byName.get(name)
    if (values === undefined) byName.set(name, [{ labels: bounded, value }])
    else values.push({ labels: bounded, value })
  }
  return Array.from(byName, ([name, values]) => family(name, values))
}

function family(name: MetricName, values: object[]): object {
  return { name, help: METRICS[name].help, type: METRICS[name].kind, values, aggregator: 'sum' }
}

/** Counts in buckets; the last one is beyond all bounds. */
class Histogram {
  readonly #labels: MetricLabels
  readonly #bounds: Float64Array
  readonly #counts: Float64Array
  #sum = 0

  constructor(labels: MetricLabels, bounds: readonly number[]) {
    this.#labels = labels
    this.#bounds = Float64Array.from(bounds)
    this.#counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket += 1
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#sum += value
  }

  /** In prom-client's shape. */
  values(name: MetricName): object[] {
    const values: object[] = []
    let count = 0
    for (const [bucket, inBucket] of this.#counts.entries()) {
      count += inBucket
      const labels = { le: this.#bounds[bucket] ?? '+Inf', ...this.#labels }
      values.push({ labels, value: count, metricName: `${name}_bucket`, exemplar: null })
    }
    values.push({ labels: this.#labels, value: this.#sum, metricName: `${name}_sum` })
    values.push({ labels: this.#labels, value: count, metricName: `${name}_count` })
    return values
  }
}
