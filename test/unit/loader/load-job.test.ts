import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { limits } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/logger.js'
import { LoadJobs } from '../../../src/loader/load-job.js'
import type { BuildMessage } from '../../../src/loader/messages.js'
import {
  built,
  change,
  fakeBuilds,
  FakeFiles,
  FakeMetastore,
  figures,
  progress,
  requestFor,
} from './fakes.js'

const folder = mkdtempSync(join(tmpdir(), 'godwit-loads-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const input = join(folder, 'input.ndjson')
writeFileSync(input, '{"id":1,"a":1}\n{"id":2,"a":2}\n')

const failed: BuildMessage = { kind: 'failed', progress, code: 'INVALID_ARGUMENT', message: '3 bad lines' }

function setUp({ concurrent = 1 } = {}) {
  const metastore = new FakeMetastore()
  const files = new FakeFiles()
  const { startBuild, builds } = fakeBuilds()
  const clock = { nowMs: () => 5, nowUs: () => 5_000n, monotonicMs: () => 5 }
  const jobs = new LoadJobs({ metastore, files, startBuild, clock, logger: silentLogger, concurrent })
  metastore.add('cities')
  return { metastore, files, builds, jobs }
}

/** Lets everything that is ready run; the fakes never wait for anything but their own test. */
async function settle(): Promise<void> {
  for (let count = 0; count < 20; count++) await turn()
}

test('a load reserves a version, builds it, adopts it, completes it and publishes it', async () => {
  const { jobs, builds, files, metastore } = setUp()
  const started = await jobs.start(requestFor('cities', input), change)
  assert.equal(started.id, 'cities-1000')
  assert.equal(started.totalBytes, 30)
  await settle()
  assert.equal(jobs.get(started.id)?.state, 'BUILDING')
  assert.deepEqual(builds[0]?.job.directories, ['/staging/0', '/staging/1'])
  builds[0].report({ kind: 'progress', progress: { ...progress, rows: 1 } })
  assert.equal(jobs.get(started.id)?.rows, 1)
  builds[0].end(built)
  await settle()
  const done = jobs.get(started.id)
  assert.equal(done?.state, 'DONE')
  assert.deepEqual(done.figures, figures)
  assert.equal(done.endedAtMs, 5)
  assert.deepEqual(files.adopted, ['/staging -> id-cities/1000'])
  assert.deepEqual(metastore.steps, ['LOADING', 'READY', 'CURRENT'])
  assert.deepEqual(files.trashed, [])
})

test('a load that is not to be published ends with a READY version', async () => {
  const { jobs, builds, metastore } = setUp()
  const { id } = await jobs.start(requestFor('cities', input, false), change)
  await settle()
  builds[0]?.end(built)
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
  assert.deepEqual(files.trashed, ['/staging', '/data/id-cities/1000'])
  assert.deepEqual(files.adopted, [])
})

test('a version that cannot be adopted or completed is FAILED too', async () => {
  const broken = setUp()
  broken.files.isBroken = true
  const first = await broken.jobs.start(requestFor('cities', input), change)
  await settle()
  broken.builds[0]?.end(built)
  await settle()
  assert.deepEqual(broken.jobs.get(first.id)?.error, { code: 'UNAVAILABLE', message: 'the disk is full' })
  assert.equal(broken.metastore.version('cities', 1000)?.state, 'FAILED')

  const stuck = setUp()
  stuck.metastore.failingStep = 'READY'
  const second = await stuck.jobs.start(requestFor('cities', input), change)
  await settle()
  stuck.builds[0]?.end(built)
  await settle()
  assert.equal(stuck.jobs.get(second.id)?.state, 'FAILED')
  assert.deepEqual(stuck.files.trashed, ['/staging', '/data/id-cities/1000'])
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
  builds[0]?.end(built)
  await settle()
  assert.equal(jobs.get(id)?.state, 'FAILED')
  assert.match(jobs.get(id)?.error?.message ?? '', /version 1000 is READY, but publishing it failed/)
  assert.equal(metastore.version('cities', 1000)?.state, 'READY')
  assert.deepEqual(files.trashed, [])
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
  builds[1]?.end(built)
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
  builds[0]?.end(built)
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
  await assert.rejects(jobs.start(requestFor('cities', folder), change), /is no regular file/)
  assert.deepEqual(metastore.steps, [])
  await jobs.start(requestFor('cities', input), change)
})

test('loads beyond the queue are OVERLOADED', async () => {
  const { jobs, metastore } = setUp()
  for (let index = 0; index <= limits.maxQueuedLoads; index++) {
    metastore.add(`d${index}`)
    await jobs.start(requestFor(`d${index}`, input), change)
  }
  await assert.rejects(jobs.start(requestFor('cities', input), change), { code: 'OVERLOADED' })
})

test('only so many finished loads are remembered', async () => {
  const { jobs, builds } = setUp()
  for (let index = 0; index < limits.maxRememberedLoads + 5; index++) {
    await jobs.start(requestFor('cities', input), change)
    await settle()
    builds[index]?.end(failed)
    await settle()
  }
  assert.equal(jobs.list().length, limits.maxRememberedLoads)
  assert.equal(jobs.get('cities-1000'), null)
})

test('closing kills the load process, fails its version and those that wait, and takes no more', async () => {
  const { jobs, metastore } = setUp()
  metastore.add('towns')
  const first = await jobs.start(requestFor('cities', input), change)
  const second = await jobs.start(requestFor('towns', input), change)
  await settle()
  await jobs.close()
  assert.equal(jobs.get(first.id)?.state, 'FAILED')
  assert.equal(jobs.get(second.id)?.state, 'FAILED')
  assert.equal(metastore.version('towns', second.version)?.state, 'FAILED')
  await assert.rejects(jobs.start(requestFor('cities', input), change), { code: 'UNAVAILABLE' })
})
