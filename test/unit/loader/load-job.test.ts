import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { compileThriftStruct } from '../../../src/base/thrift-idl.js'
import type { LoadRequest } from '../../../src/model/load.js'
import { change, type FakeBuild, figures, killed, progress, requestFor } from './fakes.js'
import { clockMs, folder, input, setUp, settle, until } from './load-job-world.js'

const failed = new KVError('INVALID_ARGUMENT', '3 bad lines')

test('a load reserves a version, builds it, adopts it, completes it and publishes it', async () => {
  const { jobs, builds, files, metastore } = setUp()
  const started = await jobs.start(requestFor('cities', input), change)
  assert.equal(started.id, 'cities-1000')
  assert.equal(started.totalBytes, 30)
  await settle()
  assert.equal(jobs.get(started.id)?.state, 'BUILDING')
  const [build] = builds
  assert.ok(build?.job.staging.endsWith('load-id-cities-1000') === true)
  assert.equal(build.job.shardCount, 2)
  build.report({ ...progress, rows: 1 })
  assert.equal(jobs.get(started.id)?.rows, 1)
  build.end(figures)
  await settle()
  const done = jobs.get(started.id)
  assert.equal(done?.state, 'DONE')
  assert.deepEqual(done.figures, figures)
  assert.equal(done.endedAtMs, 5)
  assert.deepEqual(files.adopted, ['load-id-cities-1000/version -> id-cities/1000'])
  assert.deepEqual(metastore.steps, ['LOADING', 'READY', 'CURRENT'])
  assert.deepEqual(files.trashed, ['load-id-cities-1000'])
})

test('the time left becomes less while a load works without a word, and does not while it waits for its input', async () => {
  const { jobs, builds } = setUp()
  const { id } = await jobs.start(requestFor('cities', input), change)
  await settle()
  const left = () => jobs.get(id)?.leftMs
  assert.equal(left(), null)
  builds[0]?.report({ ...progress, leftMs: 3_000 })
  clockMs.now += 1_000
  assert.equal(left(), 3_000)
  builds[0]?.report({ ...progress, countsDown: true, leftMs: 3_000 })
  clockMs.now += 1_000
  assert.equal(left(), 2_000)
  clockMs.now += 9_000
  assert.equal(left(), 0)
  builds[0]?.end(figures)
  await settle()
  assert.deepEqual([jobs.get(id)?.state, left()], ['DONE', null])
})

test('a file set has its own id, also again after a failure, and its retention comes with its publication', async () => {
  const { jobs, builds, files, metastore } = setUp()
  const fileSet = { versionId: 42, partCount: 1, retainedVersions: 7 }
  const request = requestFor('cities', input, { fileSet })
  const { id } = await jobs.start(request, change)
  assert.equal(id, 'cities-42')
  await settle()
  builds[0]?.end(failed)
  await settle()
  files.trashed.length = 0
  await jobs.start(request, change)
  // What the failed one may have left would be taken for what this one builds.
  assert.equal(files.trashed[0], '/data/id-cities/42')
  await settle()
  builds[1]?.end(figures)
  await settle()
  assert.equal(jobs.get(id)?.state, 'DONE')
  assert.deepEqual(metastore.steps, ['LOADING', 'FAILED', 'LOADING', 'READY', 'retained 7', 'CURRENT'])
})

