/** What a scan asks of each row: cells to answer, and columns that its conditions look at. */
import type { ShardScan } from '../../../model/plan.js'
import { columnsNamed, type Condition, type Row } from '../../../model/row.js'
import { conditionHolds, isAboutRow } from '../../conditions.js'
import { type Selection, selectionOf } from '../../selection.js'
import type { SupersededKeys } from '../read/superseded.js'
import type { ScanPage } from './scan-page.js'

export interface ScanTarget {
  readonly scan: ShardScan
  readonly page: ScanPage
  readonly nowSeconds: number
  /** As in RowWish. */
  readonly superseded?: SupersededKeys | undefined
}

export class ScanWish {
  readonly selection: Selection
  /** Of the columns that conditions look at; null: there are none. */
  readonly tested: Selection | null
  /** No row that is answered can pass: it would have no living cell, or none of the wanted times. */
  readonly isImpossible: boolean
  readonly #conditions: readonly Condition[]

  constructor({ request }: ShardScan) {
    // The order of rows is the scan's, that of columns the selector's.
    this.selection = selectionOf(request.selector, null)
    this.isImpossible =
      isOfNoTime(this.selection) || request.where.some(({ comparison }) => comparison === 'ROW_NOT_EXISTS')
    // That a row exists holds for every row that has a cell to answer.
    this.#conditions = request.where.filter((condition) => !isAboutRow(condition))
    const localKeys = distinct(this.#conditions.map(({ localKey }) => localKey))
    const named = { ...columnsNamed(localKeys), isReversed: request.isReversed }
    this.tested = localKeys.length === 0 ? null : selectionOf(named, null)
  }

  /** @param row the living ones of the tested columns, with timestamps; null: none of them lives */
  holds(row: Row | null): boolean {
    return this.#conditions.every((condition) => {
      const cell = row?.cells.find(({ localKey }) => localKey.equals(condition.localKey))
      return conditionHolds(condition, cell ?? null, true)
    })
  }
}

function isOfNoTime({ minTimestamp, maxTimestamp }: Selection): boolean {
  return minTimestamp !== null && maxTimestamp !== null && minTimestamp >= maxTimestamp
}

function distinct(localKeys: readonly Buffer[]): readonly Buffer[] {
  const sorted = localKeys.toSorted((a, b) => a.compare(b))
  return sorted.filter((localKey, i) => sorted[i - 1]?.equals(localKey) !== true)
}
