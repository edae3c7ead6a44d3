import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { murmur3Token } from '../../../src/base/hash.js'
import { KVError } from '../../../src/base/errors.js'
import { RunCursor, writeRun } from '../../../src/loader/run-file.js'
import { DistinctRows, mergeCursors } from '../../../src/loader/run-merge.js'
import { RunSorter } from '../../../src/loader/run-sorter.js'
import type { DuplicateRule } from '../../../src/model/load.js'
import { shardOfToken } from '../../../src/model/sharding.js'
import { entryOf, inOrder, type PlainRow, rowAt, rowsOf, sorterOf } from './entries.js'

const folder = mkdtempSync(join(tmpdir(), 'godwit-runs-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const RUNS = 60

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array))
/** Few different ones, so that they begin alike and come twice. */
const key = fc.oneof(
  bytes(12).filter(({ length }) => length > 0),
  fc.nat(30).map((id) => Buffer.from(`user-${id}`)),
  fc.nat(3).map((size) => Buffer.alloc(size + 1)),
)
const row: fc.Arbitrary<PlainRow> = fc.record({
  key,
  head: bytes(40),
  chunks: fc.oneof(fc.constant([]), fc.array(bytes(60), { maxLength: 3 })),
  part: fc.nat(3),
  line: fc.oneof(fc.nat(50), fc.integer({ min: 2 ** 32, max: 2 ** 40 })),
})

for (const keyOrder of ['HASHED', 'ORDERED'] as const) {
  test(`rows of ${keyOrder} datasets come out of memory, of runs and of merged runs in the order of their physical keys`, () => {
    fc.assert(
      fc.property(fc.array(fc.array(row, { maxLength: 60 }), { minLength: 1, maxLength: 5 }), (given) => {
        const groups = given.map(asRead)
        const shardCount = keyOrder === 'HASHED' ? 3 : 1
        for (const group of groups) {
          assert.deepEqual(rowsOf(sorterOf(keyOrder, group).sorted()), inOrder(keyOrder, group.map(whole)))
        }
        const runs = groups.map((group, index) =>
          writeRun(sorterOf(keyOrder, group).sorted(), { folder, name: `run-${index}`, shardCount }),
        )
        for (let shard = 0; shard < shardCount; shard++) {
          const cursors = runs.map((run) => new RunCursor(folder, { ...run, positions: [] }, shard))
          const merged = rowsOf(mergeCursors(cursors))
          const expected = groups.flat().filter((one) => shardOf(one.key) >= shard)
          // Rows of one key may come in any order.
          assert.deepEqual(keysOf(merged), keysOf(inOrder(keyOrder, expected)))
          for (const cursor of cursors) cursor.close()
        }
        function shardOf(rowKey: Buffer): number {
          return keyOrder === 'HASHED' ? shardOfToken(murmur3Token(rowKey), shardCount) : 0
        }
      }),
      { numRuns: RUNS },
    )
  })
}

function keysOf(rows: readonly PlainRow[]): string[] {
  return rows.map(({ key: rowKey }) => rowKey.toString('hex'))
}

/** Places rise in what a thread reads. */
function asRead(rows: readonly PlainRow[]): PlainRow[] {
  return rows.map((one, index) => ({
    ...one,
    part: Math.floor(index / 20),
    line: index + Math.floor(index / 10) * 2 ** 33,
  }))
}

function whole({ chunks = [], part = 0, ...others }: PlainRow): Required<PlainRow> {
  return { ...others, chunks, part }
}

test('of rows with one key the rule takes one, wherever they lie', () => {
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 80 }),
      fc.constantFrom<DuplicateRule>('first', 'last'),
      (given, rule) => {
        // Places are unique in a source.
        const rows = given.map((one, index) => ({ ...whole(one), part: index % 3, line: index }))
        const runs = [0, 1].map((half) => rows.filter((_, index) => index % 2 === half))
        const cursors = runs.map((some) => sorterOf('HASHED', some).sorted())
        const distinct = new DistinctRows(mergeCursors(cursors), rule, () => '')
        const found: Required<PlainRow>[] = []
        while (distinct.next()) found.push(rowAt(distinct))
        const expected = new Map<string, Required<PlainRow>>()
        const bySource = [...rows].sort((a, b) => a.part - b.part || a.line - b.line)
        for (const one of rule === 'last' ? bySource : bySource.reverse())
          expected.set(one.key.toString('hex'), one)
        assert.deepEqual(found, inOrder('HASHED', [...expected.values()]))
        assert.equal(distinct.duplicateCount, rows.length - found.length)
      },
    ),
    { numRuns: RUNS },
  )
})

