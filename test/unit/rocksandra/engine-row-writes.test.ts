import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TYPES } from '../../../shims/rocksandra/cql/types.js'
import { decodePaging, encodePaging, pageSource } from '../../../shims/rocksandra/engine/paging.js'
import { RowWrites } from '../../../shims/rocksandra/engine/row-writes.js'
import { tableSchema } from '../../../shims/rocksandra/engine/schema.js'

const table = tableSchema({
  ...{ keyspace: 'ks', name: 't', id: '' },
  columns: [
    { name: 'k', type: TYPES.int, kind: 'partition_key', position: 0 },
    { name: 'v', type: TYPES.text, kind: 'regular' },
    { name: 'm', type: { kind: 'set', element: TYPES.text, isFrozen: false }, kind: 'regular' },
  ],
})
const KEY = Buffer.from('key')
const V = Buffer.from('v')
const PREFIX = Buffer.alloc(0)

function at(timestamp: bigint | null) {
  return { timestamp, ttlSeconds: null }
}

describe('writes of one partition', () => {
  test('of two cells under one key the later one stays, then the greater value', () => {
    const writes = new RowWrites(table, KEY)
    writes.put(V, Buffer.from('b'), at(5n))
    writes.put(V, Buffer.from('z'), at(4n))
    writes.put(V, Buffer.from('a'), at(5n))
    const [put] = writes.mutations()
    assert.equal(put?.kind === 'PUT' && put.cells.length, 1)
    assert.equal(put?.kind === 'PUT' && put.cells[0]?.value.toString(), 'b')
  })

  test('a row is deleted cell by cell, its collections up to the time', () => {
    const writes = new RowWrites(table, KEY)
    writes.deleteRow(PREFIX, 9n)
    const [overwritten, deletion] = writes.mutations()
    assert.ok(overwritten?.kind === 'PUT' && deletion?.kind === 'DELETE')
    assert.deepEqual(
      overwritten.cells.map(({ localKey, timestamp }) => [localKey.toString(), timestamp]),
      [['m', 9n]],
    )
    assert.deepEqual(deletion.selector?.localKeys.map(String), ['', 'v'])
    assert.equal(deletion.timestamp, 9n)
  })

  test('deletions of ranges and what overwrites a collection stand before its elements, others behind all', () => {
    const writes = new RowWrites(table, KEY)
    writes.deleteCell(V, null)
    writes.deleteElements(Buffer.from('e'), null)
    writes.put(Buffer.from('m\0x'), PREFIX, at(null))
    writes.overwriteElements(Buffer.from('m'), null)
    writes.deleteRanges([{ from: PREFIX, to: V }], null)
    writes.deletePartition(null)
    writes.increment(Buffer.from('n'), 2n)
    writes.increment(Buffer.from('n'), 3n)
    const kinds = writes.mutations().map((mutation) => {
      if (mutation.kind === 'PUT') return mutation.cells[0]?.localKey.toString()
      if (mutation.kind === 'INCREMENT') return String(mutation.deltas[0]?.delta)
      if (mutation.kind !== 'DELETE' || mutation.selector === null) return 'partition'
      return mutation.selector.ranges.length > 0 ? 'range' : 'cells'
    })
    assert.deepEqual(kinds, ['partition', 'range', 'm', 'm\0x', 'e', 'cells', '5'])
  })

  test('deletions of different times are apart', () => {
    const writes = new RowWrites(table, KEY)
    writes.deletePartition(3n)
    writes.deleteCell(V, 4n)
    writes.deleteRanges([{ from: PREFIX, to: V }], 3n)
    const shown = writes.mutations().map((mutation) => {
      return mutation.kind === 'DELETE'
        ? [mutation.timestamp, mutation.selector?.ranges.length ?? 'row']
        : null
    })
    assert.deepEqual(shown, [
      [3n, 'row'],
      [3n, 1],
      [4n, 0],
    ])
  })
})

describe('states of pages', () => {
  const position = { remaining: 7, remainingInPartition: 2, offset: 3, rowKey: KEY }

  test('are read as they were made', () => {
    for (const mark of [null, PREFIX, V]) {
      assert.deepEqual(decodePaging(encodePaging({ ...position, mark }, 5), 5), { ...position, mark })
    }
  })

  test('of another table, or of the other direction, are refused by the protocol', () => {
    const of = (name: string, id: string, isReversed = false) =>
      pageSource({ keyspace: 'ks', name, id }, isReversed)
    const state = encodePaging({ ...position, mark: V }, of('t', '1'))
    assert.deepEqual(decodePaging(state, of('t', '1')).mark, V)
    for (const other of [of('u', '1'), of('t', '2'), of('t', '1', true)]) {
      assert.throws(() => decodePaging(state, other), { code: 'PROTOCOL_ERROR' })
    }
  })

  test('that are cut, or of another format, are refused by the protocol', () => {
    const state = encodePaging({ ...position, mark: null }, 5)
    for (let size = 0; size < state.length; size++) {
      assert.throws(() => decodePaging(state.subarray(0, size), 5), { code: 'PROTOCOL_ERROR' })
    }
    assert.throws(() => decodePaging(Buffer.concat([Buffer.from([9]), state.subarray(1)]), 5), {
      message: 'Invalid value for the paging state',
    })
  })
})
