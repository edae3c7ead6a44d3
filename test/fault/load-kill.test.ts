/**
 * kill -9 of the gateway, or of the load process alone, in each step of a load: the next start goes on with it and ends it,
 * what is served is one whole version at any time, and nothing is left behind.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { LoadStatus } from '../../src/model/load.js'
import { Gateway } from '../support/gateway.js'

const DATASET = 'towns'
const ROWS = 20_000
const TIMEOUT_MS = 60_000
// Runs of a megabyte, so that there are several.
const CONFIG = 'loads: { sortMb: 1 }\n'

class LoadWorld {
  readonly gateway: Gateway
  readonly #files: readonly string[]

  private constructor(gateway: Gateway) {
    this.gateway = gateway
    // Every row of a version says which one it is of.
    this.#files = ['old', 'new'].map((says) => {
      const path = join(gateway.folder, `${says}.ndjson`)
      const lines = Array.from({ length: ROWS }, (_, index) => {
        return `{"id":"row-${(index * 7919) % ROWS}","says":"${says}","filler":"${'x'.repeat(150)}"}\n`
      })
      writeFileSync(path, lines.join(''))
      return path
    })
  }

  static async start(t: TestContext): Promise<LoadWorld> {
    const gateway = await Gateway.start({ config: CONFIG })
    t.after(() => gateway.dispose())
    await gateway.createDataset(DATASET, { mode: 'BATCH', shardCount: 4 })
    const world = new LoadWorld(gateway)
    await world.end(await world.load('old'))
    assert.equal(await world.served(), 'old')
    return world
  }

  async load(says: 'old' | 'new'): Promise<string> {
    const from = this.#files[says === 'old' ? 0 : 1]
    const body = { from, keyField: 'id', publish: true }
    const answer = await this.gateway.admin('POST', `/v1/datasets/${DATASET}/loads`, body)
    assert.equal(answer.status, 202, answer.text)
    // The admin API's answer to a started load.
    return (answer.body as { load: LoadStatus }).load.id
  }

  async status(id: string): Promise<LoadStatus> {
    const answer = await this.gateway.admin('GET', `/v1/loads/${id}`)
    assert.equal(answer.status, 200, answer.text)
    return (answer.body as { load: LoadStatus }).load // see above
  }

  /** Waits until it has ended; answers how. */
  async end(id: string): Promise<LoadStatus> {
    const until = performance.now() + TIMEOUT_MS
    for (;;) {
      const status = await this.status(id)
      if (status.endedAtMs !== null) {
        assert.equal(status.state, 'DONE', JSON.stringify(status.error))
        return status
      }
      assert.ok(performance.now() < until, `load ${id} does not end: ${JSON.stringify(status)}`)
      await pause(20)
    }
  }

  /**
   * What the rows of the served version say; they all say the same. One call, which never mixes two versions: a load may
   * publish between two.
   */
  async served(): Promise<string> {
    const keys = [0, 1, 777, ROWS - 1].map((index) => `row-${index}`)
    const client = await this.gateway.connect()
    try {
      const { rows } = await client.multiGet({ dataset: DATASET, keys, cells: { localKeys: ['says'] } })
      const said = rows.map(({ cells, error }) => cells?.[0]?.value.toString() ?? error?.message ?? 'no row')
      const [only = '', ...others] = new Set(said)
      assert.deepEqual(others, [])
      return only
    } finally {
      client.close()
    }
  }

  get #staging(): string {
    return join(this.gateway.dataDirectory, 'data', '.staging')
  }

  /** Directory of the load that goes on; null: there is none. */
  loadDirectory(): string | null {
    const name = readdirSync(this.#staging).find((one) => one.startsWith('load-'))
    return name === undefined ? null : join(this.#staging, name)
  }

  assertNothingLeft(): void {
    assert.deepEqual(readdirSync(this.#staging), [])
  }
}

/** Steps of a load as they show on disk. */
const steps: readonly { readonly name: string; readonly isReached: (directory: string) => boolean }[] = [
  { name: 'it is asked for', isReached: (directory) => existsSync(join(directory, 'LOAD.json')) },
  { name: 'the first run is written', isReached: (directory) => countIn(directory, 'runs') >= 1 },
  { name: 'the first shard is begun', isReached: (directory) => countIn(directory, 'version') >= 1 },
  {
    name: 'two shards are sealed',
    isReached: (directory) => journalOf(directory).split('"kind":"sealed"').length > 2,
  },
  { name: 'all is built', isReached: (directory) => journalOf(directory).includes('"kind":"built"') },
]

function countIn(directory: string, folder: string): number {
  const path = join(directory, folder)
  return existsSync(path) ? readdirSync(path).length : 0
}

function journalOf(directory: string): string {
  const path = join(directory, 'journal')
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

/** False: the load was over before the step was seen. */
async function reach(world: LoadWorld, isReached: (directory: string) => boolean): Promise<boolean> {
  const until = performance.now() + TIMEOUT_MS
  for (;;) {
    const directory = world.loadDirectory()
    if (directory === null) return false
    if (isReached(directory)) return true
    assert.ok(performance.now() < until, 'the step was not reached')
    await pause(1)
  }
}

function childrenOf(pid: number): number[] {
  return execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    .trim()
    .split(/\s+/)
    .map(Number)
}

test('kill -9 of the gateway in each step of a load: the next start ends it, and a whole version is served', async (t) => {
  const world = await LoadWorld.start(t)
  let serving = 'old'
  for (const { name, isReached } of steps) {
    const says = serving === 'old' ? 'new' : 'old'
    const id = await world.load(says)
    const wasReached = await reach(world, isReached)
    await world.gateway.kill9()
    await world.gateway.start()
    assert.ok([serving, says].includes(await world.served()), name)
    const known = (await world.gateway.admin('GET', `/v1/loads/${id}`)).status === 200
    if (known) assert.equal((await world.end(id)).resumeCount, 1, name)
    else assert.ok(!wasReached || name === 'all is built', `${name}: the load was forgotten`)
    serving = await world.served()
    assert.equal(serving, says, name)
    world.assertNothingLeft()
  }
})

test('kill -9 of the load process: another goes on with what is on disk, and the gateway serves on', async (t) => {
  const world = await LoadWorld.start(t)
  const id = await world.load('new')
  assert.ok(await reach(world, (directory) => countIn(directory, 'runs') >= 3))
  const [child] = childrenOf(world.gateway.pid)
  assert.ok(child !== undefined)
  process.kill(child, 'SIGKILL')
  assert.equal(await world.served(), 'old')
  const { resumeCount, rows, figures } = await world.end(id)
  assert.deepEqual([resumeCount, rows, figures?.rows], [1, ROWS, ROWS])
  assert.equal(await world.served(), 'new')
  world.assertNothingLeft()
})

test('SIGTERM during a load: the gateway ends at once, and the next one goes on with the load', async (t) => {
  const world = await LoadWorld.start(t)
  const id = await world.load('new')
  assert.ok(await reach(world, (directory) => countIn(directory, 'runs') >= 2))
  const { code } = await world.gateway.stop()
  assert.equal(code, 0)
  await world.gateway.start()
  assert.equal((await world.end(id)).resumeCount, 1)
  assert.equal(await world.served(), 'new')
  world.assertNothingLeft()
})

test('kill -9 while an upload comes: nothing of it is left, it is FAILED, and the dataset can be loaded', async (t) => {
  const world = await LoadWorld.start(t)
  const { gateway } = world
  const sent = request({
    ...{ host: '127.0.0.1', port: gateway.port('admin'), method: 'POST' },
    path: `/v1/datasets/${DATASET}/uploads?keyField=id&publish=true`,
    headers: {
      ...{ 'x-godwit-actor': 'job', 'x-godwit-reason': 'nightly' },
      ...{ 'content-type': 'application/x-ndjson', 'content-length': 1_000_000 },
    },
  })
  sent.on('error', () => undefined)
  sent.write('{"id":"half","says":"half"}\n')
  assert.ok(await untilUploading(world))
  await gateway.kill9()
  await gateway.start()
  world.assertNothingLeft()
  const { body } = await gateway.admin('GET', `/v1/datasets/${DATASET}/versions`)
  const { versions } = body as { versions: { state: string }[] } // the admin API's answer
  assert.deepEqual(
    versions.map(({ state }) => state),
    ['FAILED', 'CURRENT'],
  )
  assert.equal(await world.served(), 'old')
  await world.end(await world.load('new'))
  assert.equal(await world.served(), 'new')
})

async function untilUploading(world: LoadWorld): Promise<boolean> {
  const until = performance.now() + TIMEOUT_MS
  while (performance.now() < until) {
    const directory = world.loadDirectory()
    if (directory !== null && existsSync(join(directory, 'input'))) return true
    await pause(5)
  }
  return false
}
