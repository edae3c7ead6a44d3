/** What KVSM offers to the admin API, the loader and the composition root. Control plane: main thread only. */
import type { ValueLayout } from '../base/thrift-layout.js'
import type { AuditLine, Canary, ChangeContext, ClusterRecord, DatasetMode } from './dataset.js'
import type { DatasetRecord, Durability, KeyOrder, Owner, TimestampUnit } from './dataset.js'
import type { VersionRecord } from './dataset.js'
import type { CqlMetastore, CqlTable, TableSettings } from './table-call.js'
import type { MigrationState } from './migration.js'
import type { MigrationDecision } from './migration-plan.js'

/** What a new dataset needs; absent settings take the defaults of kvsm/metastore.ts. */
export interface DatasetDraft {
  /** Of data that lies in its place already (an import); absent: a new one. */
  readonly id?: string
  readonly name: string
  readonly owner: Owner
  readonly mode: DatasetMode
  readonly description?: string
  readonly keyOrder?: KeyOrder
  readonly timestampUnit?: TimestampUnit
  readonly shardCount?: number
  readonly cluster?: string
  readonly replicas?: number
  readonly retainedVersions?: number
  readonly maxVersionBytes?: number | null
  readonly maxValueBytes?: number
  readonly maxCellVersions?: number
  readonly graceSeconds?: number
  readonly defaultTtlSeconds?: number | null
  readonly defaultDurability?: Durability
  readonly migrationState?: MigrationState
  readonly origin?: string | null
  readonly table?: TableSettings
  readonly cql?: CqlTable
  readonly explode?: ValueLayout | null
}

/** What may be changed of a dataset that exists; what is absent stays. */
export type DatasetPatch = Partial<
  Pick<
    DatasetRecord,
    | 'owner'
    | 'description'
    | 'cluster'
    | 'replicas'
    | 'retainedVersions'
    | 'maxVersionBytes'
    | 'maxValueBytes'
    | 'defaultTtlSeconds'
    | 'graceSeconds'
    | 'defaultDurability'
    | 'table'
    | 'cql'
  > & { readonly explode: ValueLayout | null }
>

export type ClusterDraft = Pick<ClusterRecord, 'name'> & Partial<Pick<ClusterRecord, 'aliases' | 'leaves'>>

/** Called after a change is durable and before the change's promise resolves; null: the dataset is gone. */
export type MetastoreListener = (name: string, record: DatasetRecord | null) => Promise<void>

/** @throws {KVError} when the version cannot be served now */
export type PublishCheck = (dataset: string, versionId: number) => void

/** Makes a version ready to be served; resolves also when that cannot be, which the check then says. */
export type PublishPreparation = (dataset: string, versionId: number) => Promise<void>

/**
 * Every change is compare-and-set on the record's revision, is durable when its promise resolves, writes one audit
 * line in the same transaction, and is refused whole when anything about it is wrong.
 */
export interface Metastore extends CqlMetastore {
  /** Authenticates the tokens that callers carry from page to page: 32 bytes, made once, the same for every gateway. */
  readonly tokenKey: Buffer
  get(name: string): DatasetRecord | null
  list(): readonly DatasetRecord[]
  /** Newest first. */
  audit(limit: number): readonly AuditLine[]

  /** @throws {KVError} INVALID_ARGUMENT, ALREADY_EXISTS, UNSUPPORTED (STREAMING) */
  createDataset(draft: DatasetDraft, change: ChangeContext): Promise<DatasetRecord>
  /** @throws {KVError} DATASET_NOT_FOUND, INVALID_ARGUMENT, CONFLICT, FAILED_PRECONDITION (no such cluster) */
  updateDataset(name: string, patch: DatasetPatch, change: ChangeContext): Promise<DatasetRecord>
  /**
   * The next upload goes to that cluster; `isNow`: the current version is read from there as soon as its copies are, too.
   * @throws {KVError} DATASET_NOT_FOUND, CONFLICT, FAILED_PRECONDITION (no such cluster, too few leaves), UNSUPPORTED
   */
  moveDataset(
    name: string,
    to: { readonly cluster: string; readonly isNow: boolean },
    change: ChangeContext,
  ): Promise<DatasetRecord>
  /** @throws {KVError} DATASET_NOT_FOUND, CONFLICT */
  removeDataset(name: string, change: ChangeContext): Promise<void>
  /** Reserves an id in state LOADING: `givenId`, of no version or a FAILED one, else now in ms or one past the newest. */
  beginVersion(name: string, source: string, change: ChangeContext, givenId?: number): Promise<VersionRecord>
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
  /** Publishes the oldest READY version newer than the current one. @throws {KVError} FAILED_PRECONDITION if none */
  rollForward(name: string, change: ChangeContext): Promise<DatasetRecord>
  /** Serves a READY version to a share of the keys; null ends that. Publishing any version ends it as well. */
  setCanary(name: string, canary: Canary | null, change: ChangeContext): Promise<DatasetRecord>
  /** @throws {KVError} UNSUPPORTED (not BATCH), FAILED_PRECONDITION (no such move), INVALID_ARGUMENT, CONFLICT */
  migrate(name: string, patch: MigrationDecision, change: ChangeContext): Promise<DatasetRecord>
  /** Records a complete copy; `release`: READY -> ARCHIVED, so that the local files go. */
  archiveVersion(
    name: string,
    id: number,
    archive: { readonly url: string; readonly release: boolean },
    change: ChangeContext,
  ): Promise<DatasetRecord>
  /** ARCHIVED -> READY, after its files have been put back. */
  restoreVersion(name: string, id: number, change: ChangeContext): Promise<DatasetRecord>
  /** READY, ARCHIVED or FAILED -> DELETED. @throws {KVError} FAILED_PRECONDITION for CURRENT, LOADING and a canary */
  deleteVersion(name: string, id: number, change: ChangeContext): Promise<DatasetRecord>
  /** Drops the records of DELETED versions whose files are gone; no audit line. */
  forgetVersions(name: string, ids: readonly number[]): Promise<void>

  /** By name or alias; `local`, the gateway's own process, is always there. */
  cluster(name: string): ClusterRecord | null
  clusters(): readonly ClusterRecord[]
  /** Makes it, or replaces what it says. @throws {KVError} INVALID_ARGUMENT, ALREADY_EXISTS (an alias is taken), CONFLICT */
  putCluster(draft: ClusterDraft, change: ChangeContext): Promise<ClusterRecord>
  /** @throws {KVError} FAILED_PRECONDITION while a dataset names it */
  removeCluster(name: string, change: ChangeContext): Promise<void>

  subscribe(listener: MetastoreListener): void
  /** Called like a MetastoreListener when a cluster or a keyspace changed. */
  subscribeClusters(listener: () => Promise<void>): void
  /** `check` is asked before a version becomes CURRENT or a canary, and may refuse; `prepare` is awaited before. */
  guardPublish(check: PublishCheck, prepare?: PublishPreparation): void
  close(): Promise<void>
}

export interface VersionFigures {
  readonly rows: number
  readonly bytes: number
  readonly checksum: string
}
