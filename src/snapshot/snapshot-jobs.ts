/**
 * Snapshots of live data on the gateway's side. Taking one: the writer thread links the files of all shards between two of
 * its groups, which is one point in time over all of them; the task process reads the links at leisure. Importing one: the
 * task process builds the shards of a new dataset in staging; their directory gets its place first and the dataset its
 * record after it, so that a failed import leaves no dataset.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { StartTask } from '../base/child-task.js'
import type { Clock } from '../base/clock.js'
import { isInDoubt, KVError } from '../base/errors.js'
import type { JobContext, JobSpec, JobStatus } from '../base/job.js'
import { cleanUpByTask, runJobTask } from '../base/job-task.js'
import type { Jobs } from '../base/jobs.js'
import { runOnLinks } from '../base/linked-task.js'
import type { Logger } from '../base/logger.js'
import { ownChange } from '../base/own-change.js'
import type { Incarnation } from '../model/cluster-map.js'
import type { ChangeContext, DatasetRecord, Owner } from '../model/dataset.js'
import type { DatasetDraft, Metastore } from '../model/metastore.js'
import { toPlaceUrl } from '../objects/object-url.js'
import type { ImportResult } from './import.js'
import { type SnapshotEncoding, snapshotDatasetOf } from './manifest.js'
import type { SnapshotTask } from './tasks.js'

/** Where live data lies; the data directory. */
export interface SnapshotFiles {
  newStaging(): Promise<string>
  trashStaging(path: string): Promise<void>
  /** Moves shards that were built in staging to where a dataset of this id will look for its first generation. */
  adoptLive(datasetId: string, stagingDirectory: string): Promise<void>
  trashDataset(datasetId: string): Promise<void>
}

export interface SnapshotJobsOptions {
  readonly metastore: Metastore
  readonly files: SnapshotFiles
  readonly jobs: Jobs
  readonly startTask: StartTask
  readonly clock: Clock
  readonly logger: Logger
  /** What the newest map names: one incarnation a shard, null where it is not open; null: no such dataset is served. */
  readonly liveShards: (dataset: string) => readonly (Incarnation | null)[] | null
  /** Links shards at one point in time; answers the greatest stamp given until then. @throws {KVError} */
  readonly freeze: (
    shards: readonly { readonly incarnationId: number; readonly directory: string }[],
  ) => Promise<number>
}

export interface SnapshotRequest {
  readonly dataset: string
  /** URL of a place of its own. */
  readonly to: string
  readonly format: SnapshotEncoding
}

export interface ImportRequest {
  readonly from: string
  readonly name: string
  readonly owner: Owner
  /** Null: the snapshot's. */
  readonly description: string | null
  readonly shardCount: number | null
}

export class SnapshotJobs {
  readonly #options: SnapshotJobsOptions

  constructor(options: SnapshotJobsOptions) {
    this.#options = options
  }

  /** @throws {KVError} DATASET_NOT_FOUND, FAILED_PRECONDITION (not here, BATCH), SHARD_NOT_SERVING, INVALID_ARGUMENT */
  create({ dataset: name, to, format }: SnapshotRequest, change: ChangeContext): JobStatus {
    const { jobs, files } = this.#options
    const record = this.#writable(name)
    const url = toPlaceUrl(to)
    this.#shardsOf(record)
    const subject = `${format} to ${url}`
    const spec: JobSpec = {
      ...{ kind: 'SNAPSHOT' as const, dataset: name, datasetId: record.id, subject },
      ...{ key: `snapshot to ${url}`, actor: change.actor },
    }
    if (change.isDryRun) return jobs.plan(spec)
    return jobs.start(spec, async (context) => {
      try {
        return await runOnLinks({
          newStaging: () => files.newStaging(),
          trashStaging: (path) => files.trashStaging(path),
          link: async (staging) => {
            const linked = await this.#freeze(record, staging)
            const about = { url, encoding: format, dataset: snapshotDatasetOf(record), takenBy: change.actor }
            return { kind: 'SNAPSHOT', ...about, ...linked }
          },
          run: (task) => this.#run(task, context),
        })
      } catch (error) {
        if (context.ending === 'CANCEL') await this.#clear(record, url, context)
        throw error
      }
    })
  }