test("what is said of values becomes the dataset's when the version is there, and not when the load fails", async () => {
  const { jobs, builds, metastore } = setUp()
  const fields = compileThriftStruct([{ name: 'p', text: 'struct Pin { 1: i64 id }' }], 'Pin')
  const explode = { protocol: 'binary', struct: 'Pin', valueField: '', fields } as const
  const hfiles = requestFor('cities', input, { format: 'hfile', keyField: '', publish: false })
  const run = async (request: LoadRequest, end: Parameters<FakeBuild['end']>[0]) => {
    await jobs.start(request, change)
    await settle()
    const build = builds.at(-1)
    build?.end(end)
    await settle()
    return build?.job.request.explode
  }
  await run({ ...hfiles, explode }, failed)
  assert.equal(metastore.get('cities')?.explode, undefined)
  await run({ ...hfiles, explode }, figures)
  assert.deepEqual(await run(hfiles, figures), explode)
  assert.equal(await run({ ...hfiles, explode: null }, figures), null)
  assert.equal(await run(hfiles, figures), undefined)
  assert.deepEqual(
    metastore.steps.filter((step) => !/LOADING|FAILED/.test(step)),
    [...['explode Pin', 'READY', 'READY', 'explode none', 'READY', 'READY']],
  )
})

test('a load that is not to be published ends with a READY version', async () => {
  const { jobs, builds, metastore } = setUp()
  const { id } = await jobs.start(requestFor('cities', input, { publish: false }), change)
  await settle()
  builds[0]?.end(figures)
  await settle()
  assert.equal(jobs.get(id)?.state, 'DONE')
  assert.equal(metastore.version('cities', 1000)?.state, 'READY')
})

test('a load process that fails leaves a FAILED version without files', async () => {
  const { jobs, builds, files, metastore } = setUp()
  const { id } = await jobs.start(requestFor('cities', input), change)
  await settle()
  builds[0]?.end(failed)
  await settle()
  assert.equal(jobs.get(id)?.state, 'FAILED')
  assert.deepEqual(jobs.get(id)?.error, { code: 'INVALID_ARGUMENT', message: '3 bad lines' })
  assert.deepEqual(metastore.steps, ['LOADING', 'FAILED'])
  assert.deepEqual(files.trashed, ['load-id-cities-1000', '/data/id-cities/1000'])
  assert.deepEqual(files.adopted, [])
})

test('a version that cannot be adopted or completed is FAILED too', async () => {
  const broken = setUp()
  broken.files.isBroken = true
  const first = await broken.jobs.start(requestFor('cities', input), change)
  await settle()
  broken.builds[0]?.end(figures)
  await settle()
  assert.deepEqual(broken.jobs.get(first.id)?.error, { code: 'UNAVAILABLE', message: 'the disk is full' })
  assert.equal(broken.metastore.version('cities', 1000)?.state, 'FAILED')

  const stuck = setUp()
  stuck.metastore.failingStep = 'READY'
  const second = await stuck.jobs.start(requestFor('cities', input), change)
  await settle()
  stuck.builds[0]?.end(figures)
  await settle()
  assert.equal(stuck.jobs.get(second.id)?.state, 'FAILED')
  assert.deepEqual(stuck.files.trashed, ['load-id-cities-1000', '/data/id-cities/1000'])
})

test('a failure to clean up does not hide why the load failed', async () => {
  const { jobs, builds, metastore } = setUp()
  metastore.failingStep = 'FAILED'
  const { id } = await jobs.start(requestFor('cities', input), change)
  await settle()
  builds[0]?.end(failed)
  await settle()
  assert.equal(jobs.get(id)?.error?.message, '3 bad lines')
})

test('a version that is READY stays when publishing it fails, and the error says so', async () => {
  const { jobs, builds, files, metastore } = setUp()
  metastore.failingStep = 'CURRENT'
  const { id } = await jobs.start(requestFor('cities', input), change)
  await settle()
  builds[0]?.end(figures)
  await settle()
  assert.equal(jobs.get(id)?.state, 'FAILED')
  assert.match(jobs.get(id)?.error?.message ?? '', /version 1000 is READY, but publishing it failed/)
  assert.equal(metastore.version('cities', 1000)?.state, 'READY')
  assert.deepEqual(files.trashed, ['load-id-cities-1000'])
})

