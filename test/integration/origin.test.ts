/** One gateway in front of another: the dataset lives on the second ("origin"), callers see only the first. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import { type StockClient, bigintOf, int64, isStockException } from '../support/stock-client.js'

const DATASET = 'profiles'
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

before(async () => {
  origin = await Gateway.start()
  await origin.createDataset(DATASET)
  front = await Gateway.start({
    config: `origins:\n  west: { api: kvstore, host: 127.0.0.1, port: ${origin.port('kvstore')} }\n`,
  })
  await front.createDataset(DATASET, { migrationState: 'ORIGIN_ONLY', origin: 'west' })
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
