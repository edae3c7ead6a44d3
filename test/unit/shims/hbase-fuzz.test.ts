/**
 * Handlers of both HBase gateways against arguments that nobody would send: each call is answered exactly once, by what can
 * be encoded and never as a fault of ours, and what is handed on passes the checks behind it or is refused by them. Short
 * unless GODWIT_FUZZ_RUNS says otherwise; fast-check prints the seed of a failure.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { HBaseOptions } from '../../../shims/usermetastore/hbase-host.js'
import { createHBase1Service } from '../../../shims/usermetastore/hbase-thrift1.js'
import { createHBase2Service } from '../../../shims/usermetastore/hbase-thrift2.js'
import { KVError } from '../../../src/base/errors.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { RowOutcome } from '../../../src/model/row.js'
import * as one from '../../../src/thrift/generated/hbase1.js'
import * as two from '../../../src/thrift/generated/hbase2.js'
import type { ThriftService } from '../../../src/thrift/protocol.js'
import { CheckingStore, callOnce } from '../../support/checking-store.js'
import { datasetEntry, mapOf } from '../../support/datasets.js'
import { serviceOptions } from '../../support/hbase-service.js'

const RUNS = Number(process.env['GODWIT_FUZZ_RUNS'] ?? 100)
const FUZZ = { numRuns: RUNS, endOnFailure: true }

const FAMILY = {
  ttlSeconds: null,
  compression: 'NONE',
  bloomFilter: 'NONE',
  isInMemory: false,
  isBlockCached: false,
}
const TABLE = { timestampUnit: 'MILLISECONDS', keyOrder: 'ORDERED', maxCellVersions: 3 } as const
const ENTRIES = [
  datasetEntry({ ...TABLE, name: 't' }),
  datasetEntry({
    ...TABLE,
    name: 'made',
    table: {
      families: [
        { ...FAMILY, name: 'a', maxVersions: 3 },
        { ...FAMILY, name: 'b', maxVersions: 1, ttlSeconds: 60 },
      ],
      isDisabled: false,
    },
  }),
  datasetEntry({ ...TABLE, name: 'off', table: { families: [], isDisabled: true } }),
  datasetEntry({ ...TABLE, name: 'loaded', mode: 'BATCH' }),
  datasetEntry({ name: 'micro' }),
]
const MAP = mapOf(...ENTRIES)

const options = serviceOptions(MAP)

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 4 })
const few = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { maxLength: 4 })
/** Not printed byte for byte where a counterexample has them. */
function manyBytes(size: number): Buffer {
  return Object.assign(Buffer.alloc(size, 'x'), { [fc.toStringMethod]: () => `${size} bytes` })
}
const anyName = fc
  .constantFrom('t', 'made', 'made', 'off', 'loaded', 'micro', 'none', '', 'default:made', 'a:b:c', '\0')
  .map(bytes)
const anyBytes = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('', 'k', 'a', 'b', 'a:', 'a:q', 'b:q', ':q', 'a\0q', 'zz:q').map(bytes),
  },
  { weight: 1, arbitrary: fc.constantFrom(127, 128, 32_767, 32_768).map(manyBytes) },
)
const anyInt = fc.constantFrom(-(2 ** 31), -1, 0, 1, 2, 3, 5, 6, 7, 1_000, 2 ** 31 - 1)
const anyLong = fc.constantFrom(-(2n ** 63n), -1n, 0n, 1n, 5n, 1_700_000_000_000n, 2n ** 63n - 1n)
const anyFilter = fc
  .constantFrom(
    '',
    'KeyOnlyFilter()',
    "PrefixFilter('k') AND FirstKeyOnlyFilter()",
    'PageFilter(0)',
    "WHILE ValueFilter(=, 'regexstring:^1')",
    "SingleColumnValueFilter('a', 'q', =, 'substring:x', true, true) OR TimestampsFilter(1)",
    "DependentColumnFilter('a', 'q', true)",
    'Nothing(',
  )
  .map(bytes)
const anyAttributes = few(fc.tuple(fc.constantFrom('_ttl', 'other').map(bytes), anyBytes))

const anyCell = fc.record({
  localKey: fc.constantFrom('', 'x', 'a\0q', 'a\0r', 'b\0q').map(bytes),
  value: fc.constantFrom('', '1', '12345678').map(bytes),
  timestamp: fc.constantFrom(0n, 5n),
  ttlSeconds: fc.constant(null),
})
const anyOutcome: fc.Arbitrary<RowOutcome> = fc.oneof(
  fc.constant(null),
  fc
    .constantFrom('TOO_LARGE', 'DEADLINE_EXCEEDED', 'UNAVAILABLE', 'NOT_A_COUNTER')
    .map((code) => new KVError(code, 'as planned')),
  fc.record({
    cells: few(anyCell),
    next: fc.constantFrom(null, { localKey: bytes('a\0q'), timestamp: 5n, columns: 1 }),
  }),
)

