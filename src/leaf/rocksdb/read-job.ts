/**
 * One request's reading of one shard: its rows as they come in, and the one budget of bytes that they share, however they
 * are read. A row beyond the budget answers TOO_LARGE, and nothing is read for those behind it. What counts is what is
 * held: stored values with what they were found in, also of rows that turn out too large. The keys that are asked for
 * have a budget of the same size.
 */
import { type Done, KVError } from '../../base/errors.js'
import type { ShardRead } from '../../model/plan.js'
import type { CellSelector, RowOutcome } from '../../model/row.js'
import { MAX_READ_BYTES } from './binding.js'

/** What a cell costs beside its bytes, in objects and in the answer's frame: a million cells fill the budget. */
const CELL_COST_BYTES = 64

export class ReadJob {
  readonly read: ShardRead
  readonly #done: Done<readonly RowOutcome[]>
  readonly #rows: RowOutcome[]
  #remaining: number
  #leftBytes = MAX_READ_BYTES
  #keyBytes = 0

  constructor(read: ShardRead, done: Done<readonly RowOutcome[]>) {
    this.read = read
    this.#done = done
    this.#remaining = read.rowKeys.length
    this.#rows = new Array<RowOutcome>(this.#remaining).fill(null)
  }

  /** Without a key there is nothing to read. */
  get isEmpty(): boolean {
    return this.#remaining === 0
  }

  /** Bytes that may still be read; negative when there were more. */
  get leftBytes(): number {
    return this.#leftBytes
  }

  /** For the keys of a row. @throws {KVError} TOO_LARGE when they, and those of the rows before, are too many bytes */
  chargeKeys(bytes: number): void {
    if (this.#keyBytes + bytes > MAX_READ_BYTES) throw tooLarge()
    this.#keyBytes += bytes
  }

  get isSpent(): boolean {
    return this.#leftBytes <= 0
  }

  /** Whether anything may still be read for it. */
  mayRead(nowMs: number): boolean {
    return !this.isSpent && this.read.deadline > nowMs
  }

  /** Why not. */
  refusal(nowMs: number): KVError {
    if (this.read.deadline > nowMs) return tooLarge()
    return new KVError('DEADLINE_EXCEEDED', 'deadline passed before the row was read')
  }

  /** @throws {KVError} TOO_LARGE when that was more than was left; then nothing is left */
  charge(bytes: number, cellCount = 0): void {
    this.#leftBytes -= bytes + cellCount * CELL_COST_BYTES
    if (this.#leftBytes < 0) throw tooLarge()
  }

  selectorOf(index: number): CellSelector | null {
    const { selector, selectorsByKey } = this.read
    return selectorsByKey === null ? selector : (selectorsByKey[index] ?? null)
  }

  /** The outcome of one row; the last one answers the request. */
  settle(index: number, outcome: RowOutcome): void {
    this.#rows[index] = outcome
    this.#remaining--
    if (this.#remaining === 0) this.answer()
  }

  /** A callback that throws must not keep the others from being answered; its error surfaces by itself. */
  answer(outcome: readonly RowOutcome[] | KVError = this.#rows): void {
    try {
      this.#done(outcome)
    } catch (error) {
      setImmediate(() => {
        throw error
      })
    }
  }
}

export function tooLarge(): KVError {
  return new KVError(
    'TOO_LARGE',
    `the rows asked for hold more than ${MAX_READ_BYTES} bytes: ask for fewer, or for less of them`,
  )
}
