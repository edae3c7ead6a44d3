import assert from 'node:assert/strict'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import type { StockClient } from '../support/stock-client.js'
import { textOf } from '../support/tree.js'

const PRINTER = join(fileURLToPath(import.meta.url), '..', '..', 'support', 'hop-printer.js')
const HOPS = [
  'thrift.server',
  'kvstore.listener',
  'kvstore.admit',
  'routing.router',
  'leaf.tier',
  'leaf.engine',
]

let gateway: Gateway
let client: StockClient

before(async () => {
  gateway = await Gateway.start({ nodeFlags: ['--import', PRINTER] })
  await gateway.createDataset('traced')
  client = await gateway.connect()
})

after(async () => {
  client.close()
  await gateway.dispose()
})

/** The hops that were printed while the request was answered. */
async function hopsOf(request: () => Promise<unknown>): Promise<string[]> {
  const before = gateway.output.length
  await request()
  const printed = (): string[] =>
    [...gateway.output.slice(before).matchAll(/^hop (\S+)$/gm)].map(([, hop = '']) => hop)
  // The pipe may be behind the socket.
  while (printed().length < HOPS.length) await gateway.nextOutput()
  return printed()
}

test('a read passes the six hops of ARCHITECTURE.md, once each and in order', async () => {
  assert.deepEqual(await hopsOf(() => client.get({ dataset: 'traced', key: 'k' })), HOPS)
})

test('a write passes the same six hops', async () => {
  assert.deepEqual(await hopsOf(() => client.put({ dataset: 'traced', key: 'k', value: 'v' })), HOPS)
})

test('a page of a scan passes the same six hops', async () => {
  assert.deepEqual(await hopsOf(() => client.call('scan', { dataset: 'traced' }, 'ScanRequest')), HOPS)
})

test('the table of ARCHITECTURE.md names the six hops in order', () => {
  const rows = [...textOf('docs/ARCHITECTURE.md').matchAll(/^\| (\d) \| .*? \| `([a-z.]+)` \|/gm)]
  assert.deepEqual(
    rows.map(([, , hop]) => hop),
    HOPS,
  )
})
