/** Apache HBase with its Thrift servers in a JVM on loopback: the program of test/interop/hbase-java. */
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { root } from '../support/tree.js'
import { build, isRequired, missing, ready, serversLeftOut } from './languages.js'

const START_TIMEOUT_MS = 120_000
/** What HBase 2.5 reaches into of Java 17. */
const OPENED = [
  'java.lang',
  'java.io',
  'java.net',
  'java.nio',
  'java.util',
  'java.util.concurrent',
  'sun.nio.ch',
]
const HEAP = '-Xmx512m'

export interface HBaseOptions {
  /** What java is told of its memory. */
  readonly heap?: string
  /** A program and its arguments that start java, such as taskset; empty: none. */
  readonly launcher?: readonly string[]
}

export class HBase {
  readonly #folder = mkdtempSync(join(tmpdir(), 'godwit-hbase-'))
  readonly #process: ChildProcessByStdio<Writable, Readable, null>
  /** Of the two gateways. */
  port1 = 0
  port2 = 0

  private constructor(classPath: string, { heap = HEAP, launcher = [] }: HBaseOptions) {
    const opened = OPENED.flatMap((name) => ['--add-opens', `java.base/${name}=ALL-UNNAMED`])
    const java = ['java', heap, ...opened, '-cp', classPath, 'HBase', this.#folder]
    const [command = 'java', ...args] = [...launcher, ...java]
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  }

  /** A string says why it cannot run here. */
  static async start(options: HBaseOptions = {}): Promise<HBase | string> {
    const built = await builtPrograms()
    if (!built.startsWith('/')) return built
    const hbase = new HBase(`${join(built, 'classes')}:${join(built, 'lib')}/*`, options)
    const lines = createInterface(hbase.#process.stdout)
    // An event emitter's arguments are untyped; readline gives a string.
    const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(START_TIMEOUT_MS) })) as [string]
    const [word, port1, port2] = line.split(' ')
    if (word !== 'ready') {
      await hbase.dispose()
      throw new Error(`HBase did not start: ${line}`)
    }
    hbase.port1 = Number(port1)
    hbase.port2 = Number(port2)
    return hbase
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  async dispose(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.stdin.end()
    await ended
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Their folder, or why there is none. */
export async function builtPrograms(): Promise<string> {
  if (serversLeftOut !== '') return serversLeftOut
  const lacking = await missing(['mvn', 'javac', 'java'])
  let lack = lacking.length === 0 ? '' : `this machine lacks ${lacking.join(', ')}`
  if (lack === '') {
    try {
      const script = join(root, 'test', 'interop', 'hbase-java', 'build.sh')
      return await ready({ name: 'hbase-java', build: (into) => build('sh', [script, into]) })
    } catch (error) {
      lack = `its programs could not be built: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  if (isRequired('java')) assert.fail(`java must not be left out of this run, but ${lack}`)
  return lack
}
