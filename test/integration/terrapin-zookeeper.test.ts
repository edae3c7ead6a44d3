/** What Terrapin's fat clients and operators see of a gateway: nodes in ZooKeeper, key look-up, Ostrich's statistics. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { hostsOfView } from '../../shims/terrapin/zookeeper-nodes.js'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { FakeZooKeeper } from '../support/fake-zookeeper.js'
import { Gateway } from '../support/gateway.js'
import { root } from '../support/tree.js'

let zookeeper: FakeZooKeeper
let gateway: Gateway
const versions: number[] = []

before(async () => {
  zookeeper = await FakeZooKeeper.start()
  gateway = await Gateway.start({
    ports:
      'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n' +
      '  terrapin: { port: 0, enabled: true }\n  terrapinInternal: { port: 0, enabled: true }\n' +
      '  terrapinStatus: { port: 0, enabled: true }\n  terrapinStats: { port: 0, enabled: true }\n' +
      'terrapin:\n  zookeeper:\n' +
      `    { quorum: ["127.0.0.1:${zookeeper.port}"], clusters: [terra], advertisedHost: gateway-one }\n`,
  })
  await gateway.createDataset('pins', { mode: 'BATCH', retainedVersions: 2 })
  await load('1448390400000')
})

after(async () => {
  await gateway.dispose()
  await zookeeper.stop()
})

async function load(name: string): Promise<void> {
  const place = join(gateway.folder, name)
  mkdirSync(place)
  copyFileSync(join(root, 'test', 'fixtures', 'hfile', 'snappy-1000.hfile'), join(place, 'part-00000'))
  const wish = { from: place, format: 'hfile', keyField: '', publish: true }
  const started = await gateway.admin('POST', '/v1/datasets/pins/loads', wish)
  assert.equal(started.status, 202, started.text)
  const { id, version } = (started.body as { load: { id: string; version: number } }).load
  versions.push(version)
  await until('the load is done', async () => {
    const { body, text } = await gateway.admin('GET', `/v1/loads/${id}`)
    const { state } = (body as { load: { state: string } }).load
    assert.notEqual(state, 'FAILED', text)
    return state === 'DONE'
  })
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let look = 0; look < 500; look++) {
    if (await holds()) return
    await pause(20)
  }
  assert.fail(`never: ${what}`)
}

function servedVersion(): number {
  const data = zookeeper.data('/terra/filesets/pins')
  if (data === null) return 0
  const { servingInfo } = JSON.parse(data.toString()) as { servingInfo: { hdfsPath: string } }
  return Number(servingInfo.hdfsPath.split('/').at(-1))
}

function post(
  listener: 'terrapinStatus' | 'terrapinStats',
  path: string,
  form: Record<string, string>,
): Promise<Response> {
  const body = new URLSearchParams(form)
  return fetch(`http://127.0.0.1:${gateway.port(listener)}${path}`, { method: 'POST', body })
}

test('a publish, a rollback and a deletion are seen in zookeeper', async () => {
  await until('the first version is there', () => servedVersion() === versions[0])
  assert.deepEqual(zookeeper.children('/terra/views'), [`$terrapin$data$pins$${versions[0]}`])
  assert.deepEqual(
    hostsOfView(zookeeper.data(`/terra/views/$terrapin$data$pins$${versions[0]}`) ?? Buffer.alloc(0)),
    ['gateway-one'],
  )
  await load('1448390400001')
  await until('the second version is there', () => servedVersion() === versions[1])
  const record = await gateway.admin('GET', '/v1/datasets/pins')
  const etag = record.headers.get('etag') ?? ''
  const back = await gateway.admin('POST', '/v1/datasets/pins/rollback', undefined, { 'if-match': etag })
  assert.equal(back.status, 200, back.text)
  await until('the first one is back', () => servedVersion() === versions[0])
  assert.equal(zookeeper.children('/terra/views').length, 2)
})

test('zookeeper away, a publish meanwhile, zookeeper back: serving goes on and the nodes are put right', async () => {
  await zookeeper.stop()
  await load('1448390400002')
  const found = await (
    await post('terrapinStatus', '/status/lookup', { fileset: 'pins', keys: '000999' })
  ).json()
  assert.deepEqual(found, { '000999': { status: 'OK', value: 'v1000' } })
  await zookeeper.listen()
  await until('the third version is there', () => servedVersion() === versions[2])
})

test('the look-up answers values, missing keys and errors by name, and a failed page for an unknown file set', async () => {
  const keys = `000999\nnothing\n000001\n${'k'.repeat(40_000)}`
  const answer = await post('terrapinStatus', '/status/lookup', { fileset: 'pins', keys })
  assert.equal(answer.status, 200)
  const found = (await answer.json()) as Record<string, unknown>
  assert.deepEqual(found['000999'], { status: 'OK', value: 'v1000' })
  assert.deepEqual(found['nothing'], { status: 'MISSING', value: null })
  assert.deepEqual(found['000001'], { status: 'OK', value: '' })
  assert.deepEqual(found['k'.repeat(40_000)], { status: 'ERROR', value: 'READ_ERROR' })
  assert.deepEqual(await (await post('terrapinStatus', '/status/lookup', {})).json(), {})
  assert.equal((await post('terrapinStatus', '/status/lookup', { fileset: 'no', keys: 'k' })).status, 500)
})

/** Through TerrapinService; the size of its value. */
async function sizeOf(fileSet: string, key: string): Promise<number | undefined> {
  const client = new ThriftClient({ name: 'thin', host: '127.0.0.1', port: gateway.port('terrapin') })
  const request = wire.makeTerrapinGetRequest({ clusterList: ['local'], fileSet, key: Buffer.from(key) })
  try {
    return await new Promise((resolve) => {
      client.call(wire.TerrapinServiceMethods.get, { request }, Number.POSITIVE_INFINITY, (outcome) => {
        resolve(outcome instanceof KVError ? undefined : outcome.value?.value?.length)
      })
    })
  } finally {
    await client.close()
  }
}

