import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import {
  fileSetNode,
  hostsOfView,
  isWholeView,
  leaderNode,
  viewNode,
} from '../../../shims/terrapin/zookeeper-nodes.js'
import { resourceName } from '../../../shims/terrapin/translate.js'
import { limits } from '../../../src/base/limits.js'
import { silentLogger, type Logger } from '../../../src/base/logger.js'
import type { ClaimedPair } from '../../../src/zookeeper/claims.js'
import { type NodeContents, type Publication, planFileSet } from '../../../src/zookeeper/file-set-plan.js'
import { Publisher } from '../../../src/zookeeper/publisher.js'
import { ZooKeeperSession } from '../../../src/zookeeper/session.js'
import { FakeZooKeeper } from '../../support/fake-zookeeper.js'
import { random } from '../../support/random.js'

const contents: NodeContents = {
  fileSet: fileSetNode,
  view: viewNode,
  hostsOfView,
  isWholeView,
  viewName: (fileSet, version) => resourceName({ fileSet, version }),
}

/** Views of a release that knew one partition, and looked at nothing but hosts. */
const earlierContents: NodeContents = {
  ...contents,
  view: (_, version, hosts) => gzipSync(JSON.stringify({ partitionMap: { [`x$${version}$0`]: hosts } })),
  isWholeView: () => true,
}

interface GatewayNodes {
  readonly leader?: Buffer | null
  readonly nodes?: NodeContents
}

let zookeeper: FakeZooKeeper
const gateways: FakeGateway[] = []

/** What publishes, with a metastore that is a map. The lingering of views is over at once. */
class FakeGateway {
  readonly datasets = new Map<string, Publication>()
  readonly warnings: string[] = []
  readonly #session: ZooKeeperSession
  readonly publisher: Publisher
  failures = 0

  constructor(
    host: string,
    store = `store of ${host}`,
    { leader = null, nodes = contents }: GatewayNodes = {},
  ) {
    const logger = {
      ...silentLogger,
      info: () => undefined,
      warn: (_fields: object, message: string) => this.warnings.push(message),
    } as unknown as Logger // what is called of it
    const startTimer = (delayMs: number, run: () => void) => {
      if (delayMs === limits.zooKeeperSweepMs) return () => undefined
      const timer = setTimeout(run, Math.min(delayMs, 20))
      return () => clearTimeout(timer)
    }
    this.#session = new ZooKeeperSession({
      servers: [{ host: '127.0.0.1', port: zookeeper.port }],
      timeoutMs: 30_000,
      startTimer: (delayMs, run) => {
        // Pings and silence are not this test's matter; attempts to connect come soon.
        const timer = setTimeout(run, delayMs > 9_000 ? delayMs : Math.min(delayMs, 10))
        timer.unref()
        return () => clearTimeout(timer)
      },
      logger,
      events: {
        onUp: () => this.publisher.up(),
        onDown: () => this.publisher.down(),
        onChanged: () => this.publisher.nodeChanged(),
      },
    })
    this.publisher = new Publisher({
      session: this.#session,
      clusters: ['terra'],
      host,
      store,
      leader: () => leader,
      contents: nodes,
      served: {
        get: (name) => this.datasets.get(name) ?? null,
        names: () => [...this.datasets.keys()],
      },
      startTimer,
      logger,
      onFailure: () => (this.failures += 1),
    })
    this.#session.start()
    gateways.push(this)
  }

  serve(name: string, current: number, kept: readonly number[] = [current]): void {
    this.datasets.set(name, { name, current, kept, retainedVersions: 2 })
    this.publisher.changed(name)
  }

  drop(name: string): void {
    this.datasets.delete(name)
    this.publisher.changed(name)
  }

  async stop(): Promise<void> {
    this.publisher.close()
    await this.#session.close()
  }
}

beforeEach(async () => {
  zookeeper = await FakeZooKeeper.start()
})

afterEach(async () => {
  await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()))
  await zookeeper.stop()
})

/** Looks until it holds; what publishes does so in its own time. */
async function until(what: string, holds: () => boolean): Promise<void> {
  for (let look = 0; look < 500; look++) {
    if (holds()) return
    await pause(5)
  }
  assert.fail(`never: ${what}; warned: ${gateways.flatMap(({ warnings }) => warnings).join('; ')}`)
}

