/** Tables as HBase's clients name and describe them: which datasets they are, their column families, and what is refused. */
import { KVError } from '../../src/base/errors.js'
import type { DatasetEntry } from '../../src/model/cluster-map.js'
import type { DatasetRecord } from '../../src/model/dataset.js'
import type { ColumnFamily } from '../../src/model/table-call.js'
import { TABLE_NOT_ENABLED, TABLE_NOT_FOUND, ioFault, noSuchFamily, runtime } from './hbase-errors.js'
import { isTable } from './mapping.js'

/** What finds datasets: the KVStore and the ClusterMap of the thread. */
export interface Datasets {
  find(name: string): DatasetEntry | undefined
  list(): Iterable<DatasetEntry>
}

/** TableName.isLegalTableQualifierName and isLegalNamespaceName. */
const LEGAL_NAME = /^([\w]+:)?[\w][\w.-]*$/
const DEFAULT_NAMESPACE = 'default:'

export class Table {
  readonly name: string
  readonly record: DatasetRecord
  /** By name; null: it was not made by an HBase client and takes any. */
  readonly families: ReadonlyMap<string, ColumnFamily> | null
  /** A family keeps fewer versions than the dataset, which keeps as many as the one with most. */
  readonly hasShorterFamily: boolean

  constructor(record: DatasetRecord) {
    this.name = record.name
    this.record = record
    this.families =
      record.table === undefined ? null : new Map(record.table.families.map((each) => [each.name, each]))
    const families = record.table?.families ?? []
    this.hasShorterFamily = families.some(({ maxVersions }) => maxVersions < record.maxCellVersions)
  }

  /** @throws {KVError} NoSuchColumnFamilyException */
  checkFamily(family: Buffer): void {
    if (this.families === null || this.families.has(family.toString('utf8'))) return
    throw noSuchFamily(family, this.name)
  }

  /** Of `asked` versions of a column; 0: the table has no such family. */
  versionsOf(family: Buffer, asked: number): number {
    if (this.families === null) return asked
    const settings = this.settingsOf(family)
    return settings === null ? 0 : Math.min(asked, settings.maxVersions)
  }

  /** What the family said when it was made; null: nothing. */
  settingsOf(family: Buffer): ColumnFamily | null {
    return this.families?.get(family.toString('utf8')) ?? null
  }
}

/** Tables of one thread; those that were looked at are kept while their records stay the same. */
export class Tables {
  readonly #datasets: Datasets
  readonly #known = new WeakMap<DatasetRecord, Table>()

  constructor(datasets: Datasets) {
    this.#datasets = datasets
  }

  /** @throws {KVError} TableNotFoundException; TableNotEnabledException */
  open(name: Buffer | null): Table {
    const table = this.find(name)
    if (table.record.table?.isDisabled === true)
      throw ioFault(TABLE_NOT_ENABLED, `${table.name} is disabled.`)
    return table
  }

  /** A disabled one, too. @throws {KVError} TableNotFoundException */
  find(name: Buffer | null): Table {
    const text = legalName(name)
    const record = this.#datasets.find(nameInDefault(text))?.record
    if (record === undefined || !isTable(record)) throw ioFault(TABLE_NOT_FOUND, nameInDefault(text))
    let table = this.#known.get(record)
    if (table === undefined) {
      table = new Table(record)
      this.#known.set(record, table)
    }
    return table
  }

  has(name: Buffer | null): boolean {
    try {
      this.find(name)
      return true
    } catch (error) {
      if (error instanceof KVError) return false
      throw error
    }
  }

  /** In the order of names. */
  list(): Table[] {
    const records = [...this.#datasets.list()].map(({ record }) => record).filter(isTable)
    return records.sort((a, b) => (a.name < b.name ? -1 : 1)).map((record) => new Table(record))
  }
}

/** @throws {KVError} what TableName.valueOf throws, which no handler catches */
export function legalName(name: Buffer | null): string {
  const text = name?.toString('utf8') ?? ''
  if (LEGAL_NAME.test(text)) return text
  throw runtime(`Illegal table name: ${JSON.stringify(text.slice(0, 60))}`)
}

/** `default` is the namespace of names without one, and the only one here. */
export function nameInDefault(name: string): string {
  return name.startsWith(DEFAULT_NAMESPACE) ? name.slice(DEFAULT_NAMESPACE.length) : name
}
