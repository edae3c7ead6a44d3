/** Statements back to text, for tests: what the parser makes of it is the statement again. */
import type {
  Assignment,
  Condition,
  InValues,
  Modification,
  Properties,
  QualifiedName,
  Relation,
  Select,
  Selector,
  Statement,
  TableAlteration,
  Term,
  TypeAlteration,
  TypeName,
  WriteAttributes,
} from '../../../shims/rocksandra/cql/ast.js'
import { quoteIdentifier } from '../../../shims/rocksandra/cql/types.js'

/** As Cassandra quotes, and `true`, which it writes bare and then reads as a constant. */
function name(identifier: string): string {
  return identifier === 'true' ? '"true"' : quoteIdentifier(identifier)
}

function qualified({ keyspace, name: last }: QualifiedName): string {
  return keyspace === null ? name(last) : `${name(keyspace)}.${name(last)}`
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}

function list(parts: readonly string[]): string {
  return parts.join(', ')
}

function when(condition: boolean, words: string): string {
  return condition ? ` ${words}` : ''
}

/** Functions are called by names that are no keywords here, so that they are written bare. */
export function printTerm(term: Term): string {
  switch (term.kind) {
    case 'constant':
      return term.type === 'string' ? text(term.text) : term.text
    case 'marker':
      return term.name === null ? '?' : `:${name(term.name)}`
    case 'null':
      return 'null'
    case 'list':
      return `[${list(term.items.map(printTerm))}]`
    case 'set':
      return `{${list(term.items.map(printTerm))}}`
    case 'map':
      return `{${list(term.entries.map(({ key, value }) => `${printTerm(key)} : ${printTerm(value)}`))}}`
    case 'udt':
      return `{${list(term.fields.map((field) => `${name(field.name)}: ${printTerm(field.value)}`))}}`
    case 'tuple':
      return `(${list(term.items.map(printTerm))})`
    case 'call':
      return `${qualified(term.name)}(${list(term.args.map(printTerm))})`
    case 'cast':
      return `(${printType(term.type)}) ${printTerm(term.term)}`
  }
}

export function printType(type: TypeName): string {
  switch (type.kind) {
    case 'native':
      return type.name
    case 'list':
    case 'set':
      return `${type.kind}<${printType(type.element)}>`
    case 'map':
      return `map<${printType(type.key)}, ${printType(type.value)}>`
    case 'tuple':
      return `tuple<${list(type.elements.map(printType))}>`
    case 'user':
      return qualified(type.name)
    case 'frozen':
      return `frozen<${printType(type.inner)}>`
    case 'custom':
      return text(type.className)
  }
}

function printSelector(selector: Selector): string {
  switch (selector.kind) {
    case 'column':
      return name(selector.name)
    case 'countRows':
      return 'count(*)'
    case 'writetime':
    case 'ttl':
      return `${selector.kind}(${name(selector.column)})`
    case 'call':
      return `${qualified(selector.name)}(${list(selector.args.map(printSelector))})`
    case 'field':
      return `${printSelector(selector.of)}.${name(selector.field)}`
  }
}

function printIn(values: InValues): string {
  return values.kind === 'marker' ? printTerm(values.marker) : `(${list(values.terms.map(printTerm))})`
}

function printRelation(relation: Relation): string {
  switch (relation.kind) {
    case 'compare':
      return `${name(relation.column)} ${relation.operator} ${printTerm(relation.value)}`
    case 'in':
      return `${name(relation.column)} IN ${printIn(relation.values)}`
    case 'contains':
      return `${name(relation.column)} CONTAINS ${relation.isKey ? 'KEY ' : ''}${printTerm(relation.value)}`
    case 'isNotNull':
      return `${name(relation.column)} IS NOT NULL`
    case 'entry': {
      const { column, key, operator, value } = relation
      return `${name(column)}[${printTerm(key)}] ${operator} ${printTerm(value)}`
    }
    case 'token':
      return `token(${list(relation.columns.map(name))}) ${relation.operator} ${printTerm(relation.value)}`
    case 'multi':
      return `(${list(relation.columns.map(name))}) ${relation.operator} ${printTerm(relation.value)}`
    case 'multiIn':
      return `(${list(relation.columns.map(name))}) IN ${printIn(relation.values)}`
    case 'expr':
      return `expr(${name(relation.index.name)}, ${printTerm(relation.value)})`
  }
}

function where(relations: readonly Relation[]): string {
  return relations.length === 0 ? '' : ` WHERE ${relations.map(printRelation).join(' AND ')}`
}

