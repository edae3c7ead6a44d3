/** The KVStore API as stock npm thrift with unedited generated code sees it, over a whole gateway. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import {
  type StockClient,
  type StockErrorDetail,
  bigintOf,
  int64,
  isStockException,
} from '../support/stock-client.js'

const I64_MIN = -(2n ** 63n)
const I64_MAX = 2n ** 63n - 1n
/** Every byte once: no text encoding survives it. */
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const NOT_UTF8 = Buffer.from('fffe00c328a0a1', 'hex')
const NOT_APPLIED = 1

let gateway: Gateway
let client: StockClient
const dataset = 'people'

before(async () => {
  gateway = await Gateway.start()
  await gateway.createDataset(dataset)
  await gateway.createDataset('small', { maxValueBytes: 100 })
  await gateway.createDataset('uploads', { mode: 'BATCH' })
  client = await gateway.connect()
})

after(async () => {
  client.close()
  await gateway.dispose()
})

describe('reads and writes', () => {
  test('a value that was put is read back', async () => {
    await client.put({ dataset, key: 'ada', value: 'Lovelace' })
    const row = await client.get({ dataset, key: 'ada' })
    assert.equal(row.value?.toString(), 'Lovelace')
    assert.equal(row.cells, null)
    assert.equal(row.timestamp, null, 'timestamps are sent only when they are asked for')
  })

  test('a key that was never written reads as an empty answer, not as an error', async () => {
    const row = await client.get({ dataset, key: 'nobody' })
    assert.deepEqual([row.value, row.cells, row.timestamp], [null, null, null])
  })

  test('cells are read whole, in local-key order, or only the selected ones', async () => {
    const cells = ['name', 'city', 'born'].map((localKey) => ({ localKey, value: `${localKey} of grace` }))
    await client.put({ dataset, key: 'grace', value: 'unnamed', cells })
    const whole = await client.get({ dataset, key: 'grace' })
    assert.equal(whole.value?.toString(), 'unnamed')
    assert.deepEqual(
      whole.cells?.map(({ localKey, value }) => [String(localKey), value.toString()]),
      ['born', 'city', 'name'].map((localKey) => [localKey, `${localKey} of grace`]),
    )
    const some = await client.get({ dataset, key: 'grace', cells: { localKeys: ['name', 'absent', 'city'] } })
    assert.equal(some.value, null)
    assert.deepEqual(
      some.cells?.map(({ localKey }) => String(localKey)),
      ['city', 'name'],
    )
  })

  test('multiGet answers by position, absent keys and repeats included', async () => {
    await client.put({ dataset, key: 'm1', value: 'one' })
    await client.put({ dataset, key: 'm2', value: 'two' })
    const { rows } = await client.multiGet({ dataset, keys: ['m2', 'absent', 'm1', 'm2'] })
    assert.deepEqual(
      rows.map(({ value, error }) => [value?.toString() ?? null, error]),
      [
        ['two', null],
        [null, null],
        ['one', null],
        ['two', null],
      ],
    )
  })

  test('remove deletes a row, or only the named columns, and deleting nothing succeeds', async () => {
    await client.put({
      dataset,
      key: 'gone',
      cells: ['a', 'b'].map((localKey) => ({ localKey, value: localKey })),
    })
    await client.remove({ dataset, key: 'gone', cells: { localKeys: ['a'] } })
    const rest = await client.get({ dataset, key: 'gone' })
    assert.deepEqual(
      rest.cells?.map(({ localKey }) => String(localKey)),
      ['b'],
    )
    await client.remove({ dataset, key: 'gone' })
    await client.remove({ dataset, key: 'gone' })
    assert.equal((await client.get({ dataset, key: 'gone' })).cells, null)
  })

  test('replaceRow leaves nothing of the row but what it names', async () => {
    await client.put({ dataset, key: 'replaced', value: 'old', cells: [{ localKey: 'old', value: 'old' }] })
    await client.put({
      dataset,
      key: 'replaced',
      cells: [{ localKey: 'new', value: 'new' }],
      replaceRow: true,
    })
    const row = await client.get({ dataset, key: 'replaced' })
    assert.equal(row.value, null)
    assert.deepEqual(
      row.cells?.map(({ localKey }) => String(localKey)),
      ['new'],
    )
  })
})

