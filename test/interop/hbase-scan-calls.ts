/** Generated scans of HBase clients: each is opened, read in pieces and closed. */
import fc from 'fast-check'
import * as one from '../../src/thrift/generated/hbase1.js'
import * as two from '../../src/thrift/generated/hbase2.js'
import {
  type Draft,
  TABLE,
  bytes,
  columnOrFamily,
  endsFrom,
  half,
  keyIn,
  row1,
  rowName,
  seldom,
  time,
} from './hbase-calls.js'
import { filter, filterIn } from './hbase-filter-calls.js'
import { fieldsOf, wish2 } from './hbase-read-calls.js'

const pieces = fc.integer({ min: 1, max: 4 })

export const scans1 = fc
  .record({
    from: rowName,
    columns: fc.array(columnOrFamily, { maxLength: 2 }),
    timestamp: fc.option(time),
    filterText: half(filter),
    batchSize: half(fc.integer({ min: 1, max: 3 })),
    caching: half(fc.integer({ min: 1, max: 3 })),
    isReversed: fc.boolean(),
    sortColumns: fc.boolean(),
    pieces,
  })
  .map((wish): Draft => ({
    method: 'scan',
    args: (prefix) => ({
      ...row1,
      pieces: wish.pieces,
      scan: one.makeTScan({
        ...endsFrom(prefix, wish.from, wish.isReversed),
        columns: wish.columns.map(bytes),
        timestamp: wish.timestamp,
        filterString: wish.filterText === null ? null : filterIn(prefix, wish.filterText),
        // HBase refuses it beside most filters.
        batchSize: wish.filterText === null ? wish.batchSize : null,
        caching: wish.caching,
        reversed: wish.isReversed,
        sortColumns: wish.sortColumns,
      }),
    }),
  }))

/** The ways to open a scanner from before there was TScan. No sequence has rows behind those of the newest one. */
export const openings1 = fc
  .record({
    open: fc.constantFrom(
      'scannerOpen',
      'scannerOpenWithStop',
      'scannerOpenWithPrefix',
      'scannerOpenTs',
      'scannerOpenWithStopTs',
    ),
    from: rowName,
    stop: rowName,
    columns: fc.option(fc.array(columnOrFamily, { maxLength: 2 })),
    timestamp: time,
    pieces,
  })
  .map(({ open, from, stop, columns, timestamp, pieces: count }): Draft => ({
    method: 'scan',
    args: (prefix) => ({
      ...row1,
      open,
      timestamp,
      pieces: count,
      startRow: keyIn(prefix, from),
      stopRow: keyIn(prefix, stop),
      startAndPrefix: keyIn(prefix, from),
      columns: columns?.map(bytes) ?? null,
    }),
  }))

export const scans2 = fc
  .record({
    wish: wish2,
    from: rowName,
    isReversed: fc.boolean(),
    limit: fc.option(fc.integer({ min: 1, max: 3 })),
    batchSize: half(fc.integer({ min: 1, max: 3 })),
    caching: half(fc.integer({ min: 1, max: 3 })),
    readType: seldom(fc.constantFrom(1, 2, 3)),
    pieces,
    numRows: fc.integer({ min: -1, max: 3 }),
    method: fc.constantFrom('scan', 'scan', 'getScannerResults'),
  })
  .map((given): Draft => ({
    method: given.method,
    args: (prefix) => {
      const { maxVersions, ...fields } = fieldsOf(prefix, given.wish)
      return {
        table: TABLE,
        numRows: given.numRows,
        pieces: given.pieces,
        tscan: two.makeTScan({
          ...endsFrom(prefix, given.from, given.isReversed),
          ...fields,
          maxVersions: maxVersions ?? 1,
          // HBase refuses it beside most filters.
          batchSize: given.wish.filter.text === null ? given.batchSize : null,
          caching: given.caching,
          readType: given.readType,
          reversed: given.isReversed,
          limit: given.limit,
        }),
      }
    },
  }))
