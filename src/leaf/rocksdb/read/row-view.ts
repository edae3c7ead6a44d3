/**
 * What is alive of a row that a program works on: the rules of both writable formats over a StagedRow. The reading threads
 * have their own way to the same answers (shard-reader.ts), made for many rows at a time; here it is one row, small parts
 * of it, and what is not yet committed counts.
 */
import { KVError } from '../../../base/errors.js'
import type { Cell, CellSelector, CellTimestamp, Row } from '../../../model/row.js'
import { ALL_VERSIONS, WHOLE_ROW } from '../../../model/row.js'
import { cellSeconds, payloadStart, readTimestamp } from '../../cell-codec.js'
import { decodeRangeTombstones, RangeCover, type RangeTombstone } from '../../range-tombstones.js'
import {
  HISTORY_KINDS,
  historyCellOf,
  historyColumnKey,
  localKeyOfMutable,
  mutableCellKey,
  mutableRowEnd,
  rangesKey,
} from '../../row-codec.js'
import { type ColumnSpan, type Selection, selectionOf } from '../../selection.js'
import type { StagedRow } from '../write/staged-row.js'

/** What counts for a cell in an answer beside its bytes, as in pages of reads. */
const CELL_COST_BYTES = 32

/** Keys and values of a row that a write answers. */
const MAX_RETURNED_BYTES = 1024 * 1024

/** A living version. */
export interface LivingCell {
  readonly localKey: Buffer
  readonly timestamp: CellTimestamp
  /** A view. */
  readonly value: Buffer
  /** Second in which it dies; null: never. */
  readonly expirySeconds: number | null
}

/** The newest of a column, and what hides a write beside it. */
export interface ColumnFront {
  readonly newest: LivingCell | null
  /** Values at or before it are not seen, or not as the newest; null: all are. */
  readonly hidden: CellTimestamp | null
  /** Nor are those at exactly these times. */
  readonly deletedAt: ReadonlySet<CellTimestamp>
}

/** What is stored of one column: mutable: one entry; history: versions and deletions, newest first. */
interface StoredColumn {
  readonly localKey: Buffer
  /** To be walked once. */
  readonly versions: Iterable<StoredVersion>
}

interface StoredVersion {
  readonly timestamp: CellTimestamp
  /** One of HISTORY_KINDS; PUT in mutable shards. */
  readonly kind: number
  readonly value: Buffer
}

export interface RowViewOptions {
  readonly metaKey: Buffer
  readonly isHistory: boolean
  /** Living versions of a column that are ever seen. */
  readonly maxCellVersions: number
  readonly nowSeconds: number
}

export class RowView {
  readonly #row: StagedRow
  readonly #options: RowViewOptions
  readonly #rangesKey: Buffer
  /** Decoded from these bytes. */
  #rangesBytes: Buffer | undefined
  #ranges = new RangeCover([])

  constructor(row: StagedRow, options: RowViewOptions) {
    this.#row = row
    this.#options = options
    this.#rangesKey = rangesKey(options.metaKey)
  }

  /** The newest living version of a column. */
  newest(localKey: Buffer): LivingCell | null {
    return this.front(localKey).newest
  }

  /** What a write of a column meets, read as far as its newest living version. */
  front(localKey: Buffer): ColumnFront {
    const { isHistory, nowSeconds } = this.#options
    const upTo = this.#deletedUpTo(localKey)
    const deletedAt = new Set<CellTimestamp>()
    let hidden = upTo
    let newest: LivingCell | null = null
    const [column] = this.#columns(onlyColumn(localKey))
    for (const { timestamp, kind, value } of column?.versions ?? []) {
      if (upTo !== null && timestamp <= upTo) break
      if (kind === HISTORY_KINDS.DELETE_EXACT) {
        deletedAt.add(timestamp)
        continue
      }
      const isDeletion = kind === HISTORY_KINDS.DELETE_UP_TO
      const start = isDeletion || deletedAt.has(timestamp) ? -1 : payloadStart(value, nowSeconds)
      // Mutable: whatever stands there is in the way, since one version takes the place of the other.
      if (isDeletion || start !== -1 || !isHistory) hidden = timestamp
      if (start !== -1) newest = livingCell(localKey, { timestamp, kind, value }, start)
      if (hidden === timestamp) break
    }
    return { newest, hidden, deletedAt }
  }

