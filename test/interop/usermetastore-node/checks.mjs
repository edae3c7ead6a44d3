// Checks of UserMetaStore with npm thrift and unedited generated code.
//
// usage: node checks.mjs FOLDER PORT TABLE framed|buffered binary|compact
//
// FOLDER is what build.sh made. TABLE is empty, keeps keys in order and three versions of a cell.
// Prints one line a check, `ok NAME` or `not ok NAME: REASON`, and ends with 1 when any failed.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [folder, port, table, transport, protocol] = process.argv.slice(2)
const require = createRequire(join(folder, 'generated', 'UserMetaStore.js'))
const thrift = require('thrift')
const UserMetaStore = require('./UserMetaStore.js')
const types = require('./usermetastore_types.js')

const I64_MIN = -(2n ** 63n)
const I64_MAX = 2n ** 63n - 1n
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const { UmsErrorCode, WriteDurability, WriteOutcome } = types
const connection = thrift.createConnection('127.0.0.1', Number(port), {
  transport: transport === 'framed' ? thrift.TFramedTransport : thrift.TBufferedTransport,
  protocol: protocol === 'binary' ? thrift.TBinaryProtocol : thrift.TCompactProtocol,
})
// Stock code leaves calls without an answer for ever when the connection is lost.
connection.on('error', (error) => fail(error))
connection.on('close', () => fail('the connection was closed'))
const client = thrift.createClient(UserMetaStore, connection)

function fail(reason) {
  console.log(`not ok connection: ${reason}`)
  process.exit(1)
}

const bytes = (text) => (Buffer.isBuffer(text) ? text : Buffer.from(text))
const cell = (column, value, timestamp) =>
  new types.Cell({
    column: bytes(column),
    value: bytes(value),
    timestamp: timestamp === undefined ? undefined : thrift.fromBigInt(timestamp),
  })
const put = (key, cells) => client.put(new types.PutRequest({ table, key: bytes(key), cells }))

async function cellsOf(key, selector = {}) {
  const options = new types.ReadOptions({ withTimestamps: true })
  const columns = new types.ColumnSelector(selector)
  const row = await client.get(new types.GetRequest({ table, key: bytes(key), columns, options }))
  assert.deepEqual(row.key, bytes(key))
  return row.cells
}

async function textsOf(key, selector) {
  return (await cellsOf(key, selector)).map(({ column, value }) => `${column}=${value}`)
}

async function increment(key, delta, options) {
  const deltas = [new types.CounterDelta({ column: bytes('n'), delta: thrift.fromBigInt(delta) })]
  const { values } = await client.increment(
    new types.IncrementRequest({ table, key: bytes(key), deltas, options }),
  )
  return values.map(({ value }) => thrift.toBigInt(value))
}

async function refused(code, call) {
  const thrown = await call.then(() => assert.fail('the call succeeded')).catch((error) => error)
  assert.ok(thrown instanceof types.UmsException, String(thrown))
  assert.equal(thrown.message, thrown.error.message)
  assert.equal(thrown.error.code, code)
  return thrown.error
}

/** What every page answers, one behind the other. */
async function pagesOf(next) {
  const pages = []
  let pageToken
  do {
    const page = await next(pageToken)
    pages.push(page)
    pageToken = page.nextPageToken ?? undefined
  } while (pageToken !== undefined)
  return pages
}

