/** Values as they are written: constants, collections, tuples, user types, calls, casts and bind markers. */
import type { Cursor } from './cursor.js'
import type { ConstantType, FieldValue, InValues, Operator, QualifiedName, Term } from './ast.js'
import type { TokenKind } from './lexer.js'
import { nativeOf } from './keywords.js'
import { parseTypeRule } from './parse-types.js'

const CONSTANTS: Readonly<Partial<Record<TokenKind, ConstantType>>> = {
  string: 'string',
  integer: 'integer',
  float: 'float',
  boolean: 'boolean',
  uuid: 'uuid',
  hex: 'hex',
}

/** What a value begins with, besides constants and names of functions. */
const TERM_STARTS: ReadonlySet<TokenKind> = new Set(['NULL', 'NAN', 'INFINITY', '-', '?', ':', '[', '{', '('])

export function term(cursor: Cursor): Term {
  const constant = constantTerm(cursor)
  if (constant !== null) return constant
  const marker = cursor.marker()
  if (marker !== null) return marker
  const kind: string = cursor.kind
  switch (kind) {
    case 'NULL':
      cursor.next()
      return { kind: 'null' }
    case '[':
      return cursor.nested(() => listLiteral(cursor))
    case '{':
      return cursor.nested(() => braces(cursor))
    case '(':
      return cursor.nested(() => parentheses(cursor))
    default:
      return cursor.nested(() => call(cursor))
  }
}

function constantTerm(cursor: Cursor): Term | null {
  const { kind } = cursor
  const type = CONSTANTS[kind]
  if (type !== undefined) return { kind: 'constant', type, text: cursor.takeValue(kind) }
  if (kind === 'NAN' || kind === 'INFINITY') return { kind: 'constant', type: 'float', text: rawOf(cursor) }
  if (kind !== '-') return null
  cursor.next()
  if (cursor.kind !== 'NAN' && cursor.kind !== 'INFINITY') throw cursor.noViable()
  return { kind: 'constant', type: 'float', text: `-${rawOf(cursor)}` }
}

function rawOf(cursor: Cursor): string {
  const { raw } = cursor
  cursor.next()
  return raw
}

function listLiteral(cursor: Cursor): Term {
  cursor.expect('[')
  const items = cursor.kind === ']' ? [] : cursor.list(() => term(cursor))
  cursor.expect(']')
  return { kind: 'list', items }
}

/** A set, a map or a value of a user type; `{}` is a set until its type is known. */
function braces(cursor: Cursor): Term {
  cursor.expect('{')
  if (cursor.take('}')) return { kind: 'set', items: [] }
  const literal = cursor.isName && cursor.peek() === ':' ? userTypeLiteral(cursor) : setOrMap(cursor)
  cursor.expect('}')
  return literal
}

function userTypeLiteral(cursor: Cursor): Term {
  // A field that is written twice keeps the later value, as in the map that Cassandra's parser puts them in.
  const fields = new Map<string, FieldValue>()
  cursor.list(() => {
    const name = cursor.name()
    cursor.expect(':')
    fields.set(name, { name, value: term(cursor) })
  })
  return { kind: 'udt', fields: [...fields.values()] }
}

function setOrMap(cursor: Cursor): Term {
  const first = term(cursor)
  if (cursor.kind !== ':') {
    const items = [first]
    while (cursor.take(',')) items.push(term(cursor))
    return { kind: 'set', items }
  }
  cursor.next()
  const entries = [{ key: first, value: term(cursor) }]
  while (cursor.take(',')) {
    const key = term(cursor)
    cursor.expect(':')
    entries.push({ key, value: term(cursor) })
  }
  return { kind: 'map', entries }
}

/** `(int) 5`, a cast, or `(1, 'a')`, a tuple. */
function parentheses(cursor: Cursor): Term {
  if (isCast(cursor)) {
    cursor.expect('(')
    const type = parseTypeRule(cursor)
    cursor.expect(')')
    return { kind: 'cast', type, term: term(cursor) }
  }
  return { kind: 'tuple', items: tupleItems(cursor) }
}

export function tupleItems(cursor: Cursor): Term[] {
  cursor.expect('(')
  const items = cursor.list(() => term(cursor))
  cursor.expect(')')
  return items
}

/** A type in parentheses begins in a way that no value does, or is a name or a string that `)` and a value follow. */
function isCast(cursor: Cursor): boolean {
  const mark = cursor.mark()
  cursor.next()
  const isIt = isTypeInParentheses(cursor)
  cursor.reset(mark)
  return isIt
}

function isTypeInParentheses(cursor: Cursor): boolean {
  const { kind } = cursor
  if (kind !== 'string' && kind !== 'SET' && !cursor.isName) return false
  cursor.next()
  if (kind === 'string') {
    if (!cursor.take(')')) return false
    return doesBeginTerm(cursor)
  }
  if (cursor.kind === '<') return true
  if (cursor.kind === '.') {
    cursor.next()
    if (!cursor.isName) return false
    cursor.next()
  }
  return cursor.kind === ')'
}

function doesBeginTerm(cursor: Cursor): boolean {
  const { kind } = cursor
  if (CONSTANTS[kind] !== undefined || kind === 'TOKEN') return true
  if (!cursor.isName) return TERM_STARTS.has(kind)
  const following = cursor.peek()
  return following === '(' || following === '.'
}

function call(cursor: Cursor): Term {
  const name = functionName(cursor)
  cursor.expect('(')
  const args = cursor.kind === ')' ? [] : cursor.list(() => term(cursor))
  cursor.expect(')')
  return { kind: 'call', name, args }
}

/** A function's name, `keyspace.name` or `name`; TOKEN is one although it is reserved. */
export function functionName(cursor: Cursor): QualifiedName {
  if (cursor.isName && cursor.peek() === '.') {
    const keyspace = cursor.name()
    cursor.expect('.')
    return { keyspace, name: localFunctionName(cursor) }
  }
  return { keyspace: null, name: localFunctionName(cursor) }
}

function localFunctionName(cursor: Cursor): string {
  const { kind } = cursor
  if (kind === 'TOKEN') {
    cursor.next()
    return 'token'
  }
  if (kind === 'TTL' || kind === 'WRITETIME' || kind === 'KEY') throw cursor.noViable()
  const native = nativeOf(kind)
  return native === null ? cursor.name() : rawOf(cursor).toLowerCase()
}

/** Of LIMIT, TTL and TIMESTAMP: an integer or a marker. */
export function integerTerm(cursor: Cursor): Term {
  if (cursor.kind === 'integer') {
    return { kind: 'constant', type: 'integer', text: cursor.takeValue('integer') }
  }
  const marker = cursor.marker()
  if (marker === null) throw cursor.noViable()
  return marker
}

export function isOperator(kind: TokenKind): kind is Operator {
  return kind === '=' || kind === '<' || kind === '<=' || kind === '>' || kind === '>=' || kind === '!='
}

export function operator(cursor: Cursor): Operator {
  const { kind } = cursor
  if (!isOperator(kind)) throw cursor.noViable()
  cursor.next()
  return kind
}

/** Behind IN: `(a, b)`, `()`, or one marker for all. */
export function inValues(cursor: Cursor, item: () => Term = () => term(cursor)): InValues {
  const marker = cursor.marker()
  if (marker !== null) return { kind: 'marker', marker }
  if (cursor.kind !== '(') throw cursor.noViable()
  cursor.next()
  if (cursor.take(')')) return { kind: 'terms', terms: [] }
  const terms = cursor.list(item)
  cursor.expect(')')
  return { kind: 'terms', terms }
}
