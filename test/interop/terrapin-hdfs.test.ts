/**
 * loadFileSet over a real HDFS: file sets of ten partitions that HBase 0.94 wrote into it go live under clients that read,
 * and what HDFS refuses or loses fails the load by name.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { Uploader } from '../support/file-sets.js'
import { Gateway, MAIN } from '../support/gateway.js'
import { Hdfs } from './hdfs.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n' +
  '  terrapin: { port: 0, enabled: true }\n  terrapinController: { port: 0, enabled: true }\n'
const PARTITIONS = 10
const KEYS = 2_000
const ROUNDS = 4
const KEYS_AT_ONCE = 20
const READ_PAUSE_MS = 5

let hdfs: Hdfs | null = null
let lack = ''
let gateway: Gateway | null = null
let uploader: Uploader | null = null

before(async () => {
  const started = await Hdfs.start()
  if (typeof started === 'string') {
    lack = started
    return
  }
  hdfs = started
  const config =
    `objects:\n  webhdfs: { urls: ["http://127.0.0.1:${hdfs.httpPort}"], user: terrapin }\n` +
    'terrapin:\n  owner: { name: pins-team, contact: pins@example.org }\n'
  gateway = await Gateway.start({ ports: PORTS, config })
  uploader = new Uploader(gateway.port('terrapinController'))
})

after(async () => {
  await uploader?.close()
  await gateway?.dispose()
  await hdfs?.dispose()
})

/** Null: the test was left out. */
function worldOf(t: TestContext): { hdfs: Hdfs; gateway: Gateway } | null {
  if (hdfs !== null && gateway !== null) return { hdfs, gateway }
  t.skip(`not run: ${lack}`)
  return null
}

function directoryOf(fileSet: string, number: number): string {
  return `/terrapin/data/${fileSet}/${1_448_390_400_000 + number}`
}

function load(fileSet: string, number: number): Promise<string> {
  assert.ok(uploader !== null)
  const hdfsDirectory = directoryOf(fileSet, number)
  return uploader.load({ fileSet, hdfsDirectory, expectedNumPartitions: PARTITIONS, numVersionsToKeep: 2 })
}

/** Reads until it is told to stop, and tells of each answer which rounds its values are of. */
interface Reader {
  readonly rounds: Set<string>
  reads: number
  stop(): Promise<void>
}

function readOn(read: (keys: readonly string[]) => Promise<readonly string[]>): Reader {
  const state = { isOver: false, last: 0 }
  const reader: Reader = { rounds: new Set(), reads: 0, stop: () => ((state.isOver = true), run) }
  const go = async () => {
    for (let at = 2; !state.isOver; at = ((at + 137) % (KEYS - KEYS_AT_ONCE - 2)) + 2) {
      const keys = Array.from({ length: KEYS_AT_ONCE }, (_, index) => String(at + index).padStart(6, '0'))
      const values = await read(keys)
      const rounds = new Set(values.map((value) => value.slice(value.indexOf('-') + 1)))
      assert.deepEqual(
        values,
        keys.slice(0, values.length).map((key) => `v${key}-${[...rounds].join('|')}`),
      )
      const [round = ''] = rounds
      assert.ok(Number(round) >= state.last, `round ${round} came behind round ${state.last}`)
      state.last = Number(round)
      reader.rounds.add(round)
      reader.reads++
      // The gateway's part of the machine is what is looked at.
      await pause(READ_PAUSE_MS)
    }
  }
  const run = go()
  // A failure is told by stop.
  run.catch(() => undefined)
  return reader
}

function calling<R>(
  call: (done: (outcome: { value: R | null; exception: object | null } | KVError) => void) => void,
): Promise<R> {
  return new Promise((resolve, reject) => {
    call((outcome) => {
      if (outcome instanceof KVError) reject(outcome)
      else if (outcome.value === null) reject(new Error(JSON.stringify(outcome.exception)))
      else resolve(outcome.value)
    })
  })
}

function terrapinReads(client: ThriftClient) {
  const { get, multiGet } = wire.TerrapinServiceMethods
  const clusterList = ['local']
  const forEver = Number.POSITIVE_INFINITY
  return {
    one: async ([key = '']: readonly string[]) => {
      const request = wire.makeTerrapinGetRequest({ clusterList, fileSet: 'pins', key: Buffer.from(key) })
      const { value } = await calling<wire.TerrapinSingleResponse>((done) => {
        client.call(get, { request }, forEver, done)
      })
      return [String(value)]
    },
    many: async (keys: readonly string[]) => {
      const keyList = keys.map((key) => Buffer.from(key))
      const request = wire.makeTerrapinMultiGetRequest({ clusterList, fileSet: 'pins', keyList })
      const { responseMap } = await calling<wire.TerrapinResponse>((done) => {
        client.call(multiGet, { request }, forEver, done)
      })
      const found = new Map(responseMap?.map(([key, { value }]) => [key.toString(), String(value)]))
      return keys.map((key) => found.get(key) ?? 'missing')
    },
  }
}

