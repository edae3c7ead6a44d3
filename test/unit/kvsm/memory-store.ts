/**
 * A MetaStoreBackend in memory that fails on command: for tests of what lies above the store, and beside LMDB
 * in the contract.
 */
import { KVError } from '../../../src/base/errors.js'
import type { MetaStoreBackend, MetaTable, RecordWrite, StoredRecord } from '../../../src/kvsm/store.js'

export class MemoryStore implements MetaStoreBackend {
  readonly name = 'metastore in memory'
  readonly tables: Readonly<Record<MetaTable, Map<string, StoredRecord>>> = {
    dataset: new Map(),
    cluster: new Map(),
    keyspace: new Map(),
    audit: new Map(),
    secret: new Map(),
  }
  /** The next commit fails: before it is applied, or after. */
  failure: 'none' | 'before' | 'after' = 'none'
  /** Every read fails while it is set. */
  isUnreadable = false
  isClosed = false
  commitCount = 0
  #revision = 0

  async get(table: MetaTable, key: string): Promise<StoredRecord | null> {
    await this.#turn()
    return this.tables[table].get(key) ?? null
  }

  async list(table: MetaTable): Promise<readonly StoredRecord[]> {
    await this.#turn()
    return [...this.tables[table].values()].sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async last(table: MetaTable, count: number): Promise<readonly StoredRecord[]> {
    return (await this.list(table)).toReversed().slice(0, count)
  }

  async commit(writes: readonly RecordWrite[]): Promise<number> {
    const { failure } = this
    this.failure = 'none'
    await Promise.resolve()
    if (failure === 'before') throw new KVError('UNAVAILABLE', 'planned failure', { outcome: 'UNKNOWN' })
    for (const { table, key, expectedRevision } of writes) {
      const revision = this.tables[table].get(key)?.revision ?? 0
      if (expectedRevision !== null && expectedRevision !== revision) {
        throw new KVError('CONFLICT', `${table} ${key} is at revision ${revision}`, {
          outcome: 'NOT_APPLIED',
        })
      }
    }
    this.#revision++
    this.commitCount++
    for (const { table, key, value } of writes) {
      if (value === null) this.tables[table].delete(key)
      else this.tables[table].set(key, { key, value, revision: this.#revision })
    }
    if (failure === 'after') throw new KVError('UNAVAILABLE', 'planned failure', { outcome: 'UNKNOWN' })
    return this.#revision
  }

  async close(): Promise<void> {
    await Promise.resolve()
    this.isClosed = true
  }

  async #turn(): Promise<void> {
    await Promise.resolve()
    if (this.isUnreadable) throw new KVError('UNAVAILABLE', 'planned failure')
  }
}
