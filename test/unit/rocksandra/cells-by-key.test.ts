import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CellsByKey, winsAsMarker } from '../../../shims/rocksandra/engine/cells-by-key.js'
import { WriteSet } from '../../../shims/rocksandra/engine/modify-run.js'
import { TYPES } from '../../../shims/rocksandra/cql/types.js'
import { tableSchema } from '../../../shims/rocksandra/engine/schema.js'

interface Put {
  readonly key: string
  readonly value: string
  readonly time: bigint | null
}

function kept(puts: readonly Put[]): Record<string, string> {
  const cells = new CellsByKey()
  for (const { key, value, time } of puts) {
    const [localKey, bytes] = [Buffer.from(key), Buffer.from(value)]
    cells.keep({ localKey, value: bytes, timestamp: time, ttlSeconds: null })
  }
  const list = cells.list()
  assert.equal(cells.size, list.length)
  return Object.fromEntries(list.map(({ localKey, value }) => [localKey.toString(), value.toString()]))
}

describe('CellsByKey', () => {
  test('has one cell a key, whatever order they come in: the later one, then the greater value', () => {
    const puts = fc.array(
      fc.record({
        key: fc.constantFrom('', 'a', 'ab', 'b', 'c'),
        value: fc.constantFrom('1', '2', '3'),
        time: fc.constantFrom(1n, 2n),
      }),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(puts, (all) => {
        const expected = new Map<string, Put>()
        for (const put of all) {
          const other = expected.get(put.key)
          const isNewer = other === undefined || put.time > (other.time ?? 0n)
          if (isNewer || (put.time === other.time && put.value >= other.value)) expected.set(put.key, put)
        }
        const wanted = Object.fromEntries([...expected].map(([key, { value }]) => [key, value]))
        assert.deepEqual({ ...kept(all) }, wanted)
      }),
    )
  })

  test('of values of one time the greater one stays by signed bytes, of equal ones what lives longer', () => {
    const keptOf = (puts: readonly { readonly hex: string; readonly ttl: number | null }[]) => {
      const cells = new CellsByKey()
      for (const { hex, ttl } of puts) {
        const value = Buffer.from(hex, 'hex')
        cells.keep({ localKey: Buffer.from('k'), value, timestamp: 5n, ttlSeconds: ttl })
      }
      return cells.list().map(({ value, ttlSeconds }) => [value.toString('hex'), ttlSeconds])
    }
    assert.deepEqual(
      keptOf([
        { hex: '7f', ttl: 9 },
        { hex: 'ff', ttl: null },
      ]),
      [['7f', 9]],
    )
    assert.deepEqual(
      keptOf([
        { hex: '80', ttl: null },
        { hex: 'ff', ttl: 1 },
      ]),
      [['ff', 1]],
    )
    assert.deepEqual(
      keptOf([
        { hex: '01', ttl: null },
        { hex: '0180', ttl: null },
      ]),
      [['0180', null]],
    )
    assert.deepEqual(
      keptOf([
        { hex: '01', ttl: 9 },
        { hex: '01', ttl: null },
        { hex: '01', ttl: 10 },
      ]),
      [['01', null]],
    )
  })

  test('of markers of one time one that expires stays, the later one of two', () => {
    const cells = new CellsByKey()
    for (const ttlSeconds of [null, 5, 9, null, 7]) {
      cells.keep(
        { localKey: Buffer.from('k'), value: Buffer.alloc(0), timestamp: 5n, ttlSeconds },
        winsAsMarker,
      )
    }
    assert.deepEqual(
      cells.list().map(({ ttlSeconds }) => ttlSeconds),
      [9],
    )
  })

  test('of cells without times the greater value stays', () => {
    const puts = ['2', '3', '1'].map((value) => ({ key: 'k', value, time: null }))
    assert.deepEqual(kept(puts), { k: '3' })
  })
})

describe('WriteSet', () => {
  test('has one set of writes for each partition of each table, in whatever turn they come', () => {
    const tables = ['one', 'two'].map((name) =>
      tableSchema({
        ...{ keyspace: 'ks', name, id: name },
        columns: [{ name: 'k', type: TYPES.text, kind: 'partition_key', position: 0 }],
      }),
    )
    const set = new WriteSet()
    for (const round of [1, 2, 3]) {
      for (const table of tables) {
        for (const key of ['a', 'b', 'b']) {
          const writes = set.of(table, Buffer.from(key))
          writes.mark(Buffer.from(`${round}`), { timestamp: null, ttlSeconds: null })
        }
      }
    }
    const found = set.all().map(({ table, rowKey }) => `${table.name} ${rowKey.toString()}`)
    assert.deepEqual(found, ['one a', 'one b', 'two a', 'two b'])
    const cells = set.all().map((writes) => {
      const [put] = writes.mutations()
      return put?.kind === 'PUT' ? put.cells.length : 0
    })
    assert.deepEqual(cells, [3, 3, 3, 3])
  })
})
