/** What calls of HBase's gateways ask of the KVStore where an answer does not show it, and answers without cells. */
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { createHBase1Service } from '../../../shims/usermetastore/hbase-thrift1.js'
import { createHBase2Service } from '../../../shims/usermetastore/hbase-thrift2.js'
import type { Done } from '../../../src/base/errors.js'
import type { MutateRequest, MutateResult } from '../../../src/model/request.js'
import * as two from '../../../src/thrift/generated/hbase2.js'
import { CheckingStore, callOnce } from '../../support/checking-store.js'
import { datasetEntry, mapOf } from '../../support/datasets.js'
import { serviceOptions } from '../../support/hbase-service.js'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const MAP = mapOf(datasetEntry({ name: 't', timestampUnit: 'MILLISECONDS', keyOrder: 'ORDERED' }))
const CELL = { localKey: bytes('a\0q'), value: bytes('v'), timestamp: 5n, ttlSeconds: null }

class Recording extends CheckingStore {
  readonly requests: MutateRequest[] = []

  override mutate(request: MutateRequest, done: Done<MutateResult>): void {
    this.requests.push(request)
    super.mutate(request, done)
  }
}

let store = new Recording(MAP, null)

beforeEach(() => {
  store = new Recording(MAP, { cells: [CELL], next: null })
})

function call(gateway: 1 | 2, method: string, args: object) {
  const { methods } = (gateway === 1 ? createHBase1Service : createHBase2Service)(store, serviceOptions(MAP))
  const bound = methods.get(method)
  assert.ok(bound !== undefined)
  return callOnce(bound, args)
}

describe('a write is as durable', () => {
  const change = (kind: string) => {
    const isDelete = kind.startsWith('delete')
    return { isDelete, column: bytes('a:q'), value: bytes('v'), writeToWAL: !kind.endsWith('-') }
  }
  const row = { tableName: bytes('t'), attributes: [] }
  const cases: readonly [mutations: string, durability: 'LOG' | null][] = [
    ['put', null],
    ['put-', 'LOG'],
    ['put put-', 'LOG'],
    ['put- put', null],
    ['delete put-', null],
    ['delete- put', null],
    ['delete- put-', 'LOG'],
    ['delete delete- put-', 'LOG'],
  ]
  for (const [kinds, durability] of cases) {
    test(`as the last put and the last deletion ask for: ${kinds}`, () => {
      const mutations = kinds.split(' ').map(change)
      call(1, 'mutateRow', { ...row, row: bytes('r'), mutations })
      const rowBatches = [{ row: bytes('r'), mutations }]
      call(1, 'mutateRows', { ...row, rowBatches })
      assert.deepEqual(
        store.requests.map((request) => request.durability),
        [durability, durability],
      )
    })
  }

  test('as the batch of the row that asks for most', () => {
    const rowBatches = [['put'], ['put-']].map((kinds) => ({ row: bytes('r'), mutations: kinds.map(change) }))
    call(1, 'mutateRows', { ...row, rowBatches })
    assert.deepEqual(
      store.requests.map((request) => request.durability),
      [null],
    )
  })

  test('as the second gateway says: log, disk, or what the dataset has', () => {
    const { USE_DEFAULT, SKIP_WAL, ASYNC_WAL, SYNC_WAL, FSYNC_WAL } = two.TDurability
    const columnValues = [two.makeTColumnValue({ family: bytes('a'), value: bytes('v') })]
    for (const durability of [USE_DEFAULT, SKIP_WAL, ASYNC_WAL, SYNC_WAL, FSYNC_WAL, 99, null]) {
      const given = { row: bytes('r'), durability }
      call(2, 'put', { table: bytes('t'), tput: two.makeTPut({ ...given, columnValues }) })
      call(2, 'deleteSingle', { table: bytes('t'), tdelete: two.makeTDelete(given) })
      const columns = [{ family: bytes('a'), qualifier: bytes('n'), amount: 1n }]
      call(2, 'increment', { table: bytes('t'), tincrement: two.makeTIncrement({ ...given, columns }) })
      call(2, 'append', { table: bytes('t'), tappend: two.makeTAppend({ ...given, columns: columnValues }) })
    }
    const asked = store.requests.map((request) => request.durability)
    const expected = [null, 'LOG', 'LOG', null, 'LOG_SYNCED', null, null]
    assert.deepEqual(
      asked,
      expected.flatMap((each) => [each, each, each, each]),
    )
  })
})

