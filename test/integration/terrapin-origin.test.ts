/** A dataset that lives on a real Terrapin, or what passes for one: served from there under both wire APIs. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, suite, test } from 'node:test'
import { BinaryWriter } from '../../src/thrift/binary-writer.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { MessageType, type ThriftMethod } from '../../src/thrift/protocol.js'
import { FakeOrigin } from '../support/fake-origin.js'
import { nextFrame, rawSocket } from '../support/frames.js'
import { Gateway } from '../support/gateway.js'
import { type StockClient, int64, isStockException } from '../support/stock-client.js'
import { root } from '../support/tree.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n  terrapin: { port: 0, enabled: true }\n'
const UNSUPPORTED = 104
const DATASET_NOT_FOUND = 101
const SHARD_NOT_SERVING = 404
const MAX_FRAME_BYTES = 1 << 20
const LOAD_TIMEOUT_MS = 60_000
const { OTHER, READ_ERROR, PARTITION_OFFLINE, NOT_SERVING_PARTITION } = wire.TerrapinGetErrorCode
const { get, multiGet } = wire.TerrapinServiceMethods

/** The gateway with datasets `pins` and `absent` on this Terrapin. */
async function startFront(port: number, changes = ''): Promise<Gateway> {
  const settings = `{ api: terrapin, host: 127.0.0.1, port: ${port}, clusters: [local]${changes} }`
  const front = await Gateway.start({ ports: PORTS, config: `origins:\n  west: ${settings}\n` })
  for (const name of ['pins', 'absent']) {
    await front.createDataset(name, { mode: 'BATCH', migrationState: 'ORIGIN_ONLY', origin: 'west' })
  }
  return front
}

function callOf<A>(method: ThriftMethod<A, unknown, unknown>, args: A): Buffer {
  const writer = new BinaryWriter(4_096)
  writer.beginFrame(MAX_FRAME_BYTES)
  writer.writeMessageBegin(method.name, MessageType.CALL, 77)
  method.writeArgs(writer, args)
  writer.endFrame()
  return writer.take()
}

const getOf = (key: string, fileSet = 'pins', clusterList = ['local']): Buffer =>
  callOf(get, { request: wire.makeTerrapinGetRequest({ clusterList, fileSet, key: Buffer.from(key) }) })

const multiGetOf = (keys: readonly string[], fileSet = 'pins'): Buffer => {
  const keyList = keys.map((key) => Buffer.from(key))
  return callOf(multiGet, {
    request: wire.makeTerrapinMultiGetRequest({ clusterList: ['local'], fileSet, keyList }),
  })
}

/** The answer's bytes to each call, over a connection of its own. */
async function exchange(port: number, call: Buffer): Promise<string> {
  const socket = await rawSocket(port)
  socket.write(call)
  const answer = await nextFrame(socket)
  socket.destroy()
  return answer.toString('hex')
}

async function publishHFile(gateway: Gateway, dataset: string, from: string): Promise<void> {
  const load = { from, format: 'hfile', keyField: '', publish: true }
  const started = await gateway.admin('POST', `/v1/datasets/${dataset}/loads`, load)
  assert.equal(started.status, 202, started.text)
  const untilMs = performance.now() + LOAD_TIMEOUT_MS
  for (;;) {
    const { text } = await gateway.admin('GET', `/v1/datasets/${dataset}`)
    if (text.includes('"CURRENT"')) return
    assert.ok(performance.now() < untilMs, text)
    await pause(20)
  }
}

async function refusal(call: Promise<unknown>): Promise<{ code: number; message: string }> {
  try {
    await call
  } catch (error) {
    assert.ok(isStockException(error), String(error))
    return { code: error.error.code, message: error.message }
  }
  assert.fail('the call succeeded')
}

const VALUES = new Map([
  ['k1', Buffer.from('v1')],
  ['empty', Buffer.alloc(0)],
  ['bytes', Buffer.from([0, 0xff, 0x80])],
  ['', Buffer.from('under the empty key')],
])