  /**
   * The living versions that a selector means, in its order; the newest of each column when `onlyNewest`.
   * @param maxCount more than that are TOO_LARGE
   */
  select(selector: CellSelector | null, { onlyNewest, maxCount }: SelectBounds): LivingCell[] {
    const selection = selectionOf(selector, null)
    const maxVersions = onlyNewest ? 1 : selection.maxVersions
    const isForAllTimes = selection.minTimestamp === null && selection.maxTimestamp === null
    const maxLiving = Math.min(this.#options.maxCellVersions, isForAllTimes ? maxVersions : ALL_VERSIONS)
    const found: LivingCell[] = []
    let columns = 0
    for (const column of this.#columns(selection)) {
      const versions = this.#living(column, maxLiving)
        .filter((version) => isWithinTimes(version.timestamp, selection))
        .slice(0, maxVersions)
      if (versions.length === 0) continue
      found.push(...versions)
      if (found.length > maxCount) throw tooManyCells(maxCount)
      columns++
      if (columns === selection.limit) break
    }
    return found
  }

  /** Columns that a selector means and that have a living version of exactly this time. */
  columnsWithVersionAt(selector: CellSelector | null, timestamp: CellTimestamp): Buffer[] {
    const found: Buffer[] = []
    for (const column of this.#columns(columnsOnly(selector))) {
      const versions = this.#living(column, ALL_VERSIONS)
      if (versions.some((version) => version.timestamp === timestamp)) found.push(column.localKey)
    }
    return found
  }

  /** The newest living version of each column that a selector means. */
  newestOfColumns(selector: CellSelector | null): LivingCell[] {
    return this.select(selector === null ? null : plainColumns(selector), {
      onlyNewest: true,
      maxCount: ALL_VERSIONS,
    })
  }

  /** The selected cells as an answer; null: none is there. @throws {KVError} TOO_LARGE */
  answer(selector: CellSelector | null): Row | null {
    const { nowSeconds } = this.#options
    const keysOnly = selector?.keysOnly === true
    const found = this.select(selector, { onlyNewest: false, maxCount: ALL_VERSIONS })
    let sizeBytes = 0
    const cells = found.map(({ localKey, value, timestamp, expirySeconds }): Cell => {
      const answered = keysOnly ? value.subarray(0, 0) : value
      sizeBytes += localKey.byteLength + answered.byteLength + CELL_COST_BYTES
      const ttlSeconds = expirySeconds === null ? null : expirySeconds - nowSeconds
      return { localKey, value: answered, timestamp, ttlSeconds }
    })
    if (sizeBytes > MAX_RETURNED_BYTES) {
      throw new KVError(
        'TOO_LARGE',
        `the row to answer has more than ${MAX_RETURNED_BYTES} bytes: select less of it`,
        { outcome: 'NOT_APPLIED' },
      )
    }
    return cells.length === 0 ? null : { cells, next: null }
  }

  /** The row's range tombstones. @throws {KVError} CORRUPT */
  get #cover(): RangeCover {
    const stored = this.#row.get(this.#rangesKey)
    if (stored === this.#rangesBytes) return this.#ranges
    this.#ranges = new RangeCover(stored === undefined ? [] : decodeRangeTombstones(stored))
    this.#rangesBytes = stored
    return this.#ranges
  }

  /**
   * The row's range tombstones without those that the row's own replaces: it is as new, and was made as late.
   * @throws {KVError} CORRUPT
   */
  rangesThatCount(): readonly RangeTombstone[] {
    const tombstone = this.#row.get(this.#options.metaKey)
    if (tombstone === undefined) return this.#cover.list
    const upTo = readTimestamp(tombstone)
    const madeAt = cellSeconds(tombstone) ?? 0
    return this.#cover.list.filter((one) => one.timestamp > upTo || one.deletedAtSeconds > madeAt)
  }

  /** Living versions of a column, newest first, `maxCount` at most. */
  #living({ localKey, versions }: StoredColumn, maxCount: number): LivingCell[] {
    const { nowSeconds } = this.#options
    const upTo = this.#deletedUpTo(localKey)
    const found: LivingCell[] = []
    let exact: CellTimestamp | null = null
    for (const { timestamp, kind, value } of versions) {
      if (upTo !== null && timestamp <= upTo) break
      if (kind === HISTORY_KINDS.DELETE_UP_TO) break
      if (kind === HISTORY_KINDS.DELETE_EXACT) exact = timestamp
      if (kind !== HISTORY_KINDS.PUT || timestamp === exact) continue
      const start = payloadStart(value, nowSeconds)
      if (start === -1) continue
      found.push(livingCell(localKey, { timestamp, kind, value }, start))
      if (found.length === maxCount) break
    }
    return found
  }

