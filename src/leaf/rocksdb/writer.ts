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
 * - **Failure.** When a batch fails its writes answer UNAVAILABLE with outcome UNKNOWN, the shard takes no more writes
 *   (NOT_APPLIED), and its owner is told, who must reopen it.
 * - **Watermark.** Once a second, for shards written since, a sequence that is on stable storage is recorded beside the
 *   DB: RocksDB does not report lost log, a lower sequence does.
 *
 * Writes of one channel to one row take effect in the order in which they were sent.
 */
import type { Clock } from '../../base/clock.js'
import { KVError, toKVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Incarnation } from '../../model/cluster-map.js'
import type { TimestampUnit } from '../../model/dataset.js'
import { WritableShard } from './writable-shard.js'
import { AckEncoder, decodeWrites, type WireWrite } from './write-wire.js'

const WATERMARK_INTERVAL_MS = 1_000

export interface GroupWriterOptions {
  readonly clock: Clock
  /** A write to the shard failed: close this incarnation and open the directory anew. Called once an incarnation. */
  readonly onShardFailed: (incarnationId: number, error: KVError) => void
  /** A watermark could not be recorded; writing goes on. */
  readonly onWatermarkFailed: (incarnationId: number, error: KVError) => void
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
  #queue: QueuedWrite[] = []
  #isScheduled = false
  #timer: NodeJS.Timeout | null = null

  constructor(options: GroupWriterOptions) {
    this.#options = options
  }

  /** Makes a shard writable. Call before any write to it is sent. @throws {KVError} CORRUPT, SHARD_NOT_SERVING */
  attach(incarnation: Incarnation, unit: TimestampUnit): void {
    if (this.#shards.has(incarnation.id)) return
    this.#shards.set(incarnation.id, new WritableShard(incarnation, unit, this.#options.clock))
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
    this.#shards.delete(incarnationId)
    this.#reported.delete(incarnationId)
    await this.#writeWatermark(incarnationId, shard)
    shard.detach()
  }

  /** Commits everything, records every watermark, lets go of every shard. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
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

  /** Records how far each shard is on stable storage, where it changed. */
  async writeWatermarks(): Promise<void> {
    await Promise.all(Array.from(this.#shards, ([id, shard]) => this.#writeWatermark(id, shard)))
  }

  #schedule(): void {
    if (this.#isScheduled || this.#queue.length === 0) return
    this.#isScheduled = true
    // After this turn's messages: everything that arrived during the last commit is in one group.
    setImmediate(() => {
      this.#isScheduled = false
      this.#commitGroup()
      this.#schedule()
    })
  }

  #commitAll(): void {
    while (this.#queue.length > 0) this.#commitGroup()
  }

  #commitGroup(): void {
    const group = this.#queue.splice(0, groupSize(this.#queue))
    const byShard = new Map<number, QueuedWrite[]>()
    const channels = new Set<Acks>()
    for (const queued of group) {
      channels.add(queued.acks)
      const writes = byShard.get(queued.write.incarnationId)
      if (writes === undefined) byShard.set(queued.write.incarnationId, [queued])
      else writes.push(queued)
    }
    for (const [id, writes] of byShard) this.#commitShard(id, writes)
    for (const { encoder, send } of channels) send(encoder.take())
  }

  #commitShard(id: number, group: readonly QueuedWrite[]): void {
    const shard = this.#shards.get(id)
    if (shard === undefined) {
      const error = new KVError('SHARD_NOT_SERVING', `incarnation ${id} is not writable here; try again`, {
        outcome: 'NOT_APPLIED',
      })
      for (const { write, acks } of group) acks.encoder.failed(write.opId, error)
      return
    }
    let stamps: readonly (number | null)[]
    try {
      stamps = shard.commit(group.map(({ write }) => write))
    } catch (thrown) {
      const error = toKVError(thrown, `writing incarnation ${id}`)
      for (const { write, acks } of group) acks.encoder.failed(write.opId, error)
      this.#reportFailure(id, shard, error)
      return
    }
    for (const [index, { write, acks }] of group.entries()) {
      acks.encoder.done(write.opId, stamps[index] ?? write.ownTimestamp())
    }
  }

  /** A shard that has failed takes no writes until it is opened anew, so somebody must hear of it: once. */
  #reportFailure(id: number, shard: WritableShard, error: KVError): void {
    if (!shard.hasFailed || this.#reported.has(id)) return
    this.#reported.add(id)
    this.#options.onShardFailed(id, error)
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
