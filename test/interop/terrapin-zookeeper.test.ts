/**
 * A fat client's way to a value, through a real ZooKeeper in a JVM on loopback. Terrapin's own client is in no registry;
 * what reads here is a program of the same libraries (ZooKeeper's client, Jackson 1, Finagle). How the original was run
 * against Godwit stands in docs/EVIDENCE.md.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { after, before, test } from 'node:test'
import { root } from '../support/tree.js'
import { build, isRequired, javaOf, missing, ready, serversLeftOut } from './languages.js'
import { Pins } from './terrapin-data.js'

const SWAPS = 4
const EXPECTED = [
  'ok the_file_set_is_published',
  'ok values_empty_ones_and_missing_ones',
  'ok no_read_fails_while_versions_change',
]

/** Of the ZooKeeper server. */
const data = mkdtempSync(join(tmpdir(), 'godwit-zookeeper-'))
let folder = ''
/** Why it cannot run here; empty when it can. */
let lack = ''
let server: ChildProcess | null = null
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
  if (lack !== '' && isRequired('java')) assert.fail(`java must not be left out of this run, but ${lack}`)
})

after(async () => {
  await pins?.dispose()
  if (server !== null) {
    server.stdin?.end()
    await once(server, 'close')
  }
  rmSync(data, { recursive: true, force: true })
})

function start(
  main: string,
  args: readonly string[],
): { readonly child: ChildProcess; readonly lines: Interface } {
  const [command, ...before] = javaOf(folder, main)
  const child = spawn(command, [...before, ...args], { stdio: ['pipe', 'pipe', 'ignore'] })
  return { child, lines: createInterface({ input: child.stdout }) }
}

test('a program that reads as the fat client does is led to the gateway and follows its versions', async (t) => {
  if (lack !== '') {
    t.skip(`not run: ${lack}`)
    return
  }
  const host = start('ZooKeeperHost', [join(data, 'zookeeper')])
  server = host.child
  const [said] = (await once(host.lines, 'line')) as [string]
  const port = said.replace('port ', '')
  pins = await Pins.start(
    `terrapin:\n  zookeeper: { quorum: ["127.0.0.1:${port}"], clusters: [terra], advertisedHost: 127.0.0.1 }\n`,
  )
  const internalPort = pins.args[1] ?? ''
  const { child, lines } = start('FatReader', [port, 'terra', 'pins', internalPort, String(SWAPS)])
  const closed = once(child, 'close')
  const printed: string[] = []
  let seen = 0
  for await (const line of lines) {
    if (!line.startsWith('now ')) printed.push(line)
    else if (seen < SWAPS) await pins.turn(seen++ % 2 === 0 ? 'rollback' : 'rollforward')
  }
  await closed
  assert.deepEqual(printed, EXPECTED)
})