function currentOf(name: string): string | null {
  const data = zookeeper.data(`/terra/filesets/${name}`)
  if (data === null) return null
  const { servingInfo } = JSON.parse(data.toString()) as { servingInfo: { helixResource: string } }
  return servingInfo.helixResource
}

function viewOf(name: string, version: number): Buffer | null {
  return zookeeper.data(`/terra/views/${resourceName({ fileSet: name, version })}`)
}

function hostsOf(name: string, version: number): string {
  const data = viewOf(name, version)
  return data === null ? 'none' : hostsOfView(data).join()
}

function isWhole(name: string, version: number): boolean {
  const data = viewOf(name, version)
  return data !== null && isWholeView(data)
}

test('a served file set stands in the tree with its views, and goes when it is deleted', async () => {
  const gateway = new FakeGateway('one')
  gateway.serve('pins', 2, [2, 1])
  await until('published', () => currentOf('pins') === '$terrapin$data$pins$2')
  assert.equal(hostsOf('pins', 1), 'one')
  assert.equal(hostsOf('pins', 2), 'one')
  gateway.drop('pins')
  await until('withdrawn', () => currentOf('pins') === null && hostsOf('pins', 2) === 'none')
  assert.deepEqual(zookeeper.children('/terra/godwit/filesets'), [])
  assert.deepEqual(zookeeper.children('/terra/views'), [])
})

test('a new version comes in one transaction, behind the view that it leads to, and the old view goes later', async () => {
  const gateway = new FakeGateway('one')
  gateway.serve('pins', 1)
  await until('published', () => currentOf('pins') === '$terrapin$data$pins$1')
  const before = zookeeper.writes.length
  gateway.serve('pins', 2)
  await until('swapped', () => currentOf('pins') === '$terrapin$data$pins$2')
  assert.deepEqual(zookeeper.writes[before], [
    '/terra/godwit/filesets/pins',
    '/terra/godwit/filesets/pins/2',
    '/terra/views/$terrapin$data$pins$2',
    '/terra/filesets/pins',
  ])
  await until('old view gone', () => hostsOf('pins', 1) === 'none')
  assert.equal(zookeeper.writes.length, before + 2)
})

test('a view with other partitions than clients are told of is written anew, or goes, as one with all of them', () => {
  const stat = { madeBy: 1n, changedBy: 1n, version: 0, session: 0n }
  const ours = (path: string, data: Buffer): ClaimedPair => {
    const claim = { data: Buffer.from('store'), stat }
    return { path, claimPath: `${path} claim`, node: { data, stat }, claim, state: 'OURS' }
  }
  const live = new Map(['one', 'two'].map((host) => [host, 'store']))
  const set = { name: 'pins', current: 20, retainedVersions: 2 }
  /** What becomes of a view of version 10 that names these hosts. As long as it stands, the file set stays as it is. */
  const viewAfter = (
    before: readonly string[],
    kept: readonly number[] | null,
  ): readonly string[] | 'deleted' => {
    const wanted = kept === null ? null : { ...set, kept }
    const { now } = planFileSet({
      wanted,
      found: {
        pair: ours('set', contents.fileSet({ ...set, kept: kept ?? [20] })),
        views: new Map([[10, ours('view', earlierContents.view('pins', 10, before))]]),
      },
      publishers: { host: 'one', store: 'store', live },
      contents,
      hasChanged: false,
      expired: new Set([10]),
    })
    const change = now.find(({ path }) => path === 'view')
    if (change?.kind === 'delete') return 'deleted'
    assert.ok(change?.kind === 'set')
    assert.ok(isWholeView(change.data))
    assert.ok(!now.some(({ path }) => path === 'set'))
    return hostsOfView(change.data)
  }
  assert.deepEqual(viewAfter(['one'], [20, 10]), ['one'])
  assert.deepEqual(viewAfter(['one', 'two'], [20, 10]), ['one', 'two'])
  assert.equal(viewAfter(['one'], [20]), 'deleted')
  assert.deepEqual(viewAfter(['one', 'two'], [20]), ['two'])
  assert.equal(viewAfter(['one'], null), 'deleted')
  assert.deepEqual(viewAfter(['one', 'two'], null), ['two'])
})

