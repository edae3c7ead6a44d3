/** How fast work goes of late, from how much of it was done when. */
import type { Clock } from '../base/clock.js'

/** Older samples do not count: a source that becomes slower shows after so long. */
const WINDOW_MS = 20_000
/** Samples closer to each other say nothing new. */
const STEP_MS = 100
/** Before that much has been seen, a rate would be a guess. */
const WARM_UP_MS = 1_000

interface Sample {
  readonly atMs: number
  readonly done: number
}

export class Pace {
  readonly #clock: Clock
  readonly #samples: Sample[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param done units done since the beginning; never fewer than before */
  note(done: number): void {
    const atMs = this.#clock.monotonicMs()
    const last = this.#samples.at(-1)
    if (last !== undefined && atMs - last.atMs < STEP_MS) return
    this.#samples.push({ atMs, done })
    while ((this.#samples[1]?.atMs ?? Infinity) < atMs - WINDOW_MS) this.#samples.shift()
  }

  /** Units a second; null while it warms up. */
  perSecond(): number | null {
    const [first] = this.#samples
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.atMs - first.atMs < WARM_UP_MS) return null
    return ((last.done - first.done) * 1000) / (last.atMs - first.atMs)
  }
}
