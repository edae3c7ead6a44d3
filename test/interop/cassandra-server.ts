/** Apache Cassandra in a JVM on loopback: the program of test/interop/cassandra-java. */
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { root } from '../support/tree.js'
import { build, isRequired, missing, ready, serversLeftOut } from './languages.js'

const START_TIMEOUT_MS = 180_000
/** What it reaches into of Java 17. */
const OPENED = [
  'java.lang',
  'java.lang.ref',
  'java.lang.reflect',
  'java.io',
  'java.math',
  'java.net',
  'java.nio',
  'java.nio.charset',
  'java.util',
  'java.util.concurrent',
  'java.util.concurrent.atomic',
  'java.util.concurrent.locks',
  'java.util.regex',
  'jdk.internal.ref',
  'sun.nio.ch',
]
const HEAP = ['-Xms512m', '-Xmx512m']
/** Of what it prints as errors, to be told when it does not start. */
const MAX_ERROR_CHARS = 4_000

export interface CassandraOptions {
  /** What java is told of its memory. */
  readonly heap?: readonly string[]
  /** A program and its arguments that start java, such as taskset; empty: none. */
  readonly launcher?: readonly string[]
}

export class Cassandra {
  readonly #folder = mkdtempSync(join(tmpdir(), 'godwit-cassandra-'))
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  #errors = ''
  /** Of the native protocol. */
  port = 0

  private constructor(built: string, { heap = HEAP, launcher = ['nice', '-n', '10'] }: CassandraOptions) {
    const opened = OPENED.flatMap((name) => ['--add-opens', `java.base/${name}=ALL-UNNAMED`])
    // It measures its own statements, by reflection where no agent tells it their sizes.
    const agent = readdirSync(join(built, 'lib')).find((name) => name.startsWith('jamm-'))
    const agents = agent === undefined ? [] : [`-javaagent:${join(built, 'lib', agent)}`]
    const classPath = `${join(built, 'classes')}:${join(built, 'lib')}/*`
    const java = ['java', ...heap, ...agents, ...opened, '-cp', classPath, 'Cassandra', this.#folder]
    const [command = 'java', ...args] = [...launcher, ...java]
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#process.stderr.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-MAX_ERROR_CHARS)
    })
  }

  /** A string says why it cannot run here. */
  static async start(options: CassandraOptions = {}): Promise<Cassandra | string> {
    const built = await builtProgram()
    if (!built.startsWith('/')) return built
    const cassandra = new Cassandra(built, options)
    try {
      cassandra.port = await cassandra.#readyPort()
      return cassandra
    } catch (error) {
      await cassandra.dispose()
      throw error
    }
  }

  async #readyPort(): Promise<number> {
    const lines = createInterface(this.#process.stdout)
    const signal = AbortSignal.timeout(START_TIMEOUT_MS)
    // What ends without a word has closed its output.
    const ended = once(lines, 'close', { signal }).then(() => {
      throw new Error(`Cassandra did not start: ${this.#errors}`)
    })
    for (;;) {
      // An event emitter's arguments are untyped; readline gives a string.
      const [line] = (await Promise.race([once(lines, 'line', { signal }), ended])) as [string]
      const port = /^ready (\d+)$/.exec(line)?.[1]
      if (port === undefined) continue
      ended.catch(() => undefined)
      return Number(port)
    }
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  async dispose(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.stdin.end()
      await ended
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Its folder, or why there is none. */
async function builtProgram(): Promise<string> {
  if (serversLeftOut !== '') return serversLeftOut
  const lacking = await missing(['mvn', 'javac', 'java'])
  let lack = lacking.length === 0 ? '' : `this machine lacks ${lacking.join(', ')}`
  if (lack === '') {
    try {
      const script = join(root, 'test', 'interop', 'cassandra-java', 'build.sh')
      return await ready({ name: 'cassandra-java', build: (into) => build('sh', [script, into]) })
    } catch (error) {
      lack = `its program could not be built: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  if (isRequired('java')) assert.fail(`java must not be left out of this run, but ${lack}`)
  return lack
}
