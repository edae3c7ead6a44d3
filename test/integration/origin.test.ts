/** One gateway in front of another: the dataset lives on the second ("origin"), callers see only the first. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import { type Int64, type StockClient, bigintOf, int64, isStockException } from '../support/stock-client.js'

const DATASET = 'profiles'
const SORTED = 'sorted'
const UNAVAILABLE = 401
const DATASET_NOT_FOUND = 101
const READ_ONLY = 200
const NOT_APPLIED = 1

let origin: Gateway
let front: Gateway
let direct: StockClient
let proxied: StockClient

async function codeAndOutcome(call: Promise<unknown>): Promise<[number, number | null]> {
  try {
    await call
  } catch (error) {
    assert.ok(isStockException(error), String(error))
    return [error.error.code, error.error.outcome]
  }
  assert.fail('the call succeeded')
}

type Fields = Readonly<Record<string, unknown>>

interface Answer {
  readonly rows: readonly { readonly key: Buffer; readonly nextPageToken: Buffer | null }[]
  readonly nextPageToken: Buffer | null
}

/** The pages of a call, each as the stock client decodes it without its token. */
async function pagesOf(
  client: StockClient,
  method: string,
  struct: string,
  request: Fields,
): Promise<unknown[]> {
  const pages: unknown[] = []
  let pageToken: Buffer | null = null
  do {
    // Both methods of pages have these fields.
    const answer = (await client.call(method, { ...request, pageToken }, struct)) as Answer
    pageToken = answer.nextPageToken
    pages.push({ ...answer, nextPageToken: null })
  } while (pageToken !== null)
  return pages
}

before(async () => {
  origin = await Gateway.start()
  await origin.createDataset(DATASET, { maxCellVersions: 3 })
  await origin.createDataset(SORTED, { keyOrder: 'ORDERED' })
  front = await Gateway.start({
    config: `origins:\n  west: { api: kvstore, host: 127.0.0.1, port: ${origin.port('kvstore')} }\n`,
  })
  await front.createDataset(DATASET, { migrationState: 'ORIGIN_ONLY', origin: 'west' })
  await front.createDataset(SORTED, { keyOrder: 'ORDERED', migrationState: 'ORIGIN_ONLY', origin: 'west' })
  await front.createDataset('missing-there', { migrationState: 'ORIGIN_ONLY', origin: 'west' })
  await front.createDataset('batch', { mode: 'BATCH', migrationState: 'ORIGIN_ONLY', origin: 'west' })
  direct = await origin.connect()
  proxied = await front.connect()
})

after(async () => {
  direct.close()
  proxied.close()
  await front.dispose()
  await origin.dispose()
})

