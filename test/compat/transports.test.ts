/** The stock npm thrift client in each transport and protocol, all on one port of a whole gateway. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import { StockClient, bigintOf, int64, isStockException, type StockKind } from '../support/stock-client.js'

const KINDS: readonly StockKind[] = [
  { transport: 'TFramedTransport', protocol: 'TBinaryProtocol' },
  { transport: 'TFramedTransport', protocol: 'TCompactProtocol' },
  { transport: 'TBufferedTransport', protocol: 'TBinaryProtocol' },
  { transport: 'TBufferedTransport', protocol: 'TCompactProtocol' },
]
const dataset = 'transports'
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

let gateway: Gateway

before(async () => {
  gateway = await Gateway.start()
  await gateway.createDataset(dataset, { maxValueBytes: 4 << 20 })
})

after(() => gateway.dispose())

for (const kind of KINDS) {
  describe(`npm thrift over ${kind.transport} and ${kind.protocol}`, () => {
    let client: StockClient
    const key = (name: string): string => `${kind.transport} ${kind.protocol} ${name}`

    before(async () => {
      client = await StockClient.connect(gateway.port('kvstore'), '127.0.0.1', kind)
    })

    after(() => client.close())

    test('keys, local keys and values of any bytes come back as they were', async () => {
      const binaryKey = Buffer.concat([Buffer.from(key('')), ALL_BYTES])
      const cells = [
        { localKey: ALL_BYTES, value: ALL_BYTES },
        { localKey: 'empty', value: '' },
      ]
      await client.put({ dataset, key: binaryKey, value: ALL_BYTES, cells })
      const row = await client.get({ dataset, key: binaryKey })
      assert.deepEqual(row.value, ALL_BYTES)
      const values = new Map(row.cells?.map((cell) => [cell.localKey?.toString('hex'), cell.value]))
      assert.deepEqual(values.get(ALL_BYTES.toString('hex')), ALL_BYTES)
      assert.equal(values.get(Buffer.from('empty').toString('hex'))?.length, 0)
    })

    test('timestamps come back exactly as far as the client can hold them', async () => {
      // Beyond 53 bits the client's own integers are not exact in every protocol.
      for (const timestamp of [1n, 1_700_000_000_000_000n, 2n ** 53n - 1n]) {
        await client.put({ dataset, key: key(`at ${timestamp}`), value: 'v', timestamp: int64(timestamp) })
        const options = { withTimestamps: true }
        const row = await client.get({ dataset, key: key(`at ${timestamp}`), options })
        assert.equal(bigintOf(row.timestamp), timestamp)
      }
    })

    test('a value of 4 MiB comes back, and so do many answers that are asked for at once', async () => {
      const value = Buffer.alloc(4 << 20, ALL_BYTES)
      await client.put({ dataset, key: key('large'), value })
      assert.ok((await client.get({ dataset, key: key('large') })).value?.equals(value))
      const names = Array.from({ length: 100 }, (_, index) => key(`${index}`))
      await Promise.all(names.map((name) => client.put({ dataset, key: name, value: name })))
      const rows = await Promise.all(names.map((name) => client.get({ dataset, key: name })))
      assert.deepEqual(rows.map((row) => row.value?.toString()), names) // prettier-ignore
      const { rows: together } = await client.multiGet({ dataset, keys: names })
      assert.deepEqual(together.map((row) => row.value?.toString()), names) // prettier-ignore
    })

    test('an error is the declared exception, and the connection goes on', async () => {
      await assert.rejects(client.get({ dataset: 'nowhere', key: 'k' }), (thrown) => {
        return isStockException(thrown) && thrown.error.code === 101
      })
      assert.equal((await client.describeServer())['apiVersion'], 1)
    })
  })
}
