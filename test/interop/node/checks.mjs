// Checks of the KVStore API with npm thrift and unedited generated code.
//
// usage: node checks.mjs PORT DATASET framed|buffered binary|compact
//
// Prints one line a check, `ok NAME` or `not ok NAME: REASON`, and ends with 1 when any failed.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../../src/client/generated/KVStore.js', import.meta.url))
const thrift = require('thrift')
const KVStore = require('./KVStore.js')
const types = require('./kvstore_types.js')

const I64_MIN = -(2n ** 63n)
const I64_MAX = 2n ** 63n - 1n
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const [port, dataset, transport, protocol] = process.argv.slice(2)
const prefix = `node-${transport}-${protocol}-`
const connection = thrift.createConnection('127.0.0.1', Number(port), {
  transport: transport === 'framed' ? thrift.TFramedTransport : thrift.TBufferedTransport,
  protocol: protocol === 'binary' ? thrift.TBinaryProtocol : thrift.TCompactProtocol,
})
// Stock code leaves calls without an answer for ever when the connection is lost.
connection.on('error', (error) => fail(error))
connection.on('close', () => fail('the connection was closed'))
const client = thrift.createClient(KVStore, connection)

function fail(reason) {
  console.log(`not ok connection: ${reason}`)
  process.exit(1)
}

const bytes = (text) => (Buffer.isBuffer(text) ? text : Buffer.from(text))
const key = (name) => Buffer.concat([Buffer.from(prefix), bytes(name)])
const cell = (column, value) => ({ localKey: bytes(column), value: bytes(value) })
const only = (...names) => ({ localKeys: names.map(bytes) })
const columns = (cells) => (cells ?? []).map(({ localKey, value }) => `${localKey}=${value}`)
const put = (name, fields) => client.put(new types.PutRequest({ dataset, key: key(name), ...fields }))
const get = (name, fields) => client.get(new types.GetRequest({ dataset, key: key(name), ...fields }))

async function refusal(call) {
  const thrown = await call.then(() => assert.fail('the call succeeded')).catch((error) => error)
  assert.ok(thrown instanceof types.KVStoreException, String(thrown))
  assert.equal(thrown.message, thrown.error.message)
  return thrown.error
}

