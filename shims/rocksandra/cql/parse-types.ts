/** Types as they are written: `frozen<map<text, int>>`, `ks.address`, `'org.example.SomeType'`. */
import type { Cursor } from './cursor.js'
import type { QualifiedName, TypeName } from './ast.js'
import { nativeOf } from './keywords.js'

/** Names that Cassandra keeps for types of its own to come (Cql.g, reservedTypeNames), as they are written. */
const RESERVED_TYPE_NAMES: ReadonlySet<string> = new Set([
  'byte',
  'complex',
  'enum',
  'date',
  'interval',
  'macaddr',
  'bitstring',
])

export function parseTypeRule(cursor: Cursor): TypeName {
  return cursor.nested(() => typeRule(cursor))
}

function typeRule(cursor: Cursor): TypeName {
  const { kind } = cursor
  const native = nativeOf(kind)
  if (native !== null && cursor.peek() !== '.') {
    cursor.next()
    return { kind: 'native', name: native }
  }
  if (kind === 'string') return { kind: 'custom', className: cursor.takeValue('string') }
  if (isGeneric(kind) && cursor.peek() === '<') return genericType(cursor, kind)
  return { kind: 'user', name: userTypeName(cursor) }
}

type Generic = 'LIST' | 'SET' | 'MAP' | 'TUPLE' | 'FROZEN'

function isGeneric(kind: string): kind is Generic {
  return kind === 'LIST' || kind === 'SET' || kind === 'MAP' || kind === 'TUPLE' || kind === 'FROZEN'
}

function genericType(cursor: Cursor, kind: Generic): TypeName {
  cursor.next()
  cursor.expect('<')
  const type = genericOf(cursor, kind)
  cursor.expect('>')
  return type
}

function genericOf(cursor: Cursor, kind: Generic): TypeName {
  if (kind === 'TUPLE') return { kind: 'tuple', elements: cursor.list(() => parseTypeRule(cursor)) }
  const first = parseTypeRule(cursor)
  if (kind === 'LIST') return { kind: 'list', element: first }
  if (kind === 'SET') return { kind: 'set', element: first }
  if (kind === 'FROZEN') return frozenType(cursor, first)
  cursor.expect(',')
  return { kind: 'map', key: first, value: parseTypeRule(cursor) }
}

function frozenType(cursor: Cursor, inner: TypeName): TypeName {
  if (inner.kind === 'native' || inner.kind === 'custom') {
    const got = inner.kind === 'native' ? inner.name : `'${inner.className}'`
    throw cursor.refuse(
      `frozen<> is only allowed on collections, tuples, and user-defined types (got ${got})`,
    )
  }
  return { kind: 'frozen', inner }
}

/** `name` or `keyspace.name` of a user type; a native type's name is none. */
export function userTypeName(cursor: Cursor): QualifiedName {
  const isQualified = cursor.isName && cursor.peek() === '.'
  const keyspace = isQualified ? cursor.name() : null
  if (isQualified) cursor.expect('.')
  const { kind, raw } = cursor
  if (nativeOf(kind) !== null || kind === 'TTL' || kind === 'COUNT' || kind === 'WRITETIME')
    throw cursor.noViable()
  if (kind === 'identifier' && RESERVED_TYPE_NAMES.has(raw)) {
    throw cursor.refuse(`Invalid (reserved) user type name ${raw}`)
  }
  return { keyspace, name: cursor.name() }
}
