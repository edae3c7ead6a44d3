import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CqlType, TYPES } from '../../../shims/rocksandra/cql/types.js'
import {
  columnKey,
  elementKey,
  keyOfPath,
  partsOf,
  pathOf,
  rowKeyOf,
  rowOfKey,
  rowPrefix,
} from '../../../shims/rocksandra/engine/mapping.js'
import { type Column, type TableSchema, tableSchema } from '../../../shims/rocksandra/engine/schema.js'

const TEXTS: CqlType = { kind: 'set', element: TYPES.text, isFrozen: false }

const clustered = tableSchema({
  ...{ keyspace: 'ks', name: 't', id: '' },
  columns: [
    { name: 'k', type: TYPES.int, kind: 'partition_key', position: 0 },
    { name: 'j', type: TYPES.text, kind: 'partition_key', position: 1 },
    { name: 'c', type: TYPES.int, kind: 'clustering', position: 0 },
    { name: 'd', type: TYPES.text, kind: 'clustering', position: 1, isReversed: true },
    { name: 'v', type: TYPES.text, kind: 'regular' },
    { name: 's', type: TEXTS, kind: 'regular' },
  ],
})

const plain = tableSchema({
  ...{ keyspace: 'ks', name: 'p', id: '' },
  columns: [
    { name: 'k', type: TYPES.text, kind: 'partition_key', position: 0 },
    { name: 'v', type: TYPES.text, kind: 'regular' },
  ],
})

function column(table: TableSchema, name: string): Column {
  const found = table.byName.get(name)
  assert.ok(found)
  return found
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

describe('row keys', () => {
  test('of one part are its value, of several as Cassandra joins them', () => {
    assert.equal(rowKeyOf(plain, [Buffer.from('ab')]).toString('hex'), '6162')
    const key = rowKeyOf(clustered, [int(1), Buffer.from('x')])
    assert.equal(key.toString('hex'), '0004000000010000017800')
    assert.deepEqual(partsOf(clustered, key), [int(1), Buffer.from('x')])
  })

  test('that are cut or go on are none', () => {
    const key = rowKeyOf(clustered, [int(1), Buffer.from('x')])
    for (let size = 0; size < key.length; size++)
      assert.equal(partsOf(clustered, key.subarray(0, size)), null)
    assert.equal(partsOf(clustered, Buffer.concat([key, Buffer.from('x')])), null)
  })

  test('empty and overlong ones are refused as Cassandra refuses them', () => {
    assert.throws(() => rowKeyOf(plain, [Buffer.alloc(0)]), { message: 'Key may not be empty' })
    assert.throws(() => rowKeyOf(plain, [Buffer.alloc(65_536)]), {
      message: 'Key length of 65536 is longer than maximum of 65535',
    })
    assert.throws(() => rowKeyOf(clustered, [int(1), Buffer.alloc(65_530)]), { code: 'INVALID' })
  })
})

describe('local keys', () => {
  test('of a table without clustering columns are the names of its columns', () => {
    assert.equal(rowPrefix(plain, []).length, 0)
    assert.equal(columnKey(rowPrefix(plain, []), column(plain, 'v')).toString(), 'v')
  })

  test('of a clustered row begin with it, and lead back to it', () => {
    const prefix = rowPrefix(clustered, [int(-5), Buffer.from('q\0r')])
    for (const key of [
      prefix,
      columnKey(prefix, column(clustered, 'v')),
      elementKey(prefix, column(clustered, 's'), pathOf(column(clustered, 's'), Buffer.from('e'))),
    ]) {
      const row = rowOfKey(clustered, key)
      assert.deepEqual(row, {
        end: prefix.length,
        isStatic: false,
        clustering: [int(-5), Buffer.from('q\0r')],
      })
    }
  })

  test('lie as the clustering order says', () => {
    const keys = [
      rowPrefix(clustered, [int(-1), Buffer.from('b')]),
      rowPrefix(clustered, [int(-1), Buffer.from('a')]),
      rowPrefix(clustered, [int(3), Buffer.from('bb')]),
      rowPrefix(clustered, [int(3), Buffer.from('b')]),
      rowPrefix(clustered, [int(3), Buffer.from('')]),
    ]
    assert.deepEqual(
      keys.toSorted((a, b) => a.compare(b)),
      keys,
    )
  })

  test('are those of FORMATS.md', () => {
    const table = tableSchema({
      ...{ keyspace: 'ks', name: 't', id: '' },
      columns: [
        { name: 'k', type: TYPES.text, kind: 'partition_key', position: 0 },
        { name: 'at', type: TYPES.int, kind: 'clustering', position: 0, isReversed: true },
        { name: 'who', type: TYPES.text, kind: 'clustering', position: 1 },
        { name: 'v', type: TYPES.text, kind: 'regular' },
        {
          name: 'm',
          type: { kind: 'map', key: TYPES.text, value: TYPES.int, isFrozen: false },
          kind: 'regular',
        },
      ],
    })
    const prefix = rowPrefix(table, [int(7), Buffer.from('ann')])
    assert.equal(prefix.toString('hex'), '01fe7ffffff8616e6e0000')
    assert.equal(columnKey(prefix, column(table, 'v')).toString('hex'), '01fe7ffffff8616e6e000076')
    const m = column(table, 'm')
    const key = elementKey(prefix, m, pathOf(m, Buffer.from('x')))
    assert.equal(key.toString('hex'), '01fe7ffffff8616e6e00006d00780000')
  })

  test('that no CQL wrote are no row', () => {
    for (const hex of ['', '02', '01', '0180', '0180000001', '6162']) {
      assert.equal(rowOfKey(clustered, Buffer.from(hex, 'hex')), null, hex)
    }
    assert.equal(rowOfKey(clustered, Buffer.from([0, 1]))?.isStatic, true)
  })

  test('of elements give the element back', () => {
    const s = column(clustered, 's')
    for (const text of ['', 'a', '\0', 'ä\u{10ffff}']) {
      assert.equal(keyOfPath(s, pathOf(s, Buffer.from(text))).toString(), text)
    }
  })
})
