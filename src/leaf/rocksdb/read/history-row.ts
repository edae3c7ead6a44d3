/**
 * Stored versions of a history shard to a row. Of a column come, newest first: versions, markers that delete exactly one
 * time, and markers that delete up to a time; a marker stands before the version of its own time. Of the living versions
 * the newest maxCellVersions are ever visible, counted from the newest of all; then the times are looked at, then the
 * number of versions that is wanted. An expired version is as if it were not there.
 *
 * Reversed, the versions of a column come oldest first: they are collected, and answered when the column is through. What
 * is held is bounded: versions that cannot be answered any more are only counted, and of more than an answer can hold the
 * newest are kept; the row is cut behind them, and the next page collects those before.
 */
import { KVError } from '../../../base/errors.js'
import type { CellTimestamp } from '../../../model/row.js'
import { CELL_KINDS, cellKind, payloadStart, readTimestamp } from '../../cell-codec.js'
import { HISTORY_KINDS, HISTORY_VERSION_SIZE, readInvertedTimestamp } from '../../row-codec.js'
import { isBefore } from '../../selection.js'
import { MAX_READ_BYTES } from '../store/binding.js'
import { ColumnNames } from './column-names.js'
import { CELL_COST_BYTES, PAGE_BYTES_PER_CELL } from './held-bytes.js'
import { equalBytes } from '../store/key-bytes.js'
import { type RowBounds, RowCollector, type RowWish, type Verdict } from './row-collector.js'
import type { SupersededKeys } from './superseded.js'

abstract class HistoryCollector extends RowCollector {
  /** A stored key of the column in hand; null: none is. */
  protected columnKey: Buffer | null = null
  /** Where the version begins in it. */
  protected versionAt = 0
  protected localKey: Buffer = NO_BYTES
  /** Versions at or before it are covered by the row's deletions; null: nothing is. */
  protected deletedUpTo: CellTimestamp | null = null
  readonly #names = new ColumnNames()

  override begin(bounds: RowBounds): void {
    super.begin(bounds)
    this.columnKey = null
    this.#names.begin()
  }

  protected isSameColumn(metaSize: number, key: Buffer): boolean {
    const { columnKey, versionAt } = this
    return (
      columnKey !== null &&
      key.length === versionAt + HISTORY_VERSION_SIZE &&
      equalBytes(columnKey, key, metaSize, versionAt)
    )
  }

  /** @throws {KVError} CORRUPT */
  protected setColumn(metaSize: number, key: Buffer): void {
    const at = key.length - HISTORY_VERSION_SIZE
    if (at < metaSize + 2 || key[at - 2] !== 0 || key[at - 1] !== 1) throw damagedKey(key)
    this.columnKey = key
    this.versionAt = at
    this.localKey = this.#names.of(key, metaSize, at - 2)
    const rowUpTo = this.rowTombstone === null ? null : readTimestamp(this.rowTombstone)
    const rangeUpTo = this.columnDeletedUpTo(this.localKey)
    this.deletedUpTo = rowUpTo === null || (rangeUpTo !== null && rangeUpTo > rowUpTo) ? rangeUpTo : rowUpTo
  }

  /** Whether the read began inside this column, behind a version of it. */
  protected get isResumed(): boolean {
    const { resume } = this.wish.selection
    return resume !== null && resume.timestamp !== null && resume.localKey.equals(this.localKey)
  }
}

export class ForwardHistoryCollector extends HistoryCollector {
  /** Of the column in hand: living versions so far, those of them within the times, whether one was answered. */
  #living = 0
  #matched = 0
  #isBegun = false
  /** A version at exactly this time is deleted. */
  #deletedAt: CellTimestamp | null = null
  /** Living versions of it that do not expire; less than nothing: what is left of it is the purge's. */
  #lasting = 0

