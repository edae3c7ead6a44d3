/** Page after page of a version on leaf processes, of which the dataset keeps no more than the next one. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import { keyOf, load, placed, putCluster, startLeaf, until, writeRows } from '../support/leaf-processes.js'
import type { StockClient } from '../support/stock-client.js'

const ROWS = 60
const DATASET = 'towns'
const LEAVING_MS = 4_000
let gateway: Gateway
let leaf: Gateway
let client: StockClient

interface Page {
  readonly rows: readonly { readonly key: Buffer; readonly cells: readonly { readonly value: Buffer }[] }[]
  readonly nextPageToken: Buffer | null
}

/** The generated class holds this. */
async function scanPage(pageToken: Buffer | null): Promise<Page> {
  const request = { dataset: DATASET, pageRows: 9, ...(pageToken !== null && { pageToken }) }
  return (await client.call('scan', request, 'ScanRequest')) as Page
}

before(async () => {
  const config = `limits: { leavingVersionMs: ${LEAVING_MS} }\n`
  ;[gateway, leaf] = await Promise.all([Gateway.start({ config }), startLeaf()])
  await putCluster(gateway, 'west', { a: leaf })
  await gateway.createDataset(DATASET, { mode: 'BATCH', shardCount: 2, cluster: 'west', retainedVersions: 1 })
  client = await gateway.connect()
})

after(async () => {
  client.close()
  await Promise.all([gateway.dispose(), leaf.dispose()])
})

test('pages go on with the version that they began on, and its copies go when its time is over', async () => {
  await placed(gateway, DATASET, await load(gateway, DATASET, writeRows(gateway, 'first', ROWS)))
  let page = await scanPage(null)
  const rows = [...page.rows]
  await placed(gateway, DATASET, await load(gateway, DATASET, writeRows(gateway, 'second', ROWS)))
  while (page.nextPageToken !== null) {
    page = await scanPage(page.nextPageToken)
    rows.push(...page.rows)
  }
  assert.deepEqual(
    rows.map(({ key }) => key.toString()).sort(),
    Array.from({ length: ROWS }, (_, row) => keyOf(row)).sort(),
  )
  const said = new Set(rows.flatMap(({ cells }) => cells.map(({ value }) => value.toString())))
  assert.ok(said.has('first') && !said.has('second'))
  await until(gateway, 'copies of one version', ({ leaves }) => leaves.every(({ copies }) => copies === 2))
})
