/**
 * Loads, on the gateway's side: what they are asked with, what they hold while they wait for their turn (base/jobs.ts), and
 * those that an earlier process left unfinished. What one load does is load-run.ts.
 *
 * An upload has its version from the beginning, so that it is seen while it goes on and can be cancelled. It becomes a
 * load that a restart goes on with when its content is on disk.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { KVError } from '../base/errors.js'
import type { JobClaim, JobPlace, JobSpec, JobStatus, OpenJob } from '../base/job.js'
import type { Jobs } from '../base/jobs.js'
import { ownChange } from '../base/own-change.js'
import type { ChangeContext, DatasetRecord } from '../model/dataset.js'
import type { LoadRequest, Loads, LoadStatus, UploadRequest } from '../model/load.js'
import type { ObjectStore } from '../objects/object-store.js'
import {
  abandonLoad,
  type LoadDetails,
  type LoadJob,
  type LoadRunOptions,
  runLoad,
  update,
} from './load-run.js'
import { withLayout } from './layout.js'
import { INPUT_FILE, readLoadRecord, writeLoadRecord } from './load-staging.js'
import { NUMBERED } from './numbered-parts.js'
import { NO_PROGRESS } from './messages.js'
import { checkAnnounced, spool, type SpoolOptions } from './upload.js'

export interface LoadJobsOptions extends LoadRunOptions {
  readonly jobs: Jobs
  readonly objects: Pick<ObjectStore, 'list'>
  /** Of one upload, as it is sent. */
  readonly maxUploadBytes: number
}

/** Content of an upload, with its size in bytes where its sender says so. */
interface UploadContent {
  readonly bytes: AsyncIterable<Buffer>
  readonly sizeBytes: number | null
}

/** A dataset that nothing else loads while its load is made ready. */
interface Begun {
  readonly record: DatasetRecord
  readonly claim: JobClaim
  readonly change: ChangeContext
}

interface Asked {
  readonly request: LoadRequest
  readonly totalBytes: number
  /** Content that is to be written to disk first; null: there is none. */
  readonly content: UploadContent | null
}

/** What a version's record names as the place that an upload came from. */
const UPLOAD_SOURCE = 'upload'

export class LoadJobs implements Loads {
  readonly #options: LoadJobsOptions
  /** By id; those that the table of jobs has forgotten go when the next one comes. */
  readonly #loads = new Map<string, LoadJob>()

  constructor(options: LoadJobsOptions) {
    this.#options = options
  }

