/** What HBase's own Thrift gateways do and their interface does not say, one by one, as clients have come to lean on it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import {
  type TCell,
  type TRowResult,
  makeColumnDescriptor,
  makeTIncrement,
  makeTScan,
} from '../../src/thrift/generated/hbase1.js'
import * as two from '../../src/thrift/generated/hbase2.js'
import { Gateway } from '../support/gateway.js'
import { HBASE_PORTS, HBaseClient } from '../support/hbase.js'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const gateway = new Gateway({ ports: HBASE_PORTS })
const tableName = bytes('t')
const table = { tableName, attributes: [] }
const TTL_SECONDS = 600
let client: HBaseClient

before(async () => {
  await gateway.start()
  client = HBaseClient.of(gateway)
  const columnFamilies = [
    makeColumnDescriptor({ name: bytes('a:') }),
    makeColumnDescriptor({ name: bytes('a1') }),
    makeColumnDescriptor({ name: bytes('short'), timeToLive: TTL_SECONDS }),
  ]
  assert.equal(await client.call(1, 'createTable', { tableName, columnFamilies }), null)
})

after(async () => {
  await client.close()
  await gateway.dispose()
})

function put(column: string, value: string | null) {
  return {
    isDelete: false,
    column: bytes(column),
    value: value === null ? null : bytes(value),
    writeToWAL: true,
  }
}

const removal = (column: string) => ({ ...put(column, null), isDelete: true })

async function write(row: string, ...mutations: object[]): Promise<void> {
  assert.equal(await client.call(1, 'mutateRow', { ...table, row: bytes(row), mutations }), null)
}

async function writeAt(timestamp: bigint, row: string, ...mutations: object[]): Promise<void> {
  const args = { ...table, row: bytes(row), mutations, timestamp }
  assert.equal(await client.call(1, 'mutateRowTs', args), null)
}

/** `column=value` of a row. */
async function read(row: string, method = 'getRow', more: object = {}): Promise<string[]> {
  const rows = (await client.call(1, method, { ...table, row: bytes(row), ...more })) as TRowResult[]
  assert.ok(rows.length <= 1)
  return namesOf(rows[0]?.columns ?? [])
}

const namesOf = (columns: readonly (readonly [Buffer, TCell])[]): string[] =>
  columns.map(([name, { value }]) => `${name.toString('latin1')}=${value?.toString('latin1')}`)

/** What an exception is and says. */
function refusal(answer: unknown): string {
  if (answer instanceof KVError) return `TApplicationException: ${answer.message}`
  const { thriftType, message } = answer as { thriftType: string; message: string }
  return `${thriftType}: ${message}`
}

describe('writes', () => {
  test('of one row remove first and put last, of several rows the other way round', async () => {
    await write('order', put('a:x', 'old'), put('a:y', 'old'))
    await write('order', put('a:x', 'new'), removal('a'))
    assert.deepEqual(await read('order'), ['a:x=new'])
    const rowBatches = [{ row: bytes('order'), mutations: [removal('a'), put('a:y', 'newer')] }]
    assert.equal(await client.call(1, 'mutateRows', { ...table, rowBatches }), null)
    assert.deepEqual(await read('order'), [])
  })

  test('without a qualifier are passed over by mutateRow, and refused by mutateRows before any row is written', async () => {
    await write('bare', put('a', 'none'), put('a:x', 'some'))
    assert.deepEqual(await read('bare'), ['a:x=some'])
    const rowBatches = [
      { row: bytes('bare first'), mutations: [put('a:x', '1')] },
      { row: bytes('bare'), mutations: [put('a', '1')] },
    ]
    assert.match(
      refusal(await client.call(1, 'mutateRows', { ...table, rowBatches })),
      /^TApplicationException: .*Internal error processing mutateRows/,
    )
    assert.deepEqual(await read('bare first'), [])
  })

  test('without a value, of an empty one and under an empty qualifier are kept and answered', async () => {
    await write('empty', put('a:x', null), put('a:', ''), put('a1:\0', ''))
    assert.deepEqual(await read('empty'), ['a1:\0=', 'a:=', 'a:x='].sort())
  })

  test('keep three versions where the table says nothing', async () => {
    for (const time of [1n, 2n, 3n, 4n]) await writeAt(time, 'kept', put('a:x', `${time}`))
    const args = { ...table, row: bytes('kept'), column: bytes('a:x'), numVersions: 2 ** 31 - 1 }
    const cells = (await client.call(1, 'getVer', args)) as TCell[]
    assert.deepEqual(
      cells.map(({ timestamp }) => timestamp),
      [4n, 3n, 2n],
    )
    assert.deepEqual(await read('kept'), ['a:x=4'], 'a row shows the newest one')
  })

  test('live as long as their family says, from their time on', async () => {
    const longAgo = BigInt(Date.now() - 2 * TTL_SECONDS * 1_000)
    await writeAt(longAgo, 'aged', put('short:x', 'dead'), put('a:x', 'living'))
    await write('aged', put('short:y', 'living'))
    assert.deepEqual(await read('aged'), ['a:x=living', 'short:y=living'])
  })
})