test('a dry run checks everything, reserves nothing and starts nothing', async () => {
  const { jobs, builds, metastore } = setUp()
  const planned = await jobs.start(requestFor('cities', input), { ...change, isDryRun: true })
  assert.equal(planned.state, 'PLANNED')
  await settle()
  assert.deepEqual([builds.length, jobs.list().length, metastore.version('cities', 1000)], [0, 0, undefined])
  await jobs.start(requestFor('cities', input), change)
})

test('loads beyond the allowed number wait for their turn', async () => {
  const { jobs, builds, metastore } = setUp({ concurrent: 1 })
  metastore.add('towns')
  await jobs.start(requestFor('cities', input), change)
  const second = await jobs.start(requestFor('towns', input), change)
  await settle()
  assert.deepEqual([builds.length, jobs.get(second.id)?.state], [1, 'QUEUED'])
  builds[0]?.end(failed)
  await settle()
  assert.deepEqual([builds.length, jobs.get(second.id)?.state], [2, 'BUILDING'])
  builds[1]?.end(figures)
  await settle()
  assert.deepEqual(
    jobs.list().map(({ state }) => state),
    ['DONE', 'FAILED'],
  )
})

test('a dataset has one load at a time, and can be loaded again after it', async () => {
  const { jobs, builds } = setUp({ concurrent: 2 })
  const both = await Promise.allSettled([
    jobs.start(requestFor('cities', input), change),
    jobs.start(requestFor('cities', input), change),
  ])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  await settle()
  builds[0]?.end(figures)
  await settle()
  await jobs.start(requestFor('cities', input), change)
})

test('what cannot be loaded is refused before a version is reserved', async () => {
  const { jobs, metastore } = setUp()
  metastore.add('profiles', { mode: 'READ_WRITE' })
  await assert.rejects(jobs.start(requestFor('absent', input), change), { code: 'DATASET_NOT_FOUND' })
  await assert.rejects(jobs.start(requestFor('profiles', input), change), { code: 'FAILED_PRECONDITION' })
  const path = join(folder, 'absent')
  await assert.rejects(jobs.start(requestFor('cities', path), change), { code: 'INVALID_ARGUMENT' })
  assert.deepEqual(metastore.steps, [])
  await jobs.start(requestFor('cities', input), change)
})

test('loads beyond the queue are OVERLOADED', async () => {
  const { jobs, metastore } = setUp()
  for (let index = 0; index <= limits.maxQueuedJobs; index++) {
    metastore.add(`d${index}`)
    await jobs.start(requestFor(`d${index}`, input), change)
  }
  await assert.rejects(jobs.start(requestFor('cities', input), change), { code: 'OVERLOADED' })
})

test('only so many finished loads are remembered', async () => {
  const { jobs, builds } = setUp()
  for (let index = 0; index < limits.maxRememberedJobs + 5; index++) {
    await jobs.start(requestFor('cities', input), change)
    await settle()
    builds[index]?.end(failed)
    await settle()
  }
  assert.equal(jobs.list().length, limits.maxRememberedJobs)
  assert.equal(jobs.get('cities-1000'), null)
})

test('closing kills the load process and takes no more; the next start goes on with it and with those that wait', async () => {
  const first = setUp()
  first.metastore.add('towns')
  const cities = await first.jobs.start(requestFor('cities', input), change)
  const towns = await first.jobs.start(requestFor('towns', input), change)
  await settle()
  await first.queue.close()
  assert.deepEqual(first.metastore.steps, ['LOADING', 'LOADING'])
  await assert.rejects(first.jobs.start(requestFor('cities', input), change), { code: 'UNAVAILABLE' })

  const { jobs, builds, metastore, home } = setUp({ earlier: first })
  await jobs.resume()
  assert.deepEqual([jobs.get(cities.id)?.resumeCount, jobs.get(towns.id)?.resumeCount], [1, 1])
  assert.deepEqual(jobs.get(cities.id)?.request, cities.request)
  for (const index of [0, 1]) {
    await until(() => builds[index] !== undefined)
    builds[index]?.end(figures)
  }
  await until(() => jobs.list().every(({ state }) => state === 'DONE'))
  assert.equal(metastore.version('cities', cities.version)?.state, 'CURRENT')
  assert.equal(metastore.version('towns', towns.version)?.state, 'CURRENT')
  assert.deepEqual(readdirSync(home), [])
})

