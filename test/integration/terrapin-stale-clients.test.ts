/** What a fat client asks that has not heard of the newest publish, of gateways that were restarted, too. */
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

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n' +
  '  terrapinInternal: { port: 0, enabled: true }\n  terrapinController: { port: 0, enabled: true }\n'

let gateway: Gateway
let hdfs = ''

before(async () => {
  hdfs = mkdtempSync(join(tmpdir(), 'godwit-hdfs-'))
  const owner = '  owner: { name: pins-team, contact: pins@example.org }\n'
  gateway = await Gateway.start({
    ports: PORTS,
    config: `terrapin:\n${owner}  root: "${pathToFileURL(hdfs).href}"\n`,
  })
})

after(async () => {
  await gateway.dispose()
  rmSync(hdfs, { recursive: true, force: true })
})

async function load(fileSet: string, version: string, numVersionsToKeep: number): Promise<void> {
  const hdfsDirectory = `/terrapin/data/${fileSet}/${version}`
  writeParts(join(hdfs, hdfsDirectory), { 'part-00000': 'snappy-1000.hfile' })
  const uploader = new Uploader(gateway.port('terrapinController'))
  assert.equal(
    await uploader.load({ fileSet, hdfsDirectory, expectedNumPartitions: 1, numVersionsToKeep }),
    'ok',
  )
  await uploader.close()
}

/** The value of one key, or its error's code. */
function read(client: ThriftClient, resource: string): Promise<string | number | null> {
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

function connected(): ThriftClient {
  return new ThriftClient({ name: 'fat', host: '127.0.0.1', port: gateway.port('terrapinInternal') })
}

test('of a file set that keeps one version the one before answers for a moment, as clients hear of a load late', async () => {
  await load('pins', '1448390400001', 1)
  const client = connected()
  const answers = new Set<string | number | null>()
  const state = { isOver: false }
  const reading = (async () => {
    while (!state.isOver) answers.add(await read(client, '$terrapin$data$pins$1448390400001'))
  })()
  await load('pins', '1448390400002', 1)
  await pause(500)
  state.isOver = true
  await reading
  await client.close()
  assert.deepEqual([...answers], ['v6'])
})

test('a version that still answers for a moment is loaded again at once', async () => {
  await load('boards', '1448390400001', 1)
  await load('boards', '1448390400002', 1)
  const client = connected()
  const former = '$terrapin$data$boards$1448390400001'
  assert.equal(await read(client, former), 'v6')
  await load('boards', '1448390400001', 1)
  assert.equal(await read(client, former), 'v6')
  assert.equal(await read(client, '$terrapin$data$boards$1448390400002'), 'v6')
  await client.close()
})

test('every kept version answers after a restart', async () => {
  for (const version of ['1448390400001', '1448390400002', '1448390400003']) await load('old', version, 3)
  await gateway.stop()
  await gateway.start()
  const client = connected()
  for (const version of ['1448390400003', '1448390400002', '1448390400001'])
    assert.equal(await read(client, `$terrapin$data$old$${version}`), 'v6')
  await client.close()
})
