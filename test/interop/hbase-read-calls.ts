/** Generated reads of HBase clients: cells, rows and gets, with columns, times, versions and filters. */
import fc from 'fast-check'
import * as two from '../../src/thrift/generated/hbase2.js'
import {
  type Draft,
  TABLE,
  bytes,
  column2,
  columnOrFamily,
  half,
  keyIn,
  row1,
  rowName,
  seldom,
  time,
} from './hbase-calls.js'
import { filter2, filterFields } from './hbase-filter-calls.js'

export const reads1 = fc.oneof(
  fc.record({ row: rowName, column: columnOrFamily }).map(({ row, column: name }): Draft => ({
    method: 'get',
    args: (prefix) => ({ ...row1, row: keyIn(prefix, row), column: bytes(name) }),
  })),
  fc
    .record({ row: rowName, column: columnOrFamily, numVersions: fc.integer({ min: 0, max: 4 }) })
    .map(({ row, column: name, numVersions }): Draft => ({
      method: 'getVer',
      args: (prefix) => ({ ...row1, row: keyIn(prefix, row), column: bytes(name), numVersions }),
    })),
  fc
    .record({
      row: rowName,
      column: columnOrFamily,
      timestamp: time,
      numVersions: fc.integer({ min: 1, max: 9 }),
    })
    .map(({ row, column: name, ...rest }): Draft => ({
      method: 'getVerTs',
      args: (prefix) => ({ ...row1, row: keyIn(prefix, row), column: bytes(name), ...rest }),
    })),
  fc
    .record({
      method: fc.constantFrom('getRow', 'getRowTs', 'getRowWithColumns', 'getRowWithColumnsTs'),
      row: rowName,
      columns: fc.option(fc.array(columnOrFamily, { maxLength: 3 })),
      timestamp: time,
    })
    .map(({ method, row, columns, timestamp }): Draft => ({
      method,
      args: (prefix) => ({
        ...row1,
        timestamp,
        row: keyIn(prefix, row),
        columns: columns?.map(bytes) ?? null,
      }),
    })),
  fc
    .record({
      method: fc.constantFrom('getRows', 'getRowsTs', 'getRowsWithColumns', 'getRowsWithColumnsTs'),
      rows: fc.array(rowName, { maxLength: 4 }),
      columns: fc.array(columnOrFamily, { maxLength: 3 }),
      timestamp: time,
    })
    .map(({ method, rows, columns, timestamp }): Draft => ({
      method,
      args: (prefix) => ({
        ...row1,
        timestamp,
        rows: rows.map((row) => keyIn(prefix, row)),
        columns: columns.map(bytes),
      }),
    })),
)

/** What gets and scans of the second gateway have alike. */
export const wish2 = fc.record({
  columns: fc.option(fc.array(column2, { minLength: 1, maxLength: 2 })),
  timeRange: fc.option(fc.tuple(time, time)),
  maxVersions: fc.option(fc.integer({ min: -1, max: 5 })),
  filter: filter2,
  consistency: seldom(fc.constantFrom(1, 2)),
  cacheBlocks: half(fc.boolean()),
})

type Wish2 = typeof wish2 extends fc.Arbitrary<infer T> ? T : never

export function fieldsOf(prefix: string, wish: Wish2) {
  const { columns, timeRange, maxVersions, filter, consistency, cacheBlocks } = wish
  return {
    columns,
    timeRange: timeRange === null ? null : { minStamp: timeRange[0], maxStamp: timeRange[1] },
    maxVersions,
    consistency,
    cacheBlocks,
    ...filterFields(prefix, filter),
  }
}

const get2 = fc.record({
  row: rowName,
  wish: wish2,
  own: fc.record({
    timestamp: fc.option(time, { freq: 4, nil: null }),
    storeLimit: half(fc.integer({ min: -1, max: 3 })),
    storeOffset: half(fc.integer({ min: 0, max: 2 })),
    existence_only: seldom(fc.boolean()),
  }),
})

type Get2 = typeof get2 extends fc.Arbitrary<infer T> ? T : never

function toGet(prefix: string, { row, wish, own }: Get2): two.TGet {
  return two.makeTGet({ row: keyIn(prefix, row), ...fieldsOf(prefix, wish), ...own })
}

export const reads2 = fc.oneof(
  fc.record({ get: get2, method: fc.constantFrom('get', 'get', 'exists') }).map(({ get, method }): Draft => ({
    method,
    args: (prefix) => ({ table: TABLE, tget: toGet(prefix, get) }),
  })),
  fc
    .record({ gets: fc.array(get2, { maxLength: 3 }), method: fc.constantFrom('getMultiple', 'existsAll') })
    .map(({ gets, method }): Draft => ({
      method,
      args: (prefix) => ({ table: TABLE, tgets: gets.map((get) => toGet(prefix, get)) }),
    })),
)
