/**
 * Well-formed requests that ask for what nobody should get: answers thousands of times as large as they are, and pages of
 * other requests. Each is refused by the code that the IDL names, and costs the gateway nothing to speak of.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import { revisionOf } from '../support/jobs.js'
import { random } from '../support/random.js'
import { type StockClient, isStockException } from '../support/stock-client.js'

const TOO_LARGE = 300
const BAD_PAGE_TOKEN = 105
const ROWS = 40
const MEBIBYTE = 1024 * 1024

type Fields = Readonly<Record<string, unknown>>

interface Page {
  readonly rows: readonly { readonly key: Buffer | null }[]
  readonly nextPageToken: Buffer | null
}

let gateway: Gateway
let client: StockClient

before(async () => {
  gateway = await Gateway.start({ config: 'threads: { data: 1 }\n' })
  client = await gateway.connect()
  for (const name of ['rows', 'others']) {
    await gateway.createDataset(name, { shardCount: 3 })
    await fill(name)
  }
})

after(async () => {
  client.close()
  await gateway.dispose()
})

async function fill(dataset: string): Promise<void> {
  await Promise.all(
    Array.from({ length: ROWS }, (_, i) => client.put({ dataset, key: `row ${i}`, value: `${i}` })),
  )
}

async function scan(request: Fields): Promise<Page> {
  // What stock code answers of a ScanResponse.
  return (await client.call('scan', { dataset: 'rows', pageRows: 7, ...request }, 'ScanRequest')) as Page
}

/** The code of a refusal; 0: there was none. */
async function codeOf(asked: Promise<unknown>): Promise<number> {
  try {
    await asked
    return 0
  } catch (error) {
    if (isStockException(error)) return error.error.code
    throw error
  }
}

async function residentBytes(): Promise<number> {
  const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

suite('answers larger than their requests', () => {
  test('a hundred million counters by repeats of one are TOO_LARGE before memory is taken for them', async () => {
    const { pid } = gateway
    const before = await residentBytes()
    const many = new Array<string>(10_000).fill('k')
    const startMs = performance.now()
    const asked = client.call(
      'getCounters',
      { dataset: 'rows', keys: many, localKeys: many },
      'GetCountersRequest',
    )
    assert.equal(await codeOf(asked), TOO_LARGE)
    assert.ok(performance.now() - startMs < 5_000)
    assert.equal(gateway.pid, pid)
    const grown = (await residentBytes()) - before
    assert.ok(grown < 200 * MEBIBYTE, `memory grew by ${grown} bytes`)
  })

  test('a large row that is asked for a thousand times is answered as often as one frame holds', async () => {
    await client.put({ dataset: 'others', key: 'large', value: Buffer.alloc(MEBIBYTE, 7) })
    const before = await residentBytes()
    const { rows } = await client.multiGet({
      dataset: 'others',
      keys: new Array<string>(1_000).fill('large'),
    })
    const failed = rows.filter(({ error }) => error?.code === TOO_LARGE).length
    assert.ok(rows[0]?.value?.length === MEBIBYTE && failed > 900 && failed < 1_000, `${failed} failed`)
    const grown = (await residentBytes()) - before
    assert.ok(grown < 1_024 * MEBIBYTE, `memory grew by ${grown} bytes`)
  })
})

suite('page tokens over the wire', () => {
  test('fit the request that they were made for, and no other', async () => {
    const { nextPageToken: pageToken } = await scan({})
    assert.ok(pageToken !== null)
    const others: Fields[] = [
      { dataset: 'others' },
      { reversed: true },
      { limit: 20 },
      { segment: 0, totalSegments: 2 },
      { where: [{ comparison: 1 }] },
      { cells: { localKeys: ['a'] } },
      { options: { withTimestamps: true } },
    ]
    for (const other of others) {
      assert.equal(await codeOf(scan({ ...other, pageToken })), BAD_PAGE_TOKEN, JSON.stringify(other))
    }
    const get = { dataset: 'rows', key: 'row 1', pageToken }
    assert.equal(await codeOf(client.call('get', get, 'GetRequest')), BAD_PAGE_TOKEN)
    // Sizes of pages and the context are each page's own.
    const next = await scan({
      pageToken,
      pageRows: 3,
      context: { caller: 'another' },
      options: { pageSizeBytes: 1_000 },
    })
    assert.equal(next.rows.length, 3)
  })

  test('with a bit changed, cut or made longer are refused, whatever the bit', async () => {
    const { nextPageToken: token } = await scan({})
    assert.ok(token !== null)
    const next = random(1)
    for (let round = 0; round < 100; round++) {
      const forged: Buffer = Buffer.from(token)
      const at = Math.floor(next() * forged.length)
      forged[at] = (forged[at] ?? 0) ^ (1 << Math.floor(next() * 8))
      assert.equal(await codeOf(scan({ pageToken: forged })), BAD_PAGE_TOKEN, `byte ${at}`)
    }
    for (const pageToken of [token.subarray(0, -1), Buffer.concat([token, Buffer.of(0)]), Buffer.alloc(0)]) {
      assert.equal(await codeOf(scan({ pageToken })), BAD_PAGE_TOKEN)
    }
  })

  test('may be used again and again, also behind a kill -9, and are worth nothing to a dataset made anew', async () => {
    const first = await scan({})
    const second = await scan({ pageToken: first.nextPageToken })
    await gateway.kill9()
    await gateway.start()
    client = await gateway.connect()
    assert.deepEqual(await scan({ pageToken: first.nextPageToken }), second)
    const headers = { 'if-match': await revisionOf(gateway, 'rows') }
    const removed = await gateway.admin('DELETE', '/v1/datasets/rows', {}, headers)
    assert.equal(removed.status, 200, removed.text)
    await gateway.createDataset('rows', { shardCount: 3 })
    await fill('rows')
    assert.equal(await codeOf(scan({ pageToken: first.nextPageToken })), BAD_PAGE_TOKEN)
  })
})
