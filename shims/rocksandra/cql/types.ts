/**
 * CQL's types once they are resolved: what a column holds. A table of what is known of each native type, the text of a
 * type as Cassandra's schema tables and messages have it, and the rules by which a written type becomes one.
 * Source: CQL3Type.java and db/marshal of Cassandra 3.0; option ids by native_protocol_v4.spec section 4.2.5.2.
 */
import { CqlError, invalid } from './errors.js'
import { isReservedWord } from './keywords.js'
import type { NativeName, QualifiedName, TypeName } from './ast.js'

export interface NativeType {
  readonly kind: 'native'
  readonly name: NativeName
}

export interface ListType {
  readonly kind: 'list'
  readonly element: CqlType
  /** Frozen: one value of one cell. Otherwise a cell an element. */
  readonly isFrozen: boolean
}

export interface SetType {
  readonly kind: 'set'
  readonly element: CqlType
  readonly isFrozen: boolean
}

export interface MapType {
  readonly kind: 'map'
  readonly key: CqlType
  readonly value: CqlType
  readonly isFrozen: boolean
}

/** Always one value of one cell: 3.0 freezes tuples by itself. */
export interface TupleType {
  readonly kind: 'tuple'
  readonly elements: readonly CqlType[]
}

export interface UserField {
  readonly name: string
  readonly type: CqlType
}

/** Always frozen in 3.0. */
export interface UserType {
  readonly kind: 'user'
  readonly keyspace: string
  readonly name: string
  readonly fields: readonly UserField[]
}

/** A class of Cassandra's that has no name in CQL; its values are bytes to us. */
export interface CustomType {
  readonly kind: 'custom'
  readonly className: string
}

export type CollectionType = ListType | SetType | MapType
export type CqlType = NativeType | CollectionType | TupleType | UserType | CustomType

export interface NativeFacts {
  /** Type option on the wire. Never renumber. */
  readonly option: number
  /** First protocol version that has the option; older ones are sent the class name. */
  readonly sinceVersion: number
  /** Simple name in org.apache.cassandra.db.marshal. */
  readonly className: string
  /** Bytes of a value, or null where they vary. */
  readonly size: number | null
}

export const NATIVE_FACTS: Readonly<Record<NativeName, NativeFacts>> = {
  ascii: { option: 0x01, sinceVersion: 3, className: 'AsciiType', size: null },
  bigint: { option: 0x02, sinceVersion: 3, className: 'LongType', size: 8 },
  blob: { option: 0x03, sinceVersion: 3, className: 'BytesType', size: null },
  boolean: { option: 0x04, sinceVersion: 3, className: 'BooleanType', size: 1 },
  counter: { option: 0x05, sinceVersion: 3, className: 'CounterColumnType', size: 8 },
  decimal: { option: 0x06, sinceVersion: 3, className: 'DecimalType', size: null },
  double: { option: 0x07, sinceVersion: 3, className: 'DoubleType', size: 8 },
  float: { option: 0x08, sinceVersion: 3, className: 'FloatType', size: 4 },
  int: { option: 0x09, sinceVersion: 3, className: 'Int32Type', size: 4 },
  timestamp: { option: 0x0b, sinceVersion: 3, className: 'TimestampType', size: 8 },
  uuid: { option: 0x0c, sinceVersion: 3, className: 'UUIDType', size: 16 },
  text: { option: 0x0d, sinceVersion: 3, className: 'UTF8Type', size: null },
  varint: { option: 0x0e, sinceVersion: 3, className: 'IntegerType', size: null },
  timeuuid: { option: 0x0f, sinceVersion: 3, className: 'TimeUUIDType', size: 16 },
  inet: { option: 0x10, sinceVersion: 3, className: 'InetAddressType', size: null },
  date: { option: 0x11, sinceVersion: 4, className: 'SimpleDateType', size: 4 },
  time: { option: 0x12, sinceVersion: 4, className: 'TimeType', size: 8 },
  smallint: { option: 0x13, sinceVersion: 4, className: 'ShortType', size: 2 },
  tinyint: { option: 0x14, sinceVersion: 4, className: 'ByteType', size: 1 },
}

/** Type options of what is not native. Never renumber. */
export const TYPE_OPTIONS = {
  custom: 0x00,
  list: 0x20,
  map: 0x21,
  set: 0x22,
  user: 0x30,
  tuple: 0x31,
} as const

