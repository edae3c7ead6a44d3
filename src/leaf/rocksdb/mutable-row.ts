/**
 * Stored cells of a mutable shard to a row: what a row tombstone covers, what is deleted and what has expired falls out.
 *
 * A row that is read whole is read as a range. One of at most limits.maxCellsPerRangeRead stored cells is one range read,
 * hence one snapshot. Deleted cells stay stored, so a row can have any number of them: a longer one is read in several
 * steps, and a write that is made between two of them may show in the later part only.
 */
import { KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { ShardRead } from '../../model/plan.js'
import type { Cell, CellSelector, Row } from '../../model/row.js'
import { isNewer, payloadStart, readTimestamp, ttlLeft } from '../cell-codec.js'
import { localKeyOfMutable, mutableMetaKey, mutableRowEnd } from '../row-codec.js'
import type { AttachedDatabase, Values } from './binding.js'
import type { ReadJob } from './read-job.js'
import type { Slice } from './read-pace.js'

/** A step reads as much as the request may hold, but no less than this, because deleted cells may fill it. */
const MIN_STEP_BYTES = 1024 * 1024

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

/** One row that is read whole, step by step. */
export class WholeRow {
  readonly #database: AttachedDatabase
  readonly #job: ReadJob
  readonly #cellRead: CellRead
  readonly #wanted: SortedKeys | null
  readonly #metaKeySize: number
  readonly #end: Buffer
  #from: Buffer
  #tombstone: Buffer | null = null
  readonly #cells: Cell[] = []

  constructor(database: AttachedDatabase, job: ReadJob, { index, nowSeconds }: WholeRowOptions) {
    const { keyOrder, rowKeys, tokens } = job.read
    const rowKey = rowKeys[index]
    const token = tokens[index]
    if (rowKey === undefined || token === undefined)
      throw new KVError('INTERNAL', 'read with fewer tokens than keys')
    const selector = job.selectorOf(index)
    this.#database = database
    this.#job = job
    this.#cellRead = { read: job.read, selector, nowSeconds }
    this.#wanted = selector === null ? null : new SortedKeys(selector.localKeys)
    this.#from = mutableMetaKey(keyOrder, token, rowKey)
    this.#metaKeySize = this.#from.byteLength
    this.#end = mutableRowEnd(this.#from)
  }

  /**
   * Reads the next part: the row, null when there is none; undefined while there is more to read.
   * @throws {KVError} TOO_LARGE when it has more living cells or bytes than one answer can hold
   */
  next(slice: Slice): Row | null | undefined {
    const { rows, isCut } = this.#database.range({
      from: this.#from,
      to: this.#end,
      maxRows: limits.maxCellsPerRangeRead,
      maxBytes: Math.max(this.#job.leftBytes, MIN_STEP_BYTES),
    })
    for (let i = 0; i + 1 < rows.length; i += 2) {
      const key = rows[i]
      const stored = rows[i + 1]
      if (key === undefined || stored === undefined) break
      slice.bytes += key.byteLength + stored.byteLength
      this.#take(key, stored)
    }
    const last = rows.at(-2)
    if (isCut && last !== undefined) {
      this.#from = Buffer.concat([last, AFTER])
      return undefined
    }
    return this.#cells.length === 0 ? null : { cells: this.#cells }
  }

  #take(key: Buffer, stored: Buffer): void {
    const localKey = localKeyOfMutable(this.#metaKeySize, key)
    if (localKey === null) {
      // The tombstone has the row's lowest key, so it comes first.
      this.#tombstone = stored
      return
    }
    if (this.#wanted?.has(localKey) === false) return
    const cell = livingCell(this.#cellRead, localKey, stored, this.#tombstone)
    if (cell === null) return
    this.#job.charge(key.byteLength + stored.byteLength, 1)
    if (this.#cells.length === limits.maxCellsPerWholeRow) {
      const message = `the row has more than ${limits.maxCellsPerWholeRow} columns: select some of them`
      throw new KVError('TOO_LARGE', message)
    }
    this.#cells.push(cell)
  }
}

export interface WholeRowOptions {
  /** Of the row in its request. */
  readonly index: number
  readonly nowSeconds: number
}

/** What makes the lowest key behind another one. No stored key is so long that it could not take it. */
const AFTER: Buffer = Buffer.from([0x00])

function livingCell(
  cellRead: CellRead,
  localKey: Buffer,
  stored: Buffer,
  tombstone: Buffer | null,
): Cell | null {
  if (tombstone !== null && !isNewer(stored, tombstone)) return null
  const start = payloadStart(stored, cellRead.nowSeconds)
  if (start === -1) return null
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
