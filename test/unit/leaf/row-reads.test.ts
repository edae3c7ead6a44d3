/** Rows that take many steps, are cut at pages, change while they are read, or are damaged. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { writeTombstone } from '../../../src/leaf/cell-codec.js'
import { encodeRangeTombstones } from '../../../src/leaf/range-tombstones.js'
import { AttachedDatabase, Cursor } from '../../../src/leaf/rocksdb/store/binding.js'
import { HISTORY_KINDS, historyCellKey, mutableCellKey } from '../../../src/leaf/row-codec.js'
import { mutableMetaKey, rangesKey } from '../../../src/leaf/row-codec.js'
import type { WritableFormat } from '../../../src/model/cluster-map.js'
import { compareRows } from '../../../src/model/row-order.js'
import type { CellSelector, Row } from '../../../src/model/row.js'
import { ALL_VERSIONS } from '../../../src/model/row.js'
import { type Deed, entriesOf, expected } from './read-model.js'
import { answered, bytes, NOW, plain, ReadWorld, rowOf, selector } from './read-world.js'

const KEY = bytes('row')

async function worldOf(t: TestContext, format: WritableFormat, maxCellVersions = 1): Promise<ReadWorld> {
  const world = await ReadWorld.writable({ format, maxCellVersions })
  t.after(() => world.dispose())
  return world
}

function put(name: string, at: bigint, value = 'v', life: number | null = null): Deed {
  return { kind: 'PUT', localKey: bytes(name), at, life, value: bytes(value) }
}

function store(world: ReadWorld, list: readonly Deed[], rowKey = KEY): void {
  const format = world.incarnation.format === 'history' ? 'history' : 'mutable'
  world.write(entriesOf(list, { format, keyOrder: world.keyOrder }, world.positionOf(rowKey)))
}

function metaKeyOf(world: ReadWorld, rowKey = KEY): Buffer {
  return mutableMetaKey(world.keyOrder, world.tokenOf(rowKey), rowKey)
}

const name = (i: number) => `c${String(i).padStart(4, '0')}`

const wideSelectors: readonly Partial<CellSelector>[] = [
  {},
  { isReversed: true },
  { limit: 300 },
  { limit: 300, isReversed: true },
  { localKeys: [0, 3, 400, 401, 699, 2_000].map((i) => bytes(name(i))) },
  { localKeys: [0, 3, 400, 401, 699, 2_000].map((i) => bytes(name(i))), isReversed: true },
  {
    ranges: [
      { from: bytes(name(100)), to: bytes(name(110)) },
      { from: bytes(name(500)), to: null },
    ],
  },
  {
    ranges: [
      { from: bytes(name(100)), to: bytes(name(110)) },
      { from: bytes(name(500)), to: null },
    ],
    isReversed: true,
    limit: 250,
  },
  { maxVersions: ALL_VERSIONS },
  { maxVersions: ALL_VERSIONS, isReversed: true, minTimestamp: 3n },
  { maxVersions: 2, maxTimestamp: 5n },
]

for (const format of ['mutable', 'history'] as const) {
  test(`${format}: rows of many columns are read in many steps, sought where that is less`, async (t) => {
    const maxCellVersions = format === 'history' ? 4 : 1
    const world = await worldOf(t, format, maxCellVersions)
    const list: Deed[] = []
    for (let i = 0; i < 700; i++) {
      for (let at = 1n; at <= (format === 'history' && i % 50 === 0 ? 40n : 2n); at++)
        list.push(put(name(i), at))
    }
    list.push({ kind: 'DELETE', localKey: bytes(name(3)), at: 2n })
    store(world, list)
    for (const how of wideSelectors) {
      const wanted = selector(how)
      const [outcome] = answered(await world.read([KEY], { selector: wanted }))
      const cells = expected(list, wanted, { format, maxCellVersions })
      assert.deepEqual(plain(answered(outcome)?.cells ?? []), plain(cells))
      const { rows } = answered(await world.scan({ selector: wanted, isReversed: true }))
      assert.deepEqual(plain(rows[0]?.row.cells ?? []), plain(cells))
    }
  })
}

test('a step reads at most 256 entries or a little over 1 MiB, however long the row is', async (t) => {
  const world = await worldOf(t, 'mutable')
  store(
    world,
    Array.from({ length: 3_000 }, (_, i) => put(name(i), 1n)),
  )
  store(
    world,
    Array.from({ length: 40 }, (_, i) => put(name(i), 1n, 'x'.repeat(100_000))),
    bytes('heavy'),
  )
  const steps: { count: number; size: number }[] = []
  const { next } = Cursor.prototype // eslint-disable-line @typescript-eslint/unbound-method -- put back below
  Cursor.prototype.next = function (count) {
    const entries = next.call(this, count)
    steps.push({ count: entries.length / 2, size: entries.reduce((sum, one) => sum + one.byteLength, 0) })
    return entries
  }
  t.after(() => Object.assign(Cursor.prototype, { next }))
  const [long, heavy] = answered(await world.read([KEY, bytes('heavy')]))
  assert.deepEqual([rowOf(long).cells.length, rowOf(heavy).cells.length], [3_000, 40])
  assert.ok(steps.every(({ count, size }) => count <= 256 && size < 1_200_000))
})

test('a range in the midst of a long row takes two steps, of what is wanted and little else', async (t) => {
  const world = await worldOf(t, 'mutable')
  store(
    world,
    Array.from({ length: 3_000 }, (_, i) => put(name(i), 1n)),
  )
  const counts: number[] = []
  const { next } = Cursor.prototype // eslint-disable-line @typescript-eslint/unbound-method -- put back below
  Cursor.prototype.next = function (count) {
    const entries = next.call(this, count)
    counts.push(entries.length / 2)
    return entries
  }
  t.after(() => Object.assign(Cursor.prototype, { next }))
  const cases: readonly (readonly [Partial<CellSelector>, number])[] = [
    [{ ranges: [{ from: bytes(name(1_000)), to: null }], limit: 40 }, 40],
    [{ ranges: [{ from: bytes(name(1_000)), to: bytes(name(1_020)) }], limit: 200 }, 20],
    [{ ranges: [{ from: bytes(name(1_000)), to: bytes(name(1_020)) }] }, 20],
    [{ ranges: [{ from: bytes('a'), to: bytes(name(2_000)) }], limit: 30, isReversed: true }, 30],
  ]
  for (const [how, wanted] of cases) {
    const [outcome] = answered(await world.read([KEY], { selector: selector(how) }))
    assert.equal(rowOf(outcome).cells.length, wanted)
    const steps = counts.splice(0)
    assert.ok(steps.length <= 2, `${steps.length} steps`)
    const read = steps.reduce((sum, count) => sum + count, 0)
    assert.ok(read <= wanted + 6, `${read} entries for ${wanted} cells`)
  }
})

test('a row of many steps is one snapshot, whatever is written between them', async (t) => {
  const world = await worldOf(t, 'mutable')
  const count = 3_000
  store(
    world,
    Array.from({ length: count }, (_, i) => put(name(i), 1n, 'old')),
  )
  // Every step takes a slice.
  Object.assign(world.clock, { monotonicMs: () => (world.clock.ms += 5) })
  const reading = world.read([KEY])
  await new Promise((resolve) => setImmediate(resolve))
  store(world, [put(name(count - 1), 2n, 'new'), put(name(count), 2n, 'new'), { kind: 'DELETE_ROW', at: 1n }])
  const [outcome] = answered(await reading)
  const { cells } = rowOf(outcome)
  assert.deepEqual([cells.length, cells.at(-1)?.value.toString()], [count, 'old'])
})

test('the rows of a request share its page: one is cut, those behind it begin on the next', async (t) => {
  const world = await worldOf(t, 'mutable')
  const keys = ['a', 'b', 'none', 'c', 'd'].map(bytes)
  for (const key of keys)
    if (key.toString() !== 'none') store(world, [put('x', 1n), put('y', 1n), put('z', 1n)], key)
  // 34 bytes a cell: a whole, one of b. By names, the rows come from one MultiGet; else one by one.
  const named = selector({ localKeys: ['x', 'y', 'z'].map(bytes) })
  for (const how of [null, named, selector({ limit: 3 })]) {
    const outcomes = answered(
      await world.read(keys, { selector: how, pageBytes: 136, withTimestamps: false }),
    )
    const found = outcomes.map((outcome) => {
      const row: Row | null = answered(outcome)
      return row === null ? null : [plain(row.cells).join(' '), row.next]
    })
    const notRead = ['', { localKey: null, timestamp: null, columns: 0 }]
    assert.deepEqual(found, [
      ['x=v@null y=v@null z=v@null', null],
      ['x=v@null', { localKey: bytes('x'), timestamp: 1n, columns: 1 }],
      notRead,
      notRead,
      notRead,
    ])
  }
})

test('a page that is full with the last cell of a row does not say that it goes on', async (t) => {
  const world = await worldOf(t, 'history', 2)
  store(world, [
    put('x', 1n),
    put('x', 2n),
    put('y', 1n, 'v', -5),
    { kind: 'DELETE', localKey: bytes('z'), at: 5n },
  ])
  const all = selector({ maxVersions: ALL_VERSIONS })
  const [whole] = answered(await world.read([KEY], { selector: all, pageBytes: 68 }))
  assert.deepEqual([plain(rowOf(whole).cells), rowOf(whole).next], [['x=v@2', 'x=v@1'], null])
  const [cut] = answered(await world.read([KEY], { selector: all, pageBytes: 34 }))
  assert.deepEqual(rowOf(cut).next, { localKey: bytes('x'), timestamp: 2n, columns: 1 })
})

test('a limit of columns counts those of earlier pages, and a column that goes on once', async (t) => {
  const world = await worldOf(t, 'history', 5)
  store(
    world,
    ['a', 'b', 'c'].flatMap((one) => [put(one, 1n), put(one, 2n), put(one, 3n)]),
  )
  const wanted = selector({ limit: 2, maxVersions: ALL_VERSIONS })
  const position = { localKey: bytes('b'), timestamp: 3n, columns: 2 }
  const [rest] = answered(await world.read([KEY], { selector: wanted, position }))
  assert.deepEqual(plain(rowOf(rest).cells), ['b=v@2', 'b=v@1'])
  const through = { ...position, timestamp: null }
  assert.deepEqual(answered(await world.read([KEY], { selector: wanted, position: through })), [null])
})

test('a row that one answer cannot hold is TOO_LARGE whole and comes in pages', async (t) => {
  const world = await worldOf(t, 'mutable')
  const value = Buffer.alloc(8 * 1024 * 1024, 1)
  for (let i = 0; i < 9; i++) store(world, [{ ...put(name(i), 1n), value } as Deed]) // a PUT with another value
  const named = selector({ localKeys: Array.from({ length: 9 }, (_, i) => bytes(name(i))) })
  for (const wanted of [null, named]) {
    const [whole] = answered(await world.read([KEY], { selector: wanted }))
    assert.ok(whole instanceof KVError && whole.code === 'TOO_LARGE')
    const [page] = answered(await world.read([KEY], { selector: wanted, pageBytes: 20_000_000 }))
    assert.equal(rowOf(page).cells.length, 3)
    const [large] = answered(await world.read([KEY], { selector: wanted, pageBytes: 500_000_000 }))
    assert.ok(rowOf(large).cells.length >= 7 && rowOf(large).next !== null)
  }
})

test('range tombstones are looked at without the flag, if it is raised while a row is read', async (t) => {
  const world = await worldOf(t, 'mutable')
  store(world, [put('a', 1n), put('b', 1n)])
  const named = selector({ localKeys: ['a', 'b'].map(bytes) })
  const both = answered(await world.read([KEY], { selector: named }))
  assert.deepEqual(plain(rowOf(both[0]).cells), ['a=v@1', 'b=v@1'])
  const range = { kind: 'DELETE_RANGE' as const, range: { from: bytes('a'), to: bytes('b') }, at: 1n }
  const { getMany } = AttachedDatabase.prototype // eslint-disable-line @typescript-eslint/unbound-method -- put back below
  t.after(() => Object.assign(AttachedDatabase.prototype, { getMany }))
  AttachedDatabase.prototype.getMany = function (keys) {
    world.setRangeFlag(1)
    store(world, [range])
    return getMany.call(this, keys)
  }
  for (let i = 0; i < 2; i++) {
    const [outcome] = answered(await world.read([KEY], { selector: named }))
    assert.deepEqual(plain(rowOf(outcome).cells), ['b=v@1'])
  }
})

const damages: [string, WritableFormat, (metaKey: Buffer) => readonly [Buffer, Buffer]][] = [
  [
    'a cell of an unknown kind',
    'mutable',
    (meta) => [mutableCellKey(meta, bytes('b')), Buffer.alloc(20, 0xff)],
  ],
  ['a cell cut short', 'mutable', (meta) => [mutableCellKey(meta, bytes('b')), Buffer.alloc(3, 0xff)]],
  ['a row tombstone that is none', 'mutable', (meta) => [meta, Buffer.alloc(13)]],
  ['a damaged list of ranges', 'mutable', (meta) => [rangesKey(meta), Buffer.from([1, 0, 9])]],
  [
    'a version of an unknown kind',
    'history',
    (meta) => [historyCellKey(meta, bytes('b'), 9n, 7), Buffer.alloc(20)],
  ],
  [
    'a version of a damaged value',
    'history',
    (meta) => [historyCellKey(meta, bytes('b'), 1n, HISTORY_KINDS.PUT), Buffer.alloc(4)],
  ],
  [
    'a version whose key is cut short',
    'history',
    (meta) => [mutableCellKey(meta, bytes('b')), Buffer.alloc(20)],
  ],
]

for (const [what, format, damage] of damages) {
  test(`${what} is CORRUPT, and the rows beside it are answered`, async (t) => {
    const world = await worldOf(t, format, 3)
    world.setRangeFlag(1)
    const keys = ['r1', 'r2', 'r3', 'r5'].map(bytes)
    for (const key of keys) store(world, [put('a', 1n), put('b', 1n)], key)
    world.overwrite(damage(metaKeyOf(world, keys[1])))
    const codes = async (how: Partial<CellSelector> | null) => {
      const outcomes = answered(await world.read(keys, { selector: how === null ? null : selector(how) }))
      return outcomes.map((outcome) => (outcome instanceof KVError ? outcome.code : outcome?.cells.length))
    }
    assert.deepEqual(await codes(null), [2, 'CORRUPT', 2, 2])
    assert.deepEqual(await codes({ isReversed: true }), [2, 'CORRUPT', 2, 2])
    if (format === 'mutable') assert.deepEqual(await codes({ localKeys: [bytes('b')] }), [1, 'CORRUPT', 1, 1])
    // A scan answers what lies before it, and then says what is wrong.
    const found: string[] = []
    let lower = null
    for (let pages = 0; pages < 4; pages++) {
      const page = await world.scan({}, { span: { lower, upper: null } })
      if (page instanceof KVError) {
        found.push(page.code)
        break
      }
      found.push(...page.rows.map(({ rowKey }) => rowKey.toString()))
      if (page.next === null) break
      lower = { ...page.next, isExclusive: true }
    }
    const inOrder = keys.toSorted((a, b) => compareRows(world.positionOf(a), world.positionOf(b))).map(String)
    assert.deepEqual(found, [...inOrder.slice(0, inOrder.indexOf('r2')), 'CORRUPT'])
  })
}

test('a deadline that passes between two steps ends the read, and lets go of its cursor', async (t) => {
  const world = await worldOf(t, 'mutable')
  store(
    world,
    Array.from({ length: 3_000 }, (_, i) => put(name(i), 1n)),
  )
  Object.assign(world.clock, { monotonicMs: () => (world.clock.ms += 5) })
  const [outcome] = answered(await world.read([KEY], { deadline: world.clock.ms + 40 }))
  assert.ok(outcome instanceof KVError && outcome.code === 'DEADLINE_EXCEEDED')
  world.engine.detach(world.incarnation.id)
})

test('newer deletions than a tombstone of the same row leave what was written behind them', async (t) => {
  const world = await worldOf(t, 'history', 3)
  store(world, [put('a', 5n), put('a', 9n)])
  const tombstone = Buffer.alloc(13)
  writeTombstone(tombstone, 0, 5n, NOW)
  const list = [{ from: bytes('a'), to: null, timestamp: 3n, deletedAtSeconds: NOW }]
  world.write([
    [metaKeyOf(world), tombstone],
    [rangesKey(metaKeyOf(world)), encodeRangeTombstones(list)],
  ])
  for (const isReversed of [false, true]) {
    const wanted = selector({ maxVersions: ALL_VERSIONS, isReversed })
    const [outcome] = answered(await world.read([KEY], { selector: wanted }))
    assert.deepEqual(plain(rowOf(outcome).cells), ['a=v@9'])
  }
})