describe('exact bytes and numbers', () => {
  test('keys, local keys and values that are not UTF-8 come back byte for byte', async () => {
    const cells = [{ localKey: NOT_UTF8, value: ALL_BYTES }]
    await client.put({ dataset, key: ALL_BYTES, value: NOT_UTF8, cells })
    const row = await client.get({ dataset, key: ALL_BYTES })
    assert.deepEqual(row.value, NOT_UTF8)
    assert.deepEqual(row.cells?.[0]?.localKey, NOT_UTF8)
    assert.deepEqual(row.cells[0].value, ALL_BYTES)
    const neighbour = Buffer.concat([ALL_BYTES, Buffer.of(0)])
    assert.equal((await client.get({ dataset, key: neighbour })).value, null)
  })

  test('an empty value is a value and not an absent one', async () => {
    await client.put({
      dataset,
      key: 'empty',
      value: Buffer.alloc(0),
      cells: [{ localKey: 'e', value: Buffer.alloc(0) }],
    })
    const row = await client.get({ dataset, key: 'empty' })
    assert.deepEqual(row.value, Buffer.alloc(0))
    assert.deepEqual(row.cells?.[0]?.value, Buffer.alloc(0))
  })

  test('timestamps keep all 64 bits, the smallest and the largest included', async () => {
    for (const timestamp of [I64_MIN, I64_MIN + 1n, -1n, 0n, 1n, 2n ** 53n + 1n, I64_MAX]) {
      const key = `at ${timestamp}`
      const written = await client.put({ dataset, key, value: 'v', timestamp: int64(timestamp) })
      assert.equal(bigintOf(written.timestamp), timestamp)
      const row = await client.get({ dataset, key, options: { withTimestamps: true } })
      assert.equal(bigintOf(row.timestamp), timestamp)
    }
  })

  test('the highest timestamp wins, whatever the order of the writes', async () => {
    await client.put({ dataset, key: 'order', value: 'newer', timestamp: int64(20n) })
    await client.put({ dataset, key: 'order', value: 'older', timestamp: int64(10n) })
    assert.equal((await client.get({ dataset, key: 'order' })).value?.toString(), 'newer')
    await client.remove({ dataset, key: 'order', timestamp: int64(15n) })
    assert.equal((await client.get({ dataset, key: 'order' })).value?.toString(), 'newer')
    await client.remove({ dataset, key: 'order', timestamp: int64(20n) })
    assert.equal((await client.get({ dataset, key: 'order' })).value, null)
  })

  test('a write without a timestamp is stamped later than every stamp of its row before', async () => {
    let last = -1n
    for (let write = 0; write < 50; write++) {
      const stamp = bigintOf((await client.put({ dataset, key: 'stamped', value: String(write) })).timestamp)
      assert.ok(stamp !== null && stamp > last, `${String(stamp)} after ${last}`)
      last = stamp
    }
    assert.equal((await client.get({ dataset, key: 'stamped' })).value?.toString(), '49')
  })

  test('a value of a megabyte comes back whole', async () => {
    const value = Buffer.alloc(1 << 20, ALL_BYTES)
    await client.put({ dataset, key: 'large', value })
    assert.ok((await client.get({ dataset, key: 'large' })).value?.equals(value))
  })

  test('five hundred requests in flight on one connection are each answered with their own', async () => {
    const names = Array.from({ length: 500 }, (_, index) => `flight ${index}`)
    await Promise.all(names.map((key) => client.put({ dataset, key, value: `of ${key}` })))
    const rows = await Promise.all(names.map((key) => client.get({ dataset, key })))
    assert.deepEqual(
      rows.map(({ value }) => value?.toString()),
      names.map((key) => `of ${key}`),
    )
  })
})

/** What the call failed with; fails when it succeeds or fails otherwise. */
async function refusal(call: Promise<unknown>): Promise<StockErrorDetail> {
  const thrown = await call.then(
    () => assert.fail('the call succeeded'),
    (error: unknown) => error,
  )
  assert.ok(isStockException(thrown), `not a KVStoreException: ${String(thrown)}`)
  assert.equal(thrown.message, thrown.error.message)
  return thrown.error
}

