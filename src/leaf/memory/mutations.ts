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
import type { Cell, CellTimestamp } from '../../model/row.js'
import {
  type Column,
  hex,
  livingVersions,
  newest,
  NO_COLUMN,
  type StoredRow,
  type Version,
  type View,
  winsOver,
} from './rows.js'
import { columnsOf, findCells } from './selection.js'

const MIN_TIMESTAMP = -(2n ** 63n)
const MAX_TIMESTAMP = 2n ** 63n - 1n
const MAX_COUNTER = 2n ** 63n - 1n
const MIN_COUNTER = -(2n ** 63n)
const COUNTER_SIZE = 8
const LAST_EXPIRY_SECONDS = 0xffff_ffff
/** Ranges of one row that may be removed, beside each other. */
const MAX_RANGE_DELETIONS = 1_000

export class RowWriter {
  readonly #row: StoredRow
  readonly #view: View
  readonly #isHistory: boolean
  readonly #now: CellTimestamp
  readonly #stampFloor: CellTimestamp
  readonly #counters: CounterReading[] = []
  #timestamp: CellTimestamp | null = null

  constructor(
    row: StoredRow,
    view: View,
    {
      isHistory,
      now,
      stampFloor,
    }: { readonly isHistory: boolean; readonly now: CellTimestamp; readonly stampFloor: CellTimestamp },
  ) {
    this.#row = row
    this.#view = view
    this.#isHistory = isHistory
    this.#now = now
    this.#stampFloor = stampFloor
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
    const needsStamp = timestamp === null && (replaceRow || cells.some((cell) => cell.timestamp === null))
    const general = needsStamp ? this.#stamp() : timestamp
    const versions = cells.map((cell) => this.#versionOf(cell, cell.timestamp ?? general ?? 0n))
    if (replaceRow && general !== null) {
      // The cells win over the removal beside them: it lies below the oldest.
      const oldest = versions.reduce(
        (least, version) =>
          version.timestamp !== null && version.timestamp < least ? version.timestamp : least,
        general,
      )
      if (cells.length === 0) this.#deleteRow(general)
      else if (oldest > MIN_TIMESTAMP) this.#deleteRow(oldest - 1n)
    }
    for (const [index, version] of versions.entries())
      this.#merge(hex(cells[index]?.localKey ?? Buffer.alloc(0)), version)
    return general ?? newest(versions.map((version) => version.timestamp))
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
      this.#deleteRow(upTo)
      return upTo
    }
    for (const localKey of selector.localKeys.map(hex)) {
      if (!this.#isHistory) this.#merge(localKey, this.#tombstone(upTo))
      else
        this.#change(localKey, (column) => ({ ...column, deletedUpTo: newest([column.deletedUpTo, upTo]) }))
    }
    if (selector.ranges.length > 0) {
      this.#deleteRanges(selector.ranges.map(({ from, to }) => ({ from, to, upTo })))
    }
    return upTo
  }

  #deleteRow(upTo: CellTimestamp): void {
    this.#row.deletedUpTo = newest([this.#row.deletedUpTo, upTo])
  }

  /** Ranges that lie within others as new say nothing. */
  #deleteRanges(added: StoredRow['rangeDeletions']): void {
    const kept: StoredRow['rangeDeletions'][number][] = []
    const all = [...added, ...this.#row.rangeDeletions]
    for (const [index, one] of all.entries()) {
      const isSaid = all.some((other, at) => {
        if (at === index || other.upTo < one.upTo || other.from.compare(one.from) > 0) return false
        if (other.to !== null && (one.to === null || other.to.compare(one.to) < 0)) return false
        const isSame =
          other.upTo === one.upTo && other.from.equals(one.from) && (other.to === null) === (one.to === null)
        const isEqual = isSame && (other.to === null || (one.to !== null && other.to.equals(one.to)))
        return !isEqual || at < index
      })
      if (!isSaid) kept.push(one)
    }
    if (kept.length > MAX_RANGE_DELETIONS) {
      throw refused(
        'TOO_LARGE',
        `more than ${MAX_RANGE_DELETIONS} ranges of one row are removed: remove the row`,
      )
    }
    this.#row.rangeDeletions = kept
  }

