/**
 * Stored cells of a mutable shard to a row: what a row tombstone or a range tombstone covers, what is deleted and what has
 * expired falls out. One version a cell; two ways: cells that a MultiGet found by their names, and entries of a walk.
 */
import { KVError } from '../../../base/errors.js'
import type { Cell, CellSelector, CellTimestamp, Row } from '../../../model/row.js'
import { isNewer, payloadStart, readTimestamp, ttlLeft } from '../../cell-codec.js'
import { decodeRangeTombstones, RangeCover } from '../../range-tombstones.js'
import { isBefore } from '../../selection.js'
import type { Values } from '../store/binding.js'
import { checkRowTombstone, RowCollector, type Verdict } from './row-collector.js'

export interface CellRead {
  /** Names columns and asks for nothing else (isPlain). */
  readonly selector: CellSelector | null
  /** Whether the row's range tombstones were read. */
  readonly withRanges: boolean
  readonly withTimestamps: boolean
  readonly withTtl: boolean
  readonly nowSeconds: number
}

/**
 * @param values from `at` on: the row's tombstone, its range tombstones if they were read, one value for each selected
 * local key
 */
export function readSelectedCells(read: CellRead, values: Values, at: number): Row | null {
  const { selector, withRanges, withTimestamps, withTtl, nowSeconds } = read
  if (selector === null) throw new KVError('INTERNAL', 'selected cells without a selector')
  const tombstone = values[at] ?? null
  if (tombstone !== null) checkRowTombstone(tombstone)
  const storedRanges = withRanges ? (values[at + 1] ?? null) : null
  const ranges = storedRanges === null ? null : new RangeCover(decodeRangeTombstones(storedRanges))
  const first = at + (withRanges ? 2 : 1)
  const cells: Cell[] = []
  for (const [i, localKey] of selector.localKeys.entries()) {
    const stored = values[first + i]
    if (stored === undefined || stored === null) continue
    const start = livingStart(stored, nowSeconds, tombstone)
    if (start === -1 || (ranges !== null && isCovered(ranges, localKey, stored))) continue
    cells.push({
      localKey,
      value: stored.subarray(start),
      timestamp: withTimestamps ? readTimestamp(stored) : null,
      ttlSeconds: withTtl ? ttlLeft(stored, nowSeconds) : null,
    })
  }
  return cells.length === 0 ? null : { cells, next: null }
}

export class MutableCollector extends RowCollector {
  take(metaSize: number, key: Buffer, stored: Buffer): Verdict {
    const { selection, nowSeconds, withTimestamps } = this.wish
    const start = livingStart(stored, nowSeconds, this.rowTombstone)
    if (start === -1) return 'MORE'
    const localKey = key.subarray(metaSize)
    if (!this.ranges.isEmpty && isCovered(this.ranges, localKey, stored)) return 'MORE'
    const { resume, minTimestamp, maxTimestamp } = selection
    let version: CellTimestamp | null = null
    if (withTimestamps || minTimestamp !== null || maxTimestamp !== null || resume !== null) {
      version = readTimestamp(stored)
      if (minTimestamp !== null && version < minTimestamp) return 'MORE'
      if (maxTimestamp !== null && version >= maxTimestamp) return 'MORE'
      if (resume !== null && isBefore(resume, localKey, version)) return 'MORE'
    }
    const isResumed = resume !== null && resume.timestamp !== null && resume.localKey.equals(localKey)
    if (!this.beginColumn(isResumed)) return 'STOP'
    return this.answer(localKey, key.length, stored, start, version)
  }
}

/** Where the payload starts; -1 when the cell is deleted, covered by the row tombstone or expired. */
function livingStart(stored: Buffer, nowSeconds: number, rowTombstone: Buffer | null): number {
  const start = payloadStart(stored, nowSeconds)
  return start !== -1 && rowTombstone !== null && !isNewer(stored, rowTombstone) ? -1 : start
}

function isCovered(ranges: RangeCover, localKey: Buffer, stored: Buffer): boolean {
  const deleted = ranges.deletedUpTo(localKey)
  return deleted !== null && readTimestamp(stored) <= deleted
}