describe('times', () => {
  test('are exclusive where they are read, and inclusive where they are removed', async () => {
    for (const time of [10n, 20n, 30n]) await writeAt(time, 'times', put('a:x', `${time}`))
    assert.deepEqual(await read('times', 'getRowTs', { timestamp: 20n }), ['a:x=10'])
    const args = { ...table, row: bytes('times'), column: bytes('a:x') }
    assert.equal(await client.call(1, 'deleteAllTs', { ...args, timestamp: 20n }), null)
    const left = (await client.call(1, 'getVer', { ...args, numVersions: 9 })) as TCell[]
    assert.deepEqual(
      left.map(({ timestamp }) => timestamp),
      [30n],
    )
  })

  test('a deletion hides what comes later and is not younger', async () => {
    await writeAt(20n, 'hidden', removal('a:x'))
    await writeAt(20n, 'hidden', put('a:x', 'as old'))
    await writeAt(19n, 'hidden', put('a:x', 'older'))
    assert.deepEqual(await read('hidden'), [])
    await writeAt(21n, 'hidden', put('a:x', 'younger'))
    assert.deepEqual(await read('hidden'), ['a:x=younger'])
  })
})

describe('removals', () => {
  test('of `family` take the family, of `family:` the column without a qualifier, of `family:q` that column', async () => {
    const columns = ['a:', 'a:x', 'a:y', 'a1:x']
    const fill = () => write('removed', ...columns.map((column) => put(column, 'v')))
    const cases: readonly [column: string, left: string[]][] = [
      ['a', ['a1:x=v']],
      ['a:', ['a1:x=v', 'a:x=v', 'a:y=v']],
      ['a:x', ['a1:x=v', 'a:=v', 'a:y=v']],
    ]
    for (const [column, left] of cases) {
      await fill()
      await write('removed', removal(column))
      assert.deepEqual(await read('removed'), left, column)
    }
  })

  test('of the second gateway take all versions unless they say otherwise; one of a family’s version has a time', async () => {
    for (const time of [1n, 2n]) await writeAt(time, 'typed', put('a:x', `${time}`))
    const remove = (columns: two.TColumn[], deleteType?: number) =>
      client.call(2, 'deleteSingle', {
        table: tableName,
        tdelete: two.makeTDelete({
          row: bytes('typed'),
          columns,
          ...(deleteType === undefined ? {} : { deleteType }),
        }),
      })
    const column = { family: bytes('a'), qualifier: bytes('x'), timestamp: null }
    assert.equal(await remove([column], two.TDeleteType.DELETE_COLUMN), null)
    assert.deepEqual(await read('typed'), ['a:x=1'])
    assert.equal(await remove([column]), null)
    assert.deepEqual(await read('typed'), [])
    assert.match(
      refusal(await remove([column], two.TDeleteType.DELETE_FAMILY_VERSION)),
      /Timestamp is required for TDelete with DeleteFamilyVersion type/,
    )
  })
})

