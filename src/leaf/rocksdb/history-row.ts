/**
 * Stored versions of a history shard to a row. Of a column come, newest first: versions, markers that delete exactly one
 * time, and markers that delete up to a time; a marker stands before the version of its own time. Of the living versions
 * the newest maxCellVersions are ever visible, counted from the newest of all; then the times are looked at, then the
 * number of versions that is wanted. An expired version is as if it were not there.
 *
 * Reversed, the versions of a column come oldest first: they are collected, and answered when the column is through. What
 * is held is bounded: of versions that cannot be answered any more only the time is kept.
 */
import { KVError } from '../../base/errors.js'
import type { CellTimestamp } from '../../model/row.js'
import { payloadStart, readTimestamp } from '../cell-codec.js'
import { HISTORY_KINDS, HISTORY_VERSION_SIZE, historyCellOf } from '../row-codec.js'
import { isBefore } from '../selection.js'
import { MAX_READ_BYTES } from './binding.js'
import { equalBytes } from './key-bytes.js'
import { type RowBounds, RowCollector, type RowWish, type Verdict } from './row-collector.js'

abstract class HistoryCollector extends RowCollector {
  /** A stored key of the column in hand; null: none is. */
  protected columnKey: Buffer | null = null
  /** Where the version begins in it. */
  protected versionAt = 0
  protected localKey: Buffer = NO_BYTES
  /** Versions at or before it are covered by the row's deletions; null: nothing is. */
  protected deletedUpTo: CellTimestamp | null = null

  override begin(bounds: RowBounds): void {
    super.begin(bounds)
    this.columnKey = null
  }

  protected isSameColumn(metaSize: number, key: Buffer): boolean {
    const { columnKey, versionAt } = this
    return (
      columnKey !== null &&
      key.byteLength === versionAt + HISTORY_VERSION_SIZE &&
      equalBytes(columnKey, key, metaSize, versionAt)
    )
  }

