/**
 * Pages over one row's columns, and over rows: stateless. A page token is KVStore's: the whole position, authenticated, with
 * a digest of the request that it belongs to. It is made and checked by PageTokens, which the composition root gives.
 */
import { limits } from '../../src/base/limits.js'
import type { DatasetRecord } from '../../src/model/dataset.js'
import type { ReadRequest, ReadResult, RequestContext } from '../../src/model/request.js'
import type { Cell, CellPosition, Row } from '../../src/model/row.js'
import type { ScanRequest, ScanResult } from '../../src/model/scan.js'
import type * as wire from '../../src/thrift/generated/usermetastore.js'
import { MAX_ROW_KEY_BYTES, checkRowKey } from './mapping.js'
import { toRead, requiredTable } from './translate.js'
import { checkConsistency, checkPositive, toRange, toSelector } from './translate-columns.js'

/** Who answered, from which version. */
type Answerer = Pick<ReadResult, 'datasetVersion' | 'side'>

/** Tokens of one dataset. Every `continue...` throws BAD_PAGE_TOKEN or VERSION_NOT_FOUND for what is not one of its. */
export interface PageTokens {
  continueRead(read: ReadRequest, token: Buffer): ReadRequest
  rowToken(read: ReadRequest, index: number, next: CellPosition, answerer: Answerer): Buffer
  continueScan(scan: ScanRequest, token: Buffer, order: number | null): ScanRequest
  /** Null: that was all. */
  scanToken(
    scan: ScanRequest,
    result: ScanResult,
    request: { readonly limit: number | null; readonly order: number | null },
  ): Buffer | null
}

/** A page of a row. */
export interface RowPage {
  /** What the token belongs to: its selector has the caller's limit. */
  readonly question: ReadRequest
  /** What is read: no more columns than the page may show, and one. */
  readonly read: ReadRequest
  /** Cells that the page may show. */
  readonly pageSize: number
}

/** Cells of a page that names no number. */
const DEFAULT_PAGE_CELLS = 1_000

/** @throws {KVError} INVALID_ARGUMENT, TOO_LARGE, BAD_PAGE_TOKEN, VERSION_NOT_FOUND */
export function toRowPage(
  request: wire.ScanRowRequest,
  context: RequestContext,
  { origin }: DatasetRecord,
  tokens: PageTokens,
): RowPage {
  checkPositive(request.pageSize, 'ScanRowRequest.pageSize')
  const pageSize = Math.min(request.pageSize ?? DEFAULT_PAGE_CELLS, limits.maxPageRows)
  const asked = toSelector(withoutLimit(request.columns))
  const limit = request.columns?.limit ?? null
  checkPositive(limit, 'ColumnSelector.limit')
  const whole = toRead(request, [checkRowKey(request.key)], asked, context)
  const selector = asked === null || limit === null ? asked : { ...asked, limit }
  const first: ReadRequest = { ...whole, selector, pageBytes: limits.maxPageBytes }
  const question = request.pageToken === null ? first : tokens.continueRead(first, request.pageToken)
  // Another store behind us goes on by its own token alone, hence behind a whole page of its own.
  if (origin !== null) return { question, read: question, pageSize: Number.POSITIVE_INFINITY }
  return { question, read: bounded(question, pageSize), pageSize }
}

function withoutLimit(columns: wire.ColumnSelector | null): wire.ColumnSelector | null {
  return columns === null ? null : { ...columns, limit: null }
}

function bounded(question: ReadRequest, pageSize: number): ReadRequest {
  const { selector, position } = question
  const most = (position?.columns ?? 0) + pageSize + 1
  const limit = selector?.limit == null ? most : Math.min(selector.limit, most)
  // Where a page ends among the versions of a column their times say where.
  return { ...question, selector: { ...(selector ?? ALL_COLUMNS), limit }, withTimestamps: true }
}

const ALL_COLUMNS = {
  localKeys: [],
  ranges: [],
  isReversed: false,
  maxVersions: 1,
  minTimestamp: null,
  maxTimestamp: null,
  keysOnly: false,
} as const

/** The cells that the page shows, and where the row goes on; null: nowhere. */
export function cutRowPage(
  row: Row,
  { question, pageSize }: RowPage,
): { readonly cells: readonly Cell[]; readonly next: CellPosition | null } {
  const { cells } = row
  const beyond = cells[pageSize]
  const last = cells[pageSize - 1]
  if (beyond === undefined || last === undefined) return { cells, next: row.next }
  const shown = cells.slice(0, pageSize)
  const isWithin = beyond.localKey.equals(last.localKey)
  const { position } = question
  const next: CellPosition = {
    localKey: last.localKey,
    timestamp: isWithin ? last.timestamp : null,
    columns: (position?.columns ?? 0) + newColumns(shown, position),
  }
  return { cells: shown, next }
}

/** Columns of a page; the one that the page before began was counted there. */
function newColumns(cells: readonly Cell[], position: CellPosition | null): number {
  let before = position?.localKey ?? null
  let columns = 0
  for (const { localKey } of cells) {
    if (before === null || !before.equals(localKey)) columns += 1
    before = localKey
  }
  return columns
}

/** The first page of a scan. @throws {KVError} INVALID_ARGUMENT, TOO_LARGE */
export function toScan(request: wire.ScanRequest, context: RequestContext): ScanRequest {
  const { options, limit, pageSize } = request
  if (options !== null) checkConsistency(options)
  checkPositive(limit, 'ScanRequest.limit')
  checkPositive(pageSize, 'ScanRequest.pageSize')
  return {
    dataset: requiredTable(request.table),
    range: toRange(request.startKey, request.endKey, request.keyPrefix, MAX_ROW_KEY_BYTES),
    selector: toSelector(request.columns),
    where: [],
    limit,
    isReversed: false,
    segment: null,
    pageRows: Math.min(pageSize ?? limits.defaultPageRows, limits.maxPageRows),
    pageBytes: limits.defaultPageBytes,
    position: null,
    datasetVersion: null,
    withTimestamps: options?.withTimestamps === true,
    withTtl: false,
    context,
  }
}
