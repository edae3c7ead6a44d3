/** Values of a Thrift struct's fields -> bytes of cells, by the rule that holds for all formats (FORMATS.md, 14). */
import { isUtf8 } from 'node:buffer'
import type { ThriftEncoding, ThriftFieldType } from '../../base/thrift-layout.js'
import { ThriftType, type MessageReader } from '../../thrift/protocol.js'
import { THRIFT_TYPES } from '../../thrift/compact-types.js'
import { BadLineError, plainDecimal } from '../json-text.js'

/** What a type is on the wire. */
export const WIRE_TYPES: Readonly<Record<ThriftFieldType, number>> = {
  bool: ThriftType.BOOL,
  byte: ThriftType.BYTE,
  i16: ThriftType.I16,
  i32: ThriftType.I32,
  i64: ThriftType.I64,
  double: ThriftType.DOUBLE,
  string: ThriftType.STRING,
  binary: ThriftType.STRING,
  struct: ThriftType.STRUCT,
  map: ThriftType.MAP,
  set: ThriftType.SET,
  list: ThriftType.LIST,
}

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(WIRE_TYPES).map(([name, code]) => [code, name === 'binary' ? 'string' : name]),
)

export function wireTypeName(code: number): string {
  return NAMES.get(code) ?? `number ${code}`
}

const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')

/** What is no struct and no container. */
export type ThriftScalarType = Exclude<ThriftFieldType, 'struct' | 'map' | 'set' | 'list'>

/** Reads such a value. Numbers are decimal text, bytes are views. */
export function readScalar(reader: MessageReader, type: ThriftScalarType): Buffer {
  switch (type) {
    case 'bool':
      return reader.readBool() ? TRUE : FALSE
    case 'byte':
      return decimal(reader.readByte())
    case 'i16':
      return decimal(reader.readI16())
    case 'i32':
      return decimal(reader.readI32())
    case 'i64':
      return Buffer.from(reader.readI64().toString(), 'latin1')
    case 'double':
      return doubleText(reader.readDouble())
    case 'string':
      return checkedText(reader.readBinary())
    case 'binary':
      return reader.readBinary()
  }
}

function decimal(value: number): Buffer {
  return Buffer.from(String(value), 'latin1')
}

function doubleText(value: number): Buffer {
  return Buffer.from(Number.isFinite(value) ? plainDecimal(String(value)) : String(value), 'latin1')
}

function checkedText(bytes: Buffer): Buffer {
  if (isUtf8(bytes)) return bytes
  throw new BadLineError('text that is not UTF-8')
}

/**
 * The types of elements that the bytes of a container say, as many as `of` has; null: it is empty, and says nothing that
 * counts.
 */
export function elementTypes(
  bytes: Buffer,
  of: 'map' | 'set' | 'list',
  encoding: ThriftEncoding,
): readonly number[] | null {
  return encoding === 'binary' ? binaryElementTypes(bytes, of) : compactElementTypes(bytes, of)
}

function binaryElementTypes(bytes: Buffer, of: 'map' | 'set' | 'list'): readonly number[] | null {
  const count = bytes.readInt32BE(of === 'map' ? 2 : 1)
  if (count === 0) return null
  return of === 'map' ? [bytes[0] ?? 0, bytes[1] ?? 0] : [bytes[0] ?? 0]
}

function compactElementTypes(bytes: Buffer, of: 'map' | 'set' | 'list'): readonly number[] | null {
  const header = bytes[0] ?? 0
  if (of !== 'map') return header >> 4 === 0 ? null : [THRIFT_TYPES[header & 0x0f] ?? 0]
  if (header === 0) return null
  // Behind a size of one to five bytes.
  const types = bytes[bytes.findIndex((byte) => byte < 0x80) + 1] ?? 0
  return [THRIFT_TYPES[types >> 4] ?? 0, THRIFT_TYPES[types & 0x0f] ?? 0]
}
