import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { NO_DEADLINE } from '../../../src/base/deadline.js'
import { NOTHING } from '../../../src/kvstore/selectors.js'
import {
  checkPriority,
  incrementToMutate,
  multiMutateToMutates,
  mutateToMutate,
  putToMutate,
  removeToMutate,
} from '../../../src/kvstore/writes.js'
import * as wire from '../../../src/thrift/generated/kvstore.js'
import { codeOf, refusal } from './refusals.js'

const context = { api: 'kvstore', caller: null, deadline: NO_DEADLINE }
const key = Buffer.from('k')
const value = Buffer.from('v')
const dataset = 'profiles'
const columns = (...names: string[]) =>
  wire.makeCellSelector({ localKeys: names.map((name) => Buffer.from(name)) })
const putValue = wire.makeMutation({ put: wire.makePutMutation({ value }) })

function put(changes: Partial<wire.PutRequest>) {
  return putToMutate(wire.makePutRequest({ dataset, key, ...changes }), context)
}

function remove(changes: Partial<wire.DeleteRequest>) {
  return removeToMutate(wire.makeDeleteRequest({ dataset, key, ...changes }), context)
}

function mutate(changes: Partial<wire.MutateRequest>) {
  return mutateToMutate(wire.makeMutateRequest({ dataset, key, mutations: [putValue], ...changes }), context)
}

const mutation = (fields: Partial<wire.Mutation>) => () => mutate({ mutations: [wire.makeMutation(fields)] })
const writing = (fields: Partial<wire.WriteOptions>) => () =>
  put({ value, options: wire.makeWriteOptions(fields) })
const token = (fields: Partial<wire.IdempotencyToken>) => ({
  idempotencyToken: { generationTime: 1n, nonce: Buffer.alloc(8), ...fields },
})

const refused: [name: string, action: () => unknown, code: string][] = [
  ['a put of nothing', () => put({}), 'INVALID_ARGUMENT'],
  ['Durability REPLICATED', writing({ durability: wire.Durability.REPLICATED }), 'UNSUPPORTED'],
  ['Durability REPLICATED_SYNCED', writing({ durability: wire.Durability.REPLICATED_SYNCED }), 'UNSUPPORTED'],
  ['an unknown Durability', writing({ durability: 99 }), 'INVALID_ARGUMENT'],
  ['a nonce of 7 bytes', writing(token({ nonce: Buffer.alloc(7) })), 'INVALID_ARGUMENT'],
  ['a nonce of 33 bytes', writing(token({ nonce: Buffer.alloc(33) })), 'INVALID_ARGUMENT'],
  [
    'a token without a nonce',
    writing({ idempotencyToken: wire.makeIdempotencyToken({ generationTime: 1n }) }),
    'INVALID_ARGUMENT',
  ],
  [
    'a token without a time',
    writing({ idempotencyToken: wire.makeIdempotencyToken({ nonce: Buffer.alloc(8) }) }),
    'INVALID_ARGUMENT',
  ],
  ['an unknown DeleteScope', () => remove({ scope: 99 }), 'INVALID_ARGUMENT'],
  [
    'EXACT_TIMESTAMP without one',
    () => remove({ scope: wire.DeleteScope.EXACT_TIMESTAMP }),
    'INVALID_ARGUMENT',
  ],
  ['remove with an empty selector', () => remove({ cells: wire.makeCellSelector() }), 'INVALID_ARGUMENT'],
  [
    'CellSelector.minTimestamp of a removal',
    () => remove({ cells: wire.makeCellSelector({ localKeys: [key], minTimestamp: 1n }) }),
    'UNSUPPORTED',
  ],
  [
    'CellSelector.maxTimestamp of a removal',
    () => remove({ cells: wire.makeCellSelector({ localKeys: [key], maxTimestamp: 1n }) }),
    'UNSUPPORTED',
  ],
  ['no mutations', () => mutate({ mutations: [] }), 'INVALID_ARGUMENT'],
  ['absent mutations', () => mutate({ mutations: null }), 'INVALID_ARGUMENT'],
  ['neither mutations nor otherwise', () => mutate({ mutations: [], otherwise: [] }), 'INVALID_ARGUMENT'],
  ['a union without a member', mutation({}), 'INVALID_ARGUMENT'],
  ['a union with two members', mutation({ put: putValue.put, append: { cells: [] } }), 'INVALID_ARGUMENT'],
  ['an append of nothing', mutation({ append: { cells: [] } }), 'INVALID_ARGUMENT'],
  ['an increment of nothing', mutation({ increment: { deltas: null } }), 'INVALID_ARGUMENT'],
  ['a touch without a TTL', mutation({ touch: wire.makeTouchMutation() }), 'INVALID_ARGUMENT'],
  [
    'a touch with a negative TTL',
    mutation({ touch: wire.makeTouchMutation({ ttlSeconds: -1 }) }),
    'INVALID_ARGUMENT',
  ],
  [
    'CellSelector.maxVersions of a touch',
    mutation({ touch: { cells: wire.makeCellSelector({ maxVersions: 0 }), ttlSeconds: 1 } }),
    'UNSUPPORTED',
  ],
  [
    'a condition without a comparison',
    () => mutate({ conditions: [wire.makeCondition()] }),
    'INVALID_ARGUMENT',
  ],
  ['an unknown Priority', () => checkPriority(9), 'INVALID_ARGUMENT'],
  [
    'multiMutate with an empty key among others',
    () =>
      multiMutateToMutates(
        wire.makeMultiMutateRequest({ dataset, rows: [{ key: Buffer.alloc(0), mutations: [putValue] }] }),
        context,
      ),
    'INVALID_ARGUMENT',
  ],
  [
    'multiMutate of more rows than a batch may have',
    () =>
      multiMutateToMutates(
        wire.makeMultiMutateRequest({
          dataset,
          rows: new Array(10_001).fill({ key, mutations: [putValue] }),
        }),
        context,
      ),
    'TOO_LARGE',
  ],
]

