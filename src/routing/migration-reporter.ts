/**
 * What a thread tells the main thread of datasets that move: figures about once a second, differences a little sooner.
 * Bounded: differences that come faster than they are handed over are counted instead.
 */
import type { StartTimer } from '../base/clock.js'
import type { Difference } from '../model/difference.js'
import type { MigrationWatch, WatchSnapshot } from './migration-watch.js'
import { WaitingDifferences } from './waiting-differences.js'

const FIGURES_MS = 1_000
const DIFFERENCES_MS = 250

export interface ReporterOptions {
  readonly watch: MigrationWatch
  readonly startTimer: StartTimer
  readonly monotonicMs: () => number
  readonly sendFigures: (figures: readonly WatchSnapshot[]) => void
  /** `lost`: found since the last time and not among them. */
  readonly sendDifferences: (differences: readonly Difference[], lost: number) => void
}

export class MigrationReporter {
  readonly #options: ReporterOptions
  readonly #differences = new WaitingDifferences()
  #lost = 0
  #isWaiting = false
  /** Main has figures, which it keeps until it is told others. */
  #hasTold = false

  constructor(options: ReporterOptions) {
    this.#options = options
    this.#tellFigures()
  }

  add(difference: Difference): void {
    if (!this.#differences.add(difference)) this.#lost += 1
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#options.startTimer(DIFFERENCES_MS, () => {
      this.#isWaiting = false
      const lost = this.#lost
      this.#lost = 0
      this.#options.sendDifferences(this.#differences.take(), lost)
    })
  }

  #tellFigures(): void {
    const { watch, startTimer, monotonicMs, sendFigures } = this.#options
    startTimer(FIGURES_MS, () => {
      if (!watch.isEmpty || this.#hasTold) sendFigures(watch.snapshot(monotonicMs()))
      this.#hasTold = !watch.isEmpty
      this.#tellFigures()
    })
  }
}
