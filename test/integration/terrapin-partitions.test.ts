/**
 * Keys that Terrapin's partitioners spread over ten files, loaded by loadFileSet and read as the fat client reads them: by
 * the partition that the published nodes lead it to: one of 60, whatever the version's files were.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { FakeZooKeeper } from '../support/fake-zookeeper.js'
import { hashOfKey, type Partitioner, partitionOf, routeOf } from '../support/fat-client.js'
import { Uploader } from '../support/file-sets.js'
import { Gateway } from '../support/gateway.js'
import { hfileOf } from '../support/hfile-writer.js'

const FILES = 10

/** Computed from the published partitioners: key, hash, MODULUS and CASCADING of 10 and of 1,000 partitions. */
const VECTORS: readonly (readonly [key: Buffer, hash: number, of10: number[], of1000: number[]])[] = [
  [Buffer.alloc(0), 1, [1, 2], [1, 32]],
  [Buffer.from('a'), 128, [8, 9], [128, 159]],
  [Buffer.from('abc'), 126145, [5, 6], [145, 176]],
  [Buffer.from('000000'), -1987457727, [1, 2], [921, 952]],
  [Buffer.from('000999'), -1987448790, [8, 9], [858, 889]],
  [Buffer.from('pin:1234567890'), -1906913311, [7, 8], [337, 368]],
  [Buffer.from('ff', 'hex'), 30, [0, 1], [30, 61]],
  [Buffer.from('ff0080', 'hex'), 28702, [2, 3], [702, 733]],
  [Buffer.from('café'), 123043501, [1, 2], [501, 532]],
]

let zookeeper: FakeZooKeeper
let gateway: Gateway
let hdfs = ''

before(async () => {
  hdfs = mkdtempSync(join(tmpdir(), 'godwit-hdfs-'))
  zookeeper = await FakeZooKeeper.start()
  gateway = await Gateway.start({
    ports:
      'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n' +
      '  terrapinInternal: { port: 0, enabled: true }\n  terrapinController: { port: 0, enabled: true }\n',
    config:
      `terrapin:\n  root: "${pathToFileURL(hdfs).href}"\n  owner: { name: pins-team, contact: pins@example.org }\n` +
      `  zookeeper: { quorum: ["127.0.0.1:${zookeeper.port}"], clusters: [terra], advertisedHost: gateway-one }\n`,
  })
})

after(async () => {
  await gateway.dispose()
  await zookeeper.stop()
  rmSync(hdfs, { recursive: true, force: true })
})

test('keys have the partitions that the published partitioners give them', () => {
  for (const [key, hash, of10, of1000] of VECTORS) {
    assert.equal(hashOfKey(key), hash, key.toString('hex'))
    const partitions = (count: number) =>
      (['MODULUS', 'CASCADING'] as const).map((partitioner) => partitionOf(key, count, partitioner))
    assert.deepEqual(partitions(10), of10, key.toString('hex'))
    assert.deepEqual(partitions(1000), of1000, key.toString('hex'))
  }
})

function valueFor(key: Buffer): string {
  return `value of ${key.toString('hex')}`
}

/** A file a partition, as an uploader writes them; those of no key are empty. */
function writeDirectory(directory: string, partitioner: Partitioner): void {
  mkdirSync(join(hdfs, directory), { recursive: true })
  for (let number = 0; number < FILES; number++) {
    const rows = VECTORS.map(([key]) => key)
      .filter((key) => partitionOf(key, FILES, partitioner) === number)
      .sort((one, other) => Buffer.compare(one, other))
      .map((key) => [key, Buffer.from(valueFor(key))] as const)
    writeFileSync(join(hdfs, directory, `part-${String(number).padStart(5, '0')}`), hfileOf(rows))
  }
}

function get(client: ThriftClient, keyList: readonly wire.MultiKey[]): Promise<wire.TerrapinResponse> {
  const request = wire.makeTerrapinInternalGetRequest({ keyList })
  return new Promise((resolve, reject) => {
    client.call(wire.TerrapinServerInternalMethods.get, { request }, Number.POSITIVE_INFINITY, (outcome) => {
      if (outcome instanceof KVError) reject(outcome)
      else if (outcome.value === null) reject(new Error(JSON.stringify(outcome.exception)))
      else resolve(outcome.value)
    })
  })
}

for (const partitioner of ['MODULUS', 'CASCADING'] as const) {
  test(`the nodes of a file set that was written with ${partitioner} lead the fat client to each key`, async () => {
    const fileSet = partitioner.toLowerCase()
    const hdfsDirectory = `/terrapin/data/${fileSet}/1448390400000`
    writeDirectory(hdfsDirectory, partitioner)
    const uploader = new Uploader(gateway.port('terrapinController'))
    const call = { fileSet, hdfsDirectory, expectedNumPartitions: FILES, numVersionsToKeep: 1 }
    assert.equal(await uploader.load({ ...call, partitioner: wire.PartitionerType[partitioner] }), 'ok')
    await uploader.close()
    const nodeOf = (path: string) => zookeeper.data(`/terra/${path}`)
    for (let look = 0; nodeOf(`filesets/${fileSet}`) === null && look < 500; look++) await pause(20)
    const node = nodeOf(`filesets/${fileSet}`) ?? Buffer.alloc(0)
    const client = new ThriftClient({
      name: 'fat',
      host: '127.0.0.1',
      port: gateway.port('terrapinInternal'),
    })
    for (const [key] of VECTORS) {
      const { host, ...route } = routeOf(
        key,
        node,
        (resource) => nodeOf(`views/${resource}`) ?? Buffer.alloc(0),
      )
      assert.equal(host, 'gateway-one')
      const { responseMap } = await get(client, [wire.makeMultiKey({ ...route, key: [key] })])
      assert.deepEqual(
        responseMap?.map(([found, { value }]) => [found.toString('hex'), value?.toString()]),
        [[key.toString('hex'), valueFor(key)]],
      )
    }
    await client.close()
  })
}
