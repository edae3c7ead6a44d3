/** A Terrapin call that names two clusters, while one of two leaf processes stands still. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { Gateway } from '../support/gateway.js'
import { change, leafUrl, placed, startLeaf } from '../support/leaf-processes.js'
import { root } from '../support/tree.js'

const LATE_MS = 900
const DELAY_MS = 50
const CALLS = 6

let gateway: Gateway
let leaves: readonly Gateway[]
let service: ThriftClient

before(async () => {
  const listeners =
    'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n  terrapin: { port: 0, enabled: true }\n'
  const config = `leaves: { attemptTimeoutMs: ${LATE_MS} }\nthreads: { data: 1 }\n`
  const [started, ...both] = await Promise.all([
    Gateway.start({ ports: listeners, config }),
    startLeaf(),
    startLeaf(),
  ])
  gateway = started
  leaves = both
  const records = leaves.map((leaf, index) => ({ name: `leaf-${index}`, url: leafUrl(leaf) }))
  await change(gateway, 'PUT', '/v1/clusters/east', { aliases: ['west'], leaves: records })
  await gateway.createDataset('pins', { mode: 'BATCH', cluster: 'east', replicas: 2 })
  const place = join(gateway.folder, '1448390400000')
  mkdirSync(place)
  copyFileSync(join(root, 'test', 'fixtures', 'hfile', 'snappy-1000.hfile'), join(place, 'part-00000'))
  const wish = { from: place, format: 'hfile', keyField: '', publish: true }
  const loading = await gateway.admin('POST', '/v1/datasets/pins/loads', wish)
  assert.equal(loading.status, 202, loading.text)
  const { version } = (loading.body as { load: { version: number } }).load
  await placed(gateway, 'pins', version)
  service = new ThriftClient({ name: 'terrapin', host: '127.0.0.1', port: gateway.port('terrapin') })
})

after(async () => {
  await service.close()
  await gateway.dispose()
  await Promise.all(leaves.map((leaf) => leaf.dispose()))
})

/** Milliseconds until the value came. */
async function timeOf(clusterList: readonly string[]): Promise<number> {
  const options = wire.makeRequestOptions({ speculativeTimeoutMillis: BigInt(DELAY_MS) })
  const request = wire.makeTerrapinGetRequest({
    clusterList: [...clusterList],
    fileSet: 'pins',
    key: Buffer.from('000999'),
    options,
  })
  const startedAtMs = performance.now()
  await new Promise<void>((resolve, reject) =>
    service.call(wire.TerrapinServiceMethods.get, { request }, Number.POSITIVE_INFINITY, (outcome) => {
      if (outcome instanceof KVError) reject(outcome)
      else if (outcome.value?.value?.toString() === 'v1000') resolve()
      else reject(new Error(outcome.exception?.message ?? 'no value'))
    }),
  )
  return performance.now() - startedAtMs
}

test('the second read answers while the first waits for a leaf that stands still', async () => {
  await timeOf(['east', 'west'])
  const [stopped] = leaves
  assert.ok(stopped)
  process.kill(stopped.pid, 'SIGSTOP')
  try {
    const times: number[] = []
    for (let call = 0; call < CALLS; call++) times.push(await timeOf(['east', 'west']))
    assert.ok(Math.max(...times) < LATE_MS, `answered after ${times.map(Math.round).join(', ')} ms`)
  } finally {
    process.kill(stopped.pid, 'SIGCONT')
  }
  const metrics = await gateway.admin('GET', '/metrics')
  const lost = /godwit_terrapin_second_reads_total\{outcome="lost"\} (\d+)/.exec(metrics.text)
  assert.ok(Number(lost?.[1] ?? 0) >= 1, 'no second read was the first to answer')
})
