/**
 * One load on the gateway's side: let the load process build it in staging, look at what it made, adopt it, mark it
 * READY, publish it if asked. Whatever goes wrong before READY leaves a FAILED version without files, and never touches
 * what is served. A process that dies is started again and goes on; so does the next gateway when this one ends.
 */
import { join } from 'node:path'
import { isInDoubt, KVError, toKVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { ChangeContext, DatasetRecord } from '../model/dataset.js'
import type { LoadStatus } from '../model/load.js'
import type { Metastore, VersionFigures } from '../model/metastore.js'
import type { ObjectSettings } from '../objects/objects.js'
import { checkFigures } from './load-guards.js'
import type { RunningBuild, StartBuild } from './load-process.js'
import { VERSION_FOLDER } from './load-state.js'
import type { BuildJob, BuildMessage } from './messages.js'

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
}

export type VersionRecords = Pick<
  Metastore,
  'get' | 'beginVersion' | 'completeVersion' | 'failVersion' | 'publish'
>

export interface LoadRunOptions {
  readonly metastore: VersionRecords
  readonly files: VersionFiles
  readonly startBuild: StartBuild
  readonly logger: Logger
  /** Threads that read one load. */
  readonly workers: number
  readonly sortBytes: number
  readonly heapMb: number
  readonly objectSettings: ObjectSettings
}

/** A load that waits or runs. */
export interface LoadJob {
  status: LoadStatus
  readonly record: DatasetRecord
  readonly actor: string
  readonly reason: string
  readonly staging: string
  build: RunningBuild | null
  /** CANCEL: it is given up for good; STOP: the gateway ends, the next one goes on. */
  end: 'CANCEL' | 'STOP' | null
}

/** Processes of one load that may die before it is given up. */
const MAX_CRASHES = 3
const MAX_REASON_LENGTH = 500

/** The load is not finished, and the next start of the gateway goes on with it. */
export class LoadStoppedError extends Error {
  override readonly name = 'LoadStoppedError'
}

/** Runs it to READY, or to CURRENT. @throws {KVError} when it failed and was cleaned up; {LoadStoppedError} */
export async function runLoad(job: LoadJob, options: LoadRunOptions): Promise<void> {
  const { files } = options
  if (isLoading(job, options)) {
    try {
      await buildAndAdopt(job, options)
    } catch (error) {
      if (!(error instanceof LoadStoppedError)) await abandon(job, options, error)
      throw error
    }
  }
  try {
    checkEnd(job)
    if (job.status.request.publish) await publish(job, options)
  } catch (error) {
    // Staging is what the next start goes on from.
    if (!(error instanceof LoadStoppedError)) await files.trashStaging(job.staging)
    throw error
  }
  await files.trashStaging(job.staging)
}

/** An earlier process may have brought it further. */
function isLoading({ record, status }: LoadJob, { metastore }: LoadRunOptions): boolean {
  const versions = metastore.get(record.name)?.versions ?? []
  return versions.find(({ id }) => id === status.version)?.state !== 'READY'
}

async function buildAndAdopt(job: LoadJob, options: LoadRunOptions): Promise<void> {
  const { metastore, files } = options
  const { id, name } = job.record
  const { version, request } = job.status
  const figures = await build(job, options)
  checkFigures(metastore.get(name) ?? job.record, request, figures)
  update(job, { state: 'ADOPTING', figures, phase: null, leftMs: null })
  if (!(await files.hasVersion(id, version))) {
    await files.adoptVersion(id, version, join(job.staging, VERSION_FOLDER))
  }
  await metastore.completeVersion(name, version, figures, ownChange(job.actor, job.reason))
}

async function build(job: LoadJob, options: LoadRunOptions): Promise<VersionFigures> {
  update(job, { state: 'BUILDING' })
  for (let crashes = 0; ; crashes++) {
    checkEnd(job)
    job.build = options.startBuild(buildJobOf(job, options), ({ progress }) => update(job, progress))
    const last = await job.build.ended
    job.build = null
    update(job, last.progress)
    checkEnd(job)
    if (last.kind === 'built') return last.figures
    if (!isCrash(last) || crashes + 1 >= MAX_CRASHES) throw failureOf(last)
    options.logger.warn(
      { dataset: job.record.name, load: job.status.id, reason: last.message },
      'the process of a load died; another one goes on with it',
    )
    update(job, { resumeCount: job.status.resumeCount + 1 })
  }
}

function checkEnd({ end }: LoadJob): void {
  if (end === 'CANCEL') throw new KVError('CANCELLED', 'the load was cancelled')
  if (end === 'STOP') throw new LoadStoppedError('the gateway ends')
}

function isCrash(last: BuildMessage): last is BuildMessage & { kind: 'failed' } {
  return last.kind === 'failed' && last.isCrash === true
}

function failureOf(last: BuildMessage): KVError {
  return last.kind === 'failed'
    ? new KVError(last.code, last.message)
    : new KVError('INTERNAL', 'the load process ended without saying how')
}

function buildJobOf({ status, record, staging }: LoadJob, options: LoadRunOptions): BuildJob {
  const { keyOrder, maxValueBytes, maxVersionBytes, shardCount } = record
  const { workers, sortBytes, heapMb, objectSettings } = options
  const { roots } = objectSettings
  return {
    request: status.request,
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

/** The version becomes FAILED and its files go. A failure of that is logged; the first one is what counts. */
async function abandon(job: LoadJob, options: LoadRunOptions, cause: unknown): Promise<void> {
  const { metastore, files, logger } = options
  const { record, status, actor, staging } = job
  const reason = toKVError(cause, 'the load failed').message.slice(0, MAX_REASON_LENGTH)
  const steps = [
    // First, so that a crash in between leaves nothing that the next start would go on with.
    () => files.trashStaging(staging),
    // What may have become READY keeps its files: the next start removes them if it has not.
    () => (isInDoubt(cause) ? Promise.resolve() : files.trash(files.versionPath(record.id, status.version))),
    () => metastore.failVersion(record.name, status.version, ownChange(actor, reason)),
  ]
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      logger.error({ dataset: record.name, load: status.id, err: error }, 'a failed load was not cleaned up')
    }
  }
}

async function publish(job: LoadJob, { metastore }: LoadRunOptions): Promise<void> {
  update(job, { state: 'PUBLISHING' })
  const { record, status } = job
  try {
    await metastore.publish(record.name, status.version, ownChange(job.actor, job.reason))
  } catch (error) {
    const { code, message } = toKVError(error, 'publishing failed')
    throw new KVError(code, `version ${status.version} is READY, but publishing it failed: ${message}`, {
      cause: error,
    })
  }
}

export function update(job: LoadJob, changes: Partial<LoadStatus>): void {
  job.status = { ...job.status, ...changes }
}

/** The later steps of a load concern the version that it reserved; nobody else's change can conflict with them. */
function ownChange(actor: string, reason: string): ChangeContext {
  return { actor, reason, ifRevision: null, isDryRun: false }
}
