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
import { type Argument, type Signature, chosen } from './signatures.js'

export interface FunctionContext {
  readonly nowMs: number
  readonly timeuuids: TimeuuidSource
}

export interface ScalarFunction extends Signature {
  readonly run: (args: readonly (Buffer | null)[], context: FunctionContext) => Buffer | null
}

/** Null: no function has that name. @throws {CqlError} INVALID with Cassandra's text */
export function findFunction(called: QualifiedName, args: readonly Argument[]): ScalarFunction | null {
  if (!isNative(called)) return null
  const { name } = called
  const candidates = NATIVE.get(name) ?? conversionOf(name)
  return candidates === null ? null : chosen(calledText(called), candidates, args)
}

/** Of the functions that are Cassandra's own, which all are. */
export function isNative({ keyspace }: QualifiedName): boolean {
  return keyspace === null || keyspace === 'system'
}

export function calledText({ keyspace, name }: QualifiedName): string {
  return keyspace === null ? name : `${keyspace}.${name}`
}

type Entry = [name: string, candidates: readonly ScalarFunction[]]

function fixed(
  name: string,
  takes: readonly NativeName[],
  returns: NativeName,
  run: ScalarFunction['run'],
): Entry {
  const types = takes.map((type) => TYPES[type])
  return [name, [{ name: `system.${name}`, takes: types, returns: TYPES[returns], run }]]
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
): Entry {
  const candidates = Object.entries(runs).flatMap(
    ([type, run]) => fixed(name, [type as NativeName], returns, strict(run))[1], // the keys are of the record's key type
  )
  return [name, candidates]
}

function dateBytes(ms: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(timestampToDate(ms))
  return bytes
}

function msOfDate(value: Buffer): bigint {
  return dateToTimestamp(value.readUInt32BE())
}

const NATIVE: ReadonlyMap<string, readonly ScalarFunction[]> = new Map<string, readonly ScalarFunction[]>([
  fixed('now', [], 'timeuuid', (_, { timeuuids }) => timeuuids.next()),
  fixed('uuid', [], 'uuid', () => {
    const bytes = randomBytes(16)
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
    return bytes
  }),
  fixed(
    'mintimeuuid',
    ['timestamp'],
    'timeuuid',
    strict((value) => minTimeuuid(value.readBigInt64BE())),
  ),
  fixed(
    'maxtimeuuid',
    ['timestamp'],
    'timeuuid',
    strict((value) => maxTimeuuid(value.readBigInt64BE())),
  ),
  fixed(
    'dateof',
    ['timeuuid'],
    'timestamp',
    strict((value) => longToBytes(timeuuidMs(value))),
  ),
  fixed(
    'unixtimestampof',
    ['timeuuid'],
    'bigint',
    strict((value) => longToBytes(timeuuidMs(value))),
  ),
  ofTime('todate', 'date', {
    timeuuid: (value) => dateBytes(timeuuidMs(value)),
    timestamp: (value) => dateBytes(value.readBigInt64BE()),
  }),
  ofTime('totimestamp', 'timestamp', {
    timeuuid: (value) => longToBytes(timeuuidMs(value)),
    date: (value) => longToBytes(msOfDate(value)),
  }),
  ofTime('tounixtimestamp', 'bigint', {
    timeuuid: (value) => longToBytes(timeuuidMs(value)),
    timestamp: (value) => value,
    date: (value) => longToBytes(msOfDate(value)),
  }),
])

/** Of a table's keys; it takes arguments of all types. */
export function tokenFunction(table: TableSchema): ScalarFunction {
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

export function toJson(argTypes: readonly CqlType[]): ScalarFunction {
  const [type] = argTypes
  if (type === undefined || argTypes.length > 1) {
    throw invalid(`toJson() only accepts one argument (got ${argTypes.length})`)
  }
  return {
    name: 'system.tojson',
    takes: [type],
    returns: TYPES.text,
    run: ([value]) => Buffer.from(value == null ? 'null' : jsonOfValue(type, value), 'utf8'),
  }
}

export function fromJson(receiver: ColumnSpec): ScalarFunction {
  return {
    name: 'system.fromjson',
    takes: [TYPES.text],
    returns: receiver.type,
    run: strict((value) => valueOfJsonText(receiver.type, value.toString('utf8'))),
  }
}

/** `intAsBlob`, `blobAsInt` and the like. */
function conversionOf(name: string): readonly ScalarFunction[] | null {
  const [, from = '', to = ''] = /^(?:(\w+)asblob|blobas(\w+))$/.exec(name) ?? []
  const type = nativeNamed(from === '' ? to : from)
  if (type === null || type === 'blob') return null
  if (from !== '') {
    return fixed(name, [type], 'blob', ([value]) => value ?? null)[1]
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
  return fixed(name, ['blob'], type, run)[1]
}

function nativeNamed(name: string): NativeName | null {
  if (name === 'varchar') return 'text'
  return Object.hasOwn(NATIVE_FACTS, name) ? (name as NativeName) : null // one of its keys
}
