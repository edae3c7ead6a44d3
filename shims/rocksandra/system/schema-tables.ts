/**
 * Rows of system_schema, as Cassandra 3.0 writes them (SchemaKeyspace.java): what drivers build their metadata from, and
 * cqlsh its DESCRIBE.
 */
import type { CqlOptions } from '../../../src/model/table-call.js'
import { quoteIdentifier, typeText } from '../cql/types.js'
import { javaDouble } from '../cql/values/doubles.js'
import type { Column, KeyspaceSchema, TableSchema } from '../engine/schema.js'
import type { Fields } from './node-tables.js'
import * as values from './values.js'

const { text, int, double, boolean, map, list, set, uuid } = values

const DEFAULT_CACHING = { keys: 'ALL', rows_per_partition: 'NONE' }
const COMPACTION = 'org.apache.cassandra.db.compaction.'
const COMPRESSION = 'org.apache.cassandra.io.compress.'
const DEFAULT_COMPACTION = {
  class: `${COMPACTION}SizeTieredCompactionStrategy`,
  max_threshold: '32',
  min_threshold: '4',
}
const DEFAULT_COMPRESSION = { chunk_length_in_kb: '64', class: `${COMPRESSION}LZ4Compressor` }

export function keyspaceRow({ name, durableWrites, replication }: KeyspaceSchema): Fields {
  return {
    keyspace_name: text(name),
    durable_writes: boolean(durableWrites),
    replication: map(replication),
  }
}

export function tableRows({ tables }: KeyspaceSchema): Fields[] {
  return [...tables.values()].map((table) => {
    const { keyspace, name, id, options } = table
    return {
      keyspace_name: text(keyspace),
      table_name: text(name),
      flags: set(flagsOf(table)),
      id: uuid(id),
      ...optionFields(options),
    }
  })
}

/** Drivers tell COMPACT STORAGE by these. */
function flagsOf({ isCompact, isCounter, clustering }: TableSchema): string[] {
  const isDense = isCompact && clustering.length > 0
  return [
    ...(isCompact && clustering.length < 2 ? [] : ['compound']),
    ...(isDense ? ['dense'] : []),
    ...(isCounter ? ['counter'] : []),
  ]
}

/** What WITH did not say has Cassandra's default. */
function optionFields(options: CqlOptions): Fields {
  const word = (name: string, byDefault: string): string => {
    const value = options[name]
    return typeof value === 'string' ? value : byDefault
  }
  const number = (name: string, byDefault: number): number => Number(word(name, String(byDefault)))
  const fraction = (name: string, byDefault: number): Buffer =>
    double(javaDouble(word(name, '')) ?? byDefault)
  return {
    bloom_filter_fp_chance: fraction('bloom_filter_fp_chance', bloomChance(options)),
    caching: map({ ...DEFAULT_CACHING, ...mapOf(options['caching']) }),
    comment: text(word('comment', '')),
    compaction: map(compactionOf(mapOf(options['compaction']))),
    compression: map(compressionOf(options['compression'])),
    crc_check_chance: fraction('crc_check_chance', 1),
    dclocal_read_repair_chance: fraction('dclocal_read_repair_chance', 0.1),
    default_time_to_live: int(number('default_time_to_live', 0)),
    extensions: map({}),
    gc_grace_seconds: int(number('gc_grace_seconds', 864_000)),
    max_index_interval: int(number('max_index_interval', 2_048)),
    memtable_flush_period_in_ms: int(number('memtable_flush_period_in_ms', 0)),
    min_index_interval: int(number('min_index_interval', 128)),
    purge_ttl_on_expiration: boolean(word('purge_ttl_on_expiration', 'false').toLowerCase() === 'true'),
    read_repair_chance: fraction('read_repair_chance', 0),
    speculative_retry: text(word('speculative_retry', '99PERCENTILE')),
  }
}

/** CompactionParams.defaultBloomFilterFbChance. */
function bloomChance({ compaction }: CqlOptions): number {
  return mapOf(compaction)['class']?.endsWith('LeveledCompactionStrategy') === true ? 0.1 : 0.01
}

type OptionsMap = Readonly<Record<string, string>>

function mapOf(option: CqlOptions[string] | undefined): OptionsMap {
  return typeof option === 'object' ? option : {}
}

function withPackage(name: string, javaPackage: string): string {
  return name.includes('.') ? name : javaPackage + name
}

function compactionOf(options: OptionsMap): OptionsMap {
  const { class: name, ...rest } = options
  if (name === undefined) return { ...DEFAULT_COMPACTION, ...rest }
  const { max_threshold, min_threshold } = DEFAULT_COMPACTION
  const defaults = name.endsWith('LeveledCompactionStrategy') ? {} : { max_threshold, min_threshold }
  return { class: withPackage(name, COMPACTION), ...defaults, ...rest }
}

