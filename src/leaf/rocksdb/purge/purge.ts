/**
 * Removes what no read can see and no write has to be kept from, slice by slice, in the writer thread. A slice reads and
 * deletes in one tick, so that nothing is written in between; deletes are plain ones, which forget timestamps. What goes:
 *
 * - cells that a tombstone of their row, their range or (history) their column covers: at once;
 * - tombstones of every kind, and expired cells: when they are older than the grace period. Until then they are what hides
 *   a write that comes late. One that is covered by another goes at once if the other was made as late;
 * - versions beyond those that are kept: at once, if as many newer ones live at least as long;
 * - records of writes with a token, when they are forgotten.
 *
 * **What cannot be read is passed over**: a damaged entry with the rest of its row, a damaged block with the rows in it and
 * few behind them. Of such rows nothing goes that depends on what was not seen. It is counted, for the schedule to report.
 *
 * **A tombstone goes with or behind what it covers, never before.** Keys sort the other way round, and a row or a column may
 * take several slices. So one that may go waits for the end of what it covers, and stays for the next pass if the row was
 * written meanwhile: a late write may have come where the pass had been.
 */
import { KVError } from '../../../base/errors.js'
import type { CellTimestamp } from '../../../model/row.js'
import { CELL_KINDS, cellKind, cellSeconds, readTimestamp } from '../../cell-codec.js'
import {
  decodeRangeTombstones,
  encodeRangeTombstones,
  RangeCover,
  type RangeTombstone,
} from '../../range-tombstones.js'
import {
  FIRST_ROW_KEY,
  HISTORY_KINDS,
  type HistoryCell,
  historyCellOf,
  localKeyOfMutable,
  rangesKey,
  splitRowKey,
  wholeRowEnd,
} from '../../row-codec.js'
import type { Cursor, WriteBatch } from '../store/binding.js'
import { keysBeyond } from '../store/key-bytes.js'
import type { WritableShard } from '../write/writable-shard.js'
import { isForgotten } from '../write/write-record.js'
import type { WireWrite } from '../write/write-wire.js'

/** What was removed, for metrics. */
export type PurgedKind = 'COVERED' | 'TOMBSTONE' | 'EXPIRED' | 'VERSION' | 'WRITE_RECORD'

/** A slice ends behind the step that reaches either. */
const SLICE_ENTRIES = 512
const SLICE_MS = 2
const STEP_ENTRIES = 64

/** A deletion as far as it says what is covered: up to when, and when it was made. */
interface Deletion {
  readonly upTo: CellTimestamp
  readonly madeAtSeconds: number
}

/** The row that the pass is in. */
interface SweptRow {
  readonly metaKey: Buffer
  /** Whether it began in an earlier slice. */
  isContinued: boolean
  /** Whether it was written since the pass came to it, or not understood. */
  isUnsure: boolean
  /** Whether something of it cannot be read: the rest is left as it is. */
  isDamaged: boolean
  tombstone: Deletion | null
  tombstoneBytes: Buffer | undefined
  ranges: readonly RangeTombstone[]
  cover: RangeCover
  rangesBytes: Buffer | undefined
  column: SweptColumn | null
}

/** The column of a history row that the pass is in. */
interface SweptColumn {
  readonly localKey: Buffer
  /** The newest deletion in it. */
  upTo: Deletion | null
  exact: CellTimestamp | null
  /** Newer versions that stay: how many for ever, and until when the others live. */
  lasting: number
  readonly expiries: number[]
  /** Deletions that go at the end of the column. */
  readonly waiting: Buffer[]
}

export interface SliceOptions {
  /** Entries that are looked at, at most. */
  readonly maxEntries?: number
}

/** One shard's passes. */
export class ShardPurge {
  readonly #shard: WritableShard
  readonly #batch: WriteBatch
  readonly #counts = new Map<PurgedKind, number>()
  #from: Buffer = FIRST_ROW_KEY
  #row: SweptRow | null = null
  #nowSeconds = 0
  #damaged = 0
  /** Behind a failed step: entries that are read one by one, so that those before the damage are not lost. */
  #careful = 0

  constructor(shard: WritableShard) {
    this.#shard = shard
    this.#batch = shard.database.newBatch()
    shard.onWrite = (write) => this.#notice(write)
  }

