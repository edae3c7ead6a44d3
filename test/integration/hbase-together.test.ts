/** HBase's callers at the same time: on one row, on one table that comes and goes, and over a kill. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { makeColumnDescriptor, makeTScan, type TCell } from '../../src/thrift/generated/hbase1.js'
import { Gateway } from '../support/gateway.js'
import { HBASE_PORTS, HBaseClient, createTable } from '../support/hbase.js'

const bytes = (text: string): Buffer => Buffer.from(text)
const FAMILY = { name: 'cf', maxVersions: 200 }
const COLUMN_FAMILIES = [makeColumnDescriptor({ name: bytes('cf:'), maxVersions: FAMILY.maxVersions })]
const PORTS = `threads: { data: 2 }\n${HBASE_PORTS}`

const gateway = new Gateway({ ports: PORTS })
const clients: HBaseClient[] = []

before(() => gateway.start())
after(async () => {
  for (const client of clients) await client.close()
  await gateway.dispose()
})

/** On connections of its own, which the data threads take in turn. */
function newClient(): HBaseClient {
  const client = HBaseClient.of(gateway)
  clients.push(client)
  return client
}

function newClients(count: number): HBaseClient[] {
  return Array.from({ length: count }, newClient)
}

/** An empty table; answers what calls of its row `r` have. */
async function newTable(name: string): Promise<{ tableName: Buffer; row: Buffer; attributes: [] }> {
  await createTable(gateway, name, [FAMILY])
  return { tableName: bytes(name), row: bytes('r'), attributes: [] }
}

function put(column: string, value: string) {
  return { isDelete: false, column: bytes(column), value: bytes(value), writeToWAL: true }
}

/** Versions of `cf:n`, newest first. */
async function versionsOf(client: HBaseClient, row: object): Promise<TCell[]> {
  const args = { ...row, column: bytes('cf:n'), numVersions: FAMILY.maxVersions }
  return (await client.call(1, 'getVer', args)) as TCell[]
}

/** What an exception says. */
function messageOf(answer: unknown): string {
  return (answer as { message: string }).message
}

describe('callers of one row', () => {
  test('that check and put count one by one: every one that was told so was applied, and no other', async () => {
    const row = await newTable('counted')
    const client = newClient()
    assert.equal(await client.call(1, 'mutateRow', { ...row, mutations: [put('cf:n', '0')] }), null)
    const applied = await Promise.all(
      newClients(6).map(async (client) => {
        let count = 0
        for (let attempt = 0; attempt < 25; attempt++) {
          const now = Number((await versionsOf(client, row))[0]?.value?.toString())
          const change = { column: bytes('cf:n'), value: bytes(`${now}`), mput: put('cf:n', `${now + 1}`) }
          const answer = await client.call(1, 'checkAndPut', { ...row, ...change })
          assert.equal(typeof answer, 'boolean')
          if (answer === true) count++
        }
        return count
      }),
    )
    const total = applied.reduce((sum, count) => sum + count, 0)
    const versions = await versionsOf(client, row)
    assert.ok(total >= 25, `${total} were applied`)
    assert.deepEqual(
      versions.map(({ value }) => Number(value?.toString())),
      Array.from({ length: total + 1 }, (_, index) => total - index),
    )
  })

  test('that put without a time each get one of their own, and keep their order', async () => {
    const row = await newTable('stamped')
    const writers = newClients(4)
    await Promise.all(
      writers.map(async (client, writer) => {
        for (let index = 0; index < 40; index++) {
          const mutations = [put('cf:n', `${writer}/${index}`)]
          assert.equal(await client.call(1, 'mutateRow', { ...row, mutations }), null)
        }
      }),
    )
    const versions = await versionsOf(newClient(), row)
    assert.equal(versions.length, 160)
    assert.equal(new Set(versions.map(({ timestamp }) => timestamp)).size, 160)
    for (const writer of writers.keys()) {
      const own = versions
        .map(({ value }) => value?.toString() ?? '')
        .filter((value) => value.startsWith(`${writer}/`))
      assert.deepEqual(
        own,
        Array.from({ length: 40 }, (_, index) => `${writer}/${39 - index}`),
      )
    }
  })
})

