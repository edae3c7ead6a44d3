/**
 * One load on the gateway's side: let the load process build it in staging, look at what it made, adopt it, mark it
 * READY, publish it if asked. Whatever goes wrong before READY leaves a FAILED version without files, and never touches
 * what is served. A process that dies is started again and goes on; so does the next gateway when this one ends.
 */
import { join } from 'node:path'
import { type StartTask, TaskDiedError } from '../base/child-task.js'
import type { Clock } from '../base/clock.js'
import { isInDoubt, KVError, toKVError } from '../base/errors.js'
import type { JobContext, JobProgress } from '../base/job.js'
import { endedWith } from '../base/job-task.js'
import type { Logger } from '../base/logger.js'
import { ownChange } from '../base/own-change.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { LoadStatus } from '../model/load.js'
import type { Metastore, VersionFigures } from '../model/metastore.js'
import type { ObjectSettings } from '../objects/objects.js'
import { layoutToKeep } from './layout.js'
import { checkFigures } from './load-guards.js'
import { VERSION_FOLDER } from './load-state.js'
import type { BuildJob, BuildProgress } from './messages.js'

/** Where the files of versions lie; the data directory. */
export interface VersionFiles {
  /** An empty directory, removed by the next start. */
  newStaging(): Promise<string>
  /** The directory of a load, the same for whoever asks; the next start keeps it once LOAD.json is in it. */
  loadStaging(datasetId: string, version: number): Promise<string>
  /** Directories of loads that an earlier process did not finish. */
  unfinishedLoads(): Promise<readonly string[]>
  /** Moves what was built, one subdirectory a shard, to its place, durably. */
  adoptVersion(datasetId: string, version: number, builtDirectory: string): Promise<unknown>
  hasVersion(datasetId: string, version: number): Promise<boolean>
  versionPath(datasetId: string, version: number): string
  /** Of the disk; null: it cannot say. */
  freeBytes(): number | null
  /** Removes a version's directory; fine when it is not there. */
  trash(path: string): Promise<void>
  /** Removes a staging directory; fine when it is not there any more. */
  trashStaging(path: string): Promise<void>
  /** Removes a dataset's directory unless something is in it; fine when it is not there. */
  trashEmptyDataset(datasetId: string): Promise<void>
}

export type VersionRecords = Pick<
  Metastore,
  'get' | 'updateDataset' | 'beginVersion' | 'completeVersion' | 'failVersion' | 'publish'
>

export interface LoadRunOptions {
  readonly metastore: VersionRecords
  readonly files: VersionFiles
  /** Starts the load process: a BuildJob, which reports BuildProgress and answers VersionFigures. */
  readonly startTask: StartTask
  readonly clock: Clock
  readonly logger: Logger
  /** Threads that read one load. */
  readonly workers: number
  readonly sortBytes: number
  readonly heapMb: number
  readonly objectSettings: ObjectSettings
}

/** What a load knows of itself; its place in the queue and its end are the job's. */
export type LoadDetails = Omit<LoadStatus, 'id' | 'state' | 'error' | 'startedAtMs' | 'endedAtMs'> & {
  /** What it does while it runs. */
  readonly stage: 'BUILDING' | 'ADOPTING' | 'PUBLISHING'
  /** When the load process told how far it is, in monotonic ms; whether the time left becomes less since. */
  readonly toldAtMs: number
  readonly countsDown: boolean
}

export interface LoadJob {
  details: LoadDetails
  readonly record: DatasetRecord
  readonly actor: string
  readonly reason: string
  readonly staging: string
}

/** Processes of one load that may die before it is given up. */
const MAX_CRASHES = 3
const MAX_REASON_LENGTH = 500

/** The load is not finished, and the next start of the gateway goes on with it. */
export class LoadStoppedError extends Error {
  override readonly name = 'LoadStoppedError'
}

/** Runs it to READY, or to CURRENT. @throws {KVError} when it failed and was cleaned up; {LoadStoppedError} */
export async function runLoad(job: LoadJob, context: JobContext, options: LoadRunOptions): Promise<void> {
  const { files } = options
  if (isLoading(job, options)) {
    try {
      await buildAndAdopt(job, context, options)
    } catch (error) {
      if (!(error instanceof LoadStoppedError)) await abandonLoad(job, options, error)
      throw error
    }
  }
  try {
    commit(context)
    if (job.details.request.publish) await publish(job, options)
  } catch (error) {
    // Staging is what the next start goes on from.
    if (!(error instanceof LoadStoppedError)) await files.trashStaging(job.staging)
    throw error
  }
  await files.trashStaging(job.staging)
}

/** An earlier process may have brought it further. */
function isLoading(job: LoadJob, options: LoadRunOptions): boolean {
  const versions = recordNow(job, options)?.versions ?? []
  return versions.find(({ id }) => id === job.details.version)?.state !== 'READY'
}

/** Null: the dataset was removed; another one may have its name. */
function recordNow(
  { record }: LoadJob,
  { metastore }: Pick<LoadRunOptions, 'metastore'>,
): DatasetRecord | null {
  const now = metastore.get(record.name)
  return now?.id === record.id ? now : null
}

