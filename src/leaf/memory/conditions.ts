/** Tests of the newest version of a column, and of whether a row is there at all. */
import type { Condition } from '../../model/row.js'
import { hex, livingVersions, newRow, type StoredRow, type View } from './rows.js'
import { NO_TOKEN } from '../../model/row-order.js'

const NO_ROW = newRow({ token: NO_TOKEN, rowKey: Buffer.alloc(0) })

export function holds(condition: Condition, row: StoredRow = NO_ROW, view: View): boolean {
  const { comparison, ifMissing } = condition
  if (comparison === 'ROW_EXISTS') return hasCells(row, view)
  if (comparison === 'ROW_NOT_EXISTS') return !hasCells(row, view)
  const [version] = livingVersions(row, hex(condition.localKey), view)
  if (comparison === 'EXISTS') return version !== undefined
  if (comparison === 'NOT_EXISTS') return version === undefined
  if (version === undefined) return ifMissing
  const order = version.value.compare(condition.value)
  switch (comparison) {
    case 'EQUAL':
      return order === 0
    case 'NOT_EQUAL':
      return order !== 0
    case 'LESS':
      return order < 0
    case 'LESS_OR_EQUAL':
      return order <= 0
    case 'GREATER':
      return order > 0
    case 'GREATER_OR_EQUAL':
      return order >= 0
    case 'VERSION_EQUAL':
      return version.timestamp !== null && version.timestamp === condition.timestamp
  }
}

function hasCells(row: StoredRow, view: View): boolean {
  return [...row.columns.keys()].some((localKey) => livingVersions(row, localKey, view).length > 0)
}
