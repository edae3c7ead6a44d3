/**
 * Whether rows have any living cell, for writes that depend on it. A row that was removed may still have millions of stored
 * cells, each of which could be newer than the removal: where the answer takes long it is looked for slice by slice, with
 * the writes of other rows in between. Those of the row itself have to wait for it (writer.ts), so that what was found still
 * holds when they are decided.
 */
import { type KVError, toKVError } from '../../base/errors.js'
import type { WritableFormat } from '../../model/cluster-map.js'
import { selectionOf } from '../selection.js'
import type { Database } from './binding.js'
import { HeldBytes } from './held-bytes.js'
import { RowRead } from './row-read.js'

/** Steps that are read on the spot, some 700 entries. */
const FIRST_STEPS = 5

/** A slice of a search that takes longer; at least one step. */
const SLICE_MS = 2

/** Rows that something is remembered of: it only saves looking again. */
const MAX_REMEMBERED = 1_000

const ONE_CELL = { ...selectionOf(null, null), limit: 1, keysOnly: true }

export interface RowSearchSettings {
  readonly format: WritableFormat
  readonly maxCellVersions: number
  readonly nowSeconds: () => number
  readonly monotonicMs: () => number
}

interface FoundRow {
  readonly exists: boolean | KVError
  /** Cells may expire in a later one. */
  readonly nowSeconds: number
}

/** Those of one shard. */
export class RowSearches {
  readonly #database: Database
  readonly #settings: RowSearchSettings
  /** By the row's id. */
  readonly #searches = new Map<string, RowRead>()
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

  /** Null: that takes a while, `slice` goes on with it. @throws {KVError} CORRUPT */
  exists(rowId: string, metaKey: Buffer): boolean | null {
    const found = this.#found.get(rowId)
    const isKnown = found?.exists === false || found?.nowSeconds === this.#settings.nowSeconds()
    if (found !== undefined && isKnown) return orThrow(found.exists)
    const { format, maxCellVersions, nowSeconds } = this.#settings
    const search = new RowRead(this.#database, {
      format,
      metaKey,
      wish: {
        selection: ONE_CELL,
        maxCellVersions,
        withTimestamps: false,
        withTtl: false,
        nowSeconds: nowSeconds(),
      },
      bounds: { held: new HeldBytes(), room: Number.POSITIVE_INFINITY },
    })
    for (let steps = 0; steps < FIRST_STEPS; steps++) {
      const exists = next(search)
      if (exists !== null) return orThrow(exists)
    }
    this.#searches.set(rowId, search)
    return null
  }

  /** The row is written: what was found of it does not hold any more. */
  forget(rowId: string): void {
    this.#found.delete(rowId)
  }

  /** Goes on with the oldest search; answers whether it has come to its end. */
  slice(): boolean {
    const [oldest] = this.#searches
    if (oldest === undefined) return false
    const [rowId, search] = oldest
    const endMs = this.#settings.monotonicMs() + SLICE_MS
    do {
      const exists = next(search)
      if (exists === null) continue
      this.#searches.delete(rowId)
      if (this.#found.size >= MAX_REMEMBERED) this.#found.clear()
      this.#found.set(rowId, { exists, nowSeconds: this.#settings.nowSeconds() })
      return true
    } while (this.#settings.monotonicMs() < endMs)
    return false
  }

  close(): void {
    for (const search of this.#searches.values()) search.close()
    this.#searches.clear()
    this.#found.clear()
  }
}

/** One step; closes the search at its end. Null: it goes on. */
function next(search: RowRead): boolean | KVError | null {
  let exists: boolean | KVError | null
  try {
    const row = search.next()
    exists = search.hasCells ? true : row === undefined ? null : row !== null
  } catch (error) {
    exists = toKVError(error, 'looking for a cell of a row')
  }
  if (exists !== null) search.close()
  return exists
}

function orThrow(exists: boolean | KVError): boolean {
  if (typeof exists === 'boolean') return exists
  throw exists
}
