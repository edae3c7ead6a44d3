/** Behind WHERE and IF: relations and conditions. */
import type { Condition, Relation, Term } from './ast.js'
import type { Cursor } from './cursor.js'
import { inValues, isOperator, operator, term, tupleItems } from './parse-terms.js'

export function whereClause(cursor: Cursor): Relation[] {
  const relations = [relation(cursor)]
  while (cursor.take('AND')) relations.push(relation(cursor))
  return relations
}

function relation(cursor: Cursor): Relation {
  if (cursor.kind === '(') return cursor.nested(() => parenthesised(cursor))
  if (cursor.take('TOKEN')) {
    const columns = columnTuple(cursor)
    return { kind: 'token', columns, operator: operator(cursor), value: term(cursor) }
  }
  if (cursor.kind === 'identifier' && cursor.raw === 'expr' && cursor.peek() === '(')
    return customIndex(cursor)
  return columnRelation(cursor, cursor.name())
}

function columnRelation(cursor: Cursor, column: string): Relation {
  if (isOperator(cursor.kind)) {
    return { kind: 'compare', column, operator: operator(cursor), value: term(cursor) }
  }
  if (cursor.take('IN')) return { kind: 'in', column, values: inValues(cursor) }
  if (cursor.take('CONTAINS')) {
    const isKey = cursor.take('KEY')
    return { kind: 'contains', column, isKey, value: term(cursor) }
  }
  if (cursor.take('IS')) {
    cursor.expectAll('NOT', 'NULL')
    return { kind: 'isNotNull', column }
  }
  if (cursor.take('[')) {
    const key = term(cursor)
    cursor.expect(']')
    return { kind: 'entry', column, key, operator: operator(cursor), value: term(cursor) }
  }
  throw cursor.noViable()
}

/** `expr(index, value)`: written exactly so, in lower case (a token of its own in Cassandra's lexer). */
function customIndex(cursor: Cursor): Relation {
  cursor.next()
  cursor.expect('(')
  const index = { keyspace: null, name: cursor.nameOf('index') }
  cursor.expect(',')
  const value = term(cursor)
  cursor.expect(')')
  return { kind: 'expr', index, value }
}

/** A tuple of columns, or a relation in parentheses. */
function parenthesised(cursor: Cursor): Relation {
  const mark = cursor.mark()
  cursor.expect('(')
  const isTuple = cursor.isName && isTupleEnd(cursor)
  if (isTuple) {
    cursor.reset(mark)
    return tupleRelation(cursor)
  }
  const inner = relation(cursor)
  cursor.expect(')')
  return inner
}

function isTupleEnd(cursor: Cursor): boolean {
  const following = cursor.peek()
  return following === ',' || following === ')'
}

function columnTuple(cursor: Cursor): string[] {
  cursor.expect('(')
  const columns = cursor.list(() => cursor.name())
  cursor.expect(')')
  return columns
}

function tupleRelation(cursor: Cursor): Relation {
  const columns = columnTuple(cursor)
  if (cursor.take('IN'))
    return { kind: 'multiIn', columns, values: inValues(cursor, () => tupleOrMarker(cursor)) }
  return { kind: 'multi', columns, operator: operator(cursor), value: tupleOrMarker(cursor) }
}

function tupleOrMarker(cursor: Cursor): Term {
  const marker = cursor.marker()
  if (marker !== null) return marker
  if (cursor.kind !== '(') throw cursor.noViable()
  return cursor.nested(() => ({ kind: 'tuple' as const, items: tupleItems(cursor) }))
}

export interface Conditions {
  readonly ifExists: boolean
  readonly conditions: readonly Condition[]
}

/** `IF EXISTS`, `IF a = 1 AND ...`, or nothing. */
export function ifClause(cursor: Cursor): Conditions {
  if (!cursor.take('IF')) return { ifExists: false, conditions: [] }
  if (cursor.kind === 'EXISTS' && !doesStartCondition(cursor)) {
    cursor.next()
    return { ifExists: true, conditions: [] }
  }
  const conditions = [condition(cursor)]
  while (cursor.take('AND')) conditions.push(condition(cursor))
  return { ifExists: false, conditions }
}

/** EXISTS can be a column's name, too. */
function doesStartCondition(cursor: Cursor): boolean {
  const following = cursor.peek()
  return isOperator(following) || following === 'IN' || following === '['
}

function condition(cursor: Cursor): Condition {
  const column = cursor.name()
  let element: Term | null = null
  if (cursor.take('[')) {
    element = term(cursor)
    cursor.expect(']')
  }
  if (cursor.take('IN')) return { kind: 'in', column, element, values: inValues(cursor) }
  return { kind: 'compare', column, element, operator: operator(cursor), value: term(cursor) }
}

/** `IF NOT EXISTS`, or nothing. */
export function ifNotExists(cursor: Cursor): boolean {
  if (!cursor.take('IF')) return false
  cursor.expectAll('NOT', 'EXISTS')
  return true
}

/** `IF EXISTS`, or nothing. */
export function ifExists(cursor: Cursor): boolean {
  if (!cursor.take('IF')) return false
  cursor.expect('EXISTS')
  return true
}
