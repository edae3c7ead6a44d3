/**
 * Failures without an answer between them. Where many answers came before, a share of failures shows a stall only when those
 * are forgotten; that nothing is answered any more shows at once.
 */

/** So many, so that no single caller and no single key decides. */
const MIN_FAILURES = 10
/** Over so long: connections that break at the same moment, or a pause of a garbage collector, are over sooner. */
const MIN_SPAN_MS = 500
/** Failures so far apart are no row. */
const MAX_PAUSE_MS = 5_000

export class FailureRow {
  #count = 0
  #firstAtMs = 0
  #lastAtMs = 0

  /** Whether nothing is answered any more. @param nowMs monotonic */
  note(hasFailed: boolean, nowMs: number): boolean {
    if (!hasFailed) {
      this.#count = 0
      return false
    }
    if (this.#count === 0 || nowMs - this.#lastAtMs > MAX_PAUSE_MS) {
      this.#count = 0
      this.#firstAtMs = nowMs
    }
    this.#count += 1
    this.#lastAtMs = nowMs
    return this.#count >= MIN_FAILURES && nowMs - this.#firstAtMs >= MIN_SPAN_MS
  }
}
