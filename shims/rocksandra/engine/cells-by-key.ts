/**
 * Cells that statements write to one partition, one a local key. Where several meet under one, Cassandra's rule decides
 * (Conflicts.resolveRegular of 3.0): the later time, then the value that is greater as signed bytes, then the one that
 * lives longer. Between requests the store decides, by a rule of its own.
 */
import type { Cell } from '../../../src/model/row.js'

const SIGN_BIT = 0x80

export class CellsByKey {
  readonly #cells: Cell[] = []
  /** Null: they came in the order of their keys, which costs no look-up and is how most come. */
  #byKey: Map<string, Cell> | null = null

  get size(): number {
    return this.#byKey?.size ?? this.#cells.length
  }

  keep(cell: Cell, wins: Rule = winsAsCell): void {
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
    if (other === undefined || wins(cell, other)) this.#byKey.set(name, cell)
  }

  list(): readonly Cell[] {
    return this.#byKey === null ? this.#cells : [...this.#byKey.values()]
  }
}

function nameOf({ localKey }: Cell): string {
  return localKey.toString('latin1')
}

/** Whether a cell takes the place of another one. */
type Rule = (cell: Cell, other: Cell) => boolean

function winsAsCell(cell: Cell, other: Cell): boolean {
  const order = compareTimes(cell, other) || compareSigned(cell.value, other.value)
  return order === 0 ? livesLonger(cell, other) : order > 0
}

/** LivenessInfo.supersedes of 3.0: of rows' markers of one time one that expires wins over one that does not. */
export function winsAsMarker(cell: Cell, other: Cell): boolean {
  const order = compareTimes(cell, other)
  if (order !== 0) return order > 0
  return other.ttlSeconds === null || (cell.ttlSeconds !== null && cell.ttlSeconds >= other.ttlSeconds)
}

/** Without a time there is one for all. */
function compareTimes({ timestamp }: Cell, { timestamp: other }: Cell): number {
  if (timestamp === null || other === null || timestamp === other) return 0
  return timestamp > other ? 1 : -1
}

/** ByteBuffer.compareTo of Java, which newer Cassandras do not use any more. */
function compareSigned(value: Buffer, other: Buffer): number {
  const shared = Math.min(value.length, other.length)
  for (let at = 0; at < shared; at++) {
    const [byte = 0, otherByte = 0] = [value[at], other[at]]
    if (byte !== otherByte) return (byte ^ SIGN_BIT) - (otherByte ^ SIGN_BIT)
  }
  return value.length - other.length
}

/** Of one time: what never ends longest. */
function livesLonger({ ttlSeconds }: Cell, other: Cell): boolean {
  return (ttlSeconds ?? Infinity) >= (other.ttlSeconds ?? Infinity)
}
