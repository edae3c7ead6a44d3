/** Which constants may stand for which types: Constants.Literal.testAssignment of Cassandra 3.0. */
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import type { Constant, ConstantType, NativeName } from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { nativeFromText } from '../cql/literals.js'
import { type CqlType, type CustomType, resolveType, typeText } from '../cql/types.js'
import { compositeFromText } from '../cql/values/composites.js'
import { parseUuid } from '../cql/values/uuids.js'

const ALLOWED: Readonly<Record<ConstantType, readonly NativeName[]>> = {
  string: ['ascii', 'text', 'inet', 'date', 'time', 'timestamp'],
  integer: [
    'bigint',
    'counter',
    'date',
    'decimal',
    'double',
    'float',
    'int',
    'smallint',
    'time',
    'timestamp',
    'tinyint',
    'varint',
  ],
  uuid: ['uuid', 'timeuuid'],
  float: ['decimal', 'double', 'float'],
  boolean: ['boolean'],
  hex: ['blob'],
}

export function mayStandFor({ type }: Constant, wanted: CqlType): boolean {
  return wanted.kind === 'native' && ALLOWED[type].includes(wanted.name)
}

/** @throws {CqlError} INVALID with Cassandra's text */
export function constantToBytes(constant: Constant, wanted: CqlType, name: string): Buffer {
  const { type, text } = constant
  if (wanted.kind === 'custom') return customFromConstant(constant, wanted)
  if (wanted.kind !== 'native' || !mayStandFor(constant, wanted)) {
    throw invalid(
      `Invalid ${type.toUpperCase()} constant (${text}) for "${name}" of type ${typeText(wanted)}`,
    )
  }
  return nativeFromText(wanted.name, type === 'hex' ? text.replace(/^0[xX]/, '') : text)
}

/** Any constant may stand for a custom class; in hex it is the bytes themselves. */
function customFromConstant({ type, text }: Constant, { className }: CustomType): Buffer {
  if (type === 'hex') return nativeFromText('blob', text.slice(2))
  const [, simple = '', inner = ''] = /^(?:[\w.]+\.)?(\w+)(?:\((.*)\))?$/.exec(className) ?? []
  if (simple === 'LexicalUUIDType') return lexicalUuid(text)
  const parts = simple === 'CompositeType' ? inner.split(',').map((name) => nativeOfClass(name.trim())) : []
  if (parts.length === 0 || parts.includes(null)) {
    throw invalid(`Values of ${className} are bytes here: write 0x and their digits, or bind them`)
  }
  return compositeFromText(
    text,
    parts.flatMap((name) => (name === null ? [] : [(part: string) => nativeFromText(name, part)])),
  )
}

/** Those of CQL begin with a capital letter when they are refused. */
function lexicalUuid(text: string): Buffer {
  if (text === '') return EMPTY_BYTES
  const value = parseUuid(text)
  if (value === null) throw invalid(`unable to make UUID from '${text}'`)
  return value
}

/** Null: it is none of a native type. */
function nativeOfClass(className: string): NativeName | null {
  const type = resolveType({ kind: 'custom', className }, '', () => null)
  return type.kind === 'native' ? type.name : null
}
