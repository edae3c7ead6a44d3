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

/** Longer than a call of Terrapin's may take: of a leaf that stands still nothing is heard in its time. */
const ATTEMPT_MS = 10_000
const DELAY_MS = 50
/** Every other one asks the leaf that stands still first. */
const CALLS = 6
/** Where other work keeps the processors, single calls may end without an answer. */
const MAX_CALLS = 60

let gateway: Gateway
let leaves: readonly Gateway[]
let service: ThriftClient

before(async () => {
  const listeners =
    'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n  terrapin: { port: 0, enabled: true }\n'
  const config = `leaves: { attemptTimeoutMs: ${ATTEMPT_MS} }\nthreads: { data: 1 }\n`
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

/** Whether the value came; a call that took too long ends in READ_ERROR. */
async function isAnswered(clusterList: readonly string[]): Promise<boolean> {
  const options = wire.makeRequestOptions({ speculativeTimeoutMillis: BigInt(DELAY_MS) })
  const request = wire.makeTerrapinGetRequest({
    clusterList: [...clusterList],
    fileSet: 'pins',
    key: Buffer.from('000999'),
    options,
  })
  return await new Promise<boolean>((resolve, reject) =>
    service.call(wire.TerrapinServiceMethods.get, { request }, Number.POSITIVE_INFINITY, (outcome) => {
      if (outcome instanceof KVError) reject(outcome)
      else if (outcome.value?.value?.toString() === 'v1000') resolve(true)
      else if (outcome.exception?.errorCode === wire.TerrapinGetErrorCode.READ_ERROR) resolve(false)
      else reject(new Error(outcome.exception?.message ?? 'no value'))
    }),
  )
}

/** Second reads that were the first to answer. */
async function lostCount(): Promise<number> {
  const metrics = await gateway.admin('GET', '/metrics')
  return Number(/godwit_terrapin_second_reads_total\{outcome="lost"\} (\d+)/.exec(metrics.text)?.[1] ?? 0)
}

test('the second read answers while the first waits for a leaf that stands still', async () => {
  assert.ok(await isAnswered(['east', 'west']))
  const [stopped] = leaves
  assert.ok(stopped)
  process.kill(stopped.pid, 'SIGSTOP')
  let answered = 0
  try {
    for (let calls = 0; calls < MAX_CALLS && (answered < CALLS || (await lostCount()) === 0); calls++)
      if (await isAnswered(['east', 'west'])) answered++
    assert.ok(answered >= CALLS, `${answered} of ${MAX_CALLS} calls were answered`)
    assert.ok((await lostCount()) >= 1, 'no second read was the first to answer')
  } finally {
    process.kill(stopped.pid, 'SIGCONT')
  }
})
