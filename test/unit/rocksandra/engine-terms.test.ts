/** That a term is made ready in a time that grows with its size, however deep it is. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { limits } from '../../../src/base/limits.js'
import type { Term } from '../../../shims/rocksandra/cql/ast.js'
import { intToBytes } from '../../../shims/rocksandra/cql/literals.js'
import { type CqlType, TYPES } from '../../../shims/rocksandra/cql/types.js'
import { unpackItems } from '../../../shims/rocksandra/cql/values/collections.js'
import { TimeuuidSource } from '../../../shims/rocksandra/cql/values/uuids.js'
import { type Bindings, Variables, compileTerm } from '../../../shims/rocksandra/engine/terms.js'

const DEPTH = limits.maxCqlDepth

function call(name: string, ...args: Term[]): Term {
  return { kind: 'call', name: { keyspace: null, name }, args }
}

function nested(depth: number, innermost: Term, around: (inner: Term, level: number) => Term): Term {
  let term = innermost
  for (let level = 0; level < depth; level++) term = around(term, level)
  return term
}

const INTEGER: Extract<Term, { kind: 'constant' }> = { kind: 'constant', type: 'integer', text: '7' }
const STRING: Term = { kind: 'constant', type: 'string', text: 'x' }

/** A term that counts how often it is looked into, and ends what looks too often. */
function watched<T extends Term>(term: T, part: keyof T & ('items' | 'type')) {
  const looks = { count: 0 }
  const value = term[part]
  const watching = Object.defineProperty({ ...term }, part, {
    get: () => {
      looks.count++
      assert.ok(looks.count < 1_000, 'looked into again and again')
      return value
    },
  })
  return { term: watching, looks }
}

function compiled(term: Term, type: CqlType, markers = 0) {
  const receiver = { keyspace: 'ks', table: 't', name: 'v', type }
  return compileTerm(term, receiver, new Variables(markers, null))
}

const BINDINGS: Bindings = { values: [], nowMs: 0, timeuuids: new TimeuuidSource(() => 0, Buffer.alloc(8)) }

describe('calls within calls', () => {
  // Each has many candidates, or one, or is refused for what the one within answers.
  const refused: readonly [name: string, type: CqlType, refusal: RegExp][] = [
    ['min', TYPES.int, /^CqlError: Ambiguous call to function min /],
    ['tounixtimestamp', TYPES.bigint, /^CqlError: Ambiguous call to function tounixtimestamp /],
    [
      'intasblob',
      TYPES.blob,
      /^CqlError: Type error: (intasblob\()+7\)+ cannot be passed as argument 0 of function/,
    ],
    ['nope', TYPES.int, /^CqlError: Unknown function nope called/],
  ]
  for (const [name, type, refusal] of refused) {
    test(`${name} of itself is looked for once a level, and refused in its own words`, () => {
      const { term, looks } = watched(INTEGER, 'type')
      assert.throws(
        () =>
          compiled(
            nested(DEPTH, term, (inner) => call(name, inner)),
            type,
          ),
        refusal,
      )
      assert.ok(looks.count < 100, `${looks.count} looks`)
    })
  }

  test('those that fit are looked for once a level, too', () => {
    const { term, looks } = watched(INTEGER, 'type')
    const deep = nested(DEPTH, term, (inner, level) =>
      call(level % 2 === 0 ? 'intasblob' : 'blobasint', inner),
    )
    assert.deepEqual(compiled(deep, TYPES.int)(BINDINGS), intToBytes(7))
    assert.ok(looks.count < 100, `${looks.count} looks`)
  })

  test('what does not fit far within is not told at each level around it', () => {
    const { term, looks } = watched({ kind: 'list', items: [INTEGER] }, 'items')
    const deep = nested(DEPTH, term, (inner, level) =>
      call(level % 2 === 0 ? 'blobastext' : 'intasblob', inner),
    )
    assert.throws(
      () => compiled(deep, TYPES.blob),
      /cannot be passed as argument 0 of function system.intasblob/,
    )
    assert.ok(looks.count < 10, `${looks.count} looks`)
  })

  test('the same words mean in each place what they are there given', () => {
    const list: Term = {
      kind: 'list',
      items: [call('blobasint', call('intasblob', INTEGER)), call('fromjson', STRING)],
    }
    const json = { ...STRING, text: '8' }
    const items = [
      ...list.items.slice(0, 1),
      call('fromjson', json),
      call('fromjson', call('blobastext', call('textasblob', json))),
    ]
    const value = compiled(
      { ...list, items },
      { kind: 'list', element: TYPES.int, isFrozen: false },
    )(BINDINGS)
    assert.ok(Buffer.isBuffer(value))
    assert.deepEqual(unpackItems(value, 'list'), [7, 8, 8].map(intToBytes))
  })
})

test('the variables of a batch are held once, and not in each of its statements', () => {
  const count = 50_000
  const all = new Variables(count, null)
  const before = process.memoryUsage().heapUsed
  const statements = Array.from({ length: count / 100 }, (_, statement) => {
    const variables = new Variables(count, null)
    for (let index = statement * 100; index < (statement + 1) * 100; index++) {
      const receiver = { keyspace: 'ks', table: 't', name: `v${index}`, type: TYPES.int }
      compileTerm({ kind: 'marker', index, name: null }, receiver, variables)
    }
    return variables
  })
  for (const variables of statements) all.add(variables)
  const grown = process.memoryUsage().heapUsed - before
  assert.ok(grown < 100_000_000, `${grown} bytes`)
  assert.deepEqual(
    all.specs().map(({ name }) => name),
    Array.from({ length: count }, (_, index) => `v${index}`),
  )
})

describe('collections within collections', () => {
  const items: readonly Term[] = [INTEGER]
  function typeOf(depth: number): CqlType {
    let type: CqlType = TYPES.int
    for (let level = 0; level < depth; level++)
      type = { kind: 'list', element: type, isFrozen: level < depth - 1 }
    return type
  }

  test('are searched for variables once, in a statement that has one elsewhere', () => {
    const { term, looks } = watched({ kind: 'list', items }, 'items')
    const deep = nested(DEPTH - 1, term, (inner) => ({ kind: 'list', items: [inner] }))
    compiled(deep, typeOf(DEPTH), 1)
    assert.ok(looks.count < 10, `${looks.count} looks`)
  })

  test('may have none', () => {
    const marker: Term = { kind: 'marker', index: 0, name: null }
    const deep = nested(3, marker, (inner) => ({ kind: 'list', items: [inner] }))
    assert.throws(
      () => compiled(deep, typeOf(3), 1),
      /Invalid list literal for v: bind variables are not supported inside collection literals/,
    )
  })
})
