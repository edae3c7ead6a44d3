/** HBase's callers at the same time: on one row, on one table that comes and goes, and over a kill. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  makeColumnDescriptor,
  makeTScan,
  type TCell,
  type TRowResult,
} from '../../src/thrift/generated/hbase1.js'
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

describe('readers beside a writer', () => {
  const COLUMNS = ['a', 'b', 'c', 'd', 'e']
  const ROWS = Array.from({ length: 8 }, (_, row) => bytes(`row ${row}`))
  const ROUNDS = 60

  /** What all columns of a row hold. @throws where they differ */
  function holds(columns: readonly (readonly [Buffer, TCell])[]): number {
    const values = columns.map(([, { value }]) => Number(value?.toString()))
    assert.equal(columns.length, COLUMNS.length)
    assert.equal(new Set(values).size, 1, `half a row: ${values.join()}`)
    return values[0] ?? Number.NaN
  }

  test('see whole rows, by gets and by scans, and none goes back', async () => {
    const table = await newTable('whole')
    const write = async (client: HBaseClient, round: number): Promise<void> => {
      const mutations = COLUMNS.map((name) => put(`cf:${name}`, `${round}`))
      const rowBatches = ROWS.map((row) => ({ row, mutations }))
      assert.equal(await client.call(1, 'mutateRows', { ...table, rowBatches }), null)
    }
    await write(newClient(), 0)
    let isOver = false
    const reading = async (read: (client: HBaseClient) => Promise<TRowResult[]>): Promise<number> => {
      const client = newClient()
      const seen = new Map<string, number>()
      let rounds = 0
      for (; !isOver; rounds++) {
        const rows = await read(client)
        assert.equal(rows.length, ROWS.length)
        for (const { row, columns } of rows) {
          const [name, value] = [row?.toString() ?? '', holds(columns ?? [])]
          assert.ok(value >= (seen.get(name) ?? 0), `${name} went back to ${value}`)
          seen.set(name, value)
        }
      }
      return rounds
    }
    const scanned = async (client: HBaseClient): Promise<TRowResult[]> => {
      const id = await client.call(1, 'scannerOpenWithScan', { ...table, scan: makeTScan() })
      const rows: TRowResult[] = []
      for (let some = -1; some !== 0;) {
        const more = (await client.call(1, 'scannerGetList', { id, nbRows: 3 })) as TRowResult[]
        some = more.length
        rows.push(...more)
      }
      assert.equal(await client.call(1, 'scannerClose', { id }), null)
      return rows
    }
    const gotten = async (client: HBaseClient): Promise<TRowResult[]> =>
      (await client.call(1, 'getRows', { ...table, rows: ROWS })) as TRowResult[]
    const readers = [reading(gotten), reading(gotten), reading(scanned), reading(scanned)]
    const writer = newClient()
    try {
      for (let round = 1; round <= ROUNDS; round++) await write(writer, round)
    } finally {
      isOver = true
    }
    for (const rounds of await Promise.all(readers)) assert.ok(rounds > 0)
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