async function buildAndAdopt(job: LoadJob, context: JobContext, options: LoadRunOptions): Promise<void> {
  const { metastore, files } = options
  const { id, name } = job.record
  const { version, request } = job.details
  const figures = await build(job, context, options)
  checkFigures(recordNow(job, options) ?? job.record, request, figures)
  commit(context)
  update(job, { stage: 'ADOPTING', figures, phase: null, leftMs: null })
  if (!(await files.hasVersion(id, version))) {
    await files.adoptVersion(id, version, join(job.staging, VERSION_FOLDER))
  }
  await keepLayout(job, options)
  await metastore.completeVersion(name, version, figures, ownChange(job, id))
}

/** The next load explodes alike, whoever asks for it. */
async function keepLayout(job: LoadJob, options: LoadRunOptions): Promise<void> {
  const { id, name } = job.record
  const explode = layoutToKeep(job.details.request, recordNow(job, options) ?? job.record)
  if (explode !== undefined) await options.metastore.updateDataset(name, { explode }, ownChange(job, id))
}

async function build(job: LoadJob, context: JobContext, options: LoadRunOptions): Promise<VersionFigures> {
  for (let crashes = 0; ; crashes++) {
    checkEnding(context)
    const running = options.startTask(buildJobOf(job, options), (report) => {
      // The load process is this same program (load-child.ts).
      const progress = report as BuildProgress
      update(job, { ...progress, toldAtMs: options.clock.monotonicMs() })
      context.report(progressOf(progress))
    })
    try {
      return (await endedWith(context, running)) as VersionFigures // see above
    } catch (error) {
      checkEnding(context)
      if (!(error instanceof TaskDiedError) || crashes + 1 >= MAX_CRASHES) throw error
      options.logger.warn(
        { dataset: job.record.name, version: job.details.version, reason: error.message },
        'the process of a load died; another one goes on with it',
      )
      update(job, { resumeCount: job.details.resumeCount + 1 })
    }
  }
}

function progressOf({ phase, rows, readBytes, totalBytes }: BuildProgress): JobProgress {
  if (phase === 'READING') return { step: 'reading', done: readBytes, total: totalBytes, unit: 'bytes' }
  return { step: 'writing', done: rows, total: null, unit: 'rows' }
}

/** From here on it cannot be cancelled. */
function commit(context: JobContext): void {
  checkEnding(context)
  context.commit()
}

function checkEnding({ ending }: JobContext): void {
  if (ending === 'CANCEL') throw new KVError('CANCELLED', 'the load was cancelled')
  if (ending === 'STOP') throw new LoadStoppedError('the gateway ends')
}

function buildJobOf({ details, record, staging }: LoadJob, options: LoadRunOptions): BuildJob {
  const { keyOrder, maxValueBytes, maxVersionBytes, shardCount } = record
  const { workers, sortBytes, heapMb, objectSettings } = options
  const { roots } = objectSettings
  return {
    request: details.request,
    keyOrder,
    maxValueBytes,
    maxVersionBytes,
    shardCount,
    staging,
    workers,
    sortBytes,
    heapMb,
    // The content of an upload lies in staging.
    objects: { ...objectSettings, roots: roots.length === 0 ? roots : [...roots, staging] },
  }
}

/**
 * The version becomes FAILED and its files go; of a dataset that was removed only the files are left. Never rejects: a
 * failure of that is logged, the first one counts.
 */
export async function abandonLoad(
  job: LoadJob,
  { metastore, files, logger }: LoadRunOptions,
  cause: unknown,
): Promise<void> {
  const { record, details, actor, staging } = job
  const { version } = details
  const reason = toKVError(cause, 'the load failed').message.slice(0, MAX_REASON_LENGTH)
  const steps = [
    // First, so that a crash in between leaves nothing that the next start would go on with.
    () => files.trashStaging(staging),
    // What may have become READY keeps its files: the next start removes them if it has not.
    () => (isInDoubt(cause) ? Promise.resolve() : files.trash(files.versionPath(record.id, version))),
    async () => {
      if (recordNow(job, { metastore }) === null) await files.trashEmptyDataset(record.id)
      else await metastore.failVersion(record.name, version, ownChange({ actor, reason }, record.id))
    },
  ]
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      logger.error({ dataset: record.name, version, err: error }, 'a failed load was not cleaned up')
    }
  }
}

async function publish(job: LoadJob, { metastore }: LoadRunOptions): Promise<void> {
  update(job, { stage: 'PUBLISHING' })
  const { record, details } = job
  const change = ownChange(job, record.id)
  try {
    const { retainedVersions } = details.request.fileSet ?? {}
    if (retainedVersions !== undefined) {
      await metastore.updateDataset(record.name, { retainedVersions }, change)
    }
    await metastore.publish(record.name, details.version, change)
  } catch (error) {
    const { code, message } = toKVError(error, 'publishing failed')
    throw new KVError(code, `version ${details.version} is READY, but publishing it failed: ${message}`, {
      cause: error,
    })
  }
}

export function update(job: LoadJob, changes: Partial<LoadDetails>): void {
  job.details = { ...job.details, ...changes }
}
