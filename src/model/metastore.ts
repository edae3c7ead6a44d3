/** What KVSM offers to the admin API, the loader and the composition root. Control plane: main thread only. */
import type { AuditLine, ChangeContext, DatasetMode, DatasetRecord, Durability, KeyOrder } from './dataset.js'
import type { MigrationState, Owner, TimestampUnit, VersionRecord } from './dataset.js'

/** What a new dataset needs; absent settings take the defaults of kvsm/metastore.ts. */
export interface DatasetDraft {
  readonly name: string
  readonly owner: Owner
  readonly mode: DatasetMode
  readonly description?: string
  readonly keyOrder?: KeyOrder
  readonly timestampUnit?: TimestampUnit
  readonly shardCount?: number
  readonly retainedVersions?: number
  readonly maxValueBytes?: number
  readonly maxCellVersions?: number
  readonly graceSeconds?: number
  readonly defaultTtlSeconds?: number | null
  readonly defaultDurability?: Durability
  readonly migrationState?: MigrationState
  readonly origin?: string | null
}

/** Called after a change is durable and before the change's promise resolves; null: the dataset is gone. */
export type MetastoreListener = (name: string, record: DatasetRecord | null) => Promise<void>

/** @throws {KVError} when the version cannot be served now */
export type PublishCheck = (dataset: string, versionId: number) => void

/**
 * Every change is compare-and-set on the record's revision, is durable when its promise resolves, writes one audit
 * line in the same transaction, and is refused whole when anything about it is wrong.
 */
export interface Metastore {
  /** Authenticates the tokens that callers carry from page to page: 32 bytes, made once, the same for every gateway. */
  readonly tokenKey: Buffer
  get(name: string): DatasetRecord | null
  list(): readonly DatasetRecord[]
  /** Newest first. */
  audit(limit: number): readonly AuditLine[]

  /** @throws {KVError} INVALID_ARGUMENT, ALREADY_EXISTS, UNSUPPORTED (STREAMING) */
  createDataset(draft: DatasetDraft, change: ChangeContext): Promise<DatasetRecord>
  /** @throws {KVError} DATASET_NOT_FOUND, CONFLICT */
  removeDataset(name: string, change: ChangeContext): Promise<void>
  /** Reserves a version id (now in ms, or one past the newest) in state LOADING. */
  beginVersion(name: string, source: string, change: ChangeContext): Promise<VersionRecord>
  /** LOADING -> READY with its figures. */
  completeVersion(
    name: string,
    id: number,
    figures: VersionFigures,
    change: ChangeContext,
  ): Promise<DatasetRecord>
  /** LOADING -> FAILED. */
  failVersion(name: string, id: number, change: ChangeContext): Promise<DatasetRecord>
  /** READY -> CURRENT, the former CURRENT -> READY; versions beyond the retention -> DELETED. One step. */
  publish(name: string, id: number, change: ChangeContext): Promise<DatasetRecord>
  /** Publishes the newest READY version older than the current one. @throws {KVError} FAILED_PRECONDITION if none */
  rollback(name: string, change: ChangeContext): Promise<DatasetRecord>
  /** READY or FAILED -> DELETED. @throws {KVError} FAILED_PRECONDITION for CURRENT and LOADING */
  deleteVersion(name: string, id: number, change: ChangeContext): Promise<DatasetRecord>
  /** Drops the records of DELETED versions whose files are gone; no audit line. */
  forgetVersions(name: string, ids: readonly number[]): Promise<void>

  subscribe(listener: MetastoreListener): void
  /** Asked before a version becomes CURRENT; what it throws refuses the change whole. */
  guardPublish(check: PublishCheck): void
  close(): Promise<void>
}

export interface VersionFigures {
  readonly rows: number
  readonly bytes: number
  readonly checksum: string
}
