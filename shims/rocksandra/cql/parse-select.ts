/** SELECT: what is selected, of what, in which order, how many. */
import type { Ordering, Select, SelectedItem, Selector } from './ast.js'
import type { Cursor } from './cursor.js'
import { isNameKind } from './cursor.js'
import type { TokenKind } from './lexer.js'
import { functionName, integerTerm } from './parse-terms.js'
import { whereClause } from './parse-where.js'

export function selectStatement(cursor: Cursor): Select {
  cursor.expect('SELECT')
  const isJson = takeModifier(cursor, 'JSON')
  const isDistinct = takeModifier(cursor, 'DISTINCT')
  const selection = cursor.take('*') ? [] : cursor.list(() => selectedItem(cursor))
  cursor.expect('FROM', isNameKind)
  const table = cursor.qualifiedName('table')
  const where = cursor.take('WHERE') ? whereClause(cursor) : []
  const orderBy = orderByClause(cursor)
  const perPartitionLimit = takePerPartition(cursor) ? integerTerm(cursor) : null
  const limit = cursor.take('LIMIT') ? integerTerm(cursor) : null
  const allowFiltering = cursor.take('ALLOW')
  if (allowFiltering) cursor.expect('FILTERING')
  return {
    kind: 'select',
    table,
    selection,
    isJson,
    isDistinct,
    where,
    orderBy,
    perPartitionLimit,
    limit,
    allowFiltering,
  }
}

/** JSON and DISTINCT are names, too: `SELECT json, distinct FROM t`. */
function takeModifier(cursor: Cursor, kind: 'JSON' | 'DISTINCT'): boolean {
  if (cursor.kind !== kind) return false
  const following = cursor.peek()
  const isName = following === 'FROM' || following === ',' || following === '.' || following === '('
  if (isName || (following === 'AS' && !isSelected(cursor))) return false
  cursor.next()
  return true
}

/** Whether the AS behind the modifier is itself selected, `DISTINCT as FROM t`, and does not rename a column `distinct`. */
function isSelected(cursor: Cursor): boolean {
  const mark = cursor.mark()
  cursor.next()
  cursor.next()
  const isRenamed = cursor.kind === 'AS' && !doesEndItem(cursor.peek())
  const isIt = isRenamed || doesEndItem(cursor.kind) || cursor.kind === '.' || cursor.kind === '('
  cursor.reset(mark)
  return isIt
}

function doesEndItem(kind: TokenKind): boolean {
  return kind === 'FROM' || kind === ','
}

function selectedItem(cursor: Cursor): SelectedItem {
  const selector = selectorRule(cursor)
  return { selector, alias: cursor.take('AS') ? cursor.name() : null }
}

function selectorRule(cursor: Cursor): Selector {
  let selector = plainSelector(cursor)
  while (cursor.take('.')) selector = { kind: 'field', of: selector, field: cursor.name() }
  return selector
}

function plainSelector(cursor: Cursor): Selector {
  const { kind } = cursor
  if (kind === 'TOKEN') return callSelector(cursor)
  if (!cursor.isName) throw cursor.noViable()
  const following = cursor.peek()
  if (following === '.') return isQualifiedCall(cursor) ? callSelector(cursor) : columnSelector(cursor)
  if (following !== '(') return columnSelector(cursor)
  if (kind === 'WRITETIME' || kind === 'TTL') {
    cursor.next()
    cursor.expect('(')
    const column = cursor.name()
    cursor.expect(')')
    return { kind: kind === 'TTL' ? 'ttl' : 'writetime', column }
  }
  return kind === 'COUNT' ? countSelector(cursor) : callSelector(cursor)
}

function columnSelector(cursor: Cursor): Selector {
  return { kind: 'column', name: cursor.name() }
}

/** `keyspace.function(...)` and not `column.field`. */
function isQualifiedCall(cursor: Cursor): boolean {
  const mark = cursor.mark()
  cursor.next()
  cursor.next()
  const isCall = (cursor.isName || cursor.kind === 'TOKEN') && cursor.peek() === '('
  cursor.reset(mark)
  return isCall
}

function countSelector(cursor: Cursor): Selector {
  const mark = cursor.mark()
  cursor.next()
  cursor.expect('(')
  if (cursor.kind !== '*' && cursor.kind !== 'integer') {
    cursor.reset(mark)
    return callSelector(cursor)
  }
  if (cursor.kind === 'integer' && cursor.raw !== '1') {
    throw cursor.refuse(`Only COUNT(1) is supported, got COUNT(${cursor.raw})`)
  }
  cursor.next()
  cursor.expect(')')
  return { kind: 'countRows' }
}

function callSelector(cursor: Cursor): Selector {
  const name = functionName(cursor)
  cursor.expect('(')
  if (cursor.take(')')) return { kind: 'call', name, args: [] }
  const args = cursor.nested(() => cursor.list(() => selectorRule(cursor)))
  cursor.expect(')')
  return { kind: 'call', name, args }
}

function orderByClause(cursor: Cursor): Ordering[] {
  if (!cursor.take('ORDER')) return []
  cursor.expect('BY')
  const orderings = cursor.list((): Ordering => {
    const column = cursor.name()
    const isDescending = cursor.take('DESC')
    if (!isDescending) cursor.take('ASC')
    return { column, isDescending }
  })
  // A column that is named again keeps its place and changes its direction (the map of orderByClause in Cql.g).
  return [...new Map(orderings.map((ordering) => [ordering.column, ordering])).values()]
}

function takePerPartition(cursor: Cursor): boolean {
  if (!cursor.take('PER')) return false
  cursor.expectAll('PARTITION', 'LIMIT')
  return true
}