/** By name. */
type Arguments = Readonly<Record<string, fc.Arbitrary<unknown>>>

const itself = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T> => arbitrary

/** Each is made when it is first read: of all the names a method has a few. */
function madeWhenRead(make: fc.GeneratorValue, named: Arguments): object {
  const made = new Map<string, unknown>()
  return new Proxy(named, {
    get(_, name) {
      const arbitrary = typeof name === 'string' ? named[name] : undefined
      if (typeof name !== 'string' || arbitrary === undefined) return undefined
      if (!made.has(name)) made.set(name, make(itself, arbitrary))
      return made.get(name)
    },
  })
}

/** Arguments of every name that a method of the gateway has, so that each finds its own. */
const mutation = fc.record({
  isDelete: fc.boolean(),
  column: maybe(anyBytes),
  value: maybe(anyBytes),
  writeToWAL: fc.boolean(),
})
const increment = fc
  .record({ table: anyName, row: maybe(anyBytes), column: maybe(anyBytes), ammount: maybe(anyLong) })
  .map((given) => one.makeTIncrement(given))
const ARGUMENTS_1: Arguments = {
  tableName: maybe(anyName),
  tableNameOrRegionName: anyName,
  row: maybe(anyBytes),
  rows: maybe(few(anyBytes)),
  column: maybe(anyBytes),
  columns: maybe(few(anyBytes)),
  mutations: maybe(few(mutation)),
  rowBatches: maybe(few(fc.record({ row: maybe(anyBytes), mutations: maybe(few(mutation)) }))),
  timestamp: maybe(anyLong),
  numVersions: maybe(anyInt),
  attributes: maybe(anyAttributes),
  value: maybe(fc.oneof(anyBytes, anyLong)),
  mput: maybe(mutation),
  increment: maybe(increment),
  increments: maybe(few(increment)),
  append: maybe(
    fc.record({
      table: maybe(anyName),
      row: maybe(anyBytes),
      columns: maybe(few(anyBytes)),
      values: maybe(few(anyBytes)),
    }),
  ),
  startRow: maybe(anyBytes),
  stopRow: maybe(anyBytes),
  startAndPrefix: maybe(anyBytes),
  scan: maybe(
    fc
      .record({
        startRow: maybe(anyBytes),
        stopRow: maybe(anyBytes),
        timestamp: maybe(anyLong),
        columns: maybe(few(anyBytes)),
        caching: maybe(anyInt),
        filterString: fc.option(anyFilter, { freq: 2 }),
        batchSize: maybe(anyInt),
        sortColumns: maybe(fc.boolean()),
        reversed: maybe(fc.boolean()),
      })
      .map((given) => one.makeTScan(given)),
  ),
  id: maybe(anyInt),
  nbRows: maybe(anyInt),
  columnFamilies: maybe(
    few(
      fc
        .record({ name: maybe(anyBytes), maxVersions: anyInt, timeToLive: anyInt, compression: fc.string() })
        .map((given) => one.makeColumnDescriptor(given)),
    ),
  ),
}

const column2 = fc.record({ family: maybe(anyBytes), qualifier: maybe(anyBytes), timestamp: maybe(anyLong) })
const columnValue2 = fc
  .record({
    family: maybe(anyBytes),
    qualifier: maybe(anyBytes),
    value: maybe(anyBytes),
    timestamp: maybe(anyLong),
  })
  .map((given) => two.makeTColumnValue(given))
const range2 = fc.record({ minStamp: maybe(anyLong), maxStamp: maybe(anyLong) })
const get2 = fc
  .record({
    row: maybe(anyBytes),
    columns: maybe(few(column2)),
    timestamp: fc.option(anyLong, { freq: 2 }),
    timeRange: fc.option(range2, { freq: 2 }),
    maxVersions: maybe(anyInt),
    filterString: fc.option(anyFilter, { freq: 2 }),
    storeLimit: maybe(anyInt),
    storeOffset: maybe(anyInt),
    filterBytes: fc.option(anyBytes, { freq: 2 }),
    existence_only: maybe(fc.boolean()),
  })
  .map((given) => two.makeTGet(given))
const put2 = fc
  .record({
    row: maybe(anyBytes),
    columnValues: maybe(few(columnValue2)),
    timestamp: maybe(anyLong),
    attributes: maybe(anyAttributes),
    durability: maybe(anyInt),
  })
  .map((given) => two.makeTPut(given))
const delete2 = fc
  .record({
    row: maybe(anyBytes),
    columns: maybe(few(column2)),
    timestamp: maybe(anyLong),
    deleteType: anyInt,
    durability: maybe(anyInt),
  })
  .map((given) => two.makeTDelete(given))
