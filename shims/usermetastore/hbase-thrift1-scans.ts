/**
 * Scanners of the first gateway. A table is only looked at when rows are asked for, as in HBase, but for its name and
 * filter.
 */
import { limits } from '../../src/base/limits.js'
import type { ByteRange } from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/hbase1.js'
import type { ThriftCall } from '../../src/thrift/protocol.js'
import { prefixSuccessor } from '../../src/base/bytes.js'
import { parseFilter } from './filter-parse.js'
import { type ColumnName, NEWEST, parseColumn, versionsBefore } from './hbase-columns.js'
import { runtime } from './hbase-errors.js'
import type { HBaseHost } from './hbase-host.js'
import { LateScanner, type LateWish, filterOf } from './hbase-late-scanner.js'
import type { HBaseRow } from './hbase-ready-rows.js'
import { rangeOf } from './hbase-scan-range.js'
import { legalName } from './hbase-tables.js'
import { RowResults, answer, serve } from './hbase-thrift1-answers.js'

type ScanNames = 'scannerOpenWithScan' | 'scannerOpen' | 'scannerOpenWithStop' | 'scannerOpenWithPrefix'
type MoreScanNames = 'scannerOpenTs' | 'scannerOpenWithStopTs'
type ScannerNames = 'scannerGet' | 'scannerGetList' | 'scannerClose'

export function scannerCalls(
  host: HBaseHost,
): Pick<wire.HbaseHandler, ScanNames | MoreScanNames | ScannerNames> {
  const open = (
    call: ThriftCall<number, wire.IOError>,
    name: Buffer | null,
    wishOf: () => LateWish,
    isSorted = false,
  ): void => {
    serve(call, () => {
      legalName(name)
      call.reply(host.scanners.open(new LateScanner(host, name, wishOf(), isSorted)))
    })
  }
  const list = (
    call: ThriftCall<readonly wire.TRowResult[], wire.IOError | wire.IllegalArgument>,
    id: number | null,
    rows: number | null,
  ): void => {
    serve(call, () => {
      const scanner = host.scanners.use(id ?? 0)
      const count = rows ?? 0
      if (count < 0) throw runtime(`${count} rows`)
      if (count === 0) {
        call.reply([])
        return
      }
      const { isSorted } = scanner
      const done = answer<readonly HBaseRow[], readonly wire.TRowResult[]>(call, (found) => {
        const results = new RowResults(isSorted)
        return found.map(({ rowKey, cells }) => results.of(rowKey, cells))
      })
      scanner.next(Math.min(count, limits.maxScannerRows), host.contextOf(call), done)
    })
  }
  return {
    scannerOpenWithScan: (args, call) => {
      const scan = args.scan ?? wire.makeTScan()
      open(call, args.tableName, () => toWish(scan), scan.sortColumns === true)
    },
    scannerOpen: (args, call) => open(call, args.tableName, () => plain(args.startRow, null, args.columns)),
    scannerOpenWithStop: (args, call) =>
      open(call, args.tableName, () => plain(args.startRow, args.stopRow, args.columns)),
    scannerOpenWithPrefix: (args, call) =>
      open(call, args.tableName, () => {
        const prefix = args.startAndPrefix ?? NO_BYTES
        return { ...plain(null, null, args.columns), range: prefixOf(prefix) }
      }),
    scannerOpenTs: (args, call) =>
      open(call, args.tableName, () => plain(args.startRow, null, args.columns, args.timestamp)),
    scannerOpenWithStopTs: (args, call) =>
      open(call, args.tableName, () => plain(args.startRow, args.stopRow, args.columns, args.timestamp)),
    scannerGet: ({ id }, call) => list(call, id, 1),
    scannerGetList: ({ id, nbRows }, call) => list(call, id, nbRows),
    scannerClose: ({ id }, call) => {
      serve(call, () => {
        host.scanners.close(id ?? 0)
        call.reply(null)
      })
    },
  }
}

/** A scan of all of the columns, or of these, without a filter. */
function plain(
  start: Buffer | null,
  stop: Buffer | null,
  columns: readonly Buffer[] | null,
  timestamp?: bigint | null,
): LateWish {
  return {
    ...EVERYTHING,
    columns: keptColumns(columns),
    versions: timestamp === undefined ? NEWEST : versionsBefore(timestamp ?? 0n),
    range: rangeOf(start ?? NO_BYTES, stop ?? NO_BYTES, false),
  }
}

const NO_BYTES = Buffer.alloc(0)

const EVERYTHING = { isReversed: false, filter: null, batch: null, limit: null } as const

/** Copied, because a scanner keeps them for long. */
function keptColumns(columns: readonly Buffer[] | null): ColumnName[] {
  return (columns ?? []).map((column) => parseColumn(Buffer.from(column)))
}

function prefixOf(prefix: Buffer): ByteRange | null {
  return prefix.length === 0 ? null : { from: Buffer.from(prefix), to: prefixSuccessor(prefix) }
}

function toWish(scan: wire.TScan): LateWish {
  const isReversed = scan.reversed === true
  const range = rangeOf(scan.startRow ?? NO_BYTES, scan.stopRow ?? NO_BYTES, isReversed)
  const columns = keptColumns(scan.columns)
  const versions = scan.timestamp === null ? NEWEST : versionsBefore(scan.timestamp)
  const batch = scan.batchSize !== null && scan.batchSize > 0 ? scan.batchSize : null
  const tree = scan.filterString === null ? null : parseFilter(Buffer.from(scan.filterString))
  const filtered = filterOf(tree, range, isReversed)
  return { columns, versions, isReversed, batch, limit: null, ...filtered }
}
