import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TYPES } from '../../../shims/rocksandra/cql/types.js'
import { type BatchType, batchWarnings, checkBatch } from '../../../shims/rocksandra/engine/batch-rules.js'
import { columnKey, elementKey, pathOf, rowPrefix } from '../../../shims/rocksandra/engine/mapping.js'
import type { Modification } from '../../../shims/rocksandra/engine/modify.js'
import { RowWrites } from '../../../shims/rocksandra/engine/row-writes.js'
import { type TableSchema, tableSchema } from '../../../shims/rocksandra/engine/schema.js'

const TIMES = { timestamp: 5n, ttlSeconds: null }
const SIZES = { warnBytes: 5_120, failBytes: 51_200 }

function tableNamed(name: string, options: TableSchema['options'] = {}): TableSchema {
  return tableSchema({
    ...{ keyspace: 'ks', name, id: '', options },
    columns: [
      { name: 'k', type: TYPES.int, kind: 'partition_key', position: 0 },
      { name: 'c', type: TYPES.text, kind: 'clustering', position: 0 },
      { name: 's', type: TYPES.blob, kind: 'static' },
      { name: 'v', type: TYPES.blob, kind: 'regular' },
      {
        name: 'm',
        type: { kind: 'map', key: TYPES.int, value: TYPES.text, isFrozen: false },
        kind: 'regular',
      },
    ],
  })
}

const table = tableNamed('t')
const counters = tableSchema({
  ...{ keyspace: 'ks', name: 'n', id: '' },
  columns: [
    { name: 'k', type: TYPES.int, kind: 'partition_key', position: 0 },
    { name: 'n', type: TYPES.counter, kind: 'regular' },
  ],
})

function columnOf(name: string) {
  const found = table.byName.get(name)
  assert.ok(found)
  return found
}

/** What the rules look at. */
function part(of: TableSchema, more: Partial<Modification> = {}): Modification {
  return { table: of, timestamp: null, condition: null, ...more } as Modification
}

function warningsOf(writes: readonly RowWrites[], type: BatchType = 'LOGGED', sizes = SIZES) {
  const parts = writes.map((one) => ({ modification: part(one.table) }))
  return batchWarnings({ type, parts }, writes, sizes)
}

/** The size that Cassandra would name, which it names of all that is over nothing. */
function sizeOf(writes: RowWrites): number {
  const [warning = ''] = warningsOf([writes], 'LOGGED', { warnBytes: 1, failBytes: 100_000 })
  return Number(/is of size (\d+), exceeding specified threshold of 1 by/.exec(warning)?.[1])
}

const KEY = Buffer.from([0, 0, 0, 1])
const PREFIX = rowPrefix(table, [Buffer.from('ccc')])

describe('the size of a batch', () => {
  test('is that of rows: clustering values once, cells with 16 bytes each; keys, markers and static cells are nothing', () => {
    const writes = new RowWrites(table, KEY)
    writes.mark(PREFIX, TIMES)
    writes.put(columnKey(PREFIX, columnOf('v')), Buffer.alloc(10), TIMES)
    writes.put(Buffer.from([0, 0x73]), Buffer.alloc(1_000), TIMES)
    assert.equal(sizeOf(writes), 3 + 16 + 10)
  })

  test('of a collection 12 bytes once, and its keys', () => {
    const writes = new RowWrites(table, KEY)
    const column = columnOf('m')
    writes.deleteElements(columnKey(PREFIX, column), 4n)
    for (const key of [1, 2]) {
      const path = pathOf(column, Buffer.from([0, 0, 0, key]))
      writes.putElement({ prefix: PREFIX, column }, path, { ...TIMES, value: Buffer.alloc(5) })
    }
    assert.equal(sizeOf(writes), 3 + 12 + 2 * (16 + 4 + 5))
    assert.equal(elementKey(PREFIX, column, Buffer.alloc(0)).subarray(PREFIX.length).toString(), 'm\0')
  })

  test('of a deleted row its clustering values, of a deleted cell 16 bytes, of ranges and partitions nothing', () => {
    const writes = new RowWrites(table, KEY)
    writes.deleteRow(PREFIX, 5n)
    assert.equal(sizeOf(writes), 3)
    writes.deleteCell(columnKey(rowPrefix(table, [Buffer.from('d')]), columnOf('v')), 5n)
    writes.deletePartition(4n)
    assert.equal(sizeOf(writes), 3 + 1 + 16)
  })

  test('of a counter that of a shard', () => {
    const writes = new RowWrites(counters, KEY)
    writes.increment(Buffer.from('n'), 1n)
    assert.equal(sizeOf(writes), 16 + 36)
  })

  test('over the first threshold is warned of and over the second refused, in one partition, too', () => {
    const writes = new RowWrites(table, KEY)
    writes.put(columnKey(PREFIX, columnOf('v')), Buffer.alloc(5_120 - 16 - 3), TIMES)
    assert.deepEqual(warningsOf([writes]), [])
    writes.put(columnKey(PREFIX, columnOf('v')), Buffer.alloc(5_121 - 16 - 3), TIMES)
    const text =
      'Batch of prepared statements for [ks.t] is of size 5121, exceeding specified threshold of 5120 by 1.'
    for (const type of ['LOGGED', 'UNLOGGED'] as const) assert.deepEqual(warningsOf([writes], type), [text])
    writes.put(columnKey(PREFIX, columnOf('v')), Buffer.alloc(51_201 - 16 - 3), TIMES)
    assert.throws(() => warningsOf([writes]), { code: 'INVALID', message: 'Batch too large' })
  })
})