test('a start publishes what an earlier one made READY and was to publish, and only that', async () => {
  const first = setUp()
  first.metastore.add('towns')
  const cities = await first.jobs.start(requestFor('cities', input), change)
  const towns = await first.jobs.start(requestFor('towns', input, { publish: false }), change)
  await first.queue.close()
  await first.metastore.completeVersion('cities', cities.version)
  await first.metastore.completeVersion('towns', towns.version)

  const { jobs, builds, metastore, home } = setUp({ earlier: first })
  await jobs.resume()
  await until(() => jobs.get(cities.id)?.state === 'DONE')
  assert.deepEqual([builds.length, jobs.get(towns.id)], [0, null])
  assert.equal(metastore.version('cities', cities.version)?.state, 'CURRENT')
  assert.equal(metastore.version('towns', towns.version)?.state, 'READY')
  assert.deepEqual(readdirSync(home), [])
})

test('a version that was adopted before the crash is not adopted again', async () => {
  const first = setUp()
  const { version } = await first.jobs.start(requestFor('cities', input), change)
  await first.queue.close()
  await first.files.adoptVersion('id-cities', version, join(first.home, 'load-id-cities-1000', 'version'))
  const { jobs, builds, files, metastore } = setUp({ earlier: first })
  await jobs.resume()
  await until(() => builds[0] !== undefined)
  builds[0]?.end(figures)
  await until(() => metastore.version('cities', version)?.state === 'CURRENT')
  assert.equal(files.adopted.length, 1)
})

test('what an earlier start left of a load that nobody asks for any more is removed', async () => {
  const first = setUp()
  first.metastore.add('gone')
  first.metastore.add('other')
  const failedLoad = await first.jobs.start(requestFor('cities', input), change)
  await first.jobs.start(requestFor('gone', input), change)
  await first.jobs.start(requestFor('other', input), change)
  await first.queue.close()
  await first.metastore.failVersion('cities', failedLoad.version)
  first.metastore.records.delete('gone')
  first.metastore.add('other', { id: 'another-id' })
  writeFileSync(join(await first.files.loadStaging('id-damaged', 7), 'LOAD.json'), '{"format":')
  const { jobs, builds, home } = setUp({ earlier: first })
  await jobs.resume()
  await settle()
  assert.deepEqual([builds.length, jobs.list().length], [0, 0])
  assert.deepEqual(readdirSync(home), [])
})

test('a process that dies is started again and goes on, but not for ever', async () => {
  const { jobs, builds, metastore } = setUp()
  const { id } = await jobs.start(requestFor('cities', input), change)
  await settle()
  builds[0]?.end(killed)
  await settle()
  assert.deepEqual([builds.length, jobs.get(id)?.state, jobs.get(id)?.resumeCount], [2, 'BUILDING', 1])
  assert.equal(builds[1]?.job.staging, builds[0]?.job.staging)
  builds[1]?.end(killed)
  await settle()
  builds[2]?.end(killed)
  await settle()
  assert.deepEqual([builds.length, jobs.get(id)?.state], [3, 'FAILED'])
  assert.equal(metastore.version('cities', 1000)?.state, 'FAILED')
})

