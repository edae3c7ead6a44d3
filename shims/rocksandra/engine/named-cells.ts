/** Rows whose keys are all known: the names of their cells, and a row of what was found under them. Pure. */
import type { Cell } from '../../../src/model/row.js'
import { columnKey, rowOfKey } from './mapping.js'
import { type ColumnCells, type Partition, type TableRow, isNamed, isOfDropped } from './rows.js'
import type { Column, TableSchema } from './schema.js'

/** Which cells of rows a read names. */
export interface NamedCells {
  /** In the order of the table's. */
  readonly columns: readonly Column[]
  /** The rows' own markers, too. */
  readonly withMarker: boolean
}

/**
 * In the order of bytes, if the prefixes are: none of them begins another, and a table has its columns in the order of
 * their names.
 */
export function localKeysOf(prefixes: readonly Buffer[], { columns, withMarker }: NamedCells): Buffer[] {
  const localKeys: Buffer[] = []
  for (const prefix of prefixes) {
    if (withMarker) localKeys.push(prefix)
    for (const column of columns) localKeys.push(columnKey(prefix, column))
  }
  return localKeys
}

/** What was found of one row, in the order of the names; null: nothing that makes it one. */
export function rowOfNamed(
  table: TableSchema,
  { partition, prefix }: { readonly partition: Partition; readonly prefix: Buffer },
  found: readonly Cell[],
): TableRow | null {
  const { regulars } = table
  const cells: ColumnCells[] = []
  let marker: Cell | null = null
  let isThere = false
  let at = 0
  for (const cell of found) {
    const { localKey } = cell
    if (localKey.length === prefix.length) {
      marker = cell
      continue
    }
    let column = regulars[at]
    while (column !== undefined && !isNamed(localKey, prefix.length, column)) column = regulars[++at]
    if (column === undefined) break
    if (isOfDropped(column, cell)) continue
    cells[column.index] = cell
    isThere = true
  }
  if (!isThere && marker === null) return null
  return { partition, clustering: rowOfKey(table, prefix)?.clustering ?? [], prefix, cells, marker }
}