describe('what is not there', () => {
  test('rows are left out of the first gateway’s answers, and have no row in the second one’s', async () => {
    await write('there', put('a:x', 'v'))
    assert.deepEqual(await client.call(1, 'getRow', { ...table, row: bytes('none') }), [])
    const rows = ['none', 'there', 'none too'].map(bytes)
    const found = (await client.call(1, 'getRows', { ...table, rows })) as TRowResult[]
    assert.deepEqual(
      found.map(({ row }) => row?.toString()),
      ['there'],
    )
    const tgets = rows.map((row) => two.makeTGet({ row }))
    const results = (await client.call(2, 'getMultiple', { table: tableName, tgets })) as two.TResult[]
    assert.deepEqual(
      results.map(({ row, columnValues }) => [row?.toString() ?? null, columnValues?.length]),
      [
        [null, 0],
        ['there', 1],
        [null, 0],
      ],
    )
  })

  test('a table has no regions, a scanner of it is opened, and every call for data says so', async () => {
    const none = { tableName: bytes('nowhere'), attributes: [], row: bytes('r') }
    assert.deepEqual(await client.call(1, 'getTableRegions', none), [])
    const id = await client.call(1, 'scannerOpenWithScan', { ...none, scan: makeTScan() })
    assert.equal(typeof id, 'number')
    const expected = /^IOError: org\.apache\.hadoop\.hbase\.TableNotFoundException: nowhere/
    assert.match(refusal(await client.call(1, 'scannerGet', { id })), expected)
    assert.match(refusal(await client.call(1, 'getRow', none)), expected)
    assert.match(
      refusal(await client.call(1, 'mutateRow', { ...none, mutations: [put('a:x', '')] })),
      expected,
    )
    const tget = two.makeTGet({ row: bytes('r') })
    assert.match(
      refusal(await client.call(2, 'get', { table: bytes('nowhere'), tget })),
      /^TIOError: nowhere/,
    )
  })

  test('a scanner is refused in the words of each gateway', async () => {
    for (const [method, args] of [
      ['scannerGet', { id: 4_711 }],
      ['scannerGetList', { id: 4_711, nbRows: 2 }],
      ['scannerClose', { id: 4_711 }],
    ] as const)
      assert.match(
        refusal(await client.call(1, method, args)),
        /^IllegalArgument: scanner ID is invalid/,
        method,
      )
    for (const method of ['getScannerRows', 'closeScanner'])
      assert.match(
        refusal(await client.call(2, method, { scannerId: 4_711, numRows: 2 })),
        /^TIllegalArgument: Invalid scanner Id/,
        method,
      )
  })
})

describe('scans', () => {
  test('are in the order of rows, families and qualifiers, and in pieces of a batch under the row’s key', async () => {
    await write('s2', put('a:x', '1'))
    await write('s1', put('a1:x', '4'), put('a:y', '3'), put('a:', '2'), put('a:\xff', '5'))
    const scan = makeTScan({ startRow: bytes('s'), stopRow: bytes('t'), sortColumns: true, batchSize: 3 })
    const id = await client.call(1, 'scannerOpenWithScan', { ...table, scan })
    const rows = (await client.call(1, 'scannerGetList', { id, nbRows: 9 })) as TRowResult[]
    assert.deepEqual(
      rows.map(({ row, sortedColumns }) => [
        row?.toString(),
        (sortedColumns ?? []).map(({ columnName }) => columnName?.toString('latin1')).join(' '),
      ]),
      [
        ['s1', 'a: a:y a:\xff'],
        ['s1', 'a1:x'],
        ['s2', 'a:x'],
      ],
    )
  })
})

