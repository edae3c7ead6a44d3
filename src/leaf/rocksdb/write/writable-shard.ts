/**
 * One writable shard in the writer thread: its stamps, its batch and its watermark. See writer.ts for what it promises.
 *
 * Its own keys are no row's (a row's key holds at least its terminator and one byte more) and lie outside every row's
 * range. They are put, never merged:
 *
 *     00      i64 greatest stamp given | history: i64 greatest stamp of an arrival     sign bits flipped
 *     00 00   u8 1: the shard may hold range tombstones (shard-files.ts)
 *
 * **The open part.** What a group has put into the batch and not yet written cannot be read from the DB. A program whose row
 * is touched by it has it written first, without a sync; the group's end syncs for all.
 */
import type { Clock } from '../../../base/clock.js'
import { KVError, toKVError } from '../../../base/errors.js'
import { limits } from '../../../base/limits.js'
import type { Incarnation } from '../../../model/cluster-map.js'
import type { DatasetRecord, KeyOrder, TimestampUnit } from '../../../model/dataset.js'
import { readTimestamp, writeStamp } from '../../cell-codec.js'
import { isAboutRow } from '../../conditions.js'
import { AttachedDatabase, type WriteBatch } from '../store/binding.js'
import { HotKeys } from './hot-keys.js'
import { encodeResult } from './program-wire.js'
import { runProgram } from './row-program.js'
import { RowSearches } from './row-searches.js'
import { optionsOf, RANGE_TOMBSTONES_KEY, readWatermark, writeWatermark } from '../store/shard-files.js'
import { linkShard } from '../store/shard-links.js'
import { StagedRow } from './staged-row.js'
import { WireOutput } from './wire-bytes.js'
import type { WireWrite } from './write-wire.js'

/** Key of the greatest stamps; see the head of this file. Never renumber. */
export const STAMP_KEY: Buffer = Buffer.from([0x00])

const MAY_HOLD_RANGES: Buffer = Buffer.from([0x01])

const STAMP_SIZE = 8

/** Rows of a generation whose last stamps are remembered; those before share a floor. */
const MAX_STAMPED_ROWS = 8_192

/** After an unclean stop, stamps start so far above the last recorded one: a watermark may be that old. */
const UNCLEAN_STOP_MARGIN_MS = 2_000

/** A group ends behind the program that reaches either: no write waits long for others to be decided. */
const MAX_DECIDING_MS = 10
const MAX_RESULT_BYTES = 16 * 1024 * 1024

/** A write that cannot be decided yet: its row is being searched (row-searches.ts), or another write of it waits. */
export const WAITS = Symbol('waits')

/** What became of a write: its stamp; null: the time it brought; a program's encoded result; or why nothing did. */
export type WrittenOutcome = number | null | Uint8Array | KVError | typeof WAITS

/** What the writer thread needs to know of a shard's dataset beside its unit. */
export interface ShardRules {
  readonly keyOrder: KeyOrder
  readonly maxValueBytes: number
  /** Of cells that a write makes of nothing and that are given none; null: they do not expire. */
  readonly defaultTtlSeconds: number | null
  /** Deletions and what they cover are kept so long. */
  readonly graceSeconds: number
  /** Whether what is of no use any more is removed; not while another store may still send what is late. */
  readonly isPurged: boolean
}

export function rulesOf(record: DatasetRecord): ShardRules {
  const { keyOrder, maxValueBytes, defaultTtlSeconds, graceSeconds, migrationState } = record
  const isPurged = migrationState === 'TARGET_ONLY'
  return { keyOrder, maxValueBytes, defaultTtlSeconds, graceSeconds, isPurged }
}

/** Of a shard of which nothing is said. */
export const DEFAULT_RULES: ShardRules = {
  keyOrder: 'HASHED',
  maxValueBytes: limits.maxValueBytes,
  defaultTtlSeconds: null,
  graceSeconds: 0,
  isPurged: false,
}

/** The greatest of what a group writes blindly under a key. */
interface GreatestEntry {
  readonly key: Buffer
  readonly value: Buffer
  /** Whether the DB and this are all that is known of the key: no program of the open part has put it. */
  readonly mayFold: boolean
}

