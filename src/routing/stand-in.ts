/**
 * A read of one side, for which the other one stands in: when it has failed, and when it has not answered after a while. The
 * first good answer counts; what comes later is dropped. A side that stalls thus costs its callers that while, and not their
 * whole time, before its breaker has noticed.
 */
import type { StartTimer } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { ReadResult } from '../model/request.js'
import { hasFailed } from './sides.js'

export type ReadOutcome = ReadResult | KVError

/** Answers once. */
export type AskSide = (done: (outcome: ReadOutcome) => void) => void

export interface StandInOptions {
  readonly first: AskSide
  readonly other: AskSide
  readonly startTimer: StartTimer
  /** The other side is asked so long after the first; null: only when the first has failed. */
  readonly afterMs: number | null
  /** Whether the other one may be asked for what the first failed with, and there is time left. */
  mayAsk(): boolean
}

/** Answers once; `isOther`: it is the other side's answer. */
export function readWithStandIn(
  options: StandInOptions,
  done: (outcome: ReadOutcome, isOther: boolean) => void,
): void {
  new StandIn(options, done).start()
}

class StandIn {
  readonly #options: StandInOptions
  readonly #done: (outcome: ReadOutcome, isOther: boolean) => void
  #firstFailure: ReadOutcome | null = null
  #otherFailure: ReadOutcome | null = null
  #hasAskedOther = false
  #isDone = false
  #stopTimer: (() => void) | null = null

  constructor(options: StandInOptions, done: (outcome: ReadOutcome, isOther: boolean) => void) {
    this.#options = options
    this.#done = done
  }

  start(): void {
    const { first, startTimer, afterMs } = this.#options
    first((outcome) => this.#receiveFirst(outcome))
    if (afterMs === null || this.#isDone || this.#hasAskedOther) return
    this.#stopTimer = startTimer(Math.max(1, Math.ceil(afterMs)), () => {
      this.#stopTimer = null
      this.#askOther()
    })
  }

  #receiveFirst(outcome: ReadOutcome): void {
    if (this.#isDone) return
    if (!hasFailed(outcome)) {
      this.#finish(outcome, false)
      return
    }
    this.#firstFailure = outcome
    if (this.#hasAskedOther || !this.#options.mayAsk()) this.#endIfBothFailed(outcome)
    else this.#askOther()
  }

  #askOther(): void {
    this.#hasAskedOther = true
    this.#options.other((outcome) => {
      if (this.#isDone) return
      // An error of any kind says less than the first side may yet answer.
      if (!(outcome instanceof KVError) && !hasFailed(outcome)) {
        this.#finish(outcome, true)
        return
      }
      this.#otherFailure = outcome
      if (this.#firstFailure !== null) this.#endIfBothFailed(this.#firstFailure)
    })
  }

  /** What a side could answer of some keys is better than a failure of all; the first one's failure is the better reason. */
  #endIfBothFailed(first: ReadOutcome): void {
    const other = this.#otherFailure
    if (this.#hasAskedOther && other === null) return
    if (other === null || other instanceof KVError) this.#finish(first, false)
    else this.#finish(other, true)
  }

  #finish(outcome: ReadOutcome, isOther: boolean): void {
    this.#isDone = true
    this.#stopTimer?.()
    this.#stopTimer = null
    this.#done(outcome, isOther)
  }
}
