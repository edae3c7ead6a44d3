/**
 * Fat clients are led only to what the data threads have adopted. A look at all file sets, which may fall into the moment
 * between a publish's record and its adoption, led them to a version that was still being opened; a fake publisher that is
 * told of changes one by one would not show it.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { silentLogger } from '../../../src/base/logger.js'
import type { Config } from '../../../src/config/schema.js'
import { GatewayZooKeeper, type ZooKeeperParts } from '../../../src/gateway/zookeeper.js'
import type { DatasetRecord, VersionRecord } from '../../../src/model/dataset.js'
import type { MetastoreListener } from '../../../src/model/metastore.js'
import { FakeZooKeeper } from '../../support/fake-zookeeper.js'

let zookeeper: FakeZooKeeper
let publishing: GatewayZooKeeper
let listeners: MetastoreListener[]
/** As the metastore has it. */
let record: DatasetRecord

before(async () => {
  zookeeper = await FakeZooKeeper.start()
  listeners = []
  record = recordOf({ 1: 'CURRENT' })
  const none = () => () => undefined
  // As far as publishing uses them.
  const parts = {
    config: configOf(zookeeper.port),
    metastore: {
      tokenKey: Buffer.alloc(32),
      list: () => [record],
      subscribe: (listener: MetastoreListener) => void listeners.push(listener),
    },
    metrics: { gauge: none, counter: none, onSnapshot: () => undefined },
    logger: silentLogger,
    controllerPort: () => null,
  } as unknown as ZooKeeperParts
  publishing = new GatewayZooKeeper(parts)
  publishing.start()
})

after(async () => {
  await publishing.close()
  await zookeeper.stop()
})

function configOf(port: number): Config {
  const zookeeper = { quorum: [`127.0.0.1:${port}`], clusters: ['terra'], advertisedHost: 'one' }
  // The rest is not looked at.
  return { terrapin: { zookeeper: { ...zookeeper, sessionTimeoutMs: 30_000 } } } as unknown as Config
}

function recordOf(states: Readonly<Record<number, VersionRecord['state']>>): DatasetRecord {
  const versions = Object.entries(states).map(([id, state]) => ({ id: Number(id), state }))
  return { name: 'pins', mode: 'BATCH', retainedVersions: 2, versions } as unknown as DatasetRecord
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let look = 0; look < 500; look++) {
    if (holds()) return
    await pause(5)
  }
  assert.fail(`never: ${what}`)
}

function served(): string | undefined {
  return /"helixResource":"([^"]*)"/.exec(zookeeper.data('/terra/filesets/pins')?.toString() ?? '')?.[1]
}

test('a look at all file sets shows what was adopted, and a change follows its adoption', async () => {
  await until('published', () => served() === '$terrapin$data$pins$1')
  record = recordOf({ 2: 'CURRENT', 1: 'READY' })
  const view = '/terra/views/$terrapin$data$pins$1'
  zookeeper.remove(view)
  zookeeper.remove('/terra/godwit/gateways/one')
  await until('looked at everything', () => zookeeper.data(view) !== null)
  assert.equal(served(), '$terrapin$data$pins$1')
  for (const listener of listeners) await listener('pins', record)
  await until('swapped', () => served() === '$terrapin$data$pins$2')
})

test('one that is deleted goes when that was adopted', async () => {
  for (const listener of listeners) await listener('pins', null)
  await until('withdrawn', () => served() === undefined)
})