  take(metaSize: number, key: Buffer, stored: Buffer): Verdict {
    if (!this.isSameColumn(metaSize, key)) {
      this.setColumn(metaSize, key)
      this.isColumnThrough = false
      this.#living = 0
      this.#matched = 0
      this.#isBegun = false
      this.#deletedAt = null
      this.#lasting = 0
    }
    if (this.isColumnThrough) {
      if (this.wish.superseded !== undefined) this.#passOver(key, stored, this.wish.superseded)
      return 'MORE'
    }
    const kind = key[key.length - 1]
    if (kind === HISTORY_KINDS.DELETE_UP_TO) {
      this.isColumnThrough = true
      this.#lasting = Number.NEGATIVE_INFINITY
      return 'MORE'
    }
    const version = readInvertedTimestamp(key, this.versionAt)
    if (kind === HISTORY_KINDS.DELETE_EXACT) {
      this.#deletedAt = version
      return 'MORE'
    }
    if (kind !== HISTORY_KINDS.PUT) throw damagedKey(key)
    if (this.deletedUpTo !== null && version <= this.deletedUpTo) {
      this.isColumnThrough = true
      this.#lasting = Number.NEGATIVE_INFINITY
      return 'MORE'
    }
    const start = payloadStart(stored, this.wish.nowSeconds)
    if (start === -1 || version === this.#deletedAt) return 'MORE'
    return this.#takeLiving(key, stored, start, version)
  }

  #takeLiving(key: Buffer, stored: Buffer, start: number, version: CellTimestamp): Verdict {
    const { maxCellVersions, selection } = this.wish
    const { minTimestamp, maxTimestamp, maxVersions, resume } = selection
    this.#living++
    if (cellKind(stored) === CELL_KINDS.LIVE) this.#lasting++
    if (this.#living >= maxCellVersions) this.isColumnThrough = true
    if (maxTimestamp !== null && version >= maxTimestamp) return 'MORE'
    if (minTimestamp !== null && version < minTimestamp) {
      this.isColumnThrough = true
      return 'MORE'
    }
    this.#matched++
    if (this.#matched >= maxVersions) this.isColumnThrough = true
    if (resume !== null && isBefore(resume, this.localKey, version)) return 'MORE'
    if (!this.#isBegun) {
      this.#isBegun = true
      if (!this.beginColumn(this.isResumed)) return 'STOP'
    }
    return this.answer(this.localKey, key.length, stored, start, version)
  }

  /** An older version of a column that is through. Behind a deletion it stays: only the purge knows what else it covers. */
  #passOver(key: Buffer, stored: Buffer, superseded: SupersededKeys): void {
    if (key[key.length - 1] !== HISTORY_KINDS.PUT) this.#lasting = Number.NEGATIVE_INFINITY
    else if (this.#lasting >= this.wish.maxCellVersions) superseded.add(key)
    else if (cellKind(stored) === CELL_KINDS.LIVE && !this.#isDeleted(key)) this.#lasting++
  }

  #isDeleted(key: Buffer): boolean {
    const { deletedUpTo } = this
    if (deletedUpTo === null && this.#deletedAt === null) return false
    const version = readInvertedTimestamp(key, this.versionAt)
    return version === this.#deletedAt || (deletedUpTo !== null && version <= deletedUpTo)
  }
}

/** A living version within the times, and how many of the column are as old or older. */
interface HeldVersion {
  readonly version: CellTimestamp
  readonly keyBytes: number
  readonly start: number
  readonly stored: Buffer
  readonly rank: Rank
}

/** Of living versions, and of those of them that are within the times, with this one. */
interface Rank {
  readonly living: number
  readonly matched: number
}

/** The newest so far, until what follows shows that it was not deleted by itself. */
interface PendingVersion extends Omit<HeldVersion, 'stored' | 'rank'> {
  /** Null: it is counted and not answered. */
  readonly stored: Buffer | null
  readonly isMatched: boolean
}

export class ReversedHistoryCollector extends HistoryCollector {
  /** Of the column in hand, oldest first, from #first on. */
  #held: HeldVersion[] = []
  #first = 0
  #heldBytes = 0
  #pageBytes = 0
  #living = 0
  #matched = 0
  #pending: PendingVersion | null = null
  /** The newest that could be answered, but newer ones fill what one answer can hold; null: there is none. */
  #dropped: Rank | null = null

  override begin(bounds: RowBounds): void {
    super.begin(bounds)
    this.#clear()
  }

  take(metaSize: number, key: Buffer, stored: Buffer): Verdict {
    if (!this.isSameColumn(metaSize, key)) {
      if (this.endSpan() === 'STOP') return 'STOP'
      this.setColumn(metaSize, key)
    }
    const kind = key[key.length - 1]
    const version = readInvertedTimestamp(key, this.versionAt)
    if (kind === HISTORY_KINDS.DELETE_UP_TO) this.#clear()
    else if (kind === HISTORY_KINDS.DELETE_EXACT) {
      if (this.#pending?.version === version) this.#pending = null
    } else if (kind !== HISTORY_KINDS.PUT) throw damagedKey(key)
    else if (this.deletedUpTo === null || version > this.deletedUpTo) {
      const start = payloadStart(stored, this.wish.nowSeconds)
      if (start === -1) return 'MORE'
      this.#settle()
      const isMatched = this.#isWithinTimes(version)
      const held = isMatched && !this.#isAnswered(version) ? this.#needed(stored, start) : null
      this.#pending = { version, keyBytes: key.byteLength, start, stored: held, isMatched }
    }
    return 'MORE'
  }

  /** Answers the column that is through, newest version first. */
  override endSpan(): Verdict {
    this.#settle()
    let verdict: Verdict = 'MORE'
    let isBegun = false
    for (let i = this.#held.length - 1; i >= this.#first && verdict === 'MORE'; i--) {
      const held = this.#held[i]
      if (held === undefined) break
      if (!isBegun && !this.beginColumn(this.isResumed)) verdict = 'STOP'
      else verdict = this.answer(this.localKey, held.keyBytes, held.stored, held.start, held.version)
      isBegun = true
    }
    if (verdict === 'MORE' && this.#dropped !== null && this.#isWanted(this.#dropped)) {
      verdict = this.overflow()
    }
    this.#clear()
    this.columnKey = null
    return verdict
  }

  #isWithinTimes(version: CellTimestamp): boolean {
    const { minTimestamp, maxTimestamp } = this.wish.selection
    return (
      (minTimestamp === null || version >= minTimestamp) && (maxTimestamp === null || version < maxTimestamp)
    )
  }

  /** Whether an earlier page has it. */
  #isAnswered(version: CellTimestamp): boolean {
    const { resume } = this.wish.selection
    return resume !== null && isBefore(resume, this.localKey, version)
  }

  /** Of a value that is not answered only what stands before it. */
  #needed(stored: Buffer, start: number): Buffer {
    return this.wish.selection.keysOnly ? Buffer.from(stored.subarray(0, start)) : stored
  }

  /** Whether so few newer ones are alive, and within the times, that it may be answered. */
  #isWanted({ living, matched }: Rank): boolean {
    const { maxCellVersions, selection } = this.wish
    return this.#living - living < maxCellVersions && this.#matched - matched < selection.maxVersions
  }

