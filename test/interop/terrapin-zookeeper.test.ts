/**
 * A fat client's way to a value, through a real ZooKeeper in a JVM on loopback. Terrapin's own client is in no registry;
 * what reads here is a program of the same libraries (ZooKeeper's client, Jackson 1, Finagle). How the original was run
 * against Godwit stands in docs/EVIDENCE.md.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { hostsOfView } from '../../shims/terrapin/zookeeper-nodes.js'
import { root } from '../support/tree.js'
import { build, isRequired, javaOf, missing, ready, serversLeftOut } from './languages.js'
import { Pins } from './terrapin-data.js'
import { ZooKeeperHost } from './zookeeper.js'

const SWAPS = 4
const EXPECTED = [
  'ok the_file_set_is_published',
  'ok values_empty_ones_and_missing_ones',
  'ok no_read_fails_while_versions_change',
]
const SESSION_MS = 2_000
const GATEWAY = '/terra/godwit/gateways/127.0.0.1'
const LEADER = '/terra/CONTROLLER/LEADER'
const PATIENCE_MS = 30_000
const POLL_MS = 50

let folder = ''
/** Why it cannot run here; empty when it can. */
let lack = ''
let zookeeper: ZooKeeperHost | null = null
let pins: Pins | null = null

before(async () => {
  lack = serversLeftOut
  if (lack !== '') return
  const lacking = await missing(['mvn', 'javac', 'java'])
  if (lacking.length > 0) lack = `this machine lacks ${lacking.join(', ')}`
  else {
    try {
      const script = join(root, 'test', 'interop', 'terrapin-java', 'build.sh')
      folder = await ready({ name: 'terrapin-java', build: (into) => build('sh', [script, into]) })
    } catch (error) {
      lack = `its programs could not be built: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  if (lack !== '') {
    if (isRequired('java')) assert.fail(`java must not be left out of this run, but ${lack}`)
    return
  }
  zookeeper = await ZooKeeperHost.start(folder)
  const settings =
    `quorum: ["127.0.0.1:${zookeeper.port}"], clusters: [terra], advertisedHost: 127.0.0.1, ` +
    `sessionTimeoutMs: ${SESSION_MS}`
  pins = await Pins.start(`terrapin:\n  zookeeper: { ${settings} }\n`)
})

after(async () => {
  await pins?.dispose()
  await zookeeper?.dispose()
})

interface World {
  readonly zookeeper: ZooKeeperHost
  readonly pins: Pins
}

/** Null: the test was left out. */
function worldOf(t: TestContext): World | null {
  if (zookeeper !== null && pins !== null) return { zookeeper, pins }
  t.skip(`not run: ${lack}`)
  return null
}

/** Lets the program read until the file set has changed its version so often, each time by `turn`. */
async function readMeanwhile(
  { zookeeper, pins }: World,
  swaps: number,
  turn: (swap: number) => Promise<void>,
): Promise<void> {
  const [command, ...args] = javaOf(folder, 'FatReader')
  const more = [String(zookeeper.port), 'terra', 'pins', pins.args[1] ?? '', String(swaps)]
  const child = spawn(command, [...args, ...more], { stdio: ['ignore', 'pipe', 'ignore'] })
  const closed = once(child, 'close')
  const printed: string[] = []
  let seen = 0
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('now ')) printed.push(line)
    else if (seen < swaps) await turn(seen++)
  }
  await closed
  assert.deepEqual(printed, EXPECTED)
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end;) {
    if (await holds()) return
    await pause(POLL_MS)
  }
  assert.fail(`never: ${what}`)
}

/** Both nodes that go with the gateway's session are there, of one that is not in `former`. */
async function untilBack({ zookeeper }: World, former: ReadonlySet<string>): Promise<void> {
  await until('the gateway and its controller stand there again', async () => {
    const nodes = await Promise.all([GATEWAY, LEADER].map((path) => zookeeper.get(path)))
    return nodes.every((node) => node !== null && !former.has(node.session))
  })
}

/** The file set's node names this version, and all views the one gateway. */
async function untilServed({ zookeeper, pins }: World, version: string): Promise<void> {
  const resources = pins.args.slice(2).map((one) => `$terrapin$data$pins$${one}`)
  await until(`${version} is served`, async () => {
    const node = await zookeeper.get('/terra/filesets/pins')
    const named = (JSON.parse(node?.data.toString() ?? '{}') as { servingInfo?: { helixResource: string } })
      .servingInfo
    const views = await Promise.all(resources.map((one) => zookeeper.get(`/terra/views/${one}`)))
    const hosts = views.flatMap((view) => (view === null ? ['none'] : hostsOfView(view.data)))
    return named?.helixResource.endsWith(`$${version}`) === true && hosts.join() === '127.0.0.1,127.0.0.1'
  })
}

test('a program that reads as the fat client does is led to the gateway and follows its versions', async (t) => {
  const world = worldOf(t)
  if (world === null) return
  await readMeanwhile(world, SWAPS, (swap) => world.pins.turn(swap % 2 === 0 ? 'rollback' : 'rollforward'))
})

test('sessions that end, by the server and by a gateway that stood still, harm no reader and come back', async (t) => {
  const world = worldOf(t)
  if (world === null) return
  const { zookeeper, pins } = world
  const former = new Set<string>()
  const note = async () => {
    const node = await zookeeper.get(GATEWAY)
    assert.ok(node !== null)
    former.add(node.session)
  }
  await readMeanwhile(world, 2, async (swap) => {
    await note()
    if (swap === 0) await zookeeper.expire(GATEWAY)
    else {
      process.kill(pins.pid, 'SIGSTOP')
      try {
        await until('the session is over', async () => (await zookeeper.get(GATEWAY)) === null)
      } finally {
        process.kill(pins.pid, 'SIGCONT')
      }
    }
    await untilBack(world, former)
    await pins.turn(swap === 0 ? 'rollback' : 'rollforward')
  })
  assert.equal(former.size, 2)
  await untilServed(world, pins.args[3] ?? '')
})

test('a server that goes for longer than sessions live, and one that flaps, find what is served in the end', async (t) => {
  const world = worldOf(t)
  if (world === null) return
  const { zookeeper, pins } = world
  await zookeeper.stop()
  await pins.turn('rollback')
  await pause(2 * SESSION_MS)
  await zookeeper.restart()
  await untilServed(world, pins.args[2] ?? '')
  await untilBack(world, new Set())
  for (let round = 0; round < 5; round++) {
    await zookeeper.stop()
    if (round === 2) await pins.turn('rollforward')
    await zookeeper.restart()
    await pause(round * 100)
  }
  await untilServed(world, pins.args[3] ?? '')
  await untilBack(world, new Set())
  assert.doesNotMatch(pins.output, /unhandled|uncaught|"level":"(?:error|fatal)"/i)
})