suite('writes of the wire', () => {
  for (const [name, action, code] of refused) {
    test(`${name} is refused as ${code}, not applied`, () => {
      assert.deepEqual([refusal(action).code, refusal(action).outcome], [code, 'NOT_APPLIED'])
    })
  }

  test('the unnamed value and cells of a put take the request’s TTL, a cell’s own wins', () => {
    const cells = [
      wire.makeCell({ localKey: key, value: key, ttlSeconds: 5 }),
      wire.makeCell({ localKey: value, value: null }),
    ]
    const [only] = put({ value, cells, ttlSeconds: 9 }).mutations
    assert.ok(only?.kind === 'PUT')
    assert.deepEqual(
      only.cells.map((cell) => [cell.ttlSeconds, cell.value.toString()]),
      [
        [9, 'v'],
        [5, 'k'],
        [9, ''],
      ],
    )
  })

  test('replaceRow without a column left is a removal of the row', () => {
    const expected = { kind: 'DELETE', selector: null, timestamp: 7n, scope: 'UP_TO_TIMESTAMP' }
    assert.deepEqual(put({ replaceRow: true, timestamp: 7n }).mutations, [expected])
    assert.deepEqual(remove({ timestamp: 7n }).mutations, [expected])
  })

  test('a removal that selects nothing succeeds and changes nothing', () => {
    const cells = wire.makeCellSelector({ ranges: [wire.makeByteRange({ upper: Buffer.alloc(0) })] })
    assert.deepEqual(remove({ cells }).mutations, [{ kind: 'TOUCH', selector: NOTHING, ttlSeconds: null }])
  })

  test('every scope of a removal is known by its own name', () => {
    for (const [name, scope] of Object.entries(wire.DeleteScope)) {
      const [only] = remove({ scope, timestamp: 1n, cells: columns('a') }).mutations
      assert.ok(only?.kind === 'DELETE')
      assert.equal(only.scope, name)
    }
  })

  test('an exact version is removed of all columns that are named, and of ranges beside them', () => {
    const removed = (changes: Partial<wire.CellSelector>) => {
      const cells = wire.makeCellSelector({
        localKeys: ['m', 'z', 'a'].map((name) => Buffer.from(name)),
        ...changes,
      })
      const exact = { cells, scope: wire.DeleteScope.EXACT_TIMESTAMP, timestamp: 1n }
      const [only] = remove(exact).mutations
      assert.ok(only?.kind === 'DELETE' && only.selector !== null)
      const { localKeys, ranges } = only.selector
      return [
        localKeys.join(),
        ...ranges.map(({ from, to }) => `${from.toString()}..${to?.toString() ?? ''}`),
      ]
    }
    const range = (lower: string, upper: string | null) =>
      wire.makeByteRange({ lower: Buffer.from(lower), upper: upper === null ? null : Buffer.from(upper) })
    assert.deepEqual(removed({}), ['a,m,z'])
    assert.deepEqual(removed({ ranges: [range('b', 'm')] }), ['a,m,z', 'b..m'])
    assert.deepEqual(removed({ ranges: [range('a', 'n'), range('x', null)] }), [
      'a,m,z',
      'a\0..m',
      'm\0..n',
      'x..z',
      'z\0..',
    ])
    assert.deepEqual(removed({ prefixes: [Buffer.alloc(0)] }), ['a,m,z', '..a', 'a\0..m', 'm\0..z', 'z\0..'])
  })

  test('otherwise may stand without mutations: what is done where the conditions do not hold', () => {
    const { mutations, otherwise } = mutate({ mutations: [], otherwise: [putValue] })
    assert.deepEqual([mutations.length, otherwise.length], [0, 1])
  })

  test('every member of the union becomes its own kind, in the order given', () => {
    const { mutations, otherwise } = mutate({
      mutations: [
        putValue,
        wire.makeMutation({ remove: wire.makeDeleteMutation() }),
        wire.makeMutation({ increment: { deltas: [wire.makeCounterDelta()] } }),
        wire.makeMutation({ append: { cells: [wire.makeCell()] } }),
        wire.makeMutation({ touch: wire.makeTouchMutation({ ttlSeconds: 0 }) }),
      ],
      otherwise: [putValue],
    })
    assert.deepEqual(
      mutations.map(({ kind }) => kind),
      ['PUT', 'DELETE', 'INCREMENT', 'APPEND', 'TOUCH'],
    )
    assert.deepEqual(mutations[2], {
      kind: 'INCREMENT',
      deltas: [{ localKey: Buffer.alloc(0), delta: 1n, ttlSeconds: null }],
    })
    assert.deepEqual(mutations[4], { kind: 'TOUCH', selector: null, ttlSeconds: null })
    assert.equal(otherwise.length, 1)
  })

  test('cells to answer: absent is none, an empty selector is the row', () => {
    assert.deepEqual([mutate({}).returnAfter, mutate({}).returnOnConflict], [undefined, undefined])
    const asked = mutate({ returnAfter: wire.makeCellSelector(), returnOnConflict: columns('a') })
    assert.equal(asked.returnAfter, null)
    assert.equal(asked.returnOnConflict?.localKeys.length, 1)
  })

  test('every level up to LOG is given as LOG', () => {
    const levels = [wire.Durability.MEMORY, wire.Durability.LOG_BUFFERED, wire.Durability.LOG]
    for (const durability of levels) assert.equal(writing({ durability })().durability, 'LOG')
    assert.equal(writing({ durability: wire.Durability.LOG_SYNCED })().durability, 'LOG_SYNCED')
    assert.equal(writing({ durability: wire.Durability.DATASET_DEFAULT })().durability, null)
  })

  test('rows of a multiMutate count as (token, position)', () => {
    const options = wire.makeWriteOptions(token({}))
    const rows = ['a', 'b'].map((name) => ({ key: Buffer.from(name), mutations: [putValue] }))
    const mutates = multiMutateToMutates(wire.makeMultiMutateRequest({ dataset, rows, options }), context)
    assert.deepEqual(
      mutates.map(({ idempotency }) => idempotency?.index),
      [0, 1],
    )
  })
})