export class WritableShard {
  readonly incarnation: Incarnation
  /** For reading, and for batches that are written with `writeUnsynced`. */
  readonly database: AttachedDatabase
  /** What the dataset's record says now. */
  rules: ShardRules = DEFAULT_RULES
  /** Told of every write of the shard's rows before it is committed; null: nobody wants to know. */
  onWrite: ((write: WireWrite) => void) | null = null
  readonly isHistory: boolean
  readonly clock: Clock
  readonly #batch: WriteBatch
  readonly #stamps: RowStamps
  readonly #hotKeys = new HotKeys()
  readonly #searches: RowSearches
  readonly #results = new WireOutput()
  readonly #rangesFlag: Int32Array
  /** Of the open part: the greatest value of each key that is merged. */
  readonly #greatest = new Map<string, GreatestEntry>()
  /** Of the open part: the rows that programs may not read from the DB; null: there is no program in the group. */
  #touchedRows: Set<string> | null = null
  /** Rows whose programs have put something in the batch that is not written yet. */
  readonly #programRows = new Set<string>()
  /** Whether a write of the open part may uncover a version, and when the last one that may have was committed. */
  #mayUncover = false
  #uncoveredAtMs = Number.NEGATIVE_INFINITY
  #superseded = 0
  #hasStamp = false
  #lastArrival: number
  #failure: KVError | null = null
  #syncedSequence: number
  #recordedSequence: number
  #hasUnsynced = false
  #recording: Promise<void> = Promise.resolve()
  #isDetached = false
  #hasBroken = false

