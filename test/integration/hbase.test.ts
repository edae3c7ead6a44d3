/**
 * HBase's Thrift gateways in an assembled gateway: tables are datasets with an owner, limits are by name, restarts
 * keep all.
 */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { makeColumnDescriptor, makeTScan } from '../../src/thrift/generated/hbase1.js'
import { makeTColumnValue, makeTGet, makeTPut } from '../../src/thrift/generated/hbase2.js'
import { Gateway } from '../support/gateway.js'
import { HBASE_PORTS, HBaseClient, createTable } from '../support/hbase.js'

const TABLE = Buffer.from('users')
const COLUMN_FAMILIES = [makeColumnDescriptor({ name: Buffer.from('cf:'), maxVersions: 3 })]
const bytes = (text: string): Buffer => Buffer.from(text)

const open: { dispose(): Promise<void> }[] = []

async function start(ports = HBASE_PORTS): Promise<{ gateway: Gateway; client: HBaseClient }> {
  const gateway = await Gateway.start({ ports })
  const client = HBaseClient.of(gateway)
  open.push(gateway, { dispose: () => client.close() })
  return { gateway, client }
}

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.dispose()
})

/** First line of the exception that was answered. */
function refusal(answer: unknown): string {
  if (answer instanceof KVError)
    return `TApplicationException: ${answer.message.replace(/^.*Internal/, 'Internal')}`
  const { thriftType, message } = answer as { thriftType: string; message: string }
  return `${thriftType}: ${message}`
}

function put(column: string, value: string) {
  return { isDelete: false, column: bytes(column), value: bytes(value), writeToWAL: true }
}

describe('tables', () => {
  test('are datasets, with the owner of the configuration', async () => {
    const { gateway } = await start()
    await createTable(gateway, 'users', [{ name: 'cf', maxVersions: 3 }])
    const { body } = await gateway.admin('GET', '/v1/datasets/users')
    const record =
      (body as { dataset?: Record<string, unknown> }).dataset ?? (body as Record<string, unknown>)
    assert.deepEqual(record['owner'], { name: 'tables', contact: 'tables@example.org' })
    assert.equal(record['keyOrder'], 'ORDERED')
    assert.equal(record['timestampUnit'], 'MILLISECONDS')
    assert.equal(record['maxCellVersions'], 3)
  })

  test('are neither made nor changed where no owner is configured', async () => {
    const { client } = await start(HBASE_PORTS.replace(/hbase: .*\n/, ''))
    const answer = await client.call(1, 'createTable', { tableName: TABLE, columnFamilies: COLUMN_FAMILIES })
    assert.match(refusal(answer), /^IOError: .*DoNotRetryIOException: .*set hbase\.owner/)
  })

  test('that are disabled stay so over a restart, are refused, and have their rows when they are enabled', async () => {
    const { gateway, client } = await start()
    await createTable(gateway, 'users', [{ name: 'cf', maxVersions: 3 }])
    const row = { tableName: TABLE, row: bytes('r'), attributes: [] }
    assert.equal(await client.call(1, 'mutateRow', { ...row, mutations: [put('cf:a', '1')] }), null)
    assert.equal(await client.call(1, 'disableTable', { tableName: TABLE }), null)
    await gateway.restart()
    const again = HBaseClient.of(gateway)
    open.push({ dispose: () => again.close() })
    assert.equal(await again.call(1, 'isTableEnabled', { tableName: TABLE }), false)
    assert.match(refusal(await again.call(1, 'getRow', row)), /TableNotEnabledException: users is disabled/)
    assert.match(
      refusal(await again.call(2, 'get', { table: TABLE, tget: makeTGet({ row: bytes('r') }) })),
      /^TIOError: users is disabled/,
    )
    assert.equal(await again.call(1, 'enableTable', { tableName: TABLE }), null)
    const rows = (await again.call(1, 'getRow', row)) as { columns: [Buffer, { value: Buffer }][] }[]
    assert.deepEqual(
      rows.map(({ columns }) => columns.map(([name, { value }]) => `${name.toString()}=${value.toString()}`)),
      [['cf:a=1']],
    )
  })

  test('are deleted by name once they are disabled, and not before', async () => {
    const { gateway, client } = await start()
    await createTable(gateway, 'users', [{ name: 'cf', maxVersions: 3 }])
    assert.match(
      refusal(await client.call(1, 'deleteTable', { tableName: TABLE })),
      /TableNotDisabledException/,
    )
    assert.equal(await client.call(1, 'disableTable', { tableName: TABLE }), null)
    assert.equal(await client.call(1, 'deleteTable', { tableName: TABLE }), null)
    assert.deepEqual(await client.call(1, 'getTableNames', {}), [])
    assert.match(refusal(await client.call(1, 'deleteTable', { tableName: TABLE })), /table does not exist/)
  })

  test('that no HBase client made take any family, and keep what has none', async () => {
    const { gateway, client } = await start()
    await gateway.createDataset('users', {
      keyOrder: 'ORDERED',
      timestampUnit: 'MILLISECONDS',
      maxCellVersions: 2,
    })
    const row = { tableName: TABLE, row: bytes('r'), attributes: [] }
    assert.equal(
      await client.call(1, 'mutateRow', { ...row, mutations: [put('any:a', '1'), put(':plain', '2')] }),
      null,
    )
    const rows = (await client.call(1, 'getRow', row)) as { columns: [Buffer, { value: Buffer }][] }[]
    assert.deepEqual(
      rows.map(({ columns }) => columns.map(([name]) => name.toString())),
      [[':plain', 'any:a']],
    )
    assert.match(
      refusal(await client.call(1, 'disableTable', { tableName: TABLE })),
      /was not made by an HBase client/,
    )
  })
})

