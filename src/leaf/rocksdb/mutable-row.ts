/** Stored cells of a mutable shard to a row: what a row tombstone covers, what is deleted and what has expired falls out. */
import { KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { ShardRead } from '../../model/plan.js'
import type { Cell, CellSelector, Row } from '../../model/row.js'
import { isNewer, payloadStart, readTimestamp, ttlLeft } from '../cell-codec.js'
import { localKeyOfMutable, mutableMetaKey, mutableRowEnd } from '../row-codec.js'
import { type AttachedDatabase, MAX_READ_BYTES, type Values } from './binding.js'

/** Cells, dead ones included, that reading a whole row may pass over: it is done in one step on the data thread. */
const MAX_CELLS_PASSED = 4 * limits.maxCellsPerRow

export interface CellRead {
  readonly read: ShardRead
  readonly selector: CellSelector | null
  readonly nowSeconds: number
}

/** @param values the row's tombstone at `at`, and behind it one value for each selected local key */
export function readSelectedCells(cellRead: CellRead, values: Values, at: number): Row | null {
  const { selector } = cellRead
  const tombstone = values[at] ?? null
  const cells: Cell[] = []
  if (selector === null) throw new KVError('INTERNAL', 'selected cells without a selector')
  for (const [i, localKey] of selector.localKeys.entries()) {
    const stored = values[at + 1 + i]
    if (stored === undefined || stored === null) continue
    const cell = livingCell(cellRead, localKey, stored, tombstone)
    if (cell !== null) cells.push(cell)
  }
  return cells.length === 0 ? null : { cells }
}

/**
 * Reads the row as one range, in one snapshot.
 * @throws {KVError} TOO_LARGE when the row has more cells or bytes than one answer can hold
 */
export function readWholeRow(database: AttachedDatabase, cellRead: CellRead, index: number): Row | null {
  const { keyOrder, rowKeys, tokens } = cellRead.read
  const rowKey = rowKeys[index]
  const token = tokens[index]
  if (rowKey === undefined || token === undefined)
    throw new KVError('INTERNAL', 'read with fewer tokens than keys')
  const metaKey = mutableMetaKey(keyOrder, token, rowKey)
  const { rows, isCut } = database.range({
    from: metaKey,
    to: mutableRowEnd(metaKey),
    maxRows: MAX_CELLS_PASSED,
    maxBytes: MAX_READ_BYTES,
  })
  if (isCut)
    throw new KVError('TOO_LARGE', 'the row holds more than one answer can: select some of its columns')
  const wanted = cellRead.selector === null ? null : new SortedKeys(cellRead.selector.localKeys)
  let tombstone: Buffer | null = null
  const cells: Cell[] = []
  for (let i = 0; i + 1 < rows.length; i += 2) {
    const key = rows[i]
    const stored = rows[i + 1]
    if (key === undefined || stored === undefined) break
    const localKey = localKeyOfMutable(metaKey.byteLength, key)
    // The tombstone has the row's lowest key, so it comes first.
    if (localKey === null) tombstone = stored
    else if (wanted === null || wanted.has(localKey)) {
      const cell = livingCell(cellRead, localKey, stored, tombstone)
      if (cell !== null) cells.push(cell)
    }
  }
  return cells.length === 0 ? null : { cells }
}

function livingCell(
  cellRead: CellRead,
  localKey: Buffer,
  stored: Buffer,
  tombstone: Buffer | null,
): Cell | null {
  const start = payloadStart(stored, cellRead.nowSeconds)
  if (start === -1 || (tombstone !== null && !isNewer(stored, tombstone))) return null
  return {
    localKey,
    value: stored.subarray(start),
    timestamp: cellRead.read.withTimestamps ? readTimestamp(stored) : null,
    ttlSeconds: cellRead.read.withTtl ? ttlLeft(stored, cellRead.nowSeconds) : null,
  }
}

/** Membership in a sorted list, for candidates that come in order, too. */
class SortedKeys {
  readonly #keys: readonly Buffer[]
  #next = 0

  constructor(keys: readonly Buffer[]) {
    this.#keys = keys
  }

  has(candidate: Buffer): boolean {
    for (; this.#next < this.#keys.length; this.#next++) {
      const order = this.#keys[this.#next]?.compare(candidate) ?? 1
      if (order >= 0) return order === 0
    }
    return false
  }
}
