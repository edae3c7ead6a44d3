/**
 * When shards are purged: one pass over each every so often, one slice at a time over all of them, and between two slices
 * a pause of many times the slice, so that a pass takes a small share of the writer thread however large the shard is.
 */
import type { Clock } from '../../../base/clock.js'
import { KVError, toKVError } from '../../../base/errors.js'
import { type PurgedKind, ShardPurge } from './purge.js'
import type { WritableShard } from '../write/writable-shard.js'

/** From the end of a pass to the next: a tenth of the grace period, within these. */
const MIN_INTERVAL_MS = 60_000
const MAX_INTERVAL_MS = 3_600_000

/** A slice is followed by a pause of so many times as long as it took, and of at least so long. */
const PAUSE_FACTOR = 15
const MIN_PAUSE_MS = 10
/** How often it is looked whether a pass is due. */
const IDLE_MS = 5_000

export interface PurgeScheduleOptions {
  readonly clock: Clock
  readonly onPurged: (what: PurgedKind, count: number) => void
  /** A slice failed, and the shard's next pass begins anew; CORRUPT: something was passed over, and the pass goes on. */
  readonly onFailed: (incarnationId: number, error: KVError) => void
}

interface ScheduledShard {
  readonly shard: WritableShard
  readonly purge: ShardPurge
  dueMs: number
}

export class PurgeSchedule {
  readonly #options: PurgeScheduleOptions
  readonly #shards = new Map<number, ScheduledShard>()
  #timer: NodeJS.Timeout | null = null
  /** Whose pass is under way. */
  #current: number | null = null

  constructor(options: PurgeScheduleOptions) {
    this.#options = options
  }

  add(incarnationId: number, shard: WritableShard): void {
    const dueMs = this.#options.clock.monotonicMs() + MIN_INTERVAL_MS
    this.#shards.set(incarnationId, { shard, purge: new ShardPurge(shard), dueMs })
    this.#wait(IDLE_MS)
  }

  remove(incarnationId: number): void {
    this.#shards.delete(incarnationId)
    if (this.#current === incarnationId) this.#current = null
    if (this.#shards.size === 0) this.stop()
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  /** A whole pass of a shard, now, with other work between its slices. */
  async pass(incarnationId: number): Promise<void> {
    while (this.#slice(incarnationId)) await new Promise<void>((resolve) => setImmediate(resolve))
  }

  #wait(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.#run()
    }, delayMs).unref()
  }

  #run(): void {
    const { clock } = this.#options
    const startMs = clock.monotonicMs()
    this.#current ??= this.#nextDue(startMs)
    if (this.#current === null) {
      this.#wait(IDLE_MS)
      return
    }
    const id = this.#current
    if (!this.#slice(id)) {
      this.#current = null
      const scheduled = this.#shards.get(id)
      if (scheduled !== undefined) scheduled.dueMs = clock.monotonicMs() + intervalMs(scheduled.shard)
    }
    this.#wait(Math.max(MIN_PAUSE_MS, PAUSE_FACTOR * (clock.monotonicMs() - startMs)))
  }

  #nextDue(nowMs: number): number | null {
    for (const [id, { dueMs, shard }] of this.#shards) {
      if (dueMs <= nowMs && shard.rules.isPurged && !shard.hasFailed) return id
    }
    return null
  }

  /** Answers whether the pass goes on. */
  #slice(incarnationId: number): boolean {
    const scheduled = this.#shards.get(incarnationId)
    if (scheduled === undefined || !scheduled.shard.rules.isPurged || scheduled.shard.hasFailed) return false
    const { purge } = scheduled
    try {
      const goesOn = purge.slice(Math.floor(this.#options.clock.nowMs() / 1_000))
      for (const [what, count] of purge.takeCounts()) this.#options.onPurged(what, count)
      const damaged = purge.takeDamaged()
      if (damaged > 0) this.#options.onFailed(incarnationId, passedOver(damaged))
      return goesOn
    } catch (thrown) {
      this.#options.onFailed(incarnationId, toKVError(thrown, `purging incarnation ${incarnationId}`))
      return false
    }
  }
}

function passedOver(places: number): KVError {
  const what = `the purge passed over ${places} damaged places: restore the shard, or load it again`
  return new KVError('CORRUPT', what)
}

function intervalMs({ rules }: WritableShard): number {
  return Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, rules.graceSeconds * 100))
}
