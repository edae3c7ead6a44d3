/** Rows, cells and which of them a request means. Keys and values are bytes, never strings. */
import type { KVError } from '../base/errors.js'

/** Timestamp of a cell in the dataset's own unit, kept exactly as written (i64). */
export type CellTimestamp = bigint

/** One column of a row at a time. The buffers may be views into a larger one and must not be changed. */
export interface Cell {
  /** 0 to 65,535 bytes; empty: the row's unnamed value. */
  readonly localKey: Buffer
  readonly value: Buffer
  /** Null unless timestamps were asked for (reads), or unless the caller gave one (writes). */
  readonly timestamp: CellTimestamp | null
  /** Reads: what is left, if asked for. Writes: the cell's own TTL. Null: does not expire, or not asked for. */
  readonly ttlSeconds: number | null
}

/** The selected, living cells of a row, at least one, in local-key order. */
export interface Row {
  readonly cells: readonly Cell[]
}

/** What one key of a read answers: a row, null for "no such row or nothing of it selected", or its own failure. */
export type RowOutcome = Row | null | KVError

/** Which columns of a row are meant. A null selector means all of them. */
export interface CellSelector {
  /** Distinct, in byte order (the admission sorts them); at least one. */
  readonly localKeys: readonly Buffer[]
}
