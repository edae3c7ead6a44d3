/** Writes on conditions, what they answer of the row, and writes that may be repeated, on every engine. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IdempotencyToken } from '../../src/model/request.js'
import type { Comparison, Condition } from '../../src/model/row.js'
import { cell, plainRow } from '../support/leaf-engines.js'
import {
  append,
  condition,
  counter,
  forWritableShards,
  increment,
  named,
  put,
  remove,
  select,
} from '../support/leaf-suites.js'

forWritableShards('leaf conditions', (verbs) => {
  const holds = async (key: string, ...conditions: Condition[]) => {
    const probe = { mutations: [put([cell('probe', 'x')])], conditions }
    const { isApplied } = await verbs.mutate(key, probe)
    if (isApplied) await verbs.remove(key, { selector: select(named('probe')) })
    return isApplied
  }

  const comparisons: [comparison: Comparison, less: boolean, equal: boolean, greater: boolean][] = [
    ['EQUAL', false, true, false],
    ['NOT_EQUAL', true, false, true],
    ['LESS', true, false, false],
    ['LESS_OR_EQUAL', true, true, false],
    ['GREATER', false, false, true],
    ['GREATER_OR_EQUAL', false, true, true],
  ]
  for (const [comparison, ...expected] of comparisons) {
    test(`${comparison} compares the column with the value as unsigned bytes`, async () => {
      await verbs.put('compare', [cell('c', 'b\xff')])
      const values = ['b\xff\0', 'b\xff', 'b\x7f'].map((value) => Buffer.from(value, 'latin1'))
      const found = []
      for (const value of values) found.push(await holds('compare', condition('c', comparison, { value })))
      assert.deepEqual(found, expected)
    })

    test(`${comparison} of an absent column is what ifMissing says`, async () => {
      await verbs.put('missing', [cell('gone', 'x')])
      await verbs.remove('missing', { selector: select(named('gone')) })
      for (const ifMissing of [false, true]) {
        assert.equal(await holds('missing', condition('gone', comparison, { ifMissing })), ifMissing)
        assert.equal(await holds('no row', condition('gone', comparison, { ifMissing })), ifMissing)
      }
    })
  }

  test('EXISTS and NOT_EXISTS see living columns only, and no ifMissing', async () => {
    await verbs.put('exists', [cell('a', ''), cell('b', 'x', { ttlSeconds: 5 })])
    const both = (localKey: string, ifMissing: boolean) =>
      Promise.all([
        holds('exists', condition(localKey, 'EXISTS', { ifMissing })),
        holds('exists', condition(localKey, 'NOT_EXISTS', { ifMissing })),
      ])
    assert.deepEqual(await both('a', false), [true, false])
    assert.deepEqual(await both('b', false), [true, false])
    assert.deepEqual(await both('x', true), [false, true])
    verbs.shard.clock.ms += 5_000
    assert.deepEqual(await both('b', true), [false, true])
  })

  test('ROW_EXISTS and ROW_NOT_EXISTS look at the whole row', async () => {
    const both = async (key: string) => [await holds(key, condition('x', 'ROW_EXISTS')), await holds(key, condition('x', 'ROW_NOT_EXISTS'))] // prettier-ignore
    assert.deepEqual(await both('row'), [false, true])
    await verbs.put('row', [cell('a', '')])
    assert.deepEqual(await both('row'), [true, false])
    await verbs.remove('row')
    assert.deepEqual(await both('row'), [false, true])
  })

  test('VERSION_EQUAL is of the newest version and its exact time', async () => {
    await verbs.put('version', [cell('c', 'x', { timestamp: 7n })])
    const at = (timestamp: bigint) => holds('version', condition('c', 'VERSION_EQUAL', { timestamp }))
    assert.deepEqual([await at(6n), await at(7n), await at(8n)], [false, true, false])
    await verbs.put('version', [cell('c', 'y', { timestamp: 8n })])
    assert.deepEqual([await at(7n), await at(8n)], [false, true])
    const absent = { timestamp: 7n, ifMissing: true }
    assert.equal(await holds('version', condition('x', 'VERSION_EQUAL', absent)), true)
  })

  test('all conditions must hold', async () => {
    await verbs.put('all', [cell('a', '1')])
    const [yes, no] = [condition('a', 'EXISTS'), condition('b', 'EXISTS')]
    assert.deepEqual([await holds('all', yes, yes), await holds('all', yes, no), await holds('all', no, yes)], [true, false, false]) // prettier-ignore
  })

  test('conditions look at the row as it is before the mutations', async () => {
    const result = await verbs.mutate('before', { mutations: [put([cell('a', '1')])], conditions: [condition('a', 'NOT_EXISTS')] }) // prettier-ignore
    assert.equal(result.isApplied, true)
  })

  test('where a condition fails, otherwise is applied instead, or nothing', async () => {
    await verbs.put('else', [cell('a', '1')])
    const conditions = [condition('a', 'NOT_EXISTS')]
    const mutations = [put([cell('a', 'no')])]
    const nothing = await verbs.mutate('else', { mutations, conditions })
    assert.deepEqual([nothing.isApplied, nothing.timestamp, nothing.row], [false, null, null])
    assert.deepEqual(await verbs.get('else'), [['a', '1']])
    const otherwise = [append(cell('a', '2')), increment('n', 3n)]
    const other = await verbs.mutate('else', { mutations, conditions, otherwise })
    assert.deepEqual([other.isApplied, other.counters.map(({ value }) => value)], [false, [3n]])
    assert.ok(other.timestamp !== null)
    assert.deepEqual(await verbs.get('else', named('a')), [['a', '12']])
  })

  test('a failing otherwise fails the request', async () => {
    await verbs.put('bad else', [cell('a', '1')])
    const request = { mutations: [put([cell('a', '2')])], conditions: [condition('x', 'EXISTS')], otherwise: [increment('a', 1n)] } // prettier-ignore
    await assert.rejects(verbs.mutate('bad else', request), { code: 'NOT_A_COUNTER', outcome: 'NOT_APPLIED' })
  })

  test('of writers that race for a column, one wins', async () => {
    const race = Array.from({ length: 20 }, (_, i) =>
      verbs.mutate('race', {
        mutations: [put([cell('lock', `${i}`)])],
        conditions: [condition('lock', 'NOT_EXISTS')],
      }),
    )
    const won = (await Promise.all(race)).flatMap(({ isApplied }, i) => (isApplied ? [i] : []))
    assert.equal(won.length, 1)
    assert.deepEqual(await verbs.get('race'), [['lock', `${won[0] ?? ''}`]])
  })

  test('increments beside each other and beside blind writes of the row are all counted', async () => {
    const writes = Array.from({ length: 50 }, (_, i) =>
      i % 2 === 0 ? verbs.apply('busy', increment('n', 1n)) : verbs.put('busy', [cell('other', `${i}`)]),
    )
    await Promise.all(writes)
    assert.deepEqual((await verbs.row('busy', { selector: select(named('n')) }))?.cells[0]?.value, counter(25n)) // prettier-ignore
  })

  test('a condition sees the blind write that was sent just before it', async () => {
    const blind = verbs.put('just before', [cell('a', '1')])
    const conditional = verbs.mutate('just before', {
      mutations: [put([cell('b', '2')])],
      conditions: [condition('a', 'EQUAL', { value: Buffer.from('1') })],
    })
    assert.deepEqual([(await conditional).isApplied, (await blind).isApplied], [true, true])
  })
})

forWritableShards('leaf answers of writes', (verbs) => {
  test('returnAfter answers the cells as they have become, with timestamps and TTLs', async () => {
    await verbs.put('after', [cell('a', '1', { timestamp: 5n }), cell('b', '2', { timestamp: 5n })])
    const mutations = [put([cell('c', '3', { timestamp: 6n, ttlSeconds: 9 })]), remove({ selector: select(named('b')) })] // prettier-ignore
    const whole = await verbs.mutate('after', { mutations, returnAfter: null })
    assert.deepEqual(plainRow(whole.row), [['a', '1', '@5'], ['c', '3', '@6', 'ttl 9']]) // prettier-ignore
    const some = await verbs.mutate('after', { mutations, returnAfter: select(named('a')) })
    assert.deepEqual(plainRow(some.row), [['a', '1', '@5']])
    const none = await verbs.mutate('after', { mutations, returnAfter: select(named('x')) })
    assert.equal(none.row, null)
    assert.equal((await verbs.mutate('after', { mutations })).row, null)
  })

  test('returnOnConflict answers the cells as they were before otherwise, and only then', async () => {
    await verbs.put('conflict', [cell('a', '1', { timestamp: 5n })])
    const mutations = [put([cell('a', '2', { timestamp: 6n })])]
    const conditions = [condition('a', 'NOT_EXISTS')]
    const otherwise = [put([cell('b', 'else', { timestamp: 7n })])]
    const both = { mutations, conditions, otherwise, returnOnConflict: null, returnAfter: null }
    assert.deepEqual(plainRow((await verbs.mutate('conflict', both)).row), [['a', '1', '@5']])
    const after = await verbs.mutate('conflict', { mutations, conditions, otherwise, returnAfter: null })
    assert.deepEqual(plainRow(after.row), [['a', '1', '@5'], ['b', 'else', '@7']]) // prettier-ignore
    const applied = await verbs.mutate('conflict', { mutations, returnOnConflict: null })
    assert.equal(applied.row, null)
  })

  test('a row that is answered may have a selector of any kind', async () => {
    const mutations = [put(['a', 'b', 'c'].map((name, i) => cell(name, name, { timestamp: BigInt(i) })))]
    const returnAfter = select({ isReversed: true, limit: 2, keysOnly: true, maxTimestamp: 2n })
    const { row } = await verbs.mutate('selector', { mutations, returnAfter })
    assert.deepEqual(plainRow(row), [['b', '', '@1'], ['a', '', '@0']]) // prettier-ignore
  })

  test('a row of more than a megabyte is not answered, and nothing is written', async () => {
    const mutations = [put([cell('a', Buffer.alloc(2 * 1024 * 1024))])]
    const refusal = { code: 'TOO_LARGE', outcome: 'NOT_APPLIED' }
    await assert.rejects(verbs.mutate('huge', { mutations, returnAfter: null }), refusal)
    assert.equal(await verbs.get('huge'), null)
    await verbs.mutate('huge', { mutations, returnAfter: select(named('b')) })
    const conflict = { conditions: [condition('a', 'NOT_EXISTS')], returnOnConflict: null }
    await assert.rejects(verbs.mutate('huge', { mutations, ...conflict }), refusal)
    await verbs.mutate('huge', { mutations, returnAfter: select({ keysOnly: true }) })
    await verbs.remove('huge')
  })
})

forWritableShards('leaf idempotency', (verbs) => {
  const token = (nonce: string, more: Partial<IdempotencyToken> = {}): IdempotencyToken => ({
    generationTimeUs: verbs.shard.clock.nowUs(),
    nonce: Buffer.from(nonce.padEnd(8, '.')),
    index: 0,
    fingerprint: Buffer.alloc(16, 1),
    ...more,
  })

  test('a repeat is answered as the first time and not applied again', async () => {
    const request = {
      mutations: [increment('n', 5n), append(cell('s', 'x'))],
      returnAfter: null,
      idempotency: token('repeat'),
    }
    const first = await verbs.mutate('repeat', request)
    assert.equal(first.isRepeated, false)
    await verbs.put('repeat', [cell('other', 'between')])
    const before = await verbs.timed('repeat')
    const second = await verbs.mutate('repeat', request, { durability: 'LOG_SYNCED' })
    assert.deepEqual(second, { ...first, isRepeated: true })
    assert.deepEqual(await verbs.timed('repeat'), before)
  })

  test('a repeat is known after closing and opening again', async () => {
    const request = { mutations: [increment('n', 5n)], idempotency: token('reopen') }
    const first = await verbs.mutate('reopen', request)
    await verbs.shard.reopen()
    assert.deepEqual(await verbs.mutate('reopen', request), { ...first, isRepeated: true })
  })

  test('the same token with another request is a mismatch', async () => {
    const mutations = [put([cell('a', '1')])]
    await verbs.mutate('mismatch', { mutations, idempotency: token('mismatch') })
    const other = { mutations, idempotency: token('mismatch', { fingerprint: Buffer.alloc(16, 2) }) }
    const refusal = { code: 'IDEMPOTENCY_MISMATCH', outcome: 'NOT_APPLIED' }
    await assert.rejects(verbs.mutate('mismatch', other), refusal)
  })

  test('another row, another index and another nonce are other writes', async () => {
    const mutations = [increment('n', 1n)]
    const write = (key: string, idempotency: IdempotencyToken) =>
      verbs.mutate(key, { mutations, idempotency })
    await write('one', token('same'))
    assert.equal((await write('two', token('same'))).isRepeated, false)
    assert.equal((await write('one', token('same', { index: 1 }))).isRepeated, false)
    assert.equal((await write('one', token('same2'))).isRepeated, false)
    assert.equal((await write('one', token('same', { index: 1 }))).isRepeated, true)
  })

  test('a conflict is remembered as one, a failed request not at all', async () => {
    const mutations = [put([cell('a', '1')])]
    const conditions = [condition('x', 'EXISTS')]
    const request = { mutations, conditions, returnOnConflict: null, idempotency: token('conflict') }
    assert.equal((await verbs.mutate('remember', request)).isApplied, false)
    await verbs.put('remember', [cell('x', 'now it is there')])
    const repeat = await verbs.mutate('remember', request)
    assert.deepEqual([repeat.isApplied, repeat.isRepeated, repeat.row], [false, true, null])
    const failing = { mutations: [increment('x', 1n)], idempotency: token('failed') }
    await assert.rejects(verbs.mutate('remember', failing), { code: 'NOT_A_COUNTER' })
    await verbs.put('remember', [cell('x', counter(1n))])
    const now = await verbs.mutate('remember', failing)
    assert.deepEqual([now.isRepeated, now.counters[0]?.value], [false, 2n])
  })

  test('repeats that are sent together apply once', async () => {
    const request = { mutations: [increment('n', 1n)], idempotency: token('together') }
    const results = await Promise.all(Array.from({ length: 10 }, () => verbs.mutate('together', request)))
    assert.equal(results.filter(({ isRepeated }) => !isRepeated).length, 1)
    assert.ok(results.every(({ counters }) => counters[0]?.value === 1n))
  })

  test('records of writes are no cells: a row of nothing else is absent and no condition sees it', async () => {
    const idempotency = token('no cell')
    await verbs.mutate('no cell', { mutations: [put([cell('a', '1')])], idempotency })
    await verbs.remove('no cell')
    assert.equal(await verbs.get('no cell'), null)
    const { isApplied } = await verbs.mutate('no cell', { mutations: [put([cell('b', '2')])], conditions: [condition('', 'ROW_NOT_EXISTS')] }) // prettier-ignore
    assert.equal(isApplied, true)
    await verbs.remove('no cell')
    const { rows } = await verbs.scan({ where: [condition('', 'ROW_EXISTS')] })
    assert.ok(rows.every(({ rowKey }) => rowKey.toString() !== 'no cell'))
  })
})