  /** What was removed since the last time. */
  takeCounts(): ReadonlyMap<PurgedKind, number> {
    const counts = new Map(this.#counts)
    this.#counts.clear()
    return counts
  }

  /** Places that could not be read, since the last time. */
  takeDamaged(): number {
    const damaged = this.#damaged
    this.#damaged = 0
    return damaged
  }

  /**
   * Goes on with the pass, or begins one; false: it is through.
   * @throws {KVError} UNAVAILABLE when the disk fails: the pass begins anew
   */
  slice(nowSeconds: number, { maxEntries = SLICE_ENTRIES }: SliceOptions = {}): boolean {
    this.#nowSeconds = nowSeconds
    try {
      const isThrough = this.#read(maxEntries)
      if (isThrough) this.#finishRow()
      else if (this.#row !== null) this.#row.isContinued = true
      if (this.#batch.count > 0) this.#shard.writeUnsynced(this.#batch)
      if (isThrough) this.#from = FIRST_ROW_KEY
      return !isThrough
    } catch (error) {
      this.#batch.clear()
      this.#row = null
      this.#careful = 0
      this.#from = FIRST_ROW_KEY
      throw error
    }
  }

  #read(maxEntries: number): boolean {
    const { database, clock } = this.#shard
    const endMs = clock.monotonicMs() + SLICE_MS
    const cursor = database.openCursor({ from: this.#from, to: null, isReversed: false, fillsCache: false })
    try {
      for (let left = maxEntries; !cursor.isDone;) {
        const rows = this.#next(cursor, Math.min(STEP_ENTRIES, left))
        for (let i = 0; i + 1 < rows.length; i += 2) {
          const key = rows[i]
          const value = rows[i + 1]
          if (key === undefined || value === undefined) break
          this.#tryToLook(key, value)
        }
        const last = rows.at(-2)
        if (last !== undefined) this.#from = Buffer.concat([last, AFTER])
        left -= Math.max(1, rows.length >> 1)
        if (left <= 0 || clock.monotonicMs() >= endMs) return cursor.isDone
      }
      return true
    } finally {
      cursor.close()
    }
  }

  #next(cursor: Cursor, count: number): readonly Buffer[] {
    const isCareful = this.#careful > 0
    if (isCareful) this.#careful--
    try {
      return cursor.next(isCareful ? 1 : count)
    } catch (error) {
      if (!isDamage(error)) throw error
    }
    if (isCareful) return this.#passOver(cursor)
    this.#careful = count
    cursor.seek(this.#from)
    return NOTHING
  }

  /** Goes to the first place behind a damaged block where something can be read; none: the pass is through. */
  #passOver(cursor: Cursor): readonly Buffer[] {
    this.#damaged++
    this.#careful = 0
    const row = this.#row
    if (row !== null) row.isDamaged = row.isUnsure = true
    this.#finishRow()
    for (const key of keysBeyond(row === null ? this.#from : wholeRowEnd(row.metaKey))) {
      try {
        cursor.seek(key)
        const rows = cursor.next(1)
        const [first] = rows
        // It may be in the middle of a row of which the first entries were not seen.
        if (first !== undefined) this.#enterDamaged(first)
        return rows
      } catch (error) {
        if (!isDamage(error)) throw error
      }
    }
    return NOTHING
  }

  #enterDamaged(key: Buffer): void {
    const part = splitRowKey(this.#shard.rules.keyOrder, key)
    if (part !== null) this.#row = { ...newRow(key, part.metaSize), isUnsure: true, isDamaged: true }
  }

  #tryToLook(key: Buffer, value: Buffer): void {
    try {
      this.#look(key, value)
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#damaged++
      if (this.#row !== null) this.#row.isDamaged = this.#row.isUnsure = true
    }
  }

  /** A row that is written while the pass is in it is no longer as it was seen. */
  #notice(write: WireWrite): void {
    const row = this.#row
    if (row === null || row.isUnsure || !write.isOfRow(row.metaKey)) return
    row.isUnsure = true
    const { column } = row
    if (column === null) return
    // What was deleted stays so. What was alive may be deleted now, and no longer counts.
    column.lasting = 0
    column.expiries.length = 0
    column.waiting.length = 0
  }

  #look(key: Buffer, value: Buffer): void {
    const part = splitRowKey(this.#shard.rules.keyOrder, key)
    if (part === null) return
    const { metaSize } = part
    let row = this.#row
    if (row === null || !isOfRow(row.metaKey, key, metaSize)) {
      this.#finishRow()
      row = newRow(key, metaSize)
      this.#row = row
    }
    if (row.isDamaged) return
    switch (part.part) {
      case 'META':
        if (key.byteLength === metaSize) lookAtTombstone(row, value)
        else lookAtRanges(row, value)
        return
      case 'CELL':
        if (this.#shard.isHistory) this.#lookAtVersion(row, key, value)
        else this.#lookAtCell(row, key, value)
        return
      case 'WRITE_RECORD':
        this.#finishColumn(row)
        if (isForgotten(value, this.#nowSeconds)) this.#remove(key, 'WRITE_RECORD')
        return
      case 'UNKNOWN':
    }
  }

  #lookAtCell(row: SweptRow, key: Buffer, value: Buffer): void {
    const localKey = localKeyOfMutable(row.metaKey.byteLength, key)
    if (localKey === null) return
    const kind = cellKind(value)
    const timestamp = readTimestamp(value)
    if (kind === CELL_KINDS.TOMBSTONE) {
      const deletion = { upTo: timestamp, madeAtSeconds: cellSeconds(value) ?? 0 }
      if (this.#isOld(deletion.madeAtSeconds)) this.#remove(key, 'TOMBSTONE')
      else if (isReplaced(row, localKey, deletion)) this.#remove(key, 'COVERED')
    } else if (isCovered(row, localKey, timestamp)) this.#remove(key, 'COVERED')
    else if (kind === CELL_KINDS.EXPIRING && this.#isOld(cellSeconds(value) ?? Number.POSITIVE_INFINITY)) {
      this.#remove(key, 'EXPIRED')
    }
  }

  #lookAtVersion(row: SweptRow, key: Buffer, value: Buffer): void {
    const cell = historyCellOf(row.metaKey.byteLength, key)
    let { column } = row
    if (column === null || !column.localKey.equals(cell.localKey)) {
      this.#finishColumn(row)
      column = newColumn(cell.localKey)
      row.column = column
    }
    if (cell.kind === HISTORY_KINDS.PUT) this.#lookAtPut(row, column, { key, value, cell })
    else this.#lookAtMarker(row, column, { key, value, cell })
  }

  #lookAtMarker(row: SweptRow, column: SweptColumn, { key, value, cell }: FoundVersion): void {
    const deletion = { upTo: cell.timestamp, madeAtSeconds: cellSeconds(value) ?? 0 }
    const isOld = this.#isOld(deletion.madeAtSeconds)
    const isInside = column.upTo !== null && deletion.upTo <= column.upTo.upTo
    const isKnown = isInside && column.upTo !== null && column.upTo.madeAtSeconds >= deletion.madeAtSeconds
    // What it covers is covered by one that is there until its own end.
    if (isKnown || isReplaced(row, cell.localKey, deletion)) this.#remove(key, 'COVERED')
    else if (isInside && isOld) this.#remove(key, 'TOMBSTONE')
    else if (isOld && !row.isUnsure) column.waiting.push(key)
    if (cell.kind === HISTORY_KINDS.DELETE_EXACT) column.exact = cell.timestamp
    else if (!isInside) column.upTo = deletion
  }

  #lookAtPut(row: SweptRow, column: SweptColumn, { key, value, cell }: FoundVersion): void {
    const { timestamp } = cell
    const isDeleted = column.upTo !== null && timestamp <= column.upTo.upTo
    if (isDeleted || timestamp === column.exact || isCovered(row, cell.localKey, timestamp)) {
      this.#remove(key, 'COVERED')
      return
    }
    const expiry = cellSeconds(value)
    if (expiry !== null && this.#isOld(expiry)) {
      this.#remove(key, 'EXPIRED')
      return
    }
    const { maxCellVersions } = this.#shard.incarnation
    let newer = column.lasting
    if (expiry !== null && newer < maxCellVersions) {
      for (const other of column.expiries) if (other >= expiry) newer++
    }
    if (newer >= maxCellVersions) this.#remove(key, 'VERSION')
    else if (expiry === null) column.lasting++
    else column.expiries.push(expiry)
  }

  #finishColumn(row: SweptRow): void {
    const { column } = row
    row.column = null
    if (column === null || row.isUnsure) return
    for (const key of column.waiting) this.#remove(key, 'TOMBSTONE')
  }

  #finishRow(): void {
    const row = this.#row
    this.#row = null
    if (row === null) return
    this.#finishColumn(row)
    if (row.isUnsure || !this.#isAsSeen(row)) return
    const { metaKey, tombstone, ranges } = row
    const isGoing = tombstone !== null && this.#isOld(tombstone.madeAtSeconds)
    const kept = ranges.filter(
      (range) => !this.#isOld(range.deletedAtSeconds) && !isReplacedByRow(tombstone, deletionOf(range)),
    )
    if (isGoing) this.#remove(metaKey, 'TOMBSTONE')
    if (kept.length === ranges.length) return
    if (kept.length === 0) this.#batch.del(rangesKey(metaKey))
    else this.#batch.put(rangesKey(metaKey), encodeRangeTombstones(kept))
    this.#count('TOMBSTONE', ranges.length - kept.length)
  }

  /** What was seen in another tick is looked at again. */
  #isAsSeen({ isContinued, metaKey, tombstoneBytes, rangesBytes }: SweptRow): boolean {
    if (!isContinued || (tombstoneBytes === undefined && rangesBytes === undefined)) return true
    const [tombstone, ranges] = this.#shard.database.getMany([metaKey, rangesKey(metaKey)])
    return isSame(tombstone, tombstoneBytes) && isSame(ranges, rangesBytes)
  }

  #isOld(seconds: number): boolean {
    return this.#nowSeconds - seconds > this.#shard.rules.graceSeconds
  }

