/**
 * The figures of requests, by wire API, operation and dataset. Each thread keeps its own in one flat array, so that
 * counting a request costs a look-up and three additions; a scrape gathers copies of all threads' arrays and adds them up.
 *
 * Bounded: at most limits.maxLabelledDatasets datasets have figures of their own, in limits.maxRequestSeries series, in a
 * thread and in the sum; what comes later counts as OTHER_DATASETS until others are forgotten.
 */
import { ERROR_CODES, type ErrorCode } from './errors.js'
import { limits } from './limits.js'
import { DURATION_BUCKETS, METRICS, OTHER_DATASETS } from './metrics-table.js'

const CODES = Object.keys(ERROR_CODES)
const CODE_OFFSETS: ReadonlyMap<string, number> = new Map(CODES.map((code, index) => [code, index]))

/** Layout of one series: a count a bucket (the last one beyond all bounds), the sum of seconds, a count an error code. */
const BOUNDS = Float64Array.from(DURATION_BUCKETS)
const SUM = BOUNDS.length + 1
const FIRST_CODE = SUM + 1
const STRIDE = FIRST_CODE + CODES.length

const FIRST_CAPACITY = 64

interface Series {
  readonly api: string
  readonly operation: string
  readonly dataset: string
  /** Of its first figure. */
  readonly offset: number
}

/** Plain data, copied between threads: series `i` has the figures from `i * STRIDE` on. */
export interface RequestSnapshot {
  readonly apis: readonly string[]
  readonly operations: readonly string[]
  readonly datasets: readonly string[]
  readonly figures: Float64Array
}

/** One series of a snapshot, for whoever prints it in another form. */
export interface RequestSeries {
  readonly api: string
  readonly operation: string
  readonly dataset: string
  /** A count a bucket, the last one beyond all bounds. */
  readonly counts: readonly number[]
  /** Upper bounds of all buckets but the last. */
  readonly boundsSeconds: readonly number[]
  readonly sumSeconds: number
  readonly failures: number
}

export function* seriesOf(snapshot: RequestSnapshot): Generator<RequestSeries> {
  const { apis, operations, datasets, figures } = snapshot
  for (const [index, dataset] of datasets.entries()) {
    const own = figures.subarray(index * STRIDE, (index + 1) * STRIDE)
    yield {
      api: apis[index] ?? '',
      operation: operations[index] ?? '',
      dataset,
      counts: [...own.subarray(0, SUM)],
      boundsSeconds: DURATION_BUCKETS,
      sumSeconds: own[SUM] ?? 0,
      failures: own.subarray(FIRST_CODE).reduce((sum, count) => sum + count, 0),
    }
  }
}

export interface SeriesBounds {
  readonly maxDatasets: number
  readonly maxSeries: number
}

const DEFAULT_BOUNDS: SeriesBounds = {
  maxDatasets: limits.maxLabelledDatasets,
  maxSeries: limits.maxRequestSeries,
}

/** Counts the requests of one thread. */
export class RequestFigures {
  readonly #bounds: SeriesBounds
  readonly #byDataset = new Map<string, Series[]>()
  readonly #freeOffsets: number[] = []
  #figures = new Float64Array(FIRST_CAPACITY * STRIDE)
  #usedLength = 0
  #count = 0
  #last: Series | null = null

  constructor(bounds: SeriesBounds = DEFAULT_BOUNDS) {
    this.#bounds = bounds
  }

  /** `dataset` is the name of one that exists, or empty. */
  record(api: string, operation: string, dataset: string, durationMs: number, code: ErrorCode | null): void {
    // Requests come in bursts of one kind, and names are made once: mostly three comparisons of pointers.
    let series = this.#last
    if (series?.dataset !== dataset || series.operation !== operation || series.api !== api) {
      series = this.#seriesOf(api, operation, dataset)
      this.#last = series
    }
    const { offset } = series
    const figures = this.#figures
    const seconds = durationMs / 1000
    let bucket = 0
    while (bucket < SUM - 1 && seconds > (BOUNDS[bucket] ?? 0)) bucket += 1
    figures[offset + bucket] = (figures[offset + bucket] ?? 0) + 1
    figures[offset + SUM] = (figures[offset + SUM] ?? 0) + seconds
    if (code === null) return
    const place = offset + FIRST_CODE + (CODE_OFFSETS.get(code) ?? 0)
    figures[place] = (figures[place] ?? 0) + 1
  }

  /** The dataset is gone: its figures are, too, and make room for another one's. */
  forget(dataset: string): void {
    const gone = this.#byDataset.get(dataset)
    if (gone === undefined) return
    this.#byDataset.delete(dataset)
    this.#count -= gone.length
    for (const { offset } of gone) this.#freeOffsets.push(offset)
    this.#last = null
  }

