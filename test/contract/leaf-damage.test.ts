/** What the RocksDB engine does when files are damaged, missing, foreign or in use, and when the disk fails. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { KVError } from '../../src/base/errors.js'
import { acquireDirectoryLock } from '../../src/leaf/rocksdb/store/directory-lock.js'
import { SealedShardWriter } from '../../src/leaf/rocksdb/sealed/sealed-writer.js'
import { bytes, cell, RocksHarness } from '../support/leaf-engines.js'

const ROWS = 3_000

/** Rows in the order of their keys, so that neighbours share a block. */
const KEYS = Array.from({ length: ROWS }, (_, i) => bytes(`row${String(i).padStart(6, '0')}`))

async function damagedShard(t: TestContext): Promise<RocksHarness> {
  const shard = await RocksHarness.create('ORDERED')
  t.after(() => shard.dispose())
  await shard.loadSealed(KEYS.map((key, i) => [key, [cell('', Buffer.alloc(200, i))]]))
  await shard.closeShard()
  const directory = join(shard.directory, 'db')
  const table = readdirSync(directory).find((name) => name.endsWith('.sst')) ?? ''
  const content = readFileSync(join(directory, table))
  const middle = content.byteLength >> 1
  content[middle] = (content[middle] ?? 0) ^ 0xff
  writeFileSync(join(directory, table), content)
  await shard.open('sealed')
  return shard
}

