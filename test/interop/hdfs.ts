/** Hadoop's HDFS in a JVM on loopback, with HBase's own writer of HFiles: the program of test/interop/terrapin-hdfs. */
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { root } from '../support/tree.js'
import { build, isRequired, javaOf, missing, ready, serversLeftOut } from './languages.js'

const START_TIMEOUT_MS = 120_000

export class Hdfs {
  readonly #folder = mkdtempSync(join(tmpdir(), 'godwit-hdfs-'))
  readonly #process: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: Interface
  /** Of the NameNode. */
  rpcPort = 0
  httpPort = 0

  private constructor([file, ...args]: readonly [string, ...string[]]) {
    this.#process = spawn(file, [...args, this.#folder], { stdio: ['pipe', 'pipe', 'ignore'] })
    this.#lines = createInterface(this.#process.stdout)
  }

  /** A string says why it cannot run here. */
  static async start(): Promise<Hdfs | string> {
    if (serversLeftOut !== '') return serversLeftOut
    const lacking = await missing(['mvn', 'javac', 'java'])
    let lack = lacking.length === 0 ? '' : `this machine lacks ${lacking.join(', ')}`
    let folder = ''
    if (lack === '') {
      try {
        const script = join(root, 'test', 'interop', 'terrapin-hdfs', 'build.sh')
        folder = await ready({ name: 'terrapin-hdfs', build: (into) => build('sh', [script, into]) })
      } catch (error) {
        lack = `its program could not be built: ${error instanceof Error ? error.message : String(error)}`
      }
    }
    if (lack !== '') {
      if (isRequired('java')) assert.fail(`java must not be left out of this run, but ${lack}`)
      return lack
    }
    const [java, ...args] = javaOf(folder, 'Hdfs')
    // Hadoop's Jersey is older than Java's modules.
    const hdfs = new Hdfs([java, '--add-opens', 'java.base/java.lang=ALL-UNNAMED', ...args])
    const [, rpcPort, httpPort] = (await hdfs.#nextLine()).split(' ')
    hdfs.rpcPort = Number(rpcPort)
    hdfs.httpPort = Number(httpPort)
    return hdfs
  }

  /** A file set as Terrapin's uploaders write it: keys `%06d`, values `vKEY-ROUND`. */
  async write(directory: string, size: { partitions: number; keys: number; round: number }): Promise<void> {
    await this.command(`write ${directory} ${size.partitions} ${size.keys} ${size.round}`)
  }

  async command(line: string): Promise<void> {
    this.#process.stdin.write(`${line}\n`)
    assert.equal(await this.#nextLine(), 'ok', line)
  }

  async dispose(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.stdin.end()
    await ended
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #nextLine(): Promise<string> {
    // An event emitter's arguments are untyped; readline gives a string.
    const [line] = (await once(this.#lines, 'line', { signal: AbortSignal.timeout(START_TIMEOUT_MS) })) as [
      string,
    ]
    return line
  }
}
