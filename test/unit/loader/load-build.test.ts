import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { murmur3Token } from '../../../src/base/hash.js'
import type { BuildJob } from '../../../src/loader/messages.js'
import { compareRows } from '../../../src/model/row-order.js'
import { shardOfToken } from '../../../src/model/sharding.js'
import { type BuildOutcome, BuildWorld, diskFull } from './build-world.js'

const root = mkdtempSync(join(tmpdir(), 'godwit-build-'))
after(() => rmSync(root, { recursive: true, force: true }))

function someRows(count: number, from = 0): { id: number; a: string }[] {
  return Array.from({ length: count }, (_, index) => ({
    id: from + ((index * 7) % count),
    a: `v${from + index}`,
  }))
}

/** In the order of a HASHED dataset's physical keys. */
function stored(rows: readonly { id: number; a: string }[]): string[] {
  const found = rows.map(({ id, a }) => ({ rowKey: Buffer.from(String(id)), a }))
  const placed = found.map((row) => ({ ...row, token: murmur3Token(row.rowKey) }))
  return placed.sort(compareRows).map(({ rowKey, a }) => `${rowKey.toString()} a=${a}`)
}

function built(message: BuildOutcome): BuildOutcome & { kind: 'built' } {
  assert.ok(message.kind === 'built', JSON.stringify(message))
  return message
}

function failure(message: BuildOutcome): { code: string; message: string } {
  assert.equal(message.kind, 'failed')
  return message
}

const TINY = { sortBytes: 2_000 }

const ways: readonly { name: string; changes: Partial<BuildJob> }[] = [
  { name: 'in memory', changes: {} },
  { name: 'by runs', changes: TINY },
  { name: 'by runs of several threads', changes: { ...TINY, workers: 3 } },
]
for (const { name, changes } of ways) {
  test(`rows of several files, sorted ${name}, become the same shards`, async () => {
    const world = new BuildWorld(root, changes)
    const groups = [someRows(300), someRows(200, 300), [], someRows(100, 500)]
    for (const [index, rows] of groups.entries()) world.writeRows(`${index}.ndjson`, rows)
    const { figures, progress } = built(await world.build())
    assert.deepEqual(world.rows(), stored(groups.flat()))
    assert.equal(figures.rows, 600)
    assert.deepEqual([progress.rows, progress.readBytes], [600, progress.totalBytes])
    for (const [shard, lines] of world.shards) {
      for (const line of lines) {
        assert.equal(shardOfToken(murmur3Token(Buffer.from(line.split(' ')[0] ?? '')), 3), Number(shard))
      }
    }
    assert.deepEqual(readdirSync(world.staging).sort(), ['journal', 'owner', 'version'])
  })
}

test('input in order goes straight to the shards, without a run', async () => {
  const world = new BuildWorld(root, { ...TINY, keyOrder: 'ORDERED', shardCount: 1 })
  const ids = Array.from({ length: 500 }, (_, index) => index + 1_000)
  world.writeRows(
    'in.ndjson',
    ids.map((id) => ({ id, a: 'v' })),
  )
  world.onAdd = () => assert.deepEqual(readdirSync(join(world.staging, 'runs')), [])
  built(await world.build())
  assert.deepEqual(
    world.rows(),
    ids.map((id) => `${id} a=v`),
  )
})

test('input that begins in order and does not go on so is read again and sorted', async () => {
  const world = new BuildWorld(root, { ...TINY, keyOrder: 'ORDERED', shardCount: 1 })
  const ids = Array.from({ length: 500 }, (_, index) => index + 1_000)
  world.writeRows(
    'in.ndjson',
    [...ids, 1].map((id) => ({ id, a: 'v' })),
  )
  built(await world.build())
  assert.deepEqual(world.rows().slice(0, 2), ['1 a=v', '1000 a=v'])
  assert.equal(world.rows().length, 501)
  assert.deepEqual(world.readParts, ['in.ndjson', 'in.ndjson'])
})

test('two rows of one key are found across batches of input in order', async () => {
  for (const [onDuplicate, value] of [
    ['first', 'v0'],
    ['last', 'v399'],
  ] as const) {
    const world = new BuildWorld(root, { ...TINY, keyOrder: 'ORDERED', shardCount: 1 })
    world.writeRows(
      'in.ndjson',
      Array.from({ length: 400 }, (_, index) => ({ id: 'same', a: `v${index}` })),
    )
    const { progress } = built(await world.build({ onDuplicate }))
    assert.deepEqual([world.rows(), progress.duplicateCount], [[`same a=${value}`], 399])
  }
  const world = new BuildWorld(root, TINY)
  world.writeRows('a.ndjson', someRows(200))
  world.writeRows('b.ndjson', [
    { id: 900, a: 'x' },
    { id: 5, a: 'y' },
  ])
  const { message } = failure(await world.build())
  assert.match(message, /b\.ndjson:2 has the row key 0x35 of file:.*a\.ndjson:\d+: row keys must be unique/)
})

