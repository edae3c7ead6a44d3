/** loadFileSet against itself and against operators: callers, switches, cancellations and a deletion at the same time. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { Uploader, writeParts } from '../support/file-sets.js'
import { Gateway } from '../support/gateway.js'
import { root } from '../support/tree.js'
import { WebHdfsServer } from '../support/webhdfs-server.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n' +
  '  terrapin: { port: 0, enabled: true }\n  terrapinController: { port: 0, enabled: true }\n'
const TWO_PARTS = { 'part-00000': 'snappy-1000.hfile', 'part-00001': 'gz-bytes.hfile' }
const DIRECTORIES = [1, 2, 3].map((number) => `/terrapin/data/pins/144839040000${number}`)
const CALLERS_EACH = 2
/** Loads that operators end. */
const CANCELLED = 2

let gateway: Gateway
/** Where bare paths lie. */
let hdfs = ''
let webHdfs: WebHdfsServer
const uploaders: Uploader[] = []
/** Ends each. */
const readers: (() => Promise<unknown>)[] = []

before(async () => {
  hdfs = mkdtempSync(join(tmpdir(), 'godwit-hdfs-'))
  webHdfs = await WebHdfsServer.start()
  const config =
    `objects:\n  webhdfs: { urls: ["${await webHdfs.nameNode()}"] }\n` +
    'terrapin:\n  owner: { name: pins-team, contact: pins@example.org }\n' +
    `  root: "${pathToFileURL(hdfs).href}"\n`
  gateway = await Gateway.start({ ports: PORTS, config })
  for (const directory of DIRECTORIES) writeParts(join(hdfs, directory), TWO_PARTS)
})

after(async () => {
  for (const stop of readers) await stop()
  for (const uploader of uploaders) await uploader.close()
  await gateway.dispose()
  await webHdfs.close()
  rmSync(hdfs, { recursive: true, force: true })
})

/** On a connection of its own: answers come in the order of calls. */
function caller(): (hdfsDirectory: string) => Promise<string> {
  const uploader = new Uploader(gateway.port('terrapinController'))
  uploaders.push(uploader)
  return (hdfsDirectory) =>
    uploader.load({ fileSet: 'pins', hdfsDirectory, expectedNumPartitions: 2, numVersionsToKeep: 3 })
}

/** Reads one key until it is told to stop; answers how often, by what came. */
function readOn(): { stop: () => Promise<ReadonlyMap<string, number>> } {
  const client = new ThriftClient({ name: 'thin', host: '127.0.0.1', port: gateway.port('terrapin') })
  const request = wire.makeTerrapinGetRequest({
    clusterList: ['local'],
    fileSet: 'pins',
    key: Buffer.from('000999'),
  })
  const get = (): Promise<string> =>
    new Promise((resolve) => {
      client.call(wire.TerrapinServiceMethods.get, { request }, Number.POSITIVE_INFINITY, (outcome) => {
        if (outcome instanceof KVError) resolve(outcome.message)
        else resolve(outcome.exception?.message ?? String(outcome.value?.value))
      })
    })
  const state = { isOver: false }
  const go = async () => {
    const seen = new Map<string, number>()
    while (!state.isOver) {
      const answer = await get()
      seen.set(answer, (seen.get(answer) ?? 0) + 1)
      await pause(2)
    }
    await client.close()
    return seen
  }
  const run = go()
  const stop = () => ((state.isOver = true), run)
  readers.push(stop)
  return { stop }
}

async function operate(method: string, path: string): Promise<number> {
  const { headers } = await gateway.admin('GET', '/v1/datasets/pins')
  const answer = await gateway.admin(method, path, undefined, { 'if-match': headers.get('etag') ?? '' })
  return answer.status
}

/** What operators do meanwhile, in turns; answers the statuses. */
async function operateOn(isOver: () => boolean): Promise<ReadonlySet<number>> {
  const statuses = new Set<number>()
  let cancelled = 0
  for (let turn = 0; !isOver(); turn++) {
    if (turn % 3 < 2)
      statuses.add(await operate('POST', `/v1/datasets/pins/${turn % 3 === 0 ? 'rollback' : 'rollforward'}`))
    else {
      const { body } = await gateway.admin('GET', '/v1/loads')
      const running = (body as { loads: { id: string; endedAtMs: number | null }[] }).loads
      const [last] = running.filter(({ endedAtMs }) => endedAtMs === null)
      if (last !== undefined && cancelled < CANCELLED) {
        statuses.add(await operate('POST', `/v1/loads/${last.id}/cancel`))
        cancelled++
      }
    }
    await pause(20)
  }
  return statuses
}

test('readers read on, no call ends in anything but its own answer, and each directory can be served after', async () => {
  const [first = ''] = DIRECTORIES
  assert.equal(await caller()(first), 'ok')
  const reader = readOn()
  const state = { isOver: false }
  const operators = operateOn(() => state.isOver)
  const answers = await Promise.all(
    DIRECTORIES.flatMap((directory) => Array.from({ length: CALLERS_EACH }, () => caller()(directory))),
  ).finally(() => (state.isOver = true))
  const statuses = await operators
  // What an operator cancels is said to be; a change that lost against another one is asked for again.
  for (const answer of answers) assert.match(answer, /^ok$|^OTHER: the job was cancelled; start it again$/)
  for (const status of statuses) assert.ok(status < 500, String(status))
  const load = caller()
  for (const directory of DIRECTORIES) {
    assert.equal(await load(directory), 'ok')
    const { text } = await gateway.admin('GET', '/v1/datasets/pins')
    assert.match(text, new RegExp(`"id":${directory.slice(-13)},"state":"CURRENT"`))
  }
  assert.deepEqual([...(await reader.stop()).keys()], ['v1000'])
})

test('a file set that is deleted while it is loaded is gone, and comes back when it is asked for', async () => {
  const path = '/terrapin/data/pins/1448390400009'
  for (const [part, fixture] of Object.entries(TWO_PARTS)) {
    webHdfs.put(`${path}/${part}`, readFileSync(join(root, 'test', 'fixtures', 'hfile', fixture)))
  }
  // The load waits for its first bytes, so that it cannot be over before it is looked at.
  webHdfs.interfereWithData = () => true
  const directory = `hdfs://127.0.0.1${path}`
  const load = caller()
  const state = { isOver: false }
  const lost = load(directory).finally(() => (state.isOver = true))
  while (!state.isOver && !(await gateway.admin('GET', '/v1/datasets/pins')).text.includes('"LOADING"'))
    await pause(2)
  assert.equal(await operate('DELETE', '/v1/datasets/pins'), 200)
  assert.match(await lost, /^OTHER: the job was cancelled/)
  assert.equal((await gateway.admin('GET', '/v1/datasets/pins')).status, 404)
  webHdfs.interfereWithData = () => false
  assert.equal(await load(directory), 'ok')
  const reader = readOn()
  await pause(50)
  assert.deepEqual([...(await reader.stop()).keys()], ['v1000'])
})