  /** The pending one is one of the living: older ones fall out for it. */
  #settle(): void {
    const pending = this.#pending
    if (pending === null) return
    this.#pending = null
    this.#living++
    if (pending.isMatched) this.#matched++
    const { version, keyBytes, start, stored } = pending
    if (stored !== null) {
      const rank = { living: this.#living, matched: this.#matched }
      const held = { version, keyBytes, start, stored, rank }
      this.#held.push(held)
      this.#heldBytes += heldBytesOf(held)
      this.#pageBytes += pageBytesOf(held)
    }
    this.#letGo()
  }

  #letGo(): void {
    for (;;) {
      const oldest = this.#held[this.#first]
      if (oldest === undefined) return
      if (this.#isWanted(oldest.rank)) {
        const isRoomFull = this.#pageBytes - pageBytesOf(oldest) >= this.room
        const isFull = isRoomFull || this.#heldBytes > MAX_READ_BYTES
        if (!isFull || this.#first === this.#held.length - 1) return
        this.#dropped = oldest.rank
      }
      this.#heldBytes -= heldBytesOf(oldest)
      this.#pageBytes -= pageBytesOf(oldest)
      this.#first++
      if (this.#first < MIN_LET_GO || this.#first * 2 < this.#held.length) continue
      this.#held.splice(0, this.#first)
      this.#first = 0
    }
  }

  #clear(): void {
    if (this.#held.length > 0) this.#held = []
    this.#first = 0
    this.#heldBytes = 0
    this.#pageBytes = 0
    this.#living = 0
    this.#matched = 0
    this.#pending = null
    this.#dropped = null
  }
}

/** Places of a list that are given up together: one by one each would move all the others. */
const MIN_LET_GO = 64

function heldBytesOf({ keyBytes, stored }: HeldVersion): number {
  return keyBytes + stored.byteLength + CELL_COST_BYTES
}

/** At most what it counts for in a page. */
function pageBytesOf({ stored, start }: HeldVersion): number {
  return stored.byteLength - start + PAGE_BYTES_PER_CELL
}

/** The collector of a history shard, for the direction of the wish. */
export function historyCollector(wish: RowWish, bounds: RowBounds): RowCollector {
  const { isReversed } = wish.selection
  return isReversed ? new ReversedHistoryCollector(wish, bounds) : new ForwardHistoryCollector(wish, bounds)
}

const NO_BYTES = Buffer.alloc(0)

function damagedKey(key: Buffer): KVError {
  return new KVError('CORRUPT', `stored version has a damaged key of ${key.byteLength} bytes`)
}
