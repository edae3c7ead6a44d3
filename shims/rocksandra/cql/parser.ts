/**
 * CQL 3.4.0 by recursive descent: one function a rule of Cql.g of Cassandra 3.0, one token of look-ahead nearly everywhere.
 * Statements that Cassandra has and this gateway has not are recognised by their first words, so that they are refused
 * by name and not as bad syntax.
 */
import { limits } from '../../../src/base/limits.js'
import { CqlError } from './errors.js'
import { Cursor } from './cursor.js'
import {
  alterKeyspace,
  alterTable,
  alterType,
  createIndex,
  createKeyspace,
  createTable,
  createType,
} from './parse-schema.js'
import { selectStatement } from './parse-select.js'
import { parseTypeRule, userTypeName } from './parse-types.js'
import { ifExists } from './parse-where.js'
import { batchStatement, deleteStatement, insertStatement, updateStatement } from './parse-writes.js'
import type { ParsedStatement, Statement, TypeName } from './ast.js'

/**
 * One statement; semicolons may follow. Time is linear in the text.
 * @throws {CqlError} SYNTAX_ERROR with Cassandra's text
 */
export function parseStatement(text: string): ParsedStatement {
  checkSize(text)
  const cursor = new Cursor(text)
  const statement = statementRule(cursor)
  if (statement.kind !== 'unsupported') cursor.expectEnd()
  return { statement, markers: cursor.markers }
}

/**
 * A type by itself, as system_schema.columns keeps it: `frozen<list<int>>`.
 * @throws {CqlError} SYNTAX_ERROR
 */
export function parseTypeName(text: string): TypeName {
  checkSize(text)
  const cursor = new Cursor(text)
  const type = parseTypeRule(cursor)
  cursor.expectEnd()
  return type
}

function checkSize(text: string): void {
  if (text.length > limits.maxCqlStatementChars) {
    throw new CqlError(
      'INVALID',
      `a statement of ${text.length} characters, at most ${limits.maxCqlStatementChars} are taken: bind its values`,
    )
  }
}

function statementRule(cursor: Cursor): Statement {
  const kind: string = cursor.kind
  switch (kind) {
    case 'SELECT':
      return selectStatement(cursor)
    case 'INSERT':
      return insertStatement(cursor)
    case 'UPDATE':
      return updateStatement(cursor)
    case 'DELETE':
      return deleteStatement(cursor)
    case 'BEGIN':
      return batchStatement(cursor)
    case 'USE':
      cursor.next()
      return { kind: 'use', keyspace: cursor.nameOf('keyspace') }
    case 'TRUNCATE':
      cursor.next()
      cursor.take('COLUMNFAMILY')
      return { kind: 'truncate', table: cursor.qualifiedName('table') }
    case 'CREATE':
      return createStatement(cursor)
    case 'ALTER':
      return alterStatement(cursor)
    case 'DROP':
      return dropStatement(cursor)
    default:
      return otherStatement(cursor)
  }
}

function createStatement(cursor: Cursor): Statement {
  cursor.expect('CREATE')
  const kind: string = cursor.kind
  switch (kind) {
    case 'KEYSPACE':
      return createKeyspace(cursor)
    case 'COLUMNFAMILY':
      return createTable(cursor)
    case 'TYPE':
      return createType(cursor)
    case 'CUSTOM':
    case 'INDEX':
      return createIndex(cursor)
    case 'OR':
      cursor.expectAll('OR', 'REPLACE')
      return unsupported(cursor, 'CREATE', ['FUNCTION', 'AGGREGATE'])
    default:
      return unsupported(cursor, 'CREATE', [
        'FUNCTION',
        'AGGREGATE',
        'TRIGGER',
        'ROLE',
        'USER',
        'MATERIALIZED',
      ])
  }
}

function alterStatement(cursor: Cursor): Statement {
  cursor.expect('ALTER')
  const kind: string = cursor.kind
  switch (kind) {
    case 'KEYSPACE':
      return alterKeyspace(cursor)
    case 'COLUMNFAMILY':
      return alterTable(cursor)
    case 'TYPE':
      return alterType(cursor)
    default:
      return unsupported(cursor, 'ALTER', ['ROLE', 'USER', 'MATERIALIZED'])
  }
}

function dropStatement(cursor: Cursor): Statement {
  cursor.expect('DROP')
  const { kind } = cursor
  if (kind !== 'KEYSPACE' && kind !== 'COLUMNFAMILY' && kind !== 'TYPE' && kind !== 'INDEX') {
    return unsupported(cursor, 'DROP', ['FUNCTION', 'AGGREGATE', 'TRIGGER', 'ROLE', 'USER', 'MATERIALIZED'])
  }
  cursor.next()
  const isConditional = ifExists(cursor)
  switch (kind) {
    case 'KEYSPACE':
      return { kind: 'dropKeyspace', keyspace: cursor.nameOf('keyspace'), ifExists: isConditional }
    case 'COLUMNFAMILY':
      return { kind: 'dropTable', table: cursor.qualifiedName('table'), ifExists: isConditional }
    case 'TYPE':
      return { kind: 'dropType', type: userTypeName(cursor), ifExists: isConditional }
    case 'INDEX':
      return { kind: 'dropIndex', index: cursor.qualifiedName('index'), ifExists: isConditional }
  }
}

function otherStatement(cursor: Cursor): Statement {
  const { kind } = cursor
  if (kind !== 'GRANT' && kind !== 'REVOKE' && kind !== 'LIST') throw cursor.noViable()
  return { kind: 'unsupported', what: kind }
}

type UnsupportedObject = 'FUNCTION' | 'AGGREGATE' | 'TRIGGER' | 'ROLE' | 'USER' | 'MATERIALIZED'

function unsupported(cursor: Cursor, verb: string, known: readonly UnsupportedObject[]): Statement {
  const found = known.find((kind) => kind === cursor.kind)
  if (found === undefined) throw cursor.noViable()
  return { kind: 'unsupported', what: `${verb} ${found === 'MATERIALIZED' ? 'MATERIALIZED VIEW' : found}` }
}
