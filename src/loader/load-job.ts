/**
 * Loads, on the gateway's side: reserve a version, let the load process build it in staging, adopt its directories,
 * mark it READY, publish it if asked. Whatever goes wrong before READY leaves a FAILED version without files, and never
 * touches what is served.
 */
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import type { ChangeContext, DatasetRecord, VersionRecord } from '../model/dataset.js'
import type { Metastore, VersionFigures } from '../model/metastore.js'
import type { LoadRequest, Loads, LoadStatus } from '../model/operations.js'
import type { RunningBuild, StartBuild } from './load-process.js'
import type { BuildMessage } from './messages.js'

/** Where the files of versions lie; the data directory. */
export interface VersionFiles {
  /** An empty directory to build in, one subdirectory a shard. */
  newStaging(): Promise<string>
  /** Moves what was built to its place, durably. */
  adoptVersion(datasetId: string, version: number, stagingDirectory: string): Promise<unknown>
  versionPath(datasetId: string, version: number): string
  /** Removes a version's directory; fine when it is not there. */
  trash(path: string): Promise<void>
  /** Removes a staging directory; fine when it is not there any more. */
  trashStaging(path: string): Promise<void>
}

export interface LoadJobsOptions {
  readonly metastore: Metastore
  readonly files: VersionFiles
  readonly startBuild: StartBuild
  readonly clock: Clock
  readonly logger: Logger
  /** Loads at the same time, at least 1. */
  readonly concurrent: number
}

interface Job {
  status: LoadStatus
  readonly record: DatasetRecord
  readonly actor: string
  readonly reason: string
}

export class LoadJobs implements Loads {
  readonly #options: LoadJobsOptions
  /** By id, oldest first. */
  readonly #jobs = new Map<string, Job>()
  readonly #waiting: Job[] = []
  readonly #builds = new Set<RunningBuild>()
  readonly #running = new Set<Promise<void>>()
  /** Datasets that are being loaded or are about to be. */
  readonly #busy = new Set<string>()
  #isClosed = false

  constructor(options: LoadJobsOptions) {
    this.#options = options
  }

  async start(request: LoadRequest, change: ChangeContext): Promise<LoadStatus> {
    const record = this.#checkedDataset(request.dataset)
    this.#busy.add(record.name)
    let isQueued = false
    try {
      const totalBytes = await readableSize(request.path)
      const version = await this.#options.metastore.beginVersion(record.name, request.path, change)
      const status = this.#newStatus(request, version, totalBytes)
      if (change.isDryRun) return { ...status, state: 'PLANNED' }
      const { actor, reason } = change
      this.#enqueue({ status, record, actor, reason })
      isQueued = true
      return status
    } finally {
      if (!isQueued) this.#busy.delete(record.name)
    }
  }

  list(): readonly LoadStatus[] {
    return [...this.#jobs.values()].map(({ status }) => status).reverse()
  }

  get(id: string): LoadStatus | null {
    return this.#jobs.get(id)?.status ?? null
  }

  /** Ends every load process and waits until their versions are FAILED. Nothing starts afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const build of this.#builds) build.kill()
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #checkedDataset(name: string): DatasetRecord {
    const record = this.#options.metastore.get(name)
    if (record === null)
      throw new KVError('DATASET_NOT_FOUND', `dataset "${name}" does not exist; create it first`)
    if (record.mode !== 'BATCH') {
      throw new KVError(
        'FAILED_PRECONDITION',
        `dataset "${name}" is ${record.mode}; loads are for BATCH datasets`,
      )
    }
    if (this.#isClosed) throw shuttingDown()
    if (this.#busy.has(name)) {
      throw new KVError('FAILED_PRECONDITION', `dataset "${name}" is being loaded; wait for that load to end`)
    }
    if (this.#waiting.length >= limits.maxQueuedLoads) {
      throw new KVError('OVERLOADED', `${limits.maxQueuedLoads} loads are waiting; start this one later`)
    }
    return record
  }

  #newStatus(request: LoadRequest, version: VersionRecord, totalBytes: number): LoadStatus {
    return {
      id: `${request.dataset}-${version.id}`,
      request,
      version: version.id,
      state: 'QUEUED',
      rows: 0,
      readBytes: 0,
      totalBytes,
      badLineCount: 0,
      badLines: [],
      figures: null,
      error: null,
      startedAtMs: this.#options.clock.nowMs(),
      endedAtMs: null,
    }
  }

  #enqueue(job: Job): void {
    this.#jobs.set(job.status.id, job)
    for (const [id, { status }] of this.#jobs) {
      if (this.#jobs.size <= limits.maxRememberedLoads) break
      if (status.endedAtMs !== null) this.#jobs.delete(id)
    }
    this.#waiting.push(job)
    this.#startWaiting()
  }

  #startWaiting(): void {
    while (this.#running.size < this.#options.concurrent) {
      const job = this.#waiting.shift()
      if (job === undefined) return
      const run = this.#run(job).finally(() => {
        this.#running.delete(run)
        this.#busy.delete(job.record.name)
        this.#startWaiting()
      })
      this.#running.add(run)
    }
  }

  /** Never rejects. */
  async #run(job: Job): Promise<void> {
    const { logger, clock } = this.#options
    const fields = { dataset: job.record.name, load: job.status.id }
    logger.info({ ...fields, path: job.status.request.path }, 'load started')
    try {
      await this.#buildAndAdopt(job)
      if (job.status.request.publish) await this.#publish(job)
      update(job, { state: 'DONE', endedAtMs: clock.nowMs() })
      const { rows, startedAtMs } = job.status
      logger.info({ ...fields, rows, durationMs: clock.nowMs() - startedAtMs }, 'load done')
    } catch (error) {
      const { code, message } = toKVError(error, `the load of dataset "${job.record.name}" failed`)
      update(job, { state: 'FAILED', endedAtMs: clock.nowMs(), error: { code, message } })
      logger.error({ ...fields, code, reason: message }, 'load failed')
    }
  }