const checks = {
  async bytes_that_are_not_utf8_are_kept() {
    const named = [bytes(''), ALL_BYTES, bytes('f\0q')]
    await put(ALL_BYTES, [
      cell(ALL_BYTES, ALL_BYTES),
      cell('', Buffer.from([0x80])),
      cell('f\0q', Buffer.from([0xff])),
    ])
    const cells = await cellsOf(ALL_BYTES)
    assert.deepEqual(
      cells.map(({ column }) => column),
      named,
    )
    assert.deepEqual(
      cells.map(({ value }) => value),
      [Buffer.from([0x80]), ALL_BYTES, Buffer.from([0xff])],
    )
  },
  async an_empty_value_is_no_missing_column() {
    await put('empty', [cell('c', '')])
    assert.deepEqual(await textsOf('empty'), ['c='])
    assert.deepEqual(await textsOf('empty', { columns: [bytes('d')] }), [])
    assert.deepEqual(await textsOf('nothing'), [])
  },
  async timestamps_and_counters_keep_64_bits() {
    const time = I64_MAX - 1n
    const { timestamp } = await put('times', [cell('c', 'v', time)])
    assert.equal(thrift.toBigInt(timestamp), time)
    assert.deepEqual(
      (await cellsOf('times')).map((one) => thrift.toBigInt(one.timestamp)),
      [time],
    )
    assert.deepEqual(await increment('counter', I64_MAX), [I64_MAX])
    assert.deepEqual(await increment('counter', 1n), [I64_MIN])
  },
  async versions_come_newest_first() {
    const times = [10n, 40n, 20n, 30n]
    await put(
      'versions',
      times.map((time) => cell('c', String(time), time)),
    )
    assert.deepEqual(await textsOf('versions', { maxVersions: 9 }), ['c=40', 'c=30', 'c=20'])
    const between = {
      maxVersions: 9,
      minTimestamp: thrift.fromBigInt(20n),
      maxTimestamp: thrift.fromBigInt(40n),
    }
    assert.deepEqual(await textsOf('versions', between), ['c=30', 'c=20'])
  },
  async rows_are_removed_up_to_a_time() {
    await put('removed', [cell('a', 'old', 10n), cell('b', 'new', 30n)])
    const timestamp = thrift.fromBigInt(20n)
    await client.remove(new types.DeleteRequest({ table, key: bytes('removed'), timestamp }))
    assert.deepEqual(await textsOf('removed'), ['b=new'])
    await put('removed', [cell('a', 'late', 15n)])
    assert.deepEqual(await textsOf('removed'), ['b=new'])
  },
  async a_change_is_made_on_its_condition_only() {
    const key = bytes('checked')
    const checkAndPut = async (expected, value) => {
      const check = new types.Check({ column: bytes('c'), expected })
      const request = new types.CheckAndPutRequest({ table, key, check, cells: [cell('c', value)] })
      const { applied, actual } = await client.checkAndPut(request)
      return [applied, actual?.toString()]
    }
    assert.deepEqual(await checkAndPut(bytes('v'), 'no'), [false, undefined])
    assert.deepEqual(await checkAndPut(undefined, 'v'), [true, undefined])
    assert.deepEqual(await checkAndPut(undefined, 'no'), [false, 'v'])
    const check = new types.Check({ column: bytes('c'), expected: bytes('v') })
    const removed = await client.checkAndRemove(new types.CheckAndDeleteRequest({ table, key, check }))
    assert.equal(removed.applied, true)
    assert.deepEqual(await textsOf('checked'), [])
  },
  async a_repeated_increment_counts_once() {
    const requestId = Buffer.from([0xff, 0, 0x6f])
    const options = new types.WriteOptions({ requestId, durability: WriteDurability.FORCED })
    assert.deepEqual(await increment('retried', 5n, options), [5n])
    assert.deepEqual(await increment('retried', 5n, options), [5n])
    const keys = ['retried', 'no'].map(bytes)
    const { rows } = await client.getCounts(
      new types.GetCountsRequest({ table, keys, columns: [bytes('n')] }),
    )
    assert.deepEqual(
      rows.map(({ values: [one] }) => [thrift.toBigInt(one.value), one.missing ?? false]),
      [
        [5n, false],
        [0n, true],
      ],
    )
  },
  async values_grow() {
    const append = (value) =>
      client.append(new types.AppendRequest({ table, key: bytes('log'), cells: [cell('c', value)] }))
    await append(Buffer.from([0xff]))
    const row = await append(Buffer.from([0x00]))
    assert.deepEqual(
      row.cells.map(({ value }) => value),
      [Buffer.from([0xff, 0x00])],
    )
  },
  async many_rows_answer_each_for_itself() {
    const rows = ['m1', '', 'm2'].map((key) => new types.RowPut({ key: bytes(key), cells: [cell('c', key)] }))
    const { results } = await client.multiPut(new types.MultiPutRequest({ table, rows }))
    assert.deepEqual(
      results.map(({ error }) => error?.code ?? null),
      [null, UmsErrorCode.INVALID_REQUEST, null],
    )
    const keys = ['m2', 'm3', 'm1', 'm2'].map(bytes)
    const found = await client.multiGet(new types.MultiGetRequest({ table, keys }))
    assert.deepEqual(
      found.rows.map(({ row }) => row.cells.map(({ value }) => value.toString()).join()),
      ['m2', '', 'm1', 'm2'],
    )
    const deletes = [
      new types.RowDelete({ key: bytes('m1') }),
      new types.RowDelete({ key: bytes('m2'), columns: [bytes('x')] }),
    ]
    await client.multiRemove(new types.MultiDeleteRequest({ table, rows: deletes }))
    assert.deepEqual([await textsOf('m1'), await textsOf('m2')], [[], ['c=m2']])
  },
  async columns_and_rows_are_scanned_by_pages() {
    const names = Array.from({ length: 10 }, (_, index) => `c0${index}`)
    const keys = ['s1', 's2', 's3']
    for (const key of keys)
      await put(
        key,
        names.map((name) => cell(name, key)),
      )
    const columns = await pagesOf((pageToken) =>
      client.scanRow(new types.ScanRowRequest({ table, key: bytes('s1'), pageSize: 3, pageToken })),
    )
    assert.deepEqual(
      columns.flatMap(({ cells }) => cells.map(({ column }) => column.toString())),
      names,
    )
    const rows = await pagesOf((pageToken) => {
      const selector = new types.ColumnSelector({ limit: 2 })
      const asked = { table, keyPrefix: bytes('s'), columns: selector, pageSize: 2, pageToken }
      return client.scan(new types.ScanRequest(asked))
    })
    assert.deepEqual(
      rows.flatMap((page) =>
        page.rows.map(({ key, cells, truncated }) => `${key} ${cells.length} ${truncated}`),
      ),
      keys.map((key) => `${key} 2 true`),
    )
  },
  async tables_are_described() {
    const { name, ordered, scannable, maxVersions, readOnly } = await client.describeTable(table)
    assert.deepEqual([name, ordered, scannable, maxVersions, readOnly], [table, true, true, 3, false])
    assert.ok((await client.listTables()).includes(table))
    assert.equal((await client.ping()).apiVersion, types.UMS_API_VERSION)
  },
  async errors_carry_code_retryability_and_outcome() {
    const missing = client.get(new types.GetRequest({ table: 'nothing', key: bytes('k') }))
    const absent = await refused(UmsErrorCode.TABLE_NOT_FOUND, missing)
    assert.deepEqual([absent.retryable, absent.outcome ?? null], [false, null])
    const large = await refused(UmsErrorCode.TOO_LARGE, put('k'.repeat(32_768), [cell('c', 'v')]))
    assert.deepEqual([large.retryable, large.outcome], [false, WriteOutcome.NOT_APPLIED])
    await put('text', [cell('n', 'seven b')])
    await refused(UmsErrorCode.NOT_A_COUNTER, increment('text', 1n))
    const scan = client.scan(new types.ScanRequest({ table, pageToken: bytes('made up') }))
    await refused(UmsErrorCode.BAD_PAGE_TOKEN, scan)
  },
}

let failed = 0
for (const [name, check] of Object.entries(checks)) {
  try {
    await check()
    console.log(`ok ${name}`)
  } catch (error) {
    failed += 1
    console.log(`not ok ${name}: ${String(error.message ?? error).replaceAll('\n', ' ')}`)
  }
}
process.exit(failed === 0 ? 0 : 1)
