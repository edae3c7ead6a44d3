/**
 * What each mutation does to a row. They are applied in order to one copy of the row, each seeing what those before it
 * did; one that fails throws, and the copy is forgotten.
 */
import { type ErrorCode, KVError } from '../../base/errors.js'
import { hexPreview } from '../../base/bytes.js'
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
import type { CounterReading } from '../../model/request.js'
import { type Cell, type CellTimestamp, WHOLE_ROW } from '../../model/row.js'
import {
  type Deletion,
  hex,
  isWithin,
  livingVersions,
  newest,
  type RangeOfColumns,
  type StoredRow,
  type Version,
  type View,
  winsOver,
} from './rows.js'
import { columnsOf, findCells } from './selection.js'

const MIN_TIMESTAMP = -(2n ** 63n)
const MAX_TIMESTAMP = 2n ** 63n - 1n
const COUNTER_SIZE = 8
const LAST_EXPIRY_SECONDS = 0xffff_ffff
/** Ranges of one row that may be removed, beside each other. */
const MAX_RANGE_DELETIONS = 1_000

export interface WriterSettings {
  readonly isHistory: boolean
  readonly now: CellTimestamp
  /** No stamp is at or below it. */
  readonly stampFloor: CellTimestamp
  /** The dataset's. */
  readonly defaultTtlSeconds: number | null
}

export class RowWriter {
  readonly #row: StoredRow
  readonly #view: View
  readonly #isHistory: boolean
  readonly #now: CellTimestamp
  readonly #stampFloor: CellTimestamp
  readonly #defaultTtlSeconds: number | null
  readonly #counters: CounterReading[] = []
  #timestamp: CellTimestamp | null = null

  constructor(row: StoredRow, view: View, settings: WriterSettings) {
    this.#row = row
    this.#view = view
    this.#isHistory = settings.isHistory
    this.#now = settings.now
    this.#stampFloor = settings.stampFloor
    this.#defaultTtlSeconds = settings.defaultTtlSeconds
  }

  get counters(): readonly CounterReading[] {
    return this.#counters
  }

  /** Of the last mutation that wrote anything; null: none did. */
  get timestamp(): CellTimestamp | null {
    return this.#timestamp
  }

  apply(mutation: Mutation): void {
    this.#timestamp = this.#applyOne(mutation) ?? this.#timestamp
  }

  #applyOne(mutation: Mutation): CellTimestamp | null {
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

  #put({ cells, timestamp, replaceRow }: PutMutation): CellTimestamp | null {
    const isStamped = timestamp === null && (replaceRow || cells.some((cell) => cell.timestamp === null))
    const general = isStamped ? this.#stamp() : timestamp
    const versions = cells.map((cell) => ({
      localKey: hex(cell.localKey),
      version: this.#versionOf(cell, cell.timestamp ?? general ?? 0n),
    }))
    const times = versions.map(({ version }) => version.timestamp)
    if (replaceRow && general !== null) {
      // What stood in the columns that are named goes too, but must not take the new cells with it.
      const oldest = -(newest([general, ...times].map((time) => -(time ?? general))) ?? 0n)
      if (cells.length === 0) this.#deleteAll(null, general)
      else if (oldest > MIN_TIMESTAMP) this.#deleteAll(null, oldest - 1n)
      if (oldest < general) this.#deleteAll({ notIn: versions.map(({ localKey }) => localKey) }, general)
    }
    for (const { localKey, version } of versions) this.#store(this.#row, localKey, version)
    return general ?? newest(times)
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
    const { localKeys, ranges } = selector ?? WHOLE_ROW
    if (localKeys.length === 0 && ranges.length === 0) this.#deleteAll(null, upTo)
    for (const localKey of localKeys) this.#deleteAll({ only: hex(localKey) }, upTo)
    for (const { from, to } of ranges) this.#deleteAll({ from, to }, upTo)
    if (ranges.length > 0) checkRanges(this.#row.deletions.values())
    return upTo
  }

