/**
 * A stored Thrift struct -> one cell a field, named by its path, and the struct itself under the empty local key, byte
 * for byte as it came. So whoever knows only the whole value, Terrapin's callers above all, gets exactly what was stored,
 * whatever wrote it and in whatever order; and whoever names columns reads no more than those.
 *
 * What is not as the IDL says is a bad line: a field that it does not have, a required one that is missing, another type,
 * a field given twice, bytes behind the struct. A field that is not set has no cell. Inside of lists, sets and maps the
 * elements' type and that the bytes fit together are checked, not what nested structs hold.
 */
import { KVError } from '../../base/errors.js'
import { thriftPaths, type ThriftEncoding, type ThriftField } from '../../base/thrift-layout.js'
import type { ThriftExplode } from '../../model/load.js'
import type { Cell } from '../../model/row.js'
import { BinaryReader } from '../../thrift/binary-reader.js'
import { CompactReader } from '../../thrift/compact-reader.js'
import { ThriftProtocolError, ThriftType, type MessageReader } from '../../thrift/protocol.js'
import { BadLineError } from '../json-text.js'
import { cellOf, columnsInOrder, shortName, type Column } from './columns.js'
import { elementTypes, readScalar, WIRE_TYPES, wireTypeName } from './thrift-values.js'

const WHOLE: Column = { name: '', localKey: Buffer.alloc(0) }

/** Where a field's value goes, and what it must look like. */
interface FieldPlan extends Omit<ThriftField, 'fields'> {
  readonly path: string
  readonly wireType: number
  readonly elementCodes: readonly number[]
  /** Index of its column; -1: nobody wants it, or it is a struct of columns. */
  readonly slot: number
  readonly struct: StructPlan | null
  /** Number of the value that had it last. */
  seenIn: number
}

interface StructPlan {
  /** Of the struct's own fields; empty, or ends in a dot. */
  readonly prefix: string
  readonly fields: ReadonlyMap<number, FieldPlan>
  readonly required: readonly FieldPlan[]
}

export interface ExplodeOptions {
  /** Paths of fields that become columns; null: all. */
  readonly columns: readonly string[] | null
  /** The value stands in text, in base64. */
  readonly isBase64: boolean
  readonly maxValueBytes: number
}

export class ThriftExploder {
  readonly columns: readonly string[] | null
  readonly #encoding: ThriftEncoding
  readonly #struct: string
  readonly #isBase64: boolean
  readonly #maxValueBytes: number
  readonly #reader: MessageReader
  readonly #root: StructPlan
  /** In byte order, with the slot of each. */
  readonly #ordered: readonly (readonly [Column, slot: number])[]
  readonly #values: (Buffer | null)[]
  #value: Buffer = EMPTY
  #count = 0

  /** @throws {KVError} INVALID_ARGUMENT when a wanted column is not a field of the struct */
  constructor(explode: ThriftExplode, { columns, isBase64, maxValueBytes }: ExplodeOptions) {
    const paths = thriftPaths(explode.fields)
    const missing = columns?.find((name) => !paths.includes(name))
    if (missing !== undefined) {
      const known = paths.slice(0, 20).map(shortName).join(', ')
      throw new KVError(
        'INVALID_ARGUMENT',
        `${explode.struct} has no field "${shortName(missing)}" that is a column; it has ${known}`,
      )
    }
    const wanted = [...new Set(columns ?? paths)]
    const slots = new Map(wanted.map((path, slot) => [path, slot]))
    this.columns = columns
    this.#encoding = explode.protocol
    this.#struct = explode.struct
    this.#isBase64 = isBase64
    this.#maxValueBytes = maxValueBytes
    this.#reader = explode.protocol === 'binary' ? new BinaryReader() : new CompactReader()
    this.#root = planOf(explode.fields, '', slots)
    this.#ordered = columnsInOrder(wanted).map((column) => [column, slots.get(column.name) ?? 0])
    this.#values = wanted.map(() => null)
  }

