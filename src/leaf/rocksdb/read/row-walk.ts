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

/**
 * Entries of a first step: a narrow row whole; or the deletions and a column that is sought next, if that stands in front;
 * or, where a range is sought, one, by which it is seen that there are no deletions.
 */
const WHOLE_ROW_STEP = 32
const SOUGHT_STEP = 4
const LOOK_STEP = 1
const LEAD_SIZE = 1

/** A range from a row's first columns on is what a first step may hold; one further back is sought. */
export function firstStepOf(selection: Selection): number {
  const [first] = selection.spans
  if (first === undefined || first.isColumn) return SOUGHT_STEP
  if (first.from.length > LEAD_SIZE) return LOOK_STEP
  return selection.limit === Number.POSITIVE_INFINITY
    ? WHOLE_ROW_STEP
    : SOUGHT_STEP + (rangeStepOf(selection) ?? WHOLE_ROW_STEP)
}

/**
 * Entries that a walk wants of its only range: as many as may be answered, and one to see that this is all; reversed not
 * too many, because its cursor goes on below the range. Null: of several ranges nobody knows.
 */
export function rangeStepOf({ spans, isReversed, limit, columnsBefore }: Selection): number | null {
  const [first] = spans
  if (first === undefined || first.isColumn || spans.length > 1) return null
  const wanted = limit - columnsBefore + 1
  return isReversed ? Math.min(MAX_REVERSED_STEP, wanted) : wanted
}

const MAX_REVERSED_STEP = 64

/** Behind everything that a forward walk answers. */
export function walkEnd(metaKey: Buffer, format: WritableFormat, { spans }: Selection): Buffer {
  const last = spans.at(-1)
  if (last === undefined || last.isColumn || last.to === null) return mutableRowEnd(metaKey)
  return columnStart(metaKey, format, last.to)
}

function columnStart(metaKey: Buffer, format: WritableFormat, localKey: Buffer): Buffer {
  return format === 'history' ? historyColumnKey(metaKey, localKey) : mutableCellKey(metaKey, localKey)
}

export interface RowWalkOptions {
  readonly format: WritableFormat
  readonly selection: Selection
  /** Entries to read at once behind the sought begin of a range; null: as many as before. */
  readonly rangeStep?: number | null
  /** Forward: the cursor ends at walkEnd, so that nothing behind the last span comes. */
  readonly endsWithCursor?: boolean
}

export class RowWalk {
  readonly #rangeStep: number | null
  /** The span whose end need not be looked for; null: none. */
  readonly #openSpan: ColumnSpan | null
  readonly #format: WritableFormat
  readonly #selection: Selection
  readonly #entries: Entries
  readonly #collector: RowCollector

  constructor(
    entries: Entries,
    collector: RowCollector,
    { format, selection, rangeStep = null, endsWithCursor = false }: RowWalkOptions,
  ) {
    this.#openSpan = endsWithCursor && !selection.isReversed ? (selection.spans.at(-1) ?? null) : null
    this.#entries = entries
    this.#collector = collector
    this.#format = format
    this.#selection = selection
    this.#rangeStep = rangeStep
  }

  /**
   * Brings the row's entries to the collector. Forward, the entries are at the first one of the row or before it; reversed,
   * anywhere. Behind the walk they are somewhere in the row or next to it.
   */
  *run(metaKey: Buffer): Generator<void, void> {
    const { spans, isReversed } = this.#selection
    if (isReversed) this.#entries.glance(withLast(metaKey, metaKey.byteLength, CELL_PART))
    const hasCells = yield* this.#deletions(metaKey)
    if (!hasCells && !isReversed) return
    for (const span of spans) {
      const first = this.#firstKey(metaKey, span)
      const end = this.#endKey(metaKey, span)
      // A span from the first column on begins right behind the deletions.
      if (isReversed) this.#entries.seek(end, this.#rangeStep)
      else if (span.isColumn || span.from.byteLength > 0) this.#entries.seek(first, this.#rangeStep)
      const isOpen =
        !span.isColumn && (isReversed ? span.from.length === 0 : span.to === null || span === this.#openSpan)
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
        entries.letGo()
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
        entries.letGo()
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
    return columnStart(metaKey, this.#format, from)
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

/** Behind a row's prefix: its deletions, and its cells. */
export const META_PART = 0x00
export const CELL_PART = 0x01
const BEHIND_COLUMN = 0x02
const ZERO = Buffer.from([0x00])

/** The lowest key behind all versions of the column that a version's key is of. */
export function behindColumn(key: Buffer): Buffer {
  return withLast(key, key.byteLength - HISTORY_VERSION_SIZE, BEHIND_COLUMN)
}

/** The first bytes of a key, with another last one. */
function withLast(key: Buffer, size: number, last: number): Buffer {
  const other = Buffer.from(key.subarray(0, size))
  other[size - 1] = last
  return other
}
