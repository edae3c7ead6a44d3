/**
 * A caller who may leave before the answer comes: it is told DEADLINE_EXCEEDED at its own deadline, while the call goes on
 * for a moment, so that what becomes of it can be learnt. Told once, whatever comes first.
 */
import type { StartTimer } from '../base/clock.js'
import type { Done, KVError } from '../base/errors.js'

export class WaitingCaller<T> {
  readonly #done: Done<T>
  #hasGone = false
  #stopTimer: (() => void) | null = null

  constructor(done: Done<T>) {
    this.#done = done
  }

  /** @param afterMs from now on; the error is the one it gets then */
  leaveAfter(afterMs: number, startTimer: StartTimer, error: () => KVError): void {
    this.#stopTimer = startTimer(Math.max(1, Math.ceil(afterMs)), () => {
      this.#stopTimer = null
      this.tell(error())
    })
  }

  tell(outcome: T | KVError): void {
    if (this.#hasGone) return
    this.#hasGone = true
    this.#stopTimer?.()
    this.#stopTimer = null
    this.#done(outcome)
  }
}
