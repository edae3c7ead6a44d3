/** What statements about user types make of a keyspace; texts of CreateTypeStatement.java and its like in Cassandra 3.0. */
import type { CqlKeyspace, CqlTable, CqlUserType } from '../../../src/model/table-call.js'
import type { AlterType, CreateType, DropType, TypeName } from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { isCounter, resolveType, typeText } from '../cql/types.js'
import { userTypes } from './schema.js'

/** Null: it exists and IF NOT EXISTS was said. @throws {CqlError} */
export function withNewType(keyspace: CqlKeyspace, statement: CreateType): CqlKeyspace | null {
  const { name } = statement.type
  if (keyspace.types.some((type) => type.name === name)) {
    if (statement.ifNotExists) return null
    throw invalid(`A user type of name ${name} already exists`)
  }
  const fields = statement.fields.map((field) => {
    if (statement.fields.filter((other) => other.name === field.name).length > 1) {
      throw invalid(`Duplicate field name ${field.name} in type ${name}`)
    }
    return { name: field.name, type: fieldType(keyspace, field.type) }
  })
  return { ...keyspace, types: [...keyspace.types, { name, fields }] }
}

function fieldType(keyspace: CqlKeyspace, written: TypeName): string {
  const types = userTypes(keyspace)
  const type = resolveType(written, keyspace.name, (_, user) => types.get(user) ?? null)
  if (isCounter(type)) throw invalid('A user type cannot contain counters')
  return typeText(type)
}

/** @throws {CqlError} */
export function withAlteredType(keyspace: CqlKeyspace, { type, alteration }: AlterType): CqlKeyspace {
  const found = keyspace.types.find(({ name }) => name === type.name)
  if (found === undefined) throw invalid(`No user type named ${type.name} exists.`)
  const altered = alteredType(keyspace, found, alteration)
  return { ...keyspace, types: keyspace.types.map((one) => (one === found ? altered : one)) }
}

function alteredType(
  keyspace: CqlKeyspace,
  type: CqlUserType,
  alteration: AlterType['alteration'],
): CqlUserType {
  switch (alteration.kind) {
    case 'add':
      if (type.fields.some(({ name }) => name === alteration.field)) {
        throw invalid(
          `Cannot add new field ${alteration.field} to type ${type.name}: a field of the same name already exists`,
        )
      }
      return {
        ...type,
        fields: [...type.fields, { name: alteration.field, type: fieldType(keyspace, alteration.type) }],
      }
    case 'rename':
      return alteration.renamings.reduce(withRenamedField, type)
    case 'alterField':
      throw invalid(
        `Altering the type of field ${alteration.field} of type ${type.name} is not supported: add another field`,
      )
  }
}

function withRenamedField(
  type: CqlUserType,
  { from, to }: { readonly from: string; readonly to: string },
): CqlUserType {
  if (!type.fields.some(({ name }) => name === from))
    throw invalid(`Unknown field ${from} in type ${type.name}`)
  if (type.fields.some(({ name }) => name === to))
    throw invalid(`Duplicate field name ${to} in type ${type.name}`)
  return {
    ...type,
    fields: type.fields.map((field) => (field.name === from ? { ...field, name: to } : field)),
  }
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
    throw invalid(`No user type named ${name} exists.`)
  }
  const others = keyspace.types.filter((one) => one.name !== name)
  const user = others.find(({ fields }) => fields.some((field) => mentions(field.type, name)))
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
