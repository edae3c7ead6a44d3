/**
 * Decides a row program: the conditions, then the mutations in order, each seeing what those before it did, then what is
 * answered. Pure but for the row that it reads and stages; the writer thread runs it in one tick and commits what it
 * staged in the same batch as the rest of its group, so that it is atomic without a lock.
 *
 * A program that fails has no effect: what it staged is thrown away.
 */
import { hexPreview } from '../../base/bytes.js'
import { type ErrorCode, KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type {
  AppendMutation,
  CounterDelta,
  DeleteMutation,
  IncrementMutation,
  Mutation,
  PutMutation,
  TouchMutation,
} from '../../model/mutation.js'
import type { CounterReading, MutateResult } from '../../model/request.js'
import type { CellTimestamp, Condition } from '../../model/row.js'
import { cellSize, TOMBSTONE_SIZE, writeCell, writeTombstone } from '../cell-codec.js'
import { conditionHolds, isAboutRow } from '../conditions.js'
import {
  addRangeTombstones,
  encodeRangeTombstones,
  MAX_RANGE_TOMBSTONES,
  MAX_RANGES_BYTES,
} from '../range-tombstones.js'
import { HISTORY_KINDS, historyCellKey, mutableCellKey, rangesKey, writeRecordKey } from '../row-codec.js'
import type { RowProgram } from './program-wire.js'
import { type LivingCell, RowView, tooManyCells } from './row-view.js'
import type { StagedRow } from './staged-row.js'
import { encodeWriteRecord, repeatedResult } from './write-record.js'

const MIN_TIMESTAMP = -0x8000_0000_0000_0000n
const MAX_TIMESTAMP = 0x7fff_ffff_ffff_ffffn
const MIN_COUNTER = MIN_TIMESTAMP
const MAX_COUNTER = MAX_TIMESTAMP
const COUNTER_SIZE = 8
const NO_VALUE = Buffer.alloc(0)

export interface ProgramSettings {
  readonly isHistory: boolean
  readonly maxCellVersions: number
  readonly maxValueBytes: number
  readonly nowSeconds: number
  /** The row's next stamp, in the dataset's unit. */
  readonly nextStamp: () => number
  /** History: the next stamp of arrival; each is greater than any before. */
  readonly nextArrival: () => number
}

export interface Decision {
  readonly result: MutateResult
  /** Whether the row gets range tombstones: readers must know before they can meet them. */
  readonly addsRanges: boolean
}

/** Stages in `row` what the program writes. @throws {KVError} and then nothing of what it staged may be written */
export function runProgram(program: RowProgram, row: StagedRow, settings: ProgramSettings): Decision {
  return new ProgramRun(program, row, settings).run()
}

/** When a cell dies: a TTL that is written, or the second of a cell that it takes the place of. */
interface Life {
  readonly ttlSeconds: number | null
  readonly successorOf: LivingCell | null
}

class ProgramRun {
  readonly #program: RowProgram
  readonly #row: StagedRow
  readonly #settings: ProgramSettings
  readonly #view: RowView
  readonly #counters: CounterReading[] = []
  #timestamp: CellTimestamp | null = null
  #addsRanges = false

  constructor(program: RowProgram, row: StagedRow, settings: ProgramSettings) {
    const { isHistory, maxCellVersions, nowSeconds } = settings
    const { metaKey } = program
    this.#program = program
    this.#row = row
    this.#settings = settings
    this.#view = new RowView(row, { metaKey, isHistory, maxCellVersions, nowSeconds })
  }

  run(): Decision {
    const { conditions, mutations, otherwise, returnOnConflict, returnAfter, idempotency } = this.#program
    const { nowSeconds } = this.#settings
    const recordKey =
      idempotency === null
        ? null
        : writeRecordKey(this.#program.metaKey, idempotency.index, idempotency.nonce)
    this.#row.load(this.#keysToRead(recordKey))
    if (recordKey !== null && idempotency !== null) {
      const repeated = repeatedResult(this.#row.get(recordKey), idempotency, nowSeconds)
      if (repeated !== null) return { result: repeated, addsRanges: false }
    }
    const isApplied = conditions.every((condition) => this.#holds(condition))
    const answersConflict = !isApplied && returnOnConflict !== undefined
    const conflict = answersConflict ? this.#view.answer(returnOnConflict) : null
    for (const mutation of isApplied ? mutations : otherwise) {
      this.#timestamp = this.#apply(mutation) ?? this.#timestamp
    }
    const row = answersConflict || returnAfter === undefined ? conflict : this.#view.answer(returnAfter)
    const counters = this.#counters
    const result: MutateResult = { timestamp: this.#timestamp, isApplied, isRepeated: false, row, counters }
    if (recordKey !== null && idempotency !== null) {
      this.#row.put(recordKey, encodeWriteRecord(idempotency, result, nowSeconds))
    }
    return { result, addsRanges: this.#addsRanges }
  }

  /** What is known beforehand to be read goes into one MultiGet. */
  #keysToRead(recordKey: Buffer | null): Buffer[] {
    const { metaKey, conditions, mutations } = this.#program
    const keys = [metaKey, rangesKey(metaKey)]
    if (recordKey !== null) keys.push(recordKey)
    if (this.#settings.isHistory) return keys
    for (const condition of conditions) {
      if (!isAboutRow(condition)) keys.push(mutableCellKey(metaKey, condition.localKey))
    }
    for (const mutation of mutations) {
      if (mutation.kind === 'INCREMENT') {
        for (const { localKey } of mutation.deltas) keys.push(mutableCellKey(metaKey, localKey))
      } else if (mutation.kind === 'APPEND') {
        for (const { localKey } of mutation.cells) keys.push(mutableCellKey(metaKey, localKey))
      }
    }
    return keys
  }

  #holds(condition: Condition): boolean {
    if (isAboutRow(condition)) return conditionHolds(condition, null, this.#view.exists())
    const newest = this.#view.newest(condition.localKey)
    return conditionHolds(
      condition,
      newest === null ? null : { ...newest, ttlSeconds: null },
      newest !== null,
    )
  }

  /** Answers the time at which it took effect; null when it wrote nothing. */
  #apply(mutation: Mutation): CellTimestamp | null {
    switch (mutation.kind) {
      case 'PUT':
        return this.#put(mutation)
      case 'DELETE':
        return this.#delete(mutation)
      case 'INCREMENT':
        return this.#increment(mutation)
      case 'APPEND':
        return this.#append(mutation)
      case 'TOUCH':
        return this.#touch(mutation)
    }
  }

  #put({ cells, timestamp, replaceRow }: PutMutation): CellTimestamp {
    const needsStamp = timestamp === null && (replaceRow || cells.some((cell) => cell.timestamp === null))
    const general = needsStamp ? this.#stamp() : timestamp
    let oldest = general ?? MAX_TIMESTAMP
    let newest = MIN_TIMESTAMP
    for (const cell of cells) {
      const at = cell.timestamp ?? general ?? MIN_TIMESTAMP
      if (at < oldest) oldest = at
      if (at > newest) newest = at
    }
    if (replaceRow) {
      // The cells win over the removal beside them: it lies below the oldest.
      if (cells.length === 0) this.#deleteRow(oldest)
      else if (oldest > MIN_TIMESTAMP) this.#deleteRow(oldest - 1n)
    }
    for (const { localKey, value, ttlSeconds, timestamp: own } of cells) {
      const at = own ?? general ?? MIN_TIMESTAMP
      this.#write({ localKey, timestamp: at, value }, { ttlSeconds, successorOf: null })
    }
    return general ?? newest
  }

  #delete(mutation: DeleteMutation): CellTimestamp | null {
    switch (mutation.scope) {
      case 'UP_TO_TIMESTAMP':
        return this.#deleteUpTo(mutation)
      case 'EXACT_TIMESTAMP':
        return this.#deleteExact(mutation)
      case 'NEWEST_VERSION':
        return this.#deleteNewest(mutation)
    }
  }

  #deleteUpTo({ selector, timestamp }: DeleteMutation): CellTimestamp {
    const { metaKey } = this.#program
    const upTo = timestamp ?? this.#stamp()
    if (selector === null || (selector.localKeys.length === 0 && selector.ranges.length === 0)) {
      this.#deleteRow(upTo)
      return upTo
    }
    for (const localKey of selector.localKeys) {
      if (!this.#settings.isHistory) this.#row.merge(mutableCellKey(metaKey, localKey), this.#tombstone(upTo))
      else this.#mark(localKey, upTo, HISTORY_KINDS.DELETE_UP_TO)
    }
    if (selector.ranges.length === 0) return upTo
    const deletedAtSeconds = this.#settings.nowSeconds
    const added = selector.ranges.map(({ from, to }) => ({ from, to, timestamp: upTo, deletedAtSeconds }))
    if (added.length > MAX_RANGE_TOMBSTONES) throw tooManyRanges()
    const ranges = addRangeTombstones(this.#view.rangesThatCount(), added)
    if (ranges.length > MAX_RANGE_TOMBSTONES) throw tooManyRanges()
    const list = encodeRangeTombstones(ranges)
    if (list.length > MAX_RANGES_BYTES) throw tooManyRanges()
    this.#row.put(rangesKey(metaKey), list)
    this.#addsRanges = true
    return upTo
  }

  #deleteExact({ selector, timestamp }: DeleteMutation): CellTimestamp | null {
    if (timestamp === null) throw refused('INVALID_ARGUMENT', 'removing an exact version needs its timestamp')
    const columns = new Map<string, Buffer>()
    // Columns that are named are marked without being looked at, so that a version that comes late stays deleted.
    if (this.#settings.isHistory) {
      for (const localKey of selector?.localKeys ?? []) columns.set(localKey.toString('latin1'), localKey)
    }
    for (const localKey of this.#view.columnsWithVersionAt(selector, timestamp)) {
      columns.set(localKey.toString('latin1'), localKey)
    }
    if (columns.size > limits.maxCellsPerRow) throw tooManyCells(limits.maxCellsPerRow)
    for (const localKey of columns.values()) this.#deleteVersion(localKey, timestamp)
    return columns.size === 0 ? null : timestamp
  }

  #deleteNewest({ selector, timestamp }: DeleteMutation): CellTimestamp | null {
    const found = this.#view
      .newestOfColumns(selector)
      .filter((cell) => timestamp === null || cell.timestamp <= timestamp)
    if (found.length > limits.maxCellsPerRow) throw tooManyCells(limits.maxCellsPerRow)
    for (const cell of found) this.#deleteVersion(cell.localKey, cell.timestamp)
    return found.length === 0 ? null : (timestamp ?? newestOf(found))
  }

  #increment({ deltas }: IncrementMutation): CellTimestamp {
    let stamp = this.#stamp()
    let newestWritten = stamp
    const written = new Set<string>()
    for (const delta of deltas) {
      const id = delta.localKey.toString('latin1')
      // A column that comes again gets a stamp of its own, so that whatever is written next is newer than it.
      if (written.has(id)) stamp = this.#stamp()
      written.add(id)
      const existing = this.#view.newest(delta.localKey)
      const value = counterOf(existing, delta) + delta.delta
      if (value > MAX_COUNTER || value < MIN_COUNTER) {
        throw refused('INVALID_ARGUMENT', `counter ${hexPreview(delta.localKey)} would leave 64 bits`)
      }
      const bytes = Buffer.allocUnsafe(COUNTER_SIZE)
      bytes.writeBigInt64BE(value)
      const timestamp = laterThan(existing, stamp)
      const life = { ttlSeconds: delta.ttlSeconds, successorOf: existing }
      this.#write({ localKey: delta.localKey, timestamp, value: bytes }, life)
      this.#counters.push({ localKey: delta.localKey, value })
      if (timestamp > newestWritten) newestWritten = timestamp
    }
    return newestWritten
  }

  #append({ cells }: AppendMutation): CellTimestamp | null {
    const stamp = cells.some(({ timestamp }) => timestamp === null) ? this.#stamp() : MIN_TIMESTAMP
    let newestWritten: CellTimestamp | null = null
    for (const { localKey, value: added, timestamp: own, ttlSeconds } of cells) {
      const existing = this.#view.newest(localKey)
      const { maxValueBytes } = this.#settings
      if ((existing?.value.byteLength ?? 0) + added.byteLength > maxValueBytes) {
        throw refused('TOO_LARGE', `the value would have more than ${maxValueBytes} bytes`)
      }
      const value = Buffer.concat([existing?.value ?? NO_VALUE, added])
      const given = own ?? stamp
      const timestamp = existing !== null && existing.timestamp > given ? existing.timestamp : given
      this.#write({ localKey, timestamp, value }, { ttlSeconds, successorOf: existing })
      if (newestWritten === null || timestamp > newestWritten) newestWritten = timestamp
    }
    return newestWritten
  }

  #touch({ selector, ttlSeconds }: TouchMutation): CellTimestamp | null {
    const bounds = { onlyNewest: true, maxCount: limits.maxCellsPerRow }
    const found = this.#view.select(selector, bounds)
    if (found.length === 0) return null
    const stamp = this.#settings.isHistory ? null : this.#stamp()
    let newestWritten: CellTimestamp | null = null
    for (const cell of found) {
      const timestamp = stamp === null ? cell.timestamp : laterThan(cell, stamp)
      const { localKey, value } = cell
      const life = { ttlSeconds, successorOf: null }
      if (this.#settings.isHistory) this.#addVersion({ localKey, timestamp, value }, life, true)
      else this.#replace({ localKey, timestamp, value }, life)
      if (newestWritten === null || timestamp > newestWritten) newestWritten = timestamp
    }
    return newestWritten
  }

  #stamp(): CellTimestamp {
    return BigInt(this.#settings.nextStamp())
  }

  #deleteRow(upTo: CellTimestamp): void {
    this.#row.merge(this.#program.metaKey, this.#tombstone(upTo))
  }

  #deleteVersion(localKey: Buffer, timestamp: CellTimestamp): void {
    if (this.#settings.isHistory) this.#mark(localKey, timestamp, HISTORY_KINDS.DELETE_EXACT)
    else this.#row.merge(mutableCellKey(this.#program.metaKey, localKey), this.#tombstone(timestamp))
  }

  /** History: a deletion among the versions of a column. */
  #mark(localKey: Buffer, timestamp: CellTimestamp, kind: number): void {
    const key = historyCellKey(this.#program.metaKey, localKey, timestamp, kind)
    this.#row.merge(key, this.#tombstone(BigInt(this.#settings.nextArrival())))
  }

  #tombstone(time: CellTimestamp): Buffer {
    const stored = Buffer.allocUnsafe(TOMBSTONE_SIZE)
    writeTombstone(stored, 0, time, this.#settings.nowSeconds)
    return stored
  }

  /** Stores what was made of a living cell in its place; what was made of none like any other write. */
  #write(cell: NewCell, life: Life): void {
    if (life.successorOf !== null) this.#replace(cell, life)
    else if (this.#settings.isHistory) this.#addVersion(cell, life)
    else this.#row.merge(mutableCellKey(this.#program.metaKey, cell.localKey), this.#encode(cell, life))
  }

  #replace(cell: NewCell, life: Life): void {
    if (this.#settings.isHistory) this.#addVersion(cell, life, life.successorOf?.timestamp === cell.timestamp)
    else this.#row.put(mutableCellKey(this.#program.metaKey, cell.localKey), this.#encode(cell, life))
  }

  /** @param isKnown whether the version was read: it has an earlier arrival, so it need not be merged */
  #addVersion({ localKey, timestamp, value }: NewCell, life: Life, isKnown = false): void {
    const key = historyCellKey(this.#program.metaKey, localKey, timestamp, HISTORY_KINDS.PUT)
    const arrival = BigInt(this.#settings.nextArrival())
    const stored = this.#encode({ localKey, timestamp: arrival, value }, life)
    if (isKnown) this.#row.put(key, stored)
    else this.#row.merge(key, stored)
  }

  #encode({ timestamp, value }: NewCell, { ttlSeconds: given, successorOf }: Life): Buffer {
    const { nowSeconds } = this.#settings
    const left = successorOf?.expirySeconds == null ? null : successorOf.expirySeconds - nowSeconds
    const ttlSeconds = given ?? left
    const stored = Buffer.allocUnsafe(cellSize(value.byteLength, ttlSeconds !== null))
    writeCell(stored, 0, { timestamp, ttlSeconds, value }, nowSeconds)
    return stored
  }
}

