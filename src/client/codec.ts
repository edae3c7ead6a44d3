/**
 * Between the client's types and the objects of stock generated code: one small codec a kind of field, put together to
 * structs in structs.ts. Encoding checks everything that stock code would send wrong without a word (a number cut to 32
 * bits, a string where bytes belong, a misspelt field) or that would leave half a message in its buffer by throwing.
 */
import { KVStoreError } from './errors.js'

export interface Kind {
  /** Its type as the IDL has it, structs and enums spelt out. */
  readonly type: string
  /** @throws {KVStoreError} INVALID_ARGUMENT naming the field's path. */
  encode(value: unknown, path: string): unknown
  /** `value` is never null. Errors inside an answer are of `dataset`. */
  decode(value: unknown, dataset: string): unknown
  /** What an absent field of an answer reads as; without it the field is left out. */
  readonly absent?: () => unknown
}

const I64_MIN = -(2n ** 63n)
const I64_MAX = 2n ** 63n - 1n
const I32_MIN = -(2 ** 31)
const I32_MAX = 2 ** 31 - 1
const EMPTY = Buffer.alloc(0)

function refuse(path: string, what: string): never {
  throw new KVStoreError(`${path} must be ${what}`, { code: 'INVALID_ARGUMENT' })
}

function asIs(value: unknown): unknown {
  return value
}

export const bool: Kind = {
  type: 'bool',
  encode: (value, path) => (typeof value === 'boolean' ? value : refuse(path, 'a boolean')),
  decode: asIs,
}

export const text: Kind = {
  type: 'string',
  encode: (value, path) => (typeof value === 'string' ? value : refuse(path, 'a string')),
  decode: asIs,
}

export const i32: Kind = {
  type: 'i32',
  encode: (value, path) => {
    const isI32 = typeof value === 'number' && Number.isInteger(value) && value >= I32_MIN && value <= I32_MAX
    return isI32 ? value : refuse(path, 'an integer of 32 bits')
  },
  decode: asIs,
}

/** bigint on both sides: the protocols of stock.ts read and write them, and no Int64 is ever made. */
export const i64: Kind = {
  type: 'i64',
  encode: (value, path) => {
    const isI64 = typeof value === 'bigint' && value >= I64_MIN && value <= I64_MAX
    return isI64 ? value : refuse(path, 'a bigint of 64 bits')
  },
  decode: asIs,
}

/** Bytes, or a string as its UTF-8. */
export const bytes: Kind = {
  type: 'binary',
  encode: (value, path) => {
    if (Buffer.isBuffer(value)) return value
    if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    return typeof value === 'string' ? Buffer.from(value) : refuse(path, 'a Uint8Array or a string')
  },
  decode: asIs,
}

/** A number that this client is too old to know reads as an absent field. */
export function enumOf(numbers: Readonly<Record<string, number>>): Kind {
  const names = new Map(Object.entries(numbers).map(([name, number]) => [number, name]))
  return {
    type: `enum ${JSON.stringify(numbers)}`,
    encode: (value, path) => {
      if (typeof value === 'string' && Object.hasOwn(numbers, value)) return numbers[value]
      return refuse(path, `one of ${Object.keys(numbers).join(', ')}`)
    },
    // The key's type is a number's; a server may send anything, which then is just not found.
    decode: (value) => names.get(value as number),
  }
}

export function listOf(kind: Kind): Kind {
  return {
    type: `list<${kind.type}>`,
    encode: (value, path) => {
      if (!Array.isArray(value)) return refuse(path, 'an array')
      return value.map((item: unknown, index) => kind.encode(item, `${path}[${index}]`))
    },
    // Stock code reads every list field as an array.
    decode: (value, dataset) => (value as unknown[]).map((item) => kind.decode(item, dataset)),
  }
}

/** In answers an absent field reads as this value. */
export function absentAs(kind: Kind, absent: () => unknown): Kind {
  return { ...kind, absent }
}

export const bytesOrEmpty = absentAs(bytes, () => EMPTY)

export function listOrEmpty(kind: Kind): Kind {
  return absentAs(listOf(kind), () => [])
}

type Fields = Readonly<Record<string, Kind>>

function encodeFields(fields: Fields, value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return refuse(path, 'an object')
  const encoded: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(value) as [string, unknown][]) {
    if (field === undefined) continue
    const kind = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (kind === undefined)
      return refuse(`${path}.${name}`, `left out, the fields are ${Object.keys(fields).join(', ')}`)
    encoded[name] = kind.encode(field, `${path}.${name}`)
  }
  return encoded
}

function decodeFields(fields: readonly (readonly [string, Kind])[], value: unknown, dataset: string): object {
  const wire = value as Readonly<Record<string, unknown>> // stock code reads every struct field as an object
  const decoded: Record<string, unknown> = {}
  for (const [name, kind] of fields) {
    const field = wire[name] ?? undefined
    const result = field === undefined ? kind.absent?.() : kind.decode(field, dataset)
    if (result !== undefined) decoded[name] = result
  }
  return decoded
}

function typeOf(fields: Fields): string {
  return `{${Object.entries(fields)
    .map(([name, { type }]) => `${name}: ${type}`)
    .sort()
    .join(', ')}}`
}

/** One kind for every field of the public type, so that a field forgotten here does not compile. */
export type FieldsOf<T> = { readonly [Name in keyof Required<T>]: Kind }

export function struct<T>(fields: FieldsOf<T>): Kind {
  const kinds: Fields = fields
  const entries = Object.entries(kinds)
  return {
    type: typeOf(kinds),
    encode: (value, path) => encodeFields(kinds, value, path),
    decode: (value, dataset) => decodeFields(entries, value, dataset),
  }
}

/** A struct of which exactly one member is set. */
export function union(members: Fields): Kind {
  return {
    type: typeOf(members),
    encode: (value, path) => {
      const encoded = encodeFields(members, value, path)
      const names = Object.keys(members).join(', ')
      return Object.keys(encoded).length === 1
        ? encoded
        : refuse(path, `an object with exactly one of ${names}`)
    },
    decode: asIs,
  }
}
