/** Which cells of a row a request means, in which order, and how a row is cut at the end of a page. */
import { type Cell, type CellPosition, type CellSelector, type Row, WHOLE_ROW } from '../../model/row.js'
import { hex, isWithin, livingVersions, type StoredRow, type Version, type View } from './rows.js'

/** What a cell counts for beside its bytes, where pages are measured. */
export const CELL_COST_BYTES = 32

export interface FoundCell {
  /** As hex. */
  readonly localKey: string
  readonly version: Version
}

/** What is answered of the cells that were found. */
export interface Answering {
  readonly withTimestamps: boolean
  readonly withTtl: boolean
  /** Where an earlier page of the row ended. */
  readonly position: CellPosition | null
  /** What is left of the page; shared by the rows of a request. Null: rows are never cut. */
  readonly page: { leftBytes: number } | null
}

export const WITH_EVERYTHING: Answering = {
  withTimestamps: true,
  withTtl: true,
  position: null,
  page: null,
}

const START: CellPosition = { localKey: null, timestamp: null, columns: 0 }

/** The selected part of a row; null: nothing of it is alive and selected. */
export function readRow(
  row: StoredRow | undefined,
  selector: CellSelector | null,
  view: View,
  answering: Answering,
): Row | null {
  const { page, position } = answering
  if (page !== null && page.leftBytes <= 0) return { cells: [], next: position ?? START }
  if (row === undefined) return null
  const found = findCells(row, selector, view, position)
  const cells: Cell[] = []
  for (const [index, one] of found.entries()) {
    const cell = answerOf(one, selector ?? WHOLE_ROW, view, answering)
    cells.push(cell)
    if (page === null) continue
    page.leftBytes -= sizeOf([cell])
    if (page.leftBytes > 0 || index === found.length - 1) continue
    return { cells, next: positionBehind(found.slice(0, index + 1), position) }
  }
  return cells.length === 0 ? null : { cells, next: null }
}

/** What cells count for in a page. */
export function sizeOf(cells: readonly Cell[]): number {
  return cells.reduce(
    (sum, { localKey, value }) => sum + localKey.byteLength + value.byteLength + CELL_COST_BYTES,
    0,
  )
}

/** Everything selected behind the position, up to the limit of columns, in the order of the read. */
export function findCells(
  row: StoredRow,
  selector: CellSelector | null,
  view: View,
  position: CellPosition | null = null,
): readonly FoundCell[] {
  const { limit, isReversed, maxVersions, minTimestamp, maxTimestamp } = selector ?? WHOLE_ROW
  const found: FoundCell[] = []
  for (const localKey of columnsOf(row, selector, isReversed)) {
    const versions = livingVersions(row, localKey, view).filter(({ timestamp }) => {
      if (minTimestamp !== null && (timestamp === null || timestamp < minTimestamp)) return false
      return maxTimestamp === null || (timestamp !== null && timestamp < maxTimestamp)
    })
    for (const version of versions.slice(0, maxVersions)) found.push({ localKey, version })
  }
  return limited(
    found.filter((one) => isBehind(one, position, isReversed)),
    limit,
    position,
  )
}

/** Stored columns that a selector means, living or not, in the order of the read. */
export function columnsOf(
  row: StoredRow,
  selector: CellSelector | null,
  isReversed = false,
): readonly string[] {
  const { localKeys, ranges } = selector ?? WHOLE_ROW
  const named = new Set(localKeys.map(hex))
  const isAll = named.size === 0 && ranges.length === 0
  const columns = [...row.columns.keys()].sort().filter((localKey) => {
    if (isAll || named.has(localKey)) return true
    const bytes = Buffer.from(localKey, 'hex')
    return ranges.some((range) => isWithin(bytes, range))
  })
  return isReversed ? columns.reverse() : columns
}

function isBehind(
  { localKey, version }: FoundCell,
  position: CellPosition | null,
  isReversed: boolean,
): boolean {
  if (position === null || position.localKey === null) return true
  const at = hex(position.localKey)
  if (localKey !== at) return isReversed ? localKey < at : localKey > at
  return position.timestamp !== null && version.timestamp !== null && version.timestamp < position.timestamp
}

/** Columns that earlier pages answered count; going on within the last of them does not count again. */
function limited(
  found: readonly FoundCell[],
  limit: number | null,
  position: CellPosition | null,
): readonly FoundCell[] {
  if (limit === null) return found
  const begun = position === null || position.localKey === null ? null : hex(position.localKey)
  const columns = new Set<string>()
  const already = position?.columns ?? 0
  return found.filter(({ localKey }) => {
    if (localKey !== begun) columns.add(localKey)
    return already + columns.size <= limit
  })
}

function positionBehind(answered: readonly FoundCell[], position: CellPosition | null): CellPosition {
  const last = answered.at(-1)
  if (last === undefined) return position ?? START
  const begun = position === null || position.localKey === null ? null : hex(position.localKey)
  const columns = new Set(answered.map(({ localKey }) => localKey).filter((localKey) => localKey !== begun))
  return {
    localKey: Buffer.from(last.localKey, 'hex'),
    timestamp: last.version.timestamp,
    columns: (position?.columns ?? 0) + columns.size,
  }
}

function answerOf(
  { localKey, version }: FoundCell,
  { keysOnly }: CellSelector,
  { nowSeconds }: View,
  { withTimestamps, withTtl }: Answering,
): Cell {
  return {
    localKey: Buffer.from(localKey, 'hex'),
    value: keysOnly ? Buffer.alloc(0) : version.value,
    timestamp: withTimestamps ? version.timestamp : null,
    ttlSeconds: withTtl && version.expirySeconds !== null ? version.expirySeconds - nowSeconds : null,
  }
}