suite('a dataset on its origin', () => {
  test('what is written through the gateway is read from the origin, byte for byte, timestamps included', async () => {
    const key = Buffer.from([0, 0xff, 0x80])
    const written = await proxied.put({
      dataset: DATASET,
      key,
      value: Buffer.from([0xfe, 0]),
      cells: [{ localKey: Buffer.from([0xff]), value: Buffer.alloc(0), timestamp: int64(-5n) }],
    })
    const row = await direct.get({ dataset: DATASET, key, options: { withTimestamps: true } })
    assert.deepEqual(row.value, Buffer.from([0xfe, 0]))
    assert.equal(bigintOf(row.timestamp), bigintOf(written.timestamp))
    assert.deepEqual(row.cells?.[0]?.localKey, Buffer.from([0xff]))
    assert.equal(bigintOf(row.cells[0].timestamp), -5n)
  })

  test('reads through the gateway equal reads of the origin: rows, columns, absent rows, repeats', async () => {
    await direct.put({
      dataset: DATASET,
      key: 'a',
      cells: [
        { localKey: 'x', value: '1' },
        { localKey: 'y', value: '2' },
      ],
    })
    const whole = { dataset: DATASET, keys: ['a', 'none', 'a'] }
    assert.deepEqual(await proxied.multiGet(whole), await direct.multiGet(whole))
    const column = {
      dataset: DATASET,
      key: 'a',
      cells: { localKeys: ['y'] },
      options: { withTimestamps: true },
    }
    assert.deepEqual(await proxied.get(column), await direct.get(column))
  })

  test('a removal reaches the origin', async () => {
    await direct.put({ dataset: DATASET, key: 'gone', value: 'v' })
    await proxied.remove({ dataset: DATASET, key: 'gone' })
    assert.equal((await direct.get({ dataset: DATASET, key: 'gone' })).value, null)
  })

  test('selectors of every kind answer what they answer at the origin', async () => {
    const key = 'versions'
    for (let at = 1n; at <= 4n; at += 1n) {
      const cells = ['a', 'b', ''].map((localKey) => ({
        localKey,
        value: `${localKey}${at}`,
        timestamp: int64(at),
      }))
      await direct.put({ dataset: DATASET, key, cells })
    }
    const selectors: Fields[] = [
      { maxVersions: 0 },
      { maxVersions: 2, reversed: true },
      { ranges: [{ lower: 'a', lowerExclusive: true }], prefixes: ['a'] },
      { minTimestamp: int64(2n), maxTimestamp: int64(4n), maxVersions: 5 },
      { minTimestamp: int64(4n), maxTimestamp: int64(4n) },
      { limit: 1, keysOnly: true },
    ]
    for (const cells of selectors) {
      const request = { dataset: DATASET, key, cells, options: { withTimestamps: true, withTtl: true } }
      assert.deepEqual(
        await proxied.call('get', request, 'GetRequest'),
        await direct.call('get', request, 'GetRequest'),
      )
    }
  })

  test('pages of a row and of a scan are those of the origin, its tokens inside ours', async () => {
    const key = 'long'
    const cells = ['', 'a', 'b', 'c', 'd'].map((localKey) => ({ localKey, value: 'x'.repeat(300) }))
    for (let version = 0; version < 3; version += 1) await direct.put({ dataset: DATASET, key, cells })
    const row = { dataset: DATASET, key, cells: { maxVersions: 0 }, options: { pageSizeBytes: 700 } }
    const pages = await pagesOf(proxied, 'get', 'GetRequest', row)
    assert.deepEqual(pages, await pagesOf(direct, 'get', 'GetRequest', row))
    assert.ok(pages.length >= 5)
    for (let index = 0; index < 12; index += 1) {
      await direct.put({
        dataset: SORTED,
        key: `row ${String(index).padStart(2, '0')}`,
        value: String(index),
      })
    }
    for (const scan of [
      { limit: 7 },
      { reversed: true, keys: { lower: 'row 03' } },
      { keyPrefix: 'row 0', segment: 1, totalSegments: 4 },
    ]) {
      const request = { dataset: SORTED, pageRows: 3, order: 1, ...scan }
      const rows = async (client: StockClient) =>
        (await pagesOf(client, 'scan', 'ScanRequest', request)).map((page) => (page as Answer).rows).flat()
      const expected = await rows(direct)
      assert.deepEqual(await rows(proxied), expected)
      assert.ok(expected.length >= 7)
    }
  })

  test('conditions, counters, appends, touches and repeats are decided by the origin', async () => {
    const key = 'programs'
    const mutate = (request: Fields) =>
      proxied.call('mutate', { dataset: DATASET, key, ...request }, 'MutateRequest')
    const absent = {
      mutations: [{ put: { value: 'one' } }],
      conditions: [{ comparison: 2 }],
      returnOnConflict: {},
    }
    // The fields that the assertions below look at.
    type Mutated = { applied: boolean; row: { value: Buffer } | null }
    assert.equal(((await mutate(absent)) as Mutated).applied, true)
    const conflict = (await mutate({
      ...absent,
      otherwise: [{ append: { cells: [{ value: '!' }] } }],
    })) as Mutated
    assert.deepEqual([conflict.applied, conflict.row?.value.toString()], [false, 'one'])
    await mutate({ mutations: [{ touch: { ttlSeconds: 500 } }, { remove: { cells: { localKeys: ['x'] } } }] })
    assert.equal((await direct.get({ dataset: DATASET, key })).value?.toString(), 'one!')
    const idempotencyToken = { generationTime: int64(BigInt(Date.now()) * 1000n), nonce: Buffer.alloc(16, 7) }
    const increment = {
      dataset: DATASET,
      key,
      deltas: [{ localKey: 'n', delta: int64(5n) }],
      options: { idempotencyToken },
    }
    type Counted = { counters: { value: Int64 }[]; write: { repeated: boolean | null } }
    for (const repeated of [null, true]) {
      const counted = (await proxied.call('increment', increment, 'IncrementRequest')) as Counted
      assert.deepEqual([bigintOf(counted.counters[0]?.value), counted.write.repeated], [5n, repeated])
    }
    const rows = ['n1', 'n2', 'n1'].map((one) => ({ key: one, mutations: [{ increment: { deltas: [{}] } }] }))
    const many = { dataset: DATASET, rows, options: { idempotencyToken } }
    for (let repeat = 0; repeat < 2; repeat += 1)
      await proxied.call('multiMutate', many, 'MultiMutateRequest')
    const counters = { dataset: DATASET, keys: ['n1', 'n2', key], localKeys: ['', 'n'] }
    assert.deepEqual(
      await proxied.call('getCounters', counters, 'GetCountersRequest').catch((error: unknown) => error),
      await direct.call('getCounters', counters, 'GetCountersRequest').catch((error: unknown) => error),
    )
    const twice = await direct.get({ dataset: DATASET, key: 'n1' })
    assert.equal(twice.value?.readBigInt64BE(0), 2n)
  })

  test('an error of the origin keeps its code', async () => {
    assert.equal(
      (await codeAndOutcome(proxied.get({ dataset: 'missing-there', key: 'k' })))[0],
      DATASET_NOT_FOUND,
    )
  })

  test('a write to a BATCH dataset is refused before it reaches the origin', async () => {
    const put = proxied.put({ dataset: 'batch', key: 'k', value: 'v' })
    assert.deepEqual(await codeAndOutcome(put), [READ_ONLY, NOT_APPLIED])
  })

  test('an origin that is gone is UNAVAILABLE and other datasets are served', async () => {
    await front.createDataset('own')
    direct.close()
    await origin.kill9()
    const [code] = await codeAndOutcome(proxied.get({ dataset: DATASET, key: 'a' }))
    assert.equal(code, UNAVAILABLE)
    await proxied.put({ dataset: 'own', key: 'k', value: 'v' })
    assert.deepEqual((await proxied.get({ dataset: 'own', key: 'k' })).value, Buffer.from('v'))
  })
})
