/**
 * One mutable shard in the writer thread: its stamps, its batch and its watermark. See writer.ts for what it promises.
 *
 * The greatest stamp given is stored under the key 00, which is no row's (a row's key holds at least its terminator and
 * one byte more) and lies outside every row's range. It is put, never merged.
 */
import type { Clock } from '../../base/clock.js'
import { KVError } from '../../base/errors.js'
import type { Incarnation } from '../../model/cluster-map.js'
import type { TimestampUnit } from '../../model/dataset.js'
import { readTimestamp, writeStamp } from '../cell-codec.js'
import { AttachedDatabase, type WriteBatch } from './binding.js'
import { MUTABLE_OPTIONS } from './options.js'
import { readWatermark, writeWatermark } from './shard-files.js'
import type { WireWrite } from './write-wire.js'

/** Key of the greatest stamp; see the head of this file. Never renumber. */
export const STAMP_KEY: Buffer = Buffer.from([0x00])

/** Rows of a generation whose last stamps are remembered; those before share a floor. */
const MAX_STAMPED_ROWS = 8_192

/** After an unclean stop, stamps start so far above the last recorded one: a watermark may be that old. */
const UNCLEAN_STOP_MARGIN_MS = 2_000

export class WritableShard {
  readonly #incarnation: Incarnation
  readonly #database: AttachedDatabase
  readonly #batch: WriteBatch
  readonly #stamps: RowStamps
  readonly #greatest = new Map<string, { readonly key: Buffer; readonly value: Buffer }>()
  #syncedSequence: number
  #recordedSequence: number
  #hasUnsynced = false
  #recording: Promise<void> = Promise.resolve()
  #isDetached = false
  #hasBroken = false