  /** @throws {KVError} CORRUPT when the watermark is damaged, SHARD_NOT_SERVING when the shard is not open */
  constructor(incarnation: Incarnation, unit: TimestampUnit, clock: Clock) {
    const { directory, format, handle } = incarnation
    const watermark = readWatermark(directory)
    this.incarnation = incarnation
    this.database = new AttachedDatabase(handle, directory, optionsOf(format))
    this.clock = clock
    this.isHistory = format === 'history'
    this.#rangesFlag = new Int32Array(incarnation.hasRangeTombstones)
    this.#batch = this.database.newBatch()
    this.#searches = new RowSearches(this.database, {
      format: this.isHistory ? 'history' : 'mutable',
      maxCellVersions: incarnation.maxCellVersions,
      nowSeconds: () => Math.floor(clock.nowMs() / 1_000),
      monotonicMs: () => clock.monotonicMs(),
    })
    this.#recordedSequence = watermark.sequence
    this.#syncedSequence = watermark.sequence
    const { sequence } = this.database
    this.#hasUnsynced = sequence > watermark.sequence
    const perMs = unit === 'MILLISECONDS' ? 1 : 1_000
    const margin = this.#hasUnsynced ? UNCLEAN_STOP_MARGIN_MS * perMs : 0
    const [stored] = this.database.getMany([STAMP_KEY])
    const floor = Math.max(storedStamp(stored, 0), watermark.stamp === 0 ? 0 : watermark.stamp + margin)
    this.#stamps = new RowStamps(() => clock.nowMs() * perMs, floor)
    this.#lastArrival = storedStamp(stored, STAMP_SIZE)
  }

  get hasFailed(): boolean {
    return this.#hasBroken || this.database.hasFailed
  }

  /** Of the last group; null: it was written. */
  get failure(): KVError | null {
    return this.#failure
  }

  /**
   * Writes a group, or as much of it from the first as may hold the writer; answers what became of each. When the disk fails
   * that is UNAVAILABLE for all that were not refused before: outcome UNKNOWN for what was about to be written, NOT_APPLIED
   * for what had not had its turn, and later.
   */
  commit(group: readonly WireWrite[]): readonly WrittenOutcome[] {
    const outcomes: WrittenOutcome[] = []
    try {
      if (this.#hasBroken) throw this.#brokenError('NOT_APPLIED')
      const isSynced = this.#fill(group, outcomes)
      if (isSynced || this.#hasOpenPart) this.#writeOpenPart(isSynced)
      return outcomes
    } catch (thrown) {
      this.#forgetOpenPart()
      const error = this.#failureOf(thrown)
      const untried = error.outcome === 'NOT_APPLIED' ? error : this.#brokenError('NOT_APPLIED', thrown)
      return group.map((_, index) => {
        const outcome = outcomes[index]
        if (outcome instanceof KVError) return outcome
        return outcome === undefined || outcome === WAITS ? untried : error
      })
    }
  }

  /** Whether a row is being searched: `search` goes on with that. */
  get isSearching(): boolean {
    return !this.#searches.isEmpty
  }

  /** A little; answers the row whose search has come to its end, so that its writes may have another turn. */
  search(): string | null {
    return this.#searches.slice()
  }

  /** No write waits for this row any more. */
  abandonSearch(rowId: string): void {
    this.#searches.abandon(rowId)
  }

  #failureOf(thrown: unknown): KVError {
    if (thrown instanceof KVError && thrown.outcome !== undefined) {
      this.#failure = thrown
      return thrown
    }
    this.#hasBroken = true
    this.#failure = this.#brokenError('UNKNOWN', thrown)
    return this.#failure
  }

  /** Writes a batch of this shard's DB that need not be synced at once. @throws {KVError} UNAVAILABLE */
  writeUnsynced(batch: WriteBatch): void {
    try {
      this.database.write(batch, false)
    } catch (error) {
      this.#hasBroken = true
      throw error
    }
    this.#hasUnsynced = true
  }

  /** Decides and stamps, in order; answers whether one of them is to be synced. */
  #fill(group: readonly WireWrite[], outcomes: WrittenOutcome[]): boolean {
    const startMs = this.clock.monotonicMs()
    let isSynced = false
    let resultBytes = 0
    this.#touchedRows = group.some(({ isProgram }) => isProgram) ? new Set() : null
    for (const write of group) {
      if (write.isOfSuperseded) {
        outcomes.push(this.#dropSuperseded(write))
        continue
      }
      if (write.deadline <= startMs) {
        outcomes.push(tooLate())
        continue
      }
      if (!this.#searches.isEmpty && this.#searches.isSearched(write.rowId())) {
        outcomes.push(WAITS)
        continue
      }
      if (write.isSynced) isSynced = true
      if (!write.onlyAdds) this.#mayUncover = true
      this.onWrite?.(write)
      if (!write.isProgram) {
        outcomes.push(this.#addBlind(write))
        continue
      }
      const outcome = this.#addProgram(write)
      outcomes.push(outcome)
      if (outcome instanceof KVError || outcome === WAITS) continue
      resultBytes += outcome.byteLength
      if (resultBytes >= MAX_RESULT_BYTES || this.clock.monotonicMs() - startMs >= MAX_DECIDING_MS) break
    }
    return isSynced
  }

  /**
   * Removes what a reader found to be hidden by versions that stay. Not if anything may have been uncovered since: one
   * of its keys could have been written anew, and be seen. Then the purge finds what is left.
   */
  #dropSuperseded(write: WireWrite): null {
    if (!this.rules.isPurged || this.#mayUncover || this.#uncoveredAtMs >= write.deadline) return null
    write.forEachEntry((key) => {
      this.#batch.del(key)
      this.#superseded++
    })
    return null
  }

  /** Versions that were removed because readers had found them hidden, since the last time. */
  takeSuperseded(): number {
    const superseded = this.#superseded
    this.#superseded = 0
    return superseded
  }

  #addBlind(write: WireWrite): number | null {
    const isRowKnown = write.needsStamp || this.#touchedRows !== null || this.#searches.remembers
    const rowId = isRowKnown ? write.rowId() : ''
    if (isRowKnown) this.#searches.forget(rowId)
    const stamp = write.needsStamp ? this.#stamps.peek(rowId) : null
    if (stamp !== null) this.#takeStamp(rowId, stamp)
    write.stamp(stamp, this.isHistory ? this.#nextArrival() : null)
    this.#touchedRows?.add(rowId)
    const greatest = this.#greatest
    const mayFold = !this.#programRows.has(rowId)
    write.forEachEntry((key, value, isVersion) => {
      // The latest arrival of its version wins whatever stands there: nothing to merge, and nothing to fold at every read.
      if (isVersion) {
        this.#batch.put(key, value)
        return
      }
      const id = key.toString('latin1')
      const other = greatest.get(id)
      if (other === undefined || other.value.compare(value) < 0) greatest.set(id, { key, value, mayFold })
    })
    return stamp
  }

  #addProgram(write: WireWrite): Uint8Array | KVError | typeof WAITS {
    const rowId = write.rowId()
    if (this.#touchedRows?.has(rowId) === true) this.#writeOpenPart(false)
    const row = new StagedRow(this.database)
    const stamps: { last: number | null } = { last: null }
    try {
      const { maxCellVersions } = this.incarnation
      const program = write.program()
      const isAskedFor = program.conditions.some(isAboutRow)
      const rowExists = isAskedFor ? this.#searches.exists(rowId, program.metaKey) : null
      if (isAskedFor && rowExists === null) return WAITS
      const { result, addsRanges, changesRow } = runProgram(program, row, {
        rowExists,
        isHistory: this.isHistory,
        maxCellVersions,
        maxValueBytes: this.rules.maxValueBytes,
        defaultTtlSeconds: this.rules.defaultTtlSeconds,
        nowSeconds: Math.floor(this.clock.nowMs() / 1_000),
        nextStamp: () => (stamps.last = stamps.last === null ? this.#stamps.peek(rowId) : stamps.last + 1),
        nextArrival: () => this.#nextArrival(),
      })
      this.#results.truncate(0)
      encodeResult(this.#results, result)
      if (addsRanges) this.#announceRanges()
      // A record of a write is no cell: who waits for the same row need not search it again.
      if (changesRow) this.#searches.forget(rowId)
    } catch (error) {
      return notApplied(error)
    }
    // One that failed has used none up.
    if (stamps.last !== null) this.#takeStamp(rowId, stamps.last)
    row.writeTo(this.#batch, this.#hotKeys)
    this.#touchedRows?.add(rowId)
    this.#programRows.add(rowId)
    return Buffer.from(this.#results.bytes.subarray(0, this.#results.size))
  }

  /** Readers that go without range tombstones look at the flag behind their reading, so it is set before the commit. */
  #announceRanges(): void {
    if (Atomics.exchange(this.#rangesFlag, 0, 1) === 0) this.#batch.put(RANGE_TOMBSTONES_KEY, MAY_HOLD_RANGES)
  }

  get #hasOpenPart(): boolean {
    return this.#batch.count > 0 || this.#greatest.size > 0
  }

  #writeOpenPart(isSynced: boolean): void {
    this.#takeGreatest()
    if (this.#hasStamp) this.#batch.put(STAMP_KEY, this.#encodedStamps())
    this.database.write(this.#batch, isSynced)
    this.#hasUnsynced = !isSynced
    if (isSynced) this.#syncedSequence = this.database.sequence
    this.#forgetOpenPart()
  }

  /**
   * Merges behind what programs have put. Hot keys are folded: what is stored and not in the batch is read, and the
   * greater is put; not in rows of programs, whose puts are in the batch.
   */
  #takeGreatest(): void {
    const folded: { readonly key: Buffer; readonly value: Buffer }[] = []
    for (const entry of this.#greatest.values()) {
      if (entry.mayFold && this.#hotKeys.count(entry.key)) folded.push(entry)
      else this.#batch.merge(entry.key, entry.value)
    }
    for (let from = 0; from < folded.length; from += limits.maxKeysPerMultiGet) {
      const part = folded.slice(from, from + limits.maxKeysPerMultiGet)
      const stored = this.#valuesOf(part.map(({ key }) => key))
      for (const [index, { key, value }] of part.entries()) {
        const other = stored[index]
        // What could not be read is left to be merged.
        if (other === null) {
          this.#batch.merge(key, value)
          continue
        }
        this.#batch.put(key, other !== undefined && other.compare(value) > 0 ? other : value)
        this.#hotKeys.folded(key)
      }
    }
  }

  #valuesOf(keys: readonly Buffer[]): readonly (Buffer | undefined | null)[] {
    try {
      return this.database.getMany(keys)
    } catch {
      // A damaged block is a reader's trouble; a merge needs nothing of it.
      return keys.map(() => null)
    }
  }

  #forgetOpenPart(): void {
    if (this.#mayUncover) this.#uncoveredAtMs = this.clock.monotonicMs()
    this.#mayUncover = false
    this.#batch.clear()
    this.#greatest.clear()
    this.#touchedRows?.clear()
    this.#programRows.clear()
    this.#hasStamp = false
  }

  #takeStamp(rowId: string, stamp: number): void {
    this.#hasStamp = true
    this.#stamps.take(rowId, stamp)
  }

  #nextArrival(): number {
    this.#hasStamp = true
    this.#lastArrival = Math.max(this.clock.nowMs() * 1_000, this.#lastArrival + 1)
    return this.#lastArrival
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
      this.#syncedSequence = this.database.sequence
    }
    const sequence = this.#syncedSequence
    if (sequence === this.#recordedSequence) return
    await writeWatermark(this.incarnation.directory, { sequence, stamp: this.#stamps.greatest })
    this.#recordedSequence = sequence
  }

  /** An empty batch, synced: the log up to here is on stable storage when it returns. */
  #syncLog(): void {
    try {
      this.database.write(this.#batch, true)
    } catch (error) {
      this.#hasBroken = true
      throw error
    }
  }

  /**
   * Links what is stored now to a directory that does not exist; answers the greatest stamp given until now.
   * @throws {KVError} UNAVAILABLE
   */
  freeze(directory: string): number {
    const stamp = this.#stamps.greatest
    linkShard(this.incarnation.directory, directory, { sequence: this.database.sequence, stamp })
    return stamp
  }

  /** After the last writeWatermark has resolved. */
  detach(): void {
    this.#isDetached = true
    this.#searches.close()
    this.database.detach()
  }

  #encodedStamps(): Buffer {
    const encoded = Buffer.allocUnsafe(this.isHistory ? 2 * STAMP_SIZE : STAMP_SIZE)
    writeStamp(encoded, 0, this.#stamps.greatest)
    if (this.isHistory) writeStamp(encoded, STAMP_SIZE, this.#lastArrival)
    return encoded
  }

  #brokenError(outcome: 'NOT_APPLIED' | 'UNKNOWN', cause?: unknown): KVError {
    const { directory } = this.incarnation
    return new KVError('UNAVAILABLE', `${directory} takes no writes after a failed one`, { outcome, cause })
  }
}

function storedStamp(stored: Buffer | undefined | null, at: number): number {
  if (stored === undefined || stored === null || stored.byteLength < at + STAMP_SIZE) return 0
  return Number(readTimestamp(stored.subarray(at)))
}

/** A program that could not be decided has no effect. */
function notApplied(thrown: unknown): KVError {
  const error = toKVError(thrown, 'deciding a write')
  if (error.outcome === 'NOT_APPLIED') return error
  return new KVError(error.code, error.message, { outcome: 'NOT_APPLIED', cause: error.cause })
}

/** For a write whose deadline passed. */
export function tooLate(): KVError {
  return new KVError('DEADLINE_EXCEEDED', 'deadline passed while the write waited for its turn', {
    outcome: 'NOT_APPLIED',
  })
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
    const stamp = this.peek(rowId)
    this.take(rowId, stamp)
    return stamp
  }

  /** What `next` would answer. */
  peek(rowId: string): number {
    const last = this.#young.get(rowId) ?? this.#old.get(rowId) ?? this.#floor
    return Math.max(this.#now(), last + 1)
  }

  /** Gives away a stamp that is not less than what `peek` answered, and those before it. */
  take(rowId: string, stamp: number): void {
    if (this.#young.size >= this.#maxRows) this.#forgetOld()
    this.#young.set(rowId, stamp)
    if (stamp > this.#greatest) this.#greatest = stamp
  }

  #forgetOld(): void {
    this.#floor = this.#greatestOfOld
    this.#greatestOfOld = this.#greatest
    this.#old = this.#young
    this.#young = new Map()
  }
}
