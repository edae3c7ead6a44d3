/** JSON as Java's messages show it: the class that its parser makes of it, and its toString. */
import { limits } from '../../../src/base/limits.js'
import { JsonNumber } from './json-parse.js'
import type { JsonValue } from './json-parse.js'

const MAX_INT = 2_147_483_647n
const MAX_LONG = 9_223_372_036_854_775_807n
/** Characters, with a sign. */
const LONGEST_LONG = 20

function within(value: bigint, max: bigint): boolean {
  return value <= max && value >= -max - 1n
}

/** The class that Jackson reads a number into. */
export function numberClass(number: JsonNumber): 'Integer' | 'Long' | 'BigInteger' | 'Double' {
  if (!number.isInteger) return 'Double'
  if (number.text.length > LONGEST_LONG) return 'BigInteger'
  const value = BigInt(number.text)
  if (within(value, MAX_INT)) return 'Integer'
  return within(value, MAX_LONG) ? 'Long' : 'BigInteger'
}

function className(json: JsonValue): string {
  if (json instanceof JsonNumber) return numberClass(json)
  if (typeof json === 'string') return 'String'
  if (typeof json === 'boolean') return 'Boolean'
  return Array.isArray(json) ? 'ArrayList' : 'LinkedHashMap'
}

function javaText(json: JsonValue): string {
  if (json === null) return 'null'
  if (json instanceof JsonNumber) return json.javaText
  if (typeof json === 'string' || typeof json === 'boolean') return String(json)
  if (json instanceof Map) {
    return `{${[...(json as ReadonlyMap<string, JsonValue>)].map(([key, value]) => `${key}=${javaText(value)}`).join(', ')}}`
  }
  return `[${(json as readonly JsonValue[]).map(javaText).join(', ')}]`
}

/** `String: abc`, or the text alone. */
export function describeJson(json: JsonValue, withClass = true): string {
  const text = javaText(json).slice(0, limits.maxCqlErrorChars)
  return withClass ? `${className(json)}: ${text}` : text
}
