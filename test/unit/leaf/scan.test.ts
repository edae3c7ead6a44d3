/** Scans of every format against a model, page after page; and what ends a page. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { KVError } from '../../../src/base/errors.js'
import { conditionHolds } from '../../../src/leaf/conditions.js'
import { Cursor } from '../../../src/leaf/rocksdb/store/binding.js'
import { mutableMetaKey, writeRecordKey } from '../../../src/leaf/row-codec.js'
import type { WritableFormat } from '../../../src/model/cluster-map.js'
import { compareRows, type RowPosition, type RowSpan } from '../../../src/model/row-order.js'
import { type Cell, columnsNamed, type Condition } from '../../../src/model/row.js'
import { type Deed, deeds, entriesOf, expected, selectors } from './read-model.js'
import { answered, bytes, plain, ReadWorld, selector } from './read-world.js'

const ROW_KEYS = ['', '\0', '\0\0', '\0\x01', 'a', 'a\0', 'a\0\0', 'a\x01', 'ab', 'b', 'c', '\xff'].map(bytes)

type Rows = readonly (readonly [rowKey: Buffer, deeds: readonly Deed[]])[]

const tests: fc.Arbitrary<Condition> = fc.record({
  localKey: fc.constantFrom('', 'a', 'b', 'nothing').map(bytes),
  comparison: fc.constantFrom(
    'EXISTS',
    'NOT_EXISTS',
    'EQUAL',
    'NOT_EQUAL',
    'LESS',
    'GREATER_OR_EQUAL',
    'VERSION_EQUAL',
    'ROW_EXISTS',
    'ROW_NOT_EXISTS',
  ),
  value: fc.constantFrom('', 'v').map(bytes),
  timestamp: fc.constantFrom(1n, 3n),
  ifMissing: fc.boolean(),
})

const bounds = fc.option(fc.record({ rowKey: fc.constantFrom(...ROW_KEYS), isExclusive: fc.boolean() }), {
  freq: 2,
})

const conditions: fc.Arbitrary<readonly Condition[]> = fc.oneof(
  fc.constant([]),
  fc.array(tests, { minLength: 1, maxLength: 2 }),
)

const questions = fc.record({
  selector: selectors(),
  where: conditions,
  isReversed: fc.boolean(),
  pageRows: fc.integer({ min: 1, max: 8 }),
  pageBytes: fc.constantFrom(1, 60, 150, 500, 1_000_000),
  lower: bounds,
  upper: bounds,
})

type Question = typeof questions extends fc.Arbitrary<infer Value> ? Value : never

interface Shape {
  readonly format: WritableFormat
  readonly maxCellVersions: number
}

/** Rows that the scan answers, in its order, whole. */
function answers(world: ReadWorld, rows: Rows, question: Question, shape: Shape): (readonly string[])[] {
  const span = spanOf(world, question)
  const inOrder = rows
    .map(([rowKey, list]) => ({ position: world.positionOf(rowKey), list }))
    .filter(({ position }) => isWithin(position, span))
    .sort((a, b) => compareRows(a.position, b.position))
  if (question.isReversed) inOrder.reverse()
  return inOrder.flatMap(({ position, list }) => {
    const passes = question.where.every((condition) => {
      const [cell] = expected(list, columnsNamed([condition.localKey]), shape)
      return conditionHolds(condition, cell ?? null, expected(list, null, shape).length > 0)
    })
    const cells = passes ? expected(list, question.selector, shape) : []
    return cells.length === 0 ? [] : [rowText(position.rowKey, cells)]
  })
}

function rowText(rowKey: Buffer, cells: readonly Cell[]): readonly string[] {
  return [rowKey.toString('latin1'), ...plain(cells)]
}

function spanOf(world: ReadWorld, { lower, upper }: Question): RowSpan {
  const at = (end: Question['lower']) => (end === null ? null : { ...end, ...world.positionOf(end.rowKey) })
  return { lower: at(lower), upper: at(upper) }
}

function isWithin(position: RowPosition, { lower, upper }: RowSpan): boolean {
  const fromLower = lower === null ? 1 : compareRows(position, lower)
  const toUpper = upper === null ? -1 : compareRows(position, upper)
  return (
    (fromLower > 0 || (fromLower === 0 && lower?.isExclusive === false)) &&
    (toUpper < 0 || (toUpper === 0 && upper?.isExclusive === false))
  )
}