  async start(request: LoadRequest, change: ChangeContext): Promise<LoadStatus> {
    return this.#begin(request.dataset, change, async (begun) => {
      const only = request.fileSet === undefined ? undefined : NUMBERED
      const found = await this.#options.objects.list(request.from, only)
      const totalBytes = found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      return this.#load(begun, { request, totalBytes, content: null })
    })
  }

  async upload(request: UploadRequest, content: UploadContent, change: ChangeContext): Promise<LoadStatus> {
    const { sizeBytes } = content
    return this.#begin(request.dataset, change, async (begun) => {
      checkAnnounced(this.#spoolOptions(sizeBytes, null))
      const uploaded = { ...request, from: UPLOAD_SOURCE }
      if (!change.isDryRun)
        return this.#load(begun, { request: uploaded, totalBytes: sizeBytes ?? 0, content })
      const totalBytes = await this.#tryUpload(content)
      return this.#load(begun, { request: uploaded, totalBytes, content: null })
    })
  }

  list(): readonly LoadStatus[] {
    const { jobs } = this.#options
    return jobs.list().flatMap((job) => this.#statusOf(job) ?? [])
  }

  get(id: string): LoadStatus | null {
    const job = this.#options.jobs.get(id)
    return job === null ? null : this.#statusOf(job)
  }

  async cancel(id: string): Promise<LoadStatus | null> {
    if (this.get(id) === null) return null
    return this.#statusOf(await this.#options.jobs.cancel(id))
  }

  /** Goes on with what an earlier process began, and removes what nobody asks for any more. */
  async resume(): Promise<void> {
    const { files, logger, jobs } = this.#options
    for (const staging of await files.unfinishedLoads()) {
      try {
        const load = await this.#unfinishedLoad(staging)
        if (load === null) await files.trashStaging(staging)
        else this.#enqueue(load, this.#open(load, jobs.reclaim(placeOf(load.record))))
      } catch (error) {
        logger.error(
          { path: staging, err: error },
          'an unfinished load cannot be gone on with; its files are removed',
        )
        await files.trashStaging(staging)
      }
    }
  }

  /** Nothing else loads the dataset while `begin` makes a load of it ready. */
  async #begin(
    dataset: string,
    change: ChangeContext,
    begin: (begun: Begun) => Promise<LoadStatus>,
  ): Promise<LoadStatus> {
    const { jobs } = this.#options
    const record = this.#checkedDataset(dataset)
    const claim = jobs.claim(placeOf(record))
    try {
      return await begin({ record, claim, change })
    } finally {
      jobs.release(claim)
    }
  }

  async #load({ record, claim, change }: Begun, given: Asked): Promise<LoadStatus> {
    const { metastore, files } = this.#options
    const request = withLayout(given.request, record)
    const asked = { ...given, request }
    const givenId = request.fileSet?.versionId ?? undefined
    const meant = { ...change, datasetId: record.id }
    const { id: version } = await metastore.beginVersion(record.name, request.from, meant, givenId)
    const details = detailsOf(asked, version)
    const { actor, reason } = change
    if (change.isDryRun) {
      const planned = { details, record, actor, reason, staging: '' }
      return this.#shown(planned, this.#options.jobs.planned(specOf(planned)))
    }
    let staging: string
    try {
      // What a failed load of this id may have left would be taken for what this one builds.
      if (givenId !== undefined) await this.#removeFormer(record.id, version)
      staging = await files.loadStaging(record.id, version)
    } catch (error) {
      await metastore.failVersion(record.name, version, ownChange(change, record.id))
      throw error
    }
    const load: LoadJob = { details, record, actor, reason, staging }
    const job = this.#open(load, claim)
    try {
      if (asked.content !== null) await this.#takeContent(load, job, asked.content)
      await writeLoadRecord(staging, recordOf(load))
      this.#enqueue(load, job)
    } catch (error) {
      await abandonLoad(load, this.#options, error)
      job.fail(error)
      throw error
    }
    return this.#shown(load, job.status)
  }

  async #removeFormer(datasetId: string, version: number): Promise<void> {
    const { files } = this.#options
    await files.trash(files.versionPath(datasetId, version))
    await files.trashStaging(await files.loadStaging(datasetId, version))
  }

  async #takeContent(load: LoadJob, job: OpenJob, { bytes, sizeBytes }: UploadContent): Promise<void> {
    const input = join(load.staging, INPUT_FILE)
    const options = this.#spoolOptions(sizeBytes, job)
    const totalBytes = await spool(bytes, input, {
      ...options,
      onBytes: (readBytes) => {
        options.onBytes(readBytes)
        update(load, { readBytes })
      },
    })
    update(load, {
      readBytes: 0,
      totalBytes,
      request: { ...load.details.request, from: pathToFileURL(input).href },
    })
  }

  /** Takes all of it and keeps nothing; answers its size. */
  async #tryUpload({ bytes, sizeBytes }: UploadContent): Promise<number> {
    const { files } = this.#options
    const staging = await files.newStaging()
    try {
      return await spool(bytes, join(staging, INPUT_FILE), this.#spoolOptions(sizeBytes, null))
    } finally {
      await files.trashStaging(staging)
    }
  }

  #spoolOptions(sizeBytes: number | null, job: OpenJob | null): SpoolOptions {
    const { files, clock, maxUploadBytes } = this.#options
    return {
      maxBytes: maxUploadBytes,
      clock,
      freeBytes: () => files.freeBytes(),
      sizeBytes,
      onBytes: (done) => job?.context.report({ step: 'uploading', done, total: sizeBytes, unit: 'bytes' }),
      context: job?.context ?? null,
    }
  }

  #checkedDataset(name: string): DatasetRecord {
    const record = this.#options.metastore.get(name)
    if (record === null)
      throw new KVError('DATASET_NOT_FOUND', `dataset "${name}" does not exist; create it first`)
    if (record.mode === 'BATCH') return record
    throw new KVError(
      'FAILED_PRECONDITION',
      `dataset "${name}" is ${record.mode}; loads are for BATCH datasets`,
    )
  }

  #open(load: LoadJob, claim: JobClaim): OpenJob {
    const { jobs } = this.#options
    const job = jobs.open(specOf(load), claim)
    for (const id of this.#loads.keys()) if (jobs.get(id) === null) this.#loads.delete(id)
    this.#loads.set(job.status.id, load)
    return job
  }

  #enqueue(load: LoadJob, job: OpenJob): void {
    job.enqueue(
      async (context) => {
        await runLoad(load, context, this.#options)
        return { version: load.details.version, ...load.details.figures }
      },
      () => abandonLoad(load, this.#options, new KVError('CANCELLED', 'the load was cancelled')),
    )
  }

  /** Null: its version is gone, or finished. */
  async #unfinishedLoad(staging: string): Promise<LoadJob | null> {
    const { dataset, datasetId, version, request, actor, reason } = await readLoadRecord(staging)
    const record = this.#options.metastore.get(dataset)
    if (record?.id !== datasetId) {
      // It may have been adopted just before its dataset's end was known to it.
      await this.#options.files.trash(this.#options.files.versionPath(datasetId, version))
      await this.#options.files.trashEmptyDataset(datasetId)
      return null
    }
    const state = record.versions.find(({ id }) => id === version)?.state
    if (state !== 'LOADING' && !(state === 'READY' && request.publish)) return null
    const details = { ...detailsOf({ request, totalBytes: 0 }, version), resumeCount: 1 }
    return { details, record, actor, reason, staging }
  }

  /** Null: the job is no load. */
  #statusOf(job: JobStatus): LoadStatus | null {
    const load = this.#loads.get(job.id)
    return load === undefined ? null : this.#shown(load, job)
  }

  #shown(load: LoadJob, job: JobStatus): LoadStatus {
    return statusOf(load, job, this.#options.clock.monotonicMs())
  }
}

