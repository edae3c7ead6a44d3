/** What the rows of one request may hold in memory, and what they count for in a page. */
import { KVError } from '../../../base/errors.js'
import { MAX_READ_BYTES } from '../store/binding.js'

/** What a cell costs beside its bytes, in objects and in the answer's frame: a million cells fill the budget. */
export const CELL_COST_BYTES = 64

/** What a cell counts for in a page, beside its local key and its value. */
export const PAGE_BYTES_PER_CELL = 32

export interface ByteBudget {
  /** Negative when there were more. */
  readonly leftBytes: number
  /** @throws {KVError} TOO_LARGE when that was more than was left; then nothing is left */
  charge(bytes: number, cellCount?: number): void
}

export class HeldBytes implements ByteBudget {
  readonly #maxBytes: number
  #leftBytes: number

  constructor(maxBytes: number = MAX_READ_BYTES) {
    this.#maxBytes = maxBytes
    this.#leftBytes = maxBytes
  }

  get heldBytes(): number {
    return this.#maxBytes - this.#leftBytes
  }

  get leftBytes(): number {
    return this.#leftBytes
  }

  charge(bytes: number, cellCount = 0): void {
    this.#leftBytes -= bytes + cellCount * CELL_COST_BYTES
    if (this.#leftBytes < 0) throw tooLarge()
  }
}

export function tooLarge(): KVError {
  return new KVError(
    'TOO_LARGE',
    'the rows asked for hold more bytes than one answer may: ask for fewer, for less of them, or in pages',
  )
}
