/**
 * HBase callers that leak, flood or send rubbish, against a whole gateway: what they ask for beyond a limit is refused by
 * name, memory stays bounded, and an honest caller beside them is served.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import { limits } from '../../src/base/limits.js'
import { KVError } from '../../src/base/errors.js'
import { BinaryWriter } from '../../src/thrift/binary-writer.js'
import { CompactWriter } from '../../src/thrift/compact-writer.js'
import { HbaseMethods, type TRowResult, makeTScan } from '../../src/thrift/generated/hbase1.js'
import {
  THBaseServiceMethods,
  type TResult,
  makeTGet,
  makeTPut,
  makeTScan as makeTScan2,
} from '../../src/thrift/generated/hbase2.js'
import { MessageType, type ThriftMethod } from '../../src/thrift/protocol.js'
import { rawSocket, untilClosed } from '../support/frames.js'
import { Gateway } from '../support/gateway.js'
import { HBASE_PORTS, HBaseClient, createTable } from '../support/hbase.js'

const FUZZ_RUNS = Number(process.env['GODWIT_FUZZ_RUNS'] ?? 60)
const MAX_GROWTH_BYTES = 400 * 1024 * 1024
const tableName = Buffer.from('t')
const table = { tableName, attributes: [] }
const bytes = (text: string): Buffer => Buffer.from(text)

let gateway: Gateway
let pid = 0

before(async () => {
  gateway = await Gateway.start({ ports: `threads: { data: 1 }\n${HBASE_PORTS}` })
  pid = gateway.pid
  await createTable(gateway, 't', [{ name: 'cf', maxVersions: 3 }])
})

after(() => gateway.dispose())

let honest: HBaseClient
let rounds = 0
let isOver = false
let serving: Promise<void>

beforeEach(() => {
  honest = HBaseClient.of(gateway)
  isOver = false
  rounds = 0
  serving = serveHonest()
  // Its failure is reported where the test ends.
  serving.catch(() => undefined)
})

afterEach(async () => {
  isOver = true
  await serving
  await honest.close()
  assert.ok(rounds > 0)
  assert.equal(gateway.pid, pid, 'the gateway is another process than before')
})

/** Writes and reads back, one after the other. */
async function serveHonest(): Promise<void> {
  for (; !isOver || rounds === 0; rounds++) {
    const mutations = [put('cf:n', `${rounds}`)]
    const row = { ...table, row: bytes('honest') }
    assert.equal(await honest.call(1, 'mutateRow', { ...row, mutations }), null)
    const [found] = (await honest.call(1, 'getRow', row)) as TRowResult[]
    assert.equal(found?.columns?.[0]?.[1].value?.toString(), `${rounds}`)
  }
}

function put(column: string, value: string | Buffer) {
  return { isDelete: false, column: bytes(column), value: Buffer.from(value), writeToWAL: true }
}

function messageOf(answer: unknown): string {
  return answer instanceof KVError ? answer.message : ((answer as { message?: string }).message ?? '')
}

function memoryBytes(): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