/** One load of a dataset at a time. */
function placeOf({ id, name }: DatasetRecord): JobPlace {
  return { kind: 'LOAD', dataset: name, datasetId: id, key: `dataset ${name}` }
}

function specOf({ record, details, actor }: LoadJob): JobSpec {
  const { version, request } = details
  return {
    ...placeOf(record),
    id: `${record.name}-${version}`,
    subject: `version ${version} from ${request.from}`,
    actor,
  }
}

function recordOf({ record, details, actor, reason }: LoadJob) {
  const { version, request } = details
  return { datasetId: record.id, dataset: record.name, version, request, actor, reason }
}

function detailsOf({ request, totalBytes }: Omit<Asked, 'content'>, version: number): LoadDetails {
  const unread = { ...NO_PROGRESS, phase: null, totalBytes }
  return { request, version, stage: 'BUILDING', ...unread, resumeCount: 0, figures: null, toldAtMs: 0 }
}

function statusOf(
  { details }: LoadJob,
  { id, state, error, startedAtMs, endedAtMs }: JobStatus,
  nowMs: number,
): LoadStatus {
  const { stage, toldAtMs, countsDown, ...known } = details
  const { leftMs } = known
  // A shard is sealed without a word, and the time goes on.
  const left =
    countsDown && leftMs !== null ? { leftMs: Math.max(0, Math.round(leftMs - (nowMs - toldAtMs))) } : {}
  const ofEnded = endedAtMs === null ? left : { phase: null, leftMs: null }
  return {
    ...known,
    ...ofEnded,
    id,
    state: state === 'RUNNING' ? stage : state,
    error,
    startedAtMs,
    endedAtMs,
  }
}
