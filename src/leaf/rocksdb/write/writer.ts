/**
 * The writer: the one thread that writes mutable shards. Commits in groups, and decides what only one place can decide.
 *
 * - **Group commit.** A group is what arrived while the last one was being synced, at most
 *   limits.maxGroupCommitOperations. One batch, and at most one sync, a DB and group. No timer: a lone write waits for
 *   nobody.
 * - **Stamps.** A write without a timestamp gets max(now, last stamp of its row + 1). The greatest stamp of a group is
 *   stored in the DB by the same batch, so that stamps do not go back over a restart even if the clock does.
 * - **One merge a key.** Of several values for one key in a group only the greatest is written: the others could never be
 *   read, and RocksDB would fold them at every read until the next flush.
 * - **Programs.** Writes with conditions, counters, several mutations, or a token that makes them safe to repeat are decided
 *   here, in one tick and in the group's order (row-program.ts), so they are atomic without a lock.
 * - **Superseded versions** of history shards that readers come upon are removed here, unless a write since may have
 *   uncovered them; what is not read is the purge's.
 * - **Waiting.** A program that asks whether a row of very many stored cells exists waits until that was found, slice by
 *   slice, and so do later writes of that row; other writes have their turns. A write for a shard of a map that this thread
 *   has not adopted yet waits for that.
 * - **Deadlines.** A write whose deadline passed while it waited is not applied.
 * - **Hot keys.** A key that is merged again and again is now and then put whole (hot-keys.ts).
 * - **Failure.** When a batch fails its writes answer UNAVAILABLE with outcome UNKNOWN, the shard takes no more writes
 *   (NOT_APPLIED), and its owner is told, who must reopen it.
 * - **Watermark.** Once a second, for shards written since, a sequence that is on stable storage is recorded beside the
 *   DB: RocksDB does not report lost log, a lower sequence does.
 *
 * Writes of one channel to one row take effect in the order in which they were sent.
 */
import type { Clock } from '../../../base/clock.js'
import { KVError, toKVError } from '../../../base/errors.js'
import { limits } from '../../../base/limits.js'
import type { Incarnation } from '../../../model/cluster-map.js'
import type { TimestampUnit } from '../../../model/dataset.js'
import { DEFAULT_RULES, type ShardRules, tooLate, WAITS, WritableShard } from './writable-shard.js'
import type { PurgedKind } from '../purge/purge.js'
import { PurgeSchedule } from '../purge/purge-schedule.js'
import { SearchingWrites } from './searching-writes.js'
import { WaitingWrites } from './waiting-writes.js'
import { AckEncoder, decodeWrites, type WireWrite } from './write-wire.js'

const WATERMARK_INTERVAL_MS = 1_000

/** A write waits so long for its shard: maps reach all threads within a turn or two, and one that is gone does not come. */
const ATTACH_PATIENCE_MS = 500

/** Detached incarnations that are remembered, so that writes to them do not wait. */
const MAX_DETACHED = 10_000

export interface GroupWriterOptions {
  readonly clock: Clock
  /** A write to the shard failed: close this incarnation and open the directory anew. Called once an incarnation. */
  readonly onShardFailed: (incarnationId: number, error: KVError) => void
  /** A watermark could not be recorded; writing goes on. */
  readonly onWatermarkFailed: (incarnationId: number, error: KVError) => void
  /** Entries that the purge has removed; for metrics. */
  readonly onPurged?: (what: PurgedKind, count: number) => void
  /** A slice of the purge failed; it is tried again later. */
  readonly onPurgeFailed?: (incarnationId: number, error: KVError) => void
  /** A group is acknowledged; for metrics. */
  readonly onGroup?: (operations: number, durationMs: number) => void
}

/** A shard to link, and where to. */
export interface FrozenShard {
  readonly incarnationId: number
  readonly directory: string
}

interface QueuedWrite {
  readonly write: WireWrite
  readonly acks: Acks
}

/** Where the acknowledgements of one channel go; collected over a group. */
interface Acks {
  readonly encoder: AckEncoder
  readonly send: (acks: Uint8Array<ArrayBuffer>) => void
}

export class GroupWriter {
  readonly #options: GroupWriterOptions
  readonly #shards = new Map<number, WritableShard>()
  /** Incarnations whose failure was reported. */
  readonly #reported = new Set<number>()
  readonly #purges: PurgeSchedule
  #queue: QueuedWrite[] = []
  /** For their row to be searched. */
  readonly #searching = new SearchingWrites<QueuedWrite>()
  /** For their shard. */
  readonly #early = new WaitingWrites<QueuedWrite>()
  readonly #detached = new Set<number>()
  #patience: NodeJS.Timeout | null = null
  #isScheduled = false
  #timer: NodeJS.Timeout | null = null

