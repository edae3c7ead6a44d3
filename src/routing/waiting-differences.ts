/** Differences that wait to be handed on, bounded in number and in bytes: keys and columns may be long, and many. */
import { limits } from '../base/limits.js'
import type { Difference } from '../model/difference.js'

/** What a record holds beside its key, column and caller, roughly, in memory as on disk. */
const BYTES_PER_RECORD = 256

export class WaitingDifferences {
  #differences: Difference[] = []
  #bytes = 0

  get length(): number {
    return this.#differences.length
  }

  /** False: there is no room for it. */
  add(difference: Difference): boolean {
    const bytes = bytesOf(difference)
    const isFull =
      this.#differences.length >= limits.maxQueuedDifferences ||
      this.#bytes + bytes > limits.maxQueuedDifferenceBytes
    if (isFull) return false
    this.#differences.push(difference)
    this.#bytes += bytes
    return true
  }

  /** All of them, which wait no longer. */
  take(): Difference[] {
    const taken = this.#differences
    this.#differences = []
    this.#bytes = 0
    return taken
  }
}

function bytesOf({ key, column, caller }: Difference): number {
  return BYTES_PER_RECORD + key.length + (column?.length ?? 0) + (caller?.length ?? 0)
}
