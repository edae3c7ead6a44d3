/**
 * A row as it will be once the program that changes it is committed: what is stored, and on top what the program has
 * written so far. Nothing is written to the DB before `writeTo`.
 *
 * What was read is put back whole; what was not is merged, so that a blind write stays one. What a program reads and
 * writes is bounded: entries and bytes have a budget, because nothing else is written meanwhile.
 */
import { KVError } from '../../../base/errors.js'
import { limits } from '../../../base/limits.js'
import type { AttachedDatabase, Cursor, WriteBatch } from '../store/binding.js'
import type { HotKeys } from './hot-keys.js'

/** Entries that one program looks at, deleted ones too, and as many that it writes; 20,000 take about 50 ms. */
export const MAX_PROGRAM_ENTRIES = 20_000

/** Keys and values that one program looks at, and as many bytes that it writes, each change of a value counted. */
export const MAX_PROGRAM_BYTES = 32 * 1024 * 1024

/** Opening a cursor takes as long as so many entries. */
const ENTRIES_PER_CURSOR = 8

const FIRST_STEP = 16
const MAX_STEP = 256

export type RowSource = Pick<AttachedDatabase, 'getMany' | 'openCursor'>

export interface StoredEntry {
  readonly key: Buffer
  readonly value: Buffer
}

interface StagedEntry {
  readonly key: Buffer
  /** Read and written so far; undefined: there is nothing. Unless `isRead`, only what was written. */
  value: Buffer | undefined
  /** Whether the DB's value is in `value`. */
  isRead: boolean
  isWritten: boolean
}

export class StagedRow {
  readonly #source: RowSource
  readonly #entries = new Map<string, StagedEntry>()
  /** In key order; null until it is needed. */
  #inOrder: StagedEntry[] | null = null
  #leftEntries = MAX_PROGRAM_ENTRIES
  #leftWrites = MAX_PROGRAM_ENTRIES
  #leftBytes = MAX_PROGRAM_BYTES
  #leftWrittenBytes = MAX_PROGRAM_BYTES

  constructor(source: RowSource) {
    this.#source = source
  }

  /** Whether anything was written so far. */
  get isWritten(): boolean {
    for (const entry of this.#entries.values()) if (entry.isWritten) return true
    return false
  }

  /** Reads keys that are going to be asked for, together. @throws {KVError} TOO_LARGE, CORRUPT */
  load(keys: readonly Buffer[]): void {
    const missing = new Map<string, Buffer>()
    for (const key of keys) {
      const id = key.toString('latin1')
      if (this.#entries.get(id)?.isRead !== true) missing.set(id, key)
    }
    const list = [...missing.values()]
    for (let from = 0; from < list.length; from += limits.maxKeysPerMultiGet) {
      this.#loadPart(list.slice(from, from + limits.maxKeysPerMultiGet))
    }
  }

  /** @throws {KVError} TOO_LARGE, CORRUPT */
  get(key: Buffer): Buffer | undefined {
    const entry = this.#entries.get(key.toString('latin1'))
    if (entry?.isRead === true) return entry.value
    this.#loadPart([key])
    return this.#entries.get(key.toString('latin1'))?.value
  }

  /** The greatest of what is stored and what was ever merged stays. @throws {KVError} TOO_LARGE */
  merge(key: Buffer, value: Buffer): void {
    this.#chargeWrite(key.length + value.length)
    const id = key.toString('latin1')
    const entry = this.#entries.get(id)
    if (entry === undefined) {
      this.#add(id, { key, value, isRead: false, isWritten: true })
      return
    }
    if (entry.value !== undefined && entry.value.compare(value) >= 0) return
    entry.value = value
    entry.isWritten = true
  }

  /** Takes the place of whatever is stored. @throws {KVError} TOO_LARGE */
  put(key: Buffer, value: Buffer): void {
    this.#chargeWrite(key.length + value.length)
    const id = key.toString('latin1')
    const entry = this.#entries.get(id)
    if (entry === undefined) this.#add(id, { key, value, isRead: true, isWritten: true })
    else Object.assign(entry, { value, isRead: true, isWritten: true })
  }

  /**
   * Entries from `from` to before `to`, of one snapshot. The row must not be written while it is walked.
   * @throws {KVError} TOO_LARGE, CORRUPT
   */
  *scan(from: Buffer, to: Buffer, isReversed: boolean): Generator<StoredEntry, void> {
    const staged = this.#stagedWithin(from, to, isReversed)
    let next = 0
    this.#leftEntries -= ENTRIES_PER_CURSOR
    const cursor = this.#source.openCursor({ from, to, isReversed, fillsCache: true })
    try {
      for (const stored of this.#readAll(cursor)) {
        for (; next < staged.length; next++) {
          const entry = staged[next]
          if (entry === undefined) break
          const order = entry.key.compare(stored.key)
          if (isReversed ? order < 0 : order > 0) break
          if (order === 0) continue
          if (entry.value !== undefined) yield { key: entry.key, value: entry.value }
        }
        const value = this.#merged(stored)
        if (value !== undefined) yield { key: stored.key, value }
      }
    } finally {
      cursor.close()
    }
    for (; next < staged.length; next++) {
      const entry = staged[next]
      if (entry?.value !== undefined) yield { key: entry.key, value: entry.value }
    }
  }

  /** Nothing of the row may be in the batch yet. Keys that are merged again and again are folded (hot-keys.ts). */
  writeTo(batch: WriteBatch, hotKeys: HotKeys): void {
    for (const { key, value, isRead, isWritten } of this.#entries.values()) {
      if (!isWritten || value === undefined) continue
      if (isRead) batch.put(key, value)
      else if (!hotKeys.count(key) || !this.#fold(batch, key, value)) batch.merge(key, value)
      else hotKeys.folded(key)
    }
  }

  #fold(batch: WriteBatch, key: Buffer, value: Buffer): boolean {
    try {
      const [stored] = this.#source.getMany([key])
      if (stored === null) return false
      batch.put(key, stored !== undefined && stored.compare(value) > 0 ? stored : value)
      return true
    } catch {
      // A damaged block is a reader's trouble; a merge needs nothing of it.
      return false
    }
  }

  *#readAll(cursor: Cursor): Generator<StoredEntry, void> {
    for (let step = FIRST_STEP; !cursor.isDone; step = Math.min(2 * step, MAX_STEP)) {
      const rows = cursor.next(step)
      for (let i = 0; i + 1 < rows.length; i += 2) {
        const key = rows[i]
        const value = rows[i + 1]
        if (key === undefined || value === undefined) break
        this.#charge(key.byteLength + value.byteLength)
        yield { key, value }
      }
    }
  }

  /** What is staged for a stored key is the newer knowledge. */
  #merged({ key, value }: StoredEntry): Buffer | undefined {
    const entry = this.#entries.get(key.toString('latin1'))
    if (entry === undefined) return value
    if (!entry.isRead) {
      if (entry.value === undefined || entry.value.compare(value) < 0) entry.value = value
      entry.isRead = true
    }
    return entry.value
  }