  #deleteAll(columns: Deletion['columns'], upTo: CellTimestamp): void {
    this.#addDeletion({ columns, upTo, isExact: false })
  }

  #addDeletion(deletion: Deletion): void {
    const { deletions } = this.#row
    const name = nameOf(deletion)
    const other = deletions.get(name)
    if (other === undefined || other.upTo < deletion.upTo) deletions.set(name, deletion)
  }

  #deleteExact({ selector, timestamp }: DeleteMutation): CellTimestamp | null {
    if (timestamp === null) throw refused('INVALID_ARGUMENT', 'removing an exact version needs its timestamp')
    const all = { ...this.#view, maxCellVersions: Number.POSITIVE_INFINITY }
    const stored = columnsOf(this.#row, selector).filter((localKey) =>
      livingVersions(this.#row, localKey, all).some((version) => version.timestamp === timestamp),
    )
    // Columns that are named are marked without being looked at, so that a version that comes late stays deleted.
    const named = this.#isHistory ? (selector?.localKeys.map(hex) ?? []) : []
    const columns = new Set([...stored, ...named])
    checkCount(columns.size)
    for (const localKey of columns) this.#deleteVersion(localKey, timestamp)
    return columns.size === 0 ? null : timestamp
  }

  #deleteNewest({ selector, timestamp }: DeleteMutation): CellTimestamp | null {
    const deleted: CellTimestamp[] = []
    const columns = columnsOf(this.#row, selector).flatMap((localKey) => {
      const version = this.#newest(localKey)
      if (version?.timestamp == null || (timestamp !== null && version.timestamp > timestamp)) return []
      return [{ localKey, at: version.timestamp }]
    })
    checkCount(columns.length)
    for (const { localKey, at } of columns) {
      this.#deleteVersion(localKey, at)
      deleted.push(at)
    }
    return deleted.length === 0 ? null : (timestamp ?? newest(deleted))
  }

  #deleteVersion(localKey: string, at: CellTimestamp): void {
    // Where there is one version, older ones are gone as well.
    this.#addDeletion({ columns: { only: localKey }, upTo: at, isExact: this.#isHistory })
  }

  #increment({ deltas }: IncrementMutation): CellTimestamp {
    let stamp = this.#stamp()
    const times: CellTimestamp[] = []
    for (const [index, delta] of deltas.entries()) {
      const isRepeated = deltas.slice(0, index).some((other) => other.localKey.equals(delta.localKey))
      if (isRepeated) stamp = this.#stamp()
      const localKey = hex(delta.localKey)
      const existing = this.#newest(localKey)
      const sum = counterOf(existing, delta) + delta.delta
      const value = delta.wraps === true ? BigInt.asIntN(64, sum) : sum
      if (BigInt.asIntN(64, value) !== value) {
        throw refused('INVALID_ARGUMENT', `counter ${hexPreview(delta.localKey)} would leave 64 bits`)
      }
      const bytes = Buffer.alloc(COUNTER_SIZE)
      bytes.writeBigInt64BE(value)
      const timestamp = this.#firstShownAt(localKey, stamp)
      this.#succeed(localKey, existing, {
        ...this.#lifeOf(delta.ttlSeconds, existing),
        timestamp,
        value: bytes,
      })
      this.#counters.push({ localKey: Buffer.from(delta.localKey), value })
      times.push(timestamp)
    }
    return newest([stamp, ...times]) ?? stamp
  }

  #append({ cells }: AppendMutation): CellTimestamp | null {
    const stamp = cells.some(({ timestamp }) => timestamp === null) ? this.#stamp() : null
    const times = cells.map((cell) => {
      const localKey = hex(cell.localKey)
      const existing = this.#newest(localKey)
      const value = Buffer.concat([existing?.value ?? Buffer.alloc(0), cell.value])
      if (value.byteLength > limits.maxValueBytes) {
        throw refused('TOO_LARGE', `the value would have more than ${limits.maxValueBytes} bytes`)
      }
      const timestamp = this.#timeOfAppended(cell, stamp ?? 0n, existing)
      this.#succeed(localKey, existing, { ...this.#lifeOf(cell.ttlSeconds, existing), timestamp, value })
      return timestamp
    })
    return newest(times)
  }

  /** Never older than what is added to. */
  #timeOfAppended({ localKey, timestamp }: Cell, stamp: CellTimestamp, existing?: Version): CellTimestamp {
    const given = timestamp ?? stamp
    if (existing?.timestamp != null && existing.timestamp > given) return existing.timestamp
    return timestamp ?? this.#firstShownAt(hex(localKey), stamp)
  }

  #touch({ selector, ttlSeconds }: TouchMutation): CellTimestamp | null {
    const found = findCells(this.#row, selector === null ? null : { ...selector, maxVersions: 1 }, this.#view)
    checkCount(found.length)
    for (const { localKey, version } of found) {
      const touched = { ...version, ...this.#lifeOf(ttlSeconds, { ...version, expirySeconds: null }) }
      this.#succeed(localKey, version, touched)
    }
    return newest(found.map(({ version }) => version.timestamp))
  }

  #stamp(): CellTimestamp {
    const last = this.#row.lastStamp > this.#stampFloor ? this.#row.lastStamp : this.#stampFloor
    this.#row.lastStamp = this.#now > last ? this.#now : last + 1n
    return this.#row.lastStamp
  }

  #newest(localKey: string): Version | undefined {
    return livingVersions(this.#row, localKey, this.#view)[0]
  }

  /** Adds a version as any write does: whichever wins stays. In history the later of two at one time does. */
  #store(row: StoredRow, localKey: string, version: Version): void {
    const versions = row.columns.get(localKey) ?? []
    if (this.#isHistory) {
      const others = versions.filter(({ timestamp }) => timestamp !== version.timestamp)
      row.columns.set(localKey, [...others, version])
    } else if (versions.every((other) => winsOver(version, other))) {
      row.columns.set(localKey, [version])
    }
  }

  /** Puts what was made of a living version in its place, where versions stand alone. */
  #succeed(localKey: string, existing: Version | undefined, version: Version): void {
    if (this.#isHistory || existing === undefined) this.#store(this.#row, localKey, version)
    else this.#row.columns.set(localKey, [version])
  }

  /**
   * The first time from the stamp on at which a value would be the newest of its column and be seen: found by trying. It can
   * only be the stamp, or just behind something that is there.
   */
  #firstShownAt(localKey: string, stamp: CellTimestamp): CellTimestamp {
    const behind = (this.#row.columns.get(localKey) ?? []).map(({ timestamp }) => timestamp ?? stamp)
    for (const { upTo } of this.#row.deletions.values()) behind.push(upTo)
    const times = [stamp, ...behind.map((time) => time + 1n)].filter((time) => time >= stamp)
    const newestNow = this.#newest(localKey)?.timestamp
    const shown = times.sort(compareTimes).find((timestamp) => {
      if (timestamp > MAX_TIMESTAMP || (newestNow != null && timestamp <= newestNow)) return false
      const version = { timestamp, expirySeconds: null, ttlSeconds: null, value: Buffer.alloc(0) }
      const after = { ...this.#row, columns: new Map(this.#row.columns) }
      this.#store(after, localKey, version)
      return livingVersions(after, localKey, this.#view)[0] === version
    })
    if (shown !== undefined) return shown
    throw refused('INVALID_ARGUMENT', 'no timestamp is later than that of the cell or of its deletion')
  }

  #versionOf({ value, ttlSeconds }: Cell, timestamp: CellTimestamp): Version {
    const life = ttlSeconds === null ? LASTING : this.#expiring(ttlSeconds)
    return { ...life, timestamp, value: Buffer.from(value) }
  }

  /** Without a TTL a value dies when the one that it was made of would have, and one made of nothing by the dataset's. */
  #lifeOf(ttlSeconds: number | null, existing: Version | undefined): Life {
    const given = ttlSeconds ?? (existing === undefined ? this.#defaultTtlSeconds : null)
    if (given !== null) return this.#expiring(given)
    if (existing?.expirySeconds == null) return LASTING
    const { expirySeconds } = existing
    return { expirySeconds, ttlSeconds: expirySeconds - this.#view.nowSeconds }
  }

  /** It counts from now. */
  #expiring(ttlSeconds: number): Life {
    const expirySeconds = this.#view.nowSeconds + ttlSeconds
    if (!Number.isInteger(ttlSeconds) || ttlSeconds <= 0 || expirySeconds > LAST_EXPIRY_SECONDS) {
      throw refused('INVALID_ARGUMENT', `ttl of ${ttlSeconds} s is not possible`)
    }
    return { expirySeconds, ttlSeconds }
  }
}

type Life = Pick<Version, 'expirySeconds' | 'ttlSeconds'>

const LASTING: Life = { expirySeconds: null, ttlSeconds: null }

/** Equal for deletions of which the later one says all that the other does. */
function nameOf({ columns, isExact, upTo }: Deletion): string {
  const times = isExact ? `at ${upTo}` : 'up to'
  if (columns === null) return times
  if ('only' in columns) return `${times}, only ${columns.only}`
  if ('notIn' in columns) return `${times}, but ${columns.notIn.toSorted().join()}`
  return `${times}, from ${hex(columns.from)} to ${columns.to === null ? 'the last' : hex(columns.to)}`
}

/** Ranges that lie within others as new are none more. */
function checkRanges(deletions: Iterable<Deletion>): void {
  const ranges = [...deletions].flatMap(({ columns, upTo }) => {
    return columns !== null && 'from' in columns ? [{ ...columns, upTo }] : []
  })
  if (ranges.length <= MAX_RANGE_DELETIONS) return
  const counted = ranges.filter((one) => {
    return !ranges.some((other) => other !== one && other.upTo >= one.upTo && isInside(one, other))
  })
  if (counted.length <= MAX_RANGE_DELETIONS) return
  throw refused('TOO_LARGE', `more than ${MAX_RANGE_DELETIONS} ranges of one row are removed: remove the row`)
}

/** Two that are the same are not both on the list. */
function isInside(one: RangeOfColumns, other: RangeOfColumns): boolean {
  if (!isWithin(one.from, other)) return false
  return other.to === null || (one.to !== null && one.to.compare(other.to) <= 0)
}

function compareTimes(a: CellTimestamp, b: CellTimestamp): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function counterOf(existing: Version | undefined, { localKey }: CounterDelta): bigint {
  if (existing === undefined) return 0n
  if (existing.value.byteLength === COUNTER_SIZE) return existing.value.readBigInt64BE()
  throw refused(
    'NOT_A_COUNTER',
    `column ${hexPreview(localKey)} holds ${existing.value.byteLength} bytes, a counter has ${COUNTER_SIZE}`,
  )
}

function checkCount(cells: number): void {
  if (cells <= limits.maxCellsPerRow) return
  throw refused('TOO_LARGE', `${cells} cells in one write, at most ${limits.maxCellsPerRow}: select fewer`)
}

export function refused(code: ErrorCode, message: string): KVError {
  return new KVError(code, message, { outcome: 'NOT_APPLIED' })
}