const rowMutations2 = fc.record({
  row: maybe(anyBytes),
  mutations: maybe(few(fc.record({ put: maybe(put2), deleteSingle: maybe(delete2) }))),
})
const tableName2 = fc.record({
  ns: maybe(fc.constantFrom('', 'default', 'x').map(bytes)),
  qualifier: anyName,
})
const family2 = fc
  .record({
    name: maybe(anyBytes),
    maxVersions: maybe(anyInt),
    timeToLive: maybe(anyInt),
    compressionType: maybe(anyInt),
  })
  .map((given) => two.makeTColumnFamilyDescriptor(given))
/** Some are names of tables for some methods, and their numbers for others. */
const ARGUMENTS_2: Arguments = {
  table: maybe(anyName),
  tget: maybe(get2),
  tgets: maybe(few(get2)),
  tput: maybe(put2),
  tputs: maybe(few(put2)),
  tdelete: maybe(delete2),
  tdeletes: maybe(few(delete2)),
  row: maybe(anyBytes),
  family: maybe(anyBytes),
  qualifier: maybe(anyBytes),
  value: maybe(anyBytes),
  compareOperator: maybe(anyInt),
  trowMutations: maybe(rowMutations2),
  rowMutations: maybe(rowMutations2),
  tincrement: maybe(
    fc
      .record({
        row: maybe(anyBytes),
        columns: maybe(
          few(fc.record({ family: maybe(anyBytes), qualifier: maybe(anyBytes), amount: anyLong })),
        ),
        attributes: maybe(anyAttributes),
        returnResults: maybe(fc.boolean()),
      })
      .map((given) => two.makeTIncrement(given)),
  ),
  tappend: maybe(
    fc
      .record({
        row: maybe(anyBytes),
        columns: maybe(few(columnValue2)),
        attributes: maybe(anyAttributes),
        returnResults: maybe(fc.boolean()),
      })
      .map((given) => two.makeTAppend(given)),
  ),
  tscan: maybe(
    fc
      .record({
        startRow: maybe(anyBytes),
        stopRow: maybe(anyBytes),
        columns: maybe(few(column2)),
        maxVersions: anyInt,
        timeRange: maybe(range2),
        filterString: fc.option(anyFilter, { freq: 2 }),
        batchSize: maybe(anyInt),
        reversed: maybe(fc.boolean()),
        limit: maybe(anyInt),
        filterBytes: fc.option(anyBytes, { freq: 2 }),
      })
      .map((given) => two.makeTScan(given)),
  ),
  scannerId: maybe(anyInt),
  numRows: anyInt,
  tableName: maybe(tableName2),
  tables: maybe(few(tableName2)),
  regex: maybe(fc.constantFrom('.*', 'ma.e', '(', '')),
  name: maybe(fc.constantFrom('default', 'hbase', '')),
  desc: maybe(fc.record({ tableName: maybe(tableName2), columns: maybe(few(family2)) })),
  splitKeys: maybe(few(anyBytes)),
}

type Create = (kvstore: KVStore, options: HBaseOptions) => ThriftService

/** Changes of tables are answered by the main thread, which is not here; these ask for none. */
const CHANGES = new Set(['createTable', 'deleteTable', 'enableTable', 'disableTable'])
/** What toKVError makes of a fault of ours. */
const OURS = /TypeError|RangeError|ReferenceError|Cannot read|is not a function|is not defined|undefined/

function isAnsweredOnce(create: Create, name: string, named: Arguments): void {
  fc.assert(
    fc.property(fc.gen(), anyOutcome, (make, outcome) => {
      const args = madeWhenRead(make, named)
      const { methods } = create(new CheckingStore(MAP, outcome), options)
      const bound = methods.get(name)
      assert.ok(bound !== undefined)
      const { kind, value } = callOnce(bound, args)
      if (kind !== 'reply') assert.doesNotMatch(JSON.stringify(value), OURS)
      // What was opened is read and closed as well.
      if (kind === 'reply' && typeof value === 'number' && /^(scannerOpen|openScanner)/.test(name)) {
        const ids = { id: value, nbRows: 2, scannerId: value, numRows: 2 }
        for (const next of ['scannerGetList', 'getScannerRows', 'scannerClose', 'closeScanner']) {
          const found = methods.get(next)
          if (found !== undefined) callOnce(found, ids)
        }
      }
    }),
    FUZZ,
  )
}

const GATEWAYS: readonly [name: string, create: Create, named: Arguments][] = [
  ['the first gateway', createHBase1Service, ARGUMENTS_1],
  ['the second gateway', createHBase2Service, ARGUMENTS_2],
]

for (const [gateway, create, named] of GATEWAYS) {
  describe(gateway, () => {
    const { methods } = create(new CheckingStore(MAP, null), options)
    for (const name of methods.keys()) {
      if (CHANGES.has(name)) continue
      test(`${name} answers once, whatever is asked and whatever is stored`, () =>
        isAnsweredOnce(create, name, named))
    }
  })
}
