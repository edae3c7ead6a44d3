/** Runs a filter over rows, cell by cell, as a region does. */
import type { Cell } from '../../src/model/row.js'
import { isIncluded } from './filter-lists.js'
import type { FilteredCell, RowFilter } from './filter-rules.js'
import { toColumn } from './mapping.js'

/** How many versions of a family's columns are answered; 0: it is no family of the table, and not looked at. */
export type VersionsOf = (family: Buffer) => number

/**
 * What is answered of a row, null for nothing. The cells have all versions that are kept, newest first; of those that pass
 * as many a column are taken as its family may show.
 */
export function filterRow(
  filter: RowFilter,
  { rowKey, cells }: { readonly rowKey: Buffer; readonly cells: readonly Cell[] },
  versionsOf: VersionsOf,
): readonly Cell[] | null {
  filter.reset()
  if (filter.isDone() || filter.dropsKey(rowKey)) return null
  const taken = takeCells(filter, cells, versionsOf)
  // What is left of the cells may be none, and then the row itself is not asked for.
  const left = filter.cells(taken)
  if (left.length === 0 || filter.dropsRow()) return null
  return left.map(({ cell }) => cell)
}

function takeCells(
  filter: RowFilter,
  cells: readonly Cell[],
  versionsOf: VersionsOf,
): readonly FilteredCell[] {
  const taken: FilteredCell[] = []
  let previous: FilteredCell | null = null
  let skip: Skipped = null
  let count = 0
  let family: Buffer | null = null
  let versions = 0
  for (const cell of cells) {
    const one: FilteredCell = { ...toColumn(cell.localKey), cell }
    if (family === null || !family.equals(one.family)) {
      family = one.family
      versions = versionsOf(family)
    }
    if (versions === 0) continue
    const isSameColumn: boolean = previous !== null && cell.localKey.equals(previous.cell.localKey)
    if (!isSameColumn) count = 0
    if (skip !== null && previous !== null && isSkipped(skip, one, previous)) continue
    skip = null
    previous = one
    if (filter.isDone()) break
    const verdict = filter.take(one)
    // One cell more than is answered is shown to the filter before the column is left: some remember what they saw.
    if (isIncluded(verdict) && (count += 1) > versions) {
      skip = 'column'
      continue
    }
    if (isIncluded(verdict)) taken.push(filter.change(one))
    if (verdict === 'SEEK') skip = filter.hint === null ? null : { until: filter.hint }
    else if (verdict === 'NEXT_FAMILY') skip = 'family'
    else if (verdict === 'NEXT_COLUMN' || verdict === 'INCLUDE_NEXT_COLUMN') skip = 'column'
  }
  return taken
}

type Skipped = 'column' | 'family' | { readonly until: Buffer } | null

function isSkipped(skip: NonNullable<Skipped>, one: FilteredCell, previous: FilteredCell): boolean {
  if (!one.family.equals(previous.family)) return false
  if (skip === 'family') return true
  if (skip === 'column') return one.qualifier.equals(previous.qualifier)
  return one.qualifier.compare(skip.until) < 0
}