test('gateways of two releases settle, and what the one still serves outlives the withdrawal of the other', async () => {
  const one = new FakeGateway('one')
  const two = new FakeGateway('two', 'store of two', { nodes: earlierContents })
  const settle = async () => {
    for (const gateway of [one, two, one, two]) {
      gateway.publisher.nodeChanged()
      await gateway.publisher.idle()
    }
  }
  await settle()
  one.serve('pins', 1)
  await until('published', () => isWhole('pins', 1))
  two.serve('pins', 1)
  await until('as it was written before', () => hostsOf('pins', 1) === 'one,two' && !isWhole('pins', 1))
  await settle()
  assert.ok(isWhole('pins', 1))
  assert.equal(hostsOf('pins', 1), 'one,two')
  const writes = zookeeper.writes.length
  await settle()
  assert.equal(zookeeper.writes.length, writes)

  two.drop('pins')
  await until('one is left', () => hostsOf('pins', 1) === 'one')
  two.serve('pins', 1)
  await until('both again', () => hostsOf('pins', 1) === 'one,two' && !isWhole('pins', 1))
  one.drop('pins')
  await until('two is left', () => hostsOf('pins', 1) === 'two')
  assert.equal(currentOf('pins'), '$terrapin$data$pins$1')
})

test('what changes while zookeeper is away is put right when it is back', async () => {
  const gateway = new FakeGateway('one')
  gateway.serve('pins', 1)
  gateway.serve('gone', 1)
  await until('published', () => currentOf('pins') !== null && currentOf('gone') !== null)
  await zookeeper.stop()
  gateway.serve('pins', 2)
  gateway.serve('new', 7)
  gateway.drop('gone')
  await zookeeper.listen()
  await until('put right', () => currentOf('pins') === '$terrapin$data$pins$2')
  await until('put right', () => currentOf('new') !== null && currentOf('gone') === null)
})

test('zookeeper that is not there at the start is waited for', async () => {
  await zookeeper.stop()
  const gateway = new FakeGateway('one')
  gateway.serve('pins', 1)
  await until('it was looked for', () => gateway.warnings.some((text) => text.includes('not connected')))
  await zookeeper.listen()
  await until('published', () => hostsOf('pins', 1) === 'one')
})

test('an expired session is followed by another one, which says again that the gateway is there', async () => {
  const gateway = new FakeGateway('one')
  gateway.serve('pins', 1)
  await until('published', () => currentOf('pins') !== null)
  zookeeper.expireSessions()
  assert.deepEqual(zookeeper.children('/terra/godwit/gateways'), [])
  await until('there again', () => zookeeper.children('/terra/godwit/gateways').join() === 'one')
  assert.equal(currentOf('pins'), '$terrapin$data$pins$1')
})

test('a cut connection keeps the session and with it the node that says so', async () => {
  const gateway = new FakeGateway('one')
  gateway.serve('pins', 1)
  await until('published', () => currentOf('pins') !== null)
  zookeeper.cut()
  gateway.serve('pins', 2)
  await until('swapped', () => currentOf('pins') === '$terrapin$data$pins$2')
  assert.deepEqual(zookeeper.children('/terra/godwit/gateways'), ['one'])
})

test('a node of another program is left alone until it is gone', async () => {
  for (const path of ['/terra', '/terra/filesets', '/terra/views']) zookeeper.put(path, '')
  zookeeper.put('/terra/filesets/pins', 'theirs')
  const gateway = new FakeGateway('one')
  gateway.serve('pins', 1)
  gateway.serve('other', 1)
  await until('the other one', () => currentOf('other') !== null)
  await gateway.publisher.idle()
  assert.equal(zookeeper.data('/terra/filesets/pins')?.toString(), 'theirs')
  assert.equal(hostsOf('pins', 1), 'none')
  assert.deepEqual(gateway.publisher.figures(), { published: 1, foreign: 1 })
  assert.ok(gateway.warnings.some((text) => text.includes('another program')))
  gateway.drop('pins')
  await gateway.publisher.idle()
  assert.equal(zookeeper.data('/terra/filesets/pins')?.toString(), 'theirs')
  zookeeper.remove('/terra/filesets/pins')
  gateway.serve('pins', 1)
  await until('ours now', () => currentOf('pins') !== null)
})

