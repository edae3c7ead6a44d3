/**
 * A selector as a row's readers want it: the columns as spans in the direction of the read, and what holds for all of them.
 * The row goes on behind a position: columns before it are left out here, versions of its column by `isBefore`.
 */
import { ALL_VERSIONS, type CellPosition, type CellSelector, type CellTimestamp } from '../model/row.js'

/** Columns [from, to), or just `from`. */
export interface ColumnSpan {
  readonly from: Buffer
  /** Null: to the last column. Without meaning where `isColumn`. */
  readonly to: Buffer | null
  readonly isColumn: boolean
}

export interface Selection {
  /** Disjoint, in the direction of the read. */
  readonly spans: readonly ColumnSpan[]
  readonly isReversed: boolean
  readonly maxVersions: number
  readonly minTimestamp: CellTimestamp | null
  readonly maxTimestamp: CellTimestamp | null
  readonly keysOnly: boolean
  /** Distinct columns; Infinity: no bound. `columnsBefore` count. */
  readonly limit: number
  /** Columns that earlier pages have answered. */
  readonly columnsBefore: number
  /** Null: from the start. */
  readonly resume: ResumePoint | null
}

export interface ResumePoint {
  readonly localKey: Buffer
  /** Null: the column is through. */
  readonly timestamp: CellTimestamp | null
}

const NO_BYTES = Buffer.alloc(0)
const EVERY_COLUMN: readonly ColumnSpan[] = [{ from: NO_BYTES, to: null, isColumn: false }]

const WHOLE: Selection = {
  spans: EVERY_COLUMN,
  isReversed: false,
  maxVersions: 1,
  minTimestamp: null,
  maxTimestamp: null,
  keysOnly: false,
  limit: Number.POSITIVE_INFINITY,
  columnsBefore: 0,
  resume: null,
}

/** Null selects the newest version of every column. */
export function selectionOf(selector: CellSelector | null, position: CellPosition | null): Selection {
  if (selector === null && position === null) return WHOLE
  const { localKeys, ranges, ...rest } = selector ?? { ...WHOLE, localKeys: [], ranges: [] }
  const { isReversed, maxVersions, minTimestamp, maxTimestamp, keysOnly, limit } = rest
  const spans =
    localKeys.length === 0 && ranges.length === 0 ? EVERY_COLUMN : spansOf(localKeys, ranges, isReversed)
  const resume =
    position === null || position.localKey === null
      ? null
      : { localKey: position.localKey, timestamp: position.timestamp }
  return {
    spans: resume === null ? spans : spansFrom(spans, resume, isReversed),
    isReversed,
    maxVersions: Math.min(maxVersions, ALL_VERSIONS),
    minTimestamp,
    maxTimestamp,
    keysOnly,
    limit: limit ?? Number.POSITIVE_INFINITY,
    columnsBefore: position?.columns ?? 0,
    resume,
  }
}

/** Whether all columns are wanted, whatever of each of them. */
export function isEveryColumn({ spans }: Selection): boolean {
  const [span] = spans
  return (
    span !== undefined && spans.length === 1 && !span.isColumn && span.from.length === 0 && span.to === null
  )
}

/** The same columns in the opposite direction. */
export function turned(selection: Selection): Selection {
  return { ...selection, spans: selection.spans.toReversed(), isReversed: !selection.isReversed }
}

/** Whether a version was answered by an earlier page. */
export function isBefore(resume: ResumePoint, localKey: Buffer, timestamp: CellTimestamp | null): boolean {
  if (!resume.localKey.equals(localKey)) return false
  return resume.timestamp === null || timestamp === null || timestamp >= resume.timestamp
}

function spansOf(
  localKeys: readonly Buffer[],
  ranges: CellSelector['ranges'],
  isReversed: boolean,
): readonly ColumnSpan[] {
  const spans: ColumnSpan[] = localKeys.map((from) => ({ from, to: from, isColumn: true }))
  if (ranges.length > 0) {
    for (const { from, to } of ranges) spans.push({ from, to, isColumn: false })
    spans.sort((a, b) => a.from.compare(b.from))
  }
  return isReversed ? spans.reverse() : spans
}

/** What is left of the spans at and behind a column; the column itself stays, because versions of it may be left. */
function spansFrom(
  spans: readonly ColumnSpan[],
  { localKey }: ResumePoint,
  isReversed: boolean,
): readonly ColumnSpan[] {
  return spans.flatMap((span) => {
    const order = span.from.compare(localKey)
    if (span.isColumn) return (isReversed ? order <= 0 : order >= 0) ? [span] : []
    const isBelow = span.to !== null && span.to.compare(localKey) <= 0
    if (!isReversed) return isBelow ? [] : order >= 0 ? [span] : [{ ...span, from: localKey }]
    if (isBelow) return [span]
    if (order > 0) return []
    const column: ColumnSpan = { from: localKey, to: localKey, isColumn: true }
    return order === 0 ? [column] : [column, { ...span, to: localKey }]
  })
}