const MARSHAL = 'org.apache.cassandra.db.marshal'

function native(name: NativeName): NativeType {
  return { kind: 'native', name }
}

/** One object a native type, for whoever builds schemas in code. */
export const TYPES: Readonly<Record<NativeName, NativeType>> = {
  ascii: native('ascii'),
  bigint: native('bigint'),
  blob: native('blob'),
  boolean: native('boolean'),
  counter: native('counter'),
  date: native('date'),
  decimal: native('decimal'),
  double: native('double'),
  float: native('float'),
  inet: native('inet'),
  int: native('int'),
  smallint: native('smallint'),
  text: native('text'),
  time: native('time'),
  timestamp: native('timestamp'),
  timeuuid: native('timeuuid'),
  tinyint: native('tinyint'),
  uuid: native('uuid'),
  varint: native('varint'),
}

export function isCollection(type: CqlType): type is CollectionType {
  return type.kind === 'list' || type.kind === 'set' || type.kind === 'map'
}

/** A cell an element: a list, set or map that is not frozen. */
export function isMultiCell(type: CqlType): type is CollectionType {
  return isCollection(type) && !type.isFrozen
}

export function isCounter(type: CqlType): boolean {
  return type.kind === 'native' && type.name === 'counter'
}

/** An identifier as it must be written to mean itself, in quotes where it has to be (ColumnIdentifier.maybeQuote). */
export function quoteIdentifier(name: string): string {
  const isPlain = /^[a-z][a-z0-9_]*$/.test(name) && !isReservedWord(name)
  return isPlain ? name : `"${name.replaceAll('"', '""')}"`
}

function frozen(text: string, isFrozen: boolean): string {
  return isFrozen ? `frozen<${text}>` : text
}

/** As CQL writes it and system_schema.columns keeps it: `frozen<map<text, int>>`. */
export function typeText(type: CqlType): string {
  switch (type.kind) {
    case 'native':
      return type.name
    case 'list':
      return frozen(`list<${typeText(type.element)}>`, type.isFrozen)
    case 'set':
      return frozen(`set<${typeText(type.element)}>`, type.isFrozen)
    case 'map':
      return frozen(`map<${typeText(type.key)}, ${typeText(type.value)}>`, type.isFrozen)
    case 'tuple':
      return `frozen<tuple<${type.elements.map(typeText).join(', ')}>>`
    case 'user':
      return `frozen<${quoteIdentifier(type.name)}>`
    case 'custom':
      return `'${type.className}'`
  }
}

function hexName(name: string): string {
  return Buffer.from(name, 'utf8').toString('hex')
}

function frozenClass(text: string, isFrozen: boolean): string {
  return isFrozen ? `${MARSHAL}.FrozenType(${text})` : text
}

/** As Java names it: what protocol v3 sends for newer types, and Thrift for all. */
export function typeClassName(type: CqlType): string {
  switch (type.kind) {
    case 'native':
      return `${MARSHAL}.${NATIVE_FACTS[type.name].className}`
    case 'list':
      return frozenClass(`${MARSHAL}.ListType(${typeClassName(type.element)})`, type.isFrozen)
    case 'set':
      return frozenClass(`${MARSHAL}.SetType(${typeClassName(type.element)})`, type.isFrozen)
    case 'map':
      return frozenClass(
        `${MARSHAL}.MapType(${typeClassName(type.key)},${typeClassName(type.value)})`,
        type.isFrozen,
      )
    case 'tuple':
      return `${MARSHAL}.TupleType(${type.elements.map(typeClassName).join(',')})`
    case 'user': {
      const fields = type.fields.map((field) => `${hexName(field.name)}:${typeClassName(field.type)}`)
      return `${MARSHAL}.UserType(${[type.keyspace, hexName(type.name), ...fields].join(',')})`
    }
    case 'custom':
      return type.className
  }
}

/** Whether values of both are the same bytes with the same meaning; frozen or not is part of it. */
export function isSameType(a: CqlType, b: CqlType): boolean {
  return a === b || typeClassName(a) === typeClassName(b)
}

/** A type of values inside other values: collections in it are one value each. */
export function freeze(type: CqlType): CqlType {
  return isCollection(type) && !type.isFrozen ? { ...type, isFrozen: true } : type
}

/** Finds a user type by keyspace and name. */
export type UserTypeLookup = (keyspace: string, name: string) => UserType | null

