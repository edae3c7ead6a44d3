/** `godwit/client` over a whole gateway: every method, in every transport and protocol. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { KVStoreClient, KVStoreError, newIdempotencyToken, type Row } from '../../src/client/client.js'
import { Gateway } from '../support/gateway.js'

const I64_MIN = -(2n ** 63n)
const I64_MAX = 2n ** 63n - 1n
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const dataset = 'people'
const PAIRS = (['framed', 'buffered'] as const).flatMap((transport) =>
  (['binary', 'compact'] as const).map((protocol) => ({ transport, protocol })),
)

let gateway: Gateway
const clients: KVStoreClient[] = []

function connect(options: ConstructorParameters<typeof KVStoreClient>[0] = {}): KVStoreClient {
  const client = new KVStoreClient({ port: gateway.port('kvstore'), deadlineMs: 30_000, ...options })
  clients.push(client)
  return client
}

async function failureOf(call: Promise<unknown>): Promise<KVStoreError> {
  const thrown: unknown = await call.then(
    () => assert.fail('the call succeeded'),
    (error: unknown) => error,
  )
  assert.ok(thrown instanceof KVStoreError, `not a KVStoreError: ${String(thrown)}`)
  return thrown
}

function columns({ cells }: Pick<Row, 'cells'>): Record<string, string> {
  return Object.fromEntries(cells.map(({ localKey, value }) => [localKey.toString(), value.toString()]))
}

before(async () => {
  gateway = await Gateway.start()
  await gateway.createDataset(dataset, { maxValueBytes: 8 << 20, keyOrder: 'ORDERED' })
})

after(async () => {
  await Promise.all(clients.map((client) => client.close()))
  await gateway.dispose()
})

for (const pair of PAIRS) {
  const name = `${pair.transport}-${pair.protocol}`

  describe(`over ${pair.transport} transport and ${pair.protocol} protocol`, () => {
    test('timestamps of 64 bits, bytes that are no text and empty values come back as they were', async () => {
      const client = connect(pair)
      for (const timestamp of [I64_MIN, -1n, 0n, 2n ** 53n + 1n, I64_MAX]) {
        const key = `${name} at ${timestamp}`
        assert.equal((await client.put({ dataset, key, value: '', timestamp })).timestamp, timestamp)
        const row = await client.get({ dataset, key, options: { withTimestamps: true } })
        assert.deepEqual([row.timestamp, row.value], [timestamp, Buffer.alloc(0)])
      }
      const key = Buffer.concat([Buffer.from(name), ALL_BYTES])
      await client.put({
        dataset,
        key,
        cells: [{ localKey: ALL_BYTES, value: ALL_BYTES }, { localKey: 'empty' }],
      })
      const { cells } = await client.get({ dataset, key })
      assert.deepEqual(cells, [
        { localKey: ALL_BYTES, value: ALL_BYTES },
        { localKey: Buffer.from('empty'), value: Buffer.alloc(0) },
      ])
    })

    test('a value of 4 MiB comes back whole', async () => {
      const client = connect(pair)
      const value = Buffer.alloc(4 << 20, ALL_BYTES)
      await client.put({ dataset, key: `${name} large`, value })
      assert.ok((await client.get({ dataset, key: `${name} large` })).value?.equals(value))
    })

    test('put, multiGet, remove and the descriptions', async () => {
      const client = connect(pair)
      await client.put({ dataset, key: `${name} a`, value: 'one', ttlSeconds: 600 })
      const { rows } = await client.multiGet({
        dataset,
        keys: [`${name} a`, `${name} none`],
        options: { withTtl: true },
      })
      assert.equal(rows[0]?.value?.toString(), 'one')
      assert.ok((rows[0].ttlSeconds ?? 0) > 500)
      assert.deepEqual(rows[1], { cells: [] })
      await client.remove({ dataset, key: `${name} a` })
      assert.equal((await client.get({ dataset, key: `${name} a` })).value, undefined)
      const info = await client.describeDataset(dataset)
      assert.deepEqual([info.name, info.mode, info.timestampUnit], [dataset, 'READ_WRITE', 'MICROSECONDS'])
      assert.equal((await client.describeServer()).apiVersion, 1)
    })

    test('scan reads every row of a prefix once, page by page', async () => {
      const client = connect(pair)
      const keys = Array.from({ length: 7 }, (_, index) => `${name} scan ${index}`)
      await Promise.all(keys.map((key) => client.put({ dataset, key, value: key })))
      const found: string[] = []
      for await (const { key, value } of client.scan({ dataset, keyPrefix: `${name} scan `, pageRows: 2 })) {
        assert.equal(String(value), String(key))
        found.push(String(key))
      }
      assert.deepEqual(found.sort(), keys)
    })

    test('mutate applies on its conditions, or answers what stands in their way', async () => {
      const client = connect(pair)
      const key = `${name} mutate`
      await client.put({ dataset, key, cells: [{ localKey: 'state', value: 'new' }] })
      const move = {
        dataset,
        key,
        conditions: [{ localKey: 'state', comparison: 'EQUAL', value: 'new' }],
        mutations: [{ put: { cells: [{ localKey: 'state', value: 'done' }] } }],
        returnOnConflict: { localKeys: ['state'] },
        returnAfter: { localKeys: ['state'] },
      } as const
      const first = await client.mutate(move)
      assert.deepEqual([first.applied, columns(first.row ?? { cells: [] })], [true, { state: 'done' }])
      const second = await client.mutate(move)
      assert.deepEqual([second.applied, columns(second.row ?? { cells: [] })], [false, { state: 'done' }])
    })

    test('counters count in 64 bits, and those never written read as 0 and missing', async () => {
      const client = connect(pair)
      const key = `${name} counters`
      const most = await client.increment({ dataset, key, deltas: [{ localKey: 'n', delta: I64_MAX }] })
      assert.deepEqual(most.counters, [{ localKey: Buffer.from('n'), value: I64_MAX, missing: false }])
      await client.increment({
        dataset,
        key,
        deltas: [
          { localKey: 'n', delta: -1n },
          { localKey: 'm', delta: I64_MIN },
        ],
      })
      const { rows } = await client.getCounters({ dataset, keys: [key], localKeys: ['m', 'n', 'o'] })
      assert.deepEqual(
        rows[0]?.counters.map(({ value, missing }) => [value, missing]),
        [
          [I64_MIN, false],
          [I64_MAX - 1n, false],
          [0n, true],
        ],
      )
    })

    test('multiMutate changes many rows, and a row that cannot be changed says so by itself', async () => {
      const client = connect(pair)
      const put = [{ put: { value: 'v' } }]
      await client.put({ dataset, key: `${name} text`, value: 'no number' })
      const rows = [
        { key: `${name} m1`, mutations: put },
        { key: `${name} text`, mutations: [{ increment: { deltas: [{}] } }] },
        { key: `${name} m2`, mutations: put },
      ]
      const answer = await client.multiMutate({ dataset, rows })
      assert.deepEqual(
        answer.rows.map(({ error }) => [error?.code, error?.outcome]),
        [
          [undefined, undefined],
          ['NOT_A_COUNTER', 'NOT_APPLIED'],
          [undefined, undefined],
        ],
      )
      assert.equal((await client.get({ dataset, key: `${name} m2` })).value?.toString(), 'v')
    })
  })
}

describe('pages', () => {
  test('a long row is read page by page, every column once and in order', async () => {
    const client = connect()
    const names = Array.from({ length: 200 }, (_, index) => String(index).padStart(4, '0'))
    const cells = names.map((localKey) => ({ localKey, value: Buffer.alloc(2_000, localKey) }))
    await client.put({ dataset, key: 'long', cells })
    const found: string[] = []
    let pages = 0
    for await (const page of client.getPages({ dataset, key: 'long', options: { pageSizeBytes: 65_536 } })) {
      found.push(...page.cells.map(({ localKey }) => localKey.toString()))
      pages++
    }
    assert.deepEqual(found, names)
    assert.ok(pages > 1, `${pages} page`)
  })

  test('segments read disjoint parts that are the whole together', async () => {
    const client = connect()
    const keys = Array.from({ length: 40 }, (_, index) => `segment ${index}`)
    const mutations = [{ put: { value: 'v' } }]
    await client.multiMutate({ dataset, rows: keys.map((key) => ({ key, mutations })) })
    const found: string[] = []
    for (let segment = 0; segment < 4; segment++) {
      const part = { dataset, keyPrefix: 'segment ', segment, totalSegments: 4, pageRows: 3 }
      for await (const { key } of client.scan(part)) found.push(String(key))
    }
    assert.deepEqual(found.sort(), keys.sort())
  })
})

describe('repeats', () => {
  test('a write repeated with its token is applied once, and with another request refused', async () => {
    const client = connect()
    const options = { idempotencyToken: newIdempotencyToken() }
    const add = { dataset, key: 'once', deltas: [{ delta: 5n }], options }
    const first = await client.increment(add)
    const second = await client.increment(add)
    assert.deepEqual(second.counters, first.counters)
    assert.equal(second.write?.repeated, true)
    const { rows } = await client.getCounters({ dataset, keys: ['once'], localKeys: [''] })
    assert.equal(rows[0]?.counters[0]?.value, 5n)
    const other = await failureOf(client.increment({ ...add, deltas: [{ delta: 6n }] }))
    assert.deepEqual([other.code, other.outcome], ['IDEMPOTENCY_MISMATCH', 'NOT_APPLIED'])
  })

  test('a client outlives its gateway: after a kill and a restart the same calls go on', async () => {
    const own = await Gateway.start()
    await own.createDataset(dataset)
    // The same port again, because a client knows but one.
    const port = own.port('kvstore')
    const client = new KVStoreClient({ port, deadlineMs: 30_000, idempotency: 'none' })
    const again = new Gateway({
      dataDirectory: own.dataDirectory,
      ports: `listeners:\n  kvstore: { port: ${port} }\n  admin: { port: 0 }\n`,
    })
    try {
      await client.put({ dataset, key: 'k', value: 'before' })
      await own.kill9()
      const lost = await failureOf(client.put({ dataset, key: 'k', value: 'lost' }, { maxAttempts: 1 }))
      assert.deepEqual([lost.code, lost.kind], ['UNAVAILABLE', 'AVAILABILITY'])
      await again.start()
      const row = await client.get({ dataset, key: 'k' }, { maxAttempts: 10 })
      assert.equal(String(row.value), 'before')
    } finally {
      await client.close()
      await again.dispose()
      await own.dispose()
    }
  })
})

describe('errors', () => {
  test('carry code, kind, retryability, dataset and, for writes, the outcome', async () => {
    const client = connect()
    const read = await failureOf(client.get({ dataset: 'nowhere', key: 'k' }))
    assert.deepEqual(
      [read.code, read.kind, read.retryable, read.outcome, read.dataset],
      ['DATASET_NOT_FOUND', 'CALLER', false, undefined, 'nowhere'],
    )
    assert.ok(read.requestId)
    const write = await failureOf(client.put({ dataset: 'nowhere', key: 'k', value: 'v' }))
    assert.deepEqual([write.code, write.outcome], ['DATASET_NOT_FOUND', 'NOT_APPLIED'])
    const large = await failureOf(client.get({ dataset, key: Buffer.alloc(65_536) }))
    assert.deepEqual([large.code, large.kind], ['TOO_LARGE', 'CAPACITY'])
    const future = await failureOf(
      client.get({ dataset, key: 'k' }, { context: { mustUnderstand: ['teleport'] } }),
    )
    assert.equal(future.code, 'UNSUPPORTED')
  })

  test('five hundred calls in flight are each answered with their own', async () => {
    const client = connect({ idempotency: 'none' })
    const keys = Array.from({ length: 500 }, (_, index) => `flight ${index}`)
    await Promise.all(keys.map((key) => client.put({ dataset, key, value: `of ${key}` })))
    const rows = await Promise.all(keys.map((key) => client.get({ dataset, key })))
    assert.deepEqual(
      rows.map(({ value }) => String(value)),
      keys.map((key) => `of ${key}`),
    )
  })
})