function printSelect(select: Select): string {
  const items = select.selection.map(({ selector, alias }) => {
    return printSelector(selector) + (alias === null ? '' : ` AS ${name(alias)}`)
  })
  const orderings = select.orderBy.map(
    ({ column, isDescending }) => name(column) + when(isDescending, 'DESC'),
  )
  return [
    `SELECT${when(select.isJson, 'JSON')}${when(select.isDistinct, 'DISTINCT')}`,
    ` ${items.length === 0 ? '*' : list(items)} FROM ${qualified(select.table)}${where(select.where)}`,
    when(orderings.length > 0, `ORDER BY ${list(orderings)}`),
    select.perPartitionLimit === null ? '' : ` PER PARTITION LIMIT ${printTerm(select.perPartitionLimit)}`,
    select.limit === null ? '' : ` LIMIT ${printTerm(select.limit)}`,
    when(select.allowFiltering, 'ALLOW FILTERING'),
  ].join('')
}

function using({ timestamp, ttl }: WriteAttributes): string {
  const parts = [
    ...(timestamp === null ? [] : [`TIMESTAMP ${printTerm(timestamp)}`]),
    ...(ttl === null ? [] : [`TTL ${printTerm(ttl)}`]),
  ]
  return parts.length === 0 ? '' : ` USING ${parts.join(' AND ')}`
}

function printAssignment(assignment: Assignment): string {
  const column = name(assignment.column)
  const value = printTerm(assignment.value)
  switch (assignment.kind) {
    case 'set':
      return `${column} = ${value}`
    case 'add':
      return `${column} = ${column} + ${value}`
    case 'subtract':
      return `${column} = ${column} - ${value}`
    case 'prepend':
      return `${column} = ${value} + ${column}`
    case 'setElement':
      return `${column}[${printTerm(assignment.key)}] = ${value}`
  }
}

function printCondition(condition: Condition): string {
  const element = condition.element === null ? '' : `[${printTerm(condition.element)}]`
  const left = name(condition.column) + element
  if (condition.kind === 'in') return `${left} IN ${printIn(condition.values)}`
  return `${left} ${condition.operator} ${printTerm(condition.value)}`
}

function conditions(ifExists: boolean, all: readonly Condition[]): string {
  if (ifExists) return ' IF EXISTS'
  return all.length === 0 ? '' : ` IF ${all.map(printCondition).join(' AND ')}`
}

function printModification(statement: Modification): string {
  const table = qualified(statement.table)
  switch (statement.kind) {
    case 'insert': {
      const columns = list(statement.columns.map(name))
      const values = list(statement.values.map(printTerm))
      const tail = when(statement.ifNotExists, 'IF NOT EXISTS') + using(statement.using)
      return `INSERT INTO ${table} (${columns}) VALUES (${values})${tail}`
    }
    case 'insertJson': {
      const tail = when(statement.ifNotExists, 'IF NOT EXISTS') + using(statement.using)
      return `INSERT INTO ${table} JSON ${printTerm(statement.json)}${tail}`
    }
    case 'update': {
      const assignments = list(statement.assignments.map(printAssignment))
      const tail = where(statement.where) + conditions(statement.ifExists, statement.conditions)
      return `UPDATE ${table}${using(statement.using)} SET ${assignments}${tail}`
    }
    case 'delete': {
      const deletions = statement.deletions.map(({ column, element }) => {
        return name(column) + (element === null ? '' : `[${printTerm(element)}]`)
      })
      const tail = where(statement.where) + conditions(statement.ifExists, statement.conditions)
      return `DELETE ${list(deletions)} FROM ${table}${using(statement.using)}${tail}`
    }
  }
}

function printProperties(properties: Properties): string[] {
  return [...properties].map(([key, value]) => {
    if (typeof value === 'string') return `${name(key)} = ${text(value)}`
    const entries = [...value].map(([inner, set]) => `${text(inner)}: ${text(set)}`)
    return `${name(key)} = {${list(entries)}}`
  })
}

function withClause(parts: readonly string[]): string {
  return parts.length === 0 ? '' : ` WITH ${parts.join(' AND ')}`
}

function printTableAlteration(alteration: TableAlteration | TypeAlteration): string {
  switch (alteration.kind) {
    case 'alterColumn':
      return `ALTER ${name(alteration.column)} TYPE ${printType(alteration.type)}`
    case 'alterField':
      return `ALTER ${name(alteration.field)} TYPE ${printType(alteration.type)}`
    case 'add':
      return 'field' in alteration
        ? `ADD ${name(alteration.field)} ${printType(alteration.type)}`
        : `ADD ${name(alteration.column)} ${printType(alteration.type)}${when(alteration.isStatic, 'static')}`
    case 'drop': {
      const at = alteration.timestamp === null ? '' : ` USING TIMESTAMP ${alteration.timestamp}`
      return `DROP ${name(alteration.column)}${at}`
    }
    case 'options':
      return withClause(printProperties(alteration.properties)).trim()
    case 'rename':
      return `RENAME ${alteration.renamings.map(({ from, to }) => `${name(from)} TO ${name(to)}`).join(' AND ')}`
  }
}

