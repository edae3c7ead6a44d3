/** A walk over the rows of a dataset, page by page: what is asked for one page, and what it answers. */
import type { Side } from './migration.js'
import type { RequestContext } from './request.js'
import type { ByteRange, CellSelector, Condition, Row } from './row.js'
import type { RowPosition } from './row-order.js'

export interface ScanRequest {
  readonly dataset: string
  /** ORDERED: row keys; null: all. */
  readonly range: ByteRange | null
  readonly selector: CellSelector | null
  /** Rows for which all hold. */
  readonly where: readonly Condition[]
  /** Rows that this page may still answer of the caller's limit; null: no limit. */
  readonly limit: number | null
  /** Rows from the last to the first. */
  readonly isReversed: boolean
  /** One of `count` disjoint parts; null: all. */
  readonly segment: { readonly index: number; readonly count: number } | null
  /** Rows of the page, 1 or more. */
  readonly pageRows: number
  /** Bytes of the page, roughly, 1 or more. */
  readonly pageBytes: number
  /** Behind which row the page begins; null: at the start. */
  readonly position: RowPosition | null
  readonly datasetVersion: number | null
  readonly withTimestamps: boolean
  readonly withTtl: boolean
  /** Later pages of a dataset with two sides: the one that answered the first. */
  readonly side?: Side
  readonly context: RequestContext
}

export interface ScannedRow {
  readonly rowKey: Buffer
  readonly row: Row
}

export interface ScanResult {
  readonly rows: readonly ScannedRow[]
  /** The last row that was looked at, answered or not; null: there are no more. */
  readonly next: RowPosition | null
  /** BATCH: the version that answered; null otherwise. */
  readonly datasetVersion: number | null
  /** Of a dataset with two sides: who answered. */
  readonly side?: Side
}