describe('scanners that nobody closes', () => {
  test('are refused by name beyond the limit; those that are open go on, and closing makes room', async () => {
    const client = HBaseClient.of(gateway)
    const rowBatches = ['a', 'b', 'c'].map((row) => ({ row: bytes(row), mutations: [put('cf:x', row)] }))
    assert.equal(await client.call(1, 'mutateRows', { ...table, rowBatches }), null)
    const begun = memoryBytes()
    const ids: number[] = []
    while (ids.length < limits.maxScannersPerThread) {
      const opened = await Promise.all(
        Array.from({ length: 500 }, () =>
          client.call(1, 'scannerOpenWithScan', { ...table, scan: makeTScan() }),
        ),
      )
      for (const id of opened) ids.push(id as number)
    }
    // Each has read a page, too.
    for (let from = 0; from < ids.length; from += 500) {
      const some = ids.slice(from, from + 500)
      const answers = await Promise.all(some.map((id) => client.call(1, 'scannerGetList', { id, nbRows: 1 })))
      for (const rows of answers) assert.equal((rows as TRowResult[])[0]?.row?.toString(), 'a')
    }
    const refused = await client.call(1, 'scannerOpenWithScan', { ...table, scan: makeTScan() })
    assert.match(messageOf(refused), /RegionTooBusyException: 10000 scanners are open: close those/)
    const grown = memoryBytes() - begun
    assert.ok(grown < MAX_GROWTH_BYTES, `${grown} bytes more`)
    const [first] = ids
    const rows = (await client.call(1, 'scannerGetList', { id: first, nbRows: 9 })) as TRowResult[]
    assert.deepEqual(
      rows.map(({ row }) => row?.toString()),
      ['b', 'c', 'honest'],
    )
    for (let from = 0; from < ids.length; from += 500)
      await Promise.all(ids.slice(from, from + 500).map((id) => client.call(1, 'scannerClose', { id })))
    assert.equal(
      typeof (await client.call(1, 'scannerOpenWithScan', { ...table, scan: makeTScan() })),
      'number',
    )
    await client.close()
  })

  test('with many columns and large filters are refused before they take the memory', async () => {
    const client = HBaseClient.of(gateway)
    const begun = memoryBytes()
    const columns = Array.from({ length: 20_000 }, (_, index) => bytes(`cf:${index}`))
    let refused: unknown = 0
    let opened = 0
    for (; typeof refused === 'number' && opened < 100; opened++)
      refused = await client.call(1, 'scannerOpenWithScan', { ...table, scan: makeTScan({ columns }) })
    assert.match(
      messageOf(refused),
      /RegionTooBusyException: \d+ open scanners hold columns and filters of \d+ bytes/,
    )
    const grown = memoryBytes() - begun
    assert.ok(opened > 5 && grown < MAX_GROWTH_BYTES, `${opened} were opened and took ${grown} bytes`)
    await client.close()
  })
})

describe('filters that would explode', () => {
  const cases: readonly [name: string, filter: string, why: RegExp][] = [
    ['nesting', '('.repeat(10_000), /nested more than/],
    ['groups of nothing', `RowFilter(=, 'regexstring:${'('.repeat(20)}${'){1000}'.repeat(20)}')`, /states/],
    ['repetition', "RowFilter(=, 'regexstring:((a{1000}){1000}){1000}')", /states/],
    ['very many parts', Array.from({ length: 2_000 }, () => 'KeyOnlyFilter()').join(' OR '), /parts/],
    [
      'many expressions',
      Array.from({ length: 900 }, () => "RowFilter(=, 'regexstring:.{900}')").join(' OR '),
      /have more than \d+ states/,
    ],
  ]
  for (const [name, filter, why] of cases) {
    test(`${name}: refused by name at once, by scans and gets`, async () => {
      const client = HBaseClient.of(gateway)
      const filterString = bytes(filter)
      const begunMs = performance.now()
      const scan = await client.call(1, 'scannerOpenWithScan', {
        ...table,
        scan: makeTScan({ filterString }),
      })
      assert.match(messageOf(scan), why)
      const tget = makeTGet({ row: bytes('honest'), filterString })
      assert.match(messageOf(await client.call(2, 'get', { table: tableName, tget })), why)
      assert.ok(performance.now() - begunMs < 5_000)
      await client.close()
    })
  }

  test('what cannot be judged is refused by name, in gets as in scans', async () => {
    const client = HBaseClient.of(gateway)
    const row = bytes('long value')
    const value = Buffer.alloc(1024 * 1024, 'a')
    assert.equal(await client.call(1, 'mutateRow', { ...table, row, mutations: [put('cf:v', value)] }), null)
    const filterString = bytes("ValueFilter(=, 'regexstring:(a?){500}b')")
    const tget = makeTGet({ row, filterString })
    const why = /takes the regular expressions and substrings of the filter more than/
    assert.match(messageOf(await client.call(2, 'get', { table: tableName, tget })), why)
    assert.match(messageOf(await client.call(2, 'exists', { table: tableName, tget })), why)
    assert.match(
      messageOf(await client.call(2, 'getMultiple', { table: tableName, tgets: [tget, tget] })),
      why,
    )
    const id = await client.call(1, 'scannerOpenWithScan', { ...table, scan: makeTScan({ filterString }) })
    assert.match(messageOf(await client.call(1, 'scannerGetList', { id, nbRows: 9 })), why)
    await client.close()
  })

  test('filters of many gets are refused by name where they are too large together', async () => {
    const client = HBaseClient.of(gateway)
    const filterString = bytes(`TimestampsFilter(${Array.from({ length: 10_000 }, () => '1').join(', ')})`)
    const tgets = Array.from({ length: 100 }, () => makeTGet({ row: bytes('r'), filterString }))
    const answer = await client.call(2, 'getMultiple', { table: tableName, tgets })
    assert.match(messageOf(answer), /filters of \d+ bytes in one call, at most \d+/)
    await client.close()
  })
})

