/**
 * The second read of a call that names two clusters: begun when the first has not answered after the call's
 * `speculativeTimeoutMillis`; the first good answer counts, and the other one is thrown away.
 *
 * Terrapin asked its other cluster (ReplicatedTerrapinClient, FutureUtil). Here both names lead to one tier, so the second
 * read goes to another leaf that has the data, and is only made where there is one. It is work on top of what may be slow
 * because there is too much: at most a tenth of the calls that could have one get one, and a bounded number at a time.
 */
import type { StartTimer } from '../../src/base/clock.js'
import { type Done, KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'

/** As Terrapin counted them: of second reads, whether the original still answered first. `withheld`: none was made. */
export type SecondReadEvent = 'fired' | 'won' | 'lost' | 'withheld'

export interface SecondReadsOptions {
  readonly startTimer: StartTimer
  readonly onEvent: (event: SecondReadEvent) => void
}

/** Starts one read. `place`: reads of successive places go to different leaves. */
export type StartRead<T extends object> = (place: number, done: Done<T>) => void

const SHARE = 0.1
const BURST = 100
const MAX_PLACE = 0xffff

export class SecondReads {
  readonly #options: SecondReadsOptions
  #credit = BURST
  #inFlight = 0
  #nextPlace = 0

  constructor(options: SecondReadsOptions) {
    this.#options = options
  }

  /** Answers once. `delayMs` of 0 and less: both begin together. */
  read<T extends object>(start: StartRead<T>, delayMs: number, done: Done<T>): void {
    const place = this.#nextPlace
    this.#nextPlace = (place + 1) & MAX_PLACE
    this.#credit = Math.min(BURST, this.#credit + SHARE)
    const call = { waiting: 1, isOver: false, isFired: false }
    let stopTimer: () => void = () => undefined
    const settle = (outcome: T | KVError, isSecond: boolean): void => {
      call.waiting -= 1
      if (isSecond) this.#inFlight -= 1
      // The other one may still succeed.
      if (call.isOver || (outcome instanceof KVError && call.waiting > 0)) return
      call.isOver = true
      stopTimer()
      if (call.isFired) this.#options.onEvent(isSecond ? 'lost' : 'won')
      done(outcome)
    }
    const fire = (): void => {
      if (call.isOver) return
      if (!this.#take()) {
        this.#options.onEvent('withheld')
        return
      }
      call.isFired = true
      call.waiting += 1
      this.#options.onEvent('fired')
      start(place + 1, (outcome) => settle(outcome, true))
    }
    start(place, (outcome) => settle(outcome, false))
    if (call.isOver) return
    if (delayMs <= 0) fire()
    else stopTimer = this.#options.startTimer(delayMs, fire)
  }

  #take(): boolean {
    if (this.#credit < 1 || this.#inFlight >= limits.maxTerrapinSecondReads) return false
    this.#credit -= 1
    this.#inFlight += 1
    return true
  }
}