suite('a dataset on a Terrapin', () => {
  let origin: FakeOrigin
  let front: Gateway
  let client: StockClient

  before(async () => {
    origin = await FakeOrigin.start({ values: VALUES, fileSets: ['pins'], clusters: ['local'] })
    front = await startFront(origin.port)
    client = await front.connect()
  })

  after(async () => {
    client.close()
    await front.dispose()
    await origin.close()
  })

  test("Terrapin's own clients get the origin's bytes: values, absent and empty ones, codes and exceptions", async () => {
    origin.answerKeys(['read'], READ_ERROR)
    origin.answerKeys(['offline'], PARTITION_OFFLINE)
    origin.answerKeys(['moved'], NOT_SERVING_PARTITION)
    origin.answerKeys(['odd'], OTHER)
    const keys = ['k1', 'empty', 'bytes', '', 'none', 'read', 'offline', 'moved', 'odd']
    const calls = [
      ...keys.map((key) => getOf(key)),
      getOf('k1', 'absent'),
      getOf('k1', 'pins', []),
      multiGetOf(keys),
      multiGetOf(['k1', 'k1', 'none', 'k1']),
      multiGetOf([]),
      multiGetOf(['k1'], 'absent'),
      multiGetOf([], 'absent'),
    ]
    for (const call of calls) {
      assert.equal(await exchange(front.port('terrapin'), call), await exchange(origin.port, call))
    }
    origin.heal()
  })

  test('exceptions that only a Terrapin knows pass as they came', async () => {
    for (const [code, message] of [
      [READ_ERROR, 'all of it'],
      [wire.TerrapinGetErrorCode.INVALID_FILE_SET_VIEW, 'View for file set pins not found.'],
      [OTHER, 'Failed due to java.lang.NullPointerException'],
    ] as const) {
      origin.fail({ kind: 'exception', code, message }, 2)
      const call = multiGetOf(['k1'])
      assert.equal(await exchange(front.port('terrapin'), call), await exchange(origin.port, call))
    }
  })

  test('KVStore callers read values as unnamed cells, absent and empty ones told apart', async () => {
    const dataset = 'pins'
    const rows = await client.multiGet({ dataset, keys: ['k1', 'none', 'empty', 'bytes', 'k1'] })
    const values = rows.rows.map(({ value }) => (value === null ? null : Buffer.from(value).toString('hex')))
    assert.deepEqual(values, ['7631', null, '', '00ff80', '7631'])
    const selected = await client.get({ dataset, key: 'k1', cells: { localKeys: ['', 'x'] } })
    assert.equal(selected.value?.toString(), 'v1')
    assert.equal((await client.get({ dataset, key: 'k1', cells: { localKeys: ['x'] } })).value, null)
  })

  test('a key that failed there is its own error for KVStore callers', async () => {
    origin.answerKeys(['offline'], PARTITION_OFFLINE)
    origin.answerKeys(['none'], 'unset')
    const { rows } = await client.multiGet({ dataset: 'pins', keys: ['k1', 'offline', 'none'] })
    assert.equal(rows[0]?.value?.toString(), 'v1')
    assert.equal(rows[1]?.error?.code, SHARD_NOT_SERVING)
    assert.match(rows[1].error.message ?? '', /PARTITION_OFFLINE/)
    assert.match(rows[2]?.error?.message ?? '', /neither a value nor a code/)
    origin.heal()
  })

  test('what its wire cannot show is refused by name', async () => {
    const dataset = 'pins'
    const scan = await refusal(client.call('scan', { dataset }, 'ScanRequest'))
    assert.equal(scan.code, UNSUPPORTED)
    const pinned = await refusal(client.get({ dataset, key: 'k1', options: { datasetVersion: int64(1n) } }))
    assert.equal(pinned.code, UNSUPPORTED)
    assert.equal((await refusal(client.get({ dataset: 'absent', key: 'k1' }))).code, DATASET_NOT_FOUND)
  })

  test('the gateway names itself to Finagle, and one call at a time waits on a connection', async () => {
    origin.delay(5)
    const calls = Array.from({ length: 40 }, () => client.get({ dataset: 'pins', key: 'k1' }))
    await Promise.all(calls)
    assert.deepEqual([...origin.clientIds], ['godwit'])
    assert.equal(origin.mostPipelined, 1)
    origin.heal()
  })

  test('status and metrics say how the origin is', async () => {
    const status = await front.admin('GET', '/v1/status')
    const { backends } = status.body as { backends: { name: string; role: string; isOpen: boolean }[] }
    assert.deepEqual(
      backends.map(({ name, role, isOpen }) => [name, role, isOpen]),
      [
        ['west', 'primary', false],
        ['west', 'shadow', false],
      ],
    )
    const { text } = await front.admin('GET', '/metrics')
    assert.match(text, /godwit_backend_breaker_open\{backend="west",role="primary"\} 0/)
    assert.match(text, /godwit_backend_requests_total\{backend="west",role="primary",code=""\} \d+/)
  })
})

test('a Godwit is the Terrapin of another one', async () => {
  const back = await Gateway.start({ ports: PORTS })
  const place = join(back.folder, '1448390400000')
  mkdirSync(place)
  copyFileSync(join(root, 'test', 'fixtures', 'hfile', 'snappy-1000.hfile'), join(place, 'part-00000'))
  await back.createDataset('pins', { mode: 'BATCH' })
  await publishHFile(back, 'pins', place)
  const front = await startFront(back.port('terrapin'), ', pipelining: on')
  try {
    const some = Array.from({ length: 1_200 }, (_, index) => String(index).padStart(6, '0'))
    for (const call of [multiGetOf(some), getOf('000500'), getOf('nobody'), multiGetOf(['000001', 'x'])]) {
      assert.equal(await exchange(front.port('terrapin'), call), await exchange(back.port('terrapin'), call))
    }
    const [direct, proxied] = [await back.connect(), await front.connect()]
    const read = (client: StockClient) => client.multiGet({ dataset: 'pins', keys: ['000500', 'nobody'] })
    assert.deepEqual((await read(proxied)).rows, (await read(direct)).rows)
    direct.close()
    proxied.close()
  } finally {
    await front.dispose()
    await back.dispose()
  }
})
