/** Reads by key: their requests, ReadOptions, and counters. */
import assert from 'node:assert/strict'
import {
  AWAY,
  type Fields,
  HISTORY,
  type Harness,
  INVALID,
  PEOPLE,
  UPLOADS,
  bigintOf,
  covers,
  i64,
  shown,
} from './harness.js'

const BAD_PAGE_TOKEN = 105
const VERSION_NOT_FOUND = 106
const BAD_SESSION_TOKEN = 107
const NOT_A_COUNTER = 501
const SMALL_PAGE = { pageSizeBytes: 700 }

const info = async (h: Harness, options: Fields, dataset = PEOPLE) => {
  const { info: given } = await h.ask('get', { dataset, key: 'k', options: { ...options, withInfo: true } })
  assert.ok(given)
  return given
}

/** The session token of a write to PEOPLE. */
async function session(h: Harness, dataset = PEOPLE): Promise<Buffer> {
  const put = { dataset, key: h.key(), value: 'v', options: { withSessionToken: true } }
  const { sessionToken } = await h.ask('put', put)
  assert.ok(sessionToken !== null)
  return sessionToken
}

/** A level is given when a read with it sees what was just written. */
async function isGiven(h: Harness, options: Fields): Promise<void> {
  const key = await h.row({ '': 'seen' })
  assert.deepEqual(await h.read(key, { options }), ['=seen'])
}

