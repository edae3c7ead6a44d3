/** A statement that was parsed and looked up in the schema, and what a prepared one says of itself. */
import type * as ast from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { parseStatement } from '../cql/parser.js'
import { type BatchType, checkBatch } from './batch-rules.js'
import type { ColumnSpec, PreparedStatement } from './contract.js'
import { type Modification, compileModification, compileUsing } from './modify.js'
import { NO_KEYSPACE, isSchemaStatement } from './schema-calls.js'
import type { Schema, TableSchema } from './schema.js'
import { type SelectPlan, compileSelect } from './select.js'
import { type Bindings, Variables } from './terms.js'

export type Plan =
  | { readonly kind: 'select'; readonly select: SelectPlan }
  | { readonly kind: 'modify'; readonly modification: Modification }
  | {
      readonly kind: 'batch'
      readonly type: BatchType
      readonly modifications: readonly Modification[]
      readonly timestamp: ((bindings: Bindings) => bigint | null) | null
    }
  | { readonly kind: 'use'; readonly keyspace: string }
  /** Decided elsewhere. */
  | { readonly kind: 'schema' }

export class CompiledStatement implements PreparedStatement {
  readonly text: string
  readonly keyspace: string | null
  readonly plan: Plan
  readonly variables: readonly ColumnSpec[]
  readonly partitionKeyIndexes: readonly number[]
  readonly columns: readonly ColumnSpec[] | null
  readonly #tables: readonly TableSchema[]
  readonly #schemaOf: () => Schema
  /** The newest that has its tables. */
  #lastSchema: Schema | null = null

  constructor(parts: {
    readonly text: string
    readonly keyspace: string | null
    readonly plan: Plan
    readonly variables: readonly ColumnSpec[]
    readonly tables: readonly TableSchema[]
    readonly schemaOf: () => Schema
  }) {
    const { text, keyspace, plan, variables } = parts
    this.text = text
    this.keyspace = keyspace
    this.plan = plan
    this.variables = variables
    this.#tables = parts.tables
    this.#schemaOf = parts.schemaOf
    this.partitionKeyIndexes =
      plan.kind === 'select'
        ? plan.select.where.keyMarkers
        : plan.kind === 'modify'
          ? plan.modification.where.keyMarkers
          : []
    this.columns = plan.kind === 'select' ? plan.select.selection.columns : null
  }

  /** Asked with every execution; a schema that was looked at is not looked at again. */
  isCurrent(): boolean {
    const schema = this.#schemaOf()
    if (schema === this.#lastSchema) return true
    const { keyspaces } = schema
    const isCurrent = this.#tables.every(
      (table) => keyspaces.get(table.keyspace)?.tables.get(table.name) === table,
    )
    if (isCurrent) this.#lastSchema = schema
    return isCurrent
  }
}

/** @throws {CqlError} */
export function compileStatement(
  text: string,
  keyspace: string | null,
  schemaOf: () => Schema,
): CompiledStatement {
  const { statement, markers } = parseStatement(text)
  const compiler = new StatementCompiler(keyspace, schemaOf(), markers.length)
  const plan = compiler.plan(statement)
  const variables = compiler.specs(markers.length)
  return new CompiledStatement({ text, keyspace, plan, variables, tables: compiler.tables, schemaOf })
}

class StatementCompiler {
  readonly tables: TableSchema[] = []
  readonly #keyspace: string | null
  readonly #schema: Schema
  readonly #markerCount: number
  /** Each statement of a batch has a table of its own. */
  readonly #variables: Variables[] = []

  constructor(keyspace: string | null, schema: Schema, markerCount: number) {
    this.#keyspace = keyspace
    this.#schema = schema
    this.#markerCount = markerCount
  }

  plan(statement: ast.Statement): Plan {
    if (isSchemaStatement(statement)) {
      if (this.#markerCount > 0) throw invalid('A statement that changes a schema has no bind variables')
      return { kind: 'schema' }
    }
    switch (statement.kind) {
      case 'select': {
        const table = this.#table(statement.table)
        return { kind: 'select', select: compileSelect(statement, table, this.#variablesOf(table)) }
      }
      case 'use':
        return { kind: 'use', keyspace: statement.keyspace }
      case 'batch':
        return this.#batch(statement)
      case 'unsupported':
        throw invalid(`${statement.what} is not supported`)
      case 'insert':
      case 'insertJson':
      case 'update':
      case 'delete':
        return { kind: 'modify', modification: this.#modification(statement) }
    }
  }

  /** What every marker is. @throws {CqlError} */
  specs(count: number): readonly ColumnSpec[] {
    if (count === 0) return []
    const all = new Variables(count, null)
    for (const variables of this.#variables) all.add(variables)
    return all.specs()
  }

  #modification(statement: ast.Modification): Modification {
    const table = this.#table(statement.table)
    return compileModification(statement, table, this.#variablesOf(table))
  }

  #batch({ type, using, statements }: ast.Batch): Plan {
    if (using.ttl !== null) throw invalid('Global TTL on the BATCH statement is not supported.')
    const variables = this.#variablesOf(null)
    const { timestamp } = compileUsing(using, null, variables)
    const modifications = statements.map((statement) => this.#modification(statement))
    checkBatch(type, modifications, timestamp !== null)
    return { kind: 'batch', type, modifications, timestamp }
  }

  #variablesOf(table: TableSchema | null): Variables {
    const variables = new Variables(this.#markerCount, table)
    this.#variables.push(variables)
    return variables
  }

  #table(named: ast.QualifiedName): TableSchema {
    const name = named.keyspace ?? this.#keyspace
    if (name === null) throw invalid(NO_KEYSPACE)
    const keyspace = this.#schema.keyspaces.get(name)
    if (keyspace === undefined) throw invalid(`Keyspace ${name} does not exist`)
    const table = keyspace.tables.get(named.name)
    if (table === undefined) throw invalid(`unconfigured table ${named.name}`)
    if (!this.tables.includes(table)) this.tables.push(table)
    return table
  }
}
