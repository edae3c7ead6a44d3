import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deletionsOf, putsOf } from '../../../shims/usermetastore/hbase-thrift2-translate.js'
import { Table } from '../../../shims/usermetastore/hbase-tables.js'
import { deleteUpTo } from '../../../shims/usermetastore/hbase-writes.js'
import type { Mutation } from '../../../src/model/mutation.js'
import { TDeleteType, makeTColumnValue, makeTDelete, makeTPut } from '../../../src/thrift/generated/hbase2.js'
import { datasetRecord } from '../../support/datasets.js'

const TABLE = new Table(datasetRecord({ name: 't' }))
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

function shown(mutations: readonly Mutation[]): string[] {
  return mutations.map((mutation) => {
    if (mutation.kind === 'PUT')
      return mutation.cells
        .map(({ localKey, timestamp }) => `${localKey.toString('latin1').replace('\0', ':')}@${timestamp}`)
        .join(' ')
    if (mutation.kind !== 'DELETE') return mutation.kind
    const { selector, scope, timestamp } = mutation
    if (selector === null) return `${scope} row @${timestamp}`
    const names = selector.localKeys.map((key) => key.toString('latin1').replace('\0', ':'))
    const families = selector.ranges.map(({ from }) => from.toString('latin1').replace('\0', ''))
    return `${scope} ${[...names, ...families].join(' ')} @${timestamp}`
  })
}

function removed(
  columns: readonly (readonly [name: string, timestamp: bigint | null])[],
  deleteType: number,
) {
  const named = columns.map(([name, timestamp]) => {
    const [family = '', qualifier] = name.split(':')
    return { family: bytes(family), qualifier: qualifier === undefined ? null : bytes(qualifier), timestamp }
  })
  return shown(
    deletionsOf(TABLE, makeTDelete({ row: bytes('r'), columns: named, deleteType, timestamp: 7n })),
  )
}

describe('a deletion of the second gateway', () => {
  const { DELETE_COLUMN, DELETE_COLUMNS, DELETE_FAMILY, DELETE_FAMILY_VERSION } = TDeleteType

  test('without columns is one of the row; with an empty list it has no time either, as in HBase', () => {
    const of = (columns: [] | null) =>
      shown(deletionsOf(TABLE, makeTDelete({ row: bytes('r'), columns, timestamp: 7n })))
    assert.deepEqual(of(null), ['UP_TO_TIMESTAMP row @7'])
    assert.deepEqual(of([]), ['UP_TO_TIMESTAMP row @null'])
  })

  test('is one mutation as long as the same is taken of its columns', () => {
    const columns = [
      ['b:x', 5n],
      ['a:x', 5n],
      ['a:x', 5n],
      ['a:y', 6n],
    ] as const
    assert.deepEqual(removed(columns, DELETE_COLUMNS), [
      'UP_TO_TIMESTAMP a:x b:x @5',
      'UP_TO_TIMESTAMP a:y @6',
    ])
    assert.deepEqual(
      removed(
        [
          ['b', 5n],
          ['a', 5n],
        ],
        DELETE_FAMILY,
      ),
      ['UP_TO_TIMESTAMP a b @5'],
    )
    assert.deepEqual(
      removed(
        [
          ['a', 5n],
          ['b', 6n],
        ],
        DELETE_FAMILY_VERSION,
      ),
      ['EXACT_TIMESTAMP a @5', 'EXACT_TIMESTAMP b @6'],
    )
  })

  test('takes a newest version for each time that a column is named', () => {
    const columns = [
      ['a:x', null],
      ['a:y', null],
      ['a:x', null],
      ['a:x', 5n],
    ] as const
    assert.deepEqual(removed(columns, DELETE_COLUMN), [
      'NEWEST_VERSION a:x a:y @null',
      'NEWEST_VERSION a:x @null',
      'EXACT_TIMESTAMP a:x @5',
    ])
  })
})

test('columns and families that are deleted together: a family takes its columns along', () => {
  const column = (family: string, qualifier: string | null) => ({
    family: bytes(family),
    qualifier: qualifier === null ? null : bytes(qualifier),
  })
  const columns = [column('b', 'y'), column('a', 'x'), column('a', null), column('b', 'x'), column('b', 'y')]
  assert.deepEqual(shown([deleteUpTo(TABLE, columns, 5n)]), ['UP_TO_TIMESTAMP b:x b:y a @5'])
})

test('versions of a column are a mutation each, those of different columns together; of one time the last counts', () => {
  const cell = (name: string, timestamp: bigint | null) =>
    makeTColumnValue({ family: bytes('a'), qualifier: bytes(name), value: bytes('v'), timestamp })
  const columnValues = [cell('x', 1n), cell('y', 1n), cell('x', 2n), cell('x', 1n), cell('z', null)]
  const mutations = putsOf(TABLE, makeTPut({ row: bytes('r'), columnValues }), () => 0)
  assert.deepEqual(shown(mutations), ['a:x@1 a:y@1 a:z@null', 'a:x@2'])
})
