/**
 * HBase's first Thrift gateway (Hbase, port 9090), its calls on rows. What it does is copied from
 * ThriftHBaseServiceHandler of
 * HBase 2.5, oddities included: `mutateRow` deletes first and `mutateRows` last, a put without a colon is passed over by one
 * and refused by the other, reads with a timestamp leave that time out and deletions take it in, rows that are not there
 * are left out. Unlike HBase, everything that one call does to a row is one atomic step.
 */
import type { KVStore } from '../../src/model/kvstore.js'
import type { Cell } from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/hbase1.js'
import type { ThriftCall, ThriftService } from '../../src/thrift/protocol.js'
import {
  type ColumnName,
  NEWEST,
  type Versions,
  checkedRow,
  parseColumn,
  selectorOf,
  versionsBefore,
} from './hbase-columns.js'
import { DO_NOT_RETRY, IO_EXCEPTION, asActions, ioFault } from './hbase-errors.js'
import { HBaseHost, type HBaseOptions } from './hbase-host.js'
import { RowResults, answer, serve, toTCell } from './hbase-thrift1-answers.js'
import { scannerCalls } from './hbase-thrift1-scans.js'
import { tableCalls } from './hbase-thrift1-tables.js'
import { changeCalls, writeCalls } from './hbase-thrift1-writes.js'

type Handlers<K extends keyof wire.HbaseHandler> = Pick<wire.HbaseHandler, K>

/** The service as the thrift server takes it. */
export function createHBase1Service(kvstore: KVStore, options: HBaseOptions): ThriftService {
  const host = new HBaseHost(kvstore, 'hbase1', options)
  const handler: wire.HbaseHandler = {
    ...readCalls(host),
    ...writeCalls(host),
    ...changeCalls(host),
    ...scannerCalls(host),
    ...tableCalls(host),
  }
  return {
    ...wire.bindHbase(handler),
    tooLarge: (method, maxBytes) =>
      wire.makeIOError({
        message: `${DO_NOT_RETRY}: the answer of ${method} exceeds ${maxBytes} bytes: ask for less at a time`,
        canRetry: false,
      }),
  }
}

type ReadNames = 'get' | 'getVer' | 'getVerTs' | 'getRow' | 'getRowWithColumns' | 'getRowTs'
type MoreReadNames = 'getRowWithColumnsTs' | 'getRows' | 'getRowsWithColumns' | 'getRowsTs'

function readCalls(host: HBaseHost): Handlers<ReadNames | MoreReadNames | 'getRowsWithColumnsTs'> {
  const cells = (
    call: ThriftCall<readonly wire.TCell[], wire.IOError>,
    args: { tableName: Buffer | null; row: Buffer | null; column: Buffer | null },
    versions: () => Versions,
  ): void => {
    serve(call, () => {
      const column = parseColumn(args.column)
      const table = host.tables.open(args.tableName)
      const row = checkedRow(args.row)
      const selector = selectorOf(table, [column], versions())
      const done = answer<readonly (readonly Cell[] | null)[], readonly wire.TCell[]>(call, ([found]) =>
        (found ?? []).map(toTCell),
      )
      host.read(table, [row], selector, { context: host.contextOf(call), done })
    })
  }
  const rows = (
    call: ThriftCall<readonly wire.TRowResult[], wire.IOError>,
    args: {
      tableName: Buffer | null
      rows: readonly (Buffer | null)[]
      columns?: readonly Buffer[] | null
      timestamp?: bigint | null
    },
  ): void => {
    serve(call, () => {
      const table = host.tables.open(args.tableName)
      const keys = args.rows.map((row) => checkedRow(row))
      const columns: ColumnName[] = (args.columns ?? []).map(parseColumn)
      const versions = args.timestamp == null ? NEWEST : versionsBefore(args.timestamp)
      if (keys.length === 0) {
        call.reply([])
        return
      }
      const selector = asActions(keys.length, () => selectorOf(table, columns, versions))
      const done = answer<readonly (readonly Cell[] | null)[], readonly wire.TRowResult[]>(call, (found) =>
        foundRows(keys, found),
      )
      host.read(table, keys, selector, { context: host.contextOf(call), done })
    })
  }
  return {
    get: (args, call) => cells(call, args, () => NEWEST),
    getVer: (args, call) => cells(call, args, () => ({ ...NEWEST, count: countOf(args.numVersions) })),
    getVerTs: (args, call) =>
      cells(call, args, () => versionsBefore(args.timestamp ?? 0n, countOf(args.numVersions))),
    getRow: ({ tableName, row }, call) => rows(call, { tableName, rows: [row] }),
    getRowWithColumns: ({ tableName, row, columns }, call) => rows(call, { tableName, rows: [row], columns }),
    getRowTs: ({ tableName, row, timestamp }, call) =>
      rows(call, { tableName, rows: [row], timestamp: timestamp ?? 0n }),
    getRowWithColumnsTs: ({ tableName, row, columns, timestamp }, call) =>
      rows(call, { tableName, rows: [row], columns, timestamp: timestamp ?? 0n }),
    getRows: (args, call) => rows(call, { tableName: args.tableName, rows: args.rows ?? [] }),
    getRowsWithColumns: ({ tableName, rows: keys, columns }, call) =>
      rows(call, { tableName, rows: keys ?? [], columns }),
    getRowsTs: ({ tableName, rows: keys, timestamp }, call) =>
      rows(call, { tableName, rows: keys ?? [], timestamp: timestamp ?? 0n }),
    getRowsWithColumnsTs: ({ tableName, rows: keys, columns, timestamp }, call) =>
      rows(call, { tableName, rows: keys ?? [], columns, timestamp: timestamp ?? 0n }),
  }
}

function foundRows(keys: readonly Buffer[], found: readonly (readonly Cell[] | null)[]): wire.TRowResult[] {
  const names = new RowResults(false)
  const results: wire.TRowResult[] = []
  for (const [index, row] of keys.entries()) {
    const cells = found[index] ?? null
    if (cells !== null) results.push(names.of(row, cells))
  }
  return results
}

function countOf(numVersions: number | null): number {
  if (numVersions !== null && numVersions > 0) return numVersions
  throw ioFault(IO_EXCEPTION, 'versions must be positive')
}
