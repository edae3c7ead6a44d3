/**
 * Where KVSM's records lie: small ordered tables of text with compare-and-set over several records at once.
 * The contract is what LMDB and etcd can both give: no sharing of memory, no synchronous reads, no callbacks
 * inside a transaction, and revisions that are the store's own.
 */

/**
 * `dataset`: one record a dataset, by name. `cluster`, `keyspace` (CQL's): one record each, by name. `audit`: one record a
 * change, by its zero-padded sequence number. `secret`: keys of our own, by what they are for; never shown to anybody.
 */
export type MetaTable = 'dataset' | 'cluster' | 'keyspace' | 'audit' | 'secret'

export const META_TABLES: readonly MetaTable[] = ['dataset', 'cluster', 'keyspace', 'audit', 'secret']

export interface StoredRecord {
  /** 1 to 200 characters of printable ASCII; byte order is the table's order. */
  readonly key: string
  readonly value: string
  /** The commit that wrote it: rises from commit to commit over the whole store and is never used twice. */
  readonly revision: number
}

/** One part of a commit. */
export interface RecordWrite {
  readonly table: MetaTable
  readonly key: string
  /** Null deletes the record. */
  readonly value: string | null
  /** What the record's revision must be; 0: it must not exist; null: no condition. */
  readonly expectedRevision: number | null
}

/**
 * Every call may fail with UNAVAILABLE (the store cannot be reached or the disk fails; the next call tries
 * again) and every read with CORRUPT, naming what is damaged.
 */
export interface MetaStoreBackend {
  /** For messages: what it is and where. */
  readonly name: string
  get(table: MetaTable, key: string): Promise<StoredRecord | null>
  /** The whole table in key order, as of one moment. */
  list(table: MetaTable): Promise<readonly StoredRecord[]>
  /** The last `count` records of a table, the greatest key first. */
  last(table: MetaTable, count: number): Promise<readonly StoredRecord[]>
  /**
   * Applies all the writes or none. Answers the revision that every record written now has; it is on stable
   * storage.
   * @throws {KVError} CONFLICT when a record is not at its expected revision: nothing was applied.
   * UNAVAILABLE with its outcome: UNKNOWN means that it may have been applied, so read before going on.
   */
  commit(writes: readonly RecordWrite[]): Promise<number>
  close(): Promise<void>
}
