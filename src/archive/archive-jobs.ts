/**
 * Archives, restores and comparisons of versions on the gateway's side: checks, links, starts the task process, and tells
 * the metastore when all is done. Whatever goes wrong before that leaves the version as it was, and can be repeated.
 */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { StartTask } from '../base/child-task.js'
import type { Clock } from '../base/clock.js'
import { isInDoubt, KVError } from '../base/errors.js'
import type { JobContext, JobSpec, JobStatus } from '../base/job.js'
import { cleanUpByTask, runJobTask } from '../base/job-task.js'
import type { Jobs } from '../base/jobs.js'
import { limits } from '../base/limits.js'
import { runOnLinks } from '../base/linked-task.js'
import type { Logger } from '../base/logger.js'
import { ownChange } from '../base/own-change.js'
import { type ChangeContext, copiesOf, type DatasetRecord, type VersionRecord } from '../model/dataset.js'
import type { Metastore } from '../model/metastore.js'
import { toPlaceUrl } from '../objects/object-url.js'
import { CopyRemovals, type PurgeNoteFiles } from './copy-removals.js'
import type { ArchiveTask } from './tasks.js'

/** Where the files of versions lie; the data directory. */
export interface ArchiveFiles extends PurgeNoteFiles {
  newStaging(): Promise<string>
  trashStaging(path: string): Promise<void>
  adoptVersion(datasetId: string, versionId: number, stagingDirectory: string): Promise<unknown>
  versionPath(datasetId: string, versionId: number): string
  trash(path: string): Promise<void>
  trashEmptyDataset(datasetId: string): Promise<void>
}

export interface ArchiveJobsOptions {
  readonly metastore: Pick<
    Metastore,
    'get' | 'archiveVersion' | 'restoreVersion' | 'deleteVersion' | 'removeDataset'
  >
  readonly files: ArchiveFiles
  readonly jobs: Jobs
  readonly startTask: StartTask
  readonly clock: Clock
  readonly logger: Logger
  /** Where copies go that name no place of their own; null: they must. */
  readonly defaultUrl: string | null
  /** Whether the files of a version that was released have not gone yet, and stay until it is READY. */
  readonly keepFiles: (dataset: string, versionId: number) => Promise<boolean>
  /** Links a sealed shard to a directory that does not exist. @throws {KVError} UNAVAILABLE: try again */
  readonly linkShard: (source: string, target: string) => void
}

export interface VersionName {
  readonly dataset: string
  readonly version: number
}

export interface ArchiveRequest {
  /** Null: the configured place. */
  readonly to: string | null
  /** Whether the local files go. */
  readonly release: boolean
}

interface Target {
  readonly record: DatasetRecord
  readonly version: VersionRecord
}

/** What is wrong with one copy need not be with another one. */
const COPY_FAULTS: readonly string[] = ['INVALID_ARGUMENT', 'CORRUPT', 'FAILED_PRECONDITION', 'UNAVAILABLE']

export class ArchiveJobs {
  readonly #options: ArchiveJobsOptions
  readonly #removals: CopyRemovals

  constructor(options: ArchiveJobsOptions) {
    this.#options = options
    this.#removals = new CopyRemovals({ ...options, run: (task, context) => this.#run(task, context) })
  }

