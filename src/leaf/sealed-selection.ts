/** Which cells of a sealed row a selection means, found in its head alone, so that only the chunks they need are read. */
import type { CellPosition } from '../model/row.js'
import type { SealedHead } from './sealed-row.js'
import { isBefore, type ColumnSpan, type Selection } from './selection.js'

export interface SealedPick {
  /** In the order of the read. */
  readonly indexes: readonly number[]
  /** Where the row goes on; null: that was all of it. */
  readonly next: CellPosition | null
  /** What the cells count for in a page. */
  readonly pageBytes: number
}

export interface PickBounds {
  readonly nowSeconds: number
  /** Page bytes behind which the row is cut, if more of it follows; Infinity: never. */
  readonly room: number
  /** What a cell counts for in a page beside its bytes. */
  readonly bytesPerCell: number
}

/** The selected living cells. */
export function pickCells(head: SealedHead, selection: Selection, bounds: PickBounds): SealedPick {
  const { limit, keysOnly, resume } = selection
  const indexes: number[] = []
  let pageBytes = 0
  let columns = selection.columnsBefore
  for (const span of selection.spans) {
    for (const index of indexesOf(head, span, selection.isReversed)) {
      if (!isSelected(head, index, selection, bounds.nowSeconds)) continue
      const localKey = head.localKeyAt(index)
      const isResumed = resume !== null && resume.timestamp !== null && resume.localKey.equals(localKey)
      if (!isResumed && columns >= limit) return { indexes, next: null, pageBytes }
      if (pageBytes >= bounds.room && indexes.length > 0)
        return { indexes, next: positionAt(head, indexes, columns), pageBytes }
      if (!isResumed) columns++
      indexes.push(index)
      pageBytes += localKey.byteLength + (keysOnly ? 0 : head.valueSizeAt(index)) + bounds.bytesPerCell
    }
  }
  return { indexes, next: null, pageBytes }
}

function* indexesOf(
  head: SealedHead,
  { from, to, isColumn }: ColumnSpan,
  isReversed: boolean,
): Generator<number> {
  const first = head.indexFrom(from)
  let end = to === null ? head.count : head.indexFrom(to)
  if (isColumn) end = first < head.count && head.localKeyAt(first).equals(from) ? first + 1 : first
  for (let i = first; i < end; i++) yield isReversed ? end - 1 - (i - first) : i
}

function isSelected(head: SealedHead, index: number, selection: Selection, nowSeconds: number): boolean {
  if (!head.isLiving(index, nowSeconds)) return false
  const { minTimestamp, maxTimestamp, resume } = selection
  if (minTimestamp === null && maxTimestamp === null && resume === null) return true
  const timestamp = head.timestampAt(index)
  if (minTimestamp !== null && (timestamp === null || timestamp < minTimestamp)) return false
  if (maxTimestamp !== null && (timestamp === null || timestamp >= maxTimestamp)) return false
  return resume === null || !isBefore(resume, head.localKeyAt(index), timestamp)
}

function positionAt(head: SealedHead, indexes: readonly number[], columns: number): CellPosition | null {
  const last = indexes.at(-1)
  return last === undefined
    ? null
    : { localKey: head.localKeyAt(last), timestamp: head.timestampAt(last), columns }
}