  /** The cells of a row whose only cell is the value. @throws {BadLineError} when it is not such a struct */
  explode(cells: readonly Cell[]): readonly Cell[] {
    const [only] = cells
    if (only === undefined || cells.length > 1) throw new BadLineError('not one value but several')
    const value = this.#isBase64 ? fromBase64(only.value) : only.value
    this.#read(value)
    const exploded = [cellOf(WHOLE, value, this.#maxValueBytes)]
    for (const [column, slot] of this.#ordered) {
      const bytes = this.#values[slot] ?? null
      if (bytes !== null) exploded.push(cellOf(column, bytes, this.#maxValueBytes))
    }
    return exploded
  }

  #read(value: Buffer): void {
    const reader = this.#reader
    this.#value = value
    this.#values.fill(null)
    this.#count++
    reader.reset(value, 0, value.length)
    try {
      this.#readStruct(this.#root)
      if (reader.remaining > 0) throw new BadLineError(`${reader.remaining} bytes behind it`)
    } catch (error) {
      if (!(error instanceof ThriftProtocolError || error instanceof BadLineError)) throw error
      throw new BadLineError(
        `the value is no ${this.#struct} in thrift's ${this.#encoding} protocol: ${error.message}`,
      )
    }
  }

  #readStruct({ prefix, fields, required }: StructPlan): void {
    const reader = this.#reader
    reader.readStructBegin()
    for (let type = reader.readFieldBegin(); type !== ThriftType.STOP; type = reader.readFieldBegin()) {
      const field = fields.get(reader.fieldId)
      if (field === undefined) {
        throw new BadLineError(`field ${reader.fieldId}${ofStruct(prefix)} is not in the IDL`)
      }
      if (field.wireType !== type) {
        throw new BadLineError(
          `field "${field.path}" has type ${wireTypeName(type)}, the IDL says ${field.type}`,
        )
      }
      if (field.seenIn === this.#count) throw new BadLineError(`field "${field.path}" is there twice`)
      field.seenIn = this.#count
      this.#readValue(field)
    }
    reader.readStructEnd()
    for (const field of required) {
      if (field.seenIn !== this.#count) throw new BadLineError(`required field "${field.path}" is missing`)
    }
  }

  #readValue(field: FieldPlan): void {
    if (field.struct !== null) {
      this.#readStruct(field.struct)
      return
    }
    const { type, slot } = field
    const isWhole = type === 'struct' || type === 'map' || type === 'set' || type === 'list'
    let bytes: Buffer
    try {
      bytes = isWhole ? this.#encodedValue(field) : readScalar(this.#reader, type)
    } catch (error) {
      if (error instanceof BadLineError) throw new BadLineError(`field "${field.path}" is ${error.message}`)
      throw error
    }
    if (slot >= 0) this.#values[slot] = bytes
  }

  /** The value's own bytes, in the protocol that the whole is in. */
  #encodedValue({ wireType, type, elements, elementCodes }: FieldPlan): Buffer {
    const reader = this.#reader
    const start = this.#value.length - reader.remaining
    reader.skip(wireType)
    const bytes = this.#value.subarray(start, this.#value.length - reader.remaining)
    if (type !== 'map' && type !== 'set' && type !== 'list') return bytes
    const found = elementTypes(bytes, type, this.#encoding)
    if (found !== null && found.some((code, index) => code !== elementCodes[index])) {
      throw new BadLineError(
        `a ${type} of ${found.map(wireTypeName).join(', ')}, the IDL says ${elements.join(', ')}`,
      )
    }
    return bytes
  }
}

const EMPTY = Buffer.alloc(0)

function planOf(
  fields: readonly ThriftField[],
  prefix: string,
  slots: ReadonlyMap<string, number>,
): StructPlan {
  const plans = fields.map(({ fields: inner, ...field }): FieldPlan => {
    const path = `${prefix}${field.name}`
    return {
      ...field,
      path,
      wireType: WIRE_TYPES[field.type],
      elementCodes: field.elements.map((type) => WIRE_TYPES[type]),
      slot: inner === null ? (slots.get(path) ?? -1) : -1,
      struct: inner === null ? null : planOf(inner, `${path}.`, slots),
      seenIn: 0,
    }
  })
  return {
    prefix,
    fields: new Map(plans.map((plan) => [plan.id, plan])),
    required: plans.filter(({ isRequired }) => isRequired),
  }
}

function ofStruct(prefix: string): string {
  return prefix === '' ? '' : ` of "${prefix.slice(0, -1)}"`
}

/** @throws {BadLineError} when it is anything else: Node's decoder leaves out what it does not know */
function fromBase64(text: Buffer): Buffer {
  const value = Buffer.from(text.toString('latin1'), 'base64')
  if (value.toString('base64') === text.toString('latin1')) return value
  throw new BadLineError('the value is not base64 with padding')
}
