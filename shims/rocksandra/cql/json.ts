/**
 * JSON to values and back, for INSERT JSON, SELECT JSON, fromJson and toJson. Names, rules and texts as fromJSONObject and
 * toJSONString of each type in db/marshal, and Json.java, of Cassandra 3.0.
 */
import { comparatorOf } from './compare.js'
import { CqlError, invalid } from './errors.js'
import { JsonFault, parseJson } from './json-parse.js'
import type { JsonObject, JsonValue } from './json-parse.js'
import { nativeOfJson } from './json-natives.js'
import { nativeText } from './native-text.js'
import { describeJson } from './json-describe.js'
import type { CqlType, MapType, TupleType, UserType } from './types.js'
import { fieldName } from './validate.js'
import { packEntries, packItems, packTuple, unpackItems, unpackTuple } from './values/collections.js'

/** What is filled from a member of a JSON object. */
export interface JsonReceiver {
  readonly name: string
  readonly type: CqlType
}

/**
 * The values of INSERT JSON: one for each receiver, null for null and for what is not there.
 * @throws {CqlError} INVALID
 */
export function rowOfJson(text: string, receivers: readonly JsonReceiver[]): (Buffer | null)[] {
  const parsed = objectOf(text)
  const members = new Map(foldNames(parsed))
  const values = receivers.map(({ name, type }) => {
    const member = members.get(name) ?? null
    members.delete(name)
    if (member === null) return null
    try {
      return valueOfJson(type, member)
    } catch (error) {
      if (!(error instanceof CqlError)) throw error
      throw invalid(`Error decoding JSON value for ${name}: ${error.message}`)
    }
  })
  const [unknown] = members.keys()
  if (unknown !== undefined) throw invalid(`JSON values map contains unrecognized column: ${unknown}`)
  return values
}

function objectOf(text: string): JsonObject {
  const parsed = parsedOr(
    text,
    (reason) => `Could not decode JSON string as a map: ${reason}. (String was: ${text})`,
  )
  if (parsed === null) throw invalid('Got null for INSERT JSON values')
  if (!(parsed instanceof Map)) {
    throw invalid(`Could not decode JSON string as a map: it is none. (String was: ${text})`)
  }
  return parsed as JsonObject
}

function parsedOr(text: string, message: (reason: string) => string): JsonValue {
  try {
    return parseJson(text)
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error
    throw invalid(message(error.message))
  }
}

/** Names in lower case, but for those in quotes of their own, which lose them (Json.handleCaseSensitivity). */
function foldNames(members: JsonObject): Map<string, JsonValue> {
  const folded = new Map<string, JsonValue>()
  for (const [name, value] of members) {
    const isQuoted = name.length > 1 && name.startsWith('"') && name.endsWith('"')
    folded.set(isQuoted ? name.slice(1, -1) : name.toLowerCase(), value)
  }
  return folded
}

/**
 * What fromJson() answers for a text.
 * @throws {CqlError} INVALID
 */
export function valueOfJsonText(type: CqlType, text: string): Buffer | null {
  const parsed = parsedOr(text, (reason) => `Could not decode JSON string '${text}': ${reason}`)
  return parsed === null ? null : valueOfJson(type, parsed)
}

/**
 * A value, collections in order.
 * @throws {CqlError} INVALID with Cassandra's text
 */
function valueOfJson(type: CqlType, json: JsonValue): Buffer {
  switch (type.kind) {
    case 'native':
      return nativeOfJson(type.name, json)
    case 'list':
      return packItems(listOf(json, 'list', 'a list').map((item) => valueOfJson(type.element, item)))
    case 'set': {
      const items = listOf(json, 'set', 'a list (representing a set)')
      return packItems(
        inOrder(
          type.element,
          items.map((item) => valueOfJson(type.element, item)),
        ),
      )
    }
    case 'map':
      return mapOfJson(type, json)
    case 'tuple':
      return tupleOfJson(type, json)
    case 'user':
      return userOfJson(type, json)
    case 'custom':
      return nativeOfJson('blob', json)
  }
}

/** A collection may also be JSON inside a string of JSON: a map's keys are strings. */
function unwrap(json: JsonValue): JsonValue {
  if (typeof json !== 'string') return json
  return parsedOr(json, (reason) => `Error decoding JSON string: ${reason}`)
}

function listOf(json: JsonValue, kind: 'list' | 'set', expected: string): readonly JsonValue[] {
  const list = unwrap(json)
  if (!isList(list)) throw invalid(`Expected ${expected}, but got a ${describeJson(list)}`)
  if (list.includes(null)) throw invalid(`Invalid null element in ${kind}`)
  return list
}

function isList(json: JsonValue): json is readonly JsonValue[] {
  return Array.isArray(json)
}

