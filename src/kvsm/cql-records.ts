/**
 * What records say of CQL's keyspaces and tables: the checks of their shape. What a schema may be is decided where CQL is
 * known (shims/rocksandra/engine); here only what would break whoever reads a record.
 */
import type { CqlColumn, CqlIndex, CqlKeyspace, CqlTable, CqlUserType } from '../model/table-call.js'

/** Schema.NAME_LENGTH of Cassandra, which made names of files of them. */
const NAME_PATTERN = /^\w{1,48}$/
export const CQL_NAME_RULE = 'names have 1 to 48 of A-Z a-z 0-9 _'

/** Cassandra has no such bounds; a record is one value of the metastore and is sent to every thread. */
const MAX_COLUMNS = 2_000
const MAX_TYPES = 1_000
const MAX_TEXT_LENGTH = 65_535

const COLUMN_KINDS = ['partition_key', 'clustering', 'static', 'regular']
const INDEX_TARGETS = ['simple', 'values', 'keys', 'entries', 'full']

type Given<T> = Readonly<Record<keyof T, unknown>>

/** The settings; what is wrong is added to `faults`. */
export function readCqlTable(value: unknown, faults: string[]): { readonly cql?: CqlTable } {
  if (value === undefined) return {}
  if (isCqlTable(value)) return { cql: value }
  faults.push(`cql must be a table of 1 to ${MAX_COLUMNS} columns, whose ${CQL_NAME_RULE}`)
  return {}
}

export function isCqlTableOrAbsent(value: unknown): boolean {
  return value === undefined || isCqlTable(value)
}

export function isKeyspace(value: unknown): value is CqlKeyspace {
  if (!isObject(value)) return false
  const { name, replication, durableWrites, types } = value as Given<CqlKeyspace>
  return (
    isName(name) &&
    isTextMap(replication) &&
    typeof durableWrites === 'boolean' &&
    isListOf(types, isUserType, MAX_TYPES)
  )
}

/** Records are handed out by reference; nobody may change one. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) deepFreeze(part)
  return Object.freeze(value)
}

function isCqlTable(value: unknown): value is CqlTable {
  if (!isObject(value)) return false
  const { keyspace, name, id, columns, isCompact, options, indexes, dropped } = value as Given<CqlTable>
  return (
    isName(keyspace) &&
    isName(name) &&
    isText(id) &&
    isListOf(columns, isColumn, MAX_COLUMNS) &&
    typeof isCompact === 'boolean' &&
    isObject(options) &&
    Object.values(options).every((option) => isText(option) || isTextMap(option)) &&
    isListOf(indexes, isIndex, MAX_COLUMNS) &&
    isListOf(dropped, isDropped, MAX_COLUMNS)
  )
}

function isColumn(value: unknown): boolean {
  if (!isObject(value)) return false
  const { name, type, kind, position, isReversed } = value as Given<CqlColumn>
  return (
    isText(name) &&
    isText(type) &&
    COLUMN_KINDS.includes(String(kind)) &&
    Number.isSafeInteger(position) &&
    typeof isReversed === 'boolean'
  )
}

function isIndex(value: unknown): boolean {
  if (!isObject(value)) return false
  const { name, column, target } = value as Given<CqlIndex>
  return isText(name) && isText(column) && INDEX_TARGETS.includes(String(target))
}

function isDropped(value: unknown): boolean {
  return (
    isObject(value) &&
    isText(value['name']) &&
    isText(value['type']) &&
    /^-?\d{1,19}$/.test(String(value['droppedAtUs']))
  )
}

function isUserType(value: unknown): boolean {
  if (!isObject(value)) return false
  const { name, fields } = value as Given<CqlUserType>
  const isField = (field: unknown): boolean =>
    isObject(field) && isText(field['name']) && isText(field['type'])
  // A user type's name was no file's, and may be anything in quotes.
  return isText(name) && name !== '' && isListOf(fields, isField, MAX_COLUMNS)
}

function isListOf(value: unknown, isOne: (one: unknown) => boolean, most: number): boolean {
  return Array.isArray(value) && value.length <= most && value.every(isOne)
}

function isTextMap(value: unknown): boolean {
  return isObject(value) && Object.values(value).every(isText)
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && NAME_PATTERN.test(value)
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_TEXT_LENGTH
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