  async #buildAndAdopt(job: Job): Promise<void> {
    const { metastore, files } = this.#options
    const { id, name } = job.record
    const { version } = job.status
    let staging: string | null = null
    try {
      if (this.#isClosed) throw shuttingDown()
      update(job, { state: 'BUILDING' })
      staging = await files.newStaging()
      const figures = await this.#build(job, staging)
      update(job, { state: 'ADOPTING', figures })
      await files.adoptVersion(id, version, staging)
      await metastore.completeVersion(name, version, figures, ownChange(job.actor, job.reason))
    } catch (error) {
      await this.#abandon(job, staging, error)
      throw error
    }
  }

  async #build(job: Job, staging: string): Promise<VersionFigures> {
    const { keyOrder, maxValueBytes, shardCount } = job.record
    const directories = Array.from({ length: shardCount }, (_, shard) => join(staging, String(shard)))
    const build = this.#options.startBuild(
      { request: job.status.request, keyOrder, maxValueBytes, directories },
      ({ progress }) => update(job, progress),
    )
    this.#builds.add(build)
    const last = await build.ended
    this.#builds.delete(build)
    update(job, last.progress)
    return figuresOf(last)
  }

  /** The version becomes FAILED and its files go. A failure of that is logged; the first one is what counts. */
  async #abandon({ record, status, actor }: Job, staging: string | null, cause: unknown): Promise<void> {
    const { metastore, files, logger } = this.#options
    const reason = toKVError(cause, 'the load failed').message.slice(0, MAX_REASON_LENGTH)
    const steps = [
      () => (staging === null ? Promise.resolve() : files.trashStaging(staging)),
      () => files.trash(files.versionPath(record.id, status.version)),
      () => metastore.failVersion(record.name, status.version, ownChange(actor, reason)),
    ]
    for (const step of steps) {
      try {
        await step()
      } catch (error) {
        logger.error(
          { dataset: record.name, load: status.id, err: error },
          'a failed load was not cleaned up',
        )
      }
    }
  }

  async #publish(job: Job): Promise<void> {
    update(job, { state: 'PUBLISHING' })
    const { record, status } = job
    try {
      await this.#options.metastore.publish(record.name, status.version, ownChange(job.actor, job.reason))
    } catch (error) {
      const { code, message } = toKVError(error, 'publishing failed')
      throw new KVError(code, `version ${status.version} is READY, but publishing it failed: ${message}`, {
        cause: error,
      })
    }
  }
}

const MAX_REASON_LENGTH = 500

function shuttingDown(): KVError {
  return new KVError('UNAVAILABLE', 'the gateway is shutting down; load again after its restart')
}

function update(job: Job, changes: Partial<LoadStatus>): void {
  job.status = { ...job.status, ...changes }
}

/** The later steps of a load concern the version that it reserved; nobody else's change can conflict with them. */
function ownChange(actor: string, reason: string): ChangeContext {
  return { actor, reason, ifRevision: null, isDryRun: false }
}

function figuresOf(last: BuildMessage): VersionFigures {
  switch (last.kind) {
    case 'built':
      return last.figures
    case 'failed':
      throw new KVError(last.code, last.message)
    case 'progress':
      throw new KVError('INTERNAL', 'the load process ended without saying how')
  }
}

async function readableSize(path: string): Promise<number> {
  try {
    await access(path, constants.R_OK)
    const found = await stat(path)
    if (found.isFile()) return found.size
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new KVError('INVALID_ARGUMENT', `the gateway cannot read ${path}: ${reason}`, { cause: error })
  }
  throw new KVError('INVALID_ARGUMENT', `${path} is no regular file`)
}