describe('large batches', () => {
  test('of 20,000 rows are written by one call and read by several', async () => {
    const client = HBaseClient.of(gateway)
    const keys = Array.from({ length: 20_000 }, (_, index) =>
      bytes(`batch/${String(index).padStart(6, '0')}`),
    )
    const rowBatches = keys.map((row) => ({ row, mutations: [put('cf:x', row)] }))
    assert.equal(await client.call(1, 'mutateRows', { ...table, rowBatches }), null)
    const rows = (await client.call(1, 'getRows', { ...table, rows: keys.slice(0, 10_000) })) as TRowResult[]
    assert.equal(rows.length, 10_000)
    const refused = await client.call(1, 'getRows', { ...table, rows: keys })
    assert.match(messageOf(refused), /20000 keys in one request, at most 10000: split it/)
    await client.close()
  })

  test('of 5,000 columns of a row are written and deleted by one call each', async () => {
    const client = HBaseClient.of(gateway)
    const row = { ...table, row: bytes('wide') }
    const columns = Array.from({ length: 5_000 }, (_, index) => `cf:${index}`)
    const write = (isDelete: boolean) =>
      client.call(1, 'mutateRow', {
        ...row,
        mutations: columns.map((name) => ({ ...put(name, 'v'), isDelete })),
      })
    assert.equal(await write(false), null)
    const [found] = (await client.call(1, 'getRow', row)) as TRowResult[]
    assert.equal(found?.columns?.length, 5_000)
    assert.equal(await write(true), null)
    assert.deepEqual(await client.call(1, 'getRow', row), [])
    await client.close()
  })

  test('of versions of one column are refused by name at once, however many', async () => {
    const client = HBaseClient.of(gateway)
    const columnValues = Array.from({ length: 100_000 }, (_, index) => ({
      ...{ family: bytes('cf'), qualifier: bytes('q'), value: bytes('v'), tags: null, type: null },
      timestamp: BigInt(index),
    }))
    const begunMs = performance.now()
    const tput = makeTPut({ row: bytes('versions'), columnValues })
    assert.match(
      messageOf(await client.call(2, 'put', { table: tableName, tput })),
      /mutations of one row, at most 1000/,
    )
    assert.ok(performance.now() - begunMs < 5_000)
    await client.close()
  })
})

describe('a row of more columns than one read takes', () => {
  const COLUMNS = 45_000
  const row = bytes('very wide')

  test('is scanned in pieces by a scan with a batch size, and refused by name by a get', async () => {
    const client = HBaseClient.of(gateway)
    for (let from = 0; from < COLUMNS; from += 9_000) {
      const mutations = Array.from({ length: 9_000 }, (_, index) =>
        put(`cf:${String(from + index).padStart(6, '0')}`, 'v'),
      )
      assert.equal(await client.call(1, 'mutateRow', { ...table, row, mutations }), null)
    }
    const scan = makeTScan({ startRow: row, stopRow: row, batchSize: 1_000 })
    const id = await client.call(1, 'scannerOpenWithScan', { ...table, scan })
    const names: string[] = []
    for (;;) {
      const rows = (await client.call(1, 'scannerGetList', { id, nbRows: 7 })) as TRowResult[]
      if (rows.length === 0) break
      for (const piece of rows) names.push(...(piece.columns ?? []).map(([name]) => name.toString()))
    }
    assert.equal(names.length, COLUMNS)
    assert.deepEqual(names, [...names].sort())
    const whole = (await client.call(2, 'getScannerResults', {
      table: tableName,
      tscan: makeTScan2({ startRow: row, stopRow: row }),
      numRows: 2,
    })) as TResult[]
    assert.equal(whole[0]?.columnValues?.length, COLUMNS)
    assert.match(
      messageOf(await client.call(1, 'getRow', { ...table, row })),
      /more than \d+ living cells|cells/,
    )
    await client.close()
  })
})

