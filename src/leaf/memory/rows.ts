/**
 * Rows of the memory engine as plain objects, and which of their versions are alive: the rules of kvstore.thrift as
 * comparisons, without a byte of encoding. A row keeps every deletion that it ever got, and whether a version is alive is
 * found by asking all of them. Columns are never changed, only replaced, so that a row is copied cheaply and a write that
 * fails halfway leaves no trace.
 */
import type { Incarnation } from '../../model/cluster-map.js'
import type { MutateResult } from '../../model/request.js'
import type { CellTimestamp } from '../../model/row.js'
import { compareRows, type RowPosition } from '../../model/row-order.js'

/** A value at a time. */
export interface Version {
  /** Null: a sealed cell that was loaded without one. */
  readonly timestamp: CellTimestamp | null
  /** Dies then, seconds since 1970; null: never. */
  readonly expirySeconds: number | null
  /** As it was written. */
  readonly ttlSeconds: number | null
  readonly value: Buffer
}

/** That versions of some columns are deleted, whether they are there or come later. Nothing takes it back. */
export interface Deletion {
  /** Null: all columns. */
  readonly columns: RangeOfColumns | { readonly only: string } | { readonly notIn: readonly string[] } | null
  /** Versions at or before it. */
  readonly upTo: CellTimestamp
  /** Of these only versions at exactly that time. */
  readonly isExact: boolean
}

export interface RangeOfColumns {
  readonly from: Buffer
  /** Null: to the last column. */
  readonly to: Buffer | null
}

/** What a write with an idempotency token answered. */
export interface WriteRecord {
  readonly atSeconds: number
  readonly fingerprint: Buffer
  readonly result: MutateResult
}

export interface StoredRow {
  readonly position: RowPosition
  lastStamp: CellTimestamp
  /** By what they are about: of two up to a time the later one says all. */
  readonly deletions: Map<string, Deletion>
  /** By local key as hex, whose order is byte order: one version each, or in history shards one for each timestamp. */
  readonly columns: Map<string, readonly Version[]>
  readonly writeRecords: Map<string, WriteRecord>
}

export function newRow(position: RowPosition): StoredRow {
  return {
    position,
    lastStamp: 0n,
    deletions: new Map(),
    columns: new Map(),
    writeRecords: new Map(),
  }
}

/** A row that can be changed without the given one noticing. */
export function copyOf(row: StoredRow): StoredRow {
  const { columns, deletions, writeRecords } = row
  return {
    ...row,
    columns: new Map(columns),
    deletions: new Map(deletions),
    writeRecords: new Map(writeRecords),
  }
}

/** Rows of one shard. */
export class MemoryShard {
  readonly format: Incarnation['format']
  readonly #rows = new Map<string, StoredRow>()
  #inOrder: readonly StoredRow[] | null = null
  /** No row is stamped at or below it. */
  stampFloor: CellTimestamp = 0n

  constructor(format: Incarnation['format']) {
    this.format = format
  }

  get(rowKey: Buffer): StoredRow | undefined {
    return this.#rows.get(hex(rowKey))
  }

  set(row: StoredRow): void {
    const id = hex(row.position.rowKey)
    if (!this.#rows.has(id)) this.#inOrder = null
    this.#rows.set(id, row)
  }

  /** In the order of scans. */
  inOrder(): readonly StoredRow[] {
    this.#inOrder ??= [...this.#rows.values()].sort((a, b) => compareRows(a.position, b.position))
    // Writes replace rows; the order holds only where they stand.
    return this.#inOrder.map(({ position }) => this.get(position.rowKey) ?? newRow(position))
  }

  /**
   * Forgets versions that are deleted, and those behind as many newer ones as are kept that live at least as long. Deletions
   * stay, and so does what has expired.
   */
  purge(maxCellVersions: number): void {
    for (const row of this.#rows.values()) {
      for (const [localKey, versions] of row.columns) {
        const standing = versions.filter((version) => !isDeleted(row, localKey, version))
        const kept = standing.filter((version) => {
          const newer = standing.filter((other) => {
            return (
              compareTimestamps(other.timestamp, version.timestamp) > 0 && lifeEnd(other) >= lifeEnd(version)
            )
          })
          return newer.length < maxCellVersions
        })
        row.columns.set(localKey, kept)
      }
    }
  }

  /** As after a restart, which remembers the greatest stamp of the shard and no row's own. */
  forgetStamps(): void {
    for (const { lastStamp } of this.#rows.values()) {
      if (lastStamp > this.stampFloor) this.stampFloor = lastStamp
    }
  }
}

/** How a shard is looked at. */
export interface View {
  readonly nowSeconds: number
  /** Newest living versions of a column that are ever seen. */
  readonly maxCellVersions: number
}

/** The visible versions of a column, newest first. */
export function livingVersions(row: StoredRow, localKey: string, view: View): readonly Version[] {
  return (row.columns.get(localKey) ?? [])
    .filter((version) => lifeEnd(version) > view.nowSeconds && !isDeleted(row, localKey, version))
    .toSorted((a, b) => compareTimestamps(b.timestamp, a.timestamp))
    .slice(0, view.maxCellVersions)
}

/** Whether any deletion of the row, whatever its columns, covers a version. */
function isDeleted({ deletions }: StoredRow, localKey: string, { timestamp }: Version): boolean {
  if (timestamp === null) return false
  for (const { columns, upTo, isExact } of deletions.values()) {
    if ((isExact ? timestamp === upTo : timestamp <= upTo) && isAbout(columns, localKey)) return true
  }
  return false
}

function isAbout(columns: Deletion['columns'], localKey: string): boolean {
  if (columns === null) return true
  if ('only' in columns) return columns.only === localKey
  if ('notIn' in columns) return !columns.notIn.includes(localKey)
  return isWithin(Buffer.from(localKey, 'hex'), columns)
}

/** The second from which on a version is gone. */
function lifeEnd({ expirySeconds }: Version): number {
  return expirySeconds ?? Number.POSITIVE_INFINITY
}

export function isWithin(localKey: Buffer, { from, to }: RangeOfColumns): boolean {
  return from.compare(localKey) <= 0 && (to === null || localKey.compare(to) < 0)
}

/**
 * LAST_WRITE_WINS among values: highest timestamp; at equal timestamps expiring over lasting, later expiry, longer ttl, then
 * the greater bytes. (Deletion over value is isDeleted, for which equal is deleted.)
 */
export function winsOver(a: Version, b: Version): boolean {
  if (a.timestamp !== b.timestamp) return compareTimestamps(a.timestamp, b.timestamp) > 0
  const [expiryA, expiryB] = [a.expirySeconds ?? -1, b.expirySeconds ?? -1]
  if (expiryA !== expiryB) return expiryA > expiryB
  const [ttlA, ttlB] = [a.ttlSeconds ?? -1, b.ttlSeconds ?? -1]
  if (ttlA !== ttlB) return ttlA > ttlB
  return a.value.compare(b.value) > 0
}

/** The greatest; null when there is none. */
export function newest(timestamps: readonly (CellTimestamp | null)[]): CellTimestamp | null {
  let greatest: CellTimestamp | null = null
  for (const timestamp of timestamps) {
    if (timestamp !== null && (greatest === null || timestamp > greatest)) greatest = timestamp
  }
  return greatest
}

function compareTimestamps(a: CellTimestamp | null, b: CellTimestamp | null): number {
  if (a === b) return 0
  if (a === null || b === null) return a === null ? -1 : 1
  return a < b ? -1 : 1
}

export function hex(bytes: Buffer): string {
  return bytes.toString('hex')
}
