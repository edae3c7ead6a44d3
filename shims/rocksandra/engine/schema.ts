/**
 * Schemas as the engine works with them: tables with their columns resolved to types, found by name. Made of what KVSM
 * keeps (src/model/table-call.ts), which every thread has in its ClusterMap.
 *
 * A table is the dataset `keyspace.table`. Keyspaces and tables that lie nowhere (`system`) are joined to those of KVSM.
 */
import { createHash } from 'node:crypto'
import type { ClusterMap } from '../../../src/model/cluster-map.js'
import type { CqlColumnKind, CqlDroppedColumn, CqlIndex } from '../../../src/model/table-call.js'
import type { CqlCatalog, CqlKeyspace, CqlOptions, CqlTable } from '../../../src/model/table-call.js'
import { CqlError } from '../cql/errors.js'
import { parseTypeName } from '../cql/parser.js'
import { type CqlType, type UserType, isCounter, isMultiCell, resolveType } from '../cql/types.js'
import type { VirtualTable } from './contract.js'

export interface Column {
  readonly name: string
  readonly type: CqlType
  readonly kind: CqlColumnKind
  /** Of a key's part among its kind; -1 for the others. */
  readonly position: number
  readonly isReversed: boolean
  /** Its place in the table's columns. */
  readonly index: number
  /** The name in a local key. */
  readonly localName: Buffer
  /** A cell an element. */
  readonly isMultiCell: boolean
  /** Cells written at or before this are those of a dropped column of the name; null: there was none. */
  readonly droppedAtUs: bigint | null
}

export interface TableSchema {
  readonly keyspace: string
  readonly name: string
  readonly id: string
  /** As `SELECT *` answers them: partition key, clustering, statics by name, collections last, others by name. */
  readonly columns: readonly Column[]
  readonly partitionKey: readonly Column[]
  readonly clustering: readonly Column[]
  readonly statics: readonly Column[]
  readonly regulars: readonly Column[]
  readonly byName: ReadonlyMap<string, Column>
  readonly isCompact: boolean
  readonly isCounter: boolean
  readonly options: CqlOptions
  readonly indexes: readonly CqlIndex[]
  readonly dropped: readonly CqlDroppedColumn[]
  /** Seconds; 0: none. */
  readonly defaultTtl: number
  /** Null: its rows lie nowhere. */
  readonly virtual: VirtualTable | null
}

export interface KeyspaceSchema {
  readonly name: string
  readonly replication: Readonly<Record<string, string>>
  readonly durableWrites: boolean
  readonly types: ReadonlyMap<string, UserType>
  readonly tables: ReadonlyMap<string, TableSchema>
  /** Made by this gateway: no statement changes it. */
  readonly isVirtual: boolean
}

export interface Schema {
  /** By name, in byte order. */
  readonly keyspaces: ReadonlyMap<string, KeyspaceSchema>
  /** A uuid that says what the schema is: the same on every gateway that has the same one. */
  readonly version: string
}

/** The dataset of a table. */
export function datasetName({
  keyspace,
  name,
}: {
  readonly keyspace: string
  readonly name: string
}): string {
  return `${keyspace}.${name}`
}

/** Whether there is a table of that dataset. */
export function isTableOf({ keyspaces }: Schema, dataset: string): boolean {
  const dot = dataset.indexOf('.')
  return keyspaces.get(dataset.slice(0, dot))?.tables.has(dataset.slice(dot + 1)) === true
}

export interface TableDraft {
  readonly keyspace: string
  readonly name: string
  readonly id: string
  readonly columns: readonly {
    readonly name: string
    readonly type: CqlType
    readonly kind: CqlColumnKind
    readonly position?: number
    readonly isReversed?: boolean
  }[]
  readonly isCompact?: boolean
  readonly options?: CqlOptions
  readonly indexes?: readonly CqlIndex[]
  readonly dropped?: readonly CqlDroppedColumn[]
  readonly virtual?: VirtualTable
}

/** The columns may be given in any order; key columns need their positions. */
export function tableSchema(draft: TableDraft): TableSchema {
  const { dropped = [], options = {} } = draft
  const byKind = (kind: CqlColumnKind) => draft.columns.filter((column) => column.kind === kind)
  const byPosition = (kind: CqlColumnKind) =>
    byKind(kind).sort((a, b) => (a.position ?? -1) - (b.position ?? -1))
  const byName = (kind: CqlColumnKind) =>
    byKind(kind).sort((a, b) => Buffer.from(a.name).compare(Buffer.from(b.name)))
  // 3.0 takes collections among static columns last, and among others by name as well (Columns.selectOrderIterator).
  const statics = byName('static')
  const isSimple = ({ type }: { readonly type: CqlType }) => !isMultiCell(type)
  const ordered = [
    ...byPosition('partition_key'),
    ...byPosition('clustering'),
    ...statics.filter(isSimple),
    ...statics.filter((column) => !isSimple(column)),
    ...byName('regular'),
  ]
  const columns = ordered.map(({ name, type, kind, position = -1, isReversed = false }, index): Column => {
    const former = dropped.find((one) => one.name === name)
    return {
      ...{ name, type, kind, position, isReversed, index },
      localName: Buffer.from(name, 'utf8'),
      isMultiCell: isMultiCell(type),
      droppedAtUs: former === undefined ? null : BigInt(former.droppedAtUs),
    }
  })
  const ofKind = (kind: CqlColumnKind) => columns.filter((column) => column.kind === kind)
  return {
    ...{ keyspace: draft.keyspace, name: draft.name, id: draft.id, columns, options, dropped },
    partitionKey: ofKind('partition_key'),
    clustering: ofKind('clustering'),
    statics: ofKind('static'),
    regulars: ofKind('regular'),
    byName: new Map(columns.map((column) => [column.name, column])),
    isCompact: draft.isCompact ?? false,
    isCounter: columns.some(({ type }) => isCounter(type)) || dropped.some(({ type }) => type === 'counter'),
    indexes: draft.indexes ?? [],
    defaultTtl: Number(options['default_time_to_live'] ?? 0),
    virtual: draft.virtual ?? null,
  }
}

