/** What a fat client asks that has not heard of the newest publish, of file sets that leaf processes serve. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { Uploader, writeParts } from '../support/file-sets.js'
import { Gateway } from '../support/gateway.js'
import { placed, putCluster, startLeaf } from '../support/leaf-processes.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n' +
  '  terrapinInternal: { port: 0, enabled: true }\n  terrapinController: { port: 0, enabled: true }\n'
const FIRST = 1448390400001
const SECOND = 1448390400002

let gateway: Gateway
let leaves: Gateway[] = []
let client: ThriftClient
let hdfs = ''

before(async () => {
  hdfs = mkdtempSync(join(tmpdir(), 'godwit-hdfs-'))
  const owner = '  cluster: tier\n  owner: { name: pins-team, contact: pins@example.org }\n'
  const config = `terrapin:\n${owner}  root: "${pathToFileURL(hdfs).href}"\n`
  ;[gateway, ...leaves] = await Promise.all([
    Gateway.start({ ports: PORTS, config }),
    startLeaf(),
    startLeaf(),
  ])
  const [a, b] = leaves
  assert.ok(a !== undefined && b !== undefined)
  await putCluster(gateway, 'tier', { a, b })
  client = new ThriftClient({ name: 'fat', host: '127.0.0.1', port: gateway.port('terrapinInternal') })
})

after(async () => {
  await client.close()
  await Promise.all([gateway, ...leaves].map((one) => one.dispose()))
  rmSync(hdfs, { recursive: true, force: true })
})

async function load(fileSet: string, version: number): Promise<void> {
  const hdfsDirectory = `/terrapin/data/${fileSet}/${version}`
  writeParts(join(hdfs, hdfsDirectory), { 'part-00000': 'snappy-1000.hfile' })
  const uploader = new Uploader(gateway.port('terrapinController'))
  const call = { fileSet, hdfsDirectory, expectedNumPartitions: 1, numVersionsToKeep: 1 }
  assert.equal(await uploader.load(call), 'ok')
  await uploader.close()
}

/** The value of one key, or its error's code. */
function read(fileSet: string, version: number): Promise<string | number | null> {
  const resource = `$terrapin$data$${fileSet}$${version}`
  const key = wire.makeMultiKey({ key: [Buffer.from('000005')], resource, partition: '0' })
  const request = wire.makeTerrapinInternalGetRequest({ keyList: [key] })
  return new Promise((resolve, reject) => {
    const { get } = wire.TerrapinServerInternalMethods
    client.call(get, { request }, Number.POSITIVE_INFINITY, (outcome) => {
      if (outcome instanceof KVError) reject(outcome)
      else {
        const [, answer] = outcome.value?.responseMap?.[0] ?? []
        resolve(answer?.errorCode ?? answer?.value?.toString() ?? null)
      }
    })
  })
}

test('of a file set that keeps one version the one before answers for a while, from the leaves that have it', async () => {
  await load('pins', FIRST)
  await placed(gateway, 'pins', FIRST)
  const answers = new Set<string | number | null>()
  const state = { isOver: false }
  const reading = (async () => {
    while (!state.isOver) answers.add(await read('pins', FIRST))
  })()
  await load('pins', SECOND)
  await placed(gateway, 'pins', SECOND)
  // Rounds that remove copies come once a second.
  await pause(2_500)
  state.isOver = true
  await reading
  assert.deepEqual([...answers], ['v6'])
  assert.equal(await read('pins', SECOND), 'v6')
})

test('also one that nobody had read before it was replaced', async () => {
  await load('quiet', FIRST)
  await placed(gateway, 'quiet', FIRST)
  await load('quiet', SECOND)
  await placed(gateway, 'quiet', SECOND)
  await pause(2_500)
  assert.equal(await read('quiet', FIRST), 'v6')
})
