/**
 * Decides a row program: the conditions, then the mutations in order, each seeing what those before it did, then what is
 * answered. Pure but for the row that it reads and stages; the writer thread runs it in one tick and commits what it
 * staged in the same batch as the rest of its group, so that it is atomic without a lock.
 *
 * A program that fails has no effect: what it staged is thrown away.
 */
import { hexPreview } from '../../../base/bytes.js'
import { limits } from '../../../base/limits.js'
import type {
  AppendMutation,
  CounterDelta,
  DeleteMutation,
  IncrementMutation,
  Mutation,
  PutMutation,
  TouchMutation,
} from '../../../model/mutation.js'
import type { CounterReading, MutateResult } from '../../../model/request.js'
import type { Cell, CellTimestamp, Condition } from '../../../model/row.js'
import { conditionHolds, isAboutRow } from '../../conditions.js'
import { mutableCellKey, rangesKey, writeRecordKey } from '../../row-codec.js'
import type { RowProgram } from './program-wire.js'
import { gapsBetween, refused, RowChanges } from './row-changes.js'
import { firstShownAt, type LivingCell, RowView, tooManyCells } from '../read/row-view.js'
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
  /** Of cells that an increment or an append makes and that are given none; null: they do not expire. */
  readonly defaultTtlSeconds: number | null
  readonly nowSeconds: number
  /** Whether the row has a living cell before it is changed; null: no condition looks at it. */
  readonly rowExists: boolean | null
  /** The row's next stamp, in the dataset's unit. */
  readonly nextStamp: () => number
  /** History: the next stamp of arrival; each is greater than any before. */
  readonly nextArrival: () => number
}

export interface Decision {
  readonly result: MutateResult
  /** Whether the row gets range tombstones: readers must know before they can meet them. */
  readonly addsRanges: boolean
  /** Whether anything of the row is written, beside the record of the write. */
  readonly changesRow: boolean
}

/** Stages in `row` what the program writes. @throws {KVError} and then nothing of what it staged may be written */
export function runProgram(program: RowProgram, row: StagedRow, settings: ProgramSettings): Decision {
  return new ProgramRun(program, row, settings).run()
}

class ProgramRun {
  readonly #program: RowProgram
  readonly #row: StagedRow
  readonly #settings: ProgramSettings
  readonly #view: RowView
  readonly #changes: RowChanges
  readonly #counters: CounterReading[] = []
  #timestamp: CellTimestamp | null = null

  constructor(program: RowProgram, row: StagedRow, settings: ProgramSettings) {
    const { isHistory, maxCellVersions, nowSeconds, nextArrival } = settings
    const { metaKey } = program
    this.#program = program
    this.#row = row
    this.#settings = settings
    this.#view = new RowView(row, { metaKey, isHistory, maxCellVersions, nowSeconds })
    this.#changes = new RowChanges(row, this.#view, { metaKey, isHistory, nowSeconds, nextArrival })
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
      if (repeated !== null) return { result: repeated, addsRanges: false, changesRow: false }
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
    const changesRow = this.#row.isWritten
    if (recordKey !== null && idempotency !== null) {
      this.#row.put(recordKey, encodeWriteRecord(idempotency, result, nowSeconds))
    }
    return { result, addsRanges: this.#changes.addsRanges, changesRow }
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
    if (isAboutRow(condition)) return conditionHolds(condition, null, this.#settings.rowExists === true)
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
    if (replaceRow && general !== null) this.#replaceRow(cells, { oldest, upTo: general })
    for (const { localKey, value, ttlSeconds, timestamp: own } of cells) {
      const at = own ?? general ?? MIN_TIMESTAMP
      this.#changes.write({ localKey, timestamp: at, value }, { ttlSeconds, successorOf: null })
    }
    return general ?? newest
  }

  /** The cells win over the removal beside them: of their columns it lies below the oldest. */
  #replaceRow(
    cells: readonly Cell[],
    { oldest, upTo }: { readonly oldest: CellTimestamp; readonly upTo: CellTimestamp },
  ): void {
    if (cells.length === 0) this.#changes.deleteRow(upTo)
    else if (oldest > MIN_TIMESTAMP) this.#changes.deleteRow(oldest - 1n)
    if (oldest === upTo) return
    // Cells with older times of their own: what lies between their columns goes nevertheless.
    this.#changes.deleteRanges(gapsBetween(cells.map(({ localKey }) => localKey)), upTo)
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
    const upTo = timestamp ?? this.#stamp()
    if (selector === null || (selector.localKeys.length === 0 && selector.ranges.length === 0)) {
      this.#changes.deleteRow(upTo)
      return upTo
    }
    for (const localKey of selector.localKeys) this.#changes.deleteColumn(localKey, upTo)
    this.#changes.deleteRanges(selector.ranges, upTo)
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
    for (const localKey of columns.values()) this.#changes.deleteVersion(localKey, timestamp)
    return columns.size === 0 ? null : timestamp
  }

  #deleteNewest({ selector, timestamp }: DeleteMutation): CellTimestamp | null {
    const found = this.#view
      .newestOfColumns(selector)
      .filter((cell) => timestamp === null || cell.timestamp <= timestamp)
    if (found.length > limits.maxCellsPerRow) throw tooManyCells(limits.maxCellsPerRow)
    for (const cell of found) this.#changes.deleteVersion(cell.localKey, cell.timestamp)
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
      const front = this.#view.front(delta.localKey)
      const existing = front.newest
      const sum = counterOf(existing, delta) + delta.delta
      const value = delta.wraps === true ? BigInt.asIntN(64, sum) : sum
      if (value > MAX_COUNTER || value < MIN_COUNTER) {
        throw refused('INVALID_ARGUMENT', `counter ${hexPreview(delta.localKey)} would leave 64 bits`)
      }
      const bytes = Buffer.allocUnsafe(COUNTER_SIZE)
      bytes.writeBigInt64BE(value)
      // Of cells and deletions that are from the future it is the newest as well: the answer is what reads show.
      const timestamp = firstShownAt(front, stamp)
      const life = { ttlSeconds: this.#ttlOf(delta.ttlSeconds, existing), successorOf: existing }
      this.#changes.write({ localKey: delta.localKey, timestamp, value: bytes }, life)
      this.#counters.push({ localKey: delta.localKey, value })
      if (timestamp > newestWritten) newestWritten = timestamp
    }
    return newestWritten
  }

