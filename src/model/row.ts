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

/** The selected, living cells of a row. */
export interface Row {
  /** In the selector's direction of local keys, versions newest first. Empty only where `next` is not null. */
  readonly cells: readonly Cell[]
  /** Where the row goes on, when it was cut at a page; null: that was all that was selected. */
  readonly next: CellPosition | null
}

/** A place in a row, in the direction of its read: behind this version of this column. */
export interface CellPosition {
  /** Null: before the first selected cell. */
  readonly localKey: Buffer | null
  /** Null: behind every version of the column. */
  readonly timestamp: CellTimestamp | null
  /** Distinct columns answered up to here, all pages of the sequence together; counts against the selector's limit. */
  readonly columns: number
  /** The page token of the origin that answered; it alone says where to go on there. */
  readonly originToken?: Buffer
}

/** What one key of a read answers: a row, null for "no such row or nothing of it selected", or its own failure. */
export type RowOutcome = Row | null | KVError

/** Keys or local keys in byte order, `from` included, `to` excluded. */
export interface ByteRange {
  /** Empty: from the first. */
  readonly from: Buffer
  /** Null: to the last. */
  readonly to: Buffer | null
}

/** CellSelector.maxVersions for every version that is kept. */
export const ALL_VERSIONS = 0x7fff_ffff

/** Which cells of a row are meant. A null selector means the newest version of every column. */
export interface CellSelector {
  /** Distinct, in byte order. With `ranges`: these columns, too; both empty: all columns. */
  readonly localKeys: readonly Buffer[]
  /** Not empty, disjoint, in byte order; no local key above lies in one of them. */
  readonly ranges: readonly ByteRange[]
  /** Columns at most, 1 or more, the first ones in the direction of the read; null: no bound. */
  readonly limit: number | null
  /** Local keys in descending order. */
  readonly isReversed: boolean
  /** Newest versions of each column, 1 to ALL_VERSIONS, counted among those within the times. */
  readonly maxVersions: number
  /** Inclusive; null: no bound. */
  readonly minTimestamp: CellTimestamp | null
  /** Exclusive; null: no bound. */
  readonly maxTimestamp: CellTimestamp | null
  /** Leave values empty. */
  readonly keysOnly: boolean
}

/** The newest version of every column. */
export const WHOLE_ROW: CellSelector = {
  localKeys: [],
  ranges: [],
  limit: null,
  isReversed: false,
  maxVersions: 1,
  minTimestamp: null,
  maxTimestamp: null,
  keysOnly: false,
}

/** The newest version of these columns; they are distinct and in byte order. */
export function columnsNamed(localKeys: readonly Buffer[]): CellSelector {
  return { ...WHOLE_ROW, localKeys }
}

/** Whether a selector names columns and asks for nothing else: such reads have a shorter way. */
export function isPlain(selector: CellSelector): boolean {
  return (
    selector.localKeys.length > 0 &&
    selector.ranges.length === 0 &&
    selector.limit === null &&
    !selector.isReversed &&
    selector.maxVersions === 1 &&
    selector.minTimestamp === null &&
    selector.maxTimestamp === null &&
    !selector.keysOnly
  )
}

export type Comparison =
  | 'EXISTS'
  | 'NOT_EXISTS'
  | 'EQUAL'
  | 'NOT_EQUAL'
  | 'LESS'
  | 'LESS_OR_EQUAL'
  | 'GREATER'
  | 'GREATER_OR_EQUAL'
  | 'VERSION_EQUAL'
  | 'ROW_EXISTS'
  | 'ROW_NOT_EXISTS'

/** A test of the newest living version of one column. Values compare as unsigned bytes. */
export interface Condition {
  readonly localKey: Buffer
  readonly comparison: Comparison
  /** What the value is compared with; empty for tests of existence and of the version. */
  readonly value: Buffer
  /** VERSION_EQUAL: the timestamp that is expected; null otherwise. */
  readonly timestamp: CellTimestamp | null
  /** The outcome where the column is absent and the test is not of existence. */
  readonly ifMissing: boolean
}
