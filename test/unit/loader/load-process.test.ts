import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { forkedBuild } from '../../../src/loader/load-process.js'
import type { BuildJob, BuildMessage } from '../../../src/loader/messages.js'
import { objectSettings } from './build-world.js'
import { requestFor } from './fakes.js'

const folder = mkdtempSync(join(tmpdir(), 'godwit-load-process-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const entry = fileURLToPath(new URL('./fixture-child.js', import.meta.url))

function jobOf(name: string, contents: readonly string[], changes: Partial<BuildJob> = {}): BuildJob {
  const [input, staging] = [join(folder, name, 'input'), join(folder, name, 'staging')]
  for (const path of [input, staging]) mkdirSync(path, { recursive: true })
  for (const [index, content] of contents.entries()) writeFileSync(join(input, `${index}.ndjson`), content)
  return {
    request: requestFor('cities', input),
    keyOrder: 'HASHED',
    maxValueBytes: 100,
    maxVersionBytes: null,
    shardCount: 2,
    staging,
    workers: 1,
    sortBytes: 10_000,
    heapMb: 64,
    objects: objectSettings,
    ...changes,
  }
}

function run(job: BuildJob, heapMb = 64) {
  const reports: BuildMessage[] = []
  const build = forkedBuild({ entry, heapMb })(job, (message) => reports.push(message))
  return { ...build, reports }
}

function failureOf(message: BuildMessage): BuildMessage & { kind: 'failed' } {
  assert.ok(message.kind === 'failed')
  return message
}

function rowsOf({ staging, shardCount }: BuildJob): string[] {
  const shards = Array.from({ length: shardCount }, (_, shard) =>
    join(staging, 'version', String(shard), 'rows'),
  )
  return shards.flatMap((path) => readFileSync(path, 'utf8').trim().split('\n')).filter((row) => row !== '')
}

for (const workers of [1, 2]) {
  test(`the load process builds every shard and reports its figures (workers: ${workers})`, async () => {
    const contents = ['{"id":1,"a":1}\n{"id":2,"a":2}\n', '{"id":3,"a":3}\n']
    const job = jobOf(`works-${workers}`, contents, { workers })
    const { ended, reports } = run(job)
    const last = await ended
    assert.ok(last.kind === 'built', JSON.stringify(last))
    assert.equal(last.figures.rows, 3)
    assert.deepEqual([last.progress.readBytes, last.progress.totalBytes], [45, 45])
    assert.ok(reports.length >= 1)
    assert.deepEqual(rowsOf(job).sort(), ['1 a=1', '2 a=2', '3 a=3'])
  })
}

test('bad input is reported as what it is', async () => {
  const { code, message, isCrash } = failureOf(await run(jobOf('bad', ['{"id":1,"a":1}\nx\n'])).ended)
  assert.deepEqual([code, isCrash], ['INVALID_ARGUMENT', undefined])
  assert.match(message, /1 bad line, 0 allowed, the first at .*0\.ndjson:2: not JSON/)
})

test('a load process that crashes says with which signal, and that another can go on', async () => {
  const { code, message, isCrash } = failureOf(await run(jobOf('crash', ['{"id":1,"a":"crash"}\n'])).ended)
  assert.deepEqual([code, isCrash], ['INTERNAL', true])
  assert.match(message, /ended before its work was done: it died of SIGABRT/)
})

test('a load process that exits says with what', async () => {
  const { message } = failureOf(await run(jobOf('exit', ['{"id":1,"a":"exit"}\n'])).ended)
  assert.match(message, /it exited with 3: gone/)
})

test('a load process that uses up its heap says which setting to raise, and another would do no better', async () => {
  const { code, message, isCrash } = failureOf(await run(jobOf('hoard', ['{"id":1,"a":"hoard"}\n'])).ended)
  assert.deepEqual([code, isCrash], ['TOO_LARGE', undefined])
  assert.match(message, /heap of 64 MB; raise loads\.heapMb/)
})

test('a reading thread that uses up its heap costs the load, with the same advice', async () => {
  const contents = ['{"id":1,"a":"hoard"}\n', '{"id":2,"a":2}\n']
  const { code, message } = failureOf(await run(jobOf('thread', contents, { workers: 2 })).ended)
  assert.equal(code, 'TOO_LARGE')
  assert.match(message, /heap of 64 MB; raise loads\.heapMb/)
})

test('a load process can be killed', async () => {
  const build = run(jobOf('wait', ['{"id":1,"a":"wait"}\n']))
  build.kill()
  assert.match(failureOf(await build.ended).message, /SIGKILL/)
})

test('a program that is not there is a failure, not an exception', async () => {
  const build = forkedBuild({ entry: join(folder, 'absent.js'), heapMb: 64 })(
    jobOf('absent', []),
    () => undefined,
  )
  assert.match(failureOf(await build.ended).message, /ended before its work was done/)
})
