/**
 * Rows of the memory engine as plain objects, and which of their versions are alive: the rules of kvstore.thrift as
 * comparisons, without a byte of encoding. Columns are never changed, only replaced, so that a row is copied cheaply and a
 * write that fails halfway leaves no trace.
 */
import type { Incarnation } from '../../model/cluster-map.js'
import type { MutateResult } from '../../model/request.js'
import type { CellTimestamp } from '../../model/row.js'
import { compareRows, type RowPosition } from '../../model/row-order.js'

/** A value at a time, or the mark that a cell was deleted. */
export interface Version {
  /** Null: a sealed cell that was loaded without one. */
  readonly timestamp: CellTimestamp | null
  /** TOMBSTONE only in mutable shards, whose columns hold one version of whatever kind. */
  readonly kind: 'LIVE' | 'EXPIRING' | 'TOMBSTONE'
  /** EXPIRING: dies then; TOMBSTONE: was deleted then. Seconds since 1970. */
  readonly atSeconds: number
  readonly ttlSeconds: number
  readonly value: Buffer
}

export interface Column {
  /** One, except in history shards, where each has a timestamp of its own. */
  readonly versions: readonly Version[]
  /** History: versions at or before it are deleted. */
  readonly deletedUpTo: CellTimestamp | null
  /** History: versions at exactly these times are deleted. */
  readonly deletedAt: readonly CellTimestamp[]
}

export const NO_COLUMN: Column = { versions: [], deletedUpTo: null, deletedAt: [] }

export interface RangeDeletion {
  readonly from: Buffer
  /** Null: to the last column. */
  readonly to: Buffer | null
  readonly upTo: CellTimestamp
}

/** What a write with an idempotency token answered. */
export interface WriteRecord {
  readonly atSeconds: number
  readonly fingerprint: Buffer
  readonly result: MutateResult
}

export interface StoredRow {
  readonly position: RowPosition
  deletedUpTo: CellTimestamp | null
  rangeDeletions: readonly RangeDeletion[]
  lastStamp: CellTimestamp
  /** By local key as hex, whose order is byte order. */
  readonly columns: Map<string, Column>
  readonly writeRecords: Map<string, WriteRecord>
}

export function newRow(position: RowPosition): StoredRow {
  return {
    position,
    deletedUpTo: null,
    rangeDeletions: [],
    lastStamp: 0n,
    columns: new Map(),
    writeRecords: new Map(),
  }
}

/** A row that can be changed without the given one noticing. */
export function copyOf(row: StoredRow): StoredRow {
  return { ...row, columns: new Map(row.columns), writeRecords: new Map(row.writeRecords) }
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
      for (const [localKey, column] of row.columns) {
        const standing = column.versions.filter((version) => !isDeleted(row, localKey, version))
        const kept = standing.filter((version) => {
          const newer = standing.filter((other) => {
            return (
              compareTimestamps(other.timestamp, version.timestamp) > 0 && lifeEnd(other) >= lifeEnd(version)
            )
          })
          return newer.length < maxCellVersions
        })
        row.columns.set(localKey, { ...column, versions: kept })
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
  const column = row.columns.get(localKey)
  if (column === undefined) return []
  return column.versions
    .filter((version) => version.kind !== 'TOMBSTONE' && lifeEnd(version) > view.nowSeconds)
    .filter((version) => !isDeleted(row, localKey, version))
    .toSorted((a, b) => compareTimestamps(b.timestamp, a.timestamp))
    .slice(0, view.maxCellVersions)
}

/** Whether a deletion of its row, of a range or of its column covers a version. */
function isDeleted(row: StoredRow, localKey: string, { timestamp }: Version): boolean {
  if (timestamp === null) return false
  const { deletedUpTo, deletedAt } = row.columns.get(localKey) ?? NO_COLUMN
  const bytes = Buffer.from(localKey, 'hex')
  const ranges = row.rangeDeletions.filter((range) => isWithin(bytes, range)).map(({ upTo }) => upTo)
  const upTo = newest([row.deletedUpTo, deletedUpTo, ...ranges])
  return (upTo !== null && timestamp <= upTo) || deletedAt.includes(timestamp)
}

/** The second from which on a version is gone. */
function lifeEnd({ kind, atSeconds }: Version): number {
  return kind === 'EXPIRING' ? atSeconds : Number.POSITIVE_INFINITY
}

export function isWithin(
  localKey: Buffer,
  { from, to }: { readonly from: Buffer; readonly to: Buffer | null },
): boolean {
  return from.compare(localKey) <= 0 && (to === null || localKey.compare(to) < 0)
}

const KIND_RANK = { LIVE: 0, EXPIRING: 1, TOMBSTONE: 2 }

/**
 * LAST_WRITE_WINS: highest timestamp; at equal timestamps deletion over value, expiring over lasting, later expiry, longer
 * ttl, then the greater bytes.
 */
export function winsOver(a: Version, b: Version): boolean {
  if (a.timestamp !== b.timestamp) return compareTimestamps(a.timestamp, b.timestamp) > 0
  if (a.kind !== b.kind) return KIND_RANK[a.kind] > KIND_RANK[b.kind]
  if (a.atSeconds !== b.atSeconds) return a.atSeconds > b.atSeconds
  if (a.ttlSeconds !== b.ttlSeconds) return a.ttlSeconds > b.ttlSeconds
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
