/**
 * kill -9 of the leaf that a dataset moves to or from, and of the gateway, in each step of a move: what is left is work for
 * the next round and nothing to repair. Real processes; a proxy tells the steps.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Gateway } from '../support/gateway.js'
import { change, keyOf, startLeaf, statusOf, until, writeRows } from '../support/leaf-processes.js'
import { type CopyStepName, StepProxy } from '../support/step-proxy.js'

const ROWS = 60
const DATASET = 'towns'
const CLUSTERS = ['west', 'east'] as const
/** Copies that are over go at once, so that they can be counted. */
const NOTHING_LEAVES = 'limits: { leavingVersionMs: 0 }\n'

interface Case {
  /** `now`: the version that is served is moved; `next`: the next upload lands there. */
  readonly how: 'now' | 'next'
  readonly step: CopyStepName
  readonly when: 'before' | 'after'
  readonly victim: 'leaf' | 'gateway'
}

const STEPS: readonly (readonly [CopyStepName, 'before' | 'after'])[] = [
  ['file', 'before'],
  ['adopt', 'before'],
  ['adopt', 'after'],
  ['remove', 'before'],
  ['remove', 'after'],
]

const CASES: readonly Case[] = [
  ...STEPS.flatMap(([step, when]) =>
    (['leaf', 'gateway'] as const).map((victim): Case => ({ how: 'now', step, when, victim })),
  ),
  // The same steps, begun by a load: one of each side of the switch.
  { how: 'next', step: 'adopt', when: 'after', victim: 'leaf' },
  { how: 'next', step: 'file', when: 'before', victim: 'gateway' },
  { how: 'next', step: 'remove', when: 'before', victim: 'gateway' },
]

/** A gateway, a leaf process for each cluster, and where the dataset is to be. */
class World {
  readonly gateway: Gateway
  readonly leaves: readonly Gateway[]
  readonly proxies: readonly StepProxy[]
  /** Of CLUSTERS. */
  at = 0
  /** Of every row. */
  value = 'first'

  private constructor(gateway: Gateway, leaves: readonly Gateway[], proxies: readonly StepProxy[]) {
    this.gateway = gateway
    this.leaves = leaves
    this.proxies = proxies
  }

  static async start(): Promise<World> {
    const [gateway, ...leaves] = await Promise.all([
      Gateway.start({ config: NOTHING_LEAVES }),
      ...[startLeaf(), startLeaf()],
    ])
    const proxies = await Promise.all(leaves.map((leaf) => StepProxy.start(() => leaf.port('leaf'))))
    for (const [index, cluster] of CLUSTERS.entries()) {
      const named = [{ name: `leaf-${cluster}`, url: proxies[index]?.url }]
      await change(gateway, 'PUT', `/v1/clusters/${cluster}`, { leaves: named })
    }
    const settings = { mode: 'BATCH', shardCount: 2, cluster: CLUSTERS[0], replicas: 1, retainedVersions: 1 }
    await gateway.createDataset(DATASET, settings)
    return new World(gateway, leaves, proxies)
  }

  async dispose(): Promise<void> {
    await Promise.all(this.proxies.map((proxy) => proxy.close()))
    await Promise.all([this.gateway, ...this.leaves].map((one) => one.dispose()))
  }

  async startLoad(value: string): Promise<void> {
    this.value = value
    const from = writeRows(this.gateway, value, ROWS)
    const request = { from, format: 'ndjson', keyField: 'id', publish: true }
    const { status, text } = await this.gateway.admin('POST', `/v1/datasets/${DATASET}/loads`, request)
    assert.ok(status < 300, text)
  }

  async move(now: boolean): Promise<void> {
    const body = { cluster: CLUSTERS[this.at], now }
    await change(this.gateway, 'POST', `/v1/datasets/${DATASET}/move`, body)
  }

  /** One version, read from its cluster's leaf, which has all of it; the other leaf has nothing. */
  async settled(): Promise<void> {
    const home = CLUSTERS[this.at]
    await until(this.gateway, `a settled move to ${home}`, ({ datasets, leaves }) => {
      const placement = datasets.find(({ name }) => name === DATASET)?.placement ?? []
      const isPlaced = placement.every(
        ({ cluster, isReadFromLeaves, confirmed, wanted }) =>
          cluster === home && isReadFromLeaves && confirmed === wanted,
      )
      const isClean = leaves.every(({ cluster, copies }) => copies === (cluster === home ? 2 : 0))
      return placement.length === 1 && isPlaced && isClean
    })
  }

  async checkRows(): Promise<void> {
    const client = await this.gateway.connect()
    const keys = Array.from({ length: ROWS }, (_, row) => keyOf(row))
    const { rows } = await client.multiGet({ dataset: DATASET, keys, cells: { localKeys: ['v'] } })
    client.close()
    for (const { cells } of rows) assert.equal(cells?.[0]?.value.toString(), this.value)
    const { datasets } = await statusOf(this.gateway)
    assert.deepEqual(
      datasets.flatMap(({ problems }) => problems),
      [],
    )
  }

  /** Reads until it is stopped; every row must be there. */
  readOn(): { readonly stop: () => Promise<readonly string[]> } {
    const state = { isStopped: false }
    const failures: string[] = []
    const keys = Array.from({ length: 10 }, (_, row) => keyOf(row * 6))
    const read = async () => {
      const client = await this.gateway.connect()
      while (!state.isStopped) {
        const { rows } = await client.multiGet({ dataset: DATASET, keys, cells: { localKeys: ['v'] } })
        for (const { cells, error } of rows) {
          if ((cells?.length ?? 0) === 0) failures.push(error?.message ?? 'no row')
        }
        await pause(5)
      }
      client.close()
    }
    const ended = read()
    const stop = async () => {
      state.isStopped = true
      await ended
      return failures
    }
    return { stop }
  }
}

async function strike(world: World, { how, step, when, victim }: Case): Promise<void> {
  const from = world.at
  world.at = 1 - from
  const index = step === 'remove' ? from : world.at
  const [leaf, proxy] = [world.leaves[index], world.proxies[index]]
  assert.ok(leaf !== undefined && proxy !== undefined)
  const struck = victim === 'leaf' ? leaf : world.gateway
  const sprung = new Promise<void>((resolve) => {
    proxy.set({ step, when, spring: () => struck.kill9().then(() => resolve()) })
  })
  const reading = victim === 'leaf' ? world.readOn() : null
  await world.move(how === 'now')
  if (how === 'next') await world.startLoad(`after ${step} ${when} ${victim}`)
  await sprung
  await struck.start()
  await world.settled()
  assert.deepEqual((await reading?.stop()) ?? [], [])
  await world.checkRows()
}

describe('a dataset that moves from one leaf process to another', () => {
  let world: World

  before(async () => {
    world = await World.start()
    await world.startLoad('first')
    await world.settled()
  })

  after(async () => {
    if (process.env['SHOW']) process.stderr.write(world.gateway.output)
    await world.dispose()
  })

  for (const one of CASES) {
    const what = one.how === 'now' ? 'move --now' : 'move and the next load'
    test(`${what}: the ${one.victim} is killed ${one.when} ${one.step}`, () => strike(world, one))
  }
})