test('a node of ours that another program changed is not ours any more', async () => {
  const gateway = new FakeGateway('one')
  gateway.serve('pins', 1)
  await until('published', () => currentOf('pins') !== null)
  zookeeper.put('/terra/filesets/pins', 'theirs')
  gateway.serve('pins', 2)
  await gateway.publisher.idle()
  assert.equal(zookeeper.data('/terra/filesets/pins')?.toString(), 'theirs')
  assert.equal(hostsOf('pins', 2), 'none')
  gateway.drop('pins')
  await gateway.publisher.idle()
  assert.equal(zookeeper.data('/terra/filesets/pins')?.toString(), 'theirs')
})

test('one that cannot be withdrawn holds up no other, and goes when what was in the way is gone', async () => {
  const gateway = new FakeGateway('one')
  gateway.serve('pins', 1)
  await until('published', () => currentOf('pins') !== null)
  // Another program's node below our claim: the claim cannot be removed, and with it nothing of the transaction is done.
  zookeeper.put('/terra/godwit/filesets/pins/theirs', '')
  gateway.drop('pins')
  await until('refused', () => gateway.failures > 0)
  gateway.serve('other', 1)
  await until('published', () => currentOf('other') !== null)
  assert.equal(currentOf('pins'), '$terrapin$data$pins$1')
  zookeeper.remove('/terra/godwit/filesets/pins/theirs')
  await until('withdrawn', () => currentOf('pins') === null)
  assert.equal(hostsOf('pins', 1), 'none')
})

test('gateways of one metastore stand in one list, and one that ends is taken out', async () => {
  const one = new FakeGateway('one', 'shared')
  const two = new FakeGateway('two', 'shared')
  one.serve('pins', 1)
  two.serve('pins', 1)
  await until('both', () => hostsOf('pins', 1) === 'one,two')
  await two.stop()
  await until('one is left', () => hostsOf('pins', 1) === 'one')
  await one.stop()
  // Nobody is left to take it out: clients see a host that does not answer, and find it again when it is back.
  assert.equal(hostsOf('pins', 1), 'one')
  assert.equal(currentOf('pins'), '$terrapin$data$pins$1')
})

test('of gateways with metastores of their own the one whose version changes last decides', async () => {
  const one = new FakeGateway('one')
  const two = new FakeGateway('two')
  one.serve('pins', 1)
  await until('published', () => hostsOf('pins', 1) === 'one')
  two.serve('pins', 1)
  await until('both', () => hostsOf('pins', 1) === 'one,two')
  one.serve('pins', 2, [2, 1])
  await until('swapped', () => currentOf('pins') === '$terrapin$data$pins$2')
  two.publisher.nodeChanged()
  await two.publisher.idle()
  assert.equal(currentOf('pins'), '$terrapin$data$pins$2')
  assert.equal(hostsOf('pins', 2), 'one')
  two.serve('pins', 2, [2, 1])
  await until('both again', () => hostsOf('pins', 2) === 'one,two')
  two.serve('pins', 1, [2, 1])
  await until('rolled back', () => currentOf('pins') === '$terrapin$data$pins$1')
})

test('a file set that other gateways have stays when one deletes it', async () => {
  const one = new FakeGateway('one')
  const two = new FakeGateway('two')
  one.serve('pins', 1)
  await until('published', () => hostsOf('pins', 1) === 'one')
  two.serve('pins', 1)
  await until('both', () => hostsOf('pins', 1) === 'one,two')
  two.drop('pins')
  await until('two is out', () => hostsOf('pins', 1) === 'one')
  two.serve('pins', 1)
  await until('both again', () => hostsOf('pins', 1) === 'one,two')
  one.drop('pins')
  await until('one is out', () => hostsOf('pins', 1) === 'two')
  assert.equal(currentOf('pins'), '$terrapin$data$pins$1')
})

test('two gateways under one name do not take turns', async () => {
  const one = new FakeGateway('same', 'first')
  one.serve('pins', 1)
  await until('published', () => currentOf('pins') !== null)
  const two = new FakeGateway('same', 'second')
  await until('said', () => two.warnings.some((text) => text.includes('advertisedHost')))
  await Promise.all([one.publisher.idle(), two.publisher.idle()])
  const writes = zookeeper.writes.length
  for (const gateway of [one, two, one, two]) {
    gateway.publisher.nodeChanged()
    await gateway.publisher.idle()
  }
  assert.equal(zookeeper.writes.length, writes)
})

