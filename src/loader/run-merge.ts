/** Several sorted sequences as one, and of rows with one key the one that counts. */
import { KVError } from '../base/errors.js'
import { hexPreview } from '../base/bytes.js'
import type { DuplicateRule } from '../model/load.js'
import {
  compareEntries,
  comparePlaces,
  type EntryCursor,
  entryKey,
  type EntryPlace,
  entryPlace,
  entrySize,
} from './run-entry.js'

/** Runs merged at a time: each holds two blocks and a file. More are merged into longer ones before. */
export const MAX_RUNS_AT_ONCE = 64

/** About so many bytes of runs of one size are written once more before all are merged. */
export function bytesToMerge(bytes: number, runBytes: number): number {
  const excess = bytes / runBytes - MAX_RUNS_AT_ONCE
  return excess > 0 ? (excess + 1) * runBytes : 0
}

/** A cursor over all of them, in order. The given cursors were not moved yet. */
export function mergeCursors(cursors: readonly EntryCursor[]): EntryCursor {
  const [only, ...others] = cursors
  return only !== undefined && others.length === 0 ? only : new MergeCursor(cursors)
}

/** A binary heap whose root is the current one; moving the root on is one way down. */
class MergeCursor implements EntryCursor {
  #heap: EntryCursor[]
  #current: EntryCursor | null = null
  #isStarted = false

  constructor(cursors: readonly EntryCursor[]) {
    this.#heap = [...cursors]
  }

  get bytes(): Buffer {
    return this.#current?.bytes ?? NO_BYTES
  }

  get at(): number {
    return this.#current?.at ?? 0
  }

  get high(): number {
    return this.#current?.high ?? 0
  }

  get low(): number {
    return this.#current?.low ?? 0
  }

  next(): boolean {
    const heap = this.#heap
    if (!this.#isStarted) this.#start()
    else if (heap[0]?.next() === true) this.#sink(0)
    else this.#dropRoot()
    this.#current = this.#heap[0] ?? null
    return this.#current !== null
  }

  #start(): void {
    this.#isStarted = true
    this.#heap = this.#heap.filter((cursor) => cursor.next())
    for (let place = (this.#heap.length >>> 1) - 1; place >= 0; place--) this.#sink(place)
  }

  #dropRoot(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    this.#sink(0)
  }

  #sink(from: number): void {
    const heap = this.#heap
    const moved = heap[from]
    if (moved === undefined) return
    let place = from
    for (;;) {
      const left = heap[2 * place + 1]
      if (left === undefined) break
      const right = heap[2 * place + 2]
      const isRight = right !== undefined && compareEntries(right, left) < 0
      const least = isRight ? right : left
      if (compareEntries(least, moved) >= 0) break
      heap[place] = least
      place = 2 * place + (isRight ? 2 : 1)
    }
    heap[place] = moved
  }
}

const NO_BYTES = Buffer.alloc(0)

/** Each row key once. */
export class DistinctRows {
  /** The row's entry. */
  bytes: Buffer = NO_BYTES
  at = 0
  high = 0
  low = 0
  duplicateCount = 0
  /** Of the entries of those rows. */
  duplicateBytes = 0
  readonly #entries: EntryCursor
  readonly #rule: DuplicateRule
  readonly #nameOf: (place: EntryPlace) => string
  #hasNext: boolean

  /** `nameOf` says where a row stands, for messages: `file:line`. */
  constructor(entries: EntryCursor, rule: DuplicateRule, nameOf: (place: EntryPlace) => string) {
    this.#entries = entries
    this.#rule = rule
    this.#nameOf = nameOf
    this.#hasNext = entries.next()
  }

  /** The current row is the last one. */
  get isLast(): boolean {
    return !this.#hasNext
  }

  /** To the first row, then to the next; false when there is none. @throws {KVError} INVALID_ARGUMENT for a second row */
  next(): boolean {
    if (!this.#hasNext) return false
    const entries = this.#entries
    this.#take()
    this.#hasNext = entries.next()
    if (!this.#hasNext || entries.high !== this.high || compareEntries(this, entries) !== 0) return true
    // What follows may take many blocks: the row that counts must not lie in one of them.
    this.#keep()
    while (this.#hasNext && compareEntries(this, entries) === 0) {
      this.#choose()
      this.#hasNext = entries.next()
    }
    return true
  }

  #choose(): void {
    const { bytes, at } = this.#entries
    const places = [entryPlace(this.bytes, this.at), entryPlace(bytes, at)] as const
    if (this.#rule === 'fail') throw this.#refusal(places)
    this.duplicateCount++
    this.duplicateBytes += entrySize(bytes, at)
    if (comparePlaces(places[1], places[0]) > 0 !== (this.#rule === 'last')) return
    this.#take()
    this.#keep()
  }

  #refusal([one, other]: readonly [EntryPlace, EntryPlace]): KVError {
    const [first, second] = comparePlaces(one, other) < 0 ? [one, other] : [other, one]
    const key = hexPreview(entryKey(this.bytes, this.at))
    return new KVError(
      'INVALID_ARGUMENT',
      `${this.#nameOf(second)} has the row key ${key} of ${this.#nameOf(first)}: row keys must be unique; ` +
        'correct the input, or take the first or the last row of a key',
    )
  }

  #take(): void {
    const { bytes, at, high, low } = this.#entries
    this.bytes = bytes
    this.at = at
    this.high = high
    this.low = low
  }

  #keep(): void {
    this.bytes = Buffer.from(this.bytes.subarray(this.at, this.at + entrySize(this.bytes, this.at)))
    this.at = 0
  }
}
