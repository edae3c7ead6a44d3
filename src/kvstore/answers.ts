/** The way back, pure: results in our words -> KVStore structs. */
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { MutateResult, ReadResult } from '../model/request.js'
import type { Cell, CellPosition, Row, RowOutcome } from '../model/row.js'
import type { ScannedRow } from '../model/scan.js'
import * as wire from '../thrift/generated/kvstore.js'
import { errorToDetail, writeErrorToDetail } from './errors.js'

/** Seals where a row goes on. */
export type NextToken = (index: number, next: CellPosition) => Buffer

/** What a page of one row adds to its answer. */
export interface RowPage {
  readonly nextPageToken: Buffer | null
  /** An earlier page answered the newest version of the unnamed value: what is left of it are older ones. */
  readonly isUnnamedBegun: boolean
}

const WHOLE: RowPage = { nextPageToken: null, isUnnamedBegun: false }

interface SplitRow {
  readonly unnamed: Cell | null
  readonly others: readonly Cell[] | null
}

const NO_CELLS: SplitRow = { unnamed: null, others: null }

export function rowToGetResponse(
  row: Row | null,
  info: wire.ReadInfo | null,
  page = WHOLE,
): wire.GetResponse {
  const { unnamed, others } = row === null ? NO_CELLS : page.isUnnamedBegun ? unsplit(row) : splitRow(row)
  return {
    value: unnamed === null ? null : unnamed.value,
    cells: others,
    nextPageToken: page.nextPageToken,
    timestamp: unnamed === null ? null : unnamed.timestamp,
    ttlSeconds: unnamed === null ? null : unnamed.ttlSeconds,
    info,
  }
}

/** `nextToken` is null where no row can have been cut. */
export function resultToMultiGetResponse(
  result: ReadResult,
  info: wire.ReadInfo | null,
  nextToken: NextToken | null = null,
): wire.MultiGetResponse {
  const rows: wire.RowResult[] = []
  for (let index = 0; index < result.rows.length; index += 1) {
    rows.push(outcomeToRow(result.rows[index] ?? null, index, nextToken))
  }
  return { rows, info }
}

function outcomeToRow(outcome: RowOutcome, index: number, nextToken: NextToken | null): wire.RowResult {
  if (outcome === null) return ABSENT_ROW
  if (outcome instanceof KVError) return { ...ABSENT_ROW, error: errorToDetail(outcome) }
  const isCut = outcome.next !== null && nextToken !== null
  return rowToResult(outcome, isCut ? nextToken(index, outcome.next) : null, null)
}

const ABSENT_ROW: wire.RowResult = {
  value: null,
  cells: null,
  error: null,
  nextPageToken: null,
  timestamp: null,
  ttlSeconds: null,
  key: null,
}

function rowToResult(row: Row, nextPageToken: Buffer | null, key: Buffer | null): wire.RowResult {
  const { unnamed, others } = splitRow(row)
  return {
    value: unnamed === null ? null : unnamed.value,
    cells: others,
    error: null,
    nextPageToken,
    timestamp: unnamed === null ? null : unnamed.timestamp,
    ttlSeconds: unnamed === null ? null : unnamed.ttlSeconds,
    key,
  }
}

export function scannedToRow({ rowKey, row }: ScannedRow, nextPageToken: Buffer | null): wire.RowResult {
  return rowToResult(row, nextPageToken, rowKey)
}

/**
 * The newest version of the unnamed value stands apart from the other cells; its older versions stay among them. Forward
 * it is the first cell, in a reversed read its versions are the last ones.
 */
function splitRow({ cells }: Row): SplitRow {
  const first = cells[0]
  if (first === undefined) return NO_CELLS
  if (first.localKey.length === 0) {
    return { unnamed: first, others: cells.length === 1 ? null : cells.slice(1) }
  }
  let index = cells.length
  while (index > 0 && cells[index - 1]?.localKey.length === 0) index -= 1
  const unnamed = cells[index]
  if (unnamed === undefined) return { unnamed: null, others: cells }
  return { unnamed, others: [...cells.slice(0, index), ...cells.slice(index + 1)] }
}

function unsplit({ cells }: Row): SplitRow {
  return cells.length === 0 ? NO_CELLS : { unnamed: null, others: cells }
}

const COUNTER_BYTES = 8

/** One answer a key, with one value for each local key of the request, repeats included. */
export function countersToResponse(
  { rows }: ReadResult,
  localKeys: readonly Buffer[],
): wire.GetCountersResponse {
  return { rows: rows.map((row) => outcomeToCounters(row, localKeys)) }
}

function outcomeToCounters(outcome: RowOutcome, localKeys: readonly Buffer[]): wire.CounterRow {
  if (outcome instanceof KVError) return { counters: null, error: errorToDetail(outcome) }
  const found = new Map<string, Buffer>()
  for (const { localKey, value } of outcome?.cells ?? []) {
    if (value.length !== COUNTER_BYTES) {
      const error = new KVError('NOT_A_COUNTER', `a column of ${value.length} bytes: counters have 8`)
      return { counters: null, error: errorToDetail(error) }
    }
    found.set(localKey.toString('latin1'), value)
  }
  const counters = localKeys.map((localKey) => {
    const value = found.get(localKey.toString('latin1'))
    if (value === undefined) return { localKey, value: 0n, missing: true }
    return { localKey, value: value.readBigInt64BE(0), missing: null }
  })
  return { counters, error: null }
}

export function resultToWriteResponse(
  { timestamp, isRepeated }: MutateResult,
  sessionToken: Buffer | null,
): wire.WriteResponse {
  return { timestamp, sessionToken, repeated: isRepeated ? true : null }
}

export function resultToMutateResponse(
  result: MutateResult,
  sessionToken: Buffer | null,
): wire.MutateResponse {
  return {
    applied: result.isApplied,
    write: resultToWriteResponse(result, sessionToken),
    row: result.row === null ? null : rowToResult(result.row, null, null),
  }
}

export function resultToIncrementResponse(
  result: MutateResult,
  sessionToken: Buffer | null,
): wire.IncrementResponse {
  return {
    counters: result.counters.map(({ localKey, value }) => ({ localKey, value, missing: null })),
    write: resultToWriteResponse(result, sessionToken),
  }
}

export function outcomeToRowWrite(outcome: MutateResult | KVError): wire.RowWriteResult {
  if (outcome instanceof KVError) return { error: writeErrorToDetail(outcome), timestamp: null }
  return { error: null, timestamp: outcome.timestamp }
}

export function entryToDatasetInfo({ record, current }: DatasetEntry): wire.DatasetInfo {
  const isBatch = record.mode === 'BATCH'
  return {
    name: record.name,
    owner: record.owner.name,
    description: record.description,
    mode: wire.DatasetMode[record.mode],
    keyOrder: wire.KeyOrder[record.keyOrder],
    timestampUnit: wire.TimestampUnit[record.timestampUnit],
    conflictRule: wire.ConflictRule.LAST_WRITE_WINS,
    maxCellVersions: isBatch ? 1 : record.maxCellVersions,
    defaultTtlSeconds: record.defaultTtlSeconds,
    defaultConsistency: wire.Consistency.STRONG,
    defaultDurability: isBatch ? null : wire.Durability[record.defaultDurability],
    currentVersion: current === null ? null : BigInt(current.id),
    maxValueBytes: record.maxValueBytes,
    idempotencyWindowSeconds: isBatch ? null : limits.idempotencyWindowSeconds,
  }
}