/** Follows the pages of a scan, and those of the rows that a page cut. */
async function scanAll(world: ReadWorld, question: Question): Promise<(readonly string[])[]> {
  const { pageRows, pageBytes, lower, upper, ...request } = question
  let span = spanOf(world, { ...question, lower, upper })
  const found: (readonly string[])[] = []
  for (;;) {
    const { rows, next } = answered(await world.scan(request, { span, pageRows, pageBytes }))
    assert.ok(rows.length <= pageRows)
    const sizes = rows.map(({ row }) => sizeOf(row.cells))
    const sum = sizes.reduce((all, size) => all + size, 0)
    assert.ok(rows.length <= 1 || sum <= pageBytes, `${rows.length} rows of ${sum} bytes`)
    for (const { rowKey, row } of rows) {
      assert.ok(row.next === null || rows.length === 1, 'only a first row is cut')
      assert.ok(row.next === null || sum >= pageBytes)
      const cells = [...row.cells]
      for (let position = row.next; position !== null;) {
        const read = { selector: question.selector, position, pageBytes }
        const rest = answered(answered(await world.read([rowKey], read))[0])
        cells.push(...(rest?.cells ?? []))
        position = rest?.next ?? null
      }
      found.push(rowText(rowKey, cells))
    }
    if (next === null) return found
    const bound = { ...next, isExclusive: true }
    span = question.isReversed ? { ...span, upper: bound } : { ...span, lower: bound }
  }
}

function sizeOf(cells: readonly Cell[]): number {
  return cells.reduce((sum, { localKey, value }) => sum + localKey.byteLength + value.byteLength + 32, 0)
}

for (const format of ['mutable', 'history'] as const) {
  for (const keyOrder of ['HASHED', 'ORDERED'] as const) {
    test(`${format} ${keyOrder}: pages of any scan together are what the model says`, async () => {
      const shape = { format, maxCellVersions: format === 'history' ? 3 : 1 }
      const list = fc.array(deeds(format), { minLength: ROW_KEYS.length, maxLength: ROW_KEYS.length })
      await fc.assert(
        fc.asyncProperty(list, fc.array(questions, { minLength: 8, maxLength: 8 }), async (lists, asked) => {
          const world = await ReadWorld.writable({ ...shape, keyOrder })
          try {
            const rows = ROW_KEYS.map((rowKey, i) => [rowKey, lists[i] ?? []] as const)
            for (const [rowKey, one] of rows) {
              world.write(entriesOf(one, { format, keyOrder }, world.positionOf(rowKey)))
            }
            writeShardsOwn(world)
            for (const question of asked) {
              assert.deepEqual(await scanAll(world, question), answers(world, rows, question, shape))
            }
          } finally {
            await world.dispose()
          }
        }),
        { numRuns: 15 },
      )
    })
  }
}

/** The shard's own keys, and records of writes in some rows. */
function writeShardsOwn(world: ReadWorld): void {
  world.write([Buffer.from([0]), Buffer.from([0, 0])].map((key) => [key, bytes('own')]))
  for (const rowKey of ROW_KEYS.slice(0, 6)) {
    const metaKey = mutableMetaKey(world.keyOrder, world.tokenOf(rowKey), rowKey)
    world.write([3, 1_000].map((index) => [writeRecordKey(metaKey, index, bytes('nonce')), bytes('record')]))
  }
}

test('sealed: pages of any scan together are what the model says', async () => {
  const list = fc.array(deeds('mutable'), { minLength: ROW_KEYS.length, maxLength: ROW_KEYS.length })
  const shape = { format: 'mutable', maxCellVersions: 1 } as const
  await fc.assert(
    fc.asyncProperty(
      list,
      fc.array(questions, { minLength: 20, maxLength: 20 }),
      fc.constantFrom('HASHED' as const, 'ORDERED' as const),
      async (lists, asked, keyOrder) => {
        // What was deleted is not loaded; large values make chunks, whose keys lie behind all heads.
        const loaded = ROW_KEYS.map((rowKey, i) => {
          const cells = expected(lists[i] ?? [], null, shape)
          const large = (cell: Cell): Cell => ({ ...cell, value: Buffer.alloc(6_000, 7) })
          return [rowKey, cells.map((cell, at) => ((i + at) % 3 === 0 ? large(cell) : cell))] as const
        }).filter(([, cells]) => cells.length > 0)
        const world = await ReadWorld.sealed(loaded, keyOrder)
        try {
          const rows = loaded.map(([rowKey, cells]) => [rowKey, cells.map(putOf)] as const)
          for (const question of asked) {
            assert.deepEqual(await scanAll(world, question), answers(world, rows, question, shape))
          }
        } finally {
          await world.dispose()
        }
      },
    ),
    { numRuns: 12 },
  )
})

function putOf({ localKey, value, timestamp, ttlSeconds }: Cell): Deed {
  return { kind: 'PUT', localKey, at: timestamp ?? 0n, life: ttlSeconds, value }
}

