/**
 * Cells that statements write to one partition, one a local key. Where several meet under one, CQL's rule decides as the
 * store does between requests: the later time, then the greater value.
 */
import type { Cell } from '../../../src/model/row.js'

export class CellsByKey {
  readonly #cells: Cell[] = []
  /** Null: they came in the order of their keys, which costs no look-up and is how most come. */
  #byKey: Map<string, Cell> | null = null

  get size(): number {
    return this.#byKey?.size ?? this.#cells.length
  }

  keep(cell: Cell): void {
    const last = this.#cells.at(-1)
    if (this.#byKey === null) {
      if (last === undefined || last.localKey.compare(cell.localKey) < 0) {
        this.#cells.push(cell)
        return
      }
      this.#byKey = new Map(this.#cells.map((one) => [nameOf(one), one]))
    }
    const name = nameOf(cell)
    const other = this.#byKey.get(name)
    if (other === undefined || isNewer(cell, other)) this.#byKey.set(name, cell)
  }

  list(): readonly Cell[] {
    return this.#byKey === null ? this.#cells : [...this.#byKey.values()]
  }
}

function nameOf({ localKey }: Cell): string {
  return localKey.toString('latin1')
}

function isNewer(cell: Cell, other: Cell): boolean {
  const [time, otherTime] = [cell.timestamp, other.timestamp]
  if (time !== null && otherTime !== null && time !== otherTime) return time > otherTime
  return cell.value.compare(other.value) >= 0
}