test('a gateway that another one took for gone comes back into the lists by itself', async () => {
  const [one, two] = [new FakeGateway('one', 'shared'), new FakeGateway('two', 'shared')]
  for (const gateway of [one, two]) gateway.serve('pins', 1)
  await until('both', () => hostsOf('pins', 1) === 'one,two')
  zookeeper.remove('/terra/godwit/gateways/one')
  two.publisher.nodeChanged()
  await until('both again', () => hostsOf('pins', 1) === 'one,two')
  await until('there', () => zookeeper.children('/terra/godwit/gateways').join() === 'one,two')
})

test('whenever sessions expire and connections are cut, in the end stands what is served', async () => {
  const seed = Math.floor(Math.random() * 1_000_000)
  const next = random(seed)
  const below = (count: number) => Math.floor(next() * count)
  const both = [new FakeGateway('one', 'shared'), new FakeGateway('two', 'shared')]
  const served = new Map<string, number[]>()
  for (let step = 1; step <= 150; step++) {
    const name = `set${below(12)}`
    const kind = below(10)
    if (kind === 0) zookeeper.expireSessions()
    else if (kind === 1) zookeeper.cut()
    else if (kind === 2) {
      served.delete(name)
      for (const gateway of both) gateway.drop(name)
    } else {
      const kept = [step, ...(served.get(name) ?? [])].slice(0, 2)
      served.set(name, kept)
      for (const gateway of both) gateway.serve(name, step, kept)
    }
    await pause(below(8))
  }
  const wanted = [...served].map(([name, kept]) => [name, kept, kept.map(() => 'one,two')]).sort()
  const found = () =>
    zookeeper.children('/terra/filesets').map((name) => {
      const kept = zookeeper.children(`/terra/godwit/filesets/${name}`).map(Number)
      const versions = kept.sort((one, other) => other - one)
      const isCurrent = currentOf(name) === resourceName({ fileSet: name, version: versions[0] ?? 0 })
      return [name, isCurrent ? versions : [], versions.map((version) => hostsOf(name, version))]
    })
  for (let look = 0; look < 500 && JSON.stringify(found().sort()) !== JSON.stringify(wanted); look++)
    await pause(10)
  assert.deepEqual(found().sort(), wanted, `seed ${seed}`)
  const views = [...served.values()].flat().length
  assert.equal(zookeeper.children('/terra/views').length, views, `seed ${seed}`)
  assert.deepEqual(zookeeper.children('/terra/godwit/filesets').sort(), [...served.keys()].sort())
})

test('the controller that uploaders ask is the first that came, and the next one when it ends', async () => {
  const leaderOf = () => zookeeper.data('/terra/CONTROLLER/LEADER')?.toString() ?? null
  const first = new FakeGateway('one', 'store', { leader: leaderNode('one', 9012) })
  await until('led', () => leaderOf() !== null)
  assert.equal(leaderOf(), '{"id":"one_9012","simpleFields":{},"mapFields":{},"listFields":{}}')
  assert.deepEqual(zookeeper.children('/terra/locks'), [])

  const second = new FakeGateway('two', 'store', { leader: leaderNode('two', 9013) })
  second.serve('pins', 1)
  await until('published', () => hostsOf('pins', 1) === 'two')
  assert.match(leaderOf() ?? '', /"one_9012"/)
  gateways.splice(gateways.indexOf(first), 1)
  await first.stop()
  await until('led by the other', () => leaderOf()?.includes('"two_9013"') === true)
})

test('where another controller led, or this one before it crashed, its end is noticed', async () => {
  for (const path of ['/terra', '/terra/CONTROLLER']) zookeeper.put(path, '')
  zookeeper.put('/terra/CONTROLLER/LEADER', 'theirs')
  const gateway = new FakeGateway('one', 'store', { leader: leaderNode('one', 9012) })
  gateway.serve('pins', 1)
  await until('published', () => hostsOf('pins', 1) === 'one')
  assert.equal(zookeeper.data('/terra/CONTROLLER/LEADER')?.toString(), 'theirs')
  zookeeper.remove('/terra/CONTROLLER/LEADER')
  await until(
    'led',
    () => zookeeper.data('/terra/CONTROLLER/LEADER')?.toString().includes('one_9012') === true,
  )
})

test('a gateway without a controller leads nobody', async () => {
  const gateway = new FakeGateway('one')
  gateway.serve('pins', 1)
  await until('published', () => hostsOf('pins', 1) === 'one')
  assert.equal(zookeeper.data('/terra/CONTROLLER/LEADER'), null)
})
