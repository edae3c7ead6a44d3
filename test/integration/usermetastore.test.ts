/** UserMetaStore over a whole gateway: every method, what HBase's users lean on, and what bad input gets. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as wire from '../../src/thrift/generated/usermetastore.js'
import { Gateway } from '../support/gateway.js'
import { UmsClient, cell, refusedWith, shown } from './usermetastore-client.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n  usermetastore: { port: 0, enabled: true }\n'
const TABLE = { keyOrder: 'ORDERED', timestampUnit: 'MILLISECONDS' }
const table = 'pins'
const WITH_TIMES = wire.makeReadOptions({ withTimestamps: true })

let gateway: Gateway
let ums: UmsClient

before(async () => {
  gateway = await Gateway.start({ ports: PORTS })
  await gateway.createDataset(table, { ...TABLE, maxCellVersions: 3 })
  await gateway.createDataset('single', TABLE)
  await gateway.createDataset('salted', { timestampUnit: 'MILLISECONDS', defaultTtlSeconds: 3_600 })
  await gateway.createDataset('micro', { keyOrder: 'ORDERED' })
  await gateway.createDataset('loaded', { mode: 'BATCH', timestampUnit: 'MILLISECONDS' })
  ums = new UmsClient(gateway.port('usermetastore'))
})

after(async () => {
  await ums.close()
  await gateway.dispose()
})

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const selector = (given: Partial<wire.ColumnSelector>) => wire.makeColumnSelector(given)
const once = (requestId: string) => wire.makeWriteOptions({ requestId: bytes(requestId) })

async function stateOf(key: string, maxVersions = 3): Promise<string[]> {
  const row = await ums.get({
    table,
    key: bytes(key),
    columns: selector({ maxVersions }),
    options: WITH_TIMES,
  })
  return shown(row.cells)
}

describe('rows', () => {
  test('what is put is read back, in column order, an empty value and an empty name among it', async () => {
    const key = bytes('row')
    const stamp = (await ums.put({ table, key, cells: [cell('b', '2'), cell('', ''), cell('a\0\xff', '1')] }))
      .timestamp
    const row = await ums.get({ table, key })
    assert.deepEqual(shown(row.cells), ['=', 'a\0\xff=1', 'b=2'])
    assert.deepEqual([row.key, row.stale, row.truncated], [key, null, null])
    assert.ok(stamp !== null && Math.abs(Number(stamp) - Date.now()) < 60_000, 'milliseconds')
    assert.deepEqual((await ums.get({ table, key: bytes('none') })).cells, [])
  })

  test('times that the server makes rise per row, however fast it is written', async () => {
    const stamps = await Promise.all(
      Array.from({ length: 20 }, () => ums.put({ table, key: bytes('rising'), cells: [cell('c', 'v')] })),
    )
    const times = stamps.map(({ timestamp }) => Number(timestamp))
    assert.equal(new Set(times).size, 20, times.join())
  })

  test('selectors intersect, and a limit says that it left columns out', async () => {
    const key = bytes('wide')
    await ums.put({
      table,
      key,
      cells: ['a1', 'a2', 'a3', 'b1'].map((name) => cell(name, name)),
    })
    const names = async (given: Partial<wire.ColumnSelector>) => {
      const row = await ums.get({ table, key, columns: selector(given) })
      return `${(row.cells ?? []).map(({ column }) => column?.toString()).join()}${row.truncated ? ' +' : ''}`
    }
    assert.equal(await names({ prefix: bytes('a'), startColumn: bytes('a2') }), 'a2,a3')
    assert.equal(await names({ columns: ['b1', 'a1', 'a1', 'x'].map(bytes), prefix: bytes('a') }), 'a1')
    assert.equal(await names({ columns: [bytes('b1')], prefix: bytes('a') }), '')
    assert.equal(await names({ limit: 2 }), 'a1,a2 +')
    assert.equal(await names({ limit: 4 }), 'a1,a2,a3,b1')
    assert.equal(await names({ endColumn: bytes('a3'), limit: 1 }), 'a1 +')
    assert.equal(await names({ startColumn: bytes('b'), endColumn: bytes('a') }), '')
    assert.equal(await names({ minTimestamp: 5n, maxTimestamp: 5n }), '')
  })

  test('multiGet answers one row a key, in order, repeats and missing ones included', async () => {
    await ums.put({ table, key: bytes('m'), cells: [cell('c', 'v')] })
    const { rows } = await ums.multiGet({ table, keys: ['m', 'nothing', 'm'].map(bytes) })
    assert.deepEqual(
      rows?.map(({ row, error }) => [row?.key?.toString(), shown(row?.cells ?? null), error]),
      [
        ['m', ['c=v'], null],
        ['nothing', [], null],
        ['m', ['c=v'], null],
      ],
    )
  })
})

describe('versions and deletions', () => {
  test('as many versions are kept as the table says, the newest first; one put may write several', async () => {
    const key = bytes('versions')
    await ums.put({ table, key, cells: [cell('c', '1', 10n), cell('c', '3', 30n), cell('c', '2', 20n)] })
    await ums.put({ table, key, cells: [cell('c', '4', 40n), cell('c', 'old', 5n), cell('c', 'last', 5n)] })
    assert.deepEqual(await stateOf('versions', 9), ['c=4@40', 'c=3@30', 'c=2@20'])
    const columns = selector({ maxVersions: 9, minTimestamp: 20n, maxTimestamp: 40n })
    const row = await ums.get({ table, key, columns, options: WITH_TIMES })
    assert.deepEqual(shown(row.cells), ['c=3@30', 'c=2@20'])
  })

  test('a removal takes everything up to its time, and a later put below it stays invisible', async () => {
    const key = bytes('removed')
    const put = (time: bigint) => ums.put({ table, key, cells: [cell('c', `${time}`)], timestamp: time })
    await put(10n)
    await put(30n)
    await ums.remove({ table, key, columns: [bytes('c')], timestamp: 20n })
    assert.deepEqual(await stateOf('removed'), ['c=30@30'])
    await put(15n)
    await put(20n)
    assert.deepEqual(await stateOf('removed'), ['c=30@30'])
    await put(21n)
    assert.deepEqual(await stateOf('removed'), ['c=30@30', 'c=21@21'])
    await ums.remove({ table, key, timestamp: 30n })
    assert.deepEqual(await stateOf('removed'), [])
  })

  test('exactVersion takes one version and uncovers the one before it', async () => {
    const key = bytes('exact')
    for (const time of [10n, 20n]) await ums.put({ table, key, cells: [cell('c', `${time}`, time)] })
    await ums.remove({ table, key, columns: [bytes('c')], timestamp: 20n, exactVersion: true })
    assert.deepEqual(await stateOf('exact'), ['c=10@10'])
    await assert.rejects(
      ums.remove({ table, key, exactVersion: true }),
      refusedWith('INVALID_REQUEST', /exactVersion without/),
    )
  })

  test('a TTL counts from the time of the cell: a backdated put is born dead', async () => {
    const key = bytes('ttl')
    const now = BigInt(Date.now())
    await ums.put({ table, key, cells: [cell('live', '1')], ttlSeconds: 600 })
    await ums.put({ table, key, cells: [cell('dead', '1')], ttlSeconds: 600, timestamp: now - 700_000n })
    const row = await ums.get({ table, key })
    assert.deepEqual(shown(row.cells), ['live=1'])
    const cells = [cell('dead', '1', now - 3_601_000n), cell('live', '1', now - 3_000_000n)]
    await ums.put({ table: 'salted', key, cells })
    assert.deepEqual(shown((await ums.get({ table: 'salted', key })).cells), ['live=1'])
    await ums.remove({ table: 'salted', key })
  })

  test('the greatest time means now, as in HBase, and does not block the writes behind it', async () => {
    const key = bytes('latest')
    const { timestamp } = await ums.put({ table, key, cells: [cell('c', '1', 2n ** 63n - 1n)] })
    assert.ok(Number(timestamp) < Date.now() + 60_000)
    await ums.put({ table, key, cells: [cell('c', '2')] })
    assert.deepEqual(shown((await ums.get({ table, key })).cells), ['c=2'])
  })
})

describe('conditions, counters and appends', () => {
  test('checkAndPut and checkAndRemove act if the column holds what is expected, and say what it held', async () => {
    const key = bytes('check')
    const column = bytes('c')
    const check = (expected: string | null) => {
      return wire.makeCheck({ column, expected: expected === null ? null : bytes(expected) })
    }
    const put = (expected: string | null, value: string) =>
      ums.checkAndPut({ table, key, check: check(expected), cells: [cell('c', value)] })
    assert.deepEqual(await put('', 'no'), { applied: false, actual: null })
    assert.deepEqual(await put(null, ''), { applied: true, actual: null })
    assert.deepEqual(await put(null, 'no'), { applied: false, actual: bytes('') })
    assert.deepEqual(await put('', 'v2'), { applied: true, actual: null })
    const remove = (expected: string) => ums.checkAndRemove({ table, key, check: check(expected) })
    assert.deepEqual(await remove('v1'), { applied: false, actual: bytes('v2') })
    assert.deepEqual(await remove('v2'), { applied: true, actual: null })
    assert.deepEqual(await stateOf('check'), [])
  })

  test('of many that check for the same value one is applied', async () => {
    const request = {
      table,
      key: bytes('race'),
      check: wire.makeCheck({ column: bytes('c') }),
      cells: [cell('c', 'v')],
    }
    const results = await Promise.all(Array.from({ length: 20 }, () => ums.checkAndPut(request)))
    assert.equal(results.filter(({ applied }) => applied).length, 1)
  })

  test('counters add, start from nothing, and are read beside those that do not exist', async () => {
    const key = bytes('counter')
    const delta = (column: string, by: bigint) => ({ column: bytes(column), delta: by })
    const first = await ums.increment({ table, key, deltas: [delta('n', 5n), delta('m', -1n)] })
    assert.deepEqual(
      first.values?.map(({ value }) => value),
      [5n, -1n],
    )
    await ums.increment({ table, key, deltas: [delta('n', 2n)] })
    const { rows } = await ums.getCounts({ table, keys: [key, bytes('no')], columns: ['x', 'n'].map(bytes) })
    assert.deepEqual(
      rows?.map(({ values }) => values?.map(({ value, missing }) => [value, missing])),
      [
        [
          [0n, true],
          [7n, null],
        ],
        [
          [0n, true],
          [0n, true],
        ],
      ],
    )
  })

  test('a counter wraps at 64 bits, as in HBase', async () => {
    const add = (delta: bigint) =>
      ums.increment({ table, key: bytes('wraps'), deltas: [{ column: bytes('n'), delta }] })
    await add(2n ** 63n - 1n)
    assert.equal((await add(1n)).values?.[0]?.value, -(2n ** 63n))
  })

  test('a column of another length is no counter, and nothing of the increment is applied', async () => {
    const key = bytes('wrong')
    await ums.put({ table, key, cells: [cell('text', 'seven b')] })
    const deltas = ['n', 'text'].map((column) => ({ column: bytes(column), delta: 1n }))
    await assert.rejects(ums.increment({ table, key, deltas }), refusedWith('NOT_A_COUNTER', /7 bytes/))
    assert.deepEqual(shown((await ums.get({ table, key })).cells), ['text=seven b'])
    const { rows } = await ums.getCounts({ table, keys: [key], columns: [bytes('text')] })
    assert.equal(rows?.[0]?.error?.code, wire.UmsErrorCode.NOT_A_COUNTER)
  })

  test('append adds to the end and answers what became of the columns', async () => {
    const key = bytes('append')
    await ums.append({ table, key, cells: [cell('a', 'x'), cell('b', 'y')] })
    const row = await ums.append({ table, key, cells: [cell('b', 'z')] })
    assert.deepEqual(
      row.cells?.map(({ column, value }) => `${column?.toString()}=${value?.toString()}`),
      ['b=yz'],
    )
  })

  test('a repeat with the same request id is answered again and not applied again', async () => {
    const key = bytes('retry')
    const increment = () =>
      ums.increment({ table, key, deltas: [{ column: bytes('n'), delta: 3n }], options: once('i') })
    assert.deepEqual(await increment(), await increment())
    const append = () => ums.append({ table, key, cells: [cell('a', 'x')], options: once('a-1') })
    await append()
    await append()
    assert.equal(
      (await ums.get({ table, key, columns: selector({ columns: [bytes('a')] }) })).cells?.length,
      1,
    )
    const rows = [wire.makeRowPut({ key, cells: [cell('p', '1')] })]
    const multi = () => ums.multiPut({ table, rows, options: once('multi') })
    assert.deepEqual(await multi(), await multi())
    await assert.rejects(
      ums.append({ table, key, cells: [cell('a', 'other')], options: once('a-1') }),
      refusedWith('INVALID_REQUEST', /used for another write/),
    )
    assert.equal(shown((await ums.get({ table, key })).cells)[0], 'a=x')
  })
})

describe('pages', () => {
  test('scanRow pages through columns and the versions of one, whatever the size of a page', async () => {
    const key = bytes('paged')
    const cells = ['a', 'b', 'c'].flatMap((name) => [1n, 2n, 3n].map((time) => cell(name, `${time}`, time)))
    await ums.put({ table, key, cells })
    const columns = selector({ maxVersions: 2 })
    const whole = shown((await ums.get({ table, key, columns })).cells)
    assert.deepEqual(whole, ['a=3', 'a=2', 'b=3', 'b=2', 'c=3', 'c=2'])
    for (const pageSize of [1, 2, 3, 4, 6, 100]) {
      assert.deepEqual(await allCells({ table, key, columns, pageSize }), whole, `pages of ${pageSize}`)
    }
    const limited = selector({ maxVersions: 2, limit: 2 })
    for (const pageSize of [1, 3, 4]) {
      const found = await allCells({ table, key, columns: limited, pageSize })
      assert.deepEqual(found, whole.slice(0, 4), `pages of ${pageSize}`)
    }
  })

  test('scan pages through rows in key order, within bounds and up to a limit', async () => {
    const keys = ['k1', 'k2', 'k3', 'l1']
    await ums.multiPut({
      table: 'single',
      rows: keys.map((key) => wire.makeRowPut({ key: bytes(key), cells: [cell('a', key), cell('b', key)] })),
    })
    assert.deepEqual(await allKeys({ table: 'single', pageSize: 1 }), keys)
    assert.deepEqual(await allKeys({ table: 'single', keyPrefix: bytes('k'), pageSize: 2 }), keys.slice(0, 3))
    const bounds = { startKey: bytes('k2'), endKey: bytes('l1') }
    assert.deepEqual(await allKeys({ table: 'single', ...bounds }), ['k2', 'k3'])
    assert.deepEqual(await allKeys({ table: 'single', limit: 3, pageSize: 2 }), keys.slice(0, 3))
    const { rows } = await ums.scan({ table: 'single', columns: selector({ limit: 1 }) })
    assert.deepEqual(
      rows?.map(({ cells, truncated }) => [shown(cells), truncated]),
      keys.map((key) => [[`a=${key}`], true]),
    )
  })

  test('a page token is of its table and its request', async () => {
    const key = bytes('paged')
    const { nextPageToken } = await ums.scanRow({ table, key, pageSize: 1 })
    assert.ok(nextPageToken !== null)
    const other = { table, key: bytes('other'), pageToken: nextPageToken }
    await assert.rejects(ums.scanRow(other), refusedWith('BAD_PAGE_TOKEN'))
    await assert.rejects(ums.scan({ table, pageToken: nextPageToken }), refusedWith('BAD_PAGE_TOKEN'))
    const damaged = Buffer.from(nextPageToken)
    damaged[20] = (damaged[20] ?? 0) ^ 1
    await assert.rejects(ums.scanRow({ table, key, pageToken: damaged }), refusedWith('BAD_PAGE_TOKEN'))
  })

  test('a salted table is scanned whole, and not by bounds', async () => {
    await ums.put({ table: 'salted', key: bytes('s'), cells: [cell('c', 'v')] })
    assert.deepEqual(await allKeys({ table: 'salted' }), ['s'])
    await assert.rejects(ums.scan({ table: 'salted', startKey: bytes('a') }), refusedWith('UNSUPPORTED'))
  })
})

describe('tables', () => {
  test('datasets whose times are milliseconds are tables, and are described', async () => {
    assert.deepEqual(await ums.listTables(), ['loaded', table, 'salted', 'single'])
    const info = await ums.describeTable('salted')
    assert.deepEqual([info.owner, info.ordered, info.scannable], ['tests', false, true])
    assert.deepEqual([info.maxVersions, info.ttlSeconds, info.readOnly], [1, 3_600, false])
    assert.equal(info.defaultConsistency, wire.ReadConsistency.STRONG)
    assert.equal((await ums.describeTable(table)).ordered, true)
    assert.equal((await ums.ping()).apiVersion, wire.UMS_API_VERSION)
  })

  test('what is no table is not found, and a loaded one takes no writes', async () => {
    const key = bytes('k')
    const cells = [cell('c', 'v')]
    for (const name of ['micro', 'none']) {
      await assert.rejects(ums.get({ table: name, key }), refusedWith('TABLE_NOT_FOUND'))
      await assert.rejects(ums.put({ table: name, key, cells }), refusedWith('TABLE_NOT_FOUND'))
      await assert.rejects(ums.scan({ table: name }), refusedWith('TABLE_NOT_FOUND'))
      await assert.rejects(ums.describeTable(name), refusedWith('TABLE_NOT_FOUND'))
    }
    const rows = [wire.makeRowPut({ key, cells })]
    await assert.rejects(ums.multiPut({ table: 'loaded', rows }), refusedWith('READ_ONLY'))
    await assert.rejects(ums.put({ table: 'loaded', key, cells }), refusedWith('READ_ONLY'))
    await assert.rejects(ums.get({ table: 'loaded', key }), refusedWith('UNAVAILABLE'))
  })
})

describe('bad input', () => {
  const key = bytes('bad')
  const good = cell('good', '1')
  const cases: readonly (readonly [
    string,
    keyof typeof wire.UmsErrorCode,
    RegExp,
    Partial<wire.PutRequest>,
  ])[] = [
    ['no key', 'INVALID_REQUEST', /row key/, { key: null }],
    ['an empty key', 'INVALID_REQUEST', /row key/, { key: bytes('') }],
    ['a long key', 'TOO_LARGE', /32768 bytes, at most 32767/, { key: Buffer.alloc(32_768) }],
    ['no cells', 'INVALID_REQUEST', /without cells/, { cells: [] }],
    ['no column', 'INVALID_REQUEST', /without a column/, { cells: [good, { ...good, column: null }] }],
    ['a long column', 'TOO_LARGE', /column name/, { cells: [good, cell('x'.repeat(32_768), '')] }],
    ['a large value', 'TOO_LARGE', /10485761/, { cells: [good, cell('v', Buffer.alloc(10_485_761))] }],
    ['a negative time', 'INVALID_REQUEST', /timestamp of -1/, { cells: [good, cell('v', '', -1n)] }],
    ['no TTL', 'INVALID_REQUEST', /TTL of 0/, { ttlSeconds: 0 }],
    ['a strange level', 'INVALID_REQUEST', /WriteDurability 9/, { options: writeOptions({ durability: 9 }) }],
    ['a spent timeout', 'TIMEOUT', /deadline/, { options: writeOptions({ timeoutMs: 0 }) }],
    [
      'no request id',
      'INVALID_REQUEST',
      /requestId of 0/,
      { options: writeOptions({ requestId: bytes('') }) },
    ],
  ]

  function writeOptions(given: Partial<wire.WriteOptions>): wire.WriteOptions {
    return wire.makeWriteOptions(given)
  }

  for (const [name, code, pattern, change] of cases) {
    test(`a put with ${name} is refused by name and applies nothing`, async () => {
      await assert.rejects(ums.put({ table, key, cells: [good], ...change }), (failure: unknown) => {
        refusedWith(code, pattern)(failure)
        assert.equal((failure as { error: wire.UmsError }).error.outcome, wire.WriteOutcome.NOT_APPLIED)
        return true
      })
      assert.deepEqual((await ums.get({ table, key })).cells, [])
    })
  }

  test('rows of a multiPut are refused one by one, and too many of them all together', async () => {
    const rows = [
      wire.makeRowPut({ key: bytes('fine'), cells: [good] }),
      wire.makeRowPut({ key: bytes(''), cells: [good] }),
    ]
    const { results } = await ums.multiPut({ table, rows })
    assert.deepEqual(
      results?.map(({ error }) => error?.code ?? null),
      [null, wire.UmsErrorCode.INVALID_REQUEST],
    )
    const keys = new Array<Buffer>(1_001).fill(key)
    await assert.rejects(ums.multiGet({ table, keys }), refusedWith('TOO_LARGE', /1001 rows/))
    const many = keys.map(() => wire.makeRowDelete({ key }))
    await assert.rejects(ums.multiRemove({ table, rows: many }), refusedWith('TOO_LARGE'))
  })

  test('a read with options that mean nothing is refused', async () => {
    const read = (columns: Partial<wire.ColumnSelector>) =>
      ums.get({ table, key, columns: selector(columns) })
    await assert.rejects(read({ limit: 0 }), refusedWith('INVALID_REQUEST', /limit of 0/))
    await assert.rejects(read({ maxVersions: -1 }), refusedWith('INVALID_REQUEST', /maxVersions/))
    await assert.rejects(read({ prefix: Buffer.alloc(32_768) }), refusedWith('TOO_LARGE'))
    const options = wire.makeReadOptions({ consistency: 7 })
    await assert.rejects(ums.get({ table, key, options }), refusedWith('INVALID_REQUEST', /Consistency 7/))
    await assert.rejects(ums.scanRow({ table, key, pageSize: 0 }), refusedWith('INVALID_REQUEST'))
    await assert.rejects(
      ums.checkAndPut({ table, key, cells: [good] }),
      refusedWith('INVALID_REQUEST', /check/),
    )
  })
})

async function allCells(request: Partial<wire.ScanRowRequest>): Promise<string[]> {
  const found: string[] = []
  let pageToken: Buffer | null = null
  do {
    const page: wire.ScanRowResponse = await ums.scanRow({ ...request, pageToken })
    assert.ok((page.cells?.length ?? 0) <= (request.pageSize ?? 1_000))
    found.push(...shown(page.cells))
    pageToken = page.nextPageToken
  } while (pageToken !== null)
  return found
}

async function allKeys(request: Partial<wire.ScanRequest>): Promise<(string | undefined)[]> {
  const found: (string | undefined)[] = []
  let pageToken: Buffer | null = null
  do {
    const page: wire.ScanResponse = await ums.scan({ ...request, pageToken })
    found.push(...(page.rows ?? []).map(({ key }) => key?.toString()))
    pageToken = page.nextPageToken
  } while (pageToken !== null)
  return found
}