  #append({ cells }: AppendMutation): CellTimestamp | null {
    const stamp = cells.some(({ timestamp }) => timestamp === null) ? this.#stamp() : MIN_TIMESTAMP
    let newestWritten: CellTimestamp | null = null
    for (const { localKey, value: added, timestamp: own, ttlSeconds } of cells) {
      const front = this.#view.front(localKey)
      const existing = front.newest
      const { maxValueBytes } = this.#settings
      if ((existing?.value.byteLength ?? 0) + added.byteLength > maxValueBytes) {
        throw refused('TOO_LARGE', `the value would have more than ${maxValueBytes} bytes`)
      }
      const value = Buffer.concat([existing?.value ?? NO_VALUE, added])
      const given = own ?? stamp
      const isBehind = existing !== null && existing.timestamp > given
      const timestamp = isBehind ? existing.timestamp : (own ?? firstShownAt(front, stamp))
      const life = { ttlSeconds: this.#ttlOf(ttlSeconds, existing), successorOf: existing }
      this.#changes.write({ localKey, timestamp, value }, life)
      if (newestWritten === null || timestamp > newestWritten) newestWritten = timestamp
    }
    return newestWritten
  }

  /** Timestamps stay as they were written: only the expiry is another one. */
  #touch({ selector, ttlSeconds }: TouchMutation): CellTimestamp | null {
    const found = this.#view.select(selector, { onlyNewest: true, maxCount: limits.maxCellsPerRow })
    for (const { localKey, timestamp, value } of found) {
      this.#changes.replace({ localKey, timestamp, value }, { ttlSeconds, successorOf: null })
    }
    return found.length === 0 ? null : newestOf(found)
  }

  /** Null: what is left of the cell's own, if it has one. */
  #ttlOf(given: number | null, existing: LivingCell | null): number | null {
    return given ?? (existing === null ? this.#settings.defaultTtlSeconds : null)
  }

  #stamp(): CellTimestamp {
    return BigInt(this.#settings.nextStamp())
  }
}

function counterOf(existing: LivingCell | null, { localKey }: CounterDelta): bigint {
  if (existing === null) return 0n
  if (existing.value.byteLength === COUNTER_SIZE) return existing.value.readBigInt64BE()
  throw refused(
    'NOT_A_COUNTER',
    `column ${hexPreview(localKey)} holds ${existing.value.byteLength} bytes, a counter has ${COUNTER_SIZE}`,
  )
}

function newestOf(cells: readonly LivingCell[]): CellTimestamp {
  return cells.reduce((newest, { timestamp }) => (timestamp > newest ? timestamp : newest), MIN_TIMESTAMP)
}
