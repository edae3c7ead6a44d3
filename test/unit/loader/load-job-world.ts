/** Loads of a gateway without processes, stores and shards: only their staging directories are real. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Jobs } from '../../../src/base/jobs.js'
import { silentLogger } from '../../../src/base/logger.js'
import { LoadJobs } from '../../../src/loader/load-job.js'
import { createObjectStore } from '../../../src/objects/objects.js'
import { objectSettings } from './build-world.js'
import { type FakeBuild, fakeBuilds, FakeFiles, FakeMetastore } from './fakes.js'

/** Removed when the test file ends. */
export const folder = mkdtempSync(join(tmpdir(), 'godwit-loads-'))
after(() => rmSync(folder, { recursive: true, force: true }))
/** 30 bytes. */
export const input = join(folder, 'input.ndjson')
writeFileSync(input, '{"id":1,"a":1}\n{"id":2,"a":2}\n')

/** Steps on when a test says so. */
export const clockMs = { now: 5 }

export interface World {
  readonly metastore: FakeMetastore
  readonly files: FakeFiles
  readonly builds: FakeBuild[]
  readonly queue: Jobs
  readonly jobs: LoadJobs
  /** Holds the staging directories. */
  readonly home: string
}

/** A gateway's loads; with those of an earlier one, its disk and its metastore. */
export function setUp({ concurrent = 1, earlier }: { concurrent?: number; earlier?: World } = {}): World {
  const metastore = earlier?.metastore ?? new FakeMetastore()
  const home = earlier?.home ?? mkdtempSync(join(folder, 'home-'))
  const files = earlier?.files ?? new FakeFiles(home)
  const { startTask, builds } = fakeBuilds()
  const clock = { nowMs: () => 5, nowUs: () => 5_000n, monotonicMs: () => clockMs.now }
  const logger = silentLogger
  const queue = new Jobs({ clock, logger, concurrent: { loads: concurrent, others: 1 } })
  const options = { jobs: queue, metastore, files, startTask, clock, logger, objectSettings }
  const sizes = { workers: 1, sortBytes: 1_000, heapMb: 64, maxUploadBytes: 100 }
  const jobs = new LoadJobs({ ...options, ...sizes, objects: createObjectStore(objectSettings) })
  if (earlier === undefined) metastore.add('cities')
  return { metastore, files, builds, queue, jobs, home }
}

/** Lets everything that is ready run; the fakes never wait for anything but their own test. */
export async function settle(): Promise<void> {
  for (let count = 0; count < 200; count++) await turn()
}

/** Lets the disk answer, too. */
export async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!isSo()) {
    assert.ok(performance.now() < end, 'it did not come to that')
    await turn()
  }
}
