/**
 * Statements that change a schema. Data threads serve the clients and the main thread owns the metastore, so that the
 * statement travels as text and is decided here, one after the other: what it decides on cannot change meanwhile, and each
 * record is written by compare-and-set all the same. When the call answers, every thread's map has the change.
 */
import { randomUUID } from 'node:crypto'
import { limits } from '../../../src/base/limits.js'
import type { ChangeContext, DatasetRecord, Owner } from '../../../src/model/dataset.js'
import type { Metastore } from '../../../src/model/metastore.js'
import type {
  CqlAnswer,
  CqlCall,
  CqlKeyspace,
  CqlSchemaChange,
  CqlTable,
} from '../../../src/model/table-call.js'
import type * as ast from '../cql/ast.js'
import { CqlError, invalid } from '../cql/errors.js'
import { parseStatement } from '../cql/parser.js'
import { checkName, keyspaceOptions, ownerOf } from './ddl-options.js'
import { withIndex } from './ddl-index.js'
import { type TypesAround, alteredTable, newTable } from './ddl-table.js'
import { withAlteredType, withNewType, withoutType } from './ddl-types.js'
import { datasetName, userTypes } from './schema.js'

type SchemaMetastore = Pick<
  Metastore,
  | 'get'
  | 'list'
  | 'createDataset'
  | 'updateDataset'
  | 'removeDataset'
  | 'keyspaces'
  | 'putKeyspace'
  | 'removeKeyspace'
  | 'emptyDataset'
>

/** Names that the gateway's own tables have, which no client makes. */
const SYSTEM_KEYSPACES: readonly string[] = [
  'system',
  'system_schema',
  'system_auth',
  'system_distributed',
  'system_traces',
]

/** Statements that are decided here. */
export type SchemaStatement =
  | ast.CreateKeyspace
  | ast.AlterKeyspace
  | ast.DropKeyspace
  | ast.CreateTable
  | ast.AlterTable
  | ast.DropTable
  | ast.CreateType
  | ast.AlterType
  | ast.DropType
  | ast.CreateIndex
  | ast.DropIndex
  | ast.Truncate

const SCHEMA_KINDS: ReadonlySet<string> = new Set<SchemaStatement['kind']>([
  'createKeyspace',
  'alterKeyspace',
  'dropKeyspace',
  'createTable',
  'alterTable',
  'dropTable',
  'createType',
  'alterType',
  'dropType',
  'createIndex',
  'dropIndex',
  'truncate',
])

export function isSchemaStatement(statement: ast.Statement): statement is SchemaStatement {
  return SCHEMA_KINDS.has(statement.kind)
}

interface Asked {
  /** The connection's. */
  readonly keyspace: string | null
  readonly change: ChangeContext
}

export class SchemaCalls {
  readonly #metastore: SchemaMetastore
  readonly #owner: Owner
  #tail: Promise<unknown> = Promise.resolve()

  /** @param owner of tables that name none; empty: they are refused */
  constructor(metastore: SchemaMetastore, owner: Owner) {
    this.#metastore = metastore
    this.#owner = owner
  }

  /** @throws {KVError} as Metastore */
  run(call: CqlCall): Promise<CqlAnswer> {
    const turn = this.#tail.then(() => this.#answer(call))
    this.#tail = turn.catch(() => undefined)
    return turn
  }

  async #answer({ text, keyspace, caller }: CqlCall): Promise<CqlAnswer> {
    try {
      const { statement } = parseStatement(text)
      if (!isSchemaStatement(statement)) throw invalid(`${statement.kind} changes no schema`)
      const actor = `cql client ${caller}`.trim().slice(0, 256)
      const change = { actor, reason: `${statement.kind} over CQL`, ifRevision: null, isDryRun: false }
      return { change: await this.#apply(statement, { keyspace, change }) }
    } catch (error) {
      if (!(error instanceof CqlError)) throw error
      const { code, message, details } = error
      return { refusal: { code, message, keyspace: details.keyspace ?? '', table: details.table ?? '' } }
    }
  }

