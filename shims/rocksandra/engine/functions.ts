/**
 * The functions of Cassandra 3.0: those of a row's values, in terms and in selections, and how one is found by its name and
 * what it is given. Aggregates are aggregates.ts. Names, types and texts as cql3/functions of Cassandra 3.0.
 */
import { randomBytes } from 'node:crypto'
import { murmur3Token } from '../../../src/base/hash.js'
import type { NativeName, QualifiedName } from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { jsonOfValue, valueOfJsonText } from '../cql/json.js'
import { intToBytes, longToBytes } from '../cql/literals.js'
import { type CqlType, NATIVE_FACTS, TYPES, typeText } from '../cql/types.js'
import { validateValue } from '../cql/validate.js'
import { dateToTimestamp, timestampToDate } from '../cql/values/times.js'
import { type TimeuuidSource, maxTimeuuid, minTimeuuid, timeuuidMs } from '../cql/values/uuids.js'
import type { ColumnSpec } from './contract.js'
import { rowKeyOf } from './mapping.js'
import type { TableSchema } from './schema.js'

export interface FunctionContext {
  readonly nowMs: number
  readonly timeuuids: TimeuuidSource
}

export interface ScalarFunction {
  /** With its keyspace, as results name their columns. */
  readonly name: string
  readonly takes: readonly CqlType[]
  readonly returns: CqlType
  readonly run: (args: readonly (Buffer | null)[], context: FunctionContext) => Buffer | null
}

export interface Call {
  /** Null: a marker or a constant, which takes the type that is wanted. */
  readonly argTypes: readonly (CqlType | null)[]
  /** What the result is for; null: a selection. */
  readonly receiver: ColumnSpec | null
  readonly table: TableSchema | null
}

/** @throws {CqlError} INVALID with Cassandra's text */
export function findFunction({ keyspace, name }: QualifiedName, call: Call): ScalarFunction {
  const isNative = keyspace === null || keyspace === 'system'
  const found = isNative ? (NATIVE.get(name)?.(call) ?? conversionOf(name)) : null
  const full = keyspace === null ? name : `${keyspace}.${name}`
  if (found === null) throw invalid(`Unknown function '${full}'`)
  if (found.takes.length !== call.argTypes.length) {
    throw invalid(
      `Invalid number of arguments in call to function ${found.name}: ${found.takes.length} required but ${call.argTypes.length} provided`,
    )
  }
  return found
}

type Maker = (call: Call) => ScalarFunction

function fixed(
  name: string,
  takes: readonly NativeName[],
  returns: NativeName,
  run: ScalarFunction['run'],
): [string, Maker] {
  const made = {
    name: `system.${name.toLowerCase()}`,
    takes: takes.map((type) => TYPES[type]),
    returns: TYPES[returns],
    run,
  }
  return [name.toLowerCase(), () => made]
}

/** Null for null, as nearly all of them. */
function strict(run: (value: Buffer, context: FunctionContext) => Buffer | null): ScalarFunction['run'] {
  return ([value], context) => (value == null ? null : run(value, context))
}

/** Those that take a timeuuid, a timestamp or a date: which one, the argument says. */
function ofTime(
  name: string,
  returns: NativeName,
  runs: Readonly<Partial<Record<NativeName, (value: Buffer) => Buffer>>>,
): [string, Maker] {
  return [
    name.toLowerCase(),
    ({ argTypes }) => {
      const [given] = argTypes
      const type = given?.kind === 'native' ? given.name : 'timeuuid'
      const run = runs[type]
      if (run === undefined) {
        const why = `Invalid call to function ${name}, none of its type signatures match`
        throw invalid(
          `${why} (known type signatures: system.${name} : (${Object.keys(runs).join(') and (')}))`,
        )
      }
      const shown = `system.${name.toLowerCase()}`
      return { name: shown, takes: [TYPES[type]], returns: TYPES[returns], run: strict(run) }
    },
  ]
}

function dateBytes(ms: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(timestampToDate(ms))
  return bytes
}

function msOfDate(value: Buffer): bigint {
  return dateToTimestamp(value.readUInt32BE())
}