  #loadPart(keys: readonly Buffer[]): void {
    const values = this.#source.getMany(keys)
    for (const [index, key] of keys.entries()) {
      const stored = values[index]
      if (stored === null) throw tooMuch()
      this.#charge(key.byteLength + (stored?.byteLength ?? 0))
      const id = key.toString('latin1')
      const entry = this.#entries.get(id)
      if (entry === undefined) {
        this.#add(id, { key, value: stored, isRead: true, isWritten: false })
        continue
      }
      entry.isRead = true
      const isGreater = stored !== undefined && (entry.value === undefined || entry.value.compare(stored) < 0)
      if (isGreater) entry.value = stored
    }
  }

  #stagedWithin(from: Buffer, to: Buffer, isReversed: boolean): StagedEntry[] {
    const inOrder = (this.#inOrder ??= [...this.#entries.values()].sort((a, b) => a.key.compare(b.key)))
    const within = inOrder.slice(placeIn(inOrder, from), placeIn(inOrder, to))
    this.#leftEntries -= within.length
    return isReversed ? within.reverse() : within
  }

  #add(id: string, entry: StagedEntry): void {
    this.#entries.set(id, entry)
    this.#inOrder?.splice(placeIn(this.#inOrder, entry.key), 0, entry)
  }

  #chargeWrite(bytes: number): void {
    this.#leftWrites--
    this.#leftWrittenBytes -= bytes
    if (this.#leftWrites < 0 || this.#leftWrittenBytes < 0) throw tooMuch()
  }

  #charge(bytes: number): void {
    this.#leftEntries--
    this.#leftBytes -= bytes
    if (this.#leftEntries < 0 || this.#leftBytes < 0) throw tooMuch()
  }
}

/** Of the first entry that is not before the key. */
function placeIn(inOrder: readonly StagedEntry[], key: Buffer): number {
  let low = 0
  let high = inOrder.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((inOrder[middle]?.key.compare(key) ?? 0) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function tooMuch(): KVError {
  return new KVError(
    'TOO_LARGE',
    `the write reads or changes more than ${MAX_PROGRAM_ENTRIES} cells or ${MAX_PROGRAM_BYTES} bytes: name fewer columns`,
    { outcome: 'NOT_APPLIED' },
  )
}
