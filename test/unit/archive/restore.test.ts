import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ArchiveJobs } from '../../../src/archive/archive-jobs.js'
import type { ErrorCode } from '../../../src/base/errors.js'
import { KVError } from '../../../src/base/errors.js'
import type { JobStatus } from '../../../src/base/job.js'
import { Jobs } from '../../../src/base/jobs.js'
import { silentLogger } from '../../../src/base/logger.js'
import type { ChangeContext, DatasetRecord, VersionState } from '../../../src/model/dataset.js'
import { datasetRecord } from '../../support/datasets.js'
import { version } from '../leaf/version-set-world.js'

const CHANGE: ChangeContext = { actor: 'ann', reason: 'needed again', ifRevision: null, isDryRun: false }
const clock = { nowMs: () => 1, nowUs: () => 1_000n, monotonicMs: () => 1 }

/** One archived version, whose copying ends when a test says so. */
class World {
  record: DatasetRecord | null = recordWith('b1', 'ARCHIVED')
  /** What was done to the files of versions, in order. */
  readonly steps: string[] = []
  keepsFiles = false
  /** Called when nothing but the record is left to be changed. */
  beforeRecord: () => void = () => undefined
  copied: () => void = () => undefined
  readonly jobs = new Jobs({ clock, logger: silentLogger, concurrent: { loads: 1, others: 1 } })
  readonly archives = new ArchiveJobs({
    metastore: {
      get: () => this.record,
      restoreVersion: (_, id, change) => this.#restoreVersion(id, change),
      archiveVersion: () => Promise.reject(new Error('nothing is archived here')),
      deleteVersion: () => Promise.reject(new Error('nothing is deleted here')),
      removeDataset: () => Promise.reject(new Error('nothing is removed here')),
    },
    files: {
      newStaging: () => Promise.resolve('/staging'),
      trashStaging: () => this.#step('staging goes'),
      adoptVersion: (datasetId, id) => this.#step(`adopt ${datasetId}/${id}`),
      versionPath: (datasetId, id) => `${datasetId}/${id}`,
      trash: (path) => this.#step(`trash ${path}`),
      trashEmptyDataset: (datasetId) => this.#step(`trash empty ${datasetId}`),
      notePurge: () => Promise.resolve('note'),
      purgeNotes: () => Promise.resolve(new Map()),
      endPurge: () => Promise.resolve(),
    },
    jobs: this.jobs,
    startTask: () => ({
      ended: new Promise((resolve) => {
        this.copied = () => resolve({ files: 3 })
      }),
      kill: () => undefined,
    }),
    clock,
    logger: silentLogger,
    defaultUrl: null,
    keepFiles: () => Promise.resolve(this.keepsFiles),
    linkShard: () => undefined,
  })

  #step(what: string): Promise<void> {
    this.steps.push(what)
    return Promise.resolve()
  }

  #restoreVersion(id: number, { isDryRun, datasetId }: ChangeContext): Promise<DatasetRecord> {
    if (!isDryRun) this.beforeRecord()
    const { record } = this
    if (record === null || (datasetId !== undefined && datasetId !== record.id))
      return refusal('DATASET_NOT_FOUND')
    const state = record.versions.find((one) => one.id === id)?.state
    if (state === undefined) return refusal('VERSION_NOT_FOUND')
    if (state !== 'ARCHIVED') return refusal('FAILED_PRECONDITION')
    if (!isDryRun) this.record = recordWith(record.id, 'READY')
    return Promise.resolve(record)
  }

  /** Restores; `meanwhile` happens while the copy is fetched. */
  async restore(meanwhile: () => void): Promise<JobStatus | null> {
    const { id } = await this.archives.restore({ dataset: 'b', version: 5 }, CHANGE)
    await settle()
    meanwhile()
    this.copied()
    await settle()
    return this.jobs.get(id)
  }
}

function recordWith(id: string, state: VersionState | null): DatasetRecord {
  const archived = state === null ? [] : [{ ...version(5, state), archive: 'file:///x/b/5/' }]
  return datasetRecord({ name: 'b', id, mode: 'BATCH', versions: archived })
}

function refusal(code: ErrorCode): Promise<never> {
  return Promise.reject(new KVError(code, 'refused', { outcome: 'NOT_APPLIED' }))
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
}

suite('a restore', () => {
  test('fetches the copy, adopts its files and marks the version READY, in this order', async () => {
    const world = new World()
    const stateAtAdoption: (VersionState | undefined)[] = []
    world.beforeRecord = () => stateAtAdoption.push(world.record?.versions[0]?.state)
    const job = await world.restore(() => assert.deepEqual(world.steps, []))
    assert.deepEqual([job?.state, world.steps], ['DONE', ['adopt b1/5', 'staging goes']])
    assert.deepEqual([stateAtAdoption, world.record?.versions[0]?.state], [['ARCHIVED'], 'READY'])
  })

  const changes: readonly { readonly what: string; readonly record: DatasetRecord | null; readonly code: ErrorCode }[] = [
    { what: 'was deleted', record: recordWith('b1', null), code: 'VERSION_NOT_FOUND' },
    { what: 'is loaded anew under its id', record: recordWith('b1', 'LOADING'), code: 'FAILED_PRECONDITION' },
    { what: 'was loaded anew under its id and is served', record: recordWith('b1', 'CURRENT'), code: 'FAILED_PRECONDITION' },
    { what: 'went with its dataset', record: null, code: 'DATASET_NOT_FOUND' },
    { what: 'went with its dataset, whose name another one has', record: recordWith('b2', 'ARCHIVED'), code: 'DATASET_NOT_FOUND' },
  ] // prettier-ignore
  for (const { what, record, code } of changes) {
    test(`of a version that ${what} while its copy was fetched touches no files but its own`, async () => {
      const world = new World()
      const job = await world.restore(() => (world.record = record))
      assert.deepEqual([job?.state, job?.error?.code], ['FAILED', code])
      assert.deepEqual(world.steps, ['staging goes'])
    })
  }

  test('whose version goes after its files were adopted takes them away again', async () => {
    const world = new World()
    world.beforeRecord = () => (world.record = null)
    const job = await world.restore(() => undefined)
    assert.equal(job?.error?.code, 'DATASET_NOT_FOUND')
    assert.deepEqual(world.steps, ['adopt b1/5', 'trash b1/5', 'trash empty b1', 'staging goes'])
  })

  test('of a version whose files were not gone yet copies nothing', async () => {
    const world = new World()
    world.keepsFiles = true
    const job = await world.restore(() => undefined)
    assert.deepEqual([job?.state, world.steps, world.record?.versions[0]?.state], ['DONE', [], 'READY'])
  })
})
