/**
 * What one filter may cost, counted over all of its parts: what its regular expressions keep in memory, what they and the
 * comparisons of text do for one cell, and how much was done since the time was looked at. A step takes some ten
 * nanoseconds.
 */
import { limits } from '../../src/base/limits.js'
import { DO_NOT_RETRY, ioFault, runtime } from './hbase-errors.js'

/** A millisecond or two; looking at a clock costs as much as a few steps. */
const STEPS_BETWEEN_LOOKS = 100_000
/** Of a question about a cell, beside what it does with text. */
const STEPS_A_QUESTION = 8

export class FilterWork {
  #states = 0
  #ofCell = 0
  #sinceLook = 0

  /** Of all regular expressions. */
  get states(): number {
    return this.#states
  }

  /** @throws {KVError} what the handler's parser throws */
  addState(): void {
    this.#states += 1
    if (this.#states > limits.maxFilterStates)
      throw runtime(`a filter whose regular expressions have more than ${limits.maxFilterStates} states`)
  }

  /** Before each cell, with the number of questions that it is asked. */
  beginCell(questions: number): void {
    this.#ofCell = 0
    this.#sinceLook += questions * STEPS_A_QUESTION
  }

  /** @throws {KVError} where one cell takes too many */
  spend(steps: number): void {
    this.#ofCell += steps
    this.#sinceLook += steps
    if (this.#ofCell <= limits.maxFilterSteps) return
    throw ioFault(
      DO_NOT_RETRY,
      `a cell takes the regular expressions and substrings of the filter more than ${limits.maxFilterSteps} steps`,
    )
  }

  /** Whether so much was done that the time may have passed; begins anew. */
  takeLook(): boolean {
    if (this.#sinceLook < STEPS_BETWEEN_LOOKS) return false
    this.#sinceLook = 0
    return true
  }
}