  #remove(key: Buffer, kind: PurgedKind): void {
    this.#batch.del(key)
    this.#count(kind, 1)
  }

  #count(kind: PurgedKind, count: number): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count)
  }
}

interface FoundVersion {
  readonly key: Buffer
  readonly value: Buffer
  readonly cell: HistoryCell
}

const NOTHING: readonly Buffer[] = []
const NO_RANGES = new RangeCover([])

/** What a damaged block, and what an entry of damaged bytes, is reported as. */
function isDamage(error: unknown): boolean {
  return error instanceof RangeError || (error instanceof KVError && error.code === 'CORRUPT')
}

/** What makes the lowest key behind another one. */
const AFTER: Buffer = Buffer.from([0x00])

function newRow(key: Buffer, metaSize: number): SweptRow {
  const metaKey = Buffer.from(key.subarray(0, metaSize))
  metaKey[metaSize - 1] = 0x00
  return {
    metaKey,
    isContinued: false,
    isUnsure: false,
    isDamaged: false,
    tombstone: null,
    tombstoneBytes: undefined,
    ranges: [],
    cover: NO_RANGES,
    rangesBytes: undefined,
    column: null,
  }
}

function newColumn(localKey: Buffer): SweptColumn {
  return { localKey, upTo: null, exact: null, lasting: 0, expiries: [], waiting: [] }
}

