/** INSERT, UPDATE, DELETE and BATCH. */
import type {
  Assignment,
  Batch,
  Constant,
  Delete,
  Deletion,
  Insert,
  InsertJson,
  Marker,
  Modification,
  Term,
  Update,
  WriteAttributes,
} from './ast.js'
import type { Cursor } from './cursor.js'
import { integerTerm, term } from './parse-terms.js'
import { ifClause, ifNotExists, whereClause } from './parse-where.js'

const NO_ATTRIBUTES: WriteAttributes = { timestamp: null, ttl: null }

export function insertStatement(cursor: Cursor): Insert | InsertJson {
  cursor.expectAll('INSERT', 'INTO')
  const table = cursor.qualifiedName('table')
  if (cursor.take('JSON')) {
    const json = jsonValue(cursor)
    return { kind: 'insertJson', table, json, ifNotExists: ifNotExists(cursor), using: usingClause(cursor) }
  }
  if (cursor.kind !== '(') throw cursor.noViable()
  cursor.next()
  const columns = cursor.list(() => cursor.name())
  cursor.expect(')')
  cursor.expect('VALUES', (kind) => kind === '(')
  cursor.expect('(')
  const values = cursor.list(() => term(cursor))
  cursor.expect(')')
  return {
    kind: 'insert',
    table,
    columns,
    values,
    ifNotExists: ifNotExists(cursor),
    using: usingClause(cursor),
  }
}

function jsonValue(cursor: Cursor): Constant | Marker {
  if (cursor.kind === 'string') return { kind: 'constant', type: 'string', text: cursor.takeValue('string') }
  const marker = cursor.marker()
  if (marker === null) throw cursor.noViable()
  return marker
}

/** `USING TTL 5 AND TIMESTAMP 6`; of what is said twice the later counts. */
function usingClause(cursor: Cursor): WriteAttributes {
  if (!cursor.take('USING')) return NO_ATTRIBUTES
  let timestamp: Term | null = null
  let ttl: Term | null = null
  do {
    if (cursor.take('TIMESTAMP')) timestamp = integerTerm(cursor)
    else if (cursor.take('TTL')) ttl = integerTerm(cursor)
    else throw cursor.noViable()
  } while (cursor.take('AND'))
  return { timestamp, ttl }
}

export function updateStatement(cursor: Cursor): Update {
  cursor.expect('UPDATE')
  const table = cursor.qualifiedName('table')
  const using = usingClause(cursor)
  cursor.expect('SET')
  const assignments = new Assignments(cursor)
  cursor.list(() => {
    assignments.add(assignment(cursor))
  })
  cursor.expect('WHERE')
  const where = whereClause(cursor)
  return { kind: 'update', table, using, assignments: assignments.all, where, ...ifClause(cursor) }
}

/** Keeps two assignments to one column apart that cannot both hold (Operation.RawUpdate.isCompatibleWith). */
class Assignments {
  readonly #cursor: Cursor
  readonly #all: Assignment[] = []
  readonly #kinds = new Map<string, 'whole' | 'part'>()

  constructor(cursor: Cursor) {
    this.#cursor = cursor
  }

  get all(): readonly Assignment[] {
    return this.#all
  }

  add(one: Assignment): void {
    const kind = one.kind === 'set' ? 'whole' : 'part'
    const earlier = this.#kinds.get(one.column)
    if (earlier !== undefined && (earlier === 'whole' || kind === 'whole')) {
      throw this.#cursor.refuse(`Multiple incompatible setting of column ${one.column}`)
    }
    this.#kinds.set(one.column, kind)
    this.#all.push(one)
  }
}

function assignment(cursor: Cursor): Assignment {
  const column = cursor.name()
  if (cursor.take('[')) {
    const key = term(cursor)
    cursor.expect(']')
    cursor.expect('=')
    return { kind: 'setElement', column, key, value: term(cursor) }
  }
  if (cursor.kind !== '=') throw cursor.noViable()
  cursor.next()
  if (cursor.isName && !doesStartCall(cursor)) return relativeAssignment(cursor, column)
  const value = term(cursor)
  if (!cursor.take('+')) return { kind: 'set', column, value }
  if (cursor.name() !== column) {
    throw cursor.refuse('Only expressions of the form X = <value> + X are supported.')
  }
  return { kind: 'prepend', column, value }
}

function doesStartCall(cursor: Cursor): boolean {
  const following = cursor.peek()
  return following === '(' || following === '.'
}

/** `c = c + v`, `c = c - v`, and `c = c -3`, where the sign belongs to the number. */
function relativeAssignment(cursor: Cursor, column: string): Assignment {
  const isSame = cursor.name() === column
  const { kind, raw } = cursor
  if (kind === 'integer') {
    if (!isSame) {
      const sign = raw.startsWith('-') ? '-' : '+'
      throw cursor.refuse(`Only expressions of the form X = X ${sign} <value> are supported.`)
    }
    return { kind: 'add', column, value: integerTerm(cursor) }
  }
  if (kind !== '+' && kind !== '-') throw cursor.noViable()
  cursor.next()
  const value = term(cursor)
  if (!isSame) throw cursor.refuse(`Only expressions of the form X = X ${kind}<value> are supported.`)
  return { kind: kind === '+' ? 'add' : 'subtract', column, value }
}

export function deleteStatement(cursor: Cursor): Delete {
  cursor.expect('DELETE')
  const deletions = cursor.kind === 'FROM' ? [] : cursor.list(() => deletion(cursor))
  cursor.expect('FROM')
  const table = cursor.qualifiedName('table')
  const using = deleteUsing(cursor)
  cursor.expect('WHERE')
  const where = whereClause(cursor)
  return { kind: 'delete', table, using, deletions, where, ...ifClause(cursor) }
}

function deletion(cursor: Cursor): Deletion {
  const column = cursor.name()
  if (!cursor.take('[')) return { column, element: null }
  const element = term(cursor)
  cursor.expect(']')
  return { column, element }
}

function deleteUsing(cursor: Cursor): WriteAttributes {
  if (!cursor.take('USING')) return NO_ATTRIBUTES
  cursor.expect('TIMESTAMP')
  return { timestamp: integerTerm(cursor), ttl: null }
}

export function batchStatement(cursor: Cursor): Batch {
  cursor.expect('BEGIN')
  const type = batchType(cursor)
  cursor.expect('BATCH')
  const using = usingClause(cursor)
  const statements: Modification[] = []
  while (cursor.kind === 'INSERT' || cursor.kind === 'UPDATE' || cursor.kind === 'DELETE') {
    statements.push(modification(cursor))
    cursor.take(';')
  }
  cursor.expectAll('APPLY', 'BATCH')
  return { kind: 'batch', type, using, statements }
}

function batchType(cursor: Cursor): Batch['type'] {
  if (cursor.take('UNLOGGED')) return 'UNLOGGED'
  return cursor.take('COUNTER') ? 'COUNTER' : 'LOGGED'
}

function modification(cursor: Cursor): Modification {
  if (cursor.kind === 'INSERT') return insertStatement(cursor)
  return cursor.kind === 'UPDATE' ? updateStatement(cursor) : deleteStatement(cursor)
}