describe('the attribute _ttl', () => {
  test('says how long the cells of a write live, from their time on, and holds 8 bytes', async () => {
    const { gateway, client } = await start()
    await createTable(gateway, 'users', [{ name: 'cf', maxVersions: 3 }])
    const attributes = (milliseconds: bigint): [Buffer, Buffer][] => {
      const value = Buffer.alloc(8)
      value.writeBigInt64BE(milliseconds)
      return [[bytes('_ttl'), value]]
    }
    const row = { tableName: TABLE, row: bytes('r') }
    const timestamp = BigInt(Date.now() - 60_000)
    const write = (column: string, ttlMs: bigint) =>
      client.call(1, 'mutateRowTs', {
        ...row,
        timestamp,
        mutations: [put(column, '1')],
        attributes: attributes(ttlMs),
      })
    assert.equal(await write('cf:dead', 30_000n), null)
    assert.equal(await write('cf:living', 600_000n), null)
    const tput = makeTPut({
      row: bytes('r'),
      columnValues: [makeTColumnValue({ family: bytes('cf'), qualifier: bytes('dead2'), timestamp })],
      attributes: attributes(30_000n),
    })
    assert.equal(await client.call(2, 'put', { table: TABLE, tput }), null)
    const rows = (await client.call(1, 'getRow', { ...row, attributes: [] })) as {
      columns: [Buffer, unknown][]
    }[]
    assert.deepEqual(
      rows.map(({ columns }) => columns.map(([name]) => name.toString())),
      [['cf:living']],
    )
    const short = { ...row, mutations: [put('cf:a', '1')], attributes: [[bytes('_ttl'), bytes('60')]] }
    assert.match(refusal(await client.call(1, 'mutateRow', short)), /^IOError: .*_ttl has 2 bytes/)
  })
})

describe('what is wrong', () => {
  const cases: readonly [name: string, method: string, args: Record<string, unknown>, expected: RegExp][] = [
    [
      'a family that is not there',
      'mutateRow',
      { mutations: [put('no:a', '1')] },
      /NoSuchColumnFamilyException/,
    ],
    [
      'a cell of more than 10 MiB',
      'mutateRow',
      { mutations: [put('cf:a', 'x'.repeat(10_485_760))] },
      /^IllegalArgument: .*KeyValue size too large/,
    ],
    [
      'a negative time',
      'mutateRowTs',
      { mutations: [put('cf:a', '1')], timestamp: -1n },
      /^IllegalArgument: .*Timestamp cannot be negative/,
    ],
    [
      'a counter that is none',
      'atomicIncrement',
      { column: bytes('cf:text'), value: 1n },
      /Field is not a long, it's 3 bytes wide/,
    ],
    ['an unknown scanner', 'scannerGet', { id: 77 }, /^IllegalArgument: scanner ID is invalid/],
    [
      'a filter that does not parse',
      'scannerOpenWithScan',
      { scan: makeTScan({ filterString: bytes('Foo(') }) },
      /^TApplicationException: Internal error processing scannerOpenWithScan: Incorrect Filter String/,
    ],
    [
      'a filter nested too deep',
      'scannerOpenWithScan',
      { scan: makeTScan({ filterString: bytes('('.repeat(60)) }) },
      /nested more than/,
    ],
    [
      'a put without a qualifier',
      'mutateRows',
      { rowBatches: [{ row: bytes('r'), mutations: [put('cf', '1')] }] },
      /^TApplicationException: Internal error processing mutateRows/,
    ],
  ]

  test('is refused in HBase’s words, and nothing of it is applied', async () => {
    const { gateway, client } = await start()
    await createTable(gateway, 'users', [{ name: 'cf', maxVersions: 3 }])
    const row = { tableName: TABLE, row: bytes('r'), attributes: [] }
    assert.equal(await client.call(1, 'mutateRow', { ...row, mutations: [put('cf:text', 'abc')] }), null)
    for (const [name, method, args, expected] of cases) {
      assert.match(refusal(await client.call(1, method, { ...row, ...args })), expected, name)
    }
    const mixed = [put('cf:first', '1'), put('no:second', '2')]
    assert.match(
      refusal(await client.call(1, 'mutateRow', { ...row, mutations: mixed })),
      /NoSuchColumnFamily/,
    )
    const rows = (await client.call(1, 'getRow', row)) as { columns: [Buffer, unknown][] }[]
    assert.deepEqual(
      rows.map(({ columns }) => columns.map(([name]) => name.toString())),
      [['cf:text']],
    )
  })
})
