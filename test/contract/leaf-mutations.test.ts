/** What mutations do to a row, on every engine: scopes of deletion, counters, appending, touching, and their order. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../src/base/limits.js'
import type { Mutation } from '../../src/model/mutation.js'
import { ALL_VERSIONS } from '../../src/model/row.js'
import { bytes, cell } from '../support/leaf-engines.js'
import {
  append,
  counter,
  forWritableShards,
  increment,
  named,
  put,
  range,
  remove,
  select,
  touch,
} from '../support/leaf-suites.js'

const FUTURE = 9_000_000_000_000_000n
const LAST = 2n ** 63n - 1n

function letters(...names: string[]): ReturnType<typeof cell>[] {
  return names.map((name, i) => cell(name, `v${name}`, { timestamp: BigInt(i + 1) * 10n }))
}

forWritableShards('leaf deletions', (verbs) => {
  test('a removed range stays removed for older writes, and other columns and newer writes live', async () => {
    await verbs.put('range', letters('a', 'b', 'c', 'd'))
    const upTo = { selector: select({ ranges: [range('b', 'd')] }), timestamp: 100n }
    await verbs.remove('range', upTo)
    assert.deepEqual(await verbs.get('range'), [['a', 'va'], ['d', 'vd']]) // prettier-ignore
    await verbs.put('range', [cell('bb', 'old', { timestamp: 100n }), cell('c', 'new', { timestamp: 101n })])
    assert.deepEqual(await verbs.get('range'), [['a', 'va'], ['c', 'new'], ['d', 'vd']]) // prettier-ignore
    assert.deepEqual(await verbs.get('range', named('bb', 'c')), [['c', 'new']])
    assert.equal(await verbs.get('range', { ranges: [range('bb', 'c')] }), null)
  })

  test('ranges that overlap remove up to the newest of them', async () => {
    await verbs.put('overlap', letters('a', 'b', 'c'))
    await verbs.remove('overlap', { selector: select({ ranges: [range('a', 'c')] }), timestamp: 15n })
    await verbs.remove('overlap', { selector: select({ ranges: [range('', 'b')] }), timestamp: 5n })
    assert.deepEqual(await verbs.get('overlap'), [['b', 'vb'], ['c', 'vc']]) // prettier-ignore
    await verbs.remove('overlap', { selector: select({ ranges: [range('b', null)] }), timestamp: 30n })
    assert.equal(await verbs.get('overlap'), null)
  })

  test('names and ranges are removed together, now where no timestamp is given', async () => {
    await verbs.put('both', [cell('a', '1'), cell('b', '2'), cell('c', '3'), cell('d', '4')])
    const { timestamp } = await verbs.remove('both', {
      selector: select({ ...named('a'), ranges: [range('c', 'd')] }),
    })
    assert.ok(timestamp !== null && timestamp >= verbs.shard.clock.nowUs())
    assert.deepEqual(await verbs.get('both'), [['b', '2'], ['d', '4']]) // prettier-ignore
    await verbs.put('both', [cell('c', 'again')])
    assert.deepEqual(await verbs.get('both', named('c')), [['c', 'again']])
  })

  test('limit, order and versions of a selector do not narrow what is removed', async () => {
    await verbs.put('ignored', letters('a', 'b', 'c'))
    const narrow = { limit: 1, isReversed: true, maxVersions: 1, keysOnly: true }
    await verbs.remove('ignored', { selector: select({ ...named('a', 'b'), ...narrow }) })
    assert.deepEqual(await verbs.get('ignored'), [['c', 'vc']])
  })

  test('ranges that are removed stay removed over closing and opening again', async () => {
    await verbs.put('reopened', letters('a', 'b'))
    await verbs.remove('reopened', { selector: select({ ranges: [range('a', 'b')] }) })
    await verbs.shard.reopen()
    assert.deepEqual(await verbs.get('reopened'), [['b', 'vb']])
    assert.equal(await verbs.get('reopened', named('a')), null)
  })

  test('removing an exact version leaves those at other times', async () => {
    await verbs.put('exact', letters('a', 'b', 'c'))
    const exact = { timestamp: 20n, scope: 'EXACT_TIMESTAMP' as const }
    await verbs.remove('exact', { ...exact, selector: select(named('a')) })
    await verbs.remove('exact', { ...exact, selector: select({ ranges: [range('a', 'b')] }) })
    assert.deepEqual(await verbs.get('exact'), [['a', 'va'], ['b', 'vb'], ['c', 'vc']]) // prettier-ignore
    await verbs.remove('exact', exact)
    assert.deepEqual(await verbs.get('exact'), [['a', 'va'], ['c', 'vc']]) // prettier-ignore
    await verbs.put('exact', [cell('b', 'late', { timestamp: 20n })])
    assert.equal(await verbs.get('exact', named('b')), null)
    await assert.rejects(verbs.remove('exact', { scope: 'EXACT_TIMESTAMP' }), {
      code: 'INVALID_ARGUMENT',
      outcome: 'NOT_APPLIED',
    })
  })

  test('removing the newest version takes the selected columns, none that is newer than the timestamp', async () => {
    await verbs.put('newest', letters('a', 'b', 'c'))
    const newest = { scope: 'NEWEST_VERSION' as const }
    await verbs.remove('newest', { ...newest, timestamp: 20n, selector: select({ ranges: [range('b', null)] }) }) // prettier-ignore
    assert.deepEqual(await verbs.get('newest'), [['a', 'va'], ['c', 'vc']]) // prettier-ignore
    await verbs.remove('newest', { ...newest, selector: select(named('c', 'x')) })
    assert.deepEqual(await verbs.get('newest'), [['a', 'va']])
    await verbs.remove('newest', newest)
    assert.equal(await verbs.get('newest'), null)
  })

  test('removing what is not there succeeds and writes nothing', async () => {
    for (const scope of ['NEWEST_VERSION', 'EXACT_TIMESTAMP'] as const) {
      const result = await verbs.remove('nothing', { scope, timestamp: 5n })
      assert.deepEqual([result.timestamp, result.isApplied], [null, true])
    }
    assert.equal(await verbs.get('nothing'), null)
  })

  test('a removal by timestamp of a row covers ranges, names and everything at or before it', async () => {
    await verbs.put('row', letters('a', 'b', 'c'))
    await verbs.remove('row', { timestamp: 20n })
    assert.deepEqual(await verbs.get('row'), [['c', 'vc']])
  })

  test('more removed ranges than a row may have are refused, and ranges within others are none more', async () => {
    const one = (i: number) => range(`k${String(i).padStart(5, '0')}`, `k${String(i).padStart(5, '0')}x`)
    const ranges = Array.from({ length: 1_000 }, (_, i) => one(i))
    await verbs.remove('many', { selector: select({ ranges }), timestamp: 5n })
    await verbs.remove('many', { selector: select({ ranges: ranges.slice(0, 500) }), timestamp: 4n })
    const another = { selector: select({ ranges: [one(1_000)] }), timestamp: 5n }
    await assert.rejects(verbs.remove('many', another), { code: 'TOO_LARGE', outcome: 'NOT_APPLIED' })
    await verbs.remove('many', { selector: select({ ranges: [range('k', 'l')] }), timestamp: 5n })
    await verbs.remove('many', another)
  })
})

forWritableShards('leaf order of mutations', (verbs) => {
  test('mutations of one request apply in order, each stamped behind the one before', async () => {
    await verbs.apply('order', put([cell('a', '1')]), remove({ selector: select(named('a')) }), put([cell('b', '2')])) // prettier-ignore
    assert.deepEqual(await verbs.get('order'), [['b', '2']])
    await verbs.apply('order', remove(), put([cell('a', 'back')]))
    assert.deepEqual(await verbs.get('order'), [['a', 'back']])
    await verbs.apply('order', put([cell('a', 'z')]), put([cell('a', 'a')]), put([cell('b', 'x')]), remove())
    assert.equal(await verbs.get('order'), null)
  })

  test('the answer has the timestamp of the last mutation', async () => {
    const first = await verbs.apply('stamps', put([cell('a', '1')]), put([cell('b', '2')]), put([cell('c', '3')])) // prettier-ignore
    const [a, b, c] = (await verbs.row('stamps', { withTimestamps: true }))?.cells ?? []
    assert.ok(a?.timestamp != null && b?.timestamp != null && c?.timestamp != null)
    assert.deepEqual([b.timestamp - a.timestamp, c.timestamp - b.timestamp], [1n, 1n])
    assert.equal(first.timestamp, c.timestamp)
    const second = await verbs.apply(
      'stamps',
      put([cell('a', '1')]),
      put([cell('b', '2')], { timestamp: 7n }),
    )
    assert.equal(second.timestamp, 7n)
  })

  test('a mutation sees what those before it did', async () => {
    const mutations: Mutation[] = [
      put([cell('n', counter(40n))]),
      increment('n', 2n),
      append(cell('s', 'a')),
      append(cell('s', 'b')),
      remove({ selector: select(named('n')), scope: 'NEWEST_VERSION' }),
    ]
    const { counters } = await verbs.apply('sees', ...mutations)
    assert.deepEqual(counters.map(({ value }) => value), [42n]) // prettier-ignore
    assert.deepEqual(await verbs.get('sees', named('s')), [['s', 'ab']])
  })

  test('one mutation that fails fails the request, and nothing of it is applied', async () => {
    await verbs.put('whole', [cell('text', 'abc')])
    const before = await verbs.timed('whole')
    const failing = verbs.apply('whole', put([cell('a', '1')]), remove(), increment('b', 1n), put([cell('text', 'x')]), increment('text', 1n)) // prettier-ignore
    await assert.rejects(failing, { code: 'NOT_A_COUNTER', outcome: 'NOT_APPLIED' })
    assert.deepEqual(await verbs.timed('whole'), before)
  })

  test('a put that replaces the row keeps its own cells, whatever their timestamps', async () => {
    await verbs.put('replace', letters('a', 'b', 'c'))
    const own = [cell('x', 'new'), cell('y', 'own', { timestamp: 25n })]
    await verbs.put('replace', own, { replaceRow: true })
    assert.deepEqual(await verbs.get('replace'), [['x', 'new'], ['y', 'own']]) // prettier-ignore
    await verbs.put('replace', [cell('a', 'late', { timestamp: 28n }), cell('y', 'late', { timestamp: 28n })])
    assert.deepEqual(await verbs.get('replace'), [['x', 'new'], ['y', 'late']]) // prettier-ignore
    await verbs.apply('replace', put([cell('z', 'only')], { replaceRow: true }))
    assert.deepEqual(await verbs.get('replace'), [['z', 'only']])
    await verbs.apply('replace', increment('n', 1n), put([cell('z', 'last')], { replaceRow: true }))
    assert.deepEqual(await verbs.get('replace'), [['z', 'last']])
  })

  test('a row is replaced at the time of the put: newer columns stay, and its cells win though they are older', async () => {
    await verbs.put('at', letters('a', 'b', 'c', 'd'))
    const own = [cell('', 'x', { timestamp: 15n }), cell('b', 'y', { timestamp: 25n }), cell('f', 'z')]
    await verbs.put('at', own, { replaceRow: true, timestamp: 35n })
    assert.deepEqual(await verbs.timed('at'), [['', 'x', '@15'], ['b', 'y', '@25'], ['d', 'vd', '@40'], ['f', 'z', '@35']]) // prettier-ignore
  })

  test('a write that says nothing is refused', async () => {
    const nothing: Mutation[][] = [[], [put([])], [append()], [{ kind: 'INCREMENT', deltas: [] }]]
    for (const mutations of nothing) {
      await assert.rejects(verbs.mutate('nothing', { mutations }), {
        code: 'INVALID_ARGUMENT',
        outcome: 'NOT_APPLIED',
      })
    }
  })
})

forWritableShards('leaf counters', (verbs, format) => {
  const add = async (key: string, ...deltas: [string, bigint][]) => {
    const all = deltas.map(([localKey, delta]) => ({ localKey: bytes(localKey), delta, ttlSeconds: null }))
    const { counters } = await verbs.apply(key, { kind: 'INCREMENT', deltas: all })
    return counters.map(({ localKey, value }) => [localKey.toString('latin1'), value])
  }

  test('a counter that was never written begins at 0, and is a value of 8 bytes', async () => {
    assert.deepEqual(await add('new', ['n', 5n]), [['n', 5n]])
    assert.deepEqual(await add('new', ['n', -7n], ['', 0n]), [['n', -2n], ['', 0n]]) // prettier-ignore
    const row = await verbs.row('new', {})
    assert.deepEqual(row?.cells.map(({ value }) => value), [counter(0n), counter(-2n)]) // prettier-ignore
  })

  test('the same column twice in one request adds up, with an answer each', async () => {
    assert.deepEqual(await add('twice', ['n', 5n], ['m', 1n], ['n', -2n]), [['n', 5n], ['m', 1n], ['n', 3n]]) // prettier-ignore
    const { counters } = await verbs.apply('twice', increment('n', 1n), put([cell('n', counter(100n))]), increment('n', 1n)) // prettier-ignore
    assert.deepEqual(counters.map(({ value }) => value), [4n, 101n]) // prettier-ignore
    assert.deepEqual((await verbs.row('twice', { selector: select(named('n')) }))?.cells[0]?.value, counter(101n)) // prettier-ignore
  })

  test('what is written behind a repeated column in one request is newer than it', async () => {
    const deltas = Array.from({ length: 5 }, () => ({ localKey: bytes('n'), delta: 1n, ttlSeconds: null }))
    await verbs.apply('behind', { kind: 'INCREMENT', deltas }, put([cell('n', 'text')]))
    assert.deepEqual(await verbs.get('behind'), [['n', 'text']])
  })

  test('a value of another size is not a counter', async () => {
    for (const value of ['', '1234567', '123456789']) {
      await verbs.put('text', [cell('n', value)])
      await assert.rejects(add('text', ['n', 1n]), { code: 'NOT_A_COUNTER', outcome: 'NOT_APPLIED' })
    }
  })

  test('a counter that would leave 64 bits is refused and keeps its value', async () => {
    assert.deepEqual(await add('full', ['n', LAST]), [['n', LAST]])
    await assert.rejects(add('full', ['n', 1n]), { code: 'INVALID_ARGUMENT', outcome: 'NOT_APPLIED' })
    await assert.rejects(add('full', ['m', -1n], ['n', 1n]), { code: 'INVALID_ARGUMENT' })
    assert.deepEqual(await add('full', ['n', -(2n ** 63n)], ['n', -(2n ** 63n) + 1n]), [['n', -1n], ['n', -(2n ** 63n)]]) // prettier-ignore
    await assert.rejects(add('full', ['n', -1n]), { code: 'INVALID_ARGUMENT' })
  })

  test('a counter that wraps goes on at the other end of 64 bits', async () => {
    const delta = { localKey: Buffer.from('n'), ttlSeconds: null, wraps: true } as const
    await add('wraps', ['n', LAST])
    const deltas = [
      { ...delta, delta: 2n },
      { ...delta, delta: -2n },
    ]
    const { counters } = await verbs.apply('wraps', { kind: 'INCREMENT', deltas })
    assert.deepEqual(
      counters.map(({ value }) => value),
      [-LAST, LAST],
    )
  })

  test('a counter from the future is still added to', async () => {
    await verbs.put('future', [cell('n', counter(1n), { timestamp: FUTURE })])
    assert.deepEqual(await add('future', ['n', 1n]), [['n', 2n]])
    assert.deepEqual(await add('future', ['n', 1n]), [['n', 3n]])
    const [n] = (await verbs.row('future', { withTimestamps: true }))?.cells ?? []
    assert.deepEqual([n?.value, n?.timestamp], [counter(3n), FUTURE + 2n])
  })

  const hiding: [what: string, hide: (key: string) => Promise<unknown>][] = [
    ['the column', (key) => verbs.remove(key, { selector: select(named('n')), timestamp: FUTURE })],
    ['its range', (key) => verbs.remove(key, { selector: select({ ranges: [range('m', 'o')] }), timestamp: FUTURE })],
    ['the row', (key) => verbs.remove(key, { timestamp: FUTURE })],
    ['its newest version', (key) => verbs.remove(key, { selector: select(named('n')), scope: 'NEWEST_VERSION' })],
  ] // prettier-ignore
  for (const [what, hide] of hiding) {
    test(`a counter is shown as it was answered though ${what} was removed in the future`, async () => {
      const key = `hidden ${what}`
      await verbs.put(key, [cell('n', counter(5n), { timestamp: FUTURE })])
      await hide(key)
      assert.deepEqual(await add(key, ['n', 7n], ['n', 1n]), [['n', 7n], ['n', 8n]]) // prettier-ignore
      assert.deepEqual((await verbs.row(key, { selector: select(named('n')) }))?.cells[0]?.value, counter(8n))
      await verbs.apply(key, append(cell('n', '!')))
      assert.equal((await verbs.row(key, { selector: select(named('n')) }))?.cells[0]?.value.byteLength, 9)
    })
  }

  test('a counter whose last time was given away is refused, and one that expired in the future is not', async () => {
    await verbs.remove('last', { timestamp: LAST })
    await assert.rejects(add('last', ['n', 1n]), { code: 'INVALID_ARGUMENT', outcome: 'NOT_APPLIED' })
    await verbs.put('expired', [cell('n', counter(5n), { timestamp: FUTURE, ttlSeconds: 1 })])
    verbs.shard.clock.ms += 1_000
    assert.deepEqual(await add('expired', ['n', 1n]), [['n', 1n]])
    assert.deepEqual((await verbs.row('expired', {}))?.cells[0]?.value, counter(1n))
  })

  test('a counter keeps its expiry unless it is given another, and a removed or expired one begins anew', async () => {
    await verbs.apply('ttl', increment('n', 1n, 10))
    verbs.shard.clock.ms += 4_000
    await verbs.apply('ttl', increment('n', 1n))
    const how = { withTtl: true }
    const ttlOf = async () => (await verbs.row('ttl', how))?.cells.map(({ ttlSeconds }) => ttlSeconds)
    assert.deepEqual(await ttlOf(), [6])
    await verbs.apply('ttl', increment('n', 1n, 20))
    assert.deepEqual(await ttlOf(), [20])
    verbs.shard.clock.ms += 20_000
    // In history the versions before it expired as well.
    assert.deepEqual(await add('ttl', ['n', 1n]), [['n', 1n]])
    assert.deepEqual(await ttlOf(), [null])
    await verbs.remove('ttl')
    assert.deepEqual(await add('ttl', ['n', 1n]), [['n', 1n]])
  })

  if (format === 'history') {
    test('every addition is a version of its own', async () => {
      for (let i = 0; i < 3; i++) await add('versions', ['n', 1n])
      const row = await verbs.row('versions', { selector: select({ maxVersions: ALL_VERSIONS }) })
      assert.deepEqual(row?.cells.map(({ value }) => value), [counter(3n), counter(2n), counter(1n)]) // prettier-ignore
    })
  }
})

forWritableShards('leaf append and touch', (verbs, format) => {
  test('appending adds to the newest value, or begins one', async () => {
    await verbs.apply('append', append(cell('s', 'a'), cell('', 'x')))
    const { timestamp } = await verbs.apply('append', append(cell('s', 'bc')))
    assert.ok(timestamp !== null && timestamp >= verbs.shard.clock.nowUs())
    assert.deepEqual(await verbs.get('append'), [['', 'x'], ['s', 'abc']]) // prettier-ignore
  })

  test('appending at an older timestamp takes the time of the value that it adds to', async () => {
    await verbs.put('late', [cell('s', 'a', { timestamp: 10n })])
    const { timestamp } = await verbs.apply('late', append(cell('s', 'b', { timestamp: 5n })))
    assert.equal(timestamp, 10n)
    assert.deepEqual(await verbs.timed('late'), [['s', 'ab', '@10']])
    await verbs.apply('late', append(cell('s', 'c', { timestamp: 12n })))
    assert.deepEqual(await verbs.timed('late'), [['s', 'abc', '@12']])
  })

  test('appending keeps the expiry unless it is given another, even at the same time', async () => {
    await verbs.put('expiry', [cell('s', 'a', { timestamp: FUTURE, ttlSeconds: 100 })])
    await verbs.apply('expiry', append(cell('s', 'b')))
    assert.deepEqual(await verbs.get('expiry', {}, { withTtl: true }), [['s', 'ab', 'ttl 100']])
    await verbs.apply('expiry', append(cell('s', 'c', { ttlSeconds: 5 })))
    assert.deepEqual(await verbs.get('expiry', {}, { withTtl: true }), [['s', 'abc', 'ttl 5']])
  })

  test('a value that would outgrow the largest one is refused', async () => {
    await verbs.put('large', [cell('s', Buffer.alloc(limits.maxValueBytes - 1))])
    await verbs.apply('large', append(cell('s', 'x')))
    await assert.rejects(verbs.apply('large', append(cell('s', 'x'))), {
      code: 'TOO_LARGE',
      outcome: 'NOT_APPLIED',
    })
    await verbs.remove('large')
  })

  test('touching gives living cells a TTL or takes it, and writes no absent ones', async () => {
    await verbs.put('touch', [cell('a', '1'), cell('b', '2', { ttlSeconds: 5 }), cell('c', '3')])
    await verbs.remove('touch', { selector: select(named('c')) })
    await verbs.apply('touch', touch(60, named('a', 'b', 'c', 'x')))
    const how = { withTtl: true }
    assert.deepEqual(await verbs.get('touch', {}, how), [['a', '1', 'ttl 60'], ['b', '2', 'ttl 60']]) // prettier-ignore
    await verbs.apply('touch', touch(30, { ranges: [range('b', null)] }))
    assert.deepEqual(await verbs.get('touch', {}, how), [['a', '1', 'ttl 60'], ['b', '2', 'ttl 30']]) // prettier-ignore
    await verbs.apply('touch', touch(null))
    assert.deepEqual(await verbs.get('touch', {}, how), [['a', '1'], ['b', '2']]) // prettier-ignore
    assert.equal((await verbs.apply('no such row', touch(5))).timestamp, null)
  })

  test('touching leaves timestamps as they were written, whatever they are', async () => {
    const cells = [cell('a', '1', { timestamp: 5n, ttlSeconds: 100 }), cell('b', '2', { timestamp: LAST })]
    await verbs.put('stamp', cells)
    const { timestamp } = await verbs.apply('stamp', touch(50))
    assert.equal(timestamp, LAST)
    const how = { withTtl: true, withTimestamps: true }
    assert.deepEqual(await verbs.get('stamp', {}, how), [['a', '1', '@5', 'ttl 50'], ['b', '2', `@${LAST}`, 'ttl 50']]) // prettier-ignore
    await verbs.apply('stamp', touch(null))
    assert.deepEqual(await verbs.get('stamp', {}, how), [['a', '1', '@5'], ['b', '2', `@${LAST}`]]) // prettier-ignore
    await verbs.put('stamp', [cell('a', 'newer', { timestamp: 6n })])
    assert.deepEqual(await verbs.get('stamp', named('a'), how), [['a', 'newer', '@6']])
  })

  if (format === 'history') {
    test('touching leaves older versions as they are', async () => {
      await verbs.put('older', [cell('a', 'old', { timestamp: 5n })])
      await verbs.put('older', [cell('a', 'new', { timestamp: 6n, ttlSeconds: 100 })])
      await verbs.apply('older', touch(50))
      const selector = select({ maxVersions: ALL_VERSIONS })
      assert.deepEqual(await verbs.get('older', selector, { withTtl: true, withTimestamps: true }), [['a', 'new', '@6', 'ttl 50'], ['a', 'old', '@5']]) // prettier-ignore
    })
  }

  test('more cells than one write may change are refused', async () => {
    const count = limits.maxCellsPerRow + 1
    const cells = Array.from({ length: count }, (_, i) => cell(`c${i}`, 'v', { timestamp: 5n }))
    await verbs.put('wide', cells.slice(0, 9_000))
    await verbs.put('wide', cells.slice(9_000))
    const refusals: Mutation[] = [
      touch(5),
      remove({ scope: 'NEWEST_VERSION' }),
      remove({ scope: 'EXACT_TIMESTAMP', timestamp: 5n }),
    ]
    for (const mutation of refusals) {
      await assert.rejects(verbs.apply('wide', mutation), { code: 'TOO_LARGE', outcome: 'NOT_APPLIED' })
    }
    await verbs.apply('wide', remove({ selector: select(named('c0')), scope: 'NEWEST_VERSION' }))
    await verbs.apply('wide', touch(5))
  })

  test('a TTL that cannot be is refused', async () => {
    await verbs.put('bad', [cell('a', '1')])
    const bad: Mutation[] = [
      touch(0),
      increment('n', 1n, 0),
      append(cell('a', 'x', { ttlSeconds: 2 ** 32 })),
      put([cell('a', 'x', { ttlSeconds: -1 })]),
    ]
    for (const mutation of bad) {
      await assert.rejects(verbs.apply('bad', mutation), { code: 'INVALID_ARGUMENT', outcome: 'NOT_APPLIED' })
    }
    assert.deepEqual(await verbs.get('bad', {}, { withTtl: true }), [['a', '1']])
  })
})