test('rows of one call may name other columns than the row before, and one column twice: the last value stays', () => {
  const put = (column: string, value: string) => ({
    isDelete: false,
    column: bytes(column),
    value: bytes(value),
    writeToWAL: true,
  })
  const rowBatches = [
    { row: bytes('r1'), mutations: [put('a:x', '1'), put('a:y', '2')] },
    { row: bytes('r2'), mutations: [put('a:x', '3'), put('a:x', '4')] },
    { row: bytes('r3'), mutations: [put('a:x', '5'), put('a:long enough to be compared elsewhere', '6')] },
    { row: bytes('r1'), mutations: [put('a:y', '7')] },
  ]
  const { kind } = call(1, 'mutateRows', { tableName: bytes('t'), attributes: [], rowBatches })
  assert.equal(kind, 'reply')
  assert.deepEqual(
    store.requests.map(({ rowKey, mutations }) => [
      rowKey.toString(),
      mutations.map((mutation) =>
        mutation.kind === 'PUT'
          ? mutation.cells
              .map(({ localKey, value }) => `${localKey.toString('latin1', 2)}=${String(value)}`)
              .join(' ')
          : mutation.kind,
      ),
    ]),
    [
      ['r1', ['x=1 y=2', 'y=7']],
      ['r2', ['x=4']],
      ['r3', ['x=5 long enough to be compared elsewhere=6']],
    ],
  )
})

describe('a get that asks whether there is something', () => {
  const tget = (existsOnly: boolean | null) => two.makeTGet({ row: bytes('r'), existence_only: existsOnly })

  test('is answered by exists and existsAll', () => {
    assert.equal(call(2, 'exists', { table: bytes('t'), tget: tget(true) }).value, true)
    const tgets = [tget(true), tget(false), tget(null)]
    assert.deepEqual(call(2, 'existsAll', { table: bytes('t'), tgets }).value, [true, true, true])
  })

  test('fails where cells are answered, as in HBase, which has none to answer', () => {
    const asked: readonly [method: string, args: object][] = [
      ['get', { tget: tget(true) }],
      ['getMultiple', { tgets: [tget(null), tget(true)] }],
    ]
    for (const [method, args] of asked) {
      const { kind, value } = call(2, method, { table: bytes('t'), ...args })
      assert.equal(kind, 'abort')
      assert.match(String(value), /^Internal error processing \w+: existence_only answers no cells/)
    }
    const { value } = call(2, 'get', { table: bytes('t'), tget: tget(false) })
    assert.equal((value as two.TResult).columnValues?.length, 1)
  })
})

describe('what is of another row than its call', () => {
  const put = (row: string) =>
    two.makeTPut({
      row: bytes(row),
      columnValues: [two.makeTColumnValue({ family: bytes('a'), value: bytes('v') })],
    })
  const rows = (row: string, ...others: string[]): two.TRowMutations => ({
    row: bytes(row),
    mutations: others.map((other) => ({ put: put(other), deleteSingle: null })),
  })
  const condition = {
    table: bytes('t'),
    row: bytes('r'),
    family: bytes('a'),
    qualifier: bytes('q'),
    value: null,
  }
  const cases: readonly [method: string, args: object][] = [
    ['checkAndPut', { ...condition, tput: put('other') }],
    ['checkAndDelete', { ...condition, tdelete: two.makeTDelete({ row: bytes('other') }) }],
    ['checkAndMutate', { ...condition, rowMutations: rows('other', 'other') }],
    ['checkAndMutate', { ...condition, rowMutations: rows('r', 'r', 'other') }],
    ['mutateRow', { table: bytes('t'), trowMutations: rows('r', 'r', 'other') }],
  ]
  for (const [method, args] of cases) {
    test(`is refused by ${method}, and nothing is written`, () => {
      const { kind, value } = call(2, method, args)
      assert.equal(kind, 'fail')
      assert.match((value as two.TIOError).message ?? '', /<other> doesn't match the original one <r>/)
      assert.equal(store.requests.length, 0)
    })
  }
})

test('a visibility is refused by name, whatever writes it', () => {
  const given = { row: bytes('r'), cellVisibility: { expression: 'secret' } }
  const columnValues = [two.makeTColumnValue({ family: bytes('a'), value: bytes('v') })]
  const columns = [{ family: bytes('a'), qualifier: bytes('n'), amount: 1n }]
  const answers = [
    call(2, 'put', { table: bytes('t'), tput: two.makeTPut({ ...given, columnValues }) }),
    call(2, 'increment', { table: bytes('t'), tincrement: two.makeTIncrement({ ...given, columns }) }),
    call(2, 'append', { table: bytes('t'), tappend: two.makeTAppend({ ...given, columns: columnValues }) }),
  ]
  for (const { kind, value } of answers) {
    assert.equal(kind, 'fail')
    assert.match((value as two.TIOError).message ?? '', /cellVisibility is not offered/)
  }
  assert.equal(store.requests.length, 0)
})
