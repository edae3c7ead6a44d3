/**
 * Thrift IDL -> the fields of one of its structs, typedefs and includes resolved. Nested structs are expanded, so that
 * every field has a path; one that contains itself is left whole, because its paths would not end.
 *
 * Bounded: the text of all files together (limits.maxIdlBytes) and the fields that come out (limits.maxExplodedFields),
 * since a dozen structs that contain each other twice would be thousands of them.
 */
import { posix } from 'node:path'
import {
  createParser,
  createScanner,
  SyntaxType,
  type FieldDefinition,
  type FieldType,
  type FunctionType,
  type ThriftError,
  type ThriftStatement,
} from '@creditkarma/thrift-parser'
import { KVError } from './errors.js'
import { limits } from './limits.js'
import { thriftPaths, type IdlFile, type ThriftField, type ThriftFieldType } from './thrift-layout.js'

const BASE_TYPES: Readonly<Partial<Record<SyntaxType, ThriftFieldType>>> = {
  [SyntaxType.BoolKeyword]: 'bool',
  [SyntaxType.ByteKeyword]: 'byte',
  [SyntaxType.I8Keyword]: 'byte',
  [SyntaxType.I16Keyword]: 'i16',
  [SyntaxType.I32Keyword]: 'i32',
  [SyntaxType.I64Keyword]: 'i64',
  [SyntaxType.DoubleKeyword]: 'double',
  [SyntaxType.StringKeyword]: 'string',
  [SyntaxType.BinaryKeyword]: 'binary',
}
/** Typedefs of typedefs; a longer chain is one that never ends. */
const MAX_TYPEDEFS = 64
const MAX_FIELD_ID = 32_767

/** A parsed file. */
interface Unit {
  readonly name: string
  readonly definitions: ReadonlyMap<string, ThriftStatement>
  /** By the name that other types are qualified with: `common` of `include "x/common.thrift"`. */
  readonly includes: Map<string, Unit>
}

interface Found {
  readonly unit: Unit
  readonly node: ThriftStatement
}

/**
 * The fields of `structName`, in the order of the IDL. The first file is the one that has the struct; the others are
 * what it includes, named by their paths relative to it.
 * @throws {KVError} INVALID_ARGUMENT when the IDL is wrong, incomplete or too large, or has no such struct
 */
export function compileThriftStruct(files: readonly IdlFile[], structName: string): readonly ThriftField[] {
  const size = files.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
  if (size > limits.maxIdlBytes) {
    throw invalid(
      `the IDL has ${size} bytes, ${limits.maxIdlBytes} are read: give only what the struct needs`,
    )
  }
  const [main] = files
  if (main === undefined) throw invalid('there is no IDL')
  const unit = new Units(files).load(main.name, null)
  const found = lookUp(unit, structName)
  if (found === null || !isStruct(found.node)) {
    const names = [...unit.definitions.values()].filter(isStruct).map(({ name }) => name.value)
    throw invalid(
      `${main.name} has no struct "${shown(structName)}"; it has ${names.slice(0, 20).join(', ')}`,
    )
  }
  const fields = new Expansion().fieldsOf(found, [])
  refuseTwice(thriftPaths(fields), (path) => `two fields of ${structName} have the path ${path}`)
  return fields
}

/** Parses each file once. */
class Units {
  readonly #texts: ReadonlyMap<string, string>
  readonly #units = new Map<string, Unit>()

  constructor(files: readonly IdlFile[]) {
    this.#texts = new Map(files.map(({ name, text }) => [posix.normalize(name), text]))
  }

  load(path: string, includedBy: string | null): Unit {
    const name = posix.normalize(path)
    const known = this.#units.get(name)
    if (known !== undefined) return known
    const text = this.#texts.get(name)
    if (text === undefined) {
      throw invalid(`${includedBy ?? 'the request'} includes ${name}, which is not among the given IDL files`)
    }
    const body = parse(name, text)
    const definitions = new Map<string, ThriftStatement>()
    const unit: Unit = { name, definitions, includes: new Map() }
    // Known before its includes are followed: two files may include each other.
    this.#units.set(name, unit)
    for (const node of body) {
      if (node.type === SyntaxType.IncludeDefinition) {
        const included = posix.join(posix.dirname(name), node.path.value)
        unit.includes.set(posix.basename(included, '.thrift'), this.load(included, name))
      } else if (isNamed(node)) {
        const { value } = node.name
        if (definitions.has(value)) throw invalid(`${name} defines ${shown(value)} twice`)
        definitions.set(value, node)
      }
    }
    return unit
  }
}

function parse(name: string, text: string): readonly ThriftStatement[] {
  try {
    // Without reporters the parser prints what is wrong.
    const refuse = ({ message, loc }: ThriftError): never => {
      throw new Fault(`line ${loc.start.line}: ${message}`)
    }
    return createParser(createScanner(text, refuse).scan(), refuse).parse().body
  } catch (error) {
    // The parser itself stumbles over text that is far from an IDL, or nests without end.
    const reason = error instanceof Fault ? error.message : 'it is no Thrift IDL'
    throw invalid(`${name} does not parse: ${reason.slice(0, 200)}`)
  }
}

