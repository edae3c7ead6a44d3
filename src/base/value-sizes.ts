/**
 * Sizes of answered values, by operation and dataset, in buckets of powers of two; each thread keeps its own. For figures
 * in an old API's words: Prometheus' page does not have them.
 *
 * Bounded: at most limits.maxLabelledDatasets datasets have figures of their own, later ones count as OTHER_DATASETS.
 */
import { limits } from './limits.js'
import { OTHER_DATASETS } from './metrics-table.js'

/** Bucket 0 holds no bytes, bucket n up to 2^n - 1. */
const BUCKETS = 33

/** Upper bounds of all buckets. */
export const SIZE_BOUNDS: readonly number[] = Array.from({ length: BUCKETS }, (_, bucket) => 2 ** bucket - 1)

/** Plain data; travels between threads. */
export interface SizeSeries {
  readonly operation: string
  readonly dataset: string
  /** A count a bucket. */
  readonly counts: readonly number[]
  readonly sumBytes: number
}

interface Series {
  readonly operation: string
  readonly counts: Float64Array
  sumBytes: number
}

export class ValueSizes {
  readonly #maxDatasets: number
  readonly #byDataset = new Map<string, Series[]>()

  constructor(maxDatasets: number = limits.maxLabelledDatasets) {
    this.#maxDatasets = maxDatasets
  }

  /** `dataset` is the name of one that exists. */
  record(operation: string, dataset: string, bytes: number): void {
    const series = this.#seriesOf(operation, dataset)
    const bucket = 32 - Math.clz32(bytes)
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
    series.sumBytes += bytes
  }

  /** The dataset is gone. */
  forget(dataset: string): void {
    this.#byDataset.delete(dataset)
  }

  snapshot(): readonly SizeSeries[] {
    return [...this.#byDataset].flatMap(([dataset, all]) =>
      all.map(({ operation, counts, sumBytes }) => ({ operation, dataset, counts: [...counts], sumBytes })),
    )
  }

  #seriesOf(operation: string, dataset: string): Series {
    const known = this.#byDataset.get(dataset)
    for (const series of known ?? []) if (series.operation === operation) return series
    const isFull = known === undefined && this.#byDataset.size >= this.#maxDatasets
    if (isFull && dataset !== OTHER_DATASETS) return this.#seriesOf(operation, OTHER_DATASETS)
    const series: Series = { operation, counts: new Float64Array(BUCKETS), sumBytes: 0 }
    if (known === undefined) this.#byDataset.set(dataset, [series])
    else known.push(series)
    return series
  }
}
