/**
 * A walk over the stored entries of one row of a shard that can be written, in either direction: first the row's
 * deletions, then the columns that are selected, sought one span after the other. What is not selected is passed over by
 * seeks where that touches less than reading it.
 *
 * A generator: it gives way before each time it reads from the DB, so that its driver decides how much is read in one go.
 */
import type { WritableFormat } from '../../../model/cluster-map.js'
import { HISTORY_VERSION_SIZE, historyColumnKey, mutableCellKey, mutableRowEnd } from '../../row-codec.js'
import type { ColumnSpan, Selection } from '../../selection.js'
import type { Entries } from './entries.js'
import { isOfRow } from '../store/key-bytes.js'
import type { RowCollector } from './row-collector.js'

/** Entries of a first step: a narrow row whole; or the deletions and the first column that is named. */
const WHOLE_ROW_STEP = 32
const NAMED_STEP = 4

export function firstStepOf({ spans }: Selection): number {
  return spans.every(({ isColumn }) => isColumn) ? NAMED_STEP : WHOLE_ROW_STEP
}

export class RowWalk {
  readonly #format: WritableFormat
  readonly #selection: Selection
  readonly #entries: Entries
  readonly #collector: RowCollector

  constructor(
    entries: Entries,
    collector: RowCollector,
    { format, selection }: { readonly format: WritableFormat; readonly selection: Selection },
  ) {
    this.#entries = entries
    this.#collector = collector
    this.#format = format
    this.#selection = selection
  }

  /**
   * Brings the row's entries to the collector. Forward, the entries are at the first one of the row or before it; reversed,
   * anywhere. Behind the walk they are somewhere in the row or next to it.
   */
  *run(metaKey: Buffer): Generator<void, void> {
    const { spans, isReversed } = this.#selection
    if (isReversed) this.#entries.seek(withLast(metaKey, metaKey.byteLength, CELL_PART))
    const hasCells = yield* this.#deletions(metaKey)
    if (!hasCells && !isReversed) return
    for (const span of spans) {
      const first = this.#firstKey(metaKey, span)
      const end = this.#endKey(metaKey, span)
      // A span from the first column on begins right behind the deletions.
      if (isReversed) this.#entries.seek(end)
      else if (span.isColumn || span.from.byteLength > 0) this.#entries.seek(first)
      const isOpen = !span.isColumn && (isReversed ? span.from.byteLength === 0 : span.to === null)
      const isThrough = yield* this.#span(metaKey, span, isOpen ? null : isReversed ? first : end)
      if (isThrough) return
    }
  }

  /** Answers whether a cell of the row comes next. */
  *#deletions(metaKey: Buffer): Generator<void, boolean> {
    const entries = this.#entries
    const metaSize = metaKey.byteLength
    for (;;) {
      if (!entries.hasNext) {
        yield
        if (!entries.fill()) return false
      }
      const { key } = entries
      const part = key[metaSize - 1]
      if (part !== META_PART || !isOfRow(key, metaKey)) return part === CELL_PART && isOfRow(key, metaKey)
      if (key.byteLength === metaSize) this.#collector.takeRowTombstone(entries.value)
      else this.#collector.takeRangeTombstones(entries.value)
      entries.advance()
    }
  }

  /**
   * Answers whether the row is through.
   * @param bound the span's end, exclusive; reversed its first key, inclusive; null: where the row's cells end
   */
  *#span(metaKey: Buffer, { isColumn }: ColumnSpan, bound: Buffer | null): Generator<void, boolean> {
    const entries = this.#entries
    const collector = this.#collector
    const { isReversed } = this.#selection
    const isOneEntry = isColumn && this.#format === 'mutable'
    const metaSize = metaKey.byteLength
    let before: Buffer | null = null
    for (;;) {
      if (!entries.hasNext) {
        // Older versions of a column that is through are left out rather than read.
        if (before !== null && collector.isColumnThrough) entries.seek(behindColumn(before))
        yield
        if (!entries.fill()) break
      }
      const { key } = entries
      if (bound !== null && (isReversed ? key.compare(bound) < 0 : key.compare(bound) >= 0)) break
      if (key[metaSize - 1] !== CELL_PART || !isOfRow(key, metaKey)) break
      if (collector.take(metaSize, key, entries.value) === 'STOP') return true
      entries.advance()
      before = key
      if (isOneEntry || (isColumn && collector.isColumnThrough)) break
    }
    return collector.endSpan() === 'STOP'
  }

  #firstKey(metaKey: Buffer, { from }: ColumnSpan): Buffer {
    return this.#format === 'history' ? historyColumnKey(metaKey, from) : mutableCellKey(metaKey, from)
  }

  /** The lowest key behind the span. */
  #endKey(metaKey: Buffer, span: ColumnSpan): Buffer {
    if (!span.isColumn) {
      if (span.to === null) return mutableRowEnd(metaKey)
      return this.#firstKey(metaKey, { ...span, from: span.to })
    }
    const key = this.#firstKey(metaKey, span)
    return this.#format === 'history'
      ? withLast(key, key.byteLength, BEHIND_COLUMN)
      : Buffer.concat([key, ZERO])
  }
}

const META_PART = 0x00
const CELL_PART = 0x01
const BEHIND_COLUMN = 0x02
const ZERO = Buffer.from([0x00])

function behindColumn(key: Buffer): Buffer {
  return withLast(key, key.byteLength - HISTORY_VERSION_SIZE, BEHIND_COLUMN)
}

/** The first bytes of a key, with another last one. */
function withLast(key: Buffer, size: number, last: number): Buffer {
  const other = Buffer.from(key.subarray(0, size))
  other[size - 1] = last
  return other
}