test('a load can be cancelled while it waits and while it builds, and leaves nothing', async () => {
  const { jobs, builds, metastore, home } = setUp()
  metastore.add('towns')
  const building = await jobs.start(requestFor('cities', input), change)
  const waiting = await jobs.start(requestFor('towns', input), change)
  await settle()
  assert.equal((await jobs.cancel(waiting.id))?.state, 'CANCELLED')
  assert.equal((await jobs.cancel(building.id))?.state, 'CANCELLED')
  assert.equal(builds.length, 1)
  assert.equal(metastore.version('cities', building.version)?.state, 'FAILED')
  assert.equal(metastore.version('towns', waiting.version)?.state, 'FAILED')
  assert.deepEqual(readdirSync(home), [])
  assert.equal(await jobs.cancel('cities-7'), null)
  await assert.rejects(jobs.cancel(building.id), { code: 'FAILED_PRECONDITION' })
  await jobs.start(requestFor('cities', input), change)
})

test('a version far smaller than the served one is refused unless it is forced', async () => {
  const { jobs, builds, metastore, files } = setUp()
  await jobs.start(requestFor('cities', input), change)
  await settle()
  builds[0]?.end({ rows: 100, bytes: 1_000, checksum: 'a' })
  await settle()
  const small = { rows: 49, bytes: 900, checksum: 'b' }
  const refused = await jobs.start(requestFor('cities', input), change)
  await settle()
  builds[1]?.end(small)
  await settle()
  assert.equal(jobs.get(refused.id)?.error?.code, 'FAILED_PRECONDITION')
  assert.match(
    jobs.get(refused.id)?.error?.message ?? '',
    /49 rows, version 1000 has 100, and at least 50 % .* load with force or a lower minRatio \(--force, --min-ratio\)$/,
  )
  assert.equal(metastore.version('cities', 1000)?.state, 'CURRENT')
  assert.equal(files.adopted.length, 1)
  for (const [index, changes] of [{ force: true }, { minRatio: 0.4 }].entries()) {
    const taken = await jobs.start(requestFor('cities', input, { ...changes, publish: false }), change)
    await settle()
    builds[2 + index]?.end(small)
    await settle()
    assert.equal(jobs.get(taken.id)?.state, 'DONE')
  }
})

test('a load whose dataset is removed ends CANCELLED and leaves nothing, and a dataset of its name is not touched', async () => {
  const { jobs, queue, builds, files, metastore } = setUp({ concurrent: 2 })
  const fileSet = { versionId: 42, partCount: 1, retainedVersions: 7 }
  const { id } = await jobs.start(requestFor('cities', input, { fileSet }), change)
  await settle()
  const [loading] = metastore.records.get('cities')?.versions ?? []
  assert.ok(loading)
  metastore.add('cities', { id: 'id-other', versions: [loading] })
  const ended = queue.endOf('id-cities')
  await settle()
  await ended
  assert.equal(jobs.get(id)?.state, 'CANCELLED')
  assert.deepEqual(files.adopted, [])
  assert.deepEqual(files.trashed.slice(-3), ['load-id-cities-42', '/data/id-cities/42', 'empty id-cities'])
  assert.equal(metastore.version('cities', 42)?.state, 'LOADING')
  const other = await jobs.start(requestFor('cities', input), change)
  await settle()
  builds.at(-1)?.end(figures)
  await settle()
  assert.equal(jobs.get(other.id)?.state, 'DONE')
})

test('a dataset that takes the name of one whose load is at its end gets nothing of it', async () => {
  const { jobs, builds, files, metastore } = setUp()
  const fileSet = { versionId: 42, partCount: 1, retainedVersions: 7 }
  const { id } = await jobs.start(requestFor('cities', input, { fileSet }), change)
  await settle()
  const [loading] = metastore.records.get('cities')?.versions ?? []
  assert.ok(loading)
  metastore.add('cities', { id: 'id-other', versions: [loading] })
  builds[0]?.end(figures)
  await settle()
  assert.equal(jobs.get(id)?.error?.code, 'DATASET_NOT_FOUND')
  assert.deepEqual(files.adopted, ['load-id-cities-42/version -> id-cities/42'])
  assert.deepEqual(files.trashed.slice(-2), ['/data/id-cities/42', 'empty id-cities'])
  assert.equal(metastore.version('cities', 42)?.state, 'LOADING')
})
