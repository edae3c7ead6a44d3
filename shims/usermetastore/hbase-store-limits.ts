/** What `storeLimit` and `storeOffset` of a get leave of a row: StoreScanner counts all cells of each family. */
import type { Cell } from '../../src/model/row.js'
import { columnOf } from './hbase-columns.js'

export class StoreLimits {
  readonly #limit: number
  readonly #offset: number

  /** @param limit of each family; null, or less than 0: all. @param offset what is passed over of each; null: 0 */
  constructor(limit: number | null, offset: number | null) {
    this.#offset = offset ?? 0
    this.#limit = limit === null || limit < 0 ? Number.POSITIVE_INFINITY : limit
  }

  /** Of the cell that is the n-th of its family, counted from 1: before, within or behind what is answered. */
  placeOf(n: number): 'BEFORE' | 'WITHIN' | 'BEHIND' {
    if (n > this.#limit + this.#offset) return 'BEHIND'
    return n > this.#offset ? 'WITHIN' : 'BEFORE'
  }

  /** Of a row without a filter. */
  cellsOf(cells: readonly Cell[]): readonly Cell[] {
    let [family, count]: [Buffer | null, number] = [null, 0]
    return cells.filter(({ localKey }) => {
      const own = columnOf(localKey).family
      if (family?.equals(own) !== true) [family, count] = [own, 0]
      count += 1
      return this.placeOf(count) === 'WITHIN'
    })
  }
}

/** Null: the get has neither. */
export function storeLimitsOf({
  storeLimit,
  storeOffset,
}: {
  readonly storeLimit: number | null
  readonly storeOffset: number | null
}): StoreLimits | null {
  return storeLimit === null && storeOffset === null ? null : new StoreLimits(storeLimit, storeOffset)
}