/** Lets a part give so many rows, then fails it. */
function failAfter(world: BuildWorld, part: string, count: number): void {
  world.tamper = (source) => ({
    parts: () => source.parts(),
    rows: (asked) => {
      const rows = source.rows(asked)
      if (!asked.url.endsWith(part)) return rows
      let left = count
      return {
        get readBytes() {
          return rows.readBytes
        },
        badLineCount: 0,
        badLines: [],
        foreignCellCount: 0,
        unseenColumns: [],
        async *[Symbol.asyncIterator]() {
          for await (const batch of rows) {
            yield batch.slice(0, left)
            left -= batch.length
            if (left <= 0) diskFull()
          }
        },
      }
    },
  })
}

for (const workers of [1, 2]) {
  test(`a build that ended while it read goes on behind what is in runs (workers: ${workers})`, async () => {
    const world = new BuildWorld(root, { ...TINY, workers })
    const groups = [someRows(300), someRows(300, 300), someRows(300, 600)]
    for (const [index, rows] of groups.entries()) world.writeRows(`${index}.ndjson`, rows)
    failAfter(world, '1.ndjson', 200)
    assert.equal(failure(await world.build()).message, 'the disk is full')
    const runsBefore = readdirSync(join(world.staging, 'runs'))
    world.tamper = (source) => source
    world.readParts.length = 0
    const { figures } = built(await world.build())
    // With several threads the last rows of another part may have been in memory still.
    if (workers === 1) assert.deepEqual(world.readParts, ['1.ndjson', '2.ndjson'])
    assert.ok(runsBefore.length > 5)
    assert.equal(figures.rows, 900)
    assert.deepEqual(world.rows(), stored(groups.flat()))
  })
}

test('a build that ended while it wrote keeps the shards that were sealed, and reads nothing again', async () => {
  const world = new BuildWorld(root, TINY)
  world.writeRows('in.ndjson', someRows(600))
  world.onAdd = (_key, shard) => (shard === '1' ? diskFull() : undefined)
  failure(await world.build())
  assert.deepEqual([...world.shards.keys()], ['0'])
  world.readParts.length = 0
  world.onAdd = (_key, shard) => assert.notEqual(shard, '0')
  const { figures } = built(await world.build())
  assert.deepEqual([world.readParts, figures.rows], [[], 600])
  assert.deepEqual(world.rows(), stored(someRows(600)))
})

/** Its objects say that they are so large. */
function sayLarge(world: BuildWorld, sizeBytes: number): void {
  world.tamper = (source) => ({
    parts: async () => (await source.parts()).map((part) => ({ ...part, sizeBytes })),
    rows: (part) => source.rows({ ...part, sizeBytes: statSync(new URL(part.url)).size }),
  })
}

for (const workers of [1, 2]) {
  test(`what writing takes is tried on the first rows of a large load, of which nothing is left (workers: ${workers})`, async () => {
    const world = new BuildWorld(root, { sortBytes: 20_000, workers })
    const groups = [someRows(1_500), someRows(1_500, 1_500)]
    for (const [index, rows] of groups.entries()) world.writeRows(`${index}.ndjson`, rows)
    sayLarge(world, 1_000_000_000)
    let tried = 0
    world.onAdd = (_key, shard) => void (tried += shard === 'trial' ? 1 : 0)
    built(await world.build())
    // Twice half of the memory, once next to nothing; half of the memory are about 250 rows.
    assert.ok(tried > 300 && tried < 900, String(tried))
    assert.ok(world.shards.delete('trial'))
    assert.deepEqual(world.rows(), stored(groups.flat()))
    assert.ok(!readdirSync(world.staging).includes('trial'))
  })
}

test('a trial that fails costs the load nothing', async () => {
  const world = new BuildWorld(root, { sortBytes: 20_000 })
  world.writeRows('in.ndjson', someRows(1_500))
  sayLarge(world, 1_000_000_000)
  let refused = 0
  world.onAdd = (_key, shard) => {
    if (shard !== 'trial') return
    refused++
    diskFull()
  }
  built(await world.build())
  assert.equal(refused, 1)
  assert.deepEqual(world.rows(), stored(someRows(1_500)))
  assert.ok(!readdirSync(world.staging).includes('trial'))
  assert.deepEqual([...world.openWriters], [])
})

test('a load without runs that is done again counts the rows that were left out once', async () => {
  const world = new BuildWorld(root)
  world.writeRows('in.ndjson', [...someRows(200), ...someRows(200)])
  world.onAdd = (_key, shard) => (shard === '2' ? diskFull() : undefined)
  failure(await world.build({ onDuplicate: 'first' }))
  assert.deepEqual([...world.shards.keys()], ['0', '1'])
  world.onAdd = () => undefined
  const { progress, figures } = built(await world.build({ onDuplicate: 'first' }))
  assert.deepEqual([progress.duplicateCount, figures.rows], [200, 200])
})

