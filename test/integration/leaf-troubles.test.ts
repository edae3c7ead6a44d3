/** Leaves that are not what they seem: hung, emptied, or one process under two names. Real processes on loopback. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Gateway } from '../support/gateway.js'
import {
  change,
  keyOf,
  leafUrl,
  load,
  placed,
  placementOf,
  putCluster,
  startLeaf,
  statusOf,
  until,
  writeRows,
} from '../support/leaf-processes.js'
import type { StockClient } from '../support/stock-client.js'

const ROWS = 40
const DATASET = 'towns'
/** As in the configuration: a leaf is waited for so long. */
const ATTEMPT_MS = 200
/** An attempt, opening the copy, and what a busy machine needs. */
const PATIENCE_MS = 3_000

async function readAll(client: StockClient): Promise<number> {
  const startedAtMs = performance.now()
  const keys = Array.from({ length: ROWS }, (_, row) => keyOf(row))
  const { rows } = await client.multiGet({ dataset: DATASET, keys })
  assert.ok(
    rows.every(({ cells, error }) => cells !== null && (error ?? null) === null),
    'a row is missing',
  )
  return performance.now() - startedAtMs
}

function versionsOf(status: Awaited<ReturnType<typeof statusOf>>) {
  return status.datasets.find(({ name }) => name === DATASET)?.placement ?? []
}

/** The leaf's address by another host name. */
function otherUrl(leaf: Gateway): string {
  return leafUrl(leaf).replace('127.0.0.1', 'localhost')
}

function arrivalsAt(leaf: Gateway): number {
  return leaf.output.split('a copy arrived and is served').length - 1
}

describe('a dataset of two shards on one leaf process', () => {
  let gateway: Gateway
  let leaf: Gateway
  let client: StockClient
  let version = 0

  before(async () => {
    const config = `leaves: { attemptTimeoutMs: ${ATTEMPT_MS} }\n`
    ;[gateway, leaf] = await Promise.all([Gateway.start({ config }), startLeaf()])
    await putCluster(gateway, 'west', { a: leaf })
    const settings = { mode: 'BATCH', shardCount: 2, cluster: 'west', replicas: 1 }
    await gateway.createDataset(DATASET, settings)
    client = await gateway.connect()
    version = await load(gateway, DATASET, writeRows(gateway, 'first', ROWS))
    await placed(gateway, DATASET, version)
  })

  after(async () => {
    if (process.env['SHOW']) process.stderr.write(gateway.output + leaf.output)
    client.close()
    await Promise.all([gateway.dispose(), leaf.dispose()])
  })

  // Reads failed or waited for up to nine seconds until the leaf was known to be down, with the rows lying in the gateway.
  test('is read from the gateway within an attempt when the leaf hangs, and from the leaf when it answers again', async () => {
    process.kill(leaf.pid, 'SIGSTOP')
    try {
      const tookMs = await readAll(client)
      assert.ok(tookMs < PATIENCE_MS, `${tookMs} ms`)
      assert.equal((await placementOf(gateway, DATASET, version))?.isReadFromLeaves, false)
      // The next ones do not ask the leaf at all.
      const times = [await readAll(client), await readAll(client), await readAll(client)]
      assert.ok(Math.min(...times) < ATTEMPT_MS / 2, times.join())
    } finally {
      process.kill(leaf.pid, 'SIGCONT')
    }
    await placed(gateway, DATASET, version)
  })

  test('is read from the gateway while a leaf that came back empty is filled', async () => {
    await leaf.kill9()
    rmSync(leaf.dataDirectory, { recursive: true })
    await leaf.start()
    // The gateway has not asked it yet: its map names a leaf that has nothing.
    for (let round = 0; round < 10; round++) assert.ok((await readAll(client)) < PATIENCE_MS)
    // By the leaf's own word: until it is asked, the gateway's is that of the leaf before.
    while (arrivalsAt(leaf) < 2) await leaf.nextOutput()
  })

  test('without a copy in the gateway a read ends by its deadline, and says what is missing where', async () => {
    await gateway.stop()
    client.close()
    // What a lost disk leaves: the records, and not the versions.
    const data = join(gateway.dataDirectory, 'data')
    for (const name of readdirSync(data)) rmSync(join(data, name), { recursive: true })
    await gateway.start()
    client = await gateway.connect()
    await placed(gateway, DATASET, version)
    await readAll(client)
    process.kill(leaf.pid, 'SIGSTOP')
    try {
      const startedAtMs = performance.now()
      await assert.rejects(
        client.get({ dataset: DATASET, key: keyOf(1), context: { deadlineMs: 1_000 } }),
        /shard \d of version \d+ of dataset towns cannot be read from any of its leaves \(a\)/,
      )
      assert.ok(performance.now() - startedAtMs < 1_500)
    } finally {
      process.kill(leaf.pid, 'SIGCONT')
    }
  })
})