  snapshot(): RequestSnapshot {
    const all = [...this.#byDataset.values()].flat()
    const figures = new Float64Array(all.length * STRIDE)
    for (const [index, { offset }] of all.entries()) {
      figures.set(this.#figures.subarray(offset, offset + STRIDE), index * STRIDE)
    }
    return {
      apis: all.map(({ api }) => api),
      operations: all.map(({ operation }) => operation),
      datasets: all.map(({ dataset }) => dataset),
      figures,
    }
  }

  #seriesOf(api: string, operation: string, dataset: string): Series {
    const known = this.#byDataset.get(dataset)
    for (const series of known ?? []) if (series.operation === operation && series.api === api) return series
    const { maxDatasets, maxSeries } = this.#bounds
    const isFull = this.#count >= maxSeries || (known === undefined && this.#byDataset.size >= maxDatasets)
    // What stands for the others has few operations and APIs, and no bound of its own.
    if (isFull && dataset !== OTHER_DATASETS) return this.#seriesOf(api, operation, OTHER_DATASETS)
    const series: Series = { api, operation, dataset, offset: this.#takeOffset() }
    this.#count += 1
    if (known === undefined) this.#byDataset.set(dataset, [series])
    else known.push(series)
    return series
  }

  #takeOffset(): number {
    const free = this.#freeOffsets.pop()
    if (free !== undefined) {
      this.#figures.fill(0, free, free + STRIDE)
      return free
    }
    const offset = this.#usedLength
    this.#usedLength += STRIDE
    if (this.#usedLength > this.#figures.length) {
      const larger = new Float64Array(this.#figures.length * 2)
      larger.set(this.#figures)
      this.#figures = larger
    }
    return offset
  }
}

interface Total {
  /** The labels as they stand in the text. */
  readonly labels: string
  readonly figures: Float64Array
  scrape: number
}

/** The sum over all threads, as text. Kept between scrapes, so that a dataset keeps the labels that it has. */
export class RequestTotals {
  readonly #bounds: SeriesBounds
  readonly #byDataset = new Map<string, Map<string, Total>>()
  #count = 0
  #scrape = 0

  constructor(bounds: SeriesBounds = DEFAULT_BOUNDS) {
    this.#bounds = bounds
  }

  /** Both metrics of requests in Prometheus' text format; series that no snapshot has are left out and forgotten. */
  render(snapshots: readonly RequestSnapshot[]): string {
    this.#scrape += 1
    this.#forgetAbsent(snapshots)
    for (const snapshot of snapshots) this.#add(snapshot)
    const counters = [headOf('godwit_requests_total')]
    const histograms = [headOf('godwit_request_duration_seconds')]
    for (const [dataset, totals] of this.#byDataset) {
      for (const [key, total] of totals) {
        if (total.scrape === this.#scrape) renderSeries(total, counters, histograms)
        else this.#forget(dataset, totals, key)
      }
    }
    return `${counters.join('')}\n${histograms.join('')}`
  }

  /** Makes room before the new figures are added; what is left over goes when the page is made. */
  #forgetAbsent(snapshots: readonly RequestSnapshot[]): void {
    const present = new Set(snapshots.flatMap(({ datasets }) => datasets))
    for (const [dataset, totals] of this.#byDataset) {
      if (present.has(dataset) || dataset === OTHER_DATASETS) continue
      for (const key of totals.keys()) this.#forget(dataset, totals, key)
    }
  }

  #forget(dataset: string, totals: Map<string, Total>, key: string): void {
    totals.delete(key)
    this.#count -= 1
    if (totals.size === 0) this.#byDataset.delete(dataset)
  }

  #add({ apis, operations, datasets, figures }: RequestSnapshot): void {
    for (const [index, dataset] of datasets.entries()) {
      const total = this.#totalOf(apis[index] ?? '', operations[index] ?? '', dataset)
      if (total.scrape !== this.#scrape) total.figures.fill(0)
      total.scrape = this.#scrape
      const from = index * STRIDE
      for (let place = 0; place < STRIDE; place += 1) {
        total.figures[place] = (total.figures[place] ?? 0) + (figures[from + place] ?? 0)
      }
    }
  }

  #totalOf(api: string, operation: string, dataset: string): Total {
    const key = `${api} ${operation}`
    const totals = this.#byDataset.get(dataset)
    const known = totals?.get(key)
    if (known !== undefined) return known
    const { maxDatasets, maxSeries } = this.#bounds
    const isFull = this.#count >= maxSeries || (totals === undefined && this.#byDataset.size >= maxDatasets)
    if (isFull && dataset !== OTHER_DATASETS) return this.#totalOf(api, operation, OTHER_DATASETS)
    const labels = `api="${escaped(api)}",operation="${escaped(operation)}",dataset="${escaped(dataset)}"`
    const total: Total = { labels, figures: new Float64Array(STRIDE), scrape: 0 }
    this.#count += 1
    if (totals === undefined) this.#byDataset.set(dataset, new Map([[key, total]]))
    else totals.set(key, total)
    return total
  }
}

const BUCKET_STARTS = [...DURATION_BUCKETS, '+Inf'].map(
  (bound) => `godwit_request_duration_seconds_bucket{le="${bound}",`,
)

function renderSeries({ labels, figures }: Total, counters: string[], histograms: string[]): void {
  // Joined once: to concatenate them takes three times as long where there are thousands.
  const parts: string[] = []
  let count = 0
  for (let bucket = 0; bucket < SUM; bucket += 1) {
    count += figures[bucket] ?? 0
    parts.push(BUCKET_STARTS[bucket] ?? '', labels, '} ', String(count), '\n')
  }
  parts.push('godwit_request_duration_seconds_sum{', labels, '} ', String(figures[SUM] ?? 0), '\n')
  parts.push('godwit_request_duration_seconds_count{', labels, '} ', String(count), '\n')
  histograms.push(parts.join(''))
  let succeeded = count
  for (const [index, code] of CODES.entries()) {
    const failed = figures[FIRST_CODE + index] ?? 0
    if (failed === 0) continue
    succeeded -= failed
    counters.push(`godwit_requests_total{${labels},code="${code}"} ${failed}\n`)
  }
  counters.push(`godwit_requests_total{${labels},code=""} ${succeeded}\n`)
}

function headOf(name: 'godwit_requests_total' | 'godwit_request_duration_seconds'): string {
  const { help, kind } = METRICS[name]
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
