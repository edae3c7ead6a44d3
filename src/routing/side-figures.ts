/**
 * How one side answered on one thread: counts since the thread began, and the latencies of the last minute in buckets that
 * grow by a tenth, so that a percentile is known to that. Recording allocates nothing.
 *
 * What failed is counted and has no latency: a side that refuses at once would look fast, and the other one slow beside it.
 */

const BUCKETS = 128
const FIRST_BOUND_MS = 0.05
const GROWTH = 1.1
const LOG_GROWTH = Math.log(GROWTH)

/** The last minute, in steps that are forgotten one by one. */
const SLOTS = 12
const SLOT_MS = 5_000

/** A percentile of fewer latencies says nothing. */
const MIN_FOR_MEDIAN = 20
const MIN_FOR_P99 = 100

/** Plain data; travels between threads. */
export interface SideSnapshot {
  readonly requests: number
  readonly errors: number
  /** Of answers of the last minute, a count a bucket. */
  readonly latencies: Uint32Array
}

export class SideFigures {
  requests = 0
  errors = 0
  readonly #counts = new Uint32Array(SLOTS * BUCKETS)
  readonly #slotNumbers = new Float64Array(SLOTS).fill(-1)

  /** @param nowMs monotonic, when the answer came */
  record(durationMs: number, hasFailed: boolean, nowMs: number): void {
    this.requests += 1
    if (hasFailed) {
      this.errors += 1
      return
    }
    const number = Math.floor(nowMs / SLOT_MS)
    const slot = number % SLOTS
    if (this.#slotNumbers[slot] !== number) {
      this.#counts.fill(0, slot * BUCKETS, (slot + 1) * BUCKETS)
      this.#slotNumbers[slot] = number
    }
    const at = slot * BUCKETS + bucketOfLatency(durationMs)
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
  }

  snapshot(nowMs: number): SideSnapshot {
    const latencies = new Uint32Array(BUCKETS)
    const oldest = Math.floor(nowMs / SLOT_MS) - SLOTS + 1
    for (let slot = 0; slot < SLOTS; slot += 1) {
      if ((this.#slotNumbers[slot] ?? -1) < oldest) continue
      addCounts(latencies, this.#counts.subarray(slot * BUCKETS, (slot + 1) * BUCKETS))
    }
    return { requests: this.requests, errors: this.errors, latencies }
  }
}

function bucketOfLatency(durationMs: number): number {
  if (durationMs <= FIRST_BOUND_MS) return 0
  return Math.min(BUCKETS - 1, Math.ceil(Math.log(durationMs / FIRST_BOUND_MS) / LOG_GROWTH))
}

/** Of all threads. */
export interface SideSum {
  readonly requests: number
  readonly errors: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
}

export function sumSides(snapshots: readonly SideSnapshot[]): SideSum {
  const latencies = new Uint32Array(BUCKETS)
  let [requests, errors] = [0, 0]
  for (const one of snapshots) {
    requests += one.requests
    errors += one.errors
    addCounts(latencies, one.latencies)
  }
  return {
    requests,
    errors,
    p50Ms: percentile(latencies, 0.5, MIN_FOR_MEDIAN),
    p99Ms: percentile(latencies, 0.99, MIN_FOR_P99),
  }
}

function addCounts(sum: Uint32Array, counts: Uint32Array): void {
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    sum[bucket] = (sum[bucket] ?? 0) + (counts[bucket] ?? 0)
  }
}

/** The upper bound of the bucket that holds it. */
function percentile(counts: Uint32Array, share: number, minCount: number): number | null {
  let total = 0
  for (const count of counts) total += count
  if (total < minCount) return null
  let left = Math.ceil(total * share)
  for (const [bucket, count] of counts.entries()) {
    left -= count
    if (left <= 0) return FIRST_BOUND_MS * GROWTH ** bucket
  }
  return null
}