describe('a table', () => {
  test('is made by one of those who make it at the same time', async () => {
    const table = { tableName: bytes('made'), columnFamilies: COLUMN_FAMILIES }
    const answers = await Promise.all(newClients(6).map((client) => client.call(1, 'createTable', table)))
    const refusals = answers.filter((answer) => answer !== null) as { thriftType: string; message: string }[]
    assert.equal(refusals.length, 5)
    for (const { thriftType, message } of refusals)
      assert.match(`${thriftType}: ${message}`, /^(AlreadyExists|IOError): .*(already|exists|in use)/i)
  })

  test('that goes under writers refuses them by name, and comes back empty', async () => {
    const row = await newTable('gone')
    const { tableName } = row
    const [writer, admin] = [newClient(), newClient()]
    const refusals: string[] = []
    let isOver = false
    const writing = (async () => {
      for (let index = 0; !isOver; index++) {
        const args = { ...row, row: bytes(`r${index % 50}`), mutations: [put('cf:old', `${index}`)] }
        const answer = await writer.call(1, 'mutateRow', args)
        if (answer !== null) refusals.push(messageOf(answer))
      }
    })()
    for (const method of ['disableTable', 'deleteTable'])
      assert.equal(await admin.call(1, method, { tableName }), null)
    isOver = true
    await writing
    for (const refusal of refusals)
      assert.match(refusal, /Table(NotEnabled|NotFound)Exception|NotServingRegion|IOException: /)
    await newTable('gone')
    const id = await admin.call(1, 'scannerOpenWithScan', { ...row, scan: makeTScan() })
    assert.deepEqual(await admin.call(1, 'scannerGetList', { id, nbRows: 10 }), [])
  })

  test('that goes under a scanner is not found by its next call; one made anew is read on', async () => {
    const table = await newTable('scanned')
    const { tableName } = table
    const client = newClient()
    const write = async (...rows: string[]): Promise<void> => {
      const rowBatches = rows.map((row) => ({ row: bytes(row), mutations: [put('cf:x', row)] }))
      assert.equal(await client.call(1, 'mutateRows', { ...table, rowBatches }), null)
    }
    await write('a', 'b', 'c')
    const id = await client.call(1, 'scannerOpenWithScan', { ...table, scan: makeTScan() })
    const next = (): Promise<unknown> => client.call(1, 'scannerGetList', { id, nbRows: 1 })
    const rowsOf = (answer: unknown) => (answer as { row: Buffer }[]).map(({ row }) => row.toString())
    assert.deepEqual(rowsOf(await next()), ['a'])
    assert.equal(await client.call(1, 'disableTable', { tableName }), null)
    assert.match(messageOf(await next()), /TableNotEnabledException/)
    assert.equal(await client.call(1, 'deleteTable', { tableName }), null)
    assert.match(messageOf(await next()), /TableNotFoundException/)
    await newTable('scanned')
    await write('a', 'd')
    assert.deepEqual(rowsOf(await next()), ['d'])
    assert.deepEqual(await next(), [])
    assert.equal(await client.call(1, 'scannerClose', { id }), null)
  })
})

describe('a kill', () => {
  test('loses nothing that was acknowledged, and halves no row', async () => {
    const table = await newTable('killed')
    const client = newClient()
    let acknowledged = 0
    const writing = (async () => {
      for (let batch = 0; ; batch++) {
        const rowBatches = Array.from({ length: 20 }, (_, row) => ({
          row: bytes(`row ${row}`),
          mutations: [put('cf:a', `${batch}`), put('cf:b', `${batch}`)],
        }))
        const answer = await client.call(1, 'mutateRows', { ...table, rowBatches })
        if (answer !== null) return
        acknowledged = batch + 1
      }
    })()
    while (acknowledged < 20) await new Promise<void>((resolve) => setImmediate(resolve))
    await gateway.kill9()
    await writing
    await gateway.start()
    const again = newClient()
    for (let row = 0; row < 20; row++) {
      const args = { ...table, row: bytes(`row ${row}`) }
      const [found] = (await again.call(1, 'getRow', args)) as { columns: [Buffer, TCell][] }[]
      const [a, b] = (found?.columns ?? []).map(([, { value }]) => Number(value?.toString()))
      assert.equal(a, b)
      const what = `row ${row} holds ${a}, ${acknowledged} batches were acknowledged`
      assert.ok(a !== undefined && a >= acknowledged - 1, what)
    }
  })
})