  /** @throws {KVError} CORRUPT */
  protected setColumn(metaSize: number, key: Buffer): void {
    const at = key.byteLength - HISTORY_VERSION_SIZE
    if (at < metaSize + 2 || key[at - 2] !== 0 || key[at - 1] !== 1) throw damagedKey(key)
    this.columnKey = key
    this.versionAt = at
    this.localKey = historyCellOf(metaSize, key).localKey
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

  take(metaSize: number, key: Buffer, stored: Buffer): Verdict {
    if (!this.isSameColumn(metaSize, key)) {
      this.setColumn(metaSize, key)
      this.isColumnThrough = false
      this.#living = 0
      this.#matched = 0
      this.#isBegun = false
      this.#deletedAt = null
    }
    if (this.isColumnThrough) return 'MORE'
    const kind = key[key.byteLength - 1]
    if (kind === HISTORY_KINDS.DELETE_UP_TO) {
      this.isColumnThrough = true
      return 'MORE'
    }
    const version = versionOf(key, this.versionAt)
    if (kind === HISTORY_KINDS.DELETE_EXACT) {
      this.#deletedAt = version
      return 'MORE'
    }
    if (kind !== HISTORY_KINDS.PUT) throw damagedKey(key)
    if (this.deletedUpTo !== null && version <= this.deletedUpTo) {
      this.isColumnThrough = true
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
    return this.answer(this.localKey, key.byteLength, stored, start, version)
  }
}

interface HeldVersion {
  readonly version: CellTimestamp
  readonly keyBytes: number
  readonly start: number
  /** Null: it is counted and not answered. */
  stored: Buffer | null
  /** It might be answered, but newer ones fill what one answer can hold. */
  isDropped: boolean
}

export class ReversedHistoryCollector extends HistoryCollector {
  /** Of the column in hand, oldest first. */
  #versions: HeldVersion[] = []
  /** The newest so far, until what follows shows that it was not deleted by itself. */
  #newest: HeldVersion | null = null
  /** Of those that are held with their values: how many, their bytes, and no older one than this index. */
  #heldCount = 0
  #heldBytes = 0
  #oldest = 0

  override begin(bounds: RowBounds): void {
    super.begin(bounds)
    this.#clear()
  }

  take(metaSize: number, key: Buffer, stored: Buffer): Verdict {
    if (!this.isSameColumn(metaSize, key)) {
      if (this.endSpan() === 'STOP') return 'STOP'
      this.setColumn(metaSize, key)
    }
    const kind = key[key.byteLength - 1]
    const version = versionOf(key, this.versionAt)
    if (kind === HISTORY_KINDS.DELETE_UP_TO) this.#clear()
    else if (kind === HISTORY_KINDS.DELETE_EXACT) {
      if (this.#newest?.version === version) this.#newest = null
    } else if (kind !== HISTORY_KINDS.PUT) throw damagedKey(key)
    else if (this.deletedUpTo === null || version > this.deletedUpTo) {
      const start = payloadStart(stored, this.wish.nowSeconds)
      if (start === -1) return 'MORE'
      this.#hold()
      const held = this.#isWithinTimes(version) ? stored : null
      this.#newest = { version, keyBytes: key.byteLength, start, stored: held, isDropped: false }
    }
    return 'MORE'
  }

  /** Answers the column that is through, newest version first. */
  override endSpan(): Verdict {
    this.#hold()
    const { maxVersions, resume } = this.wish.selection
    let matched = 0
    let isBegun = false
    let verdict: Verdict = 'MORE'
    for (let i = this.#versions.length - 1; i >= 0 && verdict === 'MORE' && matched < maxVersions; i--) {
      const held = this.#versions[i]
      if (held === undefined || (held.stored === null && !held.isDropped)) continue
      matched++
      if (resume !== null && isBefore(resume, this.localKey, held.version)) continue
      if (!isBegun && !this.beginColumn(this.isResumed)) verdict = 'STOP'
      else verdict = this.#answer(held)
      isBegun = true
    }
    this.#clear()
    this.columnKey = null
    return verdict
  }

  #answer({ version, keyBytes, start, stored }: HeldVersion): Verdict {
    if (stored === null) return this.overflow()
    return this.answer(this.localKey, keyBytes, stored, start, version)
  }

  #isWithinTimes(version: CellTimestamp): boolean {
    const { minTimestamp, maxTimestamp } = this.wish.selection
    return (
      (minTimestamp === null || version >= minTimestamp) && (maxTimestamp === null || version < maxTimestamp)
    )
  }

  /** The newest is one of the living ones: older ones fall out for it. */
  #hold(): void {
    const newest = this.#newest
    if (newest === null) return
    this.#newest = null
    this.#versions.push(newest)
    if (newest.stored !== null) {
      this.#heldCount++
      this.#heldBytes += newest.stored.byteLength
    }
    if (this.#versions.length > this.wish.maxCellVersions) {
      this.#letGo(this.#versions.shift())
      this.#oldest = Math.max(0, this.#oldest - 1)
    }
    const { maxVersions } = this.wish.selection
    while (this.#heldCount > maxVersions || (this.#heldBytes > MAX_READ_BYTES && this.#heldCount > 1)) {
      const held = this.#versions[this.#oldest++]
      if (held === undefined) break
      if (held.stored !== null) held.isDropped = this.#heldCount <= maxVersions
      this.#letGo(held)
    }
  }

  #letGo(held: HeldVersion | undefined): void {
    if (held === undefined || held.stored === null) return
    this.#heldCount--
    this.#heldBytes -= held.stored.byteLength
    held.stored = null
  }

  #clear(): void {
    this.#newest = null
    if (this.#versions.length > 0) this.#versions = []
    this.#heldCount = 0
    this.#heldBytes = 0
    this.#oldest = 0
  }
}

/** The collector of a history shard, for the direction of the wish. */
export function historyCollector(wish: RowWish, bounds: RowBounds): RowCollector {
  const { isReversed } = wish.selection
  return isReversed ? new ReversedHistoryCollector(wish, bounds) : new ForwardHistoryCollector(wish, bounds)
}

const NO_BYTES = Buffer.alloc(0)

function versionOf(key: Buffer, at: number): CellTimestamp {
  return key.readBigInt64BE(at) ^ 0x7fff_ffff_ffff_ffffn
}

function damagedKey(key: Buffer): KVError {
  return new KVError('CORRUPT', `stored version has a damaged key of ${key.byteLength} bytes`)
}