describe('a scan of no versions', () => {
  test('finds the newest of columns that it names, and nothing of families or behind a filter', async () => {
    await write('v1', put('a:x', 'old'), put('a:y', 'y'))
    await write('v1', put('a:x', 'new'))
    const scanned = async (
      maxVersions: number,
      qualifiers: readonly (Buffer | null)[],
      filterString: Buffer | null = null,
    ): Promise<string[]> => {
      const columns = qualifiers.map((qualifier) => two.makeTColumn({ family: bytes('a'), qualifier }))
      const range = { startRow: bytes('v'), stopRow: bytes('w') }
      const tscan = two.makeTScan({ ...range, columns, maxVersions, filterString })
      const args = { table: tableName, tscan, numRows: 9 }
      const results = (await client.call(2, 'getScannerResults', args)) as two.TResult[]
      return results.flatMap(({ columnValues }) => (columnValues ?? []).map(({ value }) => String(value)))
    }
    for (const none of [0, -1]) {
      assert.deepEqual(await scanned(none, [bytes('x'), bytes('y')]), ['new', 'y'])
      assert.deepEqual(await scanned(none, [null]), [])
      assert.deepEqual(await scanned(none, []), [])
      assert.deepEqual(await scanned(none, [bytes('x')], bytes('KeyOnlyFilter()')), [])
    }
  })
})

describe('counters', () => {
  test('wrap at 64 bits, and what has another length is none, whatever adds to it', async () => {
    const row = { ...table, row: bytes('counted') }
    const add = (column: string, value: bigint) =>
      client.call(1, 'atomicIncrement', { ...row, column: bytes(column), value })
    assert.equal(await add('a:n', 2n ** 63n - 1n), 2n ** 63n - 1n)
    assert.equal(await add('a:n', 1n), -(2n ** 63n))
    await write('counted', put('a:text', 'five!'))
    const increment = makeTIncrement({ table: tableName, row: row.row, column: bytes('a:text'), ammount: 1n })
    const columns = ['n', 'text'].map((name) => ({ family: bytes('a'), qualifier: bytes(name), amount: 1n }))
    const tincrement = two.makeTIncrement({ row: row.row, columns })
    for (const answer of [
      await add('a:text', 1n),
      await client.call(1, 'increment', { increment }),
      await client.call(1, 'incrementRows', { increments: [increment] }),
      await client.call(2, 'increment', { table: tableName, tincrement }),
    ])
      assert.match(
        refusal(answer),
        /^T?IOError: org\.apache\.hadoop\.hbase\.DoNotRetryIOException: .*Field is not a long, it's 5 bytes wide/,
      )
    assert.equal(await add('a:n', 0n), -(2n ** 63n), 'the column beside it was not counted, either')
  })
})

describe('sizes', () => {
  test('rows have 1 to 32,767 bytes and cells 10 MiB with their names; more is refused, and nothing of it is written', async () => {
    const longest = 'r'.repeat(32_767)
    await write(longest, put('a:x', 'v'))
    assert.deepEqual(await read(longest), ['a:x=v'])
    const tooLong = { ...table, row: bytes(`${longest}r`), mutations: [put('a:x', 'v')] }
    assert.match(refusal(await client.call(1, 'mutateRow', tooLong)), /Row length 32768 is > 32767/)
    assert.match(
      refusal(await client.call(1, 'mutateRow', { ...tooLong, row: bytes('') })),
      /Row length is 0/,
    )
    const rowBatches = [
      { row: bytes('first of a batch'), mutations: [put('a:x', 'v')] },
      { row: tooLong.row, mutations: [put('a:x', 'v')] },
    ]
    assert.match(refusal(await client.call(1, 'mutateRows', { ...table, rowBatches })), /Row length 32768/)
    assert.deepEqual(await read('first of a batch'), [])
    const large = [put('a:small', 'v'), put('a:x', 'x'.repeat(10_485_760))]
    const args = { ...table, row: bytes('large'), mutations: large }
    assert.match(
      refusal(await client.call(1, 'mutateRow', args)),
      /^IllegalArgument: .*KeyValue size too large/,
    )
    assert.deepEqual(await read('large'), [])
  })
})
