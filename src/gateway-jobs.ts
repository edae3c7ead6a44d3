/** Part of the composition root: archives, comparisons and snapshots get their collaborators here. */
import { fileURLToPath } from 'node:url'
import { ArchiveJobs } from './archive/archive-jobs.js'
import { forkedTask, type StartTask } from './base/child-task.js'
import { systemClock } from './base/clock.js'
import type { Jobs } from './base/jobs.js'
import type { Config } from './config/schema.js'
import type { DataDirectory } from './leaf/data-directory.js'
import { linkShard } from './leaf/rocksdb/store/shard-links.js'
import type { VersionSet } from './leaf/version-set.js'
import type { ClusterMap } from './model/cluster-map.js'
import type { Metastore } from './model/metastore.js'
import { SnapshotJobs } from './snapshot/snapshot-jobs.js'
import type { ThreadPool } from './threads/pool.js'

const TASK_ENTRY = fileURLToPath(new URL('task-main.js', import.meta.url))

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
  currentMap(): ClusterMap
}

export function createJobs(parts: JobParts): GatewayJobs {
  const { config, metastore, directory, pool, versionSet, jobs } = parts
  const fork = forkedTask({ entry: TASK_ENTRY, heapMb: config.jobs.heapMb, heapSetting: 'jobs.heapMb' })
  const startTask: StartTask = (task, report) => fork({ objects: config.objects, task }, report)
  const common = { metastore, files: directory, jobs, startTask, clock: systemClock }
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
