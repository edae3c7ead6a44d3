/** Datasets on leaf processes: real processes on loopback, killed and emptied under reads. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Gateway } from '../support/gateway.js'
import {
  change,
  keyOf,
  load,
  placed,
  placementOf,
  putCluster,
  startLeaf,
  statusOf,
  until,
  writeRows,
} from '../support/leaf-processes.js'
import type { StockClient, StockRow } from '../support/stock-client.js'

const ROWS = 400
const DATASET = 'towns'
/** Copies that are over go at once, so that they can be counted. */
const NOTHING_LEAVES = 'limits: { leavingVersionMs: 0 }\n'

/** Reads until it is stopped: multi-gets whose cells must all be of one version. */
class Readers {
  readonly #stops: (() => void)[] = []
  readonly #ended: Promise<void>[] = []
  readonly failures: string[] = []
  readonly versions = new Set<string>()
  reads = 0

  static async start(gateway: Gateway, count: number): Promise<Readers> {
    const readers = new Readers()
    for (let i = 0; i < count; i++) {
      const client = await gateway.connect()
      const state = { isStopped: false }
      readers.#stops.push(() => (state.isStopped = true))
      readers.#ended.push(readers.#run(client, state, i))
    }
    return readers
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop()
    await Promise.all(this.#ended)
  }

  async #run(client: StockClient, state: { readonly isStopped: boolean }, seed: number): Promise<void> {
    for (let round = seed; !state.isStopped; round += 7) {
      const keys = Array.from({ length: 20 }, (_, i) => keyOf((round * 13 + i * 17) % ROWS))
      try {
        const answer = await client.multiGet({ dataset: DATASET, keys })
        const seen = new Set(answer.rows.map((row) => valueOf(row, 'v')))
        if (seen.size !== 1) this.failures.push(`mixed: ${[...seen].join(', ')}`)
        for (const version of seen) this.versions.add(version)
      } catch (error) {
        this.failures.push(String(error))
      }
      this.reads += 1
      await pause(1)
    }
    client.close()
  }
}

function valueOf({ cells }: StockRow, column: string): string {
  return cells?.find(({ localKey }) => localKey?.toString() === column)?.value.toString() ?? 'nothing'
}

/** All rows, page by page. `between` runs after the first page. */
async function scanAll(
  client: StockClient,
  between: () => Promise<void> = () => Promise.resolve(),
): Promise<string[]> {
  const keys: string[] = []
  let pageToken: Buffer | undefined
  do {
    const request = { dataset: DATASET, pageRows: 90, ...(pageToken === undefined ? {} : { pageToken }) }
    // What the generated class holds.
    const page = (await client.call('scan', request, 'ScanRequest')) as {
      rows: { key: Buffer }[]
      nextPageToken: Buffer | null
    }
    keys.push(...page.rows.map(({ key }) => key.toString()))
    if (pageToken === undefined) await between()
    pageToken = page.nextPageToken ?? undefined
  } while (pageToken !== undefined)
  return keys
}

function metricOf(text: string, name: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith(name))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