/** Rows r0000, r0001, ... of the same columns. */
async function manyRows(t: TestContext, count: number, columns: readonly string[]): Promise<ReadWorld> {
  const world = await ReadWorld.writable({ format: 'mutable', keyOrder: 'ORDERED' })
  t.after(() => world.dispose())
  for (let i = 0; i < count; i++) {
    const list: Deed[] = columns.map((name) => ({
      kind: 'PUT',
      localKey: bytes(name),
      at: 1n,
      life: null,
      value: bytes(`${i}`),
    }))
    const rowKey = bytes(`r${String(i).padStart(6, '0')}`)
    world.write(entriesOf(list, { format: 'mutable', keyOrder: 'ORDERED' }, world.positionOf(rowKey)))
  }
  return world
}

test('a filter that nothing passes ends its page after 100,000 entries, and the next goes on behind it', async (t) => {
  const world = await manyRows(
    t,
    1_200,
    Array.from({ length: 100 }, (_, i) => `a${i}`),
  )
  const first = answered(await world.scan({ where: everyColumn() }))
  assert.equal(first.rows.length, 0)
  assert.ok(first.next !== null)
  const lower = { ...first.next, isExclusive: true }
  const second = answered(await world.scan({ where: everyColumn() }, { span: { lower, upper: null } }))
  assert.deepEqual(second, { rows: [], next: null })
})

/** Conditions that must look at whole rows, so that no column is passed over. */
function everyColumn(): readonly Condition[] {
  return Array.from({ length: 100 }, (_, i) => ({
    localKey: bytes(`a${i}`),
    comparison: i === 99 ? ('NOT_EXISTS' as const) : ('EXISTS' as const),
    value: bytes(''),
    timestamp: null,
    ifMissing: false,
  }))
}

test('a page ends when it took long, or half of what its deadline leaves', async (t) => {
  const world = await manyRows(t, 3_000, ['a'])
  const slow = () => {
    world.clock.ms += 20
    return world.clock.ms
  }
  Object.assign(world.clock, { monotonicMs: slow })
  const page = answered(await world.scan())
  assert.ok(page.rows.length > 0 && page.rows.length < 1_000 && page.next !== null)
  const deadline = world.clock.ms + 300
  const hurried = answered(await world.scan({}, { deadline }))
  assert.ok(hurried.rows.length > 0 && hurried.rows.length < page.rows.length)
  assert.ok(world.clock.ms < deadline)
})

test('a scan whose deadline has passed is not begun', async (t) => {
  const world = await manyRows(t, 3, ['a'])
  const outcome = await world.scan({}, { deadline: world.clock.ms })
  assert.ok(outcome instanceof KVError)
  assert.equal(outcome.code, 'DEADLINE_EXCEEDED')
})

test('the rows of a page are those of one moment, whatever is written meanwhile', async (t) => {
  const world = await manyRows(t, 2_000, ['a'])
  const scanning = world.scan({}, { pageRows: 2_000 })
  // The first slice is read by the immediate that the scan has made; this comes behind it.
  await new Promise((resolve) => setImmediate(resolve))
  const rowKey = bytes('r001999')
  const late: Deed = { kind: 'PUT', localKey: bytes('b'), at: 2n, life: null, value: bytes('late') }
  Object.assign(world.clock, { monotonicMs: () => 0 })
  world.write(entriesOf([late], { format: 'mutable', keyOrder: 'ORDERED' }, world.positionOf(rowKey)))
  const { rows } = answered(await scanning)
  assert.equal(rows.length, 2_000)
  assert.equal(rows.at(-1)?.row.cells.length, 1)
})

test('columns of wide rows are sought, not read past', async (t) => {
  const names = Array.from({ length: 400 }, (_, i) => `c${String(i).padStart(4, '0')}`)
  const world = await manyRows(t, 50, names)
  const wanted = selector({ localKeys: [bytes('c0200')] })
  const cursor = countEntries(t)
  for (const isReversed of [false, true]) {
    const { rows } = answered(await world.scan({ selector: wanted, isReversed }))
    assert.equal(rows.length, 50)
    assert.ok(cursor.count < 50 * 20, `${cursor.count} entries`)
    cursor.count = 0
  }
})

for (const format of ['mutable', 'sealed'] as const) {
  test(`${format}: a page reads its rows and a look behind them, and no more`, async (t) => {
    const [rows, columns] = [1_000, ['a', 'b']]
    const world =
      format === 'mutable' ? await manyRows(t, rows, columns) : await sealedRows(t, { rows, columns })
    const entriesOfRow = format === 'mutable' ? columns.length : 1
    const cursor = countEntries(t)
    for (const pageRows of [40, 70, 300, 600]) {
      cursor.count = 0
      assert.equal(answered(await world.scan({}, { pageRows })).rows.length, pageRows)
      // What a row takes is guessed from those before.
      const most = 1.1 * entriesOfRow * (pageRows + 1)
      assert.ok(cursor.count <= most, `${cursor.count} entries for ${pageRows} rows, at most ${most}`)
    }
  })
}