describe('errors', () => {
  /** Code, kind and retryability as the IDL numbers them; a write also says that nothing was applied. */
  async function expectRefused(
    call: Promise<unknown>,
    code: number,
    isRetryable: boolean,
    outcome: number | null,
  ) {
    const detail = await refusal(call)
    const kind = Math.floor(code / 100)
    assert.deepEqual(
      [detail.code, detail.kind, detail.retryable, detail.outcome],
      [code, kind, isRetryable, outcome],
    )
  }

  test('an unknown dataset is DATASET_NOT_FOUND for every method', async () => {
    const gone = { dataset: 'nowhere', key: 'k' }
    await expectRefused(client.get(gone), 101, false, null)
    await expectRefused(client.multiGet({ dataset: 'nowhere', keys: ['k'] }), 101, false, null)
    await expectRefused(client.put({ ...gone, value: 'v' }), 101, false, NOT_APPLIED)
    await expectRefused(client.remove(gone), 101, false, NOT_APPLIED)
    await expectRefused(client.describeDataset('nowhere'), 101, false, null)
  })

  test('an empty key, a write of nothing and a column named twice are INVALID_ARGUMENT', async () => {
    await expectRefused(client.get({ dataset, key: '' }), 100, false, null)
    await expectRefused(client.put({ dataset, key: '', value: 'v' }), 100, false, NOT_APPLIED)
    await expectRefused(client.put({ dataset, key: 'k' }), 100, false, NOT_APPLIED)
    const twice = ['a', 'a'].map((localKey) => ({ localKey, value: 'v' }))
    await expectRefused(client.put({ dataset, key: 'k', cells: twice }), 100, false, NOT_APPLIED)
  })

  test('keys, local keys and values are taken up to their limit and TOO_LARGE one byte beyond', async () => {
    const longest = Buffer.alloc(65_535, 1)
    const tooLong = Buffer.alloc(65_536, 1)
    await client.put({ dataset, key: longest, cells: [{ localKey: longest, value: 'v' }] })
    assert.deepEqual((await client.get({ dataset, key: longest })).cells?.[0]?.localKey, longest)
    await expectRefused(client.get({ dataset, key: tooLong }), 300, false, null)
    await expectRefused(client.put({ dataset, key: tooLong, value: 'v' }), 300, false, NOT_APPLIED)
    const cells = [{ localKey: tooLong, value: 'v' }]
    await expectRefused(client.put({ dataset, key: 'k', cells }), 300, false, NOT_APPLIED)
    await client.put({ dataset: 'small', key: 'k', value: Buffer.alloc(100) })
    const large = client.put({ dataset: 'small', key: 'k', value: Buffer.alloc(101) })
    await expectRefused(large, 300, false, NOT_APPLIED)
  })

  test('a batch dataset refuses writes as READ_ONLY and without a version reads as NO_VERSION_ONLINE', async () => {
    await expectRefused(client.put({ dataset: 'uploads', key: 'k', value: 'v' }), 200, false, NOT_APPLIED)
    await expectRefused(client.get({ dataset: 'uploads', key: 'k' }), 201, true, null)
  })

  test('methods, levels and features that are not offered are UNSUPPORTED by name', async () => {
    const byKey = { dataset, order: 1 }
    await expectRefused(client.call('scan', byKey, 'ScanRequest'), 104, false, null)
    const replicated = { dataset, key: 'k', value: 'v', options: { durability: 5 } }
    await expectRefused(client.put(replicated), 104, false, NOT_APPLIED)
    const future = await refusal(client.get({ dataset, key: 'k', context: { mustUnderstand: ['teleport'] } }))
    assert.equal(future.code, 104)
    assert.match(future.message ?? '', /teleport/)
  })

  test('the connection goes on after an error', async () => {
    await refusal(client.get({ dataset: 'nowhere', key: 'k' }))
    await client.put({ dataset, key: 'after', value: 'v' })
    assert.equal((await client.get({ dataset, key: 'after' })).value?.toString(), 'v')
  })
})

describe('descriptions', () => {
  test('describeDataset tells owner, mode, unit and limits, and nothing of where the data lies', async () => {
    const info = await client.describeDataset('small')
    assert.equal(info['name'], 'small')
    assert.equal(info['owner'], 'tests')
    assert.equal(info['mode'], 2)
    assert.equal(info['timestampUnit'], 0)
    assert.equal(info['maxValueBytes'], 100)
    assert.equal(JSON.stringify(info).includes(gateway.dataDirectory), false)
  })

  test('describeServer tells the API version, the features and the limits', async () => {
    const info = await client.describeServer()
    assert.equal(info['apiVersion'], 1)
    assert.ok(Array.isArray(info['features']) && info['features'].length > 0)
    assert.equal(info['maxRequestBytes'], 64 * 1024 * 1024)
    assert.equal(info['maxBatchRows'], 10_000)
  })
})
