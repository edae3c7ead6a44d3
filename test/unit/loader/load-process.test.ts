import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import { murmur3Token } from '../../../src/base/hash.js'
import { buildVersion, type ShardWriter } from '../../../src/loader/load-child.js'
import { forkedBuild } from '../../../src/loader/load-process.js'
import type { BuildJob, BuildMessage } from '../../../src/loader/messages.js'
import { shardOfToken } from '../../../src/model/sharding.js'
import { requestFor } from './fakes.js'

const folder = mkdtempSync(join(tmpdir(), 'godwit-load-process-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const entry = fileURLToPath(new URL('./fixture-child.js', import.meta.url))

function jobOf(content: string, name: string, changes: Partial<BuildJob> = {}): BuildJob {
  const home = join(folder, name)
  mkdirSync(home)
  const path = join(home, 'input.ndjson')
  writeFileSync(path, content)
  const directories = [join(home, '0'), join(home, '1')]
  return {
    request: requestFor('cities', path),
    keyOrder: 'HASHED',
    maxValueBytes: 100,
    directories,
    ...changes,
  }
}

function run(job: BuildJob, heapMb = 64) {
  const reports: BuildMessage[] = []
  const build = forkedBuild({ entry, heapMb })(job, (message) => reports.push(message))
  return { ...build, reports }
}

function failureOf(message: BuildMessage): { code: string; message: string } {
  assert.equal(message.kind, 'failed')
  return { code: message.code, message: message.message }
}

test('the load process builds every shard and reports its figures', async () => {
  const job = jobOf('{"id":1,"a":1}\n{"id":2,"a":2}\n{"id":3,"a":3}\n', 'works')
  const { ended, reports } = run(job)
  const last = await ended
  assert.equal(last.kind, 'built')
  assert.equal(last.figures.rows, 3)
  assert.equal(last.progress.readBytes, 45)
  assert.ok(reports.length >= 1)
  const rows = job.directories.flatMap((directory) => readFileSync(directory, 'utf8').trim().split('\n'))
  assert.deepEqual(rows.filter((row) => row !== '').sort(), ['1 a=1', '2 a=2', '3 a=3'])
})

test('bad input is reported as what it is', async () => {
  const { code, message } = failureOf(await run(jobOf('{"id":1,"a":1}\nx\n', 'bad')).ended)
  assert.equal(code, 'INVALID_ARGUMENT')
  assert.match(message, /1 bad line, 0 allowed, the first at .*input\.ndjson:2: not JSON/)
})

test('a load process that crashes says with which signal', async () => {
  const { code, message } = failureOf(await run(jobOf('{"id":"crash","a":1}\n', 'crash')).ended)
  assert.equal(code, 'INTERNAL')
  assert.match(message, /ended before its work was done: it died of SIGABRT/)
})

test('a load process that exits says with what', async () => {
  const { message } = failureOf(await run(jobOf('{"id":"exit","a":1}\n', 'exit')).ended)
  assert.match(message, /it exited with 3: gone/)
})

test('a load process that uses up its heap says which setting to raise', async () => {
  const { code, message } = failureOf(await run(jobOf('{"id":"hoard","a":1}\n', 'hoard'), 64).ended)
  assert.equal(code, 'TOO_LARGE')
  assert.match(message, /heap of 64 MB; raise loads\.heapMb/)
})

test('a load process can be killed', async () => {
  const build = run(jobOf('{"id":"wait","a":1}\n', 'wait'))
  build.kill()
  assert.match(failureOf(await build.ended).message, /SIGKILL/)
})

test('a program that is not there is a failure, not an exception', async () => {
  const build = forkedBuild({ entry: join(folder, 'absent.js'), heapMb: 64 })(
    jobOf('', 'absent'),
    () => undefined,
  )
  assert.match(failureOf(await build.ended).message, /ended before its work was done/)
})

class MemoryWriter implements ShardWriter {
  readonly keys: string[] = []
  add(rowKey: Buffer): void {
    if (rowKey.toString() === 'refused') throw new KVError('TOO_LARGE', 'the row is too large')
    this.keys.push(rowKey.toString())
  }
  seal() {
    return Promise.resolve({ rows: this.keys.length, bytes: 10, checksum: `sum-${this.keys.length}` })
  }
}

async function buildInMemory(job: BuildJob) {
  const writers: MemoryWriter[] = []
  const createShardWriter = (): Promise<ShardWriter> => {
    const writer = new MemoryWriter()
    writers.push(writer)
    return Promise.resolve(writer)
  }
  const last = await buildVersion(job, { clock: systemClock, createShardWriter }, () => undefined)
  return { last, writers }
}

test('rows go to the shard that reads of their key go to', async () => {
  const ids = Array.from({ length: 200 }, (_, id) => id)
  const { last, writers } = await buildInMemory(
    jobOf(ids.map((id) => `{"id":${id},"a":1}\n`).join(''), 'shards'),
  )
  assert.equal(last.kind, 'built')
  for (const [shard, { keys }] of writers.entries()) {
    assert.ok(keys.length > 50, 'both shards have their share')
    for (const key of keys) assert.equal(shardOfToken(murmur3Token(Buffer.from(key)), 2), shard)
  }
})

test('the only shard of an ordered dataset takes every row, and its checksum is the version’s', async () => {
  const job = jobOf('{"id":"a","a":1}\n{"id":"b","a":1}\n', 'ordered', {
    keyOrder: 'ORDERED',
    directories: [join(folder, 'ordered-0')],
  })
  const { last } = await buildInMemory(job)
  assert.equal(last.kind, 'built')
  assert.deepEqual(last.figures, { rows: 2, bytes: 10, checksum: 'sum-2' })
})

test('a row that cannot be stored fails the load by its line', async () => {
  const { last } = await buildInMemory(jobOf('{"id":1,"a":1}\n{"id":"refused","a":1}\n', 'refused'))
  const { code, message } = failureOf(last)
  assert.equal(code, 'TOO_LARGE')
  assert.match(message, /input\.ndjson:2: the row is too large/)
})

test('a file without rows makes no version', async () => {
  const { last } = await buildInMemory(jobOf('\n\n', 'empty'))
  assert.match(failureOf(last).message, /holds no row/)
})