export const reads = [
  covers(
    ['KVStore.get', 'GetRequest.dataset', 'GetRequest.key'],
    'reads the row of that key in that dataset',
    async (h) => {
      const key = await h.row({ '': 'one', a: '1' })
      await h.row({ '': 'other' }, HISTORY, key)
      assert.deepEqual(await h.read(key), ['=one', 'a=1'])
      assert.deepEqual(await h.read(key, { dataset: HISTORY }), ['=other'])
      assert.deepEqual(await h.read(h.key()), [])
    },
  ),
  covers('GetRequest.cells', 'answers only the selected cells', async (h) => {
    const key = await h.row({ '': 'u', a: '1' })
    assert.deepEqual(await h.read(key, { cells: { localKeys: ['a'] } }), ['a=1'])
  }),
  covers('GetRequest.pageToken', 'goes on where the page ended, and fits no other request', async (h) => {
    const key = await h.longRow()
    const seen: string[] = []
    let pageToken: Buffer | null = null
    let pages = 0
    do {
      const page: Fields = pageToken === null ? {} : { pageToken }
      const row = await h.ask('get', { dataset: PEOPLE, key, ...page, options: SMALL_PAGE })
      for (const one of shown(row)) seen.push(one.split('=')[0] ?? '')
      if (pages === 0) {
        const other = { dataset: PEOPLE, key: 'other', pageToken: row.nextPageToken }
        await h.isRefused(BAD_PAGE_TOKEN, 'get', other)
        await h.isRefused(BAD_PAGE_TOKEN, 'get', { ...other, key, cells: { reversed: true } })
        await h.isRefused(BAD_PAGE_TOKEN, 'scan', { dataset: PEOPLE, pageToken: row.nextPageToken })
      }
      pageToken = row.nextPageToken
      pages += 1
    } while (pageToken !== null)
    assert.deepEqual(seen, ['a', 'b', 'c', 'd', 'e'])
    assert.ok(pages >= 3, `${pages} pages`)
    await h.isRefused(BAD_PAGE_TOKEN, 'get', { dataset: PEOPLE, key, pageToken: Buffer.from('forged') })
  }),
  covers(['GetRequest.options', 'MultiGetRequest.options'], 'are looked at', async (h) => {
    const options = { consistency: 99 }
    await h.isRefused(INVALID, 'get', { dataset: PEOPLE, key: 'k', options })
    await h.isRefused(INVALID, 'multiGet', { dataset: PEOPLE, keys: ['k'], options })
  }),
  covers(
    ['GetRequest.context', 'MultiGetRequest.context', 'GetCountersRequest.context'],
    'are looked at',
    async (h) => {
      const context = { mustUnderstand: ['teleport'] }
      await h.isUnsupported(/teleport/, 'get', { dataset: PEOPLE, key: 'k', context })
      await h.isUnsupported(/teleport/, 'multiGet', { dataset: PEOPLE, keys: ['k'], context })
      await h.isUnsupported(/teleport/, 'getCounters', {
        dataset: PEOPLE,
        keys: ['k'],
        localKeys: ['c'],
        context,
      })
    },
  ),
  covers(
    ['KVStore.multiGet', 'MultiGetRequest.dataset', 'MultiGetRequest.keys'],
    'answers one row a key, in order, repeats included',
    async (h) => {
      const [one, two] = [await h.row({ '': 'one' }), await h.row({ '': 'two' })]
      const { rows } = await h.ask('multiGet', { dataset: PEOPLE, keys: [two, 'absent key', one, two] })
      assert.deepEqual(rows.map(shown), [['=two'], [], ['=one'], ['=two']])
    },
  ),
  covers('MultiGetRequest.cells', 'selects for every key', async (h) => {
    const keys = [await h.row({ a: '1', b: '2' }), await h.row({ a: '3' })]
    const { rows } = await h.ask('multiGet', { dataset: PEOPLE, keys, cells: { localKeys: ['a'] } })
    assert.deepEqual(rows.map(shown), [['a=1'], ['a=3']])
  }),
  covers(
    'MultiGetRequest.cellsByKey',
    'selects for each key; of another length it is INVALID_ARGUMENT',
    async (h) => {
      const keys = [await h.row({ a: '1', b: '2' }), await h.row({ a: '3', b: '4' })]
      const cellsByKey = [{ localKeys: ['a'] }, { prefixes: ['b'] }]
      const { rows } = await h.ask('multiGet', { dataset: PEOPLE, keys, cellsByKey })
      assert.deepEqual(rows.map(shown), [['a=1'], ['b=4']])
      await h.isRefused(INVALID, 'multiGet', { dataset: PEOPLE, keys: ['k'], cellsByKey })
    },
  ),
  covers(
    [
      'KVStore.getCounters',
      'GetCountersRequest.dataset',
      'GetCountersRequest.keys',
      'GetCountersRequest.localKeys',
    ],
    'reads counters by row and column; what is no counter fails its row',
    async (h) => {
      const [key, other] = [h.key(), await h.row({ c: 'not eight bytes' })]
      await h.ask('increment', { dataset: PEOPLE, key, deltas: [{ localKey: 'c', delta: i64(5) }] })
      const request = { dataset: PEOPLE, keys: [key, other], localKeys: ['none', 'c'] }
      const { rows } = await h.ask('getCounters', request)
      assert.deepEqual(
        rows[0]?.counters?.map(({ localKey, value, missing }) => [
          String(localKey),
          bigintOf(value),
          missing,
        ]),
        [
          ['none', 0n, true],
          ['c', 5n, null],
        ],
      )
      assert.deepEqual([rows[1]?.counters, rows[1]?.error?.code], [null, NOT_A_COUNTER])
    },
  ),
  covers(
    'GetCountersRequest.options',
    'are looked at; what the answer has no place for is UNSUPPORTED',
    async (h) => {
      const request = { dataset: PEOPLE, keys: ['k'], localKeys: ['c'] }
      await h.isUnsupported(/withInfo/, 'getCounters', { ...request, options: { withInfo: true } })
      await h.isRefused(INVALID, 'getCounters', { ...request, options: { consistency: 99 } })
    },
  ),
  covers('ReadOptions.consistency', 'is one of the IDL; another is INVALID_ARGUMENT', async (h) => {
    await h.isRefused(INVALID, 'get', { dataset: PEOPLE, key: 'k', options: { consistency: 17 } })
  }),
  covers(
    ['Consistency.DATASET_DEFAULT', 'Consistency.EVENTUAL', 'Consistency.STRONG'],
    'are given: a read sees what was acknowledged',
    async (h) => {
      for (const consistency of [0, 1, 4]) await isGiven(h, { consistency })
    },
  ),
  covers(
    ['Consistency.BOUNDED_STALENESS', 'ReadOptions.maxStalenessMs'],
    'belong together; alone, or negative, they are INVALID_ARGUMENT',
    async (h) => {
      await isGiven(h, { consistency: 2, maxStalenessMs: 0 })
      for (const options of [
        { consistency: 2 },
        { maxStalenessMs: 5 },
        { consistency: 2, maxStalenessMs: -1 },
      ]) {
        await h.isRefused(INVALID, 'get', { dataset: PEOPLE, key: 'k', options })
      }
    },
  ),
  covers(
    ['Consistency.SESSION', 'ReadOptions.sessionToken'],
    'belong together; a token that is forged or of another dataset is BAD_SESSION_TOKEN',
    async (h) => {
      await isGiven(h, { consistency: 3, sessionToken: await session(h) })
      const read = (options: Fields) => ({ dataset: PEOPLE, key: 'k', options })
      await h.isRefused(INVALID, 'get', read({ consistency: 3 }))
      await h.isRefused(INVALID, 'get', read({ sessionToken: await session(h) }))
      for (const sessionToken of [Buffer.from('forged'), await session(h, HISTORY)]) {
        await h.isRefused(BAD_SESSION_TOKEN, 'get', read({ consistency: 3, sessionToken }))
        const counters = {
          dataset: PEOPLE,
          keys: ['k'],
          localKeys: ['c'],
          options: { consistency: 3, sessionToken },
        }
        await h.isRefused(BAD_SESSION_TOKEN, 'getCounters', counters)
        await h.isRefused(BAD_SESSION_TOKEN, 'scan', {
          dataset: PEOPLE,
          options: { consistency: 3, sessionToken },
        })
      }
    },
  ),
  covers(
    'ReadOptions.datasetVersion',
    'pins a version; one that is not kept is VERSION_NOT_FOUND',
    async (h) => {
      const newest = bigintOf((await info(h, {}, UPLOADS)).datasetVersion) ?? 0n
      const record = await h.gateway.admin('GET', `/v1/datasets/${UPLOADS}`)
      // Our own admin API's answer.
      const { dataset } = record.body as { dataset: { versions: { id: number }[] } }
      const oldest = dataset.versions.at(-1)?.id ?? 0
      assert.notEqual(BigInt(oldest), newest)
      const read = (version: bigint | number) =>
        h.read('k', { dataset: UPLOADS, options: { datasetVersion: i64(version) } })
      assert.deepEqual([await read(oldest), await read(newest)], [['says=first'], ['says=second']])
      const pin = { options: { datasetVersion: i64(5) } }
      await h.isRefused(VERSION_NOT_FOUND, 'get', { dataset: UPLOADS, key: 'k', ...pin })
      await h.isRefused(INVALID, 'get', { dataset: PEOPLE, key: 'k', ...pin })
    },
  ),
  covers('ReadOptions.withTimestamps', 'answers the timestamp of every cell', async (h) => {
    const key = h.key()
    await h.ask('put', {
      dataset: PEOPLE,
      key,
      value: 'v',
      cells: [{ localKey: 'a', value: '1' }],
      timestamp: i64(-7),
    })
    const stamped = await h.ask('get', { dataset: PEOPLE, key, options: { withTimestamps: true } })
    assert.deepEqual([bigintOf(stamped.timestamp), bigintOf(stamped.cells?.[0]?.timestamp)], [-7n, -7n])
    const plain = await h.ask('get', { dataset: PEOPLE, key })
    assert.deepEqual([plain.timestamp, plain.cells?.[0]?.timestamp], [null, null])
  }),
  covers('ReadOptions.withTtl', 'answers what is left of every cell’s TTL', async (h) => {
    const key = h.key()
    await h.ask('put', {
      dataset: PEOPLE,
      key,
      value: 'v',
      cells: [{ localKey: 'a', value: '1' }],
      ttlSeconds: 1_000,
    })
    const row = await h.ask('get', { dataset: PEOPLE, key, options: { withTtl: true } })
    for (const left of [row.ttlSeconds, row.cells?.[0]?.ttlSeconds])
      assert.ok(left != null && left > 900 && left <= 1_000)
    assert.equal((await h.ask('get', { dataset: PEOPLE, key })).ttlSeconds, null)
  }),
  covers('ReadOptions.withInfo', 'answers where the answer came from', async (h) => {
    const given = await info(h, {})
    assert.deepEqual([given.datasetVersion, given.stalenessMs, given.cluster], [null, 0, null])
    assert.equal((await h.ask('get', { dataset: PEOPLE, key: 'k' })).info, null)
    const { info: many } = await h.ask('multiGet', {
      dataset: UPLOADS,
      keys: ['k'],
      options: { withInfo: true },
    })
    assert.ok((bigintOf(many?.datasetVersion) ?? 0n) > 0n)
  }),
  covers('ReadOptions.pageSizeBytes', 'cuts rows that are longer and says where they go on', async (h) => {
    const keys = [await h.longRow(), await h.longRow()]
    const { rows } = await h.ask('multiGet', { dataset: PEOPLE, keys, options: SMALL_PAGE })
    const [first, second] = rows
    assert.ok(first?.nextPageToken != null && second?.nextPageToken != null)
    assert.ok(shown(first).length < 5)
    const rest = await h.ask('get', { dataset: PEOPLE, key: keys[0], pageToken: first.nextPageToken })
    assert.equal(shown(first).length + shown(rest).length, 5)
    const whole = await h.ask('get', { dataset: PEOPLE, key: keys[1], pageToken: second.nextPageToken })
    assert.equal(shown(second).length + shown(whole).length, 5)
    for (const pageSizeBytes of [0, -1, 65 * 1024 * 1024]) {
      await h.isRefused(INVALID, 'get', { dataset: PEOPLE, key: 'k', options: { pageSizeBytes } })
    }
    assert.equal((await h.refused('get', { dataset: AWAY, key: 'k' })).kind, 4)
  }),
]
