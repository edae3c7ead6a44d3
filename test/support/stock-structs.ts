/**
 * Structs of any shape, their IDL, and their bytes as npm thrift writes them: the independent peer of the code that takes
 * stored structs apart.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { ThriftEncoding } from '../../src/base/thrift-layout.js'
import { root } from './tree.js'

const require = createRequire(join(root, 'src', 'client', 'generated', 'KVStore.js'))

/** The protocols of npm thrift, as far as they are used here. */
interface StockProtocol {
  writeStructBegin(name: string): void
  writeStructEnd(): void
  writeFieldBegin(name: string, type: number, id: number): void
  writeFieldEnd(): void
  writeFieldStop(): void
  writeBool(value: boolean): void
  writeByte(value: number): void
  writeI16(value: number): void
  writeI32(value: number): void
  writeI64(value: object): void
  writeDouble(value: number): void
  writeString(value: string): void
  writeBinary(value: Buffer): void
  writeListBegin(type: number, count: number): void
  writeListEnd(): void
  writeSetBegin(type: number, count: number): void
  writeSetEnd(): void
  writeMapBegin(key: number, value: number, count: number): void
  writeMapEnd(): void
  flush(): void
}

type Transport = new (buffer: undefined, done: (bytes: Buffer) => void) => { flush(): void }

// CommonJS without types, used as far as these lines say.
const thrift = require('thrift') as {
  readonly TBufferedTransport: Transport
  readonly TBinaryProtocol: new (transport: object) => StockProtocol
  readonly TCompactProtocol: new (transport: object) => StockProtocol
  readonly Thrift: { readonly Type: Readonly<Record<string, number>> }
}
const Int64 = require('node-int64') as new (bytes: Buffer) => object
const { Type } = thrift.Thrift

export type ShapeType =
  | { readonly kind: 'bool' | 'byte' | 'i16' | 'i32' | 'i64' | 'double' | 'string' | 'binary' }
  | { readonly kind: 'list' | 'set'; readonly of: ShapeType }
  | { readonly kind: 'map'; readonly key: ShapeType; readonly of: ShapeType }
  | { readonly kind: 'struct'; readonly struct: Shape }

export interface ShapeField {
  readonly id: number
  readonly name: string
  readonly type: ShapeType
  readonly isRequired: boolean
}

export interface Shape {
  readonly name: string
  readonly fields: readonly ShapeField[]
}

/** A struct's values by field name, in the order in which they are written; of a container a list, of a map entries. */
export type ShapeValue =
  | boolean
  | number
  | bigint
  | string
  | Buffer
  | readonly ShapeValue[]
  | readonly (readonly [ShapeValue, ShapeValue])[]
  | ReadonlyMap<string, ShapeValue>

/** What `encodeStruct` and `encodeValue` write with. */
function written(encoding: ThriftEncoding, write: (output: StockProtocol) => void): Buffer {
  const pieces: Buffer[] = []
  const transport = new thrift.TBufferedTransport(undefined, (bytes) => pieces.push(Buffer.from(bytes)))
  const Protocol = encoding === 'binary' ? thrift.TBinaryProtocol : thrift.TCompactProtocol
  const output = new Protocol(transport)
  write(output)
  output.flush()
  return Buffer.concat(pieces)
}

export function encodeStruct(
  shape: Shape,
  value: ReadonlyMap<string, ShapeValue>,
  encoding: ThriftEncoding,
): Buffer {
  return written(encoding, (output) => writeValue(output, { kind: 'struct', struct: shape }, value))
}

export function encodeValue(type: ShapeType, value: ShapeValue, encoding: ThriftEncoding): Buffer {
  return written(encoding, (output) => writeValue(output, type, value))
}

function codeOf({ kind }: ShapeType): number {
  return Type[kind === 'binary' ? 'STRING' : kind.toUpperCase()] ?? 0
}

function writeValue(output: StockProtocol, type: ShapeType, value: ShapeValue): void {
  switch (type.kind) {
    case 'list':
    case 'set':
      writeItems(output, type, value as readonly ShapeValue[])
      break
    case 'map':
      writeEntries(output, type, value as readonly (readonly [ShapeValue, ShapeValue])[])
      break
    case 'struct':
      writeStruct(output, type.struct, value as ReadonlyMap<string, ShapeValue>)
      break
    case 'i64': {
      const bytes = Buffer.alloc(8)
      bytes.writeBigInt64BE(value as bigint)
      output.writeI64(new Int64(bytes))
      break
    }
    case 'binary':
    case 'bool':
    case 'byte':
    case 'double':
    case 'i16':
    case 'i32':
    case 'string':
      // The shape says which of the protocol's types the value has.
      SCALARS[type.kind](output, value as never)
  }
}

const SCALARS = {
  bool: (output: StockProtocol, value: boolean) => output.writeBool(value),
  byte: (output: StockProtocol, value: number) => output.writeByte(value),
  i16: (output: StockProtocol, value: number) => output.writeI16(value),
  i32: (output: StockProtocol, value: number) => output.writeI32(value),
  double: (output: StockProtocol, value: number) => output.writeDouble(value),
  string: (output: StockProtocol, value: string) => output.writeString(value),
  binary: (output: StockProtocol, value: Buffer) => output.writeBinary(value),
} as const

function writeItems(
  output: StockProtocol,
  { kind, of }: Extract<ShapeType, { readonly kind: 'list' | 'set' }>,
  items: readonly ShapeValue[],
): void {
  if (kind === 'list') output.writeListBegin(codeOf(of), items.length)
  else output.writeSetBegin(codeOf(of), items.length)
  for (const item of items) writeValue(output, of, item)
  if (kind === 'list') output.writeListEnd()
  else output.writeSetEnd()
}

function writeEntries(
  output: StockProtocol,
  { key: keyType, of }: Extract<ShapeType, { readonly kind: 'map' }>,
  entries: readonly (readonly [ShapeValue, ShapeValue])[],
): void {
  output.writeMapBegin(codeOf(keyType), codeOf(of), entries.length)
  for (const [key, item] of entries) {
    writeValue(output, keyType, key)
    writeValue(output, of, item)
  }
  output.writeMapEnd()
}

function writeStruct(output: StockProtocol, shape: Shape, value: ReadonlyMap<string, ShapeValue>): void {
  output.writeStructBegin(shape.name)
  for (const [name, item] of value) {
    const field = shape.fields.find((one) => one.name === name)
    if (field === undefined) throw new Error(`${shape.name} has no field ${name}`)
    output.writeFieldBegin(name, codeOf(field.type), field.id)
    writeValue(output, field.type, item)
    output.writeFieldEnd()
  }
  output.writeFieldStop()
  output.writeStructEnd()
}

/** The IDL of a shape, inner structs first. */
export function idlOf(shape: Shape): string {
  const structs = new Map<string, string>()
  const typeText = (type: ShapeType): string => {
    if (type.kind === 'list' || type.kind === 'set') return `${type.kind}<${typeText(type.of)}>`
    if (type.kind === 'map') return `map<${typeText(type.key)}, ${typeText(type.of)}>`
    if (type.kind !== 'struct') return type.kind
    add(type.struct)
    return type.struct.name
  }
  const add = ({ name, fields }: Shape): void => {
    const lines = fields.map(
      (field) =>
        `  ${field.id}: ${field.isRequired ? 'required' : 'optional'} ${typeText(field.type)} ${field.name}`,
    )
    structs.set(name, `struct ${name} {\n${lines.join('\n')}\n}\n`)
  }
  add(shape)
  return [...structs.values()].join('\n')
}
