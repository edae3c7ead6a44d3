/**
 * How many reads may be sent a second time: a share of those that were sent once, and a few beyond, so that a backend
 * that struggles is not asked twice as much.
 */

/** Second attempts that are saved up at most; what a quiet backend may get at once. */
const MAX_SAVED = 10

export class RetryBudget {
  readonly #share: number
  #saved = MAX_SAVED

  /** @param sharePercent 0: none, ever */
  constructor(sharePercent: number) {
    this.#share = sharePercent / 100
  }

  /** A read goes out for the first time. */
  earn(): void {
    this.#saved = Math.min(MAX_SAVED, this.#saved + this.#share)
  }

  /** Takes one second attempt out of the budget; false: there is none. */
  spend(): boolean {
    if (this.#share === 0 || this.#saved < 1) return false
    this.#saved -= 1
    return true
  }

  /** The second attempt that was taken out was not made. */
  giveBack(): void {
    this.#saved += 1
  }
}