  /** What a cancelled snapshot left. */
  async #clear({ name }: DatasetRecord, url: string, context: JobContext): Promise<void> {
    const { startTask, logger } = this.#options
    const task: SnapshotTask = { kind: 'CLEAR', url }
    // A place that holds a whole snapshot, or what is not ours, is left as it is.
    const onFailure = (error: unknown) =>
      logger.warn({ dataset: name, url, err: error }, 'something of a cancelled snapshot may be left')
    await cleanUpByTask(startTask, task, { context, onFailure })
  }

  /** @throws {KVError} INVALID_ARGUMENT, ALREADY_EXISTS, and what the metastore says of the dataset */
  async import(request: ImportRequest, change: ChangeContext): Promise<JobStatus> {
    const { metastore, jobs } = this.#options
    const { name, owner, from } = request
    const url = toPlaceUrl(from)
    await metastore.createDataset({ name, owner, mode: 'READ_WRITE' }, { ...change, isDryRun: true })
    const datasetId = `i${this.#options.clock.nowMs()}-${randomBytes(4).toString('hex')}`
    const about = { dataset: name, datasetId, subject: `from ${url}`, key: `import of ${name}` }
    const spec = { kind: 'IMPORT', ...about, actor: change.actor } as const
    if (change.isDryRun) return jobs.plan(spec)
    return jobs.start(spec, (context) =>
      this.#import({ ...request, from: url, id: datasetId }, change, context),
    )
  }

  async #freeze(record: DatasetRecord, staging: string): Promise<object> {
    const shards = this.#shardsOf(record).map(({ id }, shard) => {
      return { incarnationId: id, directory: join(staging, String(shard)) }
    })
    const greatestStamp = await this.#options.freeze(shards)
    const directories = shards.map(({ directory }) => directory)
    return { directories, greatestStamp, takenAtMs: this.#options.clock.nowMs() }
  }

  #writable(name: string): DatasetRecord {
    const record = this.#options.metastore.get(name)
    if (record === null) {
      throw new KVError(
        'DATASET_NOT_FOUND',
        `dataset "${name}" does not exist; list the datasets for its name`,
      )
    }
    if (record.mode === 'BATCH') {
      throw new KVError(
        'FAILED_PRECONDITION',
        `dataset "${name}" is BATCH: archive one of its versions instead of taking a snapshot`,
      )
    }
    return record
  }

  #shardsOf({ name }: DatasetRecord): readonly Incarnation[] {
    const shards = this.#options.liveShards(name)
    if (shards === null || shards.length === 0)
      throw new KVError('FAILED_PRECONDITION', `dataset "${name}" has no live data here`)
    const open = shards.filter((shard) => shard !== null)
    if (open.length < shards.length || open.some(({ remote }) => remote !== undefined)) {
      throw new KVError('SHARD_NOT_SERVING', `not every shard of dataset "${name}" is open here: see status`)
    }
    return open
  }

  async #import(
    request: ImportRequest & { readonly id: string },
    change: ChangeContext,
    context: JobContext,
  ): Promise<unknown> {
    const { files, metastore } = this.#options
    const { id, name, owner, from, shardCount, description } = request
    const directory = await files.newStaging()
    const workDirectory = await files.newStaging()
    try {
      const task: SnapshotTask = { kind: 'IMPORT', url: from, shardCount, directory, workDirectory }
      // The task process is this same program (task-main.ts).
      const built = (await this.#run(task, context)) as ImportResult
      context.commit()
      await files.adoptLive(id, directory)
      try {
        const draft = draftOf(built, { id, name, owner, description })
        await metastore.createDataset(draft, ownChange(change, null))
      } catch (error) {
        // What may have been applied keeps its data: the next start removes it if it was not.
        if (!isInDoubt(error)) await files.trashDataset(id)
        throw error
      }
      await this.#checkIsServed({ id, name }, change)
      const { rows, cells, takenAtMs } = built
      return { dataset: name, rows, cells, takenAtMs }
    } finally {
      await files.trashStaging(directory)
      await files.trashStaging(workDirectory)
    }
  }

  #run(task: object, context: JobContext): Promise<unknown> {
    return runJobTask(this.#options.startTask, task, { context, unit: 'rows' })
  }

  /** Takes the dataset away again unless all of it is open. */
  async #checkIsServed(
    { id, name }: Pick<DatasetRecord, 'id' | 'name'>,
    { actor }: ChangeContext,
  ): Promise<void> {
    const { liveShards, metastore } = this.#options
    const shards = metastore.get(name)?.id === id ? liveShards(name) : null
    if (shards !== null && shards.length > 0 && shards.every((shard) => shard !== null)) return
    const reason = 'what was imported does not open'
    await metastore.removeDataset(name, ownChange({ actor, reason }, id))
    throw new KVError('UNAVAILABLE', `${reason}: see the log, then import it again`)
  }
}

function draftOf(
  { dataset }: ImportResult,
  given: {
    readonly id: string
    readonly name: string
    readonly owner: Owner
    readonly description: string | null
  },
): DatasetDraft {
  const { keyOrder, timestampUnit, shardCount, maxValueBytes, maxCellVersions } = dataset
  const { graceSeconds, defaultTtlSeconds, defaultDurability } = dataset
  const { id, name, owner, description } = given
  return {
    ...{ id, name, owner, mode: 'READ_WRITE', description: description ?? dataset.description },
    ...{ keyOrder, timestampUnit, shardCount, maxValueBytes, maxCellVersions },
    ...{ graceSeconds, defaultTtlSeconds, defaultDurability },
  }
}