test('ten partitions of HBase go live again and again under readers, without an error or a mixed answer', async (t) => {
  const world = worldOf(t)
  if (world === null) return
  const { hdfs, gateway } = world
  const size = { partitions: PARTITIONS, keys: KEYS }
  await hdfs.write(directoryOf('pins', 1), { ...size, round: 1 })
  assert.equal(await load('pins', 1), 'ok')
  const [single, several] = [1, 2].map(
    () => new ThriftClient({ name: 'terrapin', host: '127.0.0.1', port: gateway.port('terrapin') }),
  )
  assert.ok(single !== undefined && several !== undefined)
  const stock = await gateway.connect()
  const readers = [
    readOn(terrapinReads(single).one),
    readOn(terrapinReads(several).many),
    readOn(async (keys) => {
      const { rows } = await stock.multiGet({ dataset: 'pins', keys: [...keys] })
      return rows.map(({ value }) => String(value))
    }),
  ]
  for (let round = 2; round <= ROUNDS; round++) {
    await hdfs.write(directoryOf('pins', round), { ...size, round })
    assert.equal(await load('pins', round), 'ok')
  }
  // The newest round reaches every reader.
  while (readers.some(({ rounds }) => !rounds.has(String(ROUNDS)))) await pause(10)
  for (const reader of readers) await reader.stop()
  const rounds = Array.from({ length: ROUNDS }, (_, index) => String(index + 1))
  for (const reader of readers) assert.deepEqual([...reader.rounds].sort(), rounds)
  t.diagnostic(
    `reads while ${ROUNDS - 1} versions went live: ${readers.map(({ reads }) => reads).join(', ')}`,
  )
  for (const client of [single, several]) await client.close()
  stock.close()
})

async function versionsOf(fileSet: string): Promise<readonly { id: number; state: string }[]> {
  assert.ok(gateway !== null)
  const answer = await gateway.admin('GET', `/v1/datasets/${fileSet}`)
  return (answer.body as { dataset: { versions: { id: number; state: string }[] } }).dataset.versions
}

test('what HDFS refuses or loses fails the load by name, and the served version stays', async (t) => {
  const world = worldOf(t)
  if (world === null) return
  const { hdfs } = world
  const size = { partitions: PARTITIONS, keys: 200, round: 9 }
  await hdfs.write(directoryOf('pins', 9), size)
  await hdfs.command(`mode ${directoryOf('pins', 9)} 700`)
  assert.match(await load('pins', 9), /^HDFS_ERROR: .*permission is denied.*user "terrapin"/)
  await hdfs.command(`mode ${directoryOf('pins', 9)} 755`)
  await hdfs.command(`mode ${directoryOf('pins', 9)}/part-00003 600`)
  assert.match(await load('pins', 9), /^INVALID_DATA_SET: .*part-00003.*permission is denied/)
  await hdfs.command(`mode ${directoryOf('pins', 9)}/part-00003 644`)
  await hdfs.command(`remove ${directoryOf('pins', 9)}/part-00009`)
  assert.match(
    await load('pins', 9),
    /^INVALID_DATA_SET: Partition count mismatch .* FOUND : 9 EXPECTED : 10$/,
  )
  assert.match(await load('pins', 10), /^HDFS_ERROR: .*no such file/)
  await hdfs.write(directoryOf('pins', 11), size)
  const lost = load('pins', 11)
  while (!(await versionsOf('pins')).some(({ id, state }) => id % 100 === 11 && state === 'LOADING'))
    await pause(2)
  await hdfs.command(`rename ${directoryOf('pins', 11)} /terrapin/away`)
  assert.match(await lost, /^HDFS_ERROR: .*1448390400011/)
  const current = (await versionsOf('pins')).filter(({ state }) => state === 'CURRENT')
  assert.deepEqual(
    current.map(({ id }) => id),
    [1_448_390_400_000 + ROUNDS],
  )
})

test('the command line loads from HDFS as well', async (t) => {
  const world = worldOf(t)
  if (world === null) return
  const { hdfs, gateway } = world
  await hdfs.write('/exports/boards', { partitions: 2, keys: 100, round: 1 })
  await gateway.createDataset('boards', { mode: 'BATCH' })
  const from = `hdfs://127.0.0.1:${hdfs.rpcPort}/exports/boards/`
  const server = `http://127.0.0.1:${gateway.port('admin')}`
  const args = ['load', 'boards', '--from', from, '--format', 'hfile', '--publish', '--reason', 'test']
  await promisify(execFile)(process.execPath, [MAIN, ...args, '--server', server])
  const stock = await gateway.connect()
  const { value } = await stock.get({ dataset: 'boards', key: '000007' })
  assert.equal(String(value), 'v000007-1')
  stock.close()
})