describe('a row of more bytes than a scan takes', () => {
  const rows = ['large 1', 'large 2'] as const
  const VALUE = Buffer.alloc(4 * 1024 * 1024, 'v')
  const COLUMNS = Math.ceil(limits.maxScannedRowBytes / VALUE.length) + 1
  const why = /a scan with a batch size reads it/
  const bounds = { startRow: bytes('large'), stopRow: bytes('larges') }

  test('fails a scan that asks once, and later one that asks again; in pieces it is read', async () => {
    const client = HBaseClient.of(gateway)
    const [small, large] = rows.map(bytes)
    assert.equal(
      await client.call(1, 'mutateRow', { ...table, row: small, mutations: [put('cf:x', 'v')] }),
      null,
    )
    for (let column = 0; column < COLUMNS; column++) {
      const mutations = [put(`cf:${column}`, VALUE)]
      assert.equal(await client.call(1, 'mutateRow', { ...table, row: large, mutations }), null)
    }
    const begun = memoryBytes()
    const tscan = makeTScan2(bounds)
    const once = await client.call(2, 'getScannerResults', { table: tableName, tscan, numRows: 9 })
    assert.match(messageOf(once), why)
    const id = await client.call(1, 'scannerOpenWithScan', { ...table, scan: makeTScan(bounds) })
    const next = () => client.call(1, 'scannerGetList', { id, nbRows: 9 })
    assert.deepEqual(
      ((await next()) as TRowResult[]).map(({ row }) => row?.toString()),
      ['large 1'],
    )
    for (let again = 0; again < 2; again++) assert.match(messageOf(await next()), why)
    const pieces = makeTScan2({ ...bounds, batchSize: 1 })
    const scannerId = await client.call(2, 'openScanner', { table: tableName, tscan: pieces })
    let [count, cells] = [0, 0]
    for (;;) {
      const found = (await client.call(2, 'getScannerRows', { scannerId, numRows: 3 })) as TResult[]
      if (found.length === 0) break
      count += found.length
      for (const { columnValues } of found) cells += columnValues?.length ?? 0
    }
    assert.deepEqual([count, cells], [COLUMNS + 1, COLUMNS + 1])
    const grown = memoryBytes() - begun
    assert.ok(grown < MAX_GROWTH_BYTES, `${grown} bytes more`)
    assert.equal(await client.call(1, 'deleteAllRow', { ...table, row: large }), null)
    await client.close()
  })
})

describe('rubbish in every transport and protocol', () => {
  const pairs = [true, false].flatMap((isFramed) =>
    [BinaryWriter, CompactWriter].map((Writer) => ({ isFramed, Writer })),
  )
  for (const { isFramed, Writer } of pairs) {
    const name = `${isFramed ? 'framed' : 'buffered'}, ${Writer === BinaryWriter ? 'binary' : 'compact'}`
    const encoded = <A, R, E>(method: ThriftMethod<A, R, E>, args: A): Buffer => {
      const writer = new Writer()
      writer.beginFrame(limits.maxFrameBytes, isFramed)
      writer.writeMessageBegin(method.name, MessageType.CALL, 1)
      method.writeArgs(writer, args)
      writer.endFrame()
      return Buffer.from(writer.take())
    }
    const row = { ...table, row: bytes('rubbish') }
    const messages: readonly [port: 'hbase1' | 'hbase2', message: Buffer][] = [
      ['hbase1', encoded(HbaseMethods.mutateRow, { ...row, mutations: [put('cf:a', '1')] })],
      ['hbase1', encoded(HbaseMethods.scannerOpenWithScan, { ...table, scan: makeTScan({ caching: 3 }) })],
      [
        'hbase2',
        encoded(THBaseServiceMethods.get, { table: tableName, tget: makeTGet({ row: bytes('r') }) }),
      ],
      [
        'hbase2',
        encoded(THBaseServiceMethods.put, { table: tableName, tput: makeTPut({ row: bytes('r') }) }),
      ],
    ]

    test(`${name}: damage ends that connection at most`, async () => {
      const damaged = fc.constantFrom(...messages).chain(([port, message]) =>
        fc.record({
          port: fc.constant(port),
          message: fc.constant(message),
          flips: fc.array(fc.tuple(fc.nat(message.length - 1), fc.nat(255)), { maxLength: 4 }),
          size: fc.nat(message.length),
        }),
      )
      const property = fc.asyncProperty(damaged, async ({ port, message, flips, size }) => {
        const sent = Buffer.from(message)
        for (const [index, value] of flips) sent[index] = value
        const socket = await rawSocket(gateway.port(port))
        socket.end(sent.subarray(0, flips.length > 0 ? sent.length : size))
        await untilClosed(socket)
      })
      await fc.assert(property, { numRuns: FUZZ_RUNS })
    })
  }
})
