/**
 * How long a backend must have been waited for until its silence speaks against it. Callers may wait as short as they like,
 * and a store may be slow by nature: so it is a multiple of what the store itself takes, within bounds.
 */
import { SideFigures, sumSides } from './side-figures.js'

/** Of the p99 of the last minute: a store that is slower than that for a moment is not silent. */
const TIMES_P99 = 3
/** A pause of a garbage collector is no stall, however fast the store is otherwise. */
const MIN_FAIR_MS = 100
/** While too few answers are known to tell. */
const UNKNOWN_FAIR_MS = 1_000
/** What is known is worked out again after so long. */
const RENEW_MS = 1_000

export class FairTime {
  readonly #budgetMs: number
  readonly #figures = new SideFigures()
  #ms: number
  #renewAtMs = Number.NEGATIVE_INFINITY

  /** @param budgetMs that no call waits longer than */
  constructor(budgetMs: number) {
    this.#budgetMs = budgetMs
    this.#ms = Math.min(budgetMs, UNKNOWN_FAIR_MS)
  }

  /** What every backend gets, of whose calls nothing is known: writes and scans take as long as they take. */
  get leastMs(): number {
    return Math.min(this.#budgetMs, MIN_FAIR_MS)
  }

  /** Milliseconds. @param nowMs monotonic */
  at(nowMs: number): number {
    if (nowMs >= this.#renewAtMs) {
      this.#renewAtMs = nowMs + RENEW_MS
      const { p99Ms } = sumSides([this.#figures.snapshot(nowMs)])
      const wishedMs = p99Ms === null ? UNKNOWN_FAIR_MS : Math.max(MIN_FAIR_MS, p99Ms * TIMES_P99)
      this.#ms = Math.min(this.#budgetMs, wishedMs)
    }
    return this.#ms
  }

  /** An answer came after so long. */
  record(durationMs: number, nowMs: number): void {
    this.#figures.record(durationMs, false, nowMs)
  }
}