test('a build that was done says so again without reading anything', async () => {
  const world = new BuildWorld(root, TINY)
  world.writeRows('in.ndjson', someRows(100))
  const first = built(await world.build())
  rmSync(world.input, { recursive: true })
  rmSync(join(world.staging, 'version'), { recursive: true })
  assert.deepEqual(built(await world.build()).figures, first.figures)
})

test('input that changed since is read anew, all of it', async () => {
  const world = new BuildWorld(root, TINY)
  const rows = someRows(300)
  world.writeRows('0.ndjson', rows)
  world.writeRows('1.ndjson', someRows(300, 300))
  failAfter(world, '1.ndjson', 200)
  failure(await world.build())
  world.tamper = (source) => source
  const changed = rows.map(({ id }) => ({ id, a: 'w1' }))
  world.writeRows('0.ndjson', changed)
  utimesSync(join(world.input, '0.ndjson'), 1, 1)
  built(await world.build())
  assert.deepEqual(world.rows(), stored([...changed, ...someRows(300, 300)]))
})

test('whatever of the journal a crash left, the version is the same', async () => {
  const world = new BuildWorld(root, { ...TINY, shardCount: 2 })
  const groups = [someRows(120), someRows(120, 120)]
  for (const [index, rows] of groups.entries()) world.writeRows(`${index}.ndjson`, rows)
  world.onAdd = (_key, shard) => (shard === '1' ? diskFull() : undefined)
  failure(await world.build())
  const journal = join(world.staging, 'journal')
  world.onAdd = () => undefined
  // From the end on, because a build goes on from what the one before left.
  for (let size = readFileSync(journal).length; size >= 0; size -= 173) {
    truncateSync(journal, size)
    if (!readFileSync(journal, 'utf8').includes('"kind":"sealed"')) world.shards.clear()
    failAfter(world, '1.ndjson', 60)
    await world.build()
    world.tamper = (source) => source
    assert.equal(built(await world.build()).figures.rows, 240, `${size} bytes`)
    assert.deepEqual(world.rows(), stored(groups.flat()))
  }
})

test('bad lines count over all files, and are reported by file', async () => {
  const world = new BuildWorld(root, { workers: 2 })
  world.write('a.ndjson', '{"id":1,"a":1}\nx\n')
  world.write('b.ndjson', 'y\n{"id":2,"a":1}\n')
  const { progress } = built(await world.build({ maxBadLines: 2 }))
  assert.deepEqual(
    progress.badLines.map(({ file, line, reason }) => [file.slice(-8), line, reason]),
    [
      ['a.ndjson', 2, 'not JSON'],
      ['b.ndjson', 1, 'not JSON'],
    ],
  )
  const other = new BuildWorld(root)
  other.write('a.ndjson', '{"id":1,"a":1}\nx\n')
  other.write('b.ndjson', 'y\n{"id":2,"a":1}\n')
  const last = await other.build({ maxBadLines: 1 })
  assert.match(
    failure(last).message,
    /^2 bad lines in all files together, 1 allowed, the first at .*a\.ndjson:2/,
  )
  assert.equal(last.progress.badLines.length, 2)
})

test('a column that no file has, no rows at all, and too large a version are refused', async () => {
  const world = new BuildWorld(root)
  world.writeRows('a.ndjson', someRows(10))
  assert.match(
    failure(await world.build({ columns: ['a', 'b'] })).message,
    /column "b" has a value in no line/,
  )
  assert.equal(failure(await world.build({}, { maxVersionBytes: 20 })).code, 'QUOTA_EXCEEDED')
  built(await world.build({ columns: ['a'] }))
  const empty = new BuildWorld(root)
  empty.write('a.ndjson', '\n\n')
  assert.match(failure(await empty.build()).message, /holds no row/)
})

test('a row that cannot be stored fails the build by its line', async () => {
  const world = new BuildWorld(root)
  world.writeRows('a.ndjson', someRows(3))
  world.dependencies = { pack: () => diskFull() }
  assert.match(failure(await world.build()).message, /a\.ndjson:1: the disk is full/)
})

test('a process that still works in the directory is ended before anything else is done', async () => {
  const world = new BuildWorld(root)
  world.writeRows('a.ndjson', someRows(3))
  const other = spawn(process.execPath, ['-e', 'process.stdout.write("up"); setInterval(() => 0, 1000)'])
  const ended = once(other, 'close')
  await once(other.stdout, 'data')
  const stat = readFileSync(`/proc/${other.pid}/stat`, 'utf8')
  const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  writeFileSync(join(world.staging, 'owner'), JSON.stringify({ pid: other.pid, startedAt }))
  built(await world.build())
  assert.deepEqual(await ended, [null, 'SIGKILL'])
  // Another process that got the number of one that is gone is not ours to end.
  writeFileSync(join(world.staging, 'owner'), JSON.stringify({ pid: process.ppid, startedAt: '1' }))
  built(await world.build())
})
