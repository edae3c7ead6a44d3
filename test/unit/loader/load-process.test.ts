import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { forkedTask, TaskDiedError } from '../../../src/base/child-task.js'
import { KVError } from '../../../src/base/errors.js'
import type { BuildJob, BuildProgress } from '../../../src/loader/messages.js'
import type { VersionFigures } from '../../../src/model/metastore.js'
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

const LIMIT = { heapMb: 64, heapSetting: 'loads.heapMb' }

function run(job: BuildJob) {
  const reports: BuildProgress[] = []
  const task = forkedTask({ entry, ...LIMIT })(job, (report) => reports.push(report as BuildProgress))
  return { ...task, reports }
}

async function failureOf({ ended }: { readonly ended: Promise<unknown> }) {
  const error: unknown = await ended.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof KVError)
  return { code: error.code, message: error.message, isCrash: error instanceof TaskDiedError }
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
    const figures = (await ended) as VersionFigures
    assert.equal(figures.rows, 3)
    const last = reports.at(-1)
    assert.deepEqual([last?.readBytes, last?.totalBytes], [45, 45])
    assert.deepEqual(rowsOf(job).sort(), ['1 a=1', '2 a=2', '3 a=3'])
  })
}

test('bad input is reported as what it is', async () => {
  const { code, message, isCrash } = await failureOf(run(jobOf('bad', ['{"id":1,"a":1}\nx\n'])))
  assert.deepEqual([code, isCrash], ['INVALID_ARGUMENT', false])
  assert.match(message, /1 bad line, 0 allowed, the first at .*0\.ndjson:2: not JSON/)
})

test('a load process that crashes says with which signal, and that another can go on', async () => {
  const { code, message, isCrash } = await failureOf(run(jobOf('crash', ['{"id":1,"a":"crash"}\n'])))
  assert.deepEqual([code, isCrash], ['INTERNAL', true])
  assert.match(message, /ended before its work was done: it died of SIGABRT/)
})

test('a load process that exits says with what', async () => {
  const { message } = await failureOf(run(jobOf('exit', ['{"id":1,"a":"exit"}\n'])))
  assert.match(message, /it exited with 3: gone/)
})

test('a load process that uses up its heap says which setting to raise, and another would do no better', async () => {
  const { code, message, isCrash } = await failureOf(run(jobOf('hoard', ['{"id":1,"a":"hoard"}\n'])))
  assert.deepEqual([code, isCrash], ['TOO_LARGE', false])
  assert.match(message, /heap of 64 MB; raise loads\.heapMb/)
})

test('a reading thread that uses up its heap costs the load, with the same advice', async () => {
  const contents = ['{"id":1,"a":"hoard"}\n', '{"id":2,"a":2}\n']
  const { code, message } = await failureOf(run(jobOf('thread', contents, { workers: 2 })))
  assert.equal(code, 'TOO_LARGE')
  assert.match(message, /heap of 64 MB; raise loads\.heapMb/)
})

test('a load process can be killed', async () => {
  const build = run(jobOf('wait', ['{"id":1,"a":"wait"}\n']))
  build.kill()
  assert.match((await failureOf(build)).message, /SIGKILL/)
})

test('a program that is not there is a failure, not an exception', async () => {
  const absent = { entry: join(folder, 'absent.js'), ...LIMIT }
  const build = forkedTask(absent)(jobOf('absent', []), () => undefined)
  assert.match((await failureOf(build)).message, /ended before its work was done/)
})
