/** What exceptions of HBase's gateways say: whether a call may be tried again, and how many actions failed. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HBASE_EXCEPTIONS } from '../../../shims/usermetastore/errors.js'
import { batchFault, canRetry, faultOf, noSuchFamily } from '../../../shims/usermetastore/hbase-errors.js'
import { createHBase1Service } from '../../../shims/usermetastore/hbase-thrift1.js'
import { createHBase2Service } from '../../../shims/usermetastore/hbase-thrift2.js'
import { type ErrorCode, KVError } from '../../../src/base/errors.js'
import type { MutateRequest } from '../../../src/model/request.js'
import * as one from '../../../src/thrift/generated/hbase1.js'
import * as two from '../../../src/thrift/generated/hbase2.js'
import { CheckingStore, callOnce } from '../../support/checking-store.js'
import { datasetEntry, mapOf } from '../../support/datasets.js'
import { serviceOptions } from '../../support/hbase-service.js'

const bytes = (text: string): Buffer => Buffer.from(text)
const FAMILY = {
  name: 'a',
  maxVersions: 1,
  ttlSeconds: null,
  compression: 'NONE',
  bloomFilter: 'NONE',
  isInMemory: false,
  isBlockCached: false,
}
const MAP = mapOf(
  datasetEntry({
    name: 't',
    timestampUnit: 'MILLISECONDS',
    keyOrder: 'ORDERED',
    table: { families: [FAMILY], isDisabled: false },
  }),
)

class Recording extends CheckingStore {
  readonly rows: string[] = []

  override mutate(request: MutateRequest, done: Parameters<CheckingStore['mutate']>[1]): void {
    this.rows.push(request.rowKey.toString())
    super.mutate(request, done)
  }
}

function call(gateway: 1 | 2, method: string, args: object, store = new Recording(MAP, null)) {
  const { methods } = (gateway === 1 ? createHBase1Service : createHBase2Service)(store, serviceOptions(MAP))
  const bound = methods.get(method)
  assert.ok(bound !== undefined)
  const { kind, value } = callOnce(bound, args)
  assert.equal(kind, 'fail')
  return value as { message: string; canRetry: boolean }
}

describe('whether a call may be tried again', () => {
  // Of HBase 2.5.8's classes: whether each extends DoNotRetryIOException.
  const NEVER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
    'INVALID_ARGUMENT',
    'DATASET_NOT_FOUND',
    'PERMISSION_DENIED',
    'UNAUTHENTICATED',
    'UNSUPPORTED',
    'BAD_PAGE_TOKEN',
    'VERSION_NOT_FOUND',
    'BAD_SESSION_TOKEN',
    'IDEMPOTENCY_MISMATCH',
    'READ_ONLY',
    'FAILED_PRECONDITION',
    'ALREADY_EXISTS',
    'CONFLICT',
    'TOO_LARGE',
    'CORRUPT',
    'NOT_A_COUNTER',
  ])

  test('is what the class of the exception says', () => {
    // The keys of a Record are its type's.
    for (const code of Object.keys(HBASE_EXCEPTIONS) as ErrorCode[])
      assert.equal(canRetry(faultOf(new KVError(code, 'why'))), !NEVER.has(code), code)
  })

  test('is so of every failed batch, and not of what it failed with', () => {
    const first = noSuchFamily(bytes('b'), 't')
    assert.equal(canRetry(first), false)
    assert.equal(canRetry(batchFault(1, first)), true)
  })

  const get = (family: string) =>
    two.makeTGet({ row: bytes('r'), columns: [{ family: bytes(family), qualifier: null, timestamp: null }] })
  const ofTable = { tableName: bytes('t'), attributes: [] }
  const cases: readonly [gateway: 1 | 2, method: string, args: object, mayRetry: boolean][] = [
    [2, 'get', { table: bytes('t'), tget: get('b') }, false],
    [2, 'getMultiple', { table: bytes('t'), tgets: [get('a'), get('b')] }, true],
    [2, 'get', { table: bytes('none'), tget: get('a') }, false],
    [2, 'get', { table: bytes('t'), tget: { ...get('a'), maxVersions: 0 } }, true],
    [1, 'getRowWithColumns', { ...ofTable, row: bytes('r'), columns: [bytes('b:q')] }, false],
    [1, 'getRowsWithColumns', { ...ofTable, rows: ['r', 's'].map(bytes), columns: [bytes('b:q')] }, true],
    [1, 'getRow', { ...ofTable, tableName: bytes('none'), row: bytes('r') }, false],
  ]
  for (const [gateway, method, args, mayRetry] of cases) {
    test(`${mayRetry ? 'may' : 'may not'}: ${method} of gateway ${gateway}`, () => {
      assert.equal(call(gateway, method, args).canRetry, mayRetry)
    })
  }
})

describe('mutateRows', () => {
  const put = (column: string) => one.makeMutation({ column: bytes(column), value: bytes('v') })
  const removal = (column: string) => one.makeMutation({ column: bytes(column), isDelete: true })
  const cases: readonly [what: string, batches: one.Mutation[][], failed: number][] = [
    ['puts of all batches', [[put('b:x')], [put('b:x')], [put('a:x')]], 2],
    [
      'puts alone where deletions fail as well',
      [[put('b:x')], [put('a:x'), removal('b')], [removal('b:x')]],
      1,
    ],
    ['deletions where the puts are well', [[put('a:x'), removal('b')], [removal('b:x')], [removal('a')]], 2],
  ]
  for (const [what, batches, failed] of cases) {
    test(`fails with ${what}, as HBase’s handler sends puts first`, () => {
      const rowBatches = batches.map((mutations, index) => ({ row: bytes(`r${index}`), mutations }))
      const { message } = call(1, 'mutateRows', { tableName: bytes('t'), attributes: [], rowBatches })
      assert.match(message, new RegExp(`: Failed ${failed} actions?: .*NoSuchColumnFamilyException`))
    })
  }

  test('of a table that is not there fails with its puts, or with its deletions', () => {
    const failed = (...batches: one.Mutation[][]): string => {
      const rowBatches = batches.map((mutations) => ({ row: bytes('r'), mutations }))
      return call(1, 'mutateRows', { tableName: bytes('none'), attributes: [], rowBatches }).message
    }
    assert.match(failed([put('a:x'), removal('a:y')], [removal('a:x')]), /: Failed 1 action: none/)
    assert.match(failed([removal('a:x')], [removal('a:y')], []), /: Failed 2 actions: none/)
  })

  test('writes no batch of which a part fails', () => {
    const store = new Recording(MAP, null)
    const rowBatches = [
      { row: bytes('half'), mutations: [put('a:x'), removal('b')] },
      { row: bytes('whole'), mutations: [put('a:x'), removal('a:y')] },
    ]
    call(1, 'mutateRows', { tableName: bytes('t'), attributes: [], rowBatches }, store)
    assert.deepEqual(store.rows, ['whole'])
  })
})
