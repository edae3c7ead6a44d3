/**
 * The copies that are to be made and removed, and which of them are begun: a few at the same time, what clients read
 * first, what failed later again, and what is damaged much later. Leaves have queues of their own, so that finding the
 * next step does not depend on how many there are.
 */
import type { Clock } from '../base/clock.js'
import { toKVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import { targetPath } from './http/leaf-directory.js'
import type { CopyStep, RemovalStep } from './placement-plan.js'

/** Copies at the same time: each takes a disk and a connection at both ends. */
const PARALLEL_COPIES = 6
const PARALLEL_COPIES_OF_LEAF = 2
/** Removals at the same time: each is a rename at the leaf. */
const PARALLEL_REMOVALS_OF_LEAF = 2
/** Of a step that failed; twice as long after each further failure. */
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 60_000
/**
 * A copy whose source is damaged is so the next time, too, and sending it reads a disk for nothing. The first failure may
 * have been a file that changed meanwhile.
 */
const LAST_DAMAGED_RETRY_MS = 3_600_000
/** Failed steps that are remembered. */
const MAX_RETRIES = 10_000

export interface PlacementStepsOptions {
  readonly clock: Clock
  readonly logger: Logger
  copy(step: CopyStep): Promise<void>
  remove(step: RemovalStep): Promise<void>
  /** Whether a removal may be begun now: it is still over, and no read may use it. */
  mayRemove(step: RemovalStep): boolean
  /** A step of this dataset ended, well or not. */
  onEnd(datasetId: string): void
}

interface Retry {
  readonly failures: number
  readonly notBeforeMs: number
  readonly isDamaged: boolean
}

type Step = CopyStep | RemovalStep

/** By key. */
type Queue<T extends Step> = Map<string, T>

class LeafQueues {
  readonly urgent: Queue<CopyStep> = new Map()
  readonly copies: Queue<CopyStep> = new Map()
  readonly removals: Queue<RemovalStep> = new Map()
  copying = 0
  removing = 0

  of(step: Step): Queue<Step> {
    if (!('isUrgent' in step)) return this.removals
    return step.isUrgent ? this.urgent : this.copies
  }

  get isIdle(): boolean {
    const queued = this.urgent.size + this.copies.size + this.removals.size
    return queued + this.copying + this.removing === 0
  }
}

export class PlacementSteps {
  readonly #options: PlacementStepsOptions
  /** By leaf. */
  readonly #queues = new Map<string, LeafQueues>()
  /** What is queued of each dataset. */
  readonly #queued = new Map<string, readonly Step[]>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #retries = new Map<string, Retry>()
  /** Copies that failed, by code. */
  readonly #copyFailures = new Map<string, number>()
  #copying = 0
  #isClosed = false

  constructor(options: PlacementStepsOptions) {
    this.#options = options
  }

  /** These take the place of what was to be done for the dataset. */
  replace(datasetId: string, steps: readonly Step[]): void {
    const before = this.#queued.get(datasetId) ?? []
    for (const step of before) this.#queuesOf(step).of(step).delete(keyOf(step))
    if (steps.length === 0) this.#queued.delete(datasetId)
    else this.#queued.set(datasetId, steps)
    for (const step of steps) this.#queuesOf(step).of(step).set(keyOf(step), step)
    for (const step of before) this.#forgetDamage(step)
  }

  /** Begins what may be begun. */
  start(): void {
    if (this.#isClosed) return
    for (const [leaf, queues] of this.#queues) {
      this.#startOf(queues)
      if (queues.isIdle) this.#queues.delete(leaf)
    }
  }

  /** Copies that a leaf gets just now. */
  copyingTo(leaf: string): number {
    return this.#queues.get(leaf)?.copying ?? 0
  }

  get copyFailures(): ReadonlyMap<string, number> {
    return this.#copyFailures
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#running.values())
  }

  #startOf(queues: LeafQueues): void {
    const mayCopy = () => queues.copying < PARALLEL_COPIES_OF_LEAF && this.#copying < PARALLEL_COPIES
    for (const queue of [queues.urgent, queues.copies]) {
      for (const [key, step] of queue) {
        if (!mayCopy()) break
        if (!this.#isDue(key)) continue
        queues.copying += 1
        this.#copying += 1
        this.#run(step, this.#options.copy(step), () => {
          queues.copying -= 1
          this.#copying -= 1
        })
      }
    }
    for (const [key, step] of queues.removals) {
      if (queues.removing >= PARALLEL_REMOVALS_OF_LEAF) break
      if (!this.#isDue(key) || !this.#options.mayRemove(step)) continue
      queues.removing += 1
      this.#run(step, this.#options.remove(step), () => (queues.removing -= 1))
    }
  }

  #queuesOf({ leaf }: Step): LeafQueues {
    let queues = this.#queues.get(leaf.name)
    if (queues === undefined) this.#queues.set(leaf.name, (queues = new LeafQueues()))
    return queues
  }

  #isDue(key: string): boolean {
    if (this.#running.has(key)) return false
    return (this.#retries.get(key)?.notBeforeMs ?? 0) <= this.#options.clock.monotonicMs()
  }

  /** Never rejects; what failed is tried again later. */
  #run(step: Step, work: Promise<void>, end: () => void): void {
    const key = keyOf(step)
    const running = work
      .then(
        () => {
          this.#retries.delete(key)
          this.#queuesOf(step).of(step).delete(key)
        },
        (error: unknown) => this.#noteFailure(step, error),
      )
      .finally(() => {
        this.#running.delete(key)
        end()
        this.#options.onEnd(step.target.datasetId)
      })
    this.#running.set(key, running)
  }

  /** What is not wanted any more may come back with other files. */
  #forgetDamage(step: Step): void {
    const key = keyOf(step)
    if (this.#retries.get(key)?.isDamaged !== true || this.#queuesOf(step).of(step).has(key)) return
    this.#retries.delete(key)
  }

  /** A version may be removed while it is copied, and then its copy fails, too: that is no reason to look at a disk. */
  #noteFailure(step: Step, error: unknown): void {
    const key = keyOf(step)
    if (!this.#queuesOf(step).of(step).has(key)) return
    const { code, message } = toKVError(error, 'copying')
    if ('isUrgent' in step) this.#copyFailures.set(code, (this.#copyFailures.get(code) ?? 0) + 1)
    const failures = (this.#retries.get(key)?.failures ?? 0) + 1
    const isDamaged = code === 'CORRUPT' && failures > 1
    const delayMs = isDamaged
      ? Math.min(LAST_DAMAGED_RETRY_MS, LAST_RETRY_MS * 2 ** (failures - 2))
      : Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1))
    const notBeforeMs = this.#options.clock.monotonicMs() + delayMs
    this.#retries.set(key, { failures, notBeforeMs, isDamaged })
    for (const old of this.#retries.keys()) {
      if (this.#retries.size <= MAX_RETRIES) break
      this.#retries.delete(old)
    }
    if (this.#isClosed) return
    const fields = { copy: key, code, reason: message, failures, delayMs }
    // What is not wanted any more is dropped before it would fail again.
    if (failures === 1) this.#options.logger.info(fields, 'a copy failed, it is tried again')
    else this.#options.logger.warn(fields, 'a copy failed again, it is tried again')
  }
}

function keyOf({ leaf, target }: Step): string {
  return `${leaf.name} ${targetPath(target)}`
}