interface NewCell {
  readonly localKey: Buffer
  readonly timestamp: CellTimestamp
  readonly value: Buffer
}

function counterOf(existing: LivingCell | null, { localKey }: CounterDelta): bigint {
  if (existing === null) return 0n
  if (existing.value.byteLength === COUNTER_SIZE) return existing.value.readBigInt64BE()
  throw refused(
    'NOT_A_COUNTER',
    `column ${hexPreview(localKey)} holds ${existing.value.byteLength} bytes, a counter has ${COUNTER_SIZE}`,
  )
}

/** The stamp, or just behind a version that is from the future. */
function laterThan(existing: LivingCell | null, stamp: CellTimestamp): CellTimestamp {
  if (existing === null || existing.timestamp < stamp) return stamp
  if (existing.timestamp === MAX_TIMESTAMP) {
    throw refused('INVALID_ARGUMENT', 'no timestamp is later than that of the cell: remove it first')
  }
  return existing.timestamp + 1n
}

function newestOf(cells: readonly LivingCell[]): CellTimestamp {
  return cells.reduce((newest, { timestamp }) => (timestamp > newest ? timestamp : newest), MIN_TIMESTAMP)
}

function tooManyRanges(): KVError {
  return refused(
    'TOO_LARGE',
    `more than ${MAX_RANGE_TOMBSTONES} ranges of one row, or ${MAX_RANGES_BYTES} bytes of them, are removed: ` +
      'remove the row, or wait for the purge',
  )
}

function refused(code: ErrorCode, message: string): KVError {
  return new KVError(code, message, { outcome: 'NOT_APPLIED' })
}
