/** What statements about user types make of a keyspace; texts of CreateTypeStatement.java and its like in Cassandra 3.0. */
import type { CqlKeyspace, CqlTable, CqlUserType } from '../../../src/model/table-call.js'
import type { AlterType, CreateType, DropType, TypeName } from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { type KnownExtents, checkExtent } from '../cql/type-extent.js'
import { type CqlType, freeze, resolveType, typeNameText, typeText } from '../cql/types.js'
import { userTypes } from './schema.js'

/** Null: it exists and IF NOT EXISTS was said. @throws {CqlError} */
export function withNewType(
  keyspace: CqlKeyspace,
  { type, ifNotExists, fields }: CreateType,
): CqlKeyspace | null {
  const { name } = type
  if (keyspace.types.some((one) => one.name === name)) {
    if (ifNotExists) return null
    throw invalid(`A user type of name ${keyspace.name}.${name} already exists`)
  }
  if (fields.some((field) => field.type.kind === 'native' && field.type.name === 'counter')) {
    throw invalid('A user type cannot contain counters')
  }
  const made = {
    name,
    fields: fields.map((field) => ({ name: field.name, type: typeText(fieldType(keyspace, field.type)) })),
  }
  checkFieldNames(made)
  return checked({ ...keyspace, types: [...keyspace.types, made] })
}

function fieldType(keyspace: CqlKeyspace, written: TypeName): CqlType {
  const types = userTypes(keyspace)
  return freeze(resolveType(written, keyspace.name, (_, user) => types.get(user) ?? null))
}

/** As Cassandra shows a type that is not looked up yet. */
function shownType(written: TypeName, keyspace: string): string {
  if (written.kind === 'frozen') return shownType(written.inner, keyspace)
  return written.kind === 'user' ? `${keyspace}.${written.name.name}` : typeNameText(written)
}

function checkFieldNames({ name: type, fields }: CqlUserType): void {
  const seen = new Set<string>()
  for (const { name } of fields) {
    if (seen.has(name)) throw invalid(`Duplicate field name ${name} in type ${type}`)
    seen.add(name)
  }
}

/** A change reaches all types that are made of the changed one. */
function checked(keyspace: CqlKeyspace): CqlKeyspace {
  const known: KnownExtents = new Map()
  for (const type of userTypes(keyspace).values()) checkExtent(type, known)
  return keyspace
}

/** @throws {CqlError} */
export function withAlteredType(keyspace: CqlKeyspace, { type, alteration }: AlterType): CqlKeyspace {
  const fullName = `${keyspace.name}.${type.name}`
  if (alteration.kind === 'alterField') throw invalid('Altering of types is not allowed')
  const found = keyspace.types.find(({ name }) => name === type.name)
  if (found === undefined) throw invalid(`No user type named ${fullName} exists.`)
  const altered =
    alteration.kind === 'add'
      ? withField(keyspace, found, alteration)
      : withRenamedFields(fullName, found, alteration.renamings)
  return checked({ ...keyspace, types: keyspace.types.map((one) => (one === found ? altered : one)) })
}

function withField(
  keyspace: CqlKeyspace,
  type: CqlUserType,
  { field, type: written }: Extract<AlterType['alteration'], { kind: 'add' }>,
): CqlUserType {
  const fullName = `${keyspace.name}.${type.name}`
  if (type.fields.some(({ name }) => name === field)) {
    throw invalid(
      `Cannot add new field ${field} to type ${fullName}: a field of the same name already exists`,
    )
  }
  const added = fieldType(keyspace, written)
  if (refersTo(added, type.name)) {
    const what = `new field ${field} of type ${shownType(written, keyspace.name)}`
    throw invalid(`Cannot add ${what} to type ${fullName} as this would create a circular reference`)
  }
  return { ...type, fields: [...type.fields, { name: field, type: typeText(added) }] }
}

function refersTo(type: CqlType, name: string): boolean {
  switch (type.kind) {
    case 'native':
    case 'custom':
      return false
    case 'list':
    case 'set':
      return refersTo(type.element, name)
    case 'map':
      return refersTo(type.key, name) || refersTo(type.value, name)
    case 'tuple':
      return type.elements.some((element) => refersTo(element, name))
    case 'user':
      return type.name === name || type.fields.some((field) => refersTo(field.type, name))
  }
}

/** All by the names from before: two may change places. */
function withRenamedFields(
  fullName: string,
  type: CqlUserType,
  renamings: readonly { readonly from: string; readonly to: string }[],
): CqlUserType {
  const fields = [...type.fields]
  for (const { from, to } of renamings) {
    const index = type.fields.findIndex(({ name }) => name === from)
    const field = type.fields[index]
    if (field === undefined) throw invalid(`Unknown field ${from} in type ${fullName}`)
    fields[index] = { ...field, name: to }
  }
  const renamed = { ...type, fields }
  checkFieldNames(renamed)
  return renamed
}

/** Null: it is not there and IF EXISTS was said. @throws {CqlError} */
export function withoutType(
  keyspace: CqlKeyspace,
  { type, ifExists }: DropType,
  tables: readonly CqlTable[],
): CqlKeyspace | null {
  const { name } = type
  if (!keyspace.types.some((one) => one.name === name)) {
    if (ifExists) return null
    throw invalid(`No user type named ${keyspace.name}.${name} exists.`)
  }
  const others = keyspace.types.filter((one) => one.name !== name)
  const byName = others.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const user = byName.find(({ fields }) => fields.some((field) => mentions(field.type, name)))
  if (user !== undefined) {
    throw invalid(
      `Cannot drop user type ${keyspace.name}.${name} as it is still used by user type ${user.name}`,
    )
  }
  const table = tables.find(({ columns }) => columns.some((column) => mentions(column.type, name)))
  if (table !== undefined) {
    throw invalid(
      `Cannot drop user type ${keyspace.name}.${name} as it is still used by table ${table.keyspace}.${table.name}`,
    )
  }
  return { ...keyspace, types: others }
}

/** Whether the text of a type names the user type: between what is no part of a name, or in quotes. */
function mentions(typeAsText: string, name: string): boolean {
  const names = typeAsText.match(/"(?:[^"]|"")+"|\w+/g) ?? []
  return names.some((one) => (one.startsWith('"') ? one.slice(1, -1).replaceAll('""', '"') : one) === name)
}
