/**
 * Bodies of RESULT, ERROR and EVENT frames.
 * Source: native_protocol_v4.spec sections 4.2 and 9; ResultSet.java and DataType.java of Cassandra 3.0 for what version 3
 * is told instead.
 */
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import { limits } from '../../../src/base/limits.js'
import { CQL_ERROR_CODES, type CqlError, type CqlErrorCode } from '../cql/errors.js'
import { type CqlType, NATIVE_FACTS, TYPE_OPTIONS, typeClassName } from '../cql/types.js'
import type { ColumnSpec, PreparedStatement, RowsResult, SchemaChange } from '../engine/contract.js'
import { METADATA_FLAGS, RESULT_KINDS } from './constants.js'
import { CqlFrameWriter } from './body-writer.js'

export interface RowsEncoding {
  readonly version: number
  readonly skipsMetadata: boolean
  /** The sealed place of the next page; null: there is none. */
  readonly paging: Buffer | null
}

export function writeRows(writer: CqlFrameWriter, result: RowsResult, encoding: RowsEncoding): void {
  const { columns, rows } = result
  writer.int(RESULT_KINDS.ROWS)
  writeRowsMetadata(writer, columns, encoding)
  writer.int(rows.length)
  for (const row of rows) {
    for (const value of row) writer.bytes(value)
  }
}

export function writeVoid(writer: CqlFrameWriter): void {
  writer.int(RESULT_KINDS.VOID)
}

export function writeSetKeyspace(writer: CqlFrameWriter, keyspace: string): void {
  writer.int(RESULT_KINDS.SET_KEYSPACE)
  writer.string(keyspace)
}

export function writePrepared(
  writer: CqlFrameWriter,
  id: Buffer,
  statement: PreparedStatement,
  version: number,
): void {
  const { variables, partitionKeyIndexes, columns } = statement
  writer.int(RESULT_KINDS.PREPARED)
  writer.shortBytes(id)
  const { flag, bytes } = specsOf(variables, version)
  writer.int(flag)
  writer.int(variables.length)
  if (version >= 4) {
    writer.int(partitionKeyIndexes.length)
    for (const index of partitionKeyIndexes) writer.short(index)
  }
  writer.raw(bytes)
  if (columns === null) {
    writer.int(METADATA_FLAGS.NO_METADATA)
    writer.int(0)
  } else writeRowsMetadata(writer, columns, { version, skipsMetadata: false, paging: null })
}

export function writeSchemaChange(writer: CqlFrameWriter, change: SchemaChange): void {
  writer.int(RESULT_KINDS.SCHEMA_CHANGE)
  writeChange(writer, change)
}

export function writeSchemaEvent(writer: CqlFrameWriter, change: SchemaChange): void {
  writer.string('SCHEMA_CHANGE')
  writeChange(writer, change)
}

function writeChange(writer: CqlFrameWriter, { change, target, keyspace, name }: SchemaChange): void {
  writer.string(change)
  writer.string(target)
  writer.string(keyspace)
  if (name !== null) writer.string(name)
}

function writeRowsMetadata(
  writer: CqlFrameWriter,
  columns: readonly ColumnSpec[],
  { version, skipsMetadata, paging }: RowsEncoding,
): void {
  const { flag, bytes } = specsOf(columns, version)
  const hasMore = paging === null ? 0 : METADATA_FLAGS.HAS_MORE_PAGES
  writer.int(flag | hasMore | (skipsMetadata ? METADATA_FLAGS.NO_METADATA : 0))
  writer.int(columns.length)
  if (paging !== null) writer.bytes(paging)
  if (!skipsMetadata) writer.raw(bytes)
}

/** Columns as the wire has them. */
interface Specs {
  /** GLOBAL_TABLE or 0. */
  readonly flag: number
  readonly bytes: Buffer
}

/** A prepared statement's columns are one list for all of its answers: what they look like is made once a version. */
const known = new WeakMap<readonly ColumnSpec[], Map<number, Specs>>()

function specsOf(columns: readonly ColumnSpec[], version: number): Specs {
  const versions = known.get(columns)
  const made = versions?.get(version)
  if (made !== undefined) return made
  const writer = new CqlFrameWriter(limits.maxCqlFrameBytes)
  const flag = writeSpecs(writer, columns, version)
  const specs = { flag, bytes: Buffer.from(writer.view()) }
  if (versions === undefined) known.set(columns, new Map([[version, specs]]))
  else versions.set(version, specs)
  return specs
}