const NATIVE: ReadonlyMap<string, Maker> = new Map<string, Maker>([
  fixed('now', [], 'timeuuid', (_, { timeuuids }) => timeuuids.next()),
  fixed('uuid', [], 'uuid', () => {
    const bytes = randomBytes(16)
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
    return bytes
  }),
  fixed(
    'minTimeuuid',
    ['timestamp'],
    'timeuuid',
    strict((value) => minTimeuuid(value.readBigInt64BE())),
  ),
  fixed(
    'maxTimeuuid',
    ['timestamp'],
    'timeuuid',
    strict((value) => maxTimeuuid(value.readBigInt64BE())),
  ),
  fixed(
    'dateOf',
    ['timeuuid'],
    'timestamp',
    strict((value) => longToBytes(timeuuidMs(value))),
  ),
  fixed(
    'unixTimestampOf',
    ['timeuuid'],
    'bigint',
    strict((value) => longToBytes(timeuuidMs(value))),
  ),
  ofTime('toDate', 'date', {
    timeuuid: (value) => dateBytes(timeuuidMs(value)),
    timestamp: (value) => dateBytes(value.readBigInt64BE()),
  }),
  ofTime('toTimestamp', 'timestamp', {
    timeuuid: (value) => longToBytes(timeuuidMs(value)),
    date: (value) => longToBytes(msOfDate(value)),
  }),
  ofTime('toUnixTimestamp', 'bigint', {
    timeuuid: (value) => longToBytes(timeuuidMs(value)),
    timestamp: (value) => value,
    date: (value) => longToBytes(msOfDate(value)),
  }),
  ['token', tokenFunction],
  ['tojson', toJson],
  ['fromjson', fromJson],
])

function tokenFunction({ table }: Call): ScalarFunction {
  if (table === null) throw invalid('token() stands where there is no table')
  return {
    name: 'system.token',
    takes: table.partitionKey.map(({ type }) => type),
    returns: TYPES.bigint,
    run: (args) => {
      if (args.includes(null)) return null
      const [only] = args
      if (args.length === 1 && only?.length === 0) return EMPTY_KEY_TOKEN
      return tokenBytes(rowKeyOf(table, args as readonly Buffer[])) // none of them is null
    },
  }
}

/** No partition has that key, but a range of tokens may begin there (Murmur3Partitioner.getToken). */
const EMPTY_KEY_TOKEN = longToBytes(-(2n ** 63n))

function tokenBytes(rowKey: Buffer): Buffer {
  const { high, low } = murmur3Token(rowKey)
  return Buffer.concat([intToBytes(high), intToBytes(low)])
}

function toJson({ argTypes: [type] }: Call): ScalarFunction {
  if (type == null) throw invalid('toJson() is only valid for a column or a function of one')
  return {
    name: 'system.tojson',
    takes: [type],
    returns: TYPES.text,
    run: ([value]) => Buffer.from(value == null ? 'null' : jsonOfValue(type, value), 'utf8'),
  }
}

function fromJson({ receiver }: Call): ScalarFunction {
  if (receiver === null)
    throw invalid('fromJson() cannot be used in the selection clause of a SELECT statement')
  return {
    name: 'system.fromjson',
    takes: [TYPES.text],
    returns: receiver.type,
    run: strict((value) => valueOfJsonText(receiver.type, value.toString('utf8'))),
  }
}

/** `intAsBlob`, `blobAsInt` and the like. */
function conversionOf(name: string): ScalarFunction | null {
  const [, from = '', to = ''] = /^(?:(\w+)asblob|blobas(\w+))$/.exec(name) ?? []
  const type = nativeNamed(from === '' ? to : from)
  if (type === null || type === 'blob') return null
  if (from !== '') {
    return {
      name: `system.${name}`,
      takes: [TYPES[type]],
      returns: TYPES.blob,
      run: ([value]) => value ?? null,
    }
  }
  const run = strict((value) => {
    try {
      validateValue(TYPES[type], value)
    } catch {
      const text = value.toString('hex').slice(0, 200)
      throw invalid(
        `In call to function system.${name}, value 0x${text} is not a valid binary representation for type ${typeText(TYPES[type])}`,
      )
    }
    return value
  })
  return { name: `system.${name}`, takes: [TYPES.blob], returns: TYPES[type], run }
}

function nativeNamed(name: string): NativeName | null {
  if (name === 'varchar') return 'text'
  return Object.hasOwn(NATIVE_FACTS, name) ? (name as NativeName) : null // one of its keys
}
