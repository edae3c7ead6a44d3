/**
 * Whether rows have any living cell, for writes that depend on it. A row that was removed may still have millions of stored
 * cells, each of which could be newer than the removal: where the answer takes long it is looked for slice by slice, with
 * the writes of other rows in between. Those of the row itself have to wait for it (writer.ts), so that what was found still
 * holds when they are decided.
 *
 * One search at a time has a cursor and what it has read; the others wait with their key, and begin when it is their turn.
 */
import { KVError, toKVError } from '../../../base/errors.js'
import { limits } from '../../../base/limits.js'
import type { WritableFormat } from '../../../model/cluster-map.js'
import { selectionOf } from '../../selection.js'
import type { Database } from '../store/binding.js'
import { HeldBytes } from '../read/held-bytes.js'
import { RowRead } from '../read/row-read.js'

/** Steps that are read on the spot, some 700 entries. */
const FIRST_STEPS = 5

/** A slice of a search that takes longer; at least one step. */
const SLICE_MS = 2

/** Rows that something is remembered of: it only saves looking again. */
const MAX_REMEMBERED = 1_000

const RETRY_AFTER_MS = 100

const ONE_CELL = { ...selectionOf(null, null), limit: 1, keysOnly: true }

export interface RowSearchSettings {
  readonly format: WritableFormat
  readonly maxCellVersions: number
  readonly nowSeconds: () => number
  readonly monotonicMs: () => number
}

interface Search {
  readonly metaKey: Buffer
  /** Null: it has not begun. */
  read: RowRead | null
  /** The second that it looks at the row in. */
  second: number
}

/** What was found, and when it holds: until the row is written. */
interface FoundRow {
  /** Row ids of long keys may be shared. */
  readonly metaKey: Buffer
  readonly exists: boolean | KVError
  /** Inclusive. A row without a living cell gets none by the passing of time. */
  readonly fromSecond: number
  /** Exclusive: when the cell that was found expires. */
  readonly toSecond: number
}

/** Those of one shard. */
export class RowSearches {
  readonly #database: Database
  readonly #settings: RowSearchSettings
  /** By the row's id, oldest first; the first may have begun. */
  readonly #searches = new Map<string, Search>()
  readonly #found = new Map<string, FoundRow>()

  constructor(database: Database, settings: RowSearchSettings) {
    this.#database = database
    this.#settings = settings
  }

  /** Whether any is under way. */
  get isEmpty(): boolean {
    return this.#searches.size === 0
  }

  /** Whether anything was found that a write may put an end to. */
  get remembers(): boolean {
    return this.#found.size > 0
  }

  isSearched(rowId: string): boolean {
    return this.#searches.has(rowId)
  }

  /**
   * Null: that takes a while, `slice` goes on with it.
   * @throws {KVError} CORRUPT; OVERLOADED when too many rows are being searched
   */
  exists(rowId: string, metaKey: Buffer): boolean | null {
    const second = this.#settings.nowSeconds()
    const found = this.#found.get(rowId)
    if (found !== undefined && holds(found, metaKey, second)) return orThrow(found.exists)
    if (this.#searches.size >= limits.maxRowSearches) throw tooManySearches()
    const read = this.#begin(metaKey, second)
    for (let steps = 0; steps < FIRST_STEPS; steps++) {
      const end = next(read, second)
      if (end !== null) return orThrow(end.exists)
    }
    const mayGoOn = this.#searches.size === 0
    if (!mayGoOn) read.close()
    this.#searches.set(rowId, { metaKey: Buffer.from(metaKey), read: mayGoOn ? read : null, second })
    return null
  }

  /** The row is written: what was found of it does not hold any more. */
  forget(rowId: string): void {
    this.#found.delete(rowId)
  }

  /** Nobody waits for it any more. */
  abandon(rowId: string): void {
    this.#searches.get(rowId)?.read?.close()
    this.#searches.delete(rowId)
  }

  /** Goes on with the oldest search; answers the id of its row when it has come to its end. */
  slice(): string | null {
    const [oldest] = this.#searches
    if (oldest === undefined) return null
    const [rowId, search] = oldest
    const endMs = this.#settings.monotonicMs() + SLICE_MS
    do {
      const end = this.#goOn(search)
      if (end === null) continue
      this.#searches.delete(rowId)
      if (this.#found.size >= MAX_REMEMBERED) this.#found.clear()
      // A failure is answered to those who wait for it, though the second in which the search began has passed.
      const toSecond = end.exists instanceof KVError ? this.#settings.nowSeconds() + 1 : end.toSecond
      const { metaKey, second: fromSecond } = search
      this.#found.set(rowId, { metaKey, exists: end.exists, fromSecond, toSecond })
      return rowId
    } while (this.#settings.monotonicMs() < endMs)
    return null
  }

  /** One step of a search, which begins it if it has not begun. */
  #goOn(search: Search): SearchEnd | null {
    if (search.read === null) {
      search.second = this.#settings.nowSeconds()
      try {
        search.read = this.#begin(search.metaKey, search.second)
      } catch (error) {
        return failed(error, search.second)
      }
    }
    return next(search.read, search.second)
  }

  close(): void {
    for (const { read } of this.#searches.values()) read?.close()
    this.#searches.clear()
    this.#found.clear()
  }

  #begin(metaKey: Buffer, nowSeconds: number): RowRead {
    const { format, maxCellVersions } = this.#settings
    return new RowRead(this.#database, {
      format,
      metaKey,
      wish: { selection: ONE_CELL, maxCellVersions, withTimestamps: false, withTtl: true, nowSeconds },
      bounds: { held: new HeldBytes(), room: Number.POSITIVE_INFINITY },
    })
  }
}

type SearchEnd = Pick<FoundRow, 'exists' | 'toSecond'>

/** One step; closes the reading at its end. Null: it goes on. */
function next(read: RowRead, second: number): SearchEnd | null {
  try {
    const isDone = read.next() !== undefined
    const cell = read.firstCell
    if (cell === null && !isDone) return null
    read.close()
    const ttlSeconds = cell === null ? null : cell.ttlSeconds
    return {
      exists: cell !== null,
      toSecond: ttlSeconds === null ? Number.POSITIVE_INFINITY : second + ttlSeconds,
    }
  } catch (error) {
    read.close()
    return failed(error, second)
  }
}

function failed(error: unknown, second: number): SearchEnd {
  return { exists: toKVError(error, 'looking for a cell of a row'), toSecond: second + 1 }
}

function holds({ metaKey, fromSecond, toSecond }: FoundRow, asked: Buffer, second: number): boolean {
  return second >= fromSecond && second < toSecond && metaKey.equals(asked)
}

function orThrow(exists: boolean | KVError): boolean {
  if (typeof exists === 'boolean') return exists
  throw exists
}

function tooManySearches(): KVError {
  return new KVError(
    'OVERLOADED',
    `${limits.maxRowSearches} rows of very many removed cells are being looked through for a living one: try again later`,
    { outcome: 'NOT_APPLIED', retryAfterMs: RETRY_AFTER_MS },
  )
}