  constructor(options: GroupWriterOptions) {
    this.#options = options
    this.#purges = new PurgeSchedule({
      clock: options.clock,
      onPurged: (what, count) => options.onPurged?.(what, count),
      onFailed: (id, error) => this.#purgeFailed(id, error),
    })
  }

  /**
   * Makes a shard writable. Call before any write to it is sent; again when the dataset's rules have changed.
   * @throws {KVError} CORRUPT, SHARD_NOT_SERVING
   */
  attach(incarnation: Incarnation, unit: TimestampUnit, rules: ShardRules = DEFAULT_RULES): void {
    const known = this.#shards.get(incarnation.id)
    const shard = known ?? new WritableShard(incarnation, unit, this.#options.clock)
    shard.rules = rules
    if (known !== undefined) return
    this.#shards.set(incarnation.id, shard)
    this.#purges.add(incarnation.id, shard)
    this.#requeue(this.#early.take(incarnation.id))
    this.#timer ??= setInterval(() => void this.writeWatermarks(), WATERMARK_INTERVAL_MS).unref()
  }

  /**
   * Lets go of a shard: what was queued for it is committed, its watermark recorded. The DB may be closed when this
   * resolves.
   */
  async detach(incarnationId: number): Promise<void> {
    const shard = this.#shards.get(incarnationId)
    if (shard === undefined) return
    this.#commitAll()
    this.#purges.remove(incarnationId)
    this.#shards.delete(incarnationId)
    this.#noteDetached(incarnationId)
    this.#refuse(this.#searching.takeShard(incarnationId))
    this.#reported.delete(incarnationId)
    await this.#writeWatermark(incarnationId, shard)
    shard.detach()
  }

  /** Commits everything, records every watermark, lets go of every shard. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    this.#loseEarly()
    for (const id of [...this.#shards.keys()]) await this.detach(id)
  }

  /**
   * A channel's way in; answers a function that takes its batches.
   * @param send takes the acknowledgements, one message a group
   */
  channel(send: (acks: Uint8Array<ArrayBuffer>) => void): (batch: Uint8Array) => void {
    const acks: Acks = { encoder: new AckEncoder(), send }
    return (batch) => {
      for (const write of decodeWrites(batch)) this.#queue.push({ write, acks })
      this.#schedule()
    }
  }

  /**
   * Links the files of shards, each to a directory that does not exist, in one tick and so between two groups: one point in
   * time over all of them. Answers the greatest stamp that any of them gave.
   * @throws {KVError} SHARD_NOT_SERVING, UNAVAILABLE: some are linked then; remove them all and try again
   */
  freeze(shards: readonly FrozenShard[]): number {
    let greatest = 0
    for (const { incarnationId, directory } of shards) {
      const shard = this.#shards.get(incarnationId)
      if (shard === undefined) {
        throw new KVError('SHARD_NOT_SERVING', `incarnation ${incarnationId} is not writable here; try again`)
      }
      greatest = Math.max(greatest, shard.freeze(directory))
    }
    return greatest
  }

  /** Writes that wait for their turn. */
  get queueLength(): number {
    return this.#queue.length + this.#searching.count + this.#early.count
  }

  /** Removes, now, what no read can see any more; nothing where the shard's rules say so. */
  purge(incarnationId: number): Promise<void> {
    return this.#purges.pass(incarnationId)
  }

  /** Records how far each shard is on stable storage, where it changed. */
  async writeWatermarks(): Promise<void> {
    await Promise.all(Array.from(this.#shards, ([id, shard]) => this.#writeWatermark(id, shard)))
  }

  #schedule(): void {
    if (this.#isScheduled || (this.#queue.length === 0 && this.#searching.count === 0)) return
    this.#isScheduled = true
    // After this turn's messages: everything that arrived during the last commit is in one group.
    setImmediate(() => {
      this.#isScheduled = false
      this.#search()
      if (this.#queue.length > 0) this.#commitGroup()
      this.#schedule()
    })
  }

  /** Goes on with the searches of rows; what waited for one has its turn before what came later. */
  #search(): void {
    if (this.#searching.count === 0) return
    this.#answerOverdue()
    for (const id of this.#searching.shards()) {
      const shard = this.#shards.get(id)
      if (shard?.isSearching !== true) this.#requeue(this.#searching.takeShard(id))
      else {
        const rowId = shard.search()
        if (rowId !== null) this.#requeue(this.#searching.take(id, rowId))
      }
    }
  }

  #answerOverdue(): void {
    const { writes, left } = this.#searching.takeOverdue(this.#options.clock.monotonicMs())
    for (const { write, acks } of writes) acks.encoder.failed(write.opId, tooLate())
    sendAcks(writes)
    for (const { incarnationId, rowId } of left) this.#shards.get(incarnationId)?.abandonSearch(rowId)
  }

  #requeue(writes: readonly QueuedWrite[]): void {
    if (writes.length === 0) return
    this.#queue = [...writes, ...this.#queue]
    this.#schedule()
  }

  #commitAll(): void {
    while (this.#queue.length > 0) this.#commitGroup()
  }

  #commitGroup(): void {
    const { clock, onGroup } = this.#options
    const startMs = clock.monotonicMs()
    const group = this.#queue.splice(0, groupSize(this.#queue))
    const left: QueuedWrite[] = []
    const byShard = new Map<number, QueuedWrite[]>()
    const channels = new Set<Acks>()
    for (const queued of group) {
      channels.add(queued.acks)
      const writes = byShard.get(queued.write.incarnationId)
      if (writes === undefined) byShard.set(queued.write.incarnationId, [queued])
      else writes.push(queued)
    }
    for (const [id, writes] of byShard) left.push(...writes.slice(this.#commitShard(id, writes)))
    if (left.length > 0) this.#queue.unshift(...left)
    for (const { encoder, send } of channels) if (encoder.sizeBytes > 0) send(encoder.take())
    onGroup?.(group.length - left.length, clock.monotonicMs() - startMs)
  }

  /** Answers how many of the group, from the first, are done with. */
  #commitShard(id: number, group: readonly QueuedWrite[]): number {
    const shard = this.#shards.get(id)
    if (shard === undefined) {
      if (this.#detached.has(id)) for (const queued of group) refuse(queued)
      else for (const queued of group) this.#waitForShard(queued)
      return group.length
    }
    const outcomes = shard.commit(group.map(({ write }) => write))
    if (shard.failure !== null) this.#reportFailure(id, shard, shard.failure)
    const superseded = shard.takeSuperseded()
    if (superseded > 0) this.#options.onPurged?.('VERSION', superseded)
    for (const [index, outcome] of outcomes.entries()) {
      const queued = group[index]
      if (queued === undefined) break
      const { write, acks } = queued
      if (outcome === WAITS) this.#searching.add(queued)
      else if (outcome instanceof KVError) acks.encoder.failed(write.opId, outcome)
      else if (outcome instanceof Uint8Array) acks.encoder.answered(write.opId, outcome)
      else acks.encoder.done(write.opId, outcome ?? write.ownTimestamp())
    }
    return outcomes.length
  }

  #waitForShard(queued: QueuedWrite): void {
    this.#early.add(queued)
    // One pause for all: who comes later waits a little less.
    this.#patience ??= setTimeout(() => this.#loseEarly(), ATTACH_PATIENCE_MS)
  }

  #loseEarly(): void {
    if (this.#patience !== null) clearTimeout(this.#patience)
    this.#patience = null
    this.#refuse(this.#early.takeAll())
  }

  #noteDetached(id: number): void {
    this.#detached.add(id)
    if (this.#detached.size <= MAX_DETACHED) return
    for (const oldest of this.#detached) {
      this.#detached.delete(oldest)
      return
    }
  }

  /** Of shards that are not there, outside of any group. */
  #refuse(writes: readonly QueuedWrite[]): void {
    for (const queued of writes) refuse(queued)
    sendAcks(writes)
  }

  /** A shard that has failed takes no writes until it is opened anew, so somebody must hear of it: once. */
  #reportFailure(id: number, shard: WritableShard, error: KVError): void {
    if (!shard.hasFailed || this.#reported.has(id)) return
    this.#reported.add(id)
    this.#options.onShardFailed(id, error)
  }

  #purgeFailed(id: number, error: KVError): void {
    this.#options.onPurgeFailed?.(id, error)
    const shard = this.#shards.get(id)
    if (shard !== undefined) this.#reportFailure(id, shard, error)
  }

  async #writeWatermark(id: number, shard: WritableShard): Promise<void> {
    try {
      await shard.writeWatermark()
    } catch (thrown) {
      const error = toKVError(thrown, `recording the watermark of incarnation ${id}`)
      this.#options.onWatermarkFailed(id, error)
      this.#reportFailure(id, shard, error)
    }
  }
}

/** Of writes that were answered outside of any group. */
function sendAcks(writes: readonly QueuedWrite[]): void {
  for (const { encoder, send } of new Set(writes.map(({ acks }) => acks))) send(encoder.take())
}

function refuse({ write, acks }: QueuedWrite): void {
  const what = `incarnation ${write.incarnationId} is not writable here; try again`
  acks.encoder.failed(write.opId, new KVError('SHARD_NOT_SERVING', what, { outcome: 'NOT_APPLIED' }))
}

/** How many of the queued writes, from the first, are committed together: at least one. */
function groupSize(queue: readonly QueuedWrite[]): number {
  let sizeBytes = 0
  let count = 0
  for (const { write } of queue) {
    sizeBytes += write.sizeBytes
    if (count > 0 && sizeBytes > limits.maxGroupCommitBytes) break
    count += 1
    if (count === limits.maxGroupCommitOperations) break
  }
  return count
}