  /**
   * Copies a version and records the copy; answers at once.
   * @throws {KVError} DATASET_NOT_FOUND, VERSION_NOT_FOUND, INVALID_ARGUMENT (no place is configured), CONFLICT,
   * FAILED_PRECONDITION (its state; another job has it; it lies on other machines)
   */
  async archive(
    { dataset: name, version: id }: VersionName,
    { to, release }: ArchiveRequest,
    change: ChangeContext,
  ): Promise<JobStatus> {
    const { metastore, jobs } = this.#options
    const target = this.#target(name, id)
    const url = this.#urlOf(target, to)
    this.#checkIsHere(target)
    this.#checkNone(name, ['PURGE'])
    const archive = { url, release }
    await metastore.archiveVersion(name, id, archive, { ...change, isDryRun: true })
    const spec = specOf(target, { kind: 'ARCHIVE', subject: `version ${id} to ${url}` }, change)
    if (change.isDryRun) return jobs.plan(spec)
    return jobs.start(spec, async (context) => {
      const archivedAtMs = this.#options.clock.nowMs()
      try {
        const result = await this.#onLinks(context, async (staging) => {
          const directories = await this.#link(target, join(staging, 'version'))
          return copyOutTask(target, { url, directories, archivedAtMs })
        })
        context.commit()
        await metastore.archiveVersion(name, id, archive, ownChange(change, target.record.id))
        return result
      } catch (error) {
        if (!isInDoubt(error)) await this.#clear(target, { url, archivedAtMs }, context)
        throw error
      }
    })
  }

  /**
   * What is left of an archive that no record names, and that nobody will complete: it was cancelled, or its version was
   * deleted or released meanwhile.
   */
  async #clear(
    { record, version }: Target,
    { url, archivedAtMs }: { readonly url: string; readonly archivedAtMs: number },
    context: JobContext,
  ): Promise<void> {
    const { metastore, startTask, logger } = this.#options
    const now = metastore.get(record.name)
    const left = now?.id === record.id ? now.versions.find(({ id }) => id === version.id) : undefined
    const canBeArchived = left?.state === 'READY' || left?.state === 'CURRENT'
    const isOver = context.ending === 'CANCEL' || (context.ending === null && !canBeArchived)
    if (!isOver || (left !== undefined && copiesOf(left).includes(url))) return
    const task: ArchiveTask = { kind: 'PURGE', urls: [url], datasetId: record.id, archivedAtMs }
    const onFailure = (error: unknown) =>
      logger.warn({ dataset: record.name, url, err: error }, 'something of an ended archive may be left')
    await cleanUpByTask(startTask, task, { context, onFailure })
  }

  /** Puts an archived version back; it is READY when the job is done. @throws {KVError} as archive does */
  async restore({ dataset: name, version: id }: VersionName, change: ChangeContext): Promise<JobStatus> {
    const { metastore, jobs } = this.#options
    const target = this.#target(name, id)
    await metastore.restoreVersion(name, id, { ...change, isDryRun: true })
    const [url, ...others] = copiesOf(target.version)
    if (url === undefined) throw new KVError('FAILED_PRECONDITION', `version ${id} of ${name} has no archive`)
    const spec = specOf(target, { kind: 'RESTORE', subject: `version ${id} from ${url}` }, change)
    if (change.isDryRun) return jobs.plan(spec)
    return jobs.start(spec, async (context) => {
      const how = { context, change: ownChange(change, target.record.id) }
      if (await this.#options.keepFiles(name, id)) return await this.#restoreKept(target, url, how)
      return await this.#restoreAny(target, [url, ...others], how)
    })
  }

  /**
   * Removes a version and then its copy: in this order, because a version that is being served, or may be again, would
   * otherwise name a copy that is gone. What a failure or the end of the gateway leaves of the copy the next start removes.
   * @throws {KVError} as archive does
   */
  async deleteWithArchive(
    { dataset: name, version: id }: VersionName,
    change: ChangeContext,
  ): Promise<JobStatus> {
    const { metastore, jobs } = this.#options
    const target = this.#target(name, id)
    await metastore.deleteVersion(name, id, { ...change, isDryRun: true })
    const urls = copiesOf(target.version)
    if (urls.length === 0) {
      throw new KVError('FAILED_PRECONDITION', `version ${id} of ${name} has no archive: delete it without`)
    }
    const spec = specOf(target, { kind: 'PURGE', subject: `version ${id} and ${urls.join(', ')}` }, change)
    if (change.isDryRun) return jobs.plan(spec)
    return jobs.start(spec, async (context) => {
      // From here on only the end of it leaves nothing behind.
      context.commit()
      const { version } = this.#target(name, id)
      const { id: datasetId } = target.record
      const own = ownChange(change, datasetId)
      const about = { dataset: name, datasetId, version: id, actor: change.actor }
      return await this.#removals.remove({ ...about, urls: copiesOf(version) }, context, () =>
        metastore.deleteVersion(name, id, own),
      )
    })
  }

  /**
   * Removes a dataset and then the copies of its versions, in this order for the same reason.
   * @throws {KVError} DATASET_NOT_FOUND, CONFLICT, FAILED_PRECONDITION (a load or job of it goes on; it has no copies)
   */
  async deleteDatasetWithArchives(name: string, change: ChangeContext): Promise<JobStatus> {
    const { metastore, jobs } = this.#options
    const { id: datasetId, versions } = this.#record(name)
    await metastore.removeDataset(name, { ...change, isDryRun: true })
    const urls = versions.flatMap(copiesOf)
    this.#checkNone(name, ['ARCHIVE', 'RESTORE', 'PURGE'])
    if (urls.length === 0)
      throw new KVError('FAILED_PRECONDITION', `dataset ${name} has no archives: delete it without`)
    // The key of its loads: none of them may go on.
    const about = { subject: `all data and ${urls.length} copies`, key: `dataset ${name}` }
    const spec: JobSpec = { kind: 'PURGE', dataset: name, datasetId, ...about, actor: change.actor }
    if (change.isDryRun) return jobs.plan(spec)
    return jobs.start(spec, async (context) => {
      context.commit()
      const current = this.#record(name).versions.flatMap(copiesOf)
      const note = { dataset: name, datasetId, version: null, actor: change.actor, urls: current }
      return await this.#removals.remove(note, context, () =>
        metastore.removeDataset(name, ownChange(change, datasetId)),
      )
    })
  }

  /** Goes on with removals of copies that an earlier process began. */
  resume(): Promise<void> {
    return this.#removals.resume()
  }

  /** Compares two versions that lie here. @throws {KVError} DATASET_NOT_FOUND, VERSION_NOT_FOUND, FAILED_PRECONDITION */
  diff(name: string, ids: { readonly before: number; readonly after: number }, limit: number): JobStatus {
    const before = this.#target(name, ids.before)
    const after = this.#target(name, ids.after)
    this.#checkIsHere(before)
    this.#checkIsHere(after)
    if (limit > limits.maxDiffSamples)
      throw new KVError('INVALID_ARGUMENT', `${limit} samples: at most ${limits.maxDiffSamples}`)
    const { keyOrder } = before.record
    const subject = `version ${ids.before} and ${ids.after}`
    const about = { dataset: name, datasetId: before.record.id, subject, key: `${subject} of ${name}` }
    const spec = { kind: 'DIFF', ...about, actor: '' } as const
    return this.#options.jobs.start(spec, (context) =>
      this.#onLinks(context, async (staging) => {
        const link = async (target: Target, place: string) => {
          const directories = await this.#link(target, join(staging, place))
          return { id: target.version.id, directories }
        }
        const linked = { before: await link(before, 'before'), after: await link(after, 'after') }
        const rows = before.version.rows + after.version.rows
        return { kind: 'DIFF', keyOrder, ...linked, limit, rows }
      }),
    )
  }

  /** What copies or removes copies at the same time would leave some that nobody knows. */
  #checkNone(name: string, kinds: readonly JobStatus['kind'][]): void {
    const other = this.#options.jobs
      .list()
      .find(({ dataset, kind, endedAtMs }) => dataset === name && endedAtMs === null && kinds.includes(kind))
    if (other === undefined) return
    throw new KVError(
      'FAILED_PRECONDITION',
      `dataset ${name} has a job about its copies that waits or runs, ${other.id}: see "godwit jobs list", and wait for its end or cancel it`,
      { dataset: name },
    )
  }

  #record(name: string): DatasetRecord {
    const record = this.#options.metastore.get(name)
    if (record !== null) return record
    throw new KVError('DATASET_NOT_FOUND', `dataset "${name}" does not exist; list the datasets for its name`)
  }

  #target(name: string, id: number): Target {
    const record = this.#record(name)
    const version = record.versions.find((one) => one.id === id)
    if (version === undefined)
      throw new KVError('VERSION_NOT_FOUND', `dataset "${name}" has no version ${id}; list its versions`)
    return { record, version }
  }

  #urlOf({ record, version }: Target, to: string | null): string {
    const base = to ?? this.#options.defaultUrl
    if (base === null) {
      throw new KVError(
        'INVALID_ARGUMENT',
        'no place for archives is configured: set archive.url or name one',
      )
    }
    return `${toPlaceUrl(base)}${record.name}/${version.id}/`
  }

  #checkIsHere({ record, version }: Target): void {
    if (version.state !== 'READY' && version.state !== 'CURRENT') {
      throw new KVError(
        'FAILED_PRECONDITION',
        `version ${version.id} of ${record.name} is ${version.state}; this needs READY or CURRENT`,
      )
    }
    if (existsSync(this.#options.files.versionPath(record.id, version.id))) return
    throw new KVError(
      'FAILED_PRECONDITION',
      `the files of version ${version.id} of ${record.name} are not on this machine (its cluster is ${record.cluster}): ` +
        'see status, or ask where they are',
    )
  }

  async #restoreKept(
    { record, version }: Target,
    url: string,
    { context, change }: { readonly context: JobContext; readonly change: ChangeContext },
  ): Promise<unknown> {
    context.commit()
    await this.#options.metastore.restoreVersion(record.name, version.id, change)
    return { url, files: 0, bytes: 0, rows: version.rows }
  }

  /** From the newest copy that is whole. @throws {KVError} what the newest one failed with */
  async #restoreAny(
    target: Target,
    urls: readonly string[],
    how: { readonly context: JobContext; readonly change: ChangeContext },
  ): Promise<unknown> {
    let first: KVError | null = null
    for (const url of urls) {
      try {
        return await this.#restore(target, url, how)
      } catch (error) {
        if (!(error instanceof KVError) || how.context.ending !== null || isInDoubt(error)) throw error
        if (!COPY_FAULTS.includes(error.code)) throw error
        first ??= error
      }
    }
    throw first ?? new KVError('FAILED_PRECONDITION', 'there is no copy')
  }

  async #restore(
    { record, version }: Target,
    url: string,
    { context, change }: { readonly context: JobContext; readonly change: ChangeContext },
  ): Promise<unknown> {
    const { files, metastore } = this.#options
    const staging = await files.newStaging()
    try {
      const directories = shardDirectories(staging, record.shardCount)
      const { rows, bytes, checksum } = version
      const result = await this.#run(
        {
          ...{ kind: 'RESTORE', url, datasetId: record.id, versionId: version.id },
          ...{ keyOrder: record.keyOrder, figures: { rows, bytes, checksum }, directories },
        },
        context,
      )
      context.commit()
      // Copying takes its time: what was deleted meanwhile, or is loaded anew under its id, gets no files of this one.
      await metastore.restoreVersion(record.name, version.id, { ...change, isDryRun: true })
      await this.#adopt(record, version, staging)
      try {
        await metastore.restoreVersion(record.name, version.id, change)
      } catch (error) {
        // What may have been applied keeps its files: the next start removes them if it was not.
        if (!isInDoubt(error)) await files.trash(files.versionPath(record.id, version.id))
        if (metastore.get(record.name)?.id !== record.id) await files.trashEmptyDataset(record.id)
        throw error
      }
      return result
    } finally {
      await files.trashStaging(staging)
    }
  }

  async #adopt(record: DatasetRecord, version: VersionRecord, staging: string): Promise<void> {
    try {
      await this.#options.files.adoptVersion(record.id, version.id, staging)
    } catch (error) {
      if (!(error instanceof KVError) || error.code !== 'ALREADY_EXISTS') throw error
      throw new KVError(
        'UNAVAILABLE',
        `files of version ${version.id} are still being removed: restore it again in a moment`,
        { cause: error },
      )
    }
  }

  #onLinks(context: JobContext, link: (staging: string) => Promise<ArchiveTask>): Promise<unknown> {
    const { files } = this.#options
    return runOnLinks({
      newStaging: () => files.newStaging(),
      trashStaging: (path) => files.trashStaging(path),
      link,
      run: (task) => this.#run(task, context),
    })
  }

  async #link({ record, version }: Target, place: string): Promise<readonly string[]> {
    const { files, linkShard } = this.#options
    const source = files.versionPath(record.id, version.id)
    const targets = shardDirectories(place, record.shardCount)
    await mkdir(place, { mode: 0o700 })
    for (const [shard, target] of targets.entries()) {
      linkShard(join(source, String(shard)), target)
      // A thousand shards are not linked in one turn of the main thread's loop.
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    return targets
  }

  #run(task: object, context: JobContext): Promise<unknown> {
    const unit = 'kind' in task && task.kind === 'DIFF' ? 'rows' : 'bytes'
    return runJobTask(this.#options.startTask, task, { context, unit })
  }
}

function copyOutTask(
  { record, version }: Target,
  to: { readonly url: string; readonly directories: readonly string[]; readonly archivedAtMs: number },
): ArchiveTask {
  const { id, name, keyOrder } = record
  const { rows, bytes, checksum, source, loadedBy, createdAtMs } = version
  const archived = { id: version.id, rows, bytes, checksum, source, loadedBy, createdAtMs }
  return { kind: 'ARCHIVE', ...to, dataset: { id, name }, keyOrder, version: archived }
}

function shardDirectories(directory: string, count: number): string[] {
  return Array.from({ length: count }, (_, shard) => join(directory, String(shard)))
}

function specOf(
  { record, version }: Target,
  what: { readonly kind: 'ARCHIVE' | 'RESTORE' | 'PURGE'; readonly subject: string },
  { actor }: ChangeContext,
): JobSpec {
  const { id: datasetId, name } = record
  return { ...what, dataset: name, datasetId, key: `version ${version.id} of ${name}`, actor }
}