  #apply(statement: SchemaStatement, asked: Asked): Promise<CqlSchemaChange | null> {
    switch (statement.kind) {
      case 'createKeyspace':
      case 'alterKeyspace':
      case 'dropKeyspace':
        return this.#changeKeyspace(statement, asked)
      case 'createTable':
        return this.#createTable(statement, asked)
      case 'alterTable':
        return this.#alterTable(statement, asked)
      case 'dropTable':
        return this.#dropTable(statement, asked)
      case 'createType':
      case 'alterType':
      case 'dropType':
        return this.#changeType(statement, asked)
      case 'createIndex':
        return this.#createIndex(statement, asked)
      case 'dropIndex':
        return this.#dropIndex(statement, asked)
      case 'truncate':
        return this.#truncate(statement, asked)
    }
  }

  async #changeKeyspace(
    statement: ast.CreateKeyspace | ast.AlterKeyspace | ast.DropKeyspace,
    { change }: Asked,
  ): Promise<CqlSchemaChange | null> {
    const { keyspace: name } = statement
    if (SYSTEM_KEYSPACES.includes(name)) {
      if (statement.kind === 'createKeyspace') throw invalid(`${name} keyspace is not user-modifiable`)
      throw unauthorized(name)
    }
    const known = this.#keyspace(name)
    if (statement.kind === 'dropKeyspace') {
      if (known === null) {
        if (statement.ifExists) return null
        throw config(`Cannot drop non existing keyspace '${name}'.`)
      }
      for (const { name: dataset } of this.#tables(name)) await this.#metastore.removeDataset(dataset, change)
      await this.#metastore.removeKeyspace(name, change)
      return { change: 'DROPPED', target: 'KEYSPACE', keyspace: name, name: null }
    }
    const { replication, durableWrites } = keyspaceOptions(statement.properties, {
      keyspace: name,
      isNew: statement.kind === 'createKeyspace',
    })
    if (statement.kind === 'alterKeyspace') {
      if (known === null) throw invalid(`Unknown keyspace ${name}`)
      const next = {
        replication: replication ?? known.replication,
        durableWrites: durableWrites ?? known.durableWrites,
      }
      await this.#metastore.putKeyspace({ ...known, ...next }, change)
      return { change: 'UPDATED', target: 'KEYSPACE', keyspace: name, name: null }
    }
    checkName(name, 'keyspace')
    if (known !== null) {
      if (statement.ifNotExists) return null
      throw exists(name, '', `Cannot add existing keyspace "${name}"`)
    }
    if (replication === undefined) throw config('Missing mandatory replication strategy class')
    const next = { name, replication, durableWrites: durableWrites ?? true, types: [], revision: 0 }
    await this.#metastore.putKeyspace(next, change)
    return { change: 'CREATED', target: 'KEYSPACE', keyspace: name, name: null }
  }

  async #createTable(statement: ast.CreateTable, asked: Asked): Promise<CqlSchemaChange | null> {
    const keyspace = this.#keyspaceOf(statement.table, asked)
    const around = this.#typesAround(keyspace, `Keyspace ${keyspace} doesn't exist`)
    const { name } = statement.table
    const table = newTable(statement, around, randomUUID())
    if (this.#metastore.get(datasetName(table)) !== null) {
      if (statement.ifNotExists) return null
      throw exists(keyspace, name, `Cannot add already existing table "${name}" to keyspace "${keyspace}"`)
    }
    await this.#metastore.createDataset(
      {
        name: datasetName(table),
        owner: this.#ownerOf(table),
        mode: 'READ_WRITE',
        keyOrder: 'HASHED',
        timestampUnit: 'MICROSECONDS',
        maxValueBytes: limits.maxValueBytes,
        ...graceOf(table),
        cql: table,
      },
      asked.change,
    )
    return { change: 'CREATED', target: 'TABLE', keyspace, name }
  }

  #ownerOf({ options }: CqlTable): Owner {
    const named = ownerOf(options)
    if (named !== null) return named
    if (this.#owner.name !== '' && this.#owner.contact !== '') return this.#owner
    throw invalid(
      "every table has an owner: add WITH owner = {'name': ..., 'contact': ...}, or set rocksandra.owner of the gateway",
    )
  }

  async #alterTable(statement: ast.AlterTable, asked: Asked): Promise<CqlSchemaChange | null> {
    const { record, table } = this.#table(statement.table, asked)
    const around = this.#typesAround(table.keyspace, '')
    const nowUs = BigInt(Date.now()) * 1000n
    const next = alteredTable(table, statement.alteration, { ...around, nowUs })
    const owner = statement.alteration.kind === 'options' ? ownerOf(next.options) : null
    await this.#metastore.updateDataset(
      record.name,
      { cql: next, ...graceOf(next), ...(owner === null ? {} : { owner }) },
      asked.change,
    )
    return { change: 'UPDATED', target: 'TABLE', keyspace: table.keyspace, name: table.name }
  }

  async #dropTable({ table: named, ifExists }: ast.DropTable, asked: Asked): Promise<CqlSchemaChange | null> {
    const keyspace = this.#keyspaceOf(named, asked)
    const record = this.#metastore.get(datasetName({ keyspace, name: named.name }))
    if (record?.cql === undefined) {
      if (ifExists) return null
      if (this.#keyspace(keyspace) === null) throw invalid(`Keyspace ${keyspace} does not exist`)
      throw invalid(`unconfigured table ${named.name}`)
    }
    await this.#metastore.removeDataset(record.name, asked.change)
    return { change: 'DROPPED', target: 'TABLE', keyspace, name: named.name }
  }

  async #changeType(
    statement: ast.CreateType | ast.AlterType | ast.DropType,
    asked: Asked,
  ): Promise<CqlSchemaChange | null> {
    const keyspace = this.#keyspaceOf(statement.type, asked)
    const known = this.#keyspace(keyspace)
    const { name } = statement.type
    if (known === null) {
      if (statement.kind === 'dropType' && statement.ifExists) return null
      throw invalid(
        statement.kind === 'createType'
          ? `Cannot add type in unknown keyspace ${keyspace}`
          : `Cannot ${statement.kind === 'dropType' ? 'drop' : 'alter'} type in unknown keyspace ${keyspace}`,
      )
    }
    const tables = this.#tables(keyspace).flatMap(({ cql }) => cql ?? [])
    let next: CqlKeyspace | null
    if (statement.kind === 'createType') next = withNewType(known, statement)
    else if (statement.kind === 'alterType') next = withAlteredType(known, statement)
    else next = withoutType(known, statement, tables)
    if (next === null) return null
    await this.#metastore.putKeyspace(next, asked.change)
    const change = ({ createType: 'CREATED', alterType: 'UPDATED', dropType: 'DROPPED' } as const)[
      statement.kind
    ]
    return { change, target: 'TYPE', keyspace, name }
  }

  async #createIndex(statement: ast.CreateIndex, asked: Asked): Promise<CqlSchemaChange | null> {
    const { record, table } = this.#table(statement.table, asked)
    const names = this.#tables(table.keyspace).flatMap(({ cql }) => cql?.indexes ?? [])
    const indexNames = new Set(names.map(({ name }) => name))
    const next = withIndex(table, statement, { ...this.#typesAround(table.keyspace, ''), indexNames })
    if (next === null) return null
    await this.#metastore.updateDataset(record.name, { cql: next }, asked.change)
    return { change: 'UPDATED', target: 'TABLE', keyspace: table.keyspace, name: table.name }
  }

  async #dropIndex({ index, ifExists }: ast.DropIndex, asked: Asked): Promise<CqlSchemaChange | null> {
    const keyspace = this.#keyspaceOf(index, asked)
    if (this.#keyspace(keyspace) === null) throw invalid(`Keyspace ${keyspace} does not exist`)
    const isOf = ({ cql }: DatasetRecord) => cql?.indexes.some(({ name }) => name === index.name) === true
    const record = this.#tables(keyspace).find(isOf)
    if (record?.cql === undefined) {
      if (ifExists) return null
      throw invalid(`Index '${index.name}' could not be found in any of the tables of keyspace '${keyspace}'`)
    }
    const indexes = record.cql.indexes.filter(({ name }) => name !== index.name)
    await this.#metastore.updateDataset(record.name, { cql: { ...record.cql, indexes } }, asked.change)
    return { change: 'UPDATED', target: 'TABLE', keyspace, name: record.cql.name }
  }

  async #truncate({ table }: ast.Truncate, asked: Asked): Promise<null> {
    const { record } = this.#table(table, asked)
    await this.#metastore.emptyDataset(record.name, asked.change)
    return null
  }

  #keyspace(name: string): CqlKeyspace | null {
    return this.#metastore.keyspaces().find((keyspace) => keyspace.name === name) ?? null
  }

  #tables(keyspace: string): readonly DatasetRecord[] {
    return this.#metastore.list().filter(({ cql }) => cql?.keyspace === keyspace)
  }

  #keyspaceOf({ keyspace }: ast.QualifiedName, asked: Asked): string {
    const name = keyspace ?? asked.keyspace
    if (name === null) throw invalid(NO_KEYSPACE)
    if (SYSTEM_KEYSPACES.includes(name)) throw unauthorized(name)
    return name
  }

  #table(
    named: ast.QualifiedName,
    asked: Asked,
  ): { readonly record: DatasetRecord; readonly table: CqlTable } {
    const keyspace = this.#keyspaceOf(named, asked)
    if (this.#keyspace(keyspace) === null) throw invalid(`Keyspace ${keyspace} does not exist`)
    const record = this.#metastore.get(datasetName({ keyspace, name: named.name }))
    if (record?.cql === undefined) throw invalid(`unconfigured table ${named.name}`)
    return { record, table: record.cql }
  }

  #typesAround(keyspace: string, missing: string): TypesAround {
    const known = this.#keyspace(keyspace)
    if (known === null) throw config(missing)
    return { keyspace, types: userTypes(known) }
  }
}

export const NO_KEYSPACE =
  'No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename'

function graceOf({ options }: CqlTable): { readonly graceSeconds?: number } {
  const { gc_grace_seconds: seconds } = options
  return typeof seconds === 'string' ? { graceSeconds: Number(seconds) } : {}
}

function unauthorized(keyspace: string): CqlError {
  return new CqlError('UNAUTHORIZED', `${keyspace} keyspace is not user-modifiable.`)
}

function config(message: string): CqlError {
  return new CqlError('CONFIG_ERROR', message)
}

function exists(keyspace: string, table: string, message: string): CqlError {
  return new CqlError('ALREADY_EXISTS', message, { keyspace, table })
}