function mapOf(json: JsonValue): JsonObject {
  const map = unwrap(json)
  if (!(map instanceof Map)) throw invalid(`Expected a map, but got a ${describeJson(map)}`)
  return map as JsonObject
}

/** Each once, by the type's comparator. */
function inOrder(type: CqlType, values: readonly Buffer[]): Buffer[] {
  const compare = comparatorOf(type)
  const sorted = [...values].sort(compare)
  return sorted.filter((value, index) => index === 0 || compare(sorted[index - 1] as Buffer, value) !== 0)
}

function mapOfJson(type: MapType, json: JsonValue): Buffer {
  const compare = comparatorOf(type.key)
  const entries = [...mapOf(json)].map(([key, value]) => {
    if (value === null) throw invalid('Invalid null value in map')
    return { key: valueOfJson(type.key, key), value: valueOfJson(type.value, value) }
  })
  entries.sort((a, b) => compare(a.key, b.key))
  const last = entries.filter(({ key }, index) => {
    const following = entries[index + 1]
    return following === undefined || compare(key, following.key) !== 0
  })
  return packEntries(last.flatMap(({ key, value }) => [key, value]))
}

function tupleOfJson({ elements }: TupleType, json: JsonValue): Buffer {
  const items = unwrap(json)
  if (!isList(items))
    throw invalid(`Expected a list representation of a tuple, but got a ${describeJson(items)}`)
  if (items.length !== elements.length) {
    const what = items.length > elements.length ? 'contains extra' : 'is missing'
    throw invalid(`Tuple ${what} items (expected ${elements.length}): ${describeJson(items, false)}`)
  }
  return packTuple(elements.map((type, index) => orNull(type, items[index] ?? null)))
}

function orNull(type: CqlType, json: JsonValue): Buffer | null {
  return json === null ? null : valueOfJson(type, json)
}

function userOfJson(type: UserType, json: JsonValue): Buffer {
  const members = foldNames(mapOf(json))
  const values = type.fields.map((field) => orNull(field.type, members.get(field.name) ?? null))
  for (const field of type.fields) members.delete(field.name)
  const [unknown] = members.keys()
  if (unknown !== undefined) {
    throw invalid(`Unknown field '${unknown}' in value of user defined type ${type.name}`)
  }
  return packTuple(values)
}

/** As Jackson quotes: what JSON demands, in capital hex. */
function quoteJson(text: string): string {
  return JSON.stringify(text).replace(/\\u[0-9a-f]{4}/g, (escape) => `\\u${escape.slice(2).toUpperCase()}`)
}

/** A valid value as JSON, with Cassandra's spaces. */
export function jsonOfValue(type: CqlType, bytes: Buffer): string {
  switch (type.kind) {
    case 'native': {
      const { text, isQuoted } = nativeText(type.name, bytes)
      return isQuoted ? quoteJson(text) : text
    }
    case 'list':
    case 'set':
      return `[${unpackItems(bytes, type.kind)
        .map((item) => jsonOfValue(type.element, item))
        .join(', ')}]`
    case 'map':
      return jsonOfMap(type, unpackItems(bytes, 'map'))
    case 'tuple': {
      const parts = unpackTuple(bytes, type.elements.length)
      return `[${type.elements.map((element, index) => jsonOrNull(element, parts[index] ?? null)).join(', ')}]`
    }
    case 'user':
      return jsonOfUser(type, bytes)
    case 'custom':
      return `"0x${bytes.toString('hex')}"`
  }
}

function jsonOrNull(type: CqlType, bytes: Buffer | null): string {
  return bytes === null ? 'null' : jsonOfValue(type, bytes)
}

function jsonOfMap(type: MapType, keysAndValues: readonly Buffer[]): string {
  const members: string[] = []
  for (let i = 0; i + 1 < keysAndValues.length; i += 2) {
    const key = jsonOfValue(type.key, keysAndValues[i] as Buffer)
    const value = jsonOfValue(type.value, keysAndValues[i + 1] as Buffer)
    members.push(`${key.startsWith('"') ? key : quoteJson(key)}: ${value}`)
  }
  return `{${members.join(', ')}}`
}

function jsonOfUser(type: UserType, bytes: Buffer): string {
  const parts = unpackTuple(bytes, type.fields.length, fieldName(type))
  const members = type.fields.map(({ name, type: field }, index) => {
    return `${jsonName(name)}: ${jsonOrNull(field, parts[index] ?? null)}`
  })
  return `{${members.join(', ')}}`
}

/** A name as a member: in quotes of its own unless it is lower case. */
export function jsonName(name: string): string {
  return quoteJson(name === name.toLowerCase() ? name : `"${name}"`)
}
