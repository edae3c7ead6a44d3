/** What the metastore knows of a dataset. Records are plain data: they travel between threads and to disk. */
import type { ValueLayout } from '../base/thrift-layout.js'
import type { Migration, MigrationState } from './migration.js'
import type { CqlTable, TableSettings } from './table-call.js'

export type DatasetMode = 'BATCH' | 'READ_WRITE' | 'STREAMING'
export type KeyOrder = 'HASHED' | 'ORDERED'
export type TimestampUnit = 'MICROSECONDS' | 'MILLISECONDS' | 'OPAQUE'

/** Levels that a leaf of its own can give; the others of the IDL are UNSUPPORTED or given as one of these. */
export type Durability = 'LOG' | 'LOG_SYNCED'

/**
 * LOADING is written by a load; READY can be published; CURRENT is served; ARCHIVED lies in object storage alone and can be
 * restored; FAILED and DELETED only await removal.
 */
export type VersionState = 'LOADING' | 'READY' | 'CURRENT' | 'ARCHIVED' | 'FAILED' | 'DELETED'

export interface Owner {
  /** Team or service that answers for the dataset; required. */
  readonly name: string
  readonly contact: string
}

/** One upload of a BATCH dataset. */
export interface VersionRecord {
  /** Its upload's time, milliseconds since 1970; unique and rising within the dataset. */
  readonly id: number
  readonly state: VersionState
  readonly rows: number
  readonly bytes: number
  /** Hex digest over the content, independent of the order in which rows were loaded. */
  readonly checksum: string
  readonly source: string
  readonly loadedBy: string
  readonly createdAtMs: number
  /** URL of its copy in object storage; null: it has none. */
  readonly archive: string | null
  /** URLs of earlier copies that were not removed; absent: there are none. */
  readonly formerArchives?: readonly string[]
  /** Name of the cluster that serves it; absent: the gateway's own process. */
  readonly cluster?: string
}

/** URLs of all copies of a version, the newest first. */
export function copiesOf({ archive, formerArchives = [] }: VersionRecord): readonly string[] {
  return archive === null ? formerArchives : [archive, ...formerArchives]
}

/** A version that a share of the keys is served from before all are. */
export interface Canary {
  readonly versionId: number
  /** Of the row keys, in hundredths of a percent: 1 to 9,999. */
  readonly share: number
}

/** A leaf process of a cluster. */
export interface LeafRecord {
  readonly name: string
  /** `http://host:port`, without a path. */
  readonly url: string
}

/** A named group of leaves; one without leaves is the gateway's own process. */
export interface ClusterRecord {
  readonly name: string
  /** Former names, under which it is still found. */
  readonly aliases: readonly string[]
  readonly leaves: readonly LeafRecord[]
  readonly createdAtMs: number
  readonly revision: number
}

export interface DatasetRecord {
  /** Directory name and identity; never reused, unlike the name. */
  readonly id: string
  readonly name: string
  readonly owner: Owner
  readonly description: string
  readonly mode: DatasetMode
  readonly keyOrder: KeyOrder
  readonly timestampUnit: TimestampUnit
  /** Shards of the key space, 1 to 1,024; fixed at creation. */
  readonly shardCount: number
  /** Name of the cluster that serves it; for BATCH datasets of the one that serves its next upload. */
  readonly cluster: string
  /** BATCH: leaves that hold each shard, 1 to 5; no more than the cluster has. */
  readonly replicas: number
  /** BATCH: versions kept, 1 to 10. */
  readonly retainedVersions: number
  /** BATCH: the version that a share of the keys is served from; null: none. */
  readonly canary: Canary | null
  /** BATCH: bytes that a version may have on disk; null: no limit. */
  readonly maxVersionBytes: number | null
  readonly maxValueBytes: number
  /** READ_WRITE: applied to cells written without a TTL; null: none. */
  readonly defaultTtlSeconds: number | null
  /** READ_WRITE: newest versions of a cell that are kept, 1 to 1,000; more than 1 makes its format `history`. Fixed. */
  readonly maxCellVersions: number
  /** Absent: it was not made by an HBase client, and any column family is taken. */
  readonly table?: TableSettings
  /** Absent: it was not made by a CQL client. */
  readonly cql?: CqlTable
  /** BATCH: what the values of HFiles are, in loads that say nothing else; absent: they stay as they are. */
  readonly explode?: ValueLayout
  /** READ_WRITE: deletions and what they cover are kept so long, for writes that come late, before they are purged. */
  readonly graceSeconds: number
  /** READ_WRITE: promise of an acknowledgement that asks for none. */
  readonly defaultDurability: Durability
  readonly migrationState: MigrationState
  /** Name of the configured origin; null unless the migration state needs one. */
  readonly origin: string | null
  /** Absent: nothing was dialled. */
  readonly migration?: Migration
  /** READ_WRITE: directory generation of the live data; rises when it is rebuilt. */
  readonly generation: number
  /** BATCH: newest first. */
  readonly versions: readonly VersionRecord[]
  readonly createdAtMs: number
  /** Compare-and-set token: rises with every change of this record. */
  readonly revision: number
}

/** Who changes metadata and why; both go to the audit log. */
export interface ChangeContext {
  readonly actor: string
  readonly reason: string
  /** The revision the actor saw; null: whatever it is now. A different one answers CONFLICT. */
  readonly ifRevision: number | null
  /** Check everything, change nothing. */
  readonly isDryRun: boolean
  /** Id of the dataset that is meant: another of its name answers DATASET_NOT_FOUND. Absent: whichever has the name. */
  readonly datasetId?: string
}

export interface AuditLine {
  readonly sequence: number
  readonly atMs: number
  readonly actor: string
  readonly reason: string
  readonly action: string
  readonly dataset: string
  readonly detail: string
}
