/** Who asks for what: what data threads note of requests, and what operators are told. Plain data. */

/** Stands for callers, addresses, datasets and columns beyond the bounds. No dataset can have this name. */
export const OTHERS = '(other)'

/** Calls of one method of a wire API, on one dataset, by one caller from one address. */
export interface UsageRow {
  readonly api: string
  readonly method: string
  /** Empty: one that does not exist. */
  readonly dataset: string
  /** As it names itself; null: it does not. */
  readonly caller: string | null
  /** Empty: not known. */
  readonly address: string
  readonly count: number
  readonly lastSeenAtMs: number
}

export interface UsageReport {
  /** Since when calls are counted. */
  readonly sinceMs: number
  /** The newest first. */
  readonly rows: readonly UsageRow[]
  /** Rows that were left out because there are too many, the oldest, since the gateway was started. */
  readonly forgottenRows: number
}

/** What one caller's sampled reads of one dataset asked for. Numbers are of sampled requests. */
export interface SampledReader {
  readonly api: string
  readonly caller: string | null
  readonly requests: number
  /** All columns, or ranges of them. */
  readonly whole: number
  /** The unnamed value alone, which is all that Terrapin's callers know. */
  readonly unnamed: number
  /** By column, as base64: those that name columns. */
  readonly columns: Readonly<Record<string, number>>
}

export interface DatasetSample {
  readonly dataset: string
  readonly readers: readonly SampledReader[]
}

/** What one data thread noted since it was asked last. */
export interface Observations {
  readonly usage: readonly UsageRow[]
  readonly samples: readonly DatasetSample[]
}

/** A figure of a sample: its mean, and the interval that holds the true mean in 95 of 100 samples. */
export interface Estimate {
  readonly mean: number
  readonly low: number
  readonly high: number
}

export interface ColumnAdvice {
  readonly column: string
  /** Share of the looked-at rows that have it. */
  readonly presence: number
  /** Bytes of name and value in a row, rows without it counted as none. */
  readonly bytes: Estimate
  /** Sampled requests that named it. */
  readonly requests: number
  /** At most this share of requests names it, with a certainty of 95 %; tells apart "never" and "not in so few". */
  readonly shareAtMost: number
  /** `api caller` of those who named it. */
  readonly readers: readonly string[]
}

export interface ReaderAdvice extends Omit<SampledReader, 'columns'> {
  /** Named columns. */
  readonly columns: readonly string[]
  /** Bytes of a row as it is read now by those of its requests that name no columns; null: all do, or no row was seen. */
  readonly bytesNow: Estimate | null
  /** The same, were only those columns read that any caller names; null: nobody names any, or as above. */
  readonly bytesProjected: Estimate | null
  /** Bytes saved for a row. */
  readonly saved: Estimate | null
}

export interface AdviceReport {
  readonly dataset: string
  readonly sinceMs: number
  readonly sampledRequests: number
  /** Stored rows that were looked at for the sizes of columns. */
  readonly rows: number
  /** They come in the order of their hashes, so that they stand for all; the first of an ordered dataset may not. */
  readonly areRowsRandom: boolean
  readonly columns: readonly ColumnAdvice[]
  readonly readers: readonly ReaderAdvice[]
}
