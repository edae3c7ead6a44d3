/**
 * Loads, on the gateway's side: which ones there are, which one's turn it is, and those that an earlier process left
 * unfinished. What one load does is load-run.ts.
 */
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Clock } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { ChangeContext, DatasetRecord, VersionRecord } from '../model/dataset.js'
import type { LoadRequest, Loads, LoadStatus, UploadRequest } from '../model/load.js'
import type { ObjectStore } from '../objects/object-store.js'
import { type LoadJob, type LoadRunOptions, LoadStoppedError, runLoad, update } from './load-run.js'
import { INPUT_FILE, readLoadRecord, writeLoadRecord } from './load-staging.js'
import { toLoadDiskError } from './load-disk.js'
import { spool } from './upload.js'

export interface LoadJobsOptions extends LoadRunOptions {
  readonly clock: Clock
  readonly objects: Pick<ObjectStore, 'list'>
  /** Loads at the same time, at least 1. */
  readonly concurrent: number
  /** Of one upload, as it is sent. */
  readonly maxUploadBytes: number
}

export class LoadJobs implements Loads {
  readonly #options: LoadJobsOptions
  /** By id, oldest first. */
  readonly #jobs = new Map<string, LoadJob>()
  readonly #waiting: LoadJob[] = []
  readonly #running = new Map<LoadJob, Promise<void>>()
  /** Datasets that are being loaded or are about to be. */
  readonly #busy = new Set<string>()
  #isClosed = false

  constructor(options: LoadJobsOptions) {
    this.#options = options
  }