  /** @throws {KVError} CORRUPT when the watermark is damaged, SHARD_NOT_SERVING when the shard is not open */
  constructor(incarnation: Incarnation, unit: TimestampUnit, clock: Clock) {
    const watermark = readWatermark(incarnation.directory)
    this.#incarnation = incarnation
    this.#database = new AttachedDatabase(incarnation.handle, incarnation.directory, MUTABLE_OPTIONS)
    this.#batch = this.#database.newBatch()
    this.#recordedSequence = watermark.sequence
    this.#syncedSequence = watermark.sequence
    const { sequence } = this.#database
    this.#hasUnsynced = sequence > watermark.sequence
    const perMs = unit === 'MILLISECONDS' ? 1 : 1_000
    const margin = this.#hasUnsynced ? UNCLEAN_STOP_MARGIN_MS * perMs : 0
    const floor = Math.max(this.#storedStamp(), watermark.stamp === 0 ? 0 : watermark.stamp + margin)
    this.#stamps = new RowStamps(() => clock.nowMs() * perMs, floor)
  }

  get hasFailed(): boolean {
    return this.#hasBroken || this.#database.hasFailed
  }

  /**
   * Writes a group; answers the stamp of each write, null for those that brought their timestamps.
   * @throws {KVError} UNAVAILABLE: outcome UNKNOWN when this group failed, NOT_APPLIED when an earlier one had
   */
  commit(group: readonly WireWrite[]): readonly (number | null)[] {
    if (this.#hasBroken) throw this.#brokenError('NOT_APPLIED')
    let isSynced = false
    let hasStamp = false
    const stamps: (number | null)[] = []
    try {
      for (const write of group) {
        if (write.isSynced) isSynced = true
        const stamp = write.needsStamp ? this.#stamps.next(write.rowId()) : null
        if (stamp !== null) {
          hasStamp = true
          write.stamp(stamp)
        }
        stamps.push(stamp)
      }
      this.#fillBatch(group)
      if (hasStamp) this.#batch.put(STAMP_KEY, this.#encodedStamp())
      this.#database.write(this.#batch, isSynced)
    } catch (thrown) {
      this.#batch.clear()
      if (thrown instanceof KVError && thrown.outcome !== undefined) throw thrown
      this.#hasBroken = true
      throw this.#brokenError('UNKNOWN', thrown)
    }
    this.#hasUnsynced = !isSynced
    if (isSynced) this.#syncedSequence = this.#database.sequence
    return stamps
  }

  #fillBatch(group: readonly WireWrite[]): void {
    if (group.length === 1) {
      group[0]?.forEachEntry((key, value) => this.#batch.merge(key, value))
      return
    }
    const greatest = this.#greatest
    for (const write of group) {
      write.forEachEntry((key, value) => {
        const id = key.toString('latin1')
        const other = greatest.get(id)
        if (other === undefined || other.value.compare(value) < 0) greatest.set(id, { key, value })
      })
    }
    for (const { key, value } of greatest.values()) this.#batch.merge(key, value)
    greatest.clear()
  }

  /** Syncs what was not, and records the sequence; nothing when nothing was written. One at a time. */
  async writeWatermark(): Promise<void> {
    const recording = this.#recording.then(() => this.#record())
    this.#recording = recording.catch(() => undefined)
    await recording
  }

  async #record(): Promise<void> {
    if (this.#isDetached || this.hasFailed) return
    if (this.#hasUnsynced) {
      this.#syncLog()
      this.#hasUnsynced = false
      this.#syncedSequence = this.#database.sequence
    }
    const sequence = this.#syncedSequence
    if (sequence === this.#recordedSequence) return
    await writeWatermark(this.#incarnation.directory, { sequence, stamp: this.#stamps.greatest })
    this.#recordedSequence = sequence
  }

  /** An empty batch, synced: the log up to here is on stable storage when it returns. */
  #syncLog(): void {
    try {
      this.#database.write(this.#batch, true)
    } catch (error) {
      this.#hasBroken = true
      throw error
    }
  }

  /** After the last writeWatermark has resolved. */
  detach(): void {
    this.#isDetached = true
    this.#database.detach()
  }

  #storedStamp(): number {
    const [stored] = this.#database.getMany([STAMP_KEY])
    return stored === undefined || stored === null ? 0 : Number(readTimestamp(stored))
  }

  #encodedStamp(): Buffer {
    const encoded = Buffer.allocUnsafe(8)
    writeStamp(encoded, 0, this.#stamps.greatest)
    return encoded
  }

  #brokenError(outcome: 'NOT_APPLIED' | 'UNKNOWN', cause?: unknown): KVError {
    const { directory } = this.#incarnation
    return new KVError('UNAVAILABLE', `${directory} takes no writes after a failed one`, { outcome, cause })
  }
}

/**
 * Rising stamps a row. Rows that were forgotten, or never seen, rise from the floor. Two generations of rows instead of an
 * eviction one by one: finding the oldest entry of a Map gets slower with every one that was deleted before it.
 */
export class RowStamps {
  readonly #now: () => number
  readonly #maxRows: number
  #young = new Map<string, number>()
  #old = new Map<string, number>()
  #greatestOfOld: number
  #floor: number
  #greatest: number

  /** @param now in the dataset's unit; @param floor no stamp will be at or below it; @param maxRows of a generation */
  constructor(now: () => number, floor: number, maxRows = MAX_STAMPED_ROWS) {
    this.#now = now
    this.#floor = floor
    this.#greatestOfOld = floor
    this.#greatest = floor
    this.#maxRows = maxRows
  }

  /** The greatest given so far, or the floor at the start. */
  get greatest(): number {
    return this.#greatest
  }

  next(rowId: string): number {
    const last = this.#young.get(rowId) ?? this.#old.get(rowId) ?? this.#floor
    const stamp = Math.max(this.#now(), last + 1)
    if (this.#young.size >= this.#maxRows) this.#forgetOld()
    this.#young.set(rowId, stamp)
    if (stamp > this.#greatest) this.#greatest = stamp
    return stamp
  }

  #forgetOld(): void {
    this.#floor = this.#greatestOfOld
    this.#greatestOfOld = this.#greatest
    this.#old = this.#young
    this.#young = new Map()
  }
}