describe('one leaf process that clusters know by two names', () => {
  let gateway: Gateway
  let leaves: Gateway[]

  before(async () => {
    ;[gateway, ...leaves] = await Promise.all([Gateway.start(), startLeaf(), startLeaf()])
  })

  after(async () => {
    if (process.env['SHOW']) process.stderr.write(gateway.output)
    await Promise.all([gateway, ...leaves].map((one) => one.dispose()))
  })

  // What one name was to have was over for the other: the process was sent and relieved of the same copies without end.
  test('is used under the first one, and the second one is refused, in one cluster and in two', async () => {
    const [one, other] = leaves
    assert.ok(one !== undefined && other !== undefined)
    const west = [
      { name: 'a', url: leafUrl(one) },
      { name: 'twin', url: otherUrl(one) },
    ]
    await change(gateway, 'PUT', '/v1/clusters/west', { leaves: west })
    // So many that no name is chosen for all of them.
    const settings = { mode: 'BATCH', shardCount: 16, replicas: 1 }
    await gateway.createDataset(DATASET, { ...settings, cluster: 'west' })
    const version = await load(gateway, DATASET, writeRows(gateway, 'first', ROWS))
    const refused = ({ leaves: known }: Awaited<ReturnType<typeof statusOf>>) =>
      known.filter(({ problem }) => problem !== null).map(({ cluster, name }) => `${cluster}/${name}`)
    await until(gateway, 'a refused name', (status) => refused(status).join() === 'west/twin')
    const { leaves: known } = await statusOf(gateway)
    assert.match(
      known.find(({ name }) => name === 'twin')?.problem ?? '',
      /it is leaf a \(http:.*second name/,
    )
    // The shards that the second name was chosen for stay where they are: each shard has one reader at most.
    await until(gateway, 'the copies of the first name', (status) => {
      const share = status.leaves.find(({ name }) => name === 'a')
      return share !== undefined && share.held === share.wanted
    })
    const share = (await statusOf(gateway)).leaves.find(({ name }) => name === 'a')
    const placement = await placementOf(gateway, DATASET, version)
    assert.equal(placement?.wholeShards, share?.held)
    assert.ok((placement?.wholeShards ?? 16) < 16, 'the second name was chosen for a shard')

    const east = [
      { name: 'again', url: otherUrl(one) },
      { name: 'b', url: leafUrl(other) },
    ]
    await change(gateway, 'PUT', '/v1/clusters/west', { leaves: [{ name: 'a', url: leafUrl(one) }] })
    await change(gateway, 'PUT', '/v1/clusters/east', { leaves: east })
    await until(gateway, 'a refused name', (status) => refused(status).join() === 'east/again')
    await placed(gateway, DATASET, version)
    const before = arrivalsAt(one)
    await pause(2_500)
    assert.equal(arrivalsAt(one), before, 'copies come and go')
    await change(gateway, 'PUT', '/v1/clusters/east', { leaves: [{ name: 'b', url: leafUrl(other) }] })
    await until(gateway, 'no refused name', (status) => refused(status).length === 0)
    assert.ok(versionsOf(await statusOf(gateway)).every(({ isReadFromLeaves }) => isReadFromLeaves))
  })
})

describe("a gateway's own copy that was damaged", () => {
  let gateway: Gateway
  let west: Gateway
  let east: Gateway

  before(async () => {
    ;[gateway, west, east] = await Promise.all([Gateway.start(), startLeaf(), startLeaf()])
    await putCluster(gateway, 'west', { west })
    await putCluster(gateway, 'east', { east })
  })

  after(async () => {
    for (const process of [gateway, west, east]) await process.dispose()
  })

  test('does not take the place of a good one on a leaf when the dataset is moved', async () => {
    await gateway.createDataset(DATASET, { mode: 'BATCH', cluster: 'west' })
    const version = await load(gateway, DATASET, writeRows(gateway, 'one', 2_000))
    await placed(gateway, DATASET, version)
    const { body } = await gateway.admin('GET', `/v1/datasets/${DATASET}`)
    const { id } = (body as { dataset: { id: string } }).dataset // the admin API's answer
    const own = join(gateway.dataDirectory, 'data', id, String(version), '0', 'db')
    const table = join(own, readdirSync(own).find((name) => name.endsWith('.sst')) ?? 'none')
    const bytes = readFileSync(table)
    const at = Math.floor(bytes.length / 3)
    bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at)
    writeFileSync(table, bytes)

    await change(gateway, 'POST', `/v1/datasets/${DATASET}/move`, { cluster: 'east', now: true })
    await placed(gateway, DATASET, version)
    await until(gateway, 'the end of the copy on the old cluster', () =>
      west.output.includes('a copy was removed'),
    )
    const client = await gateway.connect()
    for (let row = 0; row < 2_000; row += 100) {
      const keys = Array.from({ length: 100 }, (_, at) => keyOf(row + at))
      const { rows } = await client.multiGet({ dataset: DATASET, keys })
      assert.ok(rows.every(({ cells, error }) => cells !== null && (error ?? null) === null))
    }
    assert.match(gateway.output, /own copy is damaged: that of a leaf is copied/)
  })
})
