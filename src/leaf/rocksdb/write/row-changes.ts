/**
 * What a row program writes, in both writable formats: versions, deletions of a row, of ranges, of columns and of single
 * versions. Everything is staged; nothing here decides whether it should be written (row-program.ts).
 */
import { type ErrorCode, KVError } from '../../../base/errors.js'
import type { ByteRange, CellTimestamp } from '../../../model/row.js'
import { cellSize, TOMBSTONE_SIZE, writeCell, writeTombstone } from '../../cell-codec.js'
import {
  addRangeTombstones,
  encodeRangeTombstones,
  MAX_RANGE_TOMBSTONES,
  MAX_RANGES_BYTES,
} from '../../range-tombstones.js'
import { HISTORY_KINDS, historyCellKey, mutableCellKey, rangesKey } from '../../row-codec.js'
import type { LivingCell, RowView } from '../read/row-view.js'
import type { StagedRow } from './staged-row.js'

export interface NewCell {
  readonly localKey: Buffer
  readonly timestamp: CellTimestamp
  readonly value: Buffer
}

/** When a cell dies: a TTL that is written, or the second of a cell that it takes the place of. */
export interface Life {
  readonly ttlSeconds: number | null
  readonly successorOf: LivingCell | null
}

export interface ChangeSettings {
  readonly metaKey: Buffer
  readonly isHistory: boolean
  readonly nowSeconds: number
  /** History: the next stamp of arrival; each is greater than any before. */
  readonly nextArrival: () => number
}

export class RowChanges {
  readonly #row: StagedRow
  readonly #view: RowView
  readonly #settings: ChangeSettings
  #addsRanges = false

  constructor(row: StagedRow, view: RowView, settings: ChangeSettings) {
    this.#row = row
    this.#view = view
    this.#settings = settings
  }

  /** Whether the row gets range tombstones. */
  get addsRanges(): boolean {
    return this.#addsRanges
  }

  deleteRow(upTo: CellTimestamp): void {
    this.#row.merge(this.#settings.metaKey, this.#tombstone(upTo))
  }

  deleteColumn(localKey: Buffer, upTo: CellTimestamp): void {
    if (this.#settings.isHistory) this.#mark(localKey, upTo, HISTORY_KINDS.DELETE_UP_TO)
    else this.#row.merge(mutableCellKey(this.#settings.metaKey, localKey), this.#tombstone(upTo))
  }

  /** The version at exactly this time. */
  deleteVersion(localKey: Buffer, timestamp: CellTimestamp): void {
    if (this.#settings.isHistory) this.#mark(localKey, timestamp, HISTORY_KINDS.DELETE_EXACT)
    else this.#row.merge(mutableCellKey(this.#settings.metaKey, localKey), this.#tombstone(timestamp))
  }

  /** @throws {KVError} TOO_LARGE when the row would have too many */
  deleteRanges(deleted: readonly ByteRange[], upTo: CellTimestamp): void {
    if (deleted.length === 0) return
    const deletedAtSeconds = this.#settings.nowSeconds
    const added = deleted.map(({ from, to }) => ({ from, to, timestamp: upTo, deletedAtSeconds }))
    if (added.length > MAX_RANGE_TOMBSTONES) throw tooManyRanges()
    const ranges = addRangeTombstones(this.#view.rangesThatCount(), added)
    if (ranges.length > MAX_RANGE_TOMBSTONES) throw tooManyRanges()
    const list = encodeRangeTombstones(ranges)
    if (list.length > MAX_RANGES_BYTES) throw tooManyRanges()
    this.#row.put(rangesKey(this.#settings.metaKey), list)
    this.#addsRanges = true
  }

  /** Stores what was made of a living cell in its place; what was made of none like any other write. */
  write(cell: NewCell, life: Life): void {
    const { isHistory, metaKey } = this.#settings
    if (isHistory) this.addVersion(cell, life, life.successorOf?.timestamp === cell.timestamp)
    else if (life.successorOf !== null) this.replace(cell, life)
    else this.#row.merge(mutableCellKey(metaKey, cell.localKey), this.#encode(cell, life))
  }

  /** In the place of a cell that was read; mutable: whatever the rule of conflicts says of the two. */
  replace(cell: NewCell, life: Life): void {
    if (this.#settings.isHistory) this.addVersion(cell, life, true)
    else this.#row.put(mutableCellKey(this.#settings.metaKey, cell.localKey), this.#encode(cell, life))
  }

  /** @param isKnown whether the version was read: it has an earlier arrival, so it need not be merged */
  addVersion({ localKey, timestamp, value }: NewCell, life: Life, isKnown: boolean): void {
    const key = historyCellKey(this.#settings.metaKey, localKey, timestamp, HISTORY_KINDS.PUT)
    const arrival = BigInt(this.#settings.nextArrival())
    const stored = this.#encode({ localKey, timestamp: arrival, value }, life)
    if (isKnown) this.#row.put(key, stored)
    else this.#row.merge(key, stored)
  }

  /** History: a deletion among the versions of a column. */
  #mark(localKey: Buffer, timestamp: CellTimestamp, kind: number): void {
    const key = historyCellKey(this.#settings.metaKey, localKey, timestamp, kind)
    this.#row.merge(key, this.#tombstone(BigInt(this.#settings.nextArrival())))
  }

  #tombstone(time: CellTimestamp): Buffer {
    const stored = Buffer.allocUnsafe(TOMBSTONE_SIZE)
    writeTombstone(stored, 0, time, this.#settings.nowSeconds)
    return stored
  }

  #encode({ timestamp, value }: NewCell, { ttlSeconds: given, successorOf }: Life): Buffer {
    const { nowSeconds } = this.#settings
    const left = successorOf?.expirySeconds == null ? null : successorOf.expirySeconds - nowSeconds
    const ttlSeconds = given ?? left
    const stored = Buffer.allocUnsafe(cellSize(value.byteLength, ttlSeconds !== null))
    writeCell(stored, 0, { timestamp, ttlSeconds, value }, nowSeconds)
    return stored
  }
}

/** Where no column of these lies, in order. */
export function gapsBetween(localKeys: readonly Buffer[]): ByteRange[] {
  const gaps: ByteRange[] = []
  let from: Buffer = Buffer.alloc(0)
  for (const localKey of localKeys.toSorted((a, b) => a.compare(b))) {
    if (from.compare(localKey) < 0) gaps.push({ from, to: localKey })
    from = Buffer.concat([localKey, ZERO])
  }
  return [...gaps, { from, to: null }]
}

const ZERO = Buffer.from([0x00])

function tooManyRanges(): KVError {
  return refused(
    'TOO_LARGE',
    `more than ${MAX_RANGE_TOMBSTONES} ranges of one row, or ${MAX_RANGES_BYTES} bytes of them, are removed: ` +
      'remove the row, or wait for the purge',
  )
}

/** Why a program has no effect. */
export function refused(code: ErrorCode, message: string): KVError {
  return new KVError(code, message, { outcome: 'NOT_APPLIED' })
}
