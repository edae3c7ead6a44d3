/**
 * Tables as clients of old APIs know them, HBase's and CQL's, and changes of them that a data thread asks for and the main
 * thread makes. Plain data: it travels.
 */
import type { ChangeContext } from './dataset.js'

/** A column family of a table, as the HBase client said that made it. Only maxVersions and ttlSeconds mean anything here. */
export interface ColumnFamily {
  readonly name: string
  readonly maxVersions: number
  /** Null: values do not expire. */
  readonly ttlSeconds: number | null
  readonly compression: string
  readonly bloomFilter: string
  readonly isInMemory: boolean
  readonly isBlockCached: boolean
}

/** What HBase's Thrift gateways know of a dataset beside the rest. */
export interface TableSettings {
  /** One or more, in byte order of their names. */
  readonly families: readonly ColumnFamily[]
  /** HBase clients are refused its data until it is enabled again. */
  readonly isDisabled: boolean
}

export type TableCall =
  | {
      readonly action: 'create'
      readonly table: string
      readonly families: readonly ColumnFamily[]
      /** Who asks, for the audit log. */
      readonly caller: string
    }
  | { readonly action: 'remove' | 'enable' | 'disable'; readonly table: string; readonly caller: string }

export type CqlColumnKind = 'partition_key' | 'clustering' | 'static' | 'regular'

export interface CqlColumn {
  readonly name: string
  /** As CQL writes it: `map<text, int>`. */
  readonly type: string
  readonly kind: CqlColumnKind
  /** Of a key's part among its kind; -1 for the others. */
  readonly position: number
  /** CLUSTERING ORDER ... DESC. */
  readonly isReversed: boolean
}

export interface CqlIndex {
  readonly name: string
  readonly column: string
  readonly target: 'simple' | 'values' | 'keys' | 'entries' | 'full'
}

/** A dropped column: what was written to it before is not shown when a column of the name is added again. */
export interface CqlDroppedColumn {
  readonly name: string
  readonly type: string
  /** Microseconds since 1970, as text: JSON has no such numbers. */
  readonly droppedAtUs: string
}

export type CqlOptions = Readonly<Record<string, string | Readonly<Record<string, string>>>>

/** What a CQL table is beside its dataset, which is named `keyspace.table`. */
export interface CqlTable {
  readonly keyspace: string
  readonly name: string
  /** A uuid. */
  readonly id: string
  readonly columns: readonly CqlColumn[]
  readonly isCompact: boolean
  /** What WITH said, by name; what it did not say has Cassandra's default. */
  readonly options: CqlOptions
  readonly indexes: readonly CqlIndex[]
  readonly dropped: readonly CqlDroppedColumn[]
}

export interface CqlUserType {
  readonly name: string
  readonly fields: readonly { readonly name: string; readonly type: string }[]
}

export interface CqlKeyspace {
  readonly name: string
  /** As WITH said: `class` and its options. */
  readonly replication: Readonly<Record<string, string>>
  readonly durableWrites: boolean
  readonly types: readonly CqlUserType[]
  readonly revision: number
}

/** All that CQL clients made, in the order of names: what a thread's schema is made of. */
export interface CqlCatalog {
  readonly keyspaces: readonly CqlKeyspace[]
  readonly tables: readonly CqlTable[]
}

/** A statement that changes a schema; the main thread parses it again and decides. */
export interface CqlCall {
  readonly text: string
  /** The connection's; null: none. */
  readonly keyspace: string | null
  /** Who asks, for the audit log. */
  readonly caller: string
}

/** What the statement did; null: nothing, as with IF NOT EXISTS. */
export interface CqlSchemaChange {
  readonly change: 'CREATED' | 'UPDATED' | 'DROPPED'
  readonly target: 'KEYSPACE' | 'TABLE' | 'TYPE'
  readonly keyspace: string
  /** Null for a keyspace. */
  readonly name: string | null
}

/** An answer that CQL has an error for; others are KVErrors. */
export interface CqlRefusal {
  /** One of shims/rocksandra/cql/errors.ts. */
  readonly code: string
  readonly message: string
  readonly keyspace: string
  readonly table: string
}

export type CqlAnswer = { readonly change: CqlSchemaChange | null } | { readonly refusal: CqlRefusal }

/** The part of Metastore that serves CQL alone. */
export interface CqlMetastore {
  /** By name. */
  keyspaces(): readonly CqlKeyspace[]
  /** Makes it, or replaces what it says; the draft's revision means nothing. @throws {KVError} INVALID_ARGUMENT, CONFLICT */
  putKeyspace(keyspace: CqlKeyspace, change: ChangeContext): Promise<CqlKeyspace>
  /** One that is not there is nothing to remove. @throws {KVError} FAILED_PRECONDITION while it has tables, CONFLICT */
  removeKeyspace(name: string, change: ChangeContext): Promise<void>
  /**
   * READ_WRITE: the dataset goes on with data of its own, of which there is none: TRUNCATE.
   * @throws {KVError} DATASET_NOT_FOUND, UNSUPPORTED (BATCH), FAILED_PRECONDITION (it has an origin)
   */
  emptyDataset(name: string, change: ChangeContext): Promise<void>
}