  async start(request: LoadRequest, change: ChangeContext): Promise<LoadStatus> {
    return this.#begin(request.dataset, async (record) => {
      const found = await this.#options.objects.list(request.from)
      const totalBytes = found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      return this.#reserve(record, { request, totalBytes, change, input: null })
    })
  }

  async upload(
    request: UploadRequest,
    { bytes, sizeBytes }: { readonly bytes: AsyncIterable<Buffer>; readonly sizeBytes: number | null },
    change: ChangeContext,
  ): Promise<LoadStatus> {
    const { files, maxUploadBytes } = this.#options
    return this.#begin(request.dataset, async (record) => {
      const staging = await files.newStaging()
      try {
        const input = join(staging, INPUT_FILE)
        const freeBytes = (): number | null => files.freeBytes()
        const totalBytes = await spool(bytes, input, { maxBytes: maxUploadBytes, freeBytes, sizeBytes })
        const uploaded = { ...request, from: pathToFileURL(input).href }
        return await this.#reserve(record, { request: uploaded, totalBytes, change, input })
      } finally {
        await files.trashStaging(staging)
      }
    })
  }

  list(): readonly LoadStatus[] {
    return [...this.#jobs.values()].map(({ status }) => status).reverse()
  }

  get(id: string): LoadStatus | null {
    return this.#jobs.get(id)?.status ?? null
  }

  async cancel(id: string): Promise<LoadStatus | null> {
    const job = this.#jobs.get(id)
    if (job === undefined) return null
    if (job.status.state !== 'QUEUED' && job.status.state !== 'BUILDING') {
      throw new KVError(
        'FAILED_PRECONDITION',
        `load ${id} is ${job.status.state} and cannot be cancelled any more`,
      )
    }
    job.end = 'CANCEL'
    job.build?.kill()
    // One that waits is not worth its turn: it only cleans up.
    const place = this.#waiting.indexOf(job)
    if (place !== -1) this.#run(...this.#waiting.splice(place, 1))
    await this.#running.get(job)
    return job.status
  }

  /** Goes on with what an earlier process began, and removes what nobody asks for any more. */
  async resume(): Promise<void> {
    const { files, logger } = this.#options
    for (const staging of await files.unfinishedLoads()) {
      try {
        const job = await this.#unfinishedJob(staging)
        if (job === null) await files.trashStaging(staging)
        else {
          this.#busy.add(job.record.name)
          this.#enqueue(job)
        }
      } catch (error) {
        logger.error(
          { path: staging, err: error },
          'an unfinished load cannot be gone on with; its files are removed',
        )
        await files.trashStaging(staging)
      }
    }
  }

  /** Ends every load process; what it was doing is gone on with by the next start. Nothing starts afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#waiting.length = 0
    for (const job of this.#running.keys()) {
      job.end ??= 'STOP'
      job.build?.kill()
    }
    await Promise.all(this.#running.values())
  }

  /** Nothing else loads the dataset meanwhile; what `begin` answers is enqueued unless it is only planned. */
  async #begin(
    dataset: string,
    begin: (record: DatasetRecord) => Promise<{ status: LoadStatus; job: LoadJob | null }>,
  ): Promise<LoadStatus> {
    const record = this.#checkedDataset(dataset)
    this.#busy.add(record.name)
    let isQueued = false
    try {
      const { status, job } = await begin(record)
      if (job !== null) {
        this.#enqueue(job)
        isQueued = true
      }
      return status
    } finally {
      if (!isQueued) this.#busy.delete(record.name)
    }
  }

  async #reserve(
    record: DatasetRecord,
    asked: {
      readonly request: LoadRequest
      readonly totalBytes: number
      readonly change: ChangeContext
      /** A file that becomes the load's own; null: there is none. */
      readonly input: string | null
    },
  ): Promise<{ status: LoadStatus; job: LoadJob | null }> {
    const { metastore, files } = this.#options
    const { totalBytes, change, input } = asked
    const { actor, reason } = change
    const { id: version } = await metastore.beginVersion(record.name, asked.request.from, change)
    if (change.isDryRun) {
      const status = this.#newStatus(asked.request, version, totalBytes)
      return { status: { ...status, state: 'PLANNED' }, job: null }
    }
    let staging: string | null = null
    try {
      staging = await files.loadStaging(record.id, version)
      const request = input === null ? asked.request : await moveInput(asked.request, input, staging)
      await writeLoadRecord(staging, {
        datasetId: record.id,
        dataset: record.name,
        version,
        request,
        actor,
        reason,
      })
      const status = this.#newStatus(request, version, totalBytes)
      return { status, job: { status, record, actor, reason, staging, build: null, end: null } }
    } catch (error) {
      if (staging !== null) await files.trashStaging(staging)
      await metastore.failVersion(record.name, version, { actor, reason, ifRevision: null, isDryRun: false })
      throw error
    }
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
    if (this.#isClosed) {
      throw new KVError('UNAVAILABLE', 'the gateway is shutting down; load again after its restart')
    }
    if (this.#busy.has(name)) {
      throw new KVError('FAILED_PRECONDITION', `dataset "${name}" is being loaded; wait for that load to end`)
    }
    if (this.#waiting.length >= limits.maxQueuedLoads) {
      throw new KVError('OVERLOADED', `${limits.maxQueuedLoads} loads are waiting; start this one later`)
    }
    return record
  }

  #newStatus(request: LoadRequest, version: VersionRecord['id'], totalBytes: number): LoadStatus {
    return {
      id: `${request.dataset}-${version}`,
      request,
      version,
      state: 'QUEUED',
      phase: null,
      rows: 0,
      readBytes: 0,
      totalBytes,
      rowsPerSecond: 0,
      bytesPerSecond: 0,
      leftMs: null,
      duplicateCount: 0,
      badLineCount: 0,
      badLines: [],
      resumeCount: 0,
      figures: null,
      error: null,
      startedAtMs: this.#options.clock.nowMs(),
      endedAtMs: null,
    }
  }

  /** Null: its version is gone, or finished. */
  async #unfinishedJob(staging: string): Promise<LoadJob | null> {
    const { dataset, datasetId, version, request, actor, reason } = await readLoadRecord(staging)
    const record = this.#options.metastore.get(dataset)
    if (record?.id !== datasetId) return null
    const state = record.versions.find(({ id }) => id === version)?.state
    if (state !== 'LOADING' && !(state === 'READY' && request.publish)) return null
    const status = { ...this.#newStatus(request, version, 0), resumeCount: 1 }
    return { status, record, actor, reason, staging, build: null, end: null }
  }

  #enqueue(job: LoadJob): void {
    this.#jobs.set(job.status.id, job)
    for (const [id, { status }] of this.#jobs) {
      if (this.#jobs.size <= limits.maxRememberedLoads) break
      if (status.endedAtMs !== null) this.#jobs.delete(id)
    }
    this.#waiting.push(job)
    this.#startWaiting()
  }

  #startWaiting(): void {
    while (!this.#isClosed && this.#running.size < this.#options.concurrent) {
      const job = this.#waiting.shift()
      if (job === undefined) return
      this.#run(job)
    }
  }

  #run(...jobs: LoadJob[]): void {
    for (const job of jobs) {
      const run = this.#runToEnd(job).finally(() => {
        this.#running.delete(job)
        this.#busy.delete(job.record.name)
        this.#startWaiting()
      })
      this.#running.set(job, run)
    }
  }

  /** Never rejects. */
  async #runToEnd(job: LoadJob): Promise<void> {
    const { logger, clock } = this.#options
    const fields = { dataset: job.record.name, load: job.status.id }
    logger.info({ ...fields, from: job.status.request.from }, 'load started')
    try {
      await runLoad(job, this.#options)
      update(job, { state: 'DONE', endedAtMs: clock.nowMs() })
      const { rows, startedAtMs } = job.status
      logger.info({ ...fields, rows, durationMs: clock.nowMs() - startedAtMs }, 'load done')
    } catch (error) {
      if (error instanceof LoadStoppedError) {
        logger.info(fields, 'load interrupted; the next start goes on with it')
        return
      }
      const { code, message } = toKVError(error, `the load of dataset "${job.record.name}" failed`)
      const state = code === 'CANCELLED' ? 'CANCELLED' : 'FAILED'
      update(job, { state, phase: null, leftMs: null, endedAtMs: clock.nowMs(), error: { code, message } })
      logger.error({ ...fields, code, reason: message }, 'load failed')
    }
  }
}

/** The same disk, so that it costs a name. */
async function moveInput(request: LoadRequest, input: string, staging: string): Promise<LoadRequest> {
  const moved = join(staging, INPUT_FILE)
  try {
    await rename(input, moved)
  } catch (error) {
    throw toLoadDiskError(error, `moving the upload to ${moved}`)
  }
  return { ...request, from: pathToFileURL(moved).href }
}
