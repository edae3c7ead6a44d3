/**
 * A whole gateway as a child process on free loopback ports and a data directory of its own, with verbs. A process and
 * not a function call, because tests kill it, and because a native crash must fail one test, not the runner.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as pause } from 'node:timers/promises'
import { StockClient } from './stock-client.js'

/** The `godwit` command of the same output folder as this test. */
export const MAIN = join(fileURLToPath(import.meta.url), '..', '..', '..', 'src', 'main.js')
const START_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 30_000
const OUTPUT_TIMEOUT_MS = 10_000
const POLL_MS = 10

export interface AdminAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Parsed body, or null when it is no JSON. */
  readonly body: unknown
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Both output streams. */
  readonly output: string
}

interface Ready {
  readonly pid: number
  readonly listeners: Readonly<Record<string, { readonly host: string; readonly port: number }>>
}

export interface GatewayOptions {
  /** Default: a fresh temporary directory that dispose() removes. */
  readonly dataDirectory?: string
  /** YAML text appended to the ports' configuration. */
  readonly config?: string
  /** The ports' configuration; default: free ones on loopback. */
  readonly ports?: string
  /** What is started in place of this folder's `godwit serve`; the flags of `serve` are appended. */
  readonly command?: readonly [command: string, ...args: string[]]
  /** Flags for node itself. */
  readonly nodeFlags?: readonly string[]
  /** Further flags of `serve`. */
  readonly flags?: readonly string[]
}

const FREE_PORTS = 'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n'

export class Gateway {
  readonly folder = mkdtempSync(join(tmpdir(), 'godwit-gateway-'))
  readonly dataDirectory: string
  readonly #config: string
  readonly #command: readonly [command: string, ...args: string[]]
  readonly #flags: readonly string[]
  readonly #events = new EventEmitter()
  #process: ChildProcess | null = null
  #exit: Promise<Exit> | null = null
  #ready: Ready | null = null
  #output = ''

  constructor(options: GatewayOptions = {}) {
    this.dataDirectory = options.dataDirectory ?? join(this.folder, 'data')
    this.#config = (options.ports ?? FREE_PORTS) + (options.config ?? '')
    const nodeFlags = ['--enable-source-maps', ...(options.nodeFlags ?? [])]
    this.#command = options.command ?? [process.execPath, ...nodeFlags, MAIN, 'serve']
    this.#flags = options.flags ?? []
  }

  static async start(options: GatewayOptions = {}): Promise<Gateway> {
    const gateway = new Gateway(options)
    await gateway.start()
    return gateway
  }

  get pid(): number {
    assert.ok(this.#ready, 'the gateway is not running')
    return this.#ready.pid
  }

  get output(): string {
    return this.#output
  }

  /** Waits until it prints something more; fails when it does not. */
  async nextOutput(): Promise<void> {
    await once(this.#events, 'output', { signal: AbortSignal.timeout(OUTPUT_TIMEOUT_MS) })
  }

  port(
    listener:
      | 'kvstore'
      | 'admin'
      | 'leaf'
      | 'usermetastore'
      | 'terrapin'
      | 'hbase1'
      | 'hbase2'
      | 'rocksandra'
      | 'terrapinInternal'
      | 'terrapinController'
      | 'terrapinStatus'
      | 'terrapinStats',
  ): number {
    const port = this.#ready?.listeners[listener]?.port
    assert.ok(port !== undefined, `the gateway has no listener ${listener}`)
    return port
  }

  /** Starts it and waits until it says that it is ready. Fails with its output when it ends before. */
  async start(): Promise<void> {
    const exit = this.launch()
    const readyFile = join(this.folder, 'ready.json')
    const until = performance.now() + START_TIMEOUT_MS
    const state = { hasEnded: false }
    void exit.then(() => (state.hasEnded = true))
    while (!existsSync(readyFile)) {
      if (state.hasEnded) throw new Error(`the gateway ended before it was ready:\n${this.#output}`)
      if (performance.now() > until) throw new Error(`the gateway was not ready in time:\n${this.#output}`)
      await pause(POLL_MS)
    }
    this.#ready = JSON.parse(readFileSync(readyFile, 'utf8')) as Ready // written by the gateway under test
  }

  /** Starts it without waiting; for starts that must fail. Answers how it ended. */
  launch(): Promise<Exit> {
    assert.equal(this.#process, null, 'the gateway is running already')
    const configFile = join(this.folder, 'config.yaml')
    const readyFile = join(this.folder, 'ready.json')
    writeFileSync(configFile, this.#config)
    rmSync(readyFile, { force: true })
    this.#output = ''
    const flags = [
      '--config',
      configFile,
      '--data',
      this.dataDirectory,
      '--ready-file',
      readyFile,
      ...this.#flags,
    ]
    // Settings of whoever runs the tests are not the tests' settings.
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('GODWIT_')),
    )
    const [command, ...args] = this.#command
    const child = spawn(command, [...args, ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text: string) => {
        this.#output += text
        this.#events.emit('output')
      })
    }
    this.#process = child
    this.#exit = once(child, 'close').then(() => {
      this.#process = null
      this.#ready = null
      return { code: child.exitCode, signal: child.signalCode, output: this.#output }
    })
    return this.#exit
  }

  /** SIGTERM; answers how it ended. Kills it when it does not end. */
  async stop(): Promise<Exit> {
    return await this.#signal('SIGTERM')
  }

  /** SIGKILL: nothing of it runs any more when this answers. */
  async kill9(): Promise<Exit> {
    this.#killOutlasting()
    return await this.#signal('SIGKILL')
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** Waits until it has ended by itself. */
  async exited(): Promise<Exit> {
    assert.ok(this.#exit, 'the gateway was never started')
    return await this.#exit
  }

  connect(): Promise<StockClient> {
    return StockClient.connect(this.port('kvstore'))
  }

  async admin(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<AdminAnswer> {
    const response = await fetch(`http://127.0.0.1:${this.port('admin')}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headers: {
        'x-godwit-actor': 'test',
        'x-godwit-reason': 'a test needs it',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') ?? false
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson ? JSON.parse(text) : null,
    }
  }

  /** A READ_WRITE dataset owned by the tests. */
  async createDataset(name: string, settings: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const draft = {
      name,
      owner: { name: 'tests', contact: 'tests@example.org' },
      mode: 'READ_WRITE',
      ...settings,
    }
    const answer = await this.admin('POST', '/v1/datasets', draft)
    assert.equal(answer.status, 201, answer.text)
  }

  /** Ends it if it runs and removes what it wrote. */
  async dispose(): Promise<void> {
    if (this.#process !== null) await this.kill9()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** A gateway that another command started may outlive that one. */
  #killOutlasting(): void {
    const { pid } = this.#ready ?? {}
    if (pid === undefined || pid === this.#process?.pid) return
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }

  async #signal(signal: NodeJS.Signals): Promise<Exit> {
    const child = this.#process
    assert.ok(child !== null && this.#exit !== null, 'the gateway is not running')
    child.kill(signal)
    const timer = setTimeout(() => {
      this.#killOutlasting()
      child.kill('SIGKILL')
    }, STOP_TIMEOUT_MS)
    try {
      return await this.#exit
    } finally {
      clearTimeout(timer)
    }
  }
}