suite('the fingerprint of a write', () => {
  const withToken = (changes: Partial<wire.MutateRequest>) =>
    mutate({ options: wire.makeWriteOptions(token({})), ...changes }).idempotency?.fingerprint.toString('hex')

  test('is the same for the same write, whatever the promise and the caller', () => {
    assert.equal(withToken({}), withToken({}))
    const options = wire.makeWriteOptions({ ...token({}), durability: wire.Durability.LOG })
    assert.equal(withToken({ options }), withToken({}))
  })

  const others: [name: string, changes: Partial<wire.MutateRequest>][] = [
    ['dataset', { dataset: 'other' }],
    ['key', { key: Buffer.from('other') }],
    ['value', { mutations: [wire.makeMutation({ put: wire.makePutMutation({ value: key }) })] }],
    [
      'timestamp',
      { mutations: [wire.makeMutation({ put: wire.makePutMutation({ value, timestamp: 1n }) })] },
    ],
    ['TTL', { mutations: [wire.makeMutation({ put: wire.makePutMutation({ value, ttlSeconds: 1 }) })] }],
    [
      'replaceRow',
      { mutations: [wire.makeMutation({ put: wire.makePutMutation({ value, replaceRow: true }) })] },
    ],
    ['number of mutations', { mutations: [putValue, putValue] }],
    ['kind', { mutations: [wire.makeMutation({ append: { cells: [wire.makeCell({ value })] } })] }],
    ['delta', { mutations: [wire.makeMutation({ increment: { deltas: [wire.makeCounterDelta()] } })] }],
    ['removal', { mutations: [wire.makeMutation({ remove: wire.makeDeleteMutation() })] }],
    [
      'removed columns',
      { mutations: [wire.makeMutation({ remove: wire.makeDeleteMutation({ cells: columns('a') }) })] },
    ],
    ['touch', { mutations: [wire.makeMutation({ touch: wire.makeTouchMutation({ ttlSeconds: 1 }) })] }],
    ['conditions', { conditions: [wire.makeCondition({ comparison: 1 })] }],
    ['otherwise', { otherwise: [putValue] }],
    ['returnAfter', { returnAfter: wire.makeCellSelector() }],
    ['returnOnConflict', { returnOnConflict: wire.makeCellSelector() }],
  ]

  test('differs as soon as anything of what is asked differs', () => {
    const all = [withToken({}), ...others.map(([, changes]) => withToken(changes))]
    assert.equal(new Set(all).size, others.length + 1)
  })

  test('an increment sent as itself and inside a mutate is the same write', () => {
    const options = wire.makeWriteOptions(token({}))
    const deltas = [wire.makeCounterDelta({ delta: 5n })]
    const alone = incrementToMutate(wire.makeIncrementRequest({ dataset, key, deltas, options }), context)
    const inside = withToken({ mutations: [wire.makeMutation({ increment: { deltas } })] })
    assert.equal(alone.idempotency?.fingerprint.toString('hex'), inside)
    assert.equal(
      codeOf(() => alone),
      'none',
    )
  })
})