async function sealedRows(
  t: TestContext,
  { rows, columns }: { readonly rows: number; readonly columns: readonly string[] },
): Promise<ReadWorld> {
  const cells = columns.map((name) => {
    return { localKey: bytes(name), value: bytes('v'), timestamp: null, ttlSeconds: null }
  })
  const loaded = Array.from(
    { length: rows },
    (_, i) => [bytes(`r${String(i).padStart(6, '0')}`), cells] as const,
  )
  const world = await ReadWorld.sealed(loaded, 'ORDERED')
  t.after(() => world.dispose())
  return world
}

/** Counts what cursors read. */
function countEntries(t: TestContext): { count: number } {
  const read = { count: 0 }
  const { next } = Cursor.prototype // eslint-disable-line @typescript-eslint/unbound-method -- put back below
  Cursor.prototype.next = function (count) {
    const entries = next.call(this, count)
    read.count += entries.length / 2
    return entries
  }
  t.after(() => Object.assign(Cursor.prototype, { next }))
  return read
}

test('a scan that waits when its shard is let go answers SHARD_NOT_SERVING', async () => {
  const world = await ReadWorld.writable({ format: 'mutable' })
  const scanning = world.scan()
  world.engine.detach(world.incarnation.id)
  const outcome = await scanning
  assert.ok(outcome instanceof KVError)
  assert.equal(outcome.code, 'SHARD_NOT_SERVING')
  await world.dispose()
})

test('a shard is not let go while a scan of it is under way', async (t) => {
  const world = await manyRows(t, 3_000, ['a'])
  // Every step takes longer than a slice.
  Object.assign(world.clock, { monotonicMs: () => (world.clock.ms += 5) })
  const scanning = world.scan({}, { pageRows: 3_000 })
  await new Promise((resolve) => setImmediate(resolve))
  assert.throws(() => world.engine.detach(world.incarnation.id), { code: 'FAILED_PRECONDITION' })
  answered(await scanning)
  world.engine.detach(world.incarnation.id)
})

/** Counts what cursors do from here on. */
function countSteps(t: TestContext): { entries: number; steps: number } {
  const counts = { entries: 0, steps: 0 }
  const { next } = Cursor.prototype // eslint-disable-line @typescript-eslint/unbound-method -- called with its cursor
  Cursor.prototype.next = function (count) {
    const rows = next.call(this, count)
    counts.steps++
    counts.entries += rows.length / 2
    return rows
  }
  t.after(() => void Object.assign(Cursor.prototype, { next }))
  return counts
}

// Looking for the deletions of each row made the steps as short as they can be: two for each row, three entries read.
for (const format of ['mutable', 'history'] as const) {
  test(`${format}: a reversed scan reads little more than its rows, in long steps`, async (t) => {
    const world = await ReadWorld.writable({ format, keyOrder: 'ORDERED' })
    t.after(() => world.dispose())
    const deed: Deed = { kind: 'PUT', localKey: bytes('c'), at: 1n, life: null, value: bytes('v') }
    for (let i = 0; i < 1_000; i++) {
      const position = world.positionOf(bytes(`row${String(i).padStart(4, '0')}`))
      world.write(entriesOf([deed], { format, keyOrder: 'ORDERED' }, position))
    }
    const counts = countSteps(t)
    const { rows } = answered(await world.scan({ isReversed: true }))
    assert.equal(rows.length, 1_000)
    assert.ok(counts.steps < 100 && counts.entries < 1_200, JSON.stringify(counts))
  })
}

// A page that lacked one row read two heads a step, however many rows without the column it had passed.
test('sealed: a page of one row looks for it in steps that grow', async (t) => {
  const rows = Array.from({ length: 2_000 }, (_, i) => {
    const localKey = bytes(i === 1_999 ? 'rare' : 'c')
    return [bytes(`row${String(i).padStart(4, '0')}`), [{ localKey, value: bytes('v'), timestamp: null, ttlSeconds: null }]] as const // prettier-ignore
  })
  const world = await ReadWorld.sealed(rows, 'ORDERED')
  t.after(() => world.dispose())
  const counts = countSteps(t)
  const page = answered(
    await world.scan({ selector: selector({ localKeys: [bytes('rare')] }) }, { pageRows: 1 }),
  )
  assert.equal(page.rows.length, 1)
  assert.ok(counts.steps < 30, JSON.stringify(counts))
  counts.entries = 0
  await world.scan({}, { pageRows: 1 })
  assert.equal(counts.entries, 2)
})
