import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CellsByKey } from '../../../shims/rocksandra/engine/cells-by-key.js'
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