describe('other warnings of batches', () => {
  const writesOf = (of: TableSchema, count: number) =>
    Array.from({ length: count }, (_, index) => {
      const writes = new RowWrites(of, Buffer.from([0, 0, 0, index]))
      writes.mark(PREFIX, TIMES)
      return writes
    })

  test('over ten partitions of an unlogged one', () => {
    assert.deepEqual(warningsOf(writesOf(table, 10), 'UNLOGGED'), [])
    assert.deepEqual(warningsOf(writesOf(table, 11), 'LOGGED'), [])
    const other = tableNamed('u')
    assert.deepEqual(warningsOf([...writesOf(table, 11), ...writesOf(other, 1)], 'UNLOGGED'), [
      'Unlogged batch covering 11 partitions detected against tables [ks.t, ks.u]. You should use a logged batch for ' +
        'atomicity, or asynchronous writes for performance.',
    ])
    // The same keys of another table are no other partitions.
    assert.deepEqual(warningsOf([...writesOf(table, 6), ...writesOf(other, 6)], 'UNLOGGED'), [])
  })

  test('a logged one of a table whose tombstones have no grace', () => {
    const short = tableNamed('short', { gc_grace_seconds: '0' })
    assert.deepEqual(warningsOf(writesOf(short, 1), 'UNLOGGED'), [])
    const [warning = ''] = warningsOf(writesOf(short, 1))
    assert.match(
      warning,
      /^Executing a LOGGED BATCH on table \[ks\.short\], configured with a gc_grace_seconds of 0\. /,
    )
  })
})

describe('statements of a batch', () => {
  const timed = { timestamp: () => 5n }
  const conditional = { condition: {} as NonNullable<Modification['condition']> }
  const cases: readonly (readonly [BatchType, boolean, readonly Modification[], string | null])[] = [
    ['LOGGED', true, [part(table), part(table)], null],
    ['LOGGED', false, [part(table, timed), part(tableNamed('u'))], null],
    ['LOGGED', true, [part(table, timed)], 'Timestamp must be set either on BATCH or individual statements'],
    ['LOGGED', true, [part(table, conditional)], 'Cannot provide custom timestamp for conditional BATCH'],
    ['LOGGED', false, [part(table, conditional), part(table, timed)], null],
    ['LOGGED', false, [part(table, conditional), part(counters)], 'Cannot include a counter statement in a logged batch'],
    ['LOGGED', false, [part(table, conditional), part(tableNamed('u'))], 'Batch with conditions cannot span multiple tables'],
    ['COUNTER', true, [part(counters)], 'Cannot provide custom timestamp for counter BATCH'],
    ['COUNTER', false, [part(counters), part(table)], 'Cannot include non-counter statement in a counter batch'],
    ['UNLOGGED', true, [part(counters)], 'Cannot provide custom timestamp for a BATCH containing counters'],
    ['UNLOGGED', false, [part(counters), part(table)], 'Counter and non-counter mutations cannot exist in the same batch'],
    ['UNLOGGED', false, [part(counters)], null],
  ] // prettier-ignore
  for (const [index, [type, hasTimestamp, parts, message]] of cases.entries()) {
    test(`are judged as BatchStatement.validate judges them: ${message ?? `taken (${index})`}`, () => {
      const check = () => checkBatch(type, parts, hasTimestamp)
      if (message === null) check()
      else assert.throws(check, { code: 'INVALID', message })
    })
  }
})
