/** Writes: their requests, WriteOptions and what makes repeats safe. */
import assert from 'node:assert/strict'
import {
  type Fields,
  HISTORY,
  type Harness,
  INVALID,
  NOT_APPLIED,
  PEOPLE,
  SORTED,
  bigintOf,
  covers,
  i64,
  shown,
  tokenOf,
} from './harness.js'

const IDEMPOTENCY_MISMATCH = 108
const NOT_A_COUNTER = 501
const put = (value: string): Fields => ({ put: { value } })
const EXISTS = { comparison: 1 }
const NOT_EXISTS = { comparison: 2 }

/** Every method that writes, with what it needs beside dataset and key. */
const WRITES = [
  ['put', { value: 'v' }],
  ['remove', {}],
  ['mutate', { mutations: [put('v')] }],
  ['increment', { deltas: [{ localKey: 'n' }] }],
] as const

function rowsOf(key: string): Fields {
  return { dataset: PEOPLE, rows: [{ key, mutations: [put('v')] }] }
}

async function mutate(h: Harness, key: string, request: Fields) {
  return await h.ask('mutate', { dataset: PEOPLE, key, ...request })
}

/** A level is given when the write is acknowledged and read back. */
async function isAcknowledged(h: Harness, durability: number): Promise<void> {
  const key = h.key()
  await h.ask('put', { dataset: PEOPLE, key, value: 'kept', options: { durability } })
  assert.deepEqual(await h.read(key), ['=kept'])
}