function compressionOf(option: CqlOptions[string] | undefined): OptionsMap {
  const given = mapOf(option)
  const { class: name, sstable_compression: formerName, enabled, ...others } = given
  const isEmpty = option !== undefined && Object.keys(given).length === 0
  const isDisabled = enabled !== undefined && enabled.toLowerCase() !== 'true'
  const isOff = isDisabled || isEmpty || (name ?? formerName) === ''
  if (isOff) return { enabled: 'false' }
  const className = name ?? formerName
  const chosen = className === undefined ? {} : { class: withPackage(className, COMPRESSION) }
  // Names of before, which 3.0 takes and shows as its own.
  const rest = Object.fromEntries(
    Object.entries(others)
      .filter(([option]) => option !== 'crc_check_chance')
      .map(([option, value]) => [option === 'chunk_length_kb' ? 'chunk_length_in_kb' : option, value]),
  )
  return { ...DEFAULT_COMPRESSION, ...rest, ...chosen }
}

export function columnRows({ tables }: KeyspaceSchema): Fields[] {
  return [...tables.values()].flatMap((table) => {
    const { isCompact, clustering } = table
    const isStaticCompact = isCompact && clustering.length === 0
    const shown = table.columns.map((column) => shownColumn(column, isStaticCompact))
    return [...shown, ...hiddenColumns(table)].map((column) => columnRow(table, column))
  })
}

interface ShownColumn {
  readonly name: string
  readonly type: string
  readonly kind: string
  readonly position: number
  readonly order: 'asc' | 'desc' | 'none'
}

/** Where a compact table has no clustering, Cassandra keeps its columns as static ones; drivers expect that. */
function shownColumn(
  { name, type, kind, position, isReversed }: Column,
  isStaticCompact: boolean,
): ShownColumn {
  const order = kind !== 'clustering' ? 'none' : isReversed ? 'desc' : 'asc'
  const shownKind = isStaticCompact && kind === 'regular' ? 'static' : kind
  return { name, type: typeText(type), kind: shownKind, position, order }
}

/** What Cassandra's compact tables have beside their columns, under names that no column has. */
function hiddenColumns({ isCompact, clustering, regulars, byName }: TableSchema): ShownColumn[] {
  if (!isCompact || (clustering.length > 0 && regulars.length > 0)) return []
  const freeName = (name: string): string => {
    let free = name
    for (let number = 1; byName.has(free); number++) free = `${name}${number}`
    return free
  }
  const value = { name: freeName('value'), kind: 'regular', position: -1, order: 'none' } as const
  if (clustering.length > 0) return [{ ...value, type: 'empty' }]
  const name = { name: freeName('column1'), kind: 'clustering', position: 0, order: 'asc' } as const
  return [
    { ...name, type: 'text' },
    { ...value, type: 'blob' },
  ]
}

function columnRow(table: TableSchema, { name, type, kind, position, order }: ShownColumn): Fields {
  return {
    keyspace_name: text(table.keyspace),
    table_name: text(table.name),
    column_name: text(name),
    clustering_order: text(order),
    column_name_bytes: text(name),
    kind: text(kind),
    position: int(position),
    type: text(type),
  }
}

export function droppedColumnRows({ tables }: KeyspaceSchema): Fields[] {
  return [...tables.values()].flatMap((table) =>
    table.dropped.map(({ name, type, droppedAtUs }) => ({
      keyspace_name: text(table.keyspace),
      table_name: text(table.name),
      column_name: text(name),
      dropped_time: values.timestamp(BigInt(droppedAtUs)),
      type: text(type),
    })),
  )
}

export function typeRows({ name: keyspace, types }: KeyspaceSchema): Fields[] {
  return [...types.values()].map(({ name, fields }) => ({
    keyspace_name: text(keyspace),
    type_name: text(name),
    field_names: list(fields.map((field) => field.name)),
    field_types: list(fields.map((field) => typeText(field.type))),
  }))
}

/** As IndexTarget.asCqlString. */
function targetText(target: string, column: string): string {
  return target === 'simple' ? column : `${target}(${column})`
}

export function indexRows({ tables }: KeyspaceSchema): Fields[] {
  return [...tables.values()].flatMap((table) =>
    table.indexes.map(({ name, column, target }) => ({
      keyspace_name: text(table.keyspace),
      table_name: text(table.name),
      index_name: text(name),
      kind: text(table.isCompact ? 'KEYS' : 'COMPOSITES'),
      options: map({ target: targetText(target, quoteIdentifier(column)) }),
    })),
  )
}