/** A type of a record, as text. One that does not resolve any more is bytes to whoever reads it. */
export function typeOfText(
  text: string,
  keyspace: string,
  types: Pick<ReadonlyMap<string, UserType>, 'get'>,
): CqlType {
  try {
    return resolveType(parseTypeName(text), keyspace, (_, name) => types.get(name) ?? null)
  } catch (error) {
    if (!(error instanceof CqlError)) throw error
    return { kind: 'custom', className: text }
  }
}

/** By name, in the order of their creation. A type may be made of later ones, by fields that were added; never of itself. */
export function userTypes({ name: keyspace, types }: CqlKeyspace): Map<string, UserType> {
  const resolved = new Map<string, UserType>()
  const pending = new Map(types.map((type) => [type.name, type]))
  const lookup = {
    get: (name: string): UserType | undefined => {
      const type = pending.get(name)
      if (type === undefined) return resolved.get(name)
      pending.delete(name)
      const fields = type.fields.map((field) => ({
        name: field.name,
        type: typeOfText(field.type, keyspace, lookup),
      }))
      const made: UserType = { kind: 'user', keyspace, name, fields }
      resolved.set(name, made)
      return made
    },
  }
  return new Map(
    types.flatMap(({ name }) => {
      const type = lookup.get(name)
      return type === undefined ? [] : [[name, type] as const]
    }),
  )
}

function tableOfRecord(record: CqlTable, types: ReadonlyMap<string, UserType>): TableSchema {
  const columns = record.columns.map((column) => ({
    ...column,
    type: typeOfText(column.type, record.keyspace, types),
  }))
  return tableSchema({ ...record, columns })
}

/** Those of virtual tables, which each gateway makes by itself. */
function virtualKeyspaces(tables: readonly VirtualTable[]): KeyspaceSchema[] {
  const names = [...new Set(tables.map(({ schema }) => schema.keyspace))].sort()
  return names.map((name) => ({
    name,
    replication: { class: 'org.apache.cassandra.locator.LocalStrategy' },
    durableWrites: true,
    types: new Map(),
    tables: new Map(
      tables
        .filter(({ schema }) => schema.keyspace === name)
        .map((table) => [table.schema.name, { ...table.schema, virtual: table }]),
    ),
    isVirtual: true,
  }))
}

/** The schema of one thread, made anew when the ClusterMap says something else of CQL. */
export class SchemaView {
  readonly #mapOf: () => ClusterMap
  readonly #virtual: readonly KeyspaceSchema[]
  #catalog: CqlCatalog | null = null
  /** By what they are made of, as text: a table stays the same object while others change. */
  #tables = new Map<string, TableSchema>()
  #schema: Schema = { keyspaces: new Map(), version: '' }

  constructor(mapOf: () => ClusterMap, virtual: readonly VirtualTable[]) {
    this.#mapOf = mapOf
    this.#virtual = virtualKeyspaces(virtual)
  }

  current(): Schema {
    const catalog = this.#mapOf().cql ?? NOTHING
    if (catalog === this.#catalog) return this.#schema
    const version = versionOf(catalog)
    if (version !== this.#schema.version) this.#schema = { keyspaces: this.#keyspacesOf(catalog), version }
    this.#catalog = catalog
    return this.#schema
  }

  /** A table whose keyspace is gone is none. */
  #keyspacesOf({ keyspaces, tables }: CqlCatalog): ReadonlyMap<string, KeyspaceSchema> {
    const known = this.#tables
    this.#tables = new Map()
    const stored = keyspaces.map((record): KeyspaceSchema => {
      const { name, replication, durableWrites } = record
      const types = userTypes(record)
      const own = tables.filter(({ keyspace }) => keyspace === name)
      return {
        ...{ name, replication, durableWrites, types },
        tables: new Map(
          own.map((table) => {
            const text = JSON.stringify([table, record.types])
            const schema = known.get(text) ?? tableOfRecord(table, types)
            this.#tables.set(text, schema)
            return [table.name, schema]
          }),
        ),
        isVirtual: false,
      }
    })
    const all = [...stored, ...this.#virtual].sort((a, b) => (a.name < b.name ? -1 : 1))
    return new Map(all.map((keyspace) => [keyspace.name, keyspace]))
  }
}

const NOTHING: CqlCatalog = { keyspaces: [], tables: [] }

/** As Java's UUID.nameUUIDFromBytes, which Cassandra makes it with; of our own records, not of its tables. */
function versionOf({ keyspaces, tables }: CqlCatalog): string {
  const unversioned = keyspaces.map((keyspace) => ({ ...keyspace, revision: 0 }))
  const digest = createHash('md5')
    .update(JSON.stringify([unversioned, tables]))
    .digest()
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x30
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80
  const hex = digest.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
