/** Part of the composition root: archives, comparisons and snapshots get their collaborators here. */
import { fileURLToPath } from 'node:url'
import { ArchiveJobs } from '../archive/archive-jobs.js'
import { forkedTask, type StartTask } from '../base/child-task.js'
import { systemClock } from '../base/clock.js'
import { Jobs } from '../base/jobs.js'
import type { Logger } from '../base/logger.js'
import type { Config } from '../config/schema.js'
import type { DataDirectory } from '../leaf/data-directory.js'
import { linkShard } from '../leaf/rocksdb/store/shard-links.js'
import type { VersionSet } from '../leaf/version-set.js'
import type { ClusterMap } from '../model/cluster-map.js'
import type { Metastore } from '../model/metastore.js'
import { SnapshotJobs } from '../snapshot/snapshot-jobs.js'
import type { ThreadPool } from '../threads/pool.js'

const TASK_ENTRY = fileURLToPath(new URL('../task-main.js', import.meta.url))

export interface GatewayJobs {
  readonly jobs: Jobs
  readonly archives: ArchiveJobs
  readonly snapshots: SnapshotJobs
}

export interface JobParts {
  readonly config: Config
  readonly metastore: Metastore
  readonly directory: DataDirectory
  readonly pool: Pick<ThreadPool, 'freeze'>
  readonly versionSet: Pick<VersionSet, 'keepLeaving'>
  readonly jobs: Jobs
  readonly logger: Logger
  currentMap(): ClusterMap
}

/** The table of all jobs. A job of a dataset that is removed ends with it. */
export function createJobTable({
  config,
  metastore,
  logger,
}: Pick<JobParts, 'config' | 'metastore' | 'logger'>): Jobs {
  const concurrent = { loads: config.loads.concurrent, others: config.jobs.concurrent }
  const jobs = new Jobs({
    ...{ clock: systemClock, logger, concurrent },
    // What is imported is not there yet, and copies are removed of what is gone.
    isGone: ({ kind, dataset, datasetId }) =>
      kind !== 'IMPORT' && kind !== 'PURGE' && metastore.get(dataset)?.id !== datasetId,
  })
  const idOf = new Map(metastore.list().map(({ name, id }) => [name, id]))
  metastore.subscribe((name, record) => {
    const before = idOf.get(name)
    if (record === null) idOf.delete(name)
    else idOf.set(name, record.id)
    // Not awaited: ending jobs change records themselves, which would wait for this change.
    if (before !== undefined && before !== record?.id) {
      jobs.endOf(before).catch((error: unknown) => {
        logger.error({ dataset: name, err: error }, 'jobs of a removed dataset did not end')
      })
    }
    return Promise.resolve()
  })
  return jobs
}

export function createJobs(parts: JobParts): GatewayJobs {
  const { config, metastore, directory, pool, versionSet, jobs, logger } = parts
  const fork = forkedTask({ entry: TASK_ENTRY, heapMb: config.jobs.heapMb, heapSetting: 'jobs.heapMb' })
  const startTask: StartTask = (task, report) => fork({ objects: config.objects, task }, report)
  const common = { metastore, files: directory, jobs, startTask, clock: systemClock, logger }
  const archives = new ArchiveJobs({
    ...common,
    defaultUrl: config.archive.url === '' ? null : config.archive.url,
    keepFiles: (dataset, versionId) => versionSet.keepLeaving(dataset, versionId),
    linkShard: (source, target) => linkShard(source, target, null),
  })
  const snapshots = new SnapshotJobs({
    ...common,
    liveShards: (dataset) => parts.currentMap().datasets.get(dataset)?.live ?? null,
    freeze: (shards) => pool.freeze(shards),
  })
  return { jobs, archives, snapshots }
}