  #deletedUpTo(localKey: Buffer): CellTimestamp | null {
    const tombstone = this.#row.get(this.#options.metaKey)
    const byRow = tombstone === undefined ? null : readTimestamp(tombstone)
    const byRange = this.#cover.deletedUpTo(localKey)
    if (byRow === null || byRange === null) return byRow ?? byRange
    return byRow > byRange ? byRow : byRange
  }

  /** Stored columns in the order of the selection. */
  *#columns(selection: Selection): Generator<StoredColumn, void> {
    const { isHistory, metaKey } = this.#options
    if (!isHistory) {
      const named = selection.spans.filter(({ isColumn }) => isColumn)
      this.#row.load(named.map(({ from }) => mutableCellKey(metaKey, from)))
    }
    for (const span of selection.spans) {
      if (isHistory && span.isColumn) yield { localKey: span.from, versions: this.#versionsOf(span.from) }
      else if (isHistory) yield* this.#historyColumns(span, selection.isReversed)
      else if (span.isColumn) yield* this.#mutableColumn(span.from)
      else yield* this.#mutableColumns(span, selection.isReversed)
    }
  }

  *#mutableColumn(localKey: Buffer): Generator<StoredColumn, void> {
    const value = this.#row.get(mutableCellKey(this.#options.metaKey, localKey))
    if (value !== undefined) yield { localKey, versions: [mutableVersion(value)] }
  }

  *#mutableColumns({ from, to }: ColumnSpan, isReversed: boolean): Generator<StoredColumn, void> {
    const { metaKey } = this.#options
    const end = to === null ? mutableRowEnd(metaKey) : mutableCellKey(metaKey, to)
    for (const { key, value } of this.#row.scan(mutableCellKey(metaKey, from), end, isReversed)) {
      const localKey = localKeyOfMutable(metaKey.byteLength, key)
      if (localKey !== null) yield { localKey, versions: [mutableVersion(value)] }
    }
  }

  /** Of one column, read only as far as they are walked. */
  *#versionsOf(localKey: Buffer): Generator<StoredVersion, void> {
    const { metaKey } = this.#options
    const from = historyColumnKey(metaKey, localKey)
    // Keys of a column are its own key, which ends with 01, and more.
    const to = Buffer.from(from)
    to[to.byteLength - 1] = 0x02
    for (const { key, value } of this.#row.scan(from, to, false)) {
      const { timestamp, kind } = historyCellOf(metaKey.byteLength, key)
      yield { timestamp, kind, value }
    }
  }

  *#historyColumns({ from, to }: ColumnSpan, isReversed: boolean): Generator<StoredColumn, void> {
    const { metaKey } = this.#options
    const end = to === null ? mutableRowEnd(metaKey) : historyColumnKey(metaKey, to)
    let localKey: Buffer | null = null
    let versions: StoredVersion[] = []
    for (const { key, value } of this.#row.scan(historyColumnKey(metaKey, from), end, isReversed)) {
      const found = historyCellOf(metaKey.byteLength, key)
      if (localKey !== null && !localKey.equals(found.localKey)) {
        yield { localKey, versions: isReversed ? versions.reverse() : versions }
        versions = []
      }
      localKey = found.localKey
      versions.push({ timestamp: found.timestamp, kind: found.kind, value })
    }
    if (localKey !== null) yield { localKey, versions: isReversed ? versions.reverse() : versions }
  }
}

const MAX_TIMESTAMP = 0x7fff_ffff_ffff_ffffn

/**
 * The first time from a stamp on at which a value of the column is its newest and is seen, whatever times callers gave to
 * its versions and its deletions.
 * @throws {KVError} INVALID_ARGUMENT when there is no later time
 */
export function firstShownAt({ hidden, deletedAt }: ColumnFront, stamp: CellTimestamp): CellTimestamp {
  let first = hidden !== null && hidden >= stamp ? hidden + 1n : stamp
  while (deletedAt.has(first)) first++
  if (first <= MAX_TIMESTAMP) return first
  throw new KVError(
    'INVALID_ARGUMENT',
    'no timestamp is later than that of the cell or of its deletion: callers gave the last one there is',
    { outcome: 'NOT_APPLIED' },
  )
}

function livingCell(localKey: Buffer, { timestamp, value }: StoredVersion, start: number): LivingCell {
  return { localKey, timestamp, value: value.subarray(start), expirySeconds: cellSeconds(value) }
}

export interface SelectBounds {
  readonly onlyNewest: boolean
  readonly maxCount: number
}

export function tooManyCells(maxCount: number): KVError {
  return new KVError('TOO_LARGE', `more than ${maxCount} cells in one write: select fewer`, {
    outcome: 'NOT_APPLIED',
  })
}

function mutableVersion(value: Buffer): StoredVersion {
  return { timestamp: readTimestamp(value), kind: HISTORY_KINDS.PUT, value }
}

function isWithinTimes(timestamp: CellTimestamp, { minTimestamp, maxTimestamp }: Selection): boolean {
  if (minTimestamp !== null && timestamp < minTimestamp) return false
  return maxTimestamp === null || timestamp < maxTimestamp
}

function onlyColumn(localKey: Buffer): Selection {
  return { ...selectionOf(null, null), spans: [{ from: localKey, to: localKey, isColumn: true }] }
}

/** A selector's columns, without what narrows it. */
function columnsOnly(selector: CellSelector | null): Selection {
  return selectionOf(selector === null ? null : plainColumns(selector), null)
}

function plainColumns({ localKeys, ranges }: CellSelector): CellSelector {
  return { ...WHOLE_ROW, localKeys, ranges }
}
