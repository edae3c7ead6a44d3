/**
 * The system tables as the engine selects from them: rows are made when they are asked for, from the ring and from the
 * schema that the thread knows at that moment. SELECT, with all that it can, is the engine's.
 */
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import { murmur3Token } from '../../../src/base/hash.js'
import { uuidText } from '../cql/values/uuids.js'
import type { VirtualTable } from '../engine/contract.js'
import { type Schema, type TableSchema, tableSchema, typeOfText } from '../engine/schema.js'
import * as definitions from './definitions.js'
import { type Fields, localRow, peerRows } from './node-tables.js'
import { type Ring, type RingSettings, ringOf } from './ring.js'
import * as schemaRows from './schema-tables.js'
import { namedUuid } from './values.js'

export interface SystemTablesOptions {
  readonly settings: RingSettings
  /** The newest of this thread. */
  readonly schema: () => Schema
}

const NO_TYPES = new Map<string, never>()

/** All of them, for the engine. */
export function systemTables({ settings, schema }: SystemTablesOptions): VirtualTable[] {
  const ring: Ring = ringOf(settings)
  const keyspaces = () => [...schema().keyspaces.values()]
  return [
    virtual(definitions.LOCAL, () => [localRow(settings, ring, schema().version)]),
    virtual(definitions.PEERS, () => peerRows(settings, ring, schema().version)),
    virtual(definitions.KEYSPACES, () => keyspaces().map(schemaRows.keyspaceRow)),
    virtual(definitions.TABLES, () => keyspaces().flatMap(schemaRows.tableRows)),
    virtual(definitions.COLUMNS, () => keyspaces().flatMap(schemaRows.columnRows)),
    virtual(definitions.DROPPED_COLUMNS, () => keyspaces().flatMap(schemaRows.droppedColumnRows)),
    virtual(definitions.TYPES, () => keyspaces().flatMap(schemaRows.typeRows)),
    virtual(definitions.INDEXES, () => keyspaces().flatMap(schemaRows.indexRows)),
    ...definitions.EMPTY_TABLES.map((table) => virtual(table, () => [])),
  ]
}

function virtual(table: definitions.SystemTable, rowsOf: () => Fields[]): VirtualTable {
  const schema = schemaOf(table)
  const order = inScanOrder(schema)
  const rowOf = (fields: Fields): VirtualRow => schema.columns.map(({ name }) => fields[name] ?? null)
  return { schema, rows: () => rowsOf().map(rowOf).sort(order) }
}

/** Its columns, for the engine. */
function schemaOf({ keyspace, name, key, columns, isCompact = false }: definitions.SystemTable): TableSchema {
  const { partition, clustering = [] } = key
  return tableSchema({
    keyspace,
    name,
    // As CFMetaData.generateLegacyCfId: the same on every node.
    id: uuidText(namedUuid(Buffer.from(keyspace + name))),
    isCompact,
    columns: Object.entries(columns).map(([column, type]) => {
      const ofPartition = partition.indexOf(column)
      const ofClustering = clustering.indexOf(column)
      const kind = ofPartition >= 0 ? 'partition_key' : ofClustering >= 0 ? 'clustering' : 'regular'
      const position = Math.max(ofPartition, ofClustering)
      return { name: column, type: typeOfText(type, keyspace, NO_TYPES), kind, position }
    }),
  })
}

type VirtualRow = readonly (Buffer | null)[]

/** By the partition key's token, then by clustering columns, all of which are compared by their bytes. */
function inScanOrder({ clustering }: TableSchema): (a: VirtualRow, b: VirtualRow) => number {
  const last = clustering.length
  return (a, b) => {
    const tokens = compareTokens(keyOf(a, 0), keyOf(b, 0))
    if (tokens !== 0) return tokens
    for (let index = 0; index <= last; index++) {
      const order = keyOf(a, index).compare(keyOf(b, index))
      if (order !== 0) return order
    }
    return 0
  }
}

/** Those that are filled have one column in their partition keys. */
function keyOf(row: VirtualRow, index: number): Buffer {
  return row[index] ?? EMPTY_BYTES
}

function compareTokens(one: Buffer, other: Buffer): number {
  if (one.equals(other)) return 0
  const [a, b] = [murmur3Token(one), murmur3Token(other)]
  return a.high === b.high ? (a.low >>> 0) - (b.low >>> 0) : a.high - b.high
}