function printCreateTable(statement: Extract<Statement, { kind: 'createTable' }>): string {
  const columns = statement.columns.map((column) => {
    return `${name(column.name)} ${printType(column.type)}${when(column.isStatic, 'STATIC')}`
  })
  const keys = statement.primaryKeys.map(({ partition, clustering }) => {
    return `PRIMARY KEY (${list([`(${list(partition.map(name))})`, ...clustering.map(name)])})`
  })
  const order = statement.clusteringOrder.map(({ column, isDescending }) => {
    return `${name(column)} ${isDescending ? 'DESC' : 'ASC'}`
  })
  const options = [
    ...(order.length === 0 ? [] : [`CLUSTERING ORDER BY (${list(order)})`]),
    ...(statement.isCompact ? ['COMPACT STORAGE'] : []),
    ...printProperties(statement.properties),
  ]
  const head = `CREATE TABLE${when(statement.ifNotExists, 'IF NOT EXISTS')} ${qualified(statement.table)}`
  return `${head} (${list([...columns, ...keys])})${withClause(options)}`
}

function printCreateIndex(statement: Extract<Statement, { kind: 'createIndex' }>): string {
  const targets = statement.targets.map(({ column, target }) => {
    return target === 'simple' ? name(column) : `${target}(${name(column)})`
  })
  const head = `CREATE${when(statement.isCustom, 'CUSTOM')} INDEX${when(statement.ifNotExists, 'IF NOT EXISTS')}`
  const called = statement.name === null ? '' : ` ${name(statement.name)}`
  const custom = statement.customClass === null ? '' : ` USING ${text(statement.customClass)}`
  const options = withClause(printProperties(statement.properties))
  return `${head}${called} ON ${qualified(statement.table)} (${list(targets)})${custom}${options}`
}

export function printStatement(statement: Statement): string {
  switch (statement.kind) {
    case 'select':
      return printSelect(statement)
    case 'insert':
    case 'insertJson':
    case 'update':
    case 'delete':
      return printModification(statement)
    case 'batch': {
      const type = statement.type === 'LOGGED' ? '' : `${statement.type} `
      const inner = statement.statements.map((one) => `${printModification(one)};`).join(' ')
      return `BEGIN ${type}BATCH${using(statement.using)} ${inner} APPLY BATCH`
    }
    case 'use':
      return `USE ${name(statement.keyspace)}`
    case 'truncate':
      return `TRUNCATE ${qualified(statement.table)}`
    case 'createKeyspace': {
      const head = `CREATE KEYSPACE${when(statement.ifNotExists, 'IF NOT EXISTS')} ${name(statement.keyspace)}`
      return head + withClause(printProperties(statement.properties))
    }
    case 'alterKeyspace':
      return `ALTER KEYSPACE ${name(statement.keyspace)}${withClause(printProperties(statement.properties))}`
    case 'dropKeyspace':
      return `DROP KEYSPACE${when(statement.ifExists, 'IF EXISTS')} ${name(statement.keyspace)}`
    case 'createTable':
      return printCreateTable(statement)
    case 'alterTable':
      return `ALTER TABLE ${qualified(statement.table)} ${printTableAlteration(statement.alteration)}`
    case 'dropTable':
      return `DROP TABLE${when(statement.ifExists, 'IF EXISTS')} ${qualified(statement.table)}`
    case 'createType': {
      const fields = statement.fields.map((field) => `${name(field.name)} ${printType(field.type)}`)
      const head = `CREATE TYPE${when(statement.ifNotExists, 'IF NOT EXISTS')} ${qualified(statement.type)}`
      return `${head} (${list(fields)})`
    }
    case 'alterType':
      return `ALTER TYPE ${qualified(statement.type)} ${printTableAlteration(statement.alteration)}`
    case 'dropType':
      return `DROP TYPE${when(statement.ifExists, 'IF EXISTS')} ${qualified(statement.type)}`
    case 'createIndex':
      return printCreateIndex(statement)
    case 'dropIndex':
      return `DROP INDEX${when(statement.ifExists, 'IF EXISTS')} ${qualified(statement.index)}`
    case 'unsupported':
      return statement.what
  }
}