function countByKind(outcomes: unknown): Record<string, number> {
  assert.ok(Array.isArray(outcomes))
  const counts: Record<string, number> = {}
  for (const outcome of outcomes as unknown[]) {
    const kind = outcome instanceof KVError ? outcome.code : outcome === null ? 'missing' : 'row'
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

test('a flipped byte fails the rows of its block and no others, read on the spot', async (t) => {
  const shard = await damagedShard(t)
  const outcomes: unknown[] = []
  for (let i = 0; i < ROWS; i += 100) {
    const part = await shard.read(KEYS.slice(i, i + 100))
    assert.ok(!(part instanceof KVError))
    outcomes.push(...part)
  }
  const { CORRUPT: corrupt, row } = countByKind(outcomes)
  assert.ok(corrupt !== undefined && corrupt > 0 && corrupt < 40, `${corrupt} corrupt rows`)
  assert.equal(row, ROWS - corrupt)
})

// The binding raises the error of an asynchronous MultiGet as an uncaught exception and never calls back: one damaged
// block ended the process, and started anew it ended again at the next read. A fake engine would not show it.
test('a flipped byte fails the same rows when they are read on other threads', async (t) => {
  const shard = await damagedShard(t)
  const reads = await Promise.all([shard.read(KEYS), shard.read(KEYS.slice(0, 1_000)), shard.read(KEYS)])
  const again = await shard.read(KEYS)
  const { CORRUPT: corrupt, row } = countByKind(again)
  assert.ok(corrupt !== undefined && corrupt > 0 && corrupt < 40, `${corrupt} corrupt rows`)
  assert.equal(row, ROWS - corrupt)
  assert.deepEqual([countByKind(reads[0]), countByKind(reads[2])], [countByKind(again), countByKind(again)])
  assert.deepEqual(countByKind(reads[1]), { row: 1_000 })
})

test('catching failed reads leaves other uncaught exceptions as they were', async (t) => {
  const shard = await damagedShard(t)
  const code = `
    const { workerData } = require('node:worker_threads')
    import(workerData.binding).then(async ({ AttachedDatabase }) => {
      const { SEALED_OPTIONS } = await import(workerData.options)
      const database = new AttachedDatabase(workerData.handle, 'shard', SEALED_OPTIONS)
      database.getManyAsync([Buffer.from('x')], () => { throw new Error('a fault of the caller') })
    })`
  const workerData = {
    binding: new URL('../../src/leaf/rocksdb/store/binding.js', import.meta.url).href,
    options: new URL('../../src/leaf/rocksdb/store/options.js', import.meta.url).href,
    handle: shard.incarnation.handle,
  }
  const worker = new Worker(code, { eval: true, workerData })
  const error = await new Promise<Error>((resolve) => worker.on('error', resolve))
  assert.equal(error.message, 'a fault of the caller')
})

test('a mutable shard that lost its log is not opened', async (t) => {
  const shard = await RocksHarness.create('HASHED')
  t.after(() => shard.dispose())
  await shard.createMutable()
  for (const key of KEYS.slice(0, 50)) await shard.put(key, [cell('', 'v')], {}, { durability: 'LOG_SYNCED' })
  await shard.closeShard()
  const directory = join(shard.directory, 'db')
  for (const name of readdirSync(directory)) if (name.endsWith('.log')) truncateSync(join(directory, name), 0)
  await assert.rejects(shard.open('mutable'), { code: 'CORRUPT', message: /lost writes/ })
})

test('the watermark covers writes that were not synced once it is recorded', async (t) => {
  const shard = await RocksHarness.create('HASHED')
  t.after(() => shard.dispose())
  await shard.createMutable()
  const watermark = () =>
    (JSON.parse(readFileSync(join(shard.directory, 'WATERMARK.json'), 'utf8')) as { sequence: number })
      .sequence // our own file
  await shard.put(bytes('k'), [cell('', 'v')])
  const before = watermark()
  await shard.writer.writeWatermarks()
  assert.ok(watermark() > before)
})

test('shards of a foreign, newer or unfinished format are refused by name', async (t) => {
  const shard = await RocksHarness.create('HASHED')
  t.after(() => shard.dispose())
  await shard.createMutable()
  await shard.closeShard()
  const path = join(shard.directory, 'FORMAT.json')
  const format = readFileSync(path, 'utf8')
  const refusals: [change: (text: string) => string, message: RegExp][] = [
    [(text) => text.replace('"number": 1', '"number": 2'), /godwit-mutable number 2/],
    [(text) => text.replace('godwit-mutable', 'other'), /format "other"/],
    [(text) => text.replace('"max"', 'null'), /other options/],
  ]
  for (const [change, message] of refusals) {
    writeFileSync(path, change(format))
    await assert.rejects(shard.open('mutable'), { code: 'FAILED_PRECONDITION', message })
  }
  writeFileSync(path, 'not json')
  await assert.rejects(shard.open('mutable'), { code: 'CORRUPT' })
  rmSync(path)
  await assert.rejects(shard.open('mutable'), { code: 'FAILED_PRECONDITION', message: /no FORMAT.json/ })
})

test('a sealed shard without its seal, or with another sequence, is refused', async (t) => {
  const shard = await RocksHarness.create('HASHED')
  t.after(() => shard.dispose())
  await shard.loadSealed([[bytes('k'), [cell('', 'v')]]])
  await shard.closeShard()
  const path = join(shard.directory, 'SEALED.json')
  const seal = readFileSync(path, 'utf8')
  writeFileSync(path, seal.replace(/"sequence": \d+/, '"sequence": 77'))
  await assert.rejects(shard.open('sealed'), { code: 'CORRUPT' })
  rmSync(path)
  await assert.rejects(shard.open('sealed'), { code: 'FAILED_PRECONDITION', message: /never sealed/ })
  writeFileSync(path, seal)
  await shard.open('sealed')
})

test('opening the same shard twice is refused, and the first goes on', async (t) => {
  const shard = await RocksHarness.create('HASHED')
  t.after(() => shard.dispose())
  await shard.createMutable()
  const other = await RocksHarness.create('HASHED')
  t.after(() => other.dispose())
  Object.defineProperty(other, 'directory', { value: shard.directory })
  await assert.rejects(other.open('mutable'), { code: 'UNAVAILABLE' })
  await assert.rejects(other.createMutable(), { code: 'ALREADY_EXISTS' })
  assert.ok(!((await shard.put(bytes('k'), [cell('', 'v')])) instanceof KVError))
})

test('a row key that comes twice is found at the seal, which leaves no shard', async (t) => {
  const root = await temporary(t)
  const writer = await SealedShardWriter.create(join(root, 'shard'), { keyOrder: 'HASHED', nowSeconds: 1 })
  for (const key of ['a', 'b', 'a']) writer.add(bytes(key), [cell('', key)])
  await assert.rejects(writer.seal(), { code: 'INVALID_ARGUMENT', message: /1 of 3 rows/ })
  await writer.abandon()
  assert.ok(!existsSync(join(root, 'shard', 'SEALED.json')))
})

test('the checksum is the same for the same rows in any order, and another for other rows', async (t) => {
  const root = await temporary(t)
  const rows = KEYS.slice(0, 100).map(
    (key, i) => [key, [cell('', `v${i}`), cell('big', Buffer.alloc(20_000, i))]] as const,
  )
  const seal = async (name: string, some: typeof rows) => {
    const writer = await SealedShardWriter.create(join(root, name), { keyOrder: 'HASHED', nowSeconds: 1 })
    for (const [key, cells] of some) writer.add(key, cells)
    return writer.seal()
  }
  const figures = await seal('a', rows)
  assert.equal(figures.rows, 100)
  assert.deepEqual(await seal('b', rows.toReversed()), figures)
  const changed = rows.with(5, [KEYS[5] ?? bytes(''), [cell('', 'w5'), cell('big', Buffer.alloc(20_000, 5))]])
  assert.notEqual((await seal('c', changed)).checksum, figures.checksum)
})

test('a data directory is held by one process, until it ends', async (t) => {
  const directory = join(await temporary(t), 'lock')
  const lock = await acquireDirectoryLock(directory)
  await assert.rejects(acquireDirectoryLock(directory), {
    code: 'UNAVAILABLE',
    message: /is used by another process/,
  })
  const module = new URL('../../src/leaf/rocksdb/store/directory-lock.js', import.meta.url).href
  const hold = `import(${JSON.stringify(module)}).then(({ acquireDirectoryLock: acquire }) => acquire(${JSON.stringify(directory)}))
    .then(() => process.kill(process.pid, 'SIGKILL'), (error) => process.exit(error.code === 'UNAVAILABLE' ? 7 : 8))`
  assert.equal(spawnSync(process.execPath, ['-e', hold]).status, 7)
  await lock.release()
  assert.equal(spawnSync(process.execPath, ['-e', hold]).signal, 'SIGKILL')
  await (await acquireDirectoryLock(directory)).release()
})

// The limit on file sizes stands for a full disk: a write fails with an I/O error, which cannot be had in this process.
test('a write that the disk refuses is UNKNOWN, the shard takes no more, and reopened it serves what was acknowledged', () => {
  const code = `
    const { RocksHarness, bytes, cell } = await import(${JSON.stringify(new URL('../support/leaf-engines.js', import.meta.url).href)})
    const shard = await RocksHarness.create('HASHED')
    await shard.createMutable()
    const write = (key) => shard.put(bytes(key), [cell('', Buffer.alloc(10_000, 1))], {}, { durability: 'LOG_SYNCED' })
    let count = 0
    let outcome
    while (!('code' in (outcome = await write('k' + count)))) count++
    const next = await write('next')
    const failed = shard.failedShards.map((id) => id - shard.incarnation.id)
    await shard.reopen().catch(() => shard.open('mutable'))
    const rows = await shard.read(Array.from({ length: count }, (_, i) => bytes('k' + i)))
    const found = rows.filter((row) => row !== null && !('code' in row)).length
    await shard.dispose()
    console.log(JSON.stringify([outcome.code, outcome.outcome, next.code, next.outcome, failed, found - count, count > 5]))`
  const child = spawnSync('bash', [
    '-c',
    'ulimit -f 300; exec "$0" --input-type=module -e "$1"',
    process.execPath,
    code,
  ])
  assert.equal(
    child.stdout.toString(),
    '["UNAVAILABLE","UNKNOWN","UNAVAILABLE","NOT_APPLIED",[0],0,true]\n',
    child.stderr.toString(),
  )
})

async function temporary(t: TestContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'godwit-damage-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  return root
}
