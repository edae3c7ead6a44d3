/** A real ZooKeeper server in a JVM on loopback, and what a test makes it do (terrapin-java/ZooKeeperHost.java). */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { javaOf } from './languages.js'

export interface OwnedNode {
  /** The session that it goes with; `0`: none. */
  readonly session: string
  readonly data: Buffer
}

export class ZooKeeperHost {
  readonly #data: string
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string, undefined>
  #port = 0

  private constructor(data: string, child: ChildProcess, lines: AsyncIterator<string, undefined>) {
    this.#data = data
    this.#child = child
    this.#lines = lines
  }

  /** @param folder of the built Java programs */
  static async start(folder: string): Promise<ZooKeeperHost> {
    const data = mkdtempSync(join(tmpdir(), 'godwit-zookeeper-'))
    const [command, ...args] = javaOf(folder, 'ZooKeeperHost')
    const child = spawn(command, [...args, join(data, 'zookeeper')], { stdio: ['pipe', 'pipe', 'ignore'] })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const host = new ZooKeeperHost(data, child, lines)
    host.#port = Number((await host.#next()).replace('port ', ''))
    return host
  }

  get port(): number {
    return this.#port
  }

  /** The server ends with all of its connections; what it had stored stays, sessions among it. */
  async stop(): Promise<void> {
    assert.equal(await this.#ask('stop'), 'stopped')
  }

  /** Again, on its port. */
  async restart(): Promise<void> {
    assert.equal(await this.#ask('start'), `port ${this.#port}`)
  }

  /** Ends the session that a node belongs to, as the server does with one that it has not heard of for too long. */
  async expire(path: string): Promise<void> {
    assert.equal(await this.#ask(`expire ${path}`), 'expired')
  }

  /** Null: there is no such node. */
  async get(path: string): Promise<OwnedNode | null> {
    const [session = '', data = ''] = (await this.#ask(`get ${path}`)).split(' ')
    return session === 'none' ? null : { session, data: Buffer.from(data, 'base64') }
  }

  async dispose(): Promise<void> {
    this.#child.stdin?.end()
    if (this.#child.exitCode === null) await once(this.#child, 'close')
    rmSync(this.#data, { recursive: true, force: true })
  }

  async #ask(command: string): Promise<string> {
    this.#child.stdin?.write(`${command}\n`)
    return await this.#next()
  }

  async #next(): Promise<string> {
    const { value, done }: IteratorResult<string, undefined> = await this.#lines.next()
    if (done === true) throw new Error('the ZooKeeper server has ended')
    return value
  }
}
