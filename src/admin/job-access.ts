/** What the admin API needs of jobs: archives of versions, comparisons, snapshots. */
import type { JobBoard, JobStatus } from '../base/job.js'
import type { ChangeContext, Owner } from '../model/dataset.js'

export interface VersionName {
  readonly dataset: string
  readonly version: number
}

export interface VersionCopies {
  /** Null `to`: the configured place; `release`: the local files go. */
  archive(
    version: VersionName,
    how: { readonly to: string | null; readonly release: boolean },
    change: ChangeContext,
  ): Promise<JobStatus>
  restore(version: VersionName, change: ChangeContext): Promise<JobStatus>
  deleteWithArchive(version: VersionName, change: ChangeContext): Promise<JobStatus>
  deleteDatasetWithArchives(dataset: string, change: ChangeContext): Promise<JobStatus>
  diff(
    dataset: string,
    versions: { readonly before: number; readonly after: number },
    limit: number,
  ): JobStatus
}

export interface SnapshotRequest {
  readonly dataset: string
  readonly to: string
  readonly format: 'ndjson' | 'parquet'
}

export interface SnapshotImportRequest {
  readonly from: string
  readonly name: string
  readonly owner: Owner
  /** Null: the snapshot's. */
  readonly description: string | null
  /** Null: as many as the snapshot's dataset had. */
  readonly shardCount: number | null
}

export interface Snapshots {
  create(request: SnapshotRequest, change: ChangeContext): JobStatus
  import(request: SnapshotImportRequest, change: ChangeContext): Promise<JobStatus>
}

export interface JobAccess {
  readonly jobs: JobBoard
  readonly archives: VersionCopies
  readonly snapshots: Snapshots
}
