/** Scanners of the second gateway, and the call that opens one, reads and closes it. */
import { limits } from '../../src/base/limits.js'
import * as wire from '../../src/thrift/generated/hbase2.js'
import type { ThriftCall } from '../../src/thrift/protocol.js'
import type { FilterTree } from './filter-parse.js'
import { NEWEST, timeRange } from './hbase-columns.js'
import { DO_NOT_RETRY, ioFault, runtime } from './hbase-errors.js'
import type { HBaseHost, OpenScanner } from './hbase-host.js'
import { LateScanner, type LateWish, filterOf } from './hbase-late-scanner.js'
import type { HBaseRow } from './hbase-ready-rows.js'
import { rangeOf } from './hbase-scan-range.js'
import { legalName } from './hbase-tables.js'
import { Results, answer, serve } from './hbase-thrift2-answers.js'
import { checkOffered, columnsOf, treeOf, versionsOf } from './hbase-thrift2-translate.js'

type ScannerNames = 'openScanner' | 'getScannerRows' | 'closeScanner' | 'getScannerResults'

export function scannerCalls(host: HBaseHost): Pick<wire.THBaseServiceHandler, ScannerNames> {
  const rows = (
    call: ThriftCall<readonly wire.TResult[], wire.TIOError | wire.TIllegalArgument>,
    scanner: () => OpenScanner,
    count: number,
    isOnce = false,
  ): void => {
    serve(call, () => {
      const found = scanner()
      if (count < 0) throw runtime(`${count} rows`)
      if (count === 0) {
        call.reply([])
        return
      }
      const done = answer<readonly HBaseRow[], readonly wire.TResult[]>(call, (read) => {
        const results = new Results()
        return read.map(({ rowKey, cells, isPartial }) => results.of(rowKey, cells, isPartial))
      })
      found.next(Math.min(count, limits.maxScannerRows), host.contextOf(call), (outcome) => {
        if (isOnce) found.close()
        done(outcome)
      })
    })
  }
  return {
    openScanner: ({ table, tscan }, call) => {
      serve(call, () => {
        legalName(table)
        const wish = toWish(tscan ?? wire.makeTScan())
        call.reply(host.scanners.open(new LateScanner(host, table, wish, false)))
      })
    },
    getScannerRows: ({ scannerId, numRows }, call) =>
      rows(call, () => host.scanners.use(scannerId ?? 0), numRows),
    closeScanner: ({ scannerId }, call) => {
      serve(call, () => {
        host.scanners.close(scannerId ?? 0)
        call.reply(null)
      })
    },
    getScannerResults: ({ table, tscan, numRows }, call) => {
      const opened = (): LateScanner => {
        const wish: LateWish = { ...toWish(tscan ?? wire.makeTScan()), isOnce: true }
        return new LateScanner(host, table, wish, false)
      }
      rows(call, opened, numRows, true)
    },
  }
}

const NO_BYTES = Buffer.alloc(0)

/** @throws {KVError} for what is not offered, and for times and filters that are none */
function toWish(scan: wire.TScan): LateWish {
  checkOffered(scan)
  if ((scan.colFamTimeRangeMap ?? []).length > 0)
    throw ioFault(DO_NOT_RETRY, 'colFamTimeRangeMap is not offered: use timeRange')
  const isReversed = scan.reversed === true
  const range = rangeOf(scan.startRow ?? NO_BYTES, scan.stopRow ?? NO_BYTES, isReversed)
  const { minStamp, maxStamp } = scan.timeRange ?? { minStamp: null, maxStamp: null }
  const times = minStamp === null || maxStamp === null ? NEWEST : timeRange(minStamp, maxStamp)
  const columns = columnsOf(scan.columns).map(({ family, qualifier }) => ({
    family: Buffer.from(family),
    qualifier: qualifier === null ? null : Buffer.from(qualifier),
  }))
  const tree = treeOf(scan)
  return {
    columns,
    versions: { ...NEWEST, ...times, count: versionsOfScan(scan, columns, tree) },
    isReversed,
    batch: scan.batchSize !== null && scan.batchSize > 0 ? scan.batchSize : null,
    limit: scan.limit !== null && scan.limit > 0 ? scan.limit : null,
    ...filterOf(tree, range, isReversed),
  }
}

/**
 * A scan of no versions is not refused, as a get of none is. Of columns it finds the newest, because ExplicitColumnTracker
 * counts a version before it asks how many are wanted; of families nothing, and nothing behind a filter, where
 * UserScanQueryMatcher asks first.
 */
function versionsOfScan(
  { maxVersions }: wire.TScan,
  columns: LateWish['columns'],
  filter: FilterTree | null,
): number {
  if (maxVersions >= 1) return versionsOf(maxVersions)
  const areNamed = columns.length > 0 && columns.every(({ qualifier }) => qualifier !== null)
  return areNamed && filter === null ? 1 : 0
}
