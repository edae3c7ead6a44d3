/** What JSON each native type is read from: most take strings, numbers only where Java's type of them fits. */
import type { NativeName } from './ast.js'
import { CqlError, invalid } from './errors.js'
import { describeJson, numberClass } from './json-describe.js'
import { JsonNumber } from './json-parse.js'
import type { JsonValue } from './json-parse.js'
import { doubleToBytes, floatToBytes, nativeFromText } from './literals.js'

/**
 * The bytes of a native value; the JSON is not null.
 * @throws {CqlError} INVALID with Cassandra's text
 */
export function nativeOfJson(name: NativeName, json: JsonValue): Buffer {
  return NATIVE[name](json)
}

type FromJson = (json: JsonValue) => Buffer

/** Strings alone; `what` is what was expected. */
function fromString(name: NativeName, what: string): FromJson {
  return (json) => {
    if (typeof json !== 'string') throw invalid(`Expected ${what}, but got a ${describeJson(json)}`)
    return nativeFromText(name, json)
  }
}

/** Strings and integers that Java keeps in one of these classes. */
function fromInteger(name: NativeName, what: string, classes: readonly string[]): FromJson {
  return (json) => {
    if (typeof json === 'string') return nativeFromText(name, json)
    if (json instanceof JsonNumber && classes.includes(numberClass(json))) {
      return nativeFromText(name, json.javaText)
    }
    throw invalid(`Expected ${what} value, but got a ${describeJson(json)}`)
  }
}

function fromFloat(name: 'double' | 'float', toBytes: (value: number) => Buffer): FromJson {
  return (json) => {
    if (typeof json === 'string') return nativeFromText(name, json)
    if (json instanceof JsonNumber) return toBytes(Number(json.text))
    throw invalid(`Expected a ${name} value, but got a ${describeJson(json)}`)
  }
}

/** Whatever it is, its text is read as a number. */
function fromAnything(name: 'decimal' | 'varint'): FromJson {
  return (json) => {
    try {
      if (json instanceof JsonNumber) return nativeFromText(name, json.javaText)
      return nativeFromText(name, typeof json === 'string' ? json : describeJson(json, false))
    } catch (error) {
      if (!(error instanceof CqlError)) throw error
      throw invalid(`Value '${describeJson(json, false)}' is not a valid representation of a ${name} value`)
    }
  }
}

function fromBoolean(json: JsonValue): Buffer {
  if (typeof json === 'string') return nativeFromText('boolean', json)
  if (typeof json === 'boolean') return Buffer.of(json ? 1 : 0)
  throw invalid(`Expected a boolean value, but got a ${describeJson(json)}`)
}

function fromBlob(json: JsonValue): Buffer {
  const because = (reason: string): CqlError => {
    return invalid(`Value '${describeJson(json, false)}' is not a valid blob representation: ${reason}`)
  }
  if (typeof json !== 'string') throw because('it is no string')
  if (!json.startsWith('0x')) throw because(`String representation of blob is missing 0x prefix: ${json}`)
  if (!/^([0-9a-f]{2})*$/i.test(json.slice(2))) throw because(`cannot parse '${json.slice(2)}' as hex bytes`)
  return Buffer.from(json.slice(2), 'hex')
}

/** A number only from 2^31 on, where Java has a Long of it: smaller ones are refused by Cassandra 3.0. */
function fromTimestamp(json: JsonValue): Buffer {
  if (typeof json === 'string') return nativeFromText('timestamp', json)
  if (json instanceof JsonNumber && numberClass(json) === 'Long')
    return nativeFromText('timestamp', json.javaText)
  const what = 'a long or a datestring representation of a timestamp value'
  throw invalid(`Expected ${what}, but got a ${describeJson(json)}`)
}

function fromCounter(): Buffer {
  throw invalid('A counter cannot be set from JSON')
}

const ANY_NUMBER = ['Integer', 'Long', 'BigInteger', 'Double']

const NATIVE: Readonly<Record<NativeName, FromJson>> = {
  ascii: fromString('ascii', 'an ascii string'),
  bigint: fromInteger('bigint', 'a bigint', ['Integer', 'Long']),
  blob: fromBlob,
  boolean: fromBoolean,
  counter: fromCounter,
  date: fromString('date', 'a string representation of a date value'),
  decimal: fromAnything('decimal'),
  double: fromFloat('double', doubleToBytes),
  float: fromFloat('float', floatToBytes),
  inet: fromString('inet', 'a string representation of an inet value'),
  int: fromInteger('int', 'an int', ['Integer']),
  smallint: fromInteger('smallint', 'a short', ANY_NUMBER),
  text: fromString('text', 'a UTF-8 string'),
  time: fromString('time', 'a string representation of a time value'),
  timestamp: fromTimestamp,
  timeuuid: fromString('timeuuid', 'a string representation of a timeuuid'),
  tinyint: fromInteger('tinyint', 'a byte', ANY_NUMBER),
  uuid: fromString('uuid', 'a string representation of a uuid'),
  varint: fromAnything('varint'),
}
