/**
 * How much one data thread reads at a time, over all its shards:
 *
 * - what is read on the thread itself and may be long goes in steps, a slice of them a loop turn, so that sockets and
 *   other reads get their turns in between;
 * - scans have slices of their own, in turns with those of rows, and some of them in turns with each other: a scan that
 *   looks at a million rows delays neither a row nor a scan of ten;
 * - of what is read on libuv's pool only so much is under way, so that values do not pile up faster than they are
 *   answered. A request's second reading goes before another's first.
 *
 * Rows and what is read on the pool in the order in which they came: requests are finished and answered one after the
 * other, so that at any time only the first of them holds a part of its answer.
 */
import type { Clock } from '../../../base/clock.js'

/** A slice ends behind the step that reaches either, so that there is always one. The bytes take about as long. */
const SLICE_MS = 4
const SLICE_BYTES = 4 * 1024 * 1024

/** MultiGets of one thread on the pool, which has 8 threads; each is at most MAX_READ_BYTES. */
const MAX_POOL_READS = 8

/** Scans that take turns; those behind them wait. Each holds a cursor and its page. */
const MAX_ACTIVE_SCANS = 4

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
  #scans: ReadStep[] = []
  #nextScan = 0
  #isScanTurn = true
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

  /** The same for a scan. */
  addScan(step: ReadStep): void {
    this.#scans.push(step)
  }

  /** Reads a slice now, unless one is due already, and the rest in later turns. */
  run(): void {
    if (this.#isDue || !this.#hasWork) return
    this.#isDue = true
    this.#runSlice()
  }

  get #hasWork(): boolean {
    return this.#nextStep < this.#steps.length || this.#scans.length > 0
  }

  #runSlice(): void {
    const slice = { bytes: 0 }
    const endMs = this.#clock.monotonicMs() + SLICE_MS
    const isOver = () => slice.bytes >= SLICE_BYTES || this.#clock.monotonicMs() >= endMs
    const hasSteps = this.#nextStep < this.#steps.length
    this.#isScanTurn = this.#scans.length > 0 && (!hasSteps || !this.#isScanTurn)
    if (this.#isScanTurn) this.#runScan(slice, isOver)
    else this.#runSteps(slice, isOver)
    this.#isDue = this.#hasWork
    if (this.#isDue) setImmediate(() => this.#runSlice())
  }

  #runSteps(slice: Slice, isOver: () => boolean): void {
    do {
      if (this.#steps[this.#nextStep]?.(slice) !== true) this.#nextStep++
    } while (this.#nextStep < this.#steps.length && !isOver())
    // Steps that are done hold the keys of their requests.
    this.#steps.splice(0, this.#nextStep)
    this.#nextStep = 0
  }

  /** Scans that end soon share a slice; one that does not gives way to the next at the slice's end. */
  #runScan(slice: Slice, isOver: () => boolean): void {
    let goesOn: boolean
    do {
      const active = Math.min(this.#scans.length, MAX_ACTIVE_SCANS)
      if (this.#nextScan >= active) this.#nextScan = 0
      goesOn = this.#scans[this.#nextScan]?.(slice) === true
      if (!goesOn) this.#scans.splice(this.#nextScan, 1)
    } while (this.#scans.length > 0 && !isOver())
    if (goesOn) this.#nextScan++
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
