/**
 * One request's reading of one shard: its rows as they come in, and the one budget of bytes that they share, however they
 * are read. A row beyond the budget answers TOO_LARGE, and nothing is read for those behind it. What counts is what is
 * held: stored values with what they were found in, also of rows that turn out too large. The keys that are asked for
 * have a budget of the same size.
 *
 * Rows of a request with a page are cut where it ends: by their readers as far as those know what the rows before them
 * hold, and for good when all are there (read-pages.ts).
 */
import type { Done, KVError } from '../../../base/errors.js'
import type { ShardRead } from '../../../model/plan.js'
import { type CellSelector, isPlain, type RowOutcome } from '../../../model/row.js'
import { type Selection, selectionOf } from '../../selection.js'
import { MAX_READ_BYTES } from '../store/binding.js'
import { type ByteBudget, CELL_COST_BYTES, tooLarge } from './held-bytes.js'
import type { PacedRequest } from './read-pace.js'
import { cutAtPage, pageBytesOf } from './read-pages.js'

export class ReadJob implements ByteBudget, PacedRequest {
  readonly read: ShardRead
  readonly #done: Done<readonly RowOutcome[]>
  readonly #rows: RowOutcome[]
  /** Rows with a page: 1 where the outcome is there; null without a page. */
  readonly #isSettled: Uint8Array | null
  #remaining: number
  #leftBytes = MAX_READ_BYTES
  #keyBytes = 0
  #settledCount = 0
  #settledPageBytes = 0
  #selector: CellSelector | null = null
  #selection: Selection | null = null

  constructor(read: ShardRead, done: Done<readonly RowOutcome[]>) {
    this.read = read
    this.#done = done
    this.#remaining = read.rowKeys.length
    this.#rows = new Array<RowOutcome>(this.#remaining).fill(null)
    this.#isSettled = read.pageBytes === null ? null : new Uint8Array(this.#remaining)
  }

  /** Without a key there is nothing to read. */
  get isEmpty(): boolean {
    return this.#remaining === 0
  }

  get leftBytes(): number {
    return this.#leftBytes
  }

  get heldBytes(): number {
    return MAX_READ_BYTES - this.#leftBytes
  }

  charge(bytes: number, cellCount = 0): void {
    this.#leftBytes -= bytes + cellCount * CELL_COST_BYTES
    if (this.#leftBytes < 0) throw tooLarge()
  }

  /** For the keys of a row. @throws {KVError} TOO_LARGE when they, and those of the rows before, are too many bytes */
  chargeKeys(bytes: number): void {
    if (this.#keyBytes + bytes > MAX_READ_BYTES) throw tooLarge()
    this.#keyBytes += bytes
  }

  get isSpent(): boolean {
    return this.#leftBytes <= 0
  }

  get isPaged(): boolean {
    return this.#isSettled !== null
  }

  /** Of the cells that readers make: where a row is cut its last cell's must be known. */
  get withTimestamps(): boolean {
    return this.read.withTimestamps || this.isPaged
  }

  /** The same of a row that is walked: the first one is cut where its page ends, and then never again. */
  withTimestampsOf(index: number): boolean {
    return index === 0 ? this.read.withTimestamps : this.withTimestamps
  }

  selectorOf(index: number): CellSelector | null {
    const { selector, selectorsByKey } = this.read
    return selectorsByKey === null ? selector : (selectorsByKey[index] ?? null)
  }

  /** Whether a row is wanted whole or by the names of its columns, from its start, and nothing else. */
  isSimple(index: number): boolean {
    const selector = this.selectorOf(index)
    return this.read.position === null && (selector === null || isPlain(selector))
  }

  selectionOf(index: number): Selection {
    const selector = this.selectorOf(index)
    // Most requests have one for all of their rows.
    if (this.#selection === null || selector !== this.#selector) {
      this.#selector = selector
      this.#selection = selectionOf(selector, this.read.position)
    }
    return this.#selection
  }

  /** What is left of the page for a row, at most; 0 or less: it is not to be read. Infinity without a page. */
  roomFor(index: number): number {
    const { pageBytes } = this.read
    if (pageBytes === null) return Number.POSITIVE_INFINITY
    while (this.#settledCount < index && this.#isSettled?.[this.#settledCount] === 1) {
      this.#settledPageBytes += pageBytesOf(this.#rows[this.#settledCount] ?? null)
      this.#settledCount++
    }
    return pageBytes - this.#settledPageBytes
  }

  /** The outcome of one row; the last one answers the request. */
  settle(index: number, outcome: RowOutcome): void {
    this.#rows[index] = outcome
    if (this.#isSettled !== null) this.#isSettled[index] = 1
    this.#remaining--
    if (this.#remaining === 0) this.answer()
  }

  /** A callback that throws must not keep the others from being answered; its error surfaces by itself. */
  answer(outcome: readonly RowOutcome[] | KVError = this.#outcomes()): void {
    try {
      this.#done(outcome)
    } catch (error) {
      setImmediate(() => {
        throw error
      })
    }
  }

  #outcomes(): readonly RowOutcome[] {
    const { pageBytes, withTimestamps } = this.read
    return pageBytes === null ? this.#rows : cutAtPage(this.#rows, { pageBytes, withTimestamps })
  }
}
