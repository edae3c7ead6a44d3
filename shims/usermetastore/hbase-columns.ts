/** Columns as HBase's Thrift gateways write them, `family:qualifier` or a family alone: which local keys they are. */
import { ALL_VERSIONS, type ByteRange, type Cell, type CellSelector, WHOLE_ROW } from '../../src/model/row.js'
import { runtime } from './hbase-errors.js'
import type { Table } from './hbase-tables.js'
import {
  type Column,
  LATEST_TIMESTAMP,
  MAX_ROW_KEY_BYTES,
  familyRange,
  toColumn,
  toLocalKey,
} from './mapping.js'

const COLON = 0x3a

/** A column, or with a qualifier of null a whole family. */
export interface ColumnName {
  readonly family: Buffer
  readonly qualifier: Buffer | null
}

/** CellUtil.parseColumn: cut at the first colon. @throws {KVError} where the client names none at all */
export function parseColumn(name: Buffer | null): ColumnName {
  if (name === null) throw runtime('a column without a name')
  const at = name.indexOf(COLON)
  if (at < 0) return { family: name, qualifier: null }
  return { family: name.subarray(0, at), qualifier: name.subarray(at + 1) }
}

/** `family:qualifier` of a local key. */
export function nameOf(localKey: Buffer): Buffer {
  const { family } = toColumn(localKey)
  if (family.length === 0) return Buffer.concat([COLON_BYTES, localKey])
  // The zero byte behind the family becomes the colon.
  const name = Buffer.from(localKey)
  name[family.length] = COLON
  return name
}

const COLON_BYTES = Buffer.from([COLON])

/** The newest versions within [from, to) of what was asked for. */
export interface Versions {
  /** Per column; 0: a scan that finds nothing. */
  readonly count: number
  /** Inclusive. */
  readonly from: bigint
  /** Exclusive; LATEST_TIMESTAMP: no bound. */
  readonly to: bigint
}

export const NEWEST: Versions = { count: 1, from: 0n, to: LATEST_TIMESTAMP }

/** [0, to): what reads of the first gateway with a timestamp take. @throws {KVError} for a negative one */
export function versionsBefore(to: bigint, count = 1): Versions {
  return { count, ...timeRange(0n, to) }
}

/** TimeRange.check. @throws {KVError} that no handler catches */
export function timeRange(from: bigint, to: bigint): { readonly from: bigint; readonly to: bigint } {
  if (from < 0n || to < 0n) throw runtime(`Timestamp cannot be negative. minStamp:${from}, maxStamp:${to}`)
  if (to < from) throw runtime('maxStamp is smaller than minStamp')
  return { from, to }
}

/**
 * What a list of columns selects; empty: everything. As HBase's Get and Scan have it, the last mention of a family decides:
 * a whole family drops columns of it that were named before, a column narrows a family that was named before.
 * @throws {KVError} NoSuchColumnFamilyException, INVALID_ARGUMENT, TOO_LARGE
 */
export function selectorOf(
  table: Table,
  columns: readonly ColumnName[],
  versions: Versions,
): CellSelector | null {
  const isPlain = versions.count === 1 && versions.from === 0n && versions.to === LATEST_TIMESTAMP
  if (isPlain && columns.length === 0) return null
  const { localKeys, ranges } = partsOf(table, columns)
  return {
    ...WHOLE_ROW,
    localKeys,
    ranges,
    maxVersions: Math.min(versions.count, ALL_VERSIONS),
    minTimestamp: versions.from === 0n ? null : versions.from,
    maxTimestamp: versions.to === LATEST_TIMESTAMP ? null : versions.to,
  }
}

function partsOf(table: Table, columns: readonly ColumnName[]): Pick<CellSelector, 'localKeys' | 'ranges'> {
  /** Null: the whole family. */
  const byFamily = new Map<string, { readonly family: Buffer; keys: Map<string, Buffer> | null }>()
  for (const { family, qualifier } of columns) {
    const id = family.toString('latin1')
    if (qualifier === null) {
      byFamily.set(id, { family, keys: null })
      continue
    }
    const key = toLocalKey({ family, qualifier })
    const known = byFamily.get(id)?.keys
    if (known == null) byFamily.set(id, { family, keys: new Map([[key.toString('latin1'), key]]) })
    else known.set(key.toString('latin1'), key)
  }
  const localKeys: Buffer[] = []
  const ranges: ByteRange[] = []
  for (const { family, keys } of byFamily.values()) {
    table.checkFamily(family)
    if (keys !== null) localKeys.push(...keys.values())
    // Of a table that no HBase client made, the family without a name stands for all that it has.
    else if (family.length === 0) return EVERYTHING
    else ranges.push(familyRange(family))
  }
  localKeys.sort((a, b) => a.compare(b))
  ranges.sort((a, b) => a.from.compare(b.from))
  return { localKeys, ranges }
}

const EVERYTHING = { localKeys: [], ranges: [] }

/**
 * Of each family no more versions than it keeps: the dataset keeps as many as the family with most.
 * Cells come in the order of local keys, versions newest first; `before` is the last of a part of the row that came before.
 */
export function withinFamilies(
  table: Table,
  cells: readonly Cell[],
  before: ColumnCount = { localKey: null, versions: 0 },
): readonly Cell[] {
  if (!table.hasShorterFamily) return cells
  const kept = table.record.maxCellVersions
  return cells.filter(({ localKey }) => {
    before.versions = before.localKey?.equals(localKey) === true ? before.versions + 1 : 1
    before.localKey = localKey
    return before.versions <= (table.settingsOf(toColumn(localKey).family)?.maxVersions ?? kept)
  })
}

/** How many versions of a column came so far. */
export interface ColumnCount {
  localKey: Buffer | null
  versions: number
}

export function columnOf(localKey: Buffer): Column {
  return toColumn(localKey)
}

/** @throws {KVError} what the constructors of Get, Put and Delete throw */
export function checkedRow(row: Buffer | null, fail: (text: string) => Error = runtime): Buffer {
  if (row === null || row.length === 0) throw fail('Row length is 0')
  if (row.length > MAX_ROW_KEY_BYTES) throw fail(`Row length ${row.length} is > ${MAX_ROW_KEY_BYTES}`)
  return row
}
