/**
 * Calls of HBase clients that change tables. Data threads serve the clients and the main thread owns the metastore, so that
 * a call travels: this is what both sides share, and what the main thread does.
 */
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { DatasetRecord, Owner } from '../../src/model/dataset.js'
import type { ColumnFamily } from '../../src/model/table-call.js'
import type { Metastore } from '../../src/model/metastore.js'
import type { TableCall } from '../../src/model/table-call.js'
import { isTable } from './mapping.js'

export type TableMetastore = Pick<Metastore, 'get' | 'createDataset' | 'updateDataset' | 'removeDataset'>

/** What a table's dataset is beyond the defaults: HBase's own limit of a cell is 10 MiB. */
const MAX_VALUE_BYTES = 10 * 1024 * 1024
const MAX_KEPT_VERSIONS = 1_000

export class TableCalls {
  readonly #metastore: TableMetastore
  /** Null: none is configured. */
  readonly #owner: Owner | null

  constructor(metastore: TableMetastore, owner: Owner | null) {
    this.#metastore = metastore
    this.#owner = owner
  }

  /** Resolves when every thread knows of the change. @throws {KVError} as Metastore; UNSUPPORTED without an owner */
  async run(call: TableCall): Promise<void> {
    const owner = this.#owner
    if (owner === null) {
      throw new KVError(
        'UNSUPPORTED',
        'HBase clients may not change tables here: set hbase.owner to who answers for those that they make',
      )
    }
    const record = this.#metastore.get(call.table)
    switch (call.action) {
      case 'create':
        await this.#create(call.table, call.families, { owner, caller: call.caller })
        break
      case 'remove':
        await this.#remove(known(record, call.table), call.caller)
        break
      case 'enable':
        await this.#setDisabled(known(record, call.table), false, call.caller)
        break
      case 'disable':
        await this.#setDisabled(known(record, call.table), true, call.caller)
        break
    }
  }

  async #create(
    name: string,
    families: readonly ColumnFamily[],
    by: { readonly owner: Owner; readonly caller: string },
  ): Promise<void> {
    const kept = Math.max(1, ...families.map(({ maxVersions }) => maxVersions))
    if (kept > MAX_KEPT_VERSIONS) {
      throw new KVError(
        'INVALID_ARGUMENT',
        `${kept} versions of a cell, at most ${MAX_KEPT_VERSIONS} are kept: ask for fewer`,
      )
    }
    await this.#metastore.createDataset(
      {
        name,
        owner: by.owner,
        mode: 'READ_WRITE',
        keyOrder: 'ORDERED',
        timestampUnit: 'MILLISECONDS',
        maxCellVersions: kept,
        maxValueBytes: Math.min(MAX_VALUE_BYTES, limits.maxValueBytes),
        table: { families, isDisabled: false },
      },
      change('createTable', by.caller),
    )
  }

  /** HBase removes only what was disabled before, so that nobody loses a table by one call. */
  async #remove(record: DatasetRecord, caller: string): Promise<void> {
    if (record.table?.isDisabled !== true) {
      throw new KVError(
        'FAILED_PRECONDITION',
        `table ${record.name} is enabled: disable it before it is deleted`,
        { dataset: record.name },
      )
    }
    await this.#metastore.removeDataset(record.name, change('deleteTable', caller))
  }

  async #setDisabled(record: DatasetRecord, isDisabled: boolean, caller: string): Promise<void> {
    if (record.table === undefined) {
      throw new KVError(
        'UNSUPPORTED',
        `dataset ${record.name} was not made by an HBase client: it is neither disabled nor deleted by one`,
        { dataset: record.name },
      )
    }
    const table = { ...record.table, isDisabled }
    await this.#metastore.updateDataset(
      record.name,
      { table },
      change(isDisabled ? 'disableTable' : 'enableTable', caller),
    )
  }
}

function known(record: DatasetRecord | null, table: string): DatasetRecord {
  if (record !== null && isTable(record)) return record
  throw new KVError('DATASET_NOT_FOUND', `no table is named ${table}`, { dataset: table })
}

function change(method: string, caller: string) {
  const actor = `hbase client ${caller}`.trim().slice(0, 256)
  return { actor, reason: `${method} over Thrift`, ifRevision: null, isDryRun: false }
}
