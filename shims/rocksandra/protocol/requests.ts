/**
 * Bodies of requests: bytes -> what is asked for. Reads and checks; looks nothing up.
 * Source: native_protocol_v4.spec section 4.1, and QueryOptions, BatchMessage and StartupMessage of Cassandra 3.0, whose
 * order of the parameters and whose texts these are.
 */
import { limits } from '../../../src/base/limits.js'
import { cutText } from '../../../src/base/text.js'
import { CqlError } from '../cql/errors.js'
import type { BatchRequest, BoundValue, QueryOptions } from '../engine/contract.js'
import { type CqlBodyReader, protocolError } from './body-reader.js'
import { QUERY_FLAGS } from './constants.js'

/** What follows a statement. */
export interface QueryParameters extends QueryOptions {
  /** The client knows the columns from PREPARE. */
  readonly skipsMetadata: boolean
}

/** Statement of a batch: its text, or the id of a prepared one. */
export interface BatchPart {
  readonly text: string | null
  readonly preparedId: Buffer | null
  readonly values: readonly BoundValue[]
}

export interface BatchBody {
  readonly type: BatchRequest['type']
  readonly parts: readonly BatchPart[]
  readonly options: QueryOptions
}

const BATCH_TYPES = ['LOGGED', 'UNLOGGED', 'COUNTER'] as const
const NO_VALUES: readonly BoundValue[] = []
const MIN_TIMESTAMP = -(2n ** 63n)

/** What is read beside the bytes. */
export interface RequestFrame {
  readonly version: number
  /** As in QueryOptions. */
  readonly deadline: number
}

/** Of QUERY and EXECUTE. @throws {CqlError} PROTOCOL_ERROR */
export function readParameters(reader: CqlBodyReader, { version, deadline }: RequestFrame): QueryParameters {
  const consistency = reader.consistency()
  const flags = reader.byte()
  let names: string[] | null = null
  let values = NO_VALUES
  if ((flags & QUERY_FLAGS.VALUES) !== 0) {
    names = (flags & QUERY_FLAGS.NAMES) === 0 ? null : []
    values = readValues(reader, version, names)
  }
  const pageSize = (flags & QUERY_FLAGS.PAGE_SIZE) === 0 ? -1 : reader.int()
  const paging = (flags & QUERY_FLAGS.PAGING_STATE) === 0 ? null : reader.bytes()
  const { serialConsistency, timestamp } = readTail(reader, flags)
  if (pageSize === 0) throw protocolError('The page size cannot be 0')
  return {
    consistency,
    serialConsistency,
    timestamp,
    values,
    names,
    pageSize: pageSize < 0 ? null : pageSize,
    paging,
    deadline,
    skipsMetadata: (flags & QUERY_FLAGS.SKIP_METADATA) !== 0,
  }
}

/** @throws {CqlError} PROTOCOL_ERROR; INVALID when it has more statements than may be */
export function readBatch(reader: CqlBodyReader, frame: RequestFrame): BatchBody {
  const typeNumber = reader.byte()
  const type = BATCH_TYPES[typeNumber]
  if (type === undefined) throw protocolError(`Invalid BATCH message type ${typeNumber}`)
  const count = reader.short()
  if (count > limits.maxCqlBatchStatements) {
    const most = limits.maxCqlBatchStatements
    throw new CqlError('INVALID', `Batch too large: ${count} statements, at most ${most} are taken`)
  }
  const parts: BatchPart[] = []
  for (let index = 0; index < count; index++) parts.push(readPart(reader, frame.version))
  const consistency = reader.consistency()
  const flags = reader.byte()
  // The format has the names behind the values that they are needed for: nobody can use them (CASSANDRA-10246).
  if ((flags & QUERY_FLAGS.NAMES) !== 0)
    throw protocolError('Named values are not supported in BATCH messages')
  const rest = readTail(reader, flags)
  const options = { values: NO_VALUES, names: null, pageSize: null, paging: null, deadline: frame.deadline }
  return { type, parts, options: { consistency, ...rest, ...options } }
}

function readPart(reader: CqlBodyReader, version: number): BatchPart {
  const kind = reader.byte()
  if (kind > 1) throw protocolError(`Invalid query kind in BATCH messages. Must be 0 or 1 but got ${kind}`)
  const text = kind === 0 ? reader.longString() : null
  const preparedId = kind === 1 ? reader.shortBytes() : null
  return { text, preparedId, values: readValues(reader, version, null) }
}

function readValues(reader: CqlBodyReader, version: number, names: string[] | null): readonly BoundValue[] {
  const count = reader.short()
  if (count === 0) return NO_VALUES
  const values: BoundValue[] = []
  for (let index = 0; index < count; index++) {
    names?.push(reader.string())
    values.push(reader.value(version))
  }
  return values
}

function readTail(
  reader: CqlBodyReader,
  flags: number,
): Pick<QueryOptions, 'serialConsistency' | 'timestamp'> {
  const serialConsistency = (flags & QUERY_FLAGS.SERIAL_CONSISTENCY) === 0 ? null : reader.consistency()
  if ((flags & QUERY_FLAGS.TIMESTAMP) === 0) return { serialConsistency, timestamp: null }
  const timestamp = reader.long()
  if (timestamp === MIN_TIMESTAMP) {
    const bounds = `must be in [${MIN_TIMESTAMP + 1n}, ${-MIN_TIMESTAMP - 1n}] (got ${MIN_TIMESTAMP})`
    throw protocolError(`Out of bound timestamp, ${bounds}`)
  }
  return { serialConsistency, timestamp }
}

/** What a client says of itself. */
export interface Startup {
  /** Null: none. */
  readonly compression: string | null
  /** How the caller names itself; null: it does not. */
  readonly caller: string | null
}

/** @throws {CqlError} PROTOCOL_ERROR */
export function readStartup(reader: CqlBodyReader): Startup {
  const options = new Map<string, string>()
  for (const [name, value] of reader.stringMap()) options.set(name.toUpperCase(), value)
  const cqlVersion = options.get('CQL_VERSION')
  if (cqlVersion === undefined) throw protocolError('Missing value CQL_VERSION in STARTUP message')
  const numbers = /^(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?:[-.+].{0,64})?$/.exec(cqlVersion)
  if (numbers === null)
    throw protocolError(`Invalid version value: ${cqlVersion.slice(0, 64)} (format is x.y.z)`)
  const [major, minor] = [Number(numbers[1]), Number(numbers[2])]
  if (major < 2 || (major === 2 && minor < 99)) {
    const supported = '(supported version are >= 3.0.0)'
    throw protocolError(`CQL version ${cqlVersion} is not supported by the binary protocol ${supported}`)
  }
  const caller = options.get('APPLICATION_NAME') ?? options.get('DRIVER_NAME') ?? null
  return {
    compression: options.get('COMPRESSION')?.toLowerCase() ?? null,
    caller: caller === null || caller === '' ? null : cutText(caller, limits.maxNameLength),
  }
}

export const EVENT_TYPES = ['TOPOLOGY_CHANGE', 'STATUS_CHANGE', 'SCHEMA_CHANGE'] as const
export type EventType = (typeof EVENT_TYPES)[number]

/** @throws {CqlError} PROTOCOL_ERROR */
export function readRegister(reader: CqlBodyReader): ReadonlySet<EventType> {
  const types = new Set<EventType>()
  for (const text of reader.stringList()) {
    const name = text.toUpperCase()
    const type = EVENT_TYPES.find((known) => known === name)
    if (type === undefined) throw protocolError(`Invalid value '${text.slice(0, 64)}' for Type`)
    types.add(type)
  }
  return types
}
