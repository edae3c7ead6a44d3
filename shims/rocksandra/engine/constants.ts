/** Which constants may stand for which types: Constants.Literal.testAssignment of Cassandra 3.0. */
import type { Constant, ConstantType, NativeName } from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { nativeFromText } from '../cql/literals.js'
import { type CqlType, typeText } from '../cql/types.js'

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

function mayStandFor({ type }: Constant, wanted: CqlType): boolean {
  return wanted.kind === 'native' && ALLOWED[type].includes(wanted.name)
}

/** @throws {CqlError} INVALID with Cassandra's text */
export function constantToBytes(constant: Constant, wanted: CqlType, name: string): Buffer {
  const { type, text } = constant
  if (wanted.kind !== 'native' || !mayStandFor(constant, wanted)) {
    throw invalid(
      `Invalid ${type.toUpperCase()} constant (${text}) for "${name}" of type ${typeText(wanted)}`,
    )
  }
  return nativeFromText(wanted.name, type === 'hex' ? text.replace(/^0[xX]/, '') : text)
}