/** Answers the flag. */
function writeSpecs(writer: CqlFrameWriter, columns: readonly ColumnSpec[], version: number): number {
  const [first] = columns
  if (first === undefined) return 0
  const isGlobal = columns.every(
    (column) => column.table === first.table && column.keyspace === first.keyspace,
  )
  if (isGlobal) {
    writer.string(first.keyspace)
    writer.string(first.table)
  }
  for (const { keyspace, table, name, type } of columns) {
    if (!isGlobal) {
      writer.string(keyspace)
      writer.string(table)
    }
    writer.string(name)
    writeType(writer, type, version)
  }
  return isGlobal ? METADATA_FLAGS.GLOBAL_TABLE : 0
}

function writeType(writer: CqlFrameWriter, type: CqlType, version: number): void {
  switch (type.kind) {
    case 'native': {
      const { option, sinceVersion } = NATIVE_FACTS[type.name]
      if (version < sinceVersion) writeCustom(writer, typeClassName(type))
      else writer.short(option)
      break
    }
    case 'custom':
      writeCustom(writer, type.className)
      break
    case 'list':
    case 'set':
      writer.short(TYPE_OPTIONS[type.kind])
      writeType(writer, type.element, version)
      break
    case 'map':
      writer.short(TYPE_OPTIONS.map)
      writeType(writer, type.key, version)
      writeType(writer, type.value, version)
      break
    case 'tuple':
      writer.short(TYPE_OPTIONS.tuple)
      writer.short(type.elements.length)
      for (const element of type.elements) writeType(writer, element, version)
      break
    case 'user':
      writer.short(TYPE_OPTIONS.user)
      writer.string(type.keyspace)
      writer.string(type.name)
      writer.short(type.fields.length)
      for (const field of type.fields) {
        writer.string(field.name)
        writeType(writer, field.type, version)
      }
  }
}

function writeCustom(writer: CqlFrameWriter, className: string): void {
  writer.short(TYPE_OPTIONS.custom)
  writer.string(className)
}

/** What version 3 is told for codes that it does not know (ErrorMessage.java, getBackwardsCompatibleException). */
const OLDER: Partial<Record<CqlErrorCode, CqlErrorCode>> = {
  READ_FAILURE: 'READ_TIMEOUT',
  WRITE_FAILURE: 'WRITE_TIMEOUT',
  FUNCTION_FAILURE: 'INVALID',
}

const MAX_MESSAGE_LENGTH = 4_096
const LOCAL_ONE = 10

export function writeError(writer: CqlFrameWriter, error: CqlError, version: number): void {
  const code = version < 4 ? (OLDER[error.code] ?? error.code) : error.code
  const { message, details } = error
  writer.int(CQL_ERROR_CODES[code])
  const isLong = message.length > MAX_MESSAGE_LENGTH
  writer.string(isLong ? `${message.slice(0, MAX_MESSAGE_LENGTH)}...` : message)
  const { consistency = LOCAL_ONE, received = 0, required = 1, failures = 1 } = details
  switch (code) {
    case 'UNAVAILABLE':
      writer.short(consistency)
      writer.int(required)
      writer.int(received)
      break
    case 'WRITE_TIMEOUT':
    case 'WRITE_FAILURE':
    case 'READ_TIMEOUT':
    case 'READ_FAILURE':
      writer.short(consistency)
      writer.int(received)
      writer.int(required)
      if (code === 'WRITE_FAILURE' || code === 'READ_FAILURE') writer.int(failures)
      if (code === 'WRITE_FAILURE' || code === 'WRITE_TIMEOUT') writer.string(details.writeType ?? 'SIMPLE')
      else writer.byte(details.isDataPresent === true ? 1 : 0)
      break
    case 'ALREADY_EXISTS':
      writer.string(details.keyspace ?? '')
      writer.string(details.table ?? '')
      break
    case 'UNPREPARED':
      writer.shortBytes(details.preparedId ?? EMPTY_BYTES)
      break
    case 'FUNCTION_FAILURE':
      writer.string(details.keyspace ?? '')
      writer.string('')
      writer.stringList([])
      break
    case 'SERVER_ERROR':
    case 'PROTOCOL_ERROR':
    case 'BAD_CREDENTIALS':
    case 'OVERLOADED':
    case 'IS_BOOTSTRAPPING':
    case 'TRUNCATE_ERROR':
    case 'SYNTAX_ERROR':
    case 'UNAUTHORIZED':
    case 'INVALID':
    case 'CONFIG_ERROR':
      break
  }
}