export const writes = [
  covers(
    ['KVStore.put', 'PutRequest.dataset', 'PutRequest.key', 'PutRequest.value'],
    'writes the unnamed value of that row of that dataset',
    async (h) => {
      const key = h.key()
      await h.ask('put', { dataset: PEOPLE, key, value: 'v' })
      assert.deepEqual([await h.read(key), await h.read(key, { dataset: HISTORY })], [['=v'], []])
      await h.isRefused(INVALID, 'put', { dataset: PEOPLE, key })
    },
  ),
  covers(
    ['PutRequest.cells', 'Cell.localKey', 'Cell.value'],
    'writes named columns; absent parts are the unnamed column and the empty value',
    async (h) => {
      const key = h.key()
      await h.ask('put', {
        dataset: PEOPLE,
        key,
        cells: [{ localKey: 'b' }, { localKey: 'a', value: '1' }, { value: 'u' }],
      })
      assert.deepEqual(await h.read(key), ['=u', 'a=1', 'b='])
    },
  ),
  covers(['PutRequest.timestamp', 'Cell.timestamp'], 'is kept as given; a cell’s own wins', async (h) => {
    const key = h.key()
    const cells = [{ localKey: 'a', value: '1', timestamp: i64(3) }]
    await h.ask('put', { dataset: PEOPLE, key, value: 'v', cells, timestamp: i64(9) })
    const row = await h.ask('get', { dataset: PEOPLE, key, options: { withTimestamps: true } })
    assert.deepEqual([bigintOf(row.timestamp), bigintOf(row.cells?.[0]?.timestamp)], [9n, 3n])
  }),
  covers(['PutRequest.ttlSeconds', 'Cell.ttlSeconds'], 'ends the cells; a cell’s own wins', async (h) => {
    const key = h.key()
    const cells = [{ localKey: 'a', value: '1', ttlSeconds: 50 }]
    await h.ask('put', { dataset: PEOPLE, key, value: 'v', cells, ttlSeconds: 5_000 })
    const row = await h.ask('get', { dataset: PEOPLE, key, options: { withTtl: true } })
    assert.ok((row.ttlSeconds ?? 0) > 4_900)
    assert.ok((row.cells?.[0]?.ttlSeconds ?? 0) <= 50)
    await h.isRefused(INVALID, 'put', { dataset: PEOPLE, key, value: 'v', ttlSeconds: 0 })
    await h.row({ '': 'v' }, SORTED, key)
    const byDefault = await h.ask('get', { dataset: SORTED, key, options: { withTtl: true } })
    assert.ok((byDefault.ttlSeconds ?? 0) > 900)
  }),
  covers('PutRequest.replaceRow', 'leaves nothing of the row but what it names', async (h) => {
    const key = await h.row({ '': 'old', a: 'old', b: 'old' })
    await h.ask('put', { dataset: PEOPLE, key, cells: [{ localKey: 'a', value: 'new' }], replaceRow: true })
    assert.deepEqual(await h.read(key), ['a=new'])
    await h.ask('put', { dataset: PEOPLE, key, replaceRow: true })
    assert.deepEqual(await h.read(key), [])
  }),
  covers(
    [
      'PutRequest.options',
      'DeleteRequest.options',
      'MutateRequest.options',
      'IncrementRequest.options',
      'MultiMutateRequest.options',
    ],
    'are looked at by every method that writes',
    async (h) => {
      const options = { durability: 6 }
      for (const [method, fields] of WRITES) {
        await h.isUnsupported(/REPLICATED_SYNCED/, method, {
          dataset: PEOPLE,
          key: h.key(),
          ...fields,
          options,
        })
      }
      await h.isUnsupported(/REPLICATED_SYNCED/, 'multiMutate', { ...rowsOf(h.key()), options })
    },
  ),
  covers(
    [
      'PutRequest.context',
      'DeleteRequest.context',
      'MutateRequest.context',
      'IncrementRequest.context',
      'MultiMutateRequest.context',
    ],
    'are looked at by every method that writes',
    async (h) => {
      const context = { mustUnderstand: ['teleport'] }
      for (const [method, fields] of WRITES) {
        await h.isUnsupported(/teleport/, method, { dataset: PEOPLE, key: h.key(), ...fields, context })
      }
      await h.isUnsupported(/teleport/, 'multiMutate', { ...rowsOf(h.key()), context })
    },
  ),
  covers(
    ['KVStore.remove', 'DeleteRequest.dataset', 'DeleteRequest.key', 'DeleteRequest.cells'],
    'removes a row or the columns selected of it, and succeeds where there is nothing',
    async (h) => {
      const key = await h.row({ '': 'u', a: '1', ab: '2', b: '3', c: '4' })
      const request = { dataset: PEOPLE, key }
      await h.ask('remove', { ...request, cells: { localKeys: ['c'], prefixes: ['a'] } })
      assert.deepEqual(await h.read(key), ['=u', 'b=3'])
      await h.ask('remove', { ...request, cells: { ranges: [{ lower: 'z', upper: 'a' }] } })
      assert.deepEqual(await h.read(key), ['=u', 'b=3'])
      await h.ask('remove', request)
      await h.ask('remove', request)
      assert.deepEqual(await h.read(key), [])
      await h.isRefused(INVALID, 'remove', { ...request, cells: {} })
      await h.isUnsupported(/minTimestamp/, 'remove', {
        ...request,
        cells: { localKeys: ['a'], minTimestamp: i64(1) },
      })
    },
  ),
  covers('DeleteRequest.timestamp', 'spares what is newer', async (h) => {
    const key = h.key()
    const cells = [
      { localKey: 'new', value: 'n', timestamp: i64(20) },
      { localKey: 'old', value: 'o', timestamp: i64(10) },
    ]
    await h.ask('put', { dataset: PEOPLE, key, cells })
    await h.ask('remove', { dataset: PEOPLE, key, timestamp: i64(15) })
    assert.deepEqual(await h.read(key), ['new=n'])
  }),
  covers(
    [
      'DeleteRequest.scope',
      'DeleteScope.UP_TO_TIMESTAMP',
      'DeleteScope.EXACT_TIMESTAMP',
      'DeleteScope.NEWEST_VERSION',
    ],
    'removes what is as old, what is exactly of then, or the newest version',
    async (h) => {
      const left = async (request: Fields) => {
        const key = await h.versions(4)
        await h.ask('remove', { dataset: HISTORY, key, cells: { localKeys: ['c'] }, ...request })
        return await h.read(key, { dataset: HISTORY, cells: { maxVersions: 0 } })
      }
      assert.deepEqual(await left({ scope: 0, timestamp: i64(20) }), ['c=v4', 'c=v3'])
      assert.deepEqual(await left({ scope: 1, timestamp: i64(20) }), ['c=v4', 'c=v3', 'c=v1'])
      assert.deepEqual(await left({ scope: 2 }), ['c=v3', 'c=v2', 'c=v1'])
      await h.isRefused(INVALID, 'remove', { dataset: PEOPLE, key: 'k', scope: 1 })
      await h.isRefused(INVALID, 'remove', { dataset: PEOPLE, key: 'k', scope: 3 })
    },
  ),
  covers(
    ['KVStore.mutate', 'MutateRequest.dataset', 'MutateRequest.key', 'MutateRequest.mutations'],
    'applies its mutations in order, in one step',
    async (h) => {
      const key = h.key()
      const { applied } = await mutate(h, key, {
        mutations: [
          { put: { value: 'first' } },
          { remove: {} },
          { put: { cells: [{ localKey: 'a', value: '1' }] } },
        ],
      })
      assert.equal(applied, true)
      assert.deepEqual(await h.read(key), ['a=1'])
      const other = await h.row({ '': 'text' })
      const failing = { mutations: [put('changed'), { increment: { deltas: [{ localKey: '' }] } }] }
      const refused = await h.refused('mutate', { dataset: PEOPLE, key: other, ...failing })
      assert.deepEqual([refused.code, refused.outcome], [NOT_A_COUNTER, NOT_APPLIED])
      assert.deepEqual(await h.read(other), ['=text'])
      await h.isRefused(INVALID, 'mutate', { dataset: PEOPLE, key, mutations: [] })
    },
  ),
  covers('MutateRequest.conditions', 'must hold, all of them, or nothing is applied', async (h) => {
    const key = h.key()
    assert.equal((await mutate(h, key, { mutations: [put('1')], conditions: [NOT_EXISTS] })).applied, true)
    assert.equal(
      (await mutate(h, key, { mutations: [put('2')], conditions: [EXISTS, NOT_EXISTS] })).applied,
      false,
    )
    assert.deepEqual(await h.read(key), ['=1'])
    const equal = { comparison: 3, value: '1' }
    assert.equal((await mutate(h, key, { mutations: [put('2')], conditions: [equal] })).applied, true)
    const missing = { localKey: 'none', comparison: 3, value: 'v' }
    assert.equal((await mutate(h, key, { mutations: [put('3')], conditions: [missing] })).applied, false)
    assert.equal(
      (await mutate(h, key, { mutations: [put('3')], conditions: [{ ...missing, ifMissing: true }] }))
        .applied,
      true,
    )
    await h.isRefused(INVALID, 'mutate', { dataset: PEOPLE, key, mutations: [put('4')], conditions: [{}] })
  }),
  covers('MutateRequest.otherwise', 'is applied instead when a condition fails', async (h) => {
    const key = await h.row({ '': 'there' })
    const request = { mutations: [put('new')], conditions: [NOT_EXISTS] }
    const { applied } = await mutate(h, key, {
      ...request,
      otherwise: [{ append: { cells: [{ value: '!' }] } }],
    })
    assert.deepEqual([applied, await h.read(key)], [false, ['=there!']])
    const { write } = await mutate(h, key, request)
    assert.equal(write?.timestamp, null, 'nothing was written')
  }),
  covers('MutateRequest.returnOnConflict', 'answers the cells as they were', async (h) => {
    const key = await h.row({ '': 'u', a: '1' })
    const request = {
      mutations: [put('2')],
      conditions: [NOT_EXISTS],
      returnOnConflict: { localKeys: ['a'] },
    }
    const { row } = await mutate(h, key, { ...request, otherwise: [{ remove: {} }] })
    assert.deepEqual(shown(row), ['a=1'])
    assert.equal((await mutate(h, key, request)).row, null, 'no conflict')
  }),
  covers('MutateRequest.returnAfter', 'answers the cells as they have become', async (h) => {
    const key = await h.row({ '': 'u', a: '1' })
    const cells = [{ localKey: 'b', value: '2' }]
    const { row } = await mutate(h, key, { mutations: [{ put: { cells } }], returnAfter: {} })
    assert.deepEqual(shown(row), ['=u', 'a=1', 'b=2'])
    assert.ok((bigintOf(row?.timestamp) ?? 0n) > 0n)
  }),
  covers(
    ['KVStore.increment', 'IncrementRequest.dataset', 'IncrementRequest.key', 'IncrementRequest.deltas'],
    'adds to counters and answers their new values',
    async (h) => {
      const key = h.key()
      const add = (...deltas: Fields[]) => h.ask('increment', { dataset: PEOPLE, key, deltas })
      await add({ localKey: 'a', delta: i64(5) })
      const { counters } = await add(
        { localKey: 'a', delta: i64(-7) },
        { localKey: 'b', delta: i64(1) },
        { localKey: 'a' },
      )
      assert.deepEqual(
        counters?.map(({ localKey, value }) => [String(localKey), bigintOf(value)]),
        [
          ['a', -2n],
          ['b', 1n],
          ['a', -1n],
        ],
      )
      await h.isRefused(INVALID, 'increment', { dataset: PEOPLE, key, deltas: [] })
    },
  ),
  covers(
    [
      'KVStore.multiMutate',
      'MultiMutateRequest.dataset',
      'MultiMutateRequest.rows',
      'RowMutations.key',
      'RowMutations.mutations',
    ],
    'changes each row by itself and answers for each',
    async (h) => {
      const [good, bad] = [h.key(), await h.row({ '': 'text' })]
      const counter = { increment: { deltas: [{}] } }
      const { rows } = await h.ask('multiMutate', {
        dataset: PEOPLE,
        rows: [
          { key: good, mutations: [put('v'), { put: { cells: [{ localKey: 'a', value: '1' }] } }] },
          { key: bad, mutations: [put('changed'), { remove: {} }, put('text'), counter] },
        ],
      })
      assert.deepEqual(
        rows.map(({ error }) => error?.code ?? null),
        [null, NOT_A_COUNTER],
      )
      assert.ok((bigintOf(rows[0]?.timestamp) ?? 0n) > 0n)
      assert.deepEqual([await h.read(good), await h.read(bad)], [['=v', 'a=1'], ['=text']])
      await h.isRefused(INVALID, 'multiMutate', {
        dataset: PEOPLE,
        rows: [{ key: '', mutations: [put('v')] }],
      })
    },
  ),
  covers(
    [
      'WriteOptions.durability',
      'Durability.DATASET_DEFAULT',
      'Durability.MEMORY',
      'Durability.LOG_BUFFERED',
      'Durability.LOG',
      'Durability.LOG_SYNCED',
    ],
    'is given, a weaker level as a stronger one; what the IDL does not have is INVALID_ARGUMENT',
    async (h) => {
      for (const durability of [0, 1, 2, 3, 4]) await isAcknowledged(h, durability)
      await h.isRefused(INVALID, 'put', { dataset: PEOPLE, key: 'k', value: 'v', options: { durability: 7 } })
    },
  ),
  covers(['Durability.REPLICATED', 'Durability.REPLICATED_SYNCED'], 'are UNSUPPORTED by name', async (h) => {
    const request = (durability: number) => ({
      dataset: PEOPLE,
      key: 'k',
      value: 'v',
      options: { durability },
    })
    await h.isUnsupported(/Durability REPLICATED is/, 'put', request(5))
    await h.isUnsupported(/Durability REPLICATED_SYNCED/, 'put', request(6))
  }),
  covers(
    ['WriteOptions.idempotencyToken', 'IdempotencyToken.nonce'],
    'answers a repeat as the first time and applies it once; another write with it is IDEMPOTENCY_MISMATCH',
    async (h) => {
      const key = h.key()
      const add = (nonce: string, delta: number) => ({
        dataset: PEOPLE,
        key,
        deltas: [{ localKey: 'n', delta: i64(delta) }],
        options: { idempotencyToken: tokenOf(`${key}${nonce}`) },
      })
      const first = await h.ask('increment', add('a', 5))
      const again = await h.ask('increment', add('a', 5))
      assert.deepEqual([first.write?.repeated, again.write?.repeated], [null, true])
      assert.equal(bigintOf(again.counters?.[0]?.value), 5n)
      assert.equal(bigintOf(again.write?.timestamp), bigintOf(first.write?.timestamp))
      const other = await h.ask('increment', add('b', 5))
      assert.equal(bigintOf(other.counters?.[0]?.value), 10n)
      const mismatch = await h.refused('increment', add('a', 6))
      assert.deepEqual([mismatch.code, mismatch.outcome], [IDEMPOTENCY_MISMATCH, NOT_APPLIED])
      for (const nonce of ['7 bytes', 'x'.repeat(33)]) {
        const token = { ...tokenOf(''), nonce: Buffer.from(nonce) }
        await h.isRefused(INVALID, 'put', {
          dataset: PEOPLE,
          key,
          value: 'v',
          options: { idempotencyToken: token },
        })
      }
    },
  ),
  covers('IdempotencyToken.generationTime', 'must be within a minute of the server’s clock', async (h) => {
    const write = (seconds: number) => {
      const key = h.key()
      return { dataset: PEOPLE, key, value: 'v', options: { idempotencyToken: tokenOf(key, seconds) } }
    }
    await h.ask('put', write(-30))
    await h.isRefused(INVALID, 'put', write(-3_600))
    await h.isRefused(INVALID, 'put', write(3_600))
  }),
  covers('WriteOptions.withSessionToken', 'answers a token that reads can be tied to', async (h) => {
    const options = { withSessionToken: true }
    const key = h.key()
    const tokens = [
      (await h.ask('put', { dataset: PEOPLE, key, value: 'v', options })).sessionToken,
      (await h.ask('mutate', { dataset: PEOPLE, key, mutations: [put('v')], options })).write?.sessionToken,
      (await h.ask('multiMutate', { ...rowsOf(key), options })).sessionToken,
      (await h.ask('remove', { dataset: PEOPLE, key, options })).sessionToken,
    ]
    for (const sessionToken of tokens) {
      assert.deepEqual(await h.read(key, { options: { consistency: 3, sessionToken } }), [])
    }
    assert.equal((await h.ask('put', { dataset: PEOPLE, key, value: 'v' })).sessionToken, null)
  }),
]
