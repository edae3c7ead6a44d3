/**
 * Local keys of stored columns, which stand escaped in their keys. Rows that follow each other mostly have the same
 * columns in the same places: their local keys are made once and shared.
 */
import { unescaped } from '../../row-codec.js'
import { equalBytes } from '../store/key-bytes.js'

/** Places of a row that are remembered. */
const MAX_PLACES = 64

interface KnownName {
  /** A stored key that has the column's name in [from, to). */
  readonly key: Buffer
  readonly from: number
  readonly to: number
  readonly localKey: Buffer
}

export class ColumnNames {
  readonly #known: KnownName[] = []
  #place = 0

  /** Another row. */
  begin(): void {
    this.#place = 0
  }

  /** Of the next column of the row, whose escaped local key is `key` in [from, to). Not to be changed. */
  of(key: Buffer, from: number, to: number): Buffer {
    const place = this.#place++
    const known = this.#known[place]
    if (known !== undefined && isSame(known, key, from, to)) return known.localKey
    const localKey = unescaped(key, from, to)
    if (place < MAX_PLACES) this.#known[place] = { key, from, to, localKey }
    return localKey
  }
}

function isSame(known: KnownName, key: Buffer, from: number, to: number): boolean {
  if (known.to - known.from !== to - from) return false
  if (known.from === from) return equalBytes(known.key, key, from, to)
  return known.key.compare(key, from, to, known.from, known.to) === 0
}