test('statistics have the names of dashboards, and what is not served says so', async () => {
  assert.equal(await sizeOf('pins', '000999'), 5)
  const url = `http://127.0.0.1:${gateway.port('terrapinStats')}`
  const stats = (await (await fetch(`${url}/stats.json`)).json()) as Record<string, Record<string, unknown>>
  assert.deepEqual(Object.keys(stats), ['counters', 'metrics', 'gauges', 'labels'])
  const sizes = ['value-size', 'pins-value-size'].map((name) => stats['metrics']?.[name])
  for (const size of sizes as { count: number; sum: number; p50: number }[])
    assert.deepEqual([size.count, size.sum, size.p50], [1, 5, 7])
  assert.equal(stats['gauges']?.['terrapin-controller-fileset-pins-online-pct'], 1)
  assert.equal(await (await fetch(`${url}/health`)).text(), 'OK\n')
  assert.match(
    await (await fetch(`${url}/stats.txt`)).text(),
    /^counters:\n {2}TERRAPIN_THRIFT\/failures: 0\n/,
  )
  const period = await fetch(`${url}/stats.json?period=60`)
  assert.equal(period.status, 501)
  const shutdown = await fetch(`${url}/shutdown`)
  assert.equal(shutdown.status, 501)
  assert.match(await shutdown.text(), /Godwit does not serve \/shutdown: stop a gateway by SIGTERM/)
  for (const path of ['/server_info', '/server_info.txt', '/server_info.json', '/threads.txt']) {
    const page = await fetch(`${url}${path}`)
    assert.equal(page.status, 501, path)
    assert.match(await page.text(), /Godwit does not serve \/(server_info|threads): use "godwit status"/)
  }
  for (const path of ['/ping', '/ping.json'])
    assert.deepEqual(await (await fetch(`${url}${path}`)).json(), { response: 'pong' })
  assert.equal((await fetch(`${url}/server_infos`)).status, 404)
  const foreign = await fetch(`${url}/stats.json`, { headers: { origin: 'http://example.org' } })
  assert.equal(foreign.status, 403)
})

test('a deleted dataset leaves nothing behind, and a gateway that ends takes its own node along', async () => {
  const record = await gateway.admin('GET', '/v1/datasets/pins')
  const etag = record.headers.get('etag') ?? ''
  const gone = await gateway.admin('DELETE', '/v1/datasets/pins', undefined, { 'if-match': etag })
  assert.ok(gone.status < 300, gone.text)
  await until('nothing is left', () => zookeeper.children('/terra/filesets').length === 0)
  assert.deepEqual(zookeeper.children('/terra/views'), [])
  assert.deepEqual(zookeeper.children('/terra/godwit/gateways'), ['gateway-one'])
  await gateway.stop()
  assert.deepEqual(zookeeper.children('/terra/godwit/gateways'), [])
})
