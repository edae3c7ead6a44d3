/** Mutation and its members, as mutate applies them. */
import assert from 'node:assert/strict'
import { type Fields, HISTORY, type Harness, INVALID, PEOPLE, bigintOf, covers, i64 } from './harness.js'

/** Applies one mutation to the row and answers the row. */
async function after(h: Harness, key: string, mutation: Fields, dataset = PEOPLE): Promise<string[]> {
  await h.ask('mutate', { dataset, key, mutations: [mutation] })
  return await h.read(key, { dataset, cells: { maxVersions: 0 } })
}

async function isInvalid(h: Harness, mutation: Fields): Promise<void> {
  await h.isRefused(INVALID, 'mutate', { dataset: PEOPLE, key: h.key(), mutations: [mutation] })
}

async function ttlOf(h: Harness, key: string): Promise<number | null> {
  return (await h.ask('get', { dataset: PEOPLE, key, options: { withTtl: true } })).ttlSeconds
}

export const mutations = [
  covers(
    ['Mutation.put', 'PutMutation.value', 'PutMutation.cells'],
    'writes the unnamed value and named columns',
    async (h) => {
      const put = { value: 'u', cells: [{ localKey: 'a', value: '1' }] }
      assert.deepEqual(await after(h, h.key(), { put }), ['=u', 'a=1'])
      await isInvalid(h, { put: {} })
    },
  ),
  covers('PutMutation.timestamp', 'is kept as given', async (h) => {
    const key = h.key()
    await after(h, key, { put: { value: 'v', timestamp: i64(77) } })
    const row = await h.ask('get', { dataset: PEOPLE, key, options: { withTimestamps: true } })
    assert.equal(bigintOf(row.timestamp), 77n)
  }),
  covers('PutMutation.ttlSeconds', 'ends the cells that bring none', async (h) => {
    const key = h.key()
    await after(h, key, { put: { value: 'v', ttlSeconds: 500 } })
    assert.ok(((await ttlOf(h, key)) ?? 0) > 400)
    await isInvalid(h, { put: { value: 'v', ttlSeconds: -1 } })
  }),
  covers('PutMutation.replaceRow', 'leaves nothing of the row but what it names', async (h) => {
    const key = await h.row({ '': 'old', a: 'old' })
    assert.deepEqual(await after(h, key, { put: { value: 'new', replaceRow: true } }), ['=new'])
  }),
  covers(
    ['Mutation.remove', 'DeleteMutation.cells'],
    'removes the columns selected, or the row',
    async (h) => {
      const key = await h.row({ '': 'u', a: '1', b: '2' })
      assert.deepEqual(await after(h, key, { remove: { cells: { localKeys: ['a'] } } }), ['=u', 'b=2'])
      assert.deepEqual(await after(h, key, { remove: {} }), [])
    },
  ),
  covers(['DeleteMutation.timestamp', 'DeleteMutation.scope'], 'say which versions go', async (h) => {
    const key = await h.versions(4)
    const cells = { localKeys: ['c'] }
    assert.deepEqual(await after(h, key, { remove: { cells, timestamp: i64(10) } }, HISTORY), [
      'c=v4',
      'c=v3',
      'c=v2',
    ])
    assert.deepEqual(await after(h, key, { remove: { cells, scope: 1, timestamp: i64(30) } }, HISTORY), [
      'c=v4',
      'c=v2',
    ])
    assert.deepEqual(await after(h, key, { remove: { cells, scope: 2 } }, HISTORY), ['c=v2'])
    await isInvalid(h, { remove: { scope: 9 } })
  }),
  covers(
    ['Mutation.increment', 'IncrementMutation.deltas', 'CounterDelta.localKey', 'CounterDelta.delta'],
    'adds to the named counter, 1 unless told otherwise',
    async (h) => {
      const key = h.key()
      const deltas = [{ localKey: 'c', delta: i64(2n ** 62n) }, { localKey: 'c' }, {}]
      await after(h, key, { increment: { deltas } })
      const { rows } = await h.ask('getCounters', { dataset: PEOPLE, keys: [key], localKeys: ['c', ''] })
      assert.deepEqual(
        rows[0]?.counters?.map(({ value }) => bigintOf(value)),
        [2n ** 62n + 1n, 1n],
      )
      const overflow = { increment: { deltas: [{ localKey: 'c', delta: i64(2n ** 62n) }] } }
      await h.isRefused(INVALID, 'mutate', { dataset: PEOPLE, key, mutations: [overflow] })
      await isInvalid(h, { increment: { deltas: [] } })
    },
  ),
  covers('CounterDelta.ttlSeconds', 'ends the counter; absent, it keeps what it had', async (h) => {
    const key = h.key()
    await after(h, key, { increment: { deltas: [{ ttlSeconds: 700 }] } })
    await after(h, key, { increment: { deltas: [{}] } })
    const left = (await ttlOf(h, key)) ?? 0
    assert.ok(left > 600 && left <= 700, `${left} s`)
    await isInvalid(h, { increment: { deltas: [{ ttlSeconds: 0 }] } })
  }),
  covers(
    ['Mutation.append', 'AppendMutation.cells'],
    'adds to the end of values, also of absent ones',
    async (h) => {
      const key = await h.row({ '': 'one' })
      const append = { cells: [{ value: ' two' }, { localKey: 'a', value: 'new' }] }
      assert.deepEqual(await after(h, key, { append }), ['=one two', 'a=new'])
      await isInvalid(h, { append: { cells: [] } })
    },
  ),
  covers(
    ['Mutation.touch', 'TouchMutation.cells', 'TouchMutation.ttlSeconds'],
    'gives the selected cells another TTL, or none, and keeps their values',
    async (h) => {
      const key = await h.row({ '': 'u', a: '1' })
      assert.deepEqual(await after(h, key, { touch: { cells: { localKeys: [''] }, ttlSeconds: 300 } }), [
        '=u',
        'a=1',
      ])
      const row = await h.ask('get', { dataset: PEOPLE, key, options: { withTtl: true } })
      assert.ok((row.ttlSeconds ?? 0) > 200)
      assert.equal(row.cells?.[0]?.ttlSeconds, null)
      await after(h, key, { touch: { ttlSeconds: 0 } })
      assert.equal(await ttlOf(h, key), null)
      assert.deepEqual(
        await after(h, h.key(), { touch: { ttlSeconds: 5 } }),
        [],
        'an absent row stays absent',
      )
      await isInvalid(h, { touch: {} })
    },
  ),
  covers(['Mutation.put', 'Mutation.touch'], 'with no member or with two is INVALID_ARGUMENT', async (h) => {
    await isInvalid(h, {})
    await isInvalid(h, { put: { value: 'v' }, touch: { ttlSeconds: 1 } })
  }),
]
