/**
 * A read in at most two attempts: the second one begins when the first fails at once because the backend could not be
 * reached, or, where hedging is on, when the first has not answered after a while. The first good answer counts; what
 * comes later is dropped. Only for reads: a write might happen twice.
 */
import type { StartTimer } from '../base/clock.js'
import { type Done, KVError } from '../base/errors.js'
import type { RetryBudget } from './retry-budget.js'

/** Why a second attempt was made. */
export type SecondAttempt = 'retry' | 'hedge'

export interface AttemptsOptions {
  readonly budget: RetryBudget
  readonly startTimer: StartTimer
  /** A second attempt begins so long after the first; 0: only after a failure. */
  readonly hedgeAfterMs: number
  onSecond(why: SecondAttempt): void
}

/** Begins an attempt, which answers once; false: there is no room for a second one, and it will not answer. */
export type Attempt<T> = (done: Done<T>, isFirst: boolean) => boolean

/** Answers once. */
export function inTwoAttempts<T>(attempt: Attempt<T>, options: AttemptsOptions, done: Done<T>): void {
  new Attempts(attempt, options, done).start()
}

class Attempts<T> {
  readonly #attempt: Attempt<T>
  readonly #options: AttemptsOptions
  readonly #done: Done<T>
  #running = 0
  #hasSecond = false
  #isDone = false
  /** Of the attempt that failed while the other goes on. */
  #failure: KVError | null = null
  #stopTimer: (() => void) | null = null

  constructor(attempt: Attempt<T>, options: AttemptsOptions, done: Done<T>) {
    this.#attempt = attempt
    this.#options = options
    this.#done = done
  }

  start(): void {
    const { budget, hedgeAfterMs, startTimer } = this.#options
    budget.earn()
    this.#running = 1
    this.#attempt((outcome) => this.#receive(outcome), true)
    if (hedgeAfterMs === 0 || this.#isDone || this.#hasSecond) return
    this.#stopTimer = startTimer(hedgeAfterMs, () => {
      this.#stopTimer = null
      this.#second('hedge')
    })
  }

  #receive(outcome: T | KVError): void {
    this.#running -= 1
    if (this.#isDone) return
    const earlier = this.#failure
    if (outcome instanceof KVError) {
      this.#failure ??= outcome
      if (isUnreached(outcome) && this.#second('retry')) return
      // The other attempt may still bring a good answer.
      if (this.#running > 0) return
    }
    this.#isDone = true
    this.#stopTimer?.()
    this.#stopTimer = null
    // Both failed: the first says what is wrong with the backend, the second perhaps only that there was no room.
    this.#done(outcome instanceof KVError ? (earlier ?? outcome) : outcome)
  }

  #second(why: SecondAttempt): boolean {
    const { budget } = this.#options
    if (this.#hasSecond || this.#isDone || !budget.spend()) return false
    this.#hasSecond = true
    this.#running += 1
    if (!this.#attempt((outcome) => this.#receive(outcome), false)) {
      this.#running -= 1
      budget.giveBack()
      return false
    }
    this.#options.onSecond(why)
    return true
  }
}

/**
 * The connection failed, so that another one may do better; whatever took until its deadline has no time left. What the
 * backend itself answered is an answer: errors of reads say what became of the call only where the connection failed.
 */
function isUnreached({ code, outcome }: KVError): boolean {
  return code === 'UNAVAILABLE' && outcome !== undefined
}