test('by default the second row of a key fails the load, with the place of both', () => {
  const rows = ['a', 'b', 'c', 'b'].map((name, line) => ({
    key: Buffer.from(name),
    head: Buffer.alloc(1),
    line,
  }))
  const distinct = new DistinctRows(
    sorterOf('ORDERED', rows).sorted(),
    'fail',
    ({ line }) => `in.csv:${line}`,
  )
  assert.ok(distinct.next())
  assert.throws(() => distinct.next(), {
    code: 'INVALID_ARGUMENT',
    message: /^in\.csv:3 has the row key 0x62 of in\.csv:1: row keys must be unique/,
  })
})

test('a row that is kept while thousands of its duplicates pass is still itself', () => {
  const head = Buffer.alloc(9_000, 'v')
  const many = Array.from({ length: 200 }, (_, line) => ({ key: Buffer.from('k'), head, line }))
  const first = { key: Buffer.from('k'), head: Buffer.from('first'), line: 0, part: 0 }
  const sorter = new RunSorter('ORDERED', 4 * 1024 * 1024)
  for (const one of [first, ...many.map((other) => ({ ...other, part: 1 }))])
    sorter.add(entryOf('ORDERED', one))
  const run = writeRun(sorter.sorted(), { folder, name: 'many', shardCount: 1 })
  const cursor = new RunCursor(folder, { ...run, positions: [] }, 0)
  const distinct = new DistinctRows(cursor, 'first', () => '')
  assert.ok(distinct.next())
  assert.equal(rowAt(distinct).head.toString(), 'first')
  assert.deepEqual([distinct.duplicateCount, distinct.next()], [200, false])
  cursor.close()
})

test('memory is bounded: a full sorter takes no more, and a row larger than it fits alone', () => {
  const sorter = new RunSorter('HASHED', 1_000)
  const small = entryOf('HASHED', { key: Buffer.from('a'), head: Buffer.alloc(300), line: 1 })
  assert.deepEqual(
    [1, 2, 3, 4].map(() => sorter.add(small)),
    [true, true, true, false],
  )
  assert.equal(sorter.count, 3)
  sorter.clear()
  const large = entryOf('HASHED', { key: Buffer.from('b'), head: Buffer.alloc(5_000, 'x'), line: 2 })
  assert.deepEqual([sorter.add(large), sorter.add(small)], [true, false])
  assert.equal(rowsOf(sorter.sorted())[0]?.head.length, 5_000)
  sorter.clear()
  assert.deepEqual(
    [1, 2, 3, 4].map(() => sorter.add(small)),
    [true, true, true, false],
  )
})

test('input in order is recognised, and input that is not', () => {
  const rows = ['a', 'aa', 'b', 'b'].map((name, line) => ({
    key: Buffer.from(name),
    head: Buffer.alloc(1),
    line,
  }))
  assert.ok(sorterOf('ORDERED', rows).isInOrder)
  assert.ok(!sorterOf('ORDERED', rows.reverse()).isInOrder)
})

test('a damaged run is reported as that, wherever the damage is, and never read as rows', () => {
  const rows = Array.from({ length: 40 }, (_, line) => ({
    key: Buffer.from(`k${line}`),
    head: Buffer.alloc(20),
    line,
  }))
  const run = {
    ...writeRun(sorterOf('HASHED', rows).sorted(), { folder, name: 'hurt', shardCount: 2 }),
    positions: [],
  }
  const path = join(folder, 'hurt')
  const content = readFileSync(path)
  const read = (): number => {
    const cursor = new RunCursor(folder, run, 0)
    try {
      return rowsOf(cursor).length
    } finally {
      cursor.close()
    }
  }
  assert.equal(read(), 40)
  for (let at = 0; at < content.length; at += 7) {
    const damaged = Buffer.from(content)
    damaged[at] = (damaged[at] ?? 0) ^ 0x10
    writeFileSync(path, damaged)
    assert.throws(
      read,
      (error: unknown) => error instanceof KVError && error.code === 'CORRUPT',
      `byte ${at}`,
    )
  }
  writeFileSync(path, content)
  truncateSync(path, content.length - 1)
  assert.throws(read, /cut off/)
})
