/** Our results in UserMetaStore's words: pure. */
import { KVError } from '../../src/base/errors.js'
import type { DatasetRecord, Durability } from '../../src/model/dataset.js'
import type { MutateResult } from '../../src/model/request.js'
import type { Cell, Row, RowOutcome } from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/usermetastore.js'
import { readErrorOf, writeErrorOf } from './errors.js'

const NO_CELLS: readonly wire.Cell[] = []

/** @param limit columns that were asked for; one more was read to see whether there are more */
export function toRow(key: Buffer, row: Row | null, limit: number | null): wire.Row {
  if (row === null) return { key, cells: NO_CELLS, stale: null, truncated: null }
  const end = limit === null ? row.cells.length : endOfColumns(row.cells, limit)
  const isCut = end < row.cells.length
  const cells = (isCut ? row.cells.slice(0, end) : row.cells).map(toCell)
  return { key, cells, stale: null, truncated: isCut || row.next !== null ? true : null }
}

export function toCell({ localKey, value, timestamp }: Cell): wire.Cell {
  return { column: localKey, value, timestamp }
}

/** The times were read for us alone. */
export function toBareCell({ localKey, value }: Cell): wire.Cell {
  return { column: localKey, value, timestamp: null }
}

/** Index behind the cells of the first `limit` columns. */
function endOfColumns(cells: readonly Cell[], limit: number): number {
  let columns = 0
  for (const [index, cell] of cells.entries()) {
    if (index > 0 && cells[index - 1]?.localKey.equals(cell.localKey) === true) continue
    columns += 1
    if (columns > limit) return index
  }
  return cells.length
}

export function toRowResult(key: Buffer, outcome: RowOutcome, limit: number | null): wire.RowResult {
  if (outcome instanceof KVError) return { row: null, error: readErrorOf(outcome) }
  return { row: toRow(key, outcome, limit), error: null }
}

export function toWriteResult({ timestamp }: MutateResult): wire.WriteResult {
  return { error: null, timestamp }
}

export function toRowWrite(outcome: MutateResult | KVError): wire.WriteResult {
  if (outcome instanceof KVError) return { error: writeErrorOf(outcome), timestamp: null }
  return toWriteResult(outcome)
}

export function toCheckResult({ isApplied, row }: MutateResult): wire.CheckResult {
  return { applied: isApplied, actual: isApplied ? null : (row?.cells[0]?.value ?? null) }
}

export function toIncrementResponse({ counters }: MutateResult): wire.IncrementResponse {
  return { values: counters.map(({ localKey, value }) => ({ column: localKey, value, missing: null })) }
}

const COUNTER_BYTES = 8

/** One value for each column of the request, repeats included. */
export function toRowCounts(outcome: RowOutcome, columns: readonly Buffer[]): wire.RowCounts {
  if (outcome instanceof KVError) return { values: null, error: readErrorOf(outcome) }
  const found = new Map<string, Buffer>()
  for (const { localKey, value } of outcome?.cells ?? []) {
    if (value.length !== COUNTER_BYTES) {
      const message = `a column of ${value.length} bytes: counters have ${COUNTER_BYTES}`
      return { values: null, error: readErrorOf(new KVError('NOT_A_COUNTER', message)) }
    }
    found.set(localKey.toString('latin1'), value)
  }
  const values = columns.map((column) => {
    const value = found.get(column.toString('latin1'))
    if (value === undefined) return { column, value: 0n, missing: true }
    return { column, value: value.readBigInt64BE(0), missing: null }
  })
  return { values, error: null }
}

/** `satisfies` makes a new level fail to compile until it is mapped. */
const DURABILITIES = {
  LOG: wire.WriteDurability.LOGGED,
  LOG_SYNCED: wire.WriteDurability.FORCED,
} as const satisfies Readonly<Record<Durability, number>>

export function toTableInfo(record: DatasetRecord): wire.TableInfo {
  const isWritable = record.mode === 'READ_WRITE'
  return {
    name: record.name,
    owner: record.owner.name,
    ordered: record.keyOrder === 'ORDERED',
    scannable: true,
    maxVersions: isWritable ? record.maxCellVersions : 1,
    ttlSeconds: record.defaultTtlSeconds,
    defaultConsistency: wire.ReadConsistency.STRONG,
    defaultDurability: isWritable ? DURABILITIES[record.defaultDurability] : null,
    readOnly: !isWritable,
  }
}
