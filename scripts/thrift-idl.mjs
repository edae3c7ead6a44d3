// Reads IDL files: parsing, includes, what a type is on the wire and in TypeScript, literals. For gen-thrift.mjs.
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse } from '@creditkarma/thrift-parser'

/** Thrift's base types: wire code, TypeScript type, and the suffix of the protocol's read and write methods. */
const BASE_TYPES = {
  BoolKeyword: { code: 2, ts: 'boolean', method: 'Bool', isKey: true },
  ByteKeyword: { code: 3, ts: 'number', method: 'Byte', isKey: true },
  I8Keyword: { code: 3, ts: 'number', method: 'Byte', isKey: true },
  DoubleKeyword: { code: 4, ts: 'number', method: 'Double', isKey: true },
  I16Keyword: { code: 6, ts: 'number', method: 'I16', isKey: true },
  I32Keyword: { code: 8, ts: 'number', method: 'I32', isKey: true },
  I64Keyword: { code: 10, ts: 'bigint', method: 'I64', isKey: true },
  StringKeyword: { code: 11, ts: 'string', method: 'String', isKey: true },
  BinaryKeyword: { code: 11, ts: 'Buffer', method: 'Binary', isKey: false },
}
export const STRUCT = 12
const INTEGER_BITS = { Byte: 8n, I16: 16n, I32: 32n, I64: 64n }
const STRUCT_LIKE = new Set(['StructDefinition', 'UnionDefinition', 'ExceptionDefinition'])

/** Parsed files by name without extension; includes pull in further ones. */
export class Program {
  files = new Map()

  constructor(idlDirectory) {
    this.idlDirectory = idlDirectory
  }

  load(name) {
    const known = this.files.get(name)
    if (known !== undefined) return known
    const path = join(this.idlDirectory, `${name}.thrift`)
    const source = readFileSync(path, 'utf8')
    const document = parseQuietly(source, path)
    const file = { name, source, body: document.body, definitions: new Map(), includes: new Map() }
    this.files.set(name, file)
    for (const node of document.body) {
      if (node.type === 'IncludeDefinition') {
        const included = basename(node.path.value, '.thrift')
        file.includes.set(included, this.load(included))
      } else if (node.name !== undefined && node.type !== 'NamespaceDefinition') {
        if (file.definitions.has(node.name.value)) fail(`${path}: ${node.name.value} is defined twice`)
        file.definitions.set(node.name.value, node)
      }
    }
    return file
  }
}

/** The parser prints its errors on standard output; they belong in the one message. */
function parseQuietly(source, path) {
  const { log } = console
  const printed = []
  console.log = (line) => printed.push(line)
  try {
    const document = parse(source)
    if (document.type !== 'ThriftDocument') fail(`${path} does not parse: ${printed.join('\n')}`)
    return document
  } finally {
    console.log = log
  }
}

/** Follows an identifier through includes: `Cell`, `common.Cell`. */
export function lookUp(file, name) {
  const local = file.definitions.get(name)
  if (local !== undefined) return { file, node: local, reference: name }
  const dot = name.indexOf('.')
  const included = dot < 0 ? undefined : file.includes.get(name.slice(0, dot))
  const node = included?.definitions.get(name.slice(dot + 1))
  if (node === undefined) return null
  return { file: included, node, reference: name }
}

/**
 * What a field type is on the wire and in TypeScript, typedefs seen through: kind is base, enum, struct, list, set or
 * map; `label` names its helper functions.
 */
export function resolveType(file, type) {
  const base = BASE_TYPES[type.type]
  if (base !== undefined) return { kind: 'base', label: base.method, ...base }
  if (type.type === 'ListType' || type.type === 'SetType') return resolveSequence(file, type)
  if (type.type === 'MapType') return resolveMap(file, type)
  if (type.type !== 'Identifier') fail(`${file.name}.thrift: ${type.type} cannot be a field's type`)
  const found = lookUp(file, type.value)
  if (found === null) fail(`${file.name}.thrift: there is no type ${type.value}`)
  if (found.node.type === 'TypedefDefinition') {
    const resolved = resolveType(found.file, found.node.definitionType)
    if (found.file === file || resolved.kind === 'base') return resolved
    fail(`${file.name}.thrift: typedefs of ${found.file.name}.thrift can be used here only for base types`)
  }
  const label = type.value.replaceAll('.', '_')
  if (found.node.type === 'EnumDefinition') {
    return { kind: 'enum', code: 8, ts: 'number', method: 'I32', label, isKey: true, ...found }
  }
  if (!STRUCT_LIKE.has(found.node.type)) fail(`${file.name}.thrift: ${type.value} is not a type`)
  return { kind: 'struct', code: STRUCT, ts: found.reference, label, isKey: false, ...found }
}

function resolveSequence(file, type) {
  const element = resolveType(file, type.valueType)
  const isSet = type.type === 'SetType'
  const isEntries = !isSet || !element.isKey
  const ts = isEntries ? `readonly ${parenthesised(element.ts)}[]` : `ReadonlySet<${element.ts}>`
  const kind = isSet ? 'set' : 'list'
  return { kind, code: isSet ? 14 : 15, ts, element, isEntries, label: `${pascal(kind)}Of${element.label}` }
}

function resolveMap(file, type) {
  const key = resolveType(file, type.keyType)
  const value = resolveType(file, type.valueType)
  const isEntries = !key.isKey
  const ts = isEntries
    ? `readonly (readonly [${key.ts}, ${value.ts}])[]`
    : `ReadonlyMap<${key.ts}, ${value.ts}>`
  return { kind: 'map', code: 13, ts, key, value, isEntries, label: `MapOf${key.label}To${value.label}` }
}

export const parenthesised = (ts) => (ts.startsWith('readonly ') ? `(${ts})` : ts)

export const pascal = (name) => name[0].toUpperCase() + name.slice(1)

/** The text of a literal, or true and false. */
export function literal(node) {
  if (node.type === 'IntConstant' || node.type === 'DoubleConstant') return node.value.value
  if (node.type === 'StringLiteral' || node.type === 'BooleanLiteral') return node.value
  return fail(`${node.type} stands where a literal belongs`)
}

/** An integer literal, checked to fit its type. */
export function integer(text, method) {
  const value = /^-0x/i.test(text) ? -BigInt(text.slice(1)) : BigInt(text)
  const bits = INTEGER_BITS[method]
  if (BigInt.asIntN(Number(bits), value) !== value) fail(`${text} does not fit ${method}`)
  return value
}

export function fail(message) {
  throw new Error(message)
}
