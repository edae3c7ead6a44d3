/** The walk over two versions, over real shards, against a comparison of the same rows in memory. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type DiffSample, VersionComparison, type VersionDiff } from '../../../src/archive/version-diff.js'
import { SealedCopy } from '../../../src/leaf/rocksdb/sealed/sealed-copy.js'
import type { Cell } from '../../../src/model/row.js'
import { random } from '../../support/random.js'
import { cellOf, type Rows, sealVersion, shardsBelow } from '../../support/sealed-versions.js'

const root = mkdtempSync(join(tmpdir(), 'godwit-diff-'))
let next = 0

after(() => rmSync(root, { recursive: true }))

async function diff(before: Rows, after: Rows, { shards = 1, limit = 10 } = {}): Promise<VersionDiff> {
  const places = [join(root, `${next++}`), join(root, `${next++}`)] as const
  await sealVersion(places[0], before, shards)
  await sealVersion(places[1], after, shards)
  const comparison = new VersionComparison(limit)
  const youngShards = shardsBelow(places[1], shards)
  for (const [shard, directory] of shardsBelow(places[0], shards).entries()) {
    const old = await SealedCopy.open(directory, 'HASHED')
    const young = await SealedCopy.open(youngShards[shard] ?? '', 'HASHED')
    const steps = comparison.compare(old, young)
    while (steps.next().done !== true);
    await old.close()
    await young.close()
  }
  return comparison.result(1, 2)
}

function counts({ added, removed, changed, equal }: VersionDiff): object {
  return { added, removed, changed, equal }
}

function keys(samples: readonly DiffSample[]): string[] {
  return samples.map(({ key }) => Buffer.from(key, 'base64').toString()).sort()
}

function rowsOf(
  from: number,
  to: number,
  cells: (i: number) => readonly Cell[],
): Map<string, readonly Cell[]> {
  return new Map(Array.from({ length: to - from }, (_, i) => [`k${from + i}`, cells(from + i)]))
}

const plain = (i: number): Cell[] => [cellOf('a', `v${i}`), cellOf('b', 'same')]

test('the same rows are equal, and nothing is named', async () => {
  const rows = rowsOf(0, 100, plain)
  const found = await diff(rows, rows, { shards: 3 })
  assert.deepEqual(counts(found), { added: 0, removed: 0, changed: 0, equal: 100 })
  assert.deepEqual(found.samples, { added: [], removed: [], changed: [] })
  assert.deepEqual(found.columns, [])
})

test('rows of one version alone are added or removed, over shards that one version leaves empty', async () => {
  const found = await diff(rowsOf(0, 30, plain), rowsOf(20, 60, plain), { shards: 4, limit: 100 })
  assert.deepEqual(counts(found), { added: 30, removed: 20, changed: 0, equal: 10 })
  assert.deepEqual(keys(found.samples.removed), [...rowsOf(0, 20, plain).keys()].sort())
  assert.deepEqual(keys(found.samples.added), [...rowsOf(30, 60, plain).keys()].sort())
})

test('a changed row names its columns, and columns are counted', async () => {
  const young = new Map<string, readonly Cell[]>(rowsOf(0, 10, plain))
  young.set('k3', [cellOf('a', 'other'), cellOf('b', 'same')])
  young.set('k4', [cellOf('a', 'v4')])
  young.set('k5', [...plain(5), cellOf('c', 'new')])
  const found = await diff(rowsOf(0, 10, plain), young)
  assert.deepEqual(counts(found), { added: 0, removed: 0, changed: 3, equal: 7 })
  const named = found.samples.changed.map(({ key, columns }) =>
    [key, ...columns].map((text) => Buffer.from(text, 'base64').toString()),
  )
  assert.deepEqual(named.sort(), [
    ['k3', 'a'],
    ['k4', 'b'],
    ['k5', 'c'],
  ])
  const columns = found.columns.map(({ column, ...rest }) => [Buffer.from(column, 'base64').toString(), rest])
  assert.deepEqual(Object.fromEntries(columns), {
    a: { added: 0, removed: 0, changed: 1 },
    b: { added: 0, removed: 1, changed: 0 },
    c: { added: 1, removed: 0, changed: 0 },
  })
})

test('a time, an expiry and a value in a chunk are differences; the same chunks are none', async () => {
  const large = (text: string) => [cellOf('a', 'x'.repeat(30_000)), cellOf('b', text.repeat(20_000))]
  const before = new Map<string, readonly Cell[]>([
    ['time', [cellOf('a', 'v', { timestamp: 1n })]],
    ['expiry', [cellOf('a', 'v', { ttlSeconds: 60 })]],
    ['chunk', large('y')],
    ['same', large('z')],
  ])
  const young = new Map<string, readonly Cell[]>([
    ['time', [cellOf('a', 'v', { timestamp: 2n })]],
    ['expiry', [cellOf('a', 'v', { ttlSeconds: 61 })]],
    ['chunk', large('Y')],
    ['same', large('z')],
  ])
  const found = await diff(before, young)
  assert.deepEqual(counts(found), { added: 0, removed: 0, changed: 3, equal: 1 })
  assert.deepEqual(keys(found.samples.changed), ['chunk', 'expiry', 'time'])
})

test('samples and columns are bounded', async () => {
  const wide = (text: string) => Array.from({ length: 300 }, (_, i) => cellOf(`column ${1_000 + i}`, text))
  const found = await diff(
    rowsOf(0, 40, () => wide('a')),
    rowsOf(0, 40, () => wide('b')),
    { limit: 5 },
  )
  assert.equal(found.changed, 40)
  assert.equal(found.samples.changed.length, 5)
  assert.ok(found.samples.changed.every(({ columns }) => columns.length === 20))
  assert.equal(found.columns.length, 200)
  assert.equal(found.hasMoreColumns, true)
})

test('an empty version against a full one', async () => {
  assert.deepEqual(counts(await diff(new Map(), rowsOf(0, 7, plain))), {
    added: 7,
    removed: 0,
    changed: 0,
    equal: 0,
  })
})

test('random versions: as a comparison in memory says', async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const next = random(seed)
    const version = () => {
      const rows = new Map<string, readonly Cell[]>()
      for (let i = 0; i < 2_000; i++) {
        if (next() < 0.1) continue
        const cells = ['a', 'b', 'c']
          .filter(() => next() < 0.9)
          .map((name) => cellOf(name, `${next() < 0.95}`))
        if (cells.length > 0) rows.set(`key ${i}`, cells)
      }
      return rows
    }
    const [before, young] = [version(), version()]
    const text = (cells: readonly Cell[] | undefined) =>
      cells?.map(({ localKey, value }) => `${localKey.toString()}=${value.toString()}`).join()
    const expected = { added: 0, removed: 0, changed: 0, equal: 0 }
    for (const key of new Set([...before.keys(), ...young.keys()])) {
      const [a, b] = [text(before.get(key)), text(young.get(key))]
      expected[a === undefined ? 'added' : b === undefined ? 'removed' : a === b ? 'equal' : 'changed']++
    }
    assert.deepEqual(counts(await diff(before, young, { shards: 2 })), expected, `seed ${seed}`)
  }
})
