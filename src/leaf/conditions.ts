/** Whether a condition holds: one rule for conditional writes and for scans that filter. */
import type { Cell, Comparison, Condition } from '../model/row.js'

/**
 * @param cell the newest living version of the condition's column, with its timestamp; null: there is none
 * @param rowExists whether the row has any living cell
 */
export function conditionHolds(condition: Condition, cell: Cell | null, rowExists: boolean): boolean {
  const { comparison, value, timestamp, ifMissing } = condition
  if (comparison === 'ROW_EXISTS') return rowExists
  if (comparison === 'ROW_NOT_EXISTS') return !rowExists
  if (comparison === 'EXISTS') return cell !== null
  if (comparison === 'NOT_EXISTS') return cell === null
  if (cell === null) return ifMissing
  if (comparison === 'VERSION_EQUAL') return cell.timestamp !== null && cell.timestamp === timestamp
  return orderHolds(comparison, cell.value.compare(value))
}

/** Whether a condition is about the row and not about its column. */
export function isAboutRow({ comparison }: Condition): boolean {
  return comparison === 'ROW_EXISTS' || comparison === 'ROW_NOT_EXISTS'
}

type Ordering = 'EQUAL' | 'NOT_EQUAL' | 'LESS' | 'LESS_OR_EQUAL' | 'GREATER' | 'GREATER_OR_EQUAL'

/** Fails to compile when a comparison is added that nothing here decides. */
function orderHolds(comparison: Ordering & Comparison, order: number): boolean {
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
  }
}