const checks = {
  async timestamps_keep_64_bits() {
    for (const at of [I64_MIN, -1n, 0n, 2n ** 53n + 1n, I64_MAX]) {
      // An Int64 is exact as long as nobody makes a number of it.
      const timestamp = thrift.fromBigInt(at)
      const written = await put(`at ${at}`, { value: bytes('v'), timestamp })
      assert.equal(thrift.toBigInt(written.timestamp), at)
      const row = await get(`at ${at}`, { options: { withTimestamps: true } })
      assert.equal(thrift.toBigInt(row.timestamp), at)
    }
  },
  async bytes_that_are_not_utf8_are_kept() {
    await put(ALL_BYTES, { value: ALL_BYTES, cells: [cell(ALL_BYTES, ALL_BYTES)] })
    const row = await get(ALL_BYTES)
    assert.deepEqual(
      [row.value, row.cells[0].localKey, row.cells[0].value],
      [ALL_BYTES, ALL_BYTES, ALL_BYTES],
    )
  },
  async empty_values_are_values() {
    await put('empty', { value: bytes('') })
    assert.deepEqual((await get('empty')).value, Buffer.alloc(0))
    assert.equal((await get('never written')).value, null)
  },
  async values_of_4_mebibytes_come_back() {
    const value = Buffer.alloc(4 * 1024 * 1024, ALL_BYTES)
    await put('large', { value })
    assert.ok((await get('large')).value.equals(value))
  },
  async columns_are_selected() {
    await put('row', { cells: [cell('c', 'C'), cell('a', 'A'), cell('b', 'B')] })
    assert.deepEqual(columns((await get('row')).cells), ['a=A', 'b=B', 'c=C'])
    assert.deepEqual(columns((await get('row', { cells: only('b', 'x') })).cells), ['b=B'])
  },
  async many_keys_are_answered_by_position() {
    await put('m1', { value: bytes('1') })
    await put('m2', { value: bytes('2') })
    const keys = ['m2', 'none', 'm1', 'm2'].map(key)
    const { rows } = await client.multiGet(new types.MultiGetRequest({ dataset, keys }))
    assert.deepEqual(
      rows.map(({ value }) => value?.toString() ?? null),
      ['2', null, '1', '2'],
    )
  },
  async rows_and_columns_are_removed() {
    await put('gone', { cells: [cell('a', '1'), cell('b', '2')] })
    await client.remove(new types.DeleteRequest({ dataset, key: key('gone'), cells: only('a') }))
    assert.deepEqual(columns((await get('gone')).cells), ['b=2'])
    await client.remove(new types.DeleteRequest({ dataset, key: key('gone') }))
    assert.equal((await get('gone')).cells, null)
  },
  async rows_written_together_are_scanned_by_pages() {
    const keys = Array.from({ length: 5 }, (_, index) => key(`scan ${index}`))
    const rows = keys.map((key) => ({ key, mutations: [{ put: { value: bytes('v') } }] }))
    const written = await client.multiMutate(new types.MultiMutateRequest({ dataset, rows }))
    assert.deepEqual(
      written.rows.map(({ error }) => error),
      keys.map(() => null),
    )
    const found = []
    let pages = 0
    let pageToken = null
    do {
      const request = new types.ScanRequest({ dataset, keyPrefix: key('scan '), pageRows: 2, pageToken })
      const page = await client.scan(request)
      found.push(...page.rows.map((row) => row.key.toString()))
      pageToken = page.nextPageToken
      pages++
    } while (pageToken !== null)
    assert.deepEqual(found.sort(), keys.map(String))
    assert.ok(pages >= 3)
  },
  async a_change_is_made_on_its_condition_only() {
    await put('state', { cells: [cell('s', 'new')] })
    const change = new types.MutateRequest({
      dataset,
      key: key('state'),
      mutations: [{ put: { cells: [cell('s', 'done')] } }],
      conditions: [{ localKey: bytes('s'), comparison: types.Comparison.EQUAL, value: bytes('new') }],
      returnOnConflict: only('s'),
    })
    assert.equal((await client.mutate(change)).applied, true)
    const second = await client.mutate(change)
    assert.deepEqual([second.applied, columns(second.row.cells)], [false, ['s=done']])
  },
  async counters_count_in_64_bits() {
    for (const [name, at] of Object.entries({ least: I64_MIN, most: I64_MAX })) {
      const deltas = [{ localKey: bytes(name), delta: thrift.fromBigInt(at) }]
      const answer = await client.increment(
        new types.IncrementRequest({ dataset, key: key('counters'), deltas }),
      )
      assert.equal(thrift.toBigInt(answer.counters[0].value), at)
    }
    const localKeys = ['least', 'most', 'none'].map(bytes)
    const request = new types.GetCountersRequest({ dataset, keys: [key('counters')], localKeys })
    const [{ counters }] = (await client.getCounters(request)).rows
    assert.deepEqual(
      counters.map(({ value, missing }) => [thrift.toBigInt(value), Boolean(missing)]),
      [
        [I64_MIN, false],
        [I64_MAX, false],
        [0n, true],
      ],
    )
  },
  async errors_carry_code_kind_and_retryability() {
    const { ErrorCode, ErrorKind, WriteOutcome } = types
    const missing = await refusal(client.get(new types.GetRequest({ dataset: 'nowhere', key: bytes('k') })))
    assert.deepEqual(
      [missing.code, missing.kind, missing.retryable],
      [ErrorCode.DATASET_NOT_FOUND, ErrorKind.CALLER, false],
    )
    const large = await refusal(put(Buffer.alloc(65_536), { value: bytes('v') }))
    assert.deepEqual(
      [large.code, large.kind, large.outcome],
      [ErrorCode.TOO_LARGE, ErrorKind.CAPACITY, WriteOutcome.NOT_APPLIED],
    )
  },
  async dataset_and_server_describe_themselves() {
    const info = await client.describeDataset(dataset)
    assert.deepEqual([info.name, info.owner, info.mode], [dataset, 'tests', types.DatasetMode.READ_WRITE])
    assert.equal((await client.describeServer()).apiVersion, 1)
  },
}

let failed = 0
for (const [name, check] of Object.entries(checks)) {
  try {
    await check()
    console.log(`ok ${name}`)
  } catch (error) {
    failed++
    console.log(`not ok ${name}: ${String(error.message ?? error).replaceAll(/\s+/g, ' ')}`)
  }
}
process.exit(failed === 0 ? 0 : 1)
