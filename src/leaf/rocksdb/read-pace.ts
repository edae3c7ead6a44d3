/**
 * How much one data thread reads at a time, over all its shards:
 *
 * - what is read on the thread itself and may be long goes in steps, a slice of them a loop turn, so that sockets and
 *   other reads get their turns in between;
 * - of what is read on libuv's pool only so much is under way, so that values do not pile up faster than they are
 *   answered. A request's second reading goes before another's first.
 *
 * Both in the order in which they came: requests are finished and answered one after the other, so that at any time only
 * the first of them holds a part of its answer.
 */
import type { Clock } from '../../base/clock.js'

/** A slice ends behind the step that reaches either. The bytes take about as long. */
const SLICE_MS = 4
const SLICE_BYTES = 4 * 1024 * 1024

/** MultiGets of one thread on the pool, which has 8 threads; each is at most MAX_READ_BYTES. */
const MAX_POOL_READS = 8

/** Reads a little; answers whether there is more to do. What it read it adds to `slice`. */
export type ReadStep = (slice: Slice) => boolean

export interface Slice {
  bytes: number
}

/** Begins an asynchronous read; `release` is called once, when it has been answered. */
export type PoolRead = (release: () => void) => void

export class ReadPace {
  readonly #clock: Clock
  #steps: ReadStep[] = []
  #nextStep = 0
  /** Whether a slice is being read, or will be in a later turn. */
  #isDue = false
  readonly #continued: PoolRead[] = []
  readonly #begun: PoolRead[] = []
  #poolReads = 0
  #isStarting = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Queues what is read on this thread; `run` begins it. */
  addStep(step: ReadStep): void {
    this.#steps.push(step)
  }

  /** Reads a slice now, unless one is due already, and the rest in later turns. */
  run(): void {
    if (this.#isDue || this.#nextStep === this.#steps.length) return
    this.#isDue = true
    this.#runSlice()
  }

  #runSlice(): void {
    const slice = { bytes: 0 }
    const endMs = this.#clock.monotonicMs() + SLICE_MS
    while (this.#nextStep < this.#steps.length) {
      if (slice.bytes >= SLICE_BYTES || this.#clock.monotonicMs() >= endMs) {
        // Steps that are done hold the keys of their requests.
        this.#steps.splice(0, this.#nextStep)
        this.#nextStep = 0
        setImmediate(() => this.#runSlice())
        return
      }
      if (this.#steps[this.#nextStep]?.(slice) !== true) this.#nextStep++
    }
    this.#steps = []
    this.#nextStep = 0
    this.#isDue = false
  }

  /** Begins a read on the pool, at once or when others have been answered. */
  addPoolRead(read: PoolRead, isContinued: boolean): void {
    ;(isContinued ? this.#continued : this.#begun).push(read)
    this.#startPoolReads()
  }

  #startPoolReads(): void {
    // A read that is answered while it begins makes room itself: the loop below goes on, instead of a recursion.
    if (this.#isStarting) return
    this.#isStarting = true
    while (this.#poolReads < MAX_POOL_READS) {
      const read = this.#continued.shift() ?? this.#begun.shift()
      if (read === undefined) break
      this.#poolReads++
      read(() => {
        this.#poolReads--
        this.#startPoolReads()
      })
    }
    this.#isStarting = false
  }
}