/** A type as written, in the words of the text: for messages about what is not resolved yet. */
export function typeNameText(type: TypeName): string {
  switch (type.kind) {
    case 'native':
      return type.name
    case 'list':
    case 'set':
      return `${type.kind}<${typeNameText(type.element)}>`
    case 'map':
      return `map<${typeNameText(type.key)}, ${typeNameText(type.value)}>`
    case 'tuple':
      return `tuple<${type.elements.map(typeNameText).join(', ')}>`
    case 'user':
      return qualifiedText(type.name)
    case 'frozen':
      return `frozen<${typeNameText(type.inner)}>`
    case 'custom':
      return `'${type.className}'`
  }
}

function qualifiedText(name: QualifiedName): string {
  return name.keyspace === null ? name.name : `${name.keyspace}.${name.name}`
}

/**
 * What a written type means in a keyspace. `frozen<>` reaches all types inside it, as in Cassandra.
 * @throws {CqlError} INVALID with Cassandra's text (CQL3Type.Raw.prepare)
 */
export function resolveType(type: TypeName, keyspace: string, lookup: UserTypeLookup): CqlType {
  return resolve(type, { keyspace, lookup }, false)
}

interface Surroundings {
  readonly keyspace: string
  readonly lookup: UserTypeLookup
}

function resolve(type: TypeName, around: Surroundings, isFrozen: boolean): CqlType {
  switch (type.kind) {
    case 'native':
      return TYPES[type.name]
    case 'custom':
      return classType(type.className)
    case 'frozen':
      return resolveFrozen(type.inner, around)
    case 'list':
    case 'set':
      checkElement(type.element, type, isFrozen)
      return { kind: type.kind, element: resolve(type.element, around, isFrozen), isFrozen }
    case 'map': {
      checkElement(type.value, type, isFrozen)
      checkElement(type.key, type, isFrozen)
      const key = resolve(type.key, around, isFrozen)
      return { kind: 'map', key, value: resolve(type.value, around, isFrozen), isFrozen }
    }
    case 'tuple':
      if (type.elements.some(isCounterName)) throw invalid('Counters are not allowed inside tuples')
      return { kind: 'tuple', elements: type.elements.map((element) => resolve(element, around, true)) }
    case 'user':
      return resolveUserType(type.name, around, isFrozen)
  }
}

function resolveFrozen(inner: TypeName, around: Surroundings): CqlType {
  if (inner.kind === 'native' || inner.kind === 'custom') {
    const got = typeNameText(inner)
    const why = `frozen<> is only allowed on collections, tuples, and user-defined types (got ${got})`
    throw new CqlError('SYNTAX_ERROR', why)
  }
  return resolve(inner, around, true)
}

function isCounterName(type: TypeName): boolean {
  return type.kind === 'native' && type.name === 'counter'
}

function checkElement(element: TypeName, of: TypeName, isFrozen: boolean): void {
  if (isCounterName(element))
    throw invalid(`Counters are not allowed inside collections: ${typeNameText(of)}`)
  const isOpen = element.kind === 'list' || element.kind === 'set' || element.kind === 'map'
  if (!isFrozen && (isOpen || element.kind === 'user' || element.kind === 'tuple')) {
    throw invalid(`Non-frozen collections are not allowed inside collections: ${typeNameText(of)}`)
  }
}

function resolveUserType(name: QualifiedName, around: Surroundings, isFrozen: boolean): UserType {
  if (name.keyspace !== null && name.keyspace !== around.keyspace) {
    throw invalid(
      `Statement on keyspace ${around.keyspace} cannot refer to a user type in keyspace ${name.keyspace}; ` +
        'user types can only be used in the keyspace they are defined in',
    )
  }
  const type = around.lookup(around.keyspace, name.name)
  if (type === null) throw invalid(`Unknown type ${around.keyspace}.${name.name}`)
  if (!isFrozen) {
    throw invalid('Non-frozen User-Defined types are not supported, please use frozen<>')
  }
  return type
}

const NATIVE_BY_CLASS: ReadonlyMap<string, NativeType> = new Map(
  Object.values(TYPES).map((type) => [NATIVE_FACTS[type.name].className, type]),
)

/** A Java class as a type: the native type that it is, or a custom one. */
function classType(className: string): CqlType {
  const simple = className.startsWith(`${MARSHAL}.`) ? className.slice(MARSHAL.length + 1) : className
  return NATIVE_BY_CLASS.get(simple) ?? { kind: 'custom', className }
}