class Fault extends Error {}

/** Expands structs into their fields, and counts them. */
class Expansion {
  #count = 0

  /** @param around the structs that contain this one */
  fieldsOf({ unit, node }: Found, around: readonly ThriftStatement[]): readonly ThriftField[] {
    if (!isStruct(node)) return []
    const struct = node.name.value
    const fields = node.fields.map((field) => this.#fieldOf(unit, field, struct, [...around, node]))
    const inStruct = (what: string) => (value: number | string) => `${struct} has the ${what} ${value} twice`
    refuseTwice(fields.map(({ id }) => id), inStruct('field id')) // prettier-ignore
    refuseTwice(fields.map(({ name }) => name), inStruct('field')) // prettier-ignore
    return fields
  }

  #fieldOf(
    unit: Unit,
    { name: { value: name }, fieldID, requiredness, fieldType }: FieldDefinition,
    struct: string,
    around: readonly ThriftStatement[],
  ): ThriftField {
    if (++this.#count > limits.maxExplodedFields) {
      throw invalid(`the struct has more than ${limits.maxExplodedFields} fields, nested ones counted`)
    }
    const id = fieldID?.value ?? null
    if (id === null || Math.abs(id) > MAX_FIELD_ID) {
      throw invalid(
        `field ${shown(name)} of ${struct} in ${unit.name} has no id that fits 16 bits; give it one`,
      )
    }
    const { type, elements, struct: inner } = resolve(unit, fieldType)
    const isExpanded = inner !== null && !around.includes(inner.node)
    return {
      id,
      name,
      type,
      isRequired: requiredness === 'required',
      elements,
      fields: isExpanded ? this.fieldsOf(inner, around) : null,
    }
  }
}

interface Resolved {
  readonly type: ThriftFieldType
  readonly elements: readonly ThriftFieldType[]
  readonly struct: Found | null
}

function resolve(unit: Unit, type: FieldType | FunctionType, typedefs = 0): Resolved {
  const base = BASE_TYPES[type.type]
  if (base !== undefined) return { type: base, elements: [], struct: null }
  const elementOf = (element: FieldType) => resolve(unit, element, typedefs + 1).type
  if (typedefs > MAX_TYPEDEFS) throw invalid(`types of ${unit.name} are defined by themselves`)
  if (type.type === SyntaxType.ListType) {
    return { type: 'list', elements: [elementOf(type.valueType)], struct: null }
  }
  if (type.type === SyntaxType.SetType) {
    return { type: 'set', elements: [elementOf(type.valueType)], struct: null }
  }
  if (type.type === SyntaxType.MapType) {
    return { type: 'map', elements: [elementOf(type.keyType), elementOf(type.valueType)], struct: null }
  }
  if (type.type !== SyntaxType.Identifier) throw invalid(`${unit.name}: ${type.type} is no type of a field`)
  const found = lookUp(unit, type.value)
  if (found === null) throw invalid(`${unit.name}: there is no type ${shown(type.value)}`)
  const { node } = found
  if (node.type === SyntaxType.TypedefDefinition)
    return resolve(found.unit, node.definitionType, typedefs + 1)
  if (node.type === SyntaxType.EnumDefinition) return { type: 'i32', elements: [], struct: null }
  if (isStruct(node)) return { type: 'struct', elements: [], struct: found }
  throw invalid(`${unit.name}: ${shown(type.value)} is not a type`)
}

/** Follows a name through includes: `Cell`, `common.Cell`. */
function lookUp(unit: Unit, name: string): Found | null {
  const own = unit.definitions.get(name)
  if (own !== undefined) return { unit, node: own }
  const dot = name.indexOf('.')
  const included = dot < 0 ? undefined : unit.includes.get(name.slice(0, dot))
  const node = included?.definitions.get(name.slice(dot + 1))
  return included === undefined || node === undefined ? null : { unit: included, node }
}

type StructNode = Extract<ThriftStatement, { readonly fields: unknown }>

function isStruct(node: ThriftStatement): node is StructNode {
  return (
    node.type === SyntaxType.StructDefinition ||
    node.type === SyntaxType.UnionDefinition ||
    node.type === SyntaxType.ExceptionDefinition
  )
}

type NamedNode = Extract<
  ThriftStatement,
  { readonly type: Exclude<SyntaxType, SyntaxType.NamespaceDefinition> } & { readonly name: unknown }
>

function isNamed(node: ThriftStatement): node is NamedNode {
  return node.type !== SyntaxType.NamespaceDefinition && 'name' in node
}

function refuseTwice<T>(values: readonly T[], message: (value: T) => string): void {
  const seen = new Set<T>()
  for (const value of values) {
    if (seen.has(value)) throw invalid(message(value))
    seen.add(value)
  }
}

function shown(name: string): string {
  return name.length > 60 ? `${name.slice(0, 57)}...` : name
}

function invalid(message: string): KVError {
  return new KVError('INVALID_ARGUMENT', message)
}