function isOfRow(metaKey: Buffer, key: Buffer, metaSize: number): boolean {
  return metaKey.byteLength === metaSize && metaKey.compare(key, 0, metaSize - 1, 0, metaSize - 1) === 0
}

function lookAtTombstone(row: SweptRow, value: Buffer): void {
  row.tombstone = { upTo: readTimestamp(value), madeAtSeconds: cellSeconds(value) ?? 0 }
  row.tombstoneBytes = value
}

function lookAtRanges(row: SweptRow, value: Buffer): void {
  row.rangesBytes = value
  row.ranges = decodeRangeTombstones(value)
  row.cover = new RangeCover(row.ranges)
}

/** Whether a cell is deleted by its row's or a range's tombstone. */
function isCovered({ tombstone, cover }: SweptRow, localKey: Buffer, timestamp: CellTimestamp): boolean {
  if (tombstone !== null && timestamp <= tombstone.upTo) return true
  if (cover.isEmpty) return false
  const upTo = cover.deletedUpTo(localKey)
  return upTo !== null && timestamp <= upTo
}

/** Whether a deletion in a column says nothing that its row's or a range's tombstone does not say, and for as long. */
function isReplaced({ tombstone, ranges }: SweptRow, localKey: Buffer, deletion: Deletion): boolean {
  if (isReplacedByRow(tombstone, deletion)) return true
  return ranges.some((range) => isWithin(range, localKey) && isReplacedByRow(deletionOf(range), deletion))
}

function isReplacedByRow(other: Deletion | null, { upTo, madeAtSeconds }: Deletion): boolean {
  return other !== null && other.upTo >= upTo && other.madeAtSeconds >= madeAtSeconds
}

function deletionOf({ timestamp, deletedAtSeconds }: RangeTombstone): Deletion {
  return { upTo: timestamp, madeAtSeconds: deletedAtSeconds }
}

function isWithin({ from, to }: RangeTombstone, localKey: Buffer): boolean {
  return from.compare(localKey) <= 0 && (to === null || localKey.compare(to) < 0)
}

function isSame(a: Buffer | undefined | null, b: Buffer | undefined): boolean {
  return a === undefined || a === null ? a === b : b !== undefined && a.equals(b)
}
