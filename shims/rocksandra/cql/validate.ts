/** Whether bytes are a value of a type, with the texts of Cassandra's serializers (TypeSerializer.validate). */
import { isAscii, isUtf8 } from 'node:buffer'
import { limits } from '../../../src/base/limits.js'
import type { NativeName } from './ast.js'
import { invalid } from './errors.js'
import type { CqlType, UserType } from './types.js'
import { unpackItems, unpackTuple } from './values/collections.js'

/**
 * Checks a value that a client sent; the empty value is one of most types.
 * @throws {CqlError} INVALID
 */
export function validateValue(type: CqlType, bytes: Buffer): void {
  switch (type.kind) {
    case 'native':
      NATIVE[type.name](bytes)
      return
    case 'list':
    case 'set':
      for (const item of unpackItems(bytes, type.kind)) validateValue(type.element, item)
      return
    case 'map':
      unpackItems(bytes, 'map').forEach((item, index) => {
        validateValue(index % 2 === 0 ? type.key : type.value, item)
      })
      return
    case 'tuple':
      validateParts(type.elements, unpackTuple(bytes, type.elements.length))
      return
    case 'user':
      validateParts(
        type.fields.map((field) => field.type),
        unpackTuple(bytes, type.fields.length, fieldName(type)),
      )
      return
    case 'custom':
  }
}

/** How messages call a field. */
export function fieldName(type: UserType): (index: number) => string {
  return (index) => `field ${type.fields[index]?.name ?? ''}`
}

function validateParts(types: readonly CqlType[], parts: readonly (Buffer | null)[]): void {
  parts.forEach((part, index) => {
    const type = types[index]
    if (part !== null && type !== undefined) validateValue(type, part)
  })
}

type Check = (bytes: Buffer) => void

function anything(): void {
  // Every sequence of bytes is a value.
}

/** `size` bytes or none; `what` comes before the size that is wrong. */
function sizeOrNone(size: number, what: string): Check {
  return (bytes) => {
    if (bytes.length !== size && bytes.length !== 0) throw invalid(`${what} (${bytes.length})`)
  }
}

function exactSize(size: number, what: string): Check {
  return (bytes) => {
    if (bytes.length !== size) throw invalid(`${what} (${bytes.length})`)
  }
}

function ascii(bytes: Buffer): void {
  if (isAscii(bytes)) return
  const wrong = bytes.find((byte) => byte > 127) ?? 0
  throw invalid(`Invalid byte for ascii: ${wrong - 256}`)
}

function utf8(bytes: Buffer): void {
  if (!isUtf8(bytes)) throw invalid("String didn't validate.")
}

function inet(bytes: Buffer): void {
  if (bytes.length === 0 || bytes.length === 4 || bytes.length === 16) return
  const hex = bytes.toString('hex').slice(0, limits.maxCqlErrorChars)
  throw invalid(`Expected 4 or 16 byte inetaddress; got ${hex}`)
}

function varint(bytes: Buffer): void {
  if (bytes.length > limits.maxCqlNumberBytes) {
    throw invalid(`A number of ${bytes.length} bytes, at most ${limits.maxCqlNumberBytes} are taken`)
  }
}

function decimal(bytes: Buffer): void {
  if (bytes.length !== 0 && bytes.length < 4)
    throw invalid(`Expected 0 or at least 4 bytes (${bytes.length})`)
  varint(bytes)
}

const uuid = sizeOrNone(16, 'UUID should be 16 or 0 bytes')

function timeuuid(bytes: Buffer): void {
  uuid(bytes)
  if (bytes.length > 0 && ((bytes[6] ?? 0) & 0xf0) !== 0x10)
    throw invalid('Invalid version for TimeUUID type.')
}

const long = sizeOrNone(8, 'Expected 8 or 0 byte long')

const NATIVE: Readonly<Record<NativeName, Check>> = {
  ascii,
  bigint: long,
  blob: anything,
  boolean: sizeOrNone(1, 'Expected 1 or 0 byte value'),
  counter: long,
  date: exactSize(4, 'Expected 4 byte long for date'),
  decimal,
  double: sizeOrNone(8, 'Expected 8 or 0 byte value for a double'),
  float: sizeOrNone(4, 'Expected 4 or 0 byte value for a float'),
  inet,
  int: sizeOrNone(4, 'Expected 4 or 0 byte int'),
  smallint: exactSize(2, 'Expected 2 bytes for a smallint'),
  text: utf8,
  time: exactSize(8, 'Expected 8 byte long for time'),
  timestamp: sizeOrNone(8, 'Expected 8 or 0 byte long for date'),
  timeuuid,
  tinyint: exactSize(1, 'Expected 1 byte for a tinyint'),
  uuid,
  varint,
}