describe('a dataset of four shards on three leaf processes, two copies of each', () => {
  let gateway: Gateway
  let leaves: Gateway[]
  let client: StockClient
  let version = 0
  const expected = Array.from({ length: ROWS }, (_, row) => keyOf(row)).sort()

  const leafNamed = (index: number): Gateway => {
    const leaf = leaves[index]
    assert.ok(leaf)
    return leaf
  }

  before(async () => {
    ;[gateway, ...leaves] = await Promise.all([
      Gateway.start({ config: NOTHING_LEAVES }),
      ...[startLeaf(), startLeaf(), startLeaf()],
    ])
    await putCluster(gateway, 'west', { a: leafNamed(0), b: leafNamed(1), c: leafNamed(2) })
    const settings = { mode: 'BATCH', shardCount: 4, cluster: 'west', replicas: 2, retainedVersions: 2 }
    await gateway.createDataset(DATASET, settings)
    client = await gateway.connect()
  })

  after(async () => {
    if (process.env['SHOW']) process.stderr.write(gateway.output)
    client.close()
    await Promise.all([gateway, ...leaves].map((one) => one.dispose()))
  })

  test('is published as soon as it is loaded, and read from the leaves as soon as they have it', async () => {
    version = await load(gateway, DATASET, writeRows(gateway, 'first', ROWS))
    const row = await client.get({ dataset: DATASET, key: keyOf(7), options: { withInfo: true } })
    assert.equal(valueOf(row, 'v'), 'first')
    await placed(gateway, DATASET, version)
    const before = metricOf((await gateway.admin('GET', '/metrics')).text, 'godwit_leaf_batches_total')
    const keys = [keyOf(3), 'no such row', keyOf(9), keyOf(3)]
    const { rows } = await client.multiGet({ dataset: DATASET, keys, cells: { localKeys: ['n'] } })
    assert.deepEqual(rows.map((one) => one.cells?.map(({ value }) => value.toString()) ?? null), [['3'], null, ['9'], ['3']]) // prettier-ignore
    assert.deepEqual((await scanAll(client)).sort(), expected)
    const { text } = await gateway.admin('GET', '/metrics')
    assert.ok(metricOf(text, 'godwit_leaf_batches_total') > before, 'leaves were asked')
    assert.equal(metricOf(text, 'godwit_leaf_up'), 3)
    const { leaves: health } = await statusOf(gateway)
    assert.equal(health.reduce((sum, { copies }) => sum + copies, 0), 8) // prettier-ignore
  })

  test('loses no read, no page and no row when a leaf is killed', async () => {
    const readers = await Readers.start(gateway, 4)
    await pause(300)
    const scanned = await scanAll(client, async () => {
      await leafNamed(0).kill9()
    })
    await until(gateway, 'the dead leaf', ({ leaves: health }) =>
      health.some(({ problem }) => problem !== null),
    )
    await pause(300)
    await readers.stop()
    assert.deepEqual(readers.failures, [])
    assert.ok(readers.reads > 20, `${readers.reads} reads`)
    assert.deepEqual(scanned.sort(), expected)
    const found = await placementOf(gateway, DATASET, version)
    assert.equal(found?.isReadFromLeaves, true)
  })

  test('fills a leaf that comes back empty, unasked, and loses no read over it', async () => {
    const readers = await Readers.start(gateway, 2)
    rmSync(leafNamed(0).dataDirectory, { recursive: true })
    await leafNamed(0).start()
    await placed(gateway, DATASET, version)
    await readers.stop()
    assert.deepEqual(readers.failures, [])
  })

  test('takes the next upload there, and switches without a failed or mixed answer', async () => {
    const readers = await Readers.start(gateway, 4)
    const next = await load(gateway, DATASET, writeRows(gateway, 'second', ROWS))
    await placed(gateway, DATASET, next)
    await pause(200)
    await readers.stop()
    assert.deepEqual(readers.failures, [])
    assert.deepEqual([...readers.versions].sort(), ['first', 'second'])
    const third = await load(gateway, DATASET, writeRows(gateway, 'third', ROWS))
    await placed(gateway, DATASET, third)
    // Two are kept: the first one's copies go.
    await until(gateway, 'two versions of eight copies', ({ leaves: health }) => {
      return health.reduce((sum, { copies }) => sum + copies, 0) === 16
    })
    version = third
  })

  test('is moved at once without a failed read, also by a gateway that is killed meanwhile', async () => {
    await putCluster(gateway, 'east', { b: leafNamed(1), c: leafNamed(2) })
    const readers = await Readers.start(gateway, 2)
    await change(gateway, 'POST', `/v1/datasets/${DATASET}/move`, { cluster: 'east', now: true })
    await placed(gateway, DATASET, version)
    // Of the moved version, and of the one before it, which stays where it is.
    await until(gateway, 'no third copy', ({ leaves: health }) => {
      const copies = new Map(health.map(({ name, copies: count }) => [name, count]))
      return [...copies.values()].reduce((sum, count) => sum + count, 0) === 16
    })
    await readers.stop()
    assert.deepEqual(readers.failures, [])
    client.close()
    await change(gateway, 'POST', `/v1/datasets/${DATASET}/move`, { cluster: 'west', now: true })
    await gateway.kill9()
    await gateway.start()
    client = await gateway.connect()
    assert.equal(valueOf(await client.get({ dataset: DATASET, key: keyOf(1) }), 'v'), 'third')
    await placed(gateway, DATASET, version)
    assert.equal((await placementOf(gateway, DATASET, version))?.cluster, 'west')
  })

  test("is read from the gateway's own copy when no leaf is left", async () => {
    await Promise.all(leaves.map((leaf) => leaf.kill9()))
    await until(gateway, 'its own copy', ({ datasets }) => {
      return datasets[0]?.placement.every(({ isReadFromLeaves }) => !isReadFromLeaves) === true
    })
    await pause(100)
    const { rows } = await client.multiGet({ dataset: DATASET, keys: [keyOf(1), keyOf(2), keyOf(3)] })
    assert.deepEqual(rows.map((row) => valueOf(row, 'v')), ['third', 'third', 'third']) // prettier-ignore
  })
})