  #deleteExact({ selector, timestamp }: DeleteMutation): CellTimestamp | null {
    if (timestamp === null) throw refused('INVALID_ARGUMENT', 'removing an exact version needs its timestamp')
    const stored = columnsOf(this.#row, selector).filter((localKey) =>
      this.#column(localKey).versions.some((version) => version.timestamp === timestamp),
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
    if (!this.#isHistory) this.#merge(localKey, this.#tombstone(at))
    else this.#change(localKey, (column) => ({ ...column, deletedAt: [...column.deletedAt, at] }))
  }

  #increment({ deltas }: IncrementMutation): CellTimestamp {
    let stamp = this.#stamp()
    let newestWritten = stamp
    const written = new Set<string>()
    for (const delta of deltas) {
      const localKey = hex(delta.localKey)
      // A column that comes again gets a stamp of its own, so that whatever is written next is newer than it.
      if (written.has(localKey)) stamp = this.#stamp()
      written.add(localKey)
      const existing = this.#newest(localKey)
      const value = counterOf(existing, delta) + delta.delta
      if (value > MAX_COUNTER || value < MIN_COUNTER) {
        throw refused('INVALID_ARGUMENT', `counter ${hexPreview(delta.localKey)} would leave 64 bits`)
      }
      const bytes = Buffer.alloc(COUNTER_SIZE)
      bytes.writeBigInt64BE(value)
      const timestamp = laterThan(existing, stamp)
      this.#replace(localKey, existing, {
        ...this.#lifeOf(delta.ttlSeconds, existing),
        timestamp,
        value: bytes,
      })
      this.#counters.push({ localKey: Buffer.from(delta.localKey), value })
      if (timestamp > newestWritten) newestWritten = timestamp
    }
    return newestWritten
  }

  #append({ cells }: AppendMutation): CellTimestamp | null {
    const stamp = cells.some(({ timestamp }) => timestamp === null) ? this.#stamp() : null
    let newestWritten: CellTimestamp | null = null
    for (const cell of cells) {
      const localKey = hex(cell.localKey)
      const existing = this.#newest(localKey)
      const value = Buffer.concat([existing?.value ?? Buffer.alloc(0), cell.value])
      if (value.byteLength > limits.maxValueBytes) {
        throw refused('TOO_LARGE', `the value would have more than ${limits.maxValueBytes} bytes`)
      }
      const timestamp = newest([cell.timestamp ?? stamp, existing?.timestamp ?? null]) ?? 0n
      this.#replace(localKey, existing, { ...this.#lifeOf(cell.ttlSeconds, existing), timestamp, value })
      newestWritten = newest([newestWritten, timestamp])
    }
    return newestWritten
  }

  #touch({ selector, ttlSeconds }: TouchMutation): CellTimestamp | null {
    const found = findCells(this.#row, selector === null ? null : { ...selector, maxVersions: 1 }, this.#view)
    if (found.length === 0) return null
    checkCount(found.length)
    const stamp = this.#isHistory ? null : this.#stamp()
    let newestWritten: CellTimestamp | null = null
    for (const { localKey, version } of found) {
      const timestamp = stamp === null ? version.timestamp : laterThan(version, stamp)
      const life = this.#lifeOf(ttlSeconds, undefined)
      this.#replace(localKey, version, { ...life, timestamp, value: version.value })
      newestWritten = newest([newestWritten, timestamp])
    }
    return newestWritten
  }

  #stamp(): CellTimestamp {
    const last = this.#row.lastStamp > this.#stampFloor ? this.#row.lastStamp : this.#stampFloor
    this.#row.lastStamp = this.#now > last ? this.#now : last + 1n
    return this.#row.lastStamp
  }

  #column(localKey: string): Column {
    return this.#row.columns.get(localKey) ?? NO_COLUMN
  }

  #newest(localKey: string): Version | undefined {
    return livingVersions(this.#row, localKey, this.#view)[0]
  }

  #change(localKey: string, change: (column: Column) => Column): void {
    this.#row.columns.set(localKey, change(this.#column(localKey)))
  }

  /** Adds a version as any write does: whichever wins stays. In history the later of two at one time does. */
  #merge(localKey: string, version: Version): void {
    this.#change(localKey, (column) => {
      if (this.#isHistory) {
        const others = column.versions.filter(({ timestamp }) => timestamp !== version.timestamp)
        return { ...column, versions: [...others, version] }
      }
      const [other] = column.versions
      return other === undefined || winsOver(version, other) ? { ...column, versions: [version] } : column
    })
  }

  /** Puts what was made of a living version in its place, where versions stand alone. */
  #replace(localKey: string, existing: Version | undefined, version: Version): void {
    if (this.#isHistory || existing === undefined) this.#merge(localKey, version)
    else this.#change(localKey, (column) => ({ ...column, versions: [version] }))
  }

  #tombstone(timestamp: CellTimestamp): Version {
    const { nowSeconds } = this.#view
    return { timestamp, kind: 'TOMBSTONE', atSeconds: nowSeconds, ttlSeconds: 0, value: Buffer.alloc(0) }
  }

  #versionOf({ value, ttlSeconds }: Cell, timestamp: CellTimestamp): Version {
    return { ...this.#lifeOf(ttlSeconds, undefined), timestamp, value: Buffer.from(value) }
  }

  /** A TTL that is given counts from now; without one, a new value dies when the old one would have. */
  #lifeOf(
    ttlSeconds: number | null,
    existing: Version | undefined,
  ): Pick<Version, 'kind' | 'atSeconds' | 'ttlSeconds'> {
    const { nowSeconds } = this.#view
    if (ttlSeconds !== null) {
      const atSeconds = nowSeconds + ttlSeconds
      if (!Number.isInteger(ttlSeconds) || ttlSeconds <= 0 || atSeconds > LAST_EXPIRY_SECONDS) {
        throw refused('INVALID_ARGUMENT', `ttl of ${ttlSeconds} s is not possible`)
      }
      return { kind: 'EXPIRING', atSeconds, ttlSeconds }
    }
    if (existing?.kind !== 'EXPIRING') return { kind: 'LIVE', atSeconds: 0, ttlSeconds: 0 }
    const { atSeconds } = existing
    return { kind: 'EXPIRING', atSeconds, ttlSeconds: atSeconds - nowSeconds }
  }
}

function counterOf(existing: Version | undefined, { localKey }: CounterDelta): bigint {
  if (existing === undefined) return 0n
  if (existing.value.byteLength === COUNTER_SIZE) return existing.value.readBigInt64BE()
  throw refused(
    'NOT_A_COUNTER',
    `column ${hexPreview(localKey)} holds ${existing.value.byteLength} bytes, a counter has ${COUNTER_SIZE}`,
  )
}

/** The stamp, or just behind a version that is from the future. */
function laterThan(existing: Version | undefined, stamp: CellTimestamp): CellTimestamp {
  if (existing?.timestamp == null || existing.timestamp < stamp) return stamp
  if (existing.timestamp === MAX_TIMESTAMP) {
    throw refused('INVALID_ARGUMENT', 'no timestamp is later than that of the cell: remove it first')
  }
  return existing.timestamp + 1n
}

function checkCount(cells: number): void {
  if (cells <= limits.maxCellsPerRow) return
  throw refused('TOO_LARGE', `${cells} cells in one write, at most ${limits.maxCellsPerRow}: select fewer`)
}

export function refused(code: ErrorCode, message: string): KVError {
  return new KVError(code, message, { outcome: 'NOT_APPLIED' })
}
