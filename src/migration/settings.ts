/** What an operator sets once for all migrations (`migration.*` of the configuration). Plain data. */
export interface MigrationSettings {
  /** Comparisons without which nothing is said about agreement. */
  readonly minComparisons: number
  /** Requests that the target answered without which nothing is said about its errors and its latency. */
  readonly minRequests: number
  /** Of the comparisons: may mismatch. */
  readonly maxMismatchShare: number
  /** Of the second readings of the origin: may differ from its first. */
  readonly maxUnstableShare: number
  /** Of the shadow reads: may end without a comparison. */
  readonly maxLostShare: number
  /** Of its requests: the target may fail so many more than the origin. */
  readonly maxErrorShare: number
  /** The target's p99 may be so many times the origin's, and so many milliseconds beyond. */
  readonly maxLatencyRatio: number
  readonly latencySlackMs: number
  /** A state in which the target answers alone is left no sooner. */
  readonly soakMs: number
  /** Breaches are looked for in the figures of so long. */
  readonly breachWindowMs: number
  /** How often figures are looked at. */
  readonly watchEveryMs: number
  /** An owed load is tried again after so long, then after twice as long, and so on. */
  readonly owedRetryMs: number
}
