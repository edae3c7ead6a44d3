/**
 * A gateway in front of another one that passes for a real Terrapin: loads by loadFileSet, reads under load, and the
 * `godwit` command as an operator uses it.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { MigrationReport } from '../../src/model/migration-plan.js'
import { type CliOutcome, godwit } from '../unit/cli/run-cli.js'
import { Uploader } from './file-sets.js'
import { Gateway } from './gateway.js'
import { hfileOf } from './hfile-writer.js'
import { freePort } from './leaf-processes.js'
import type { StockClient } from './stock-client.js'

function settingsOf(ports: Readonly<Record<'terrapin' | 'terrapinController', number>>): string {
  return (
    'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n' +
    `  terrapin: { port: ${ports.terrapin}, enabled: true }\n` +
    `  terrapinController: { port: ${ports.terrapinController}, enabled: true }\n` +
    'threads: { data: 2 }\n'
  )
}

/** Small numbers, so that a test sees what takes hours. */
export const QUICK_MIGRATION =
  'migration: { minComparisons: 40, minRequests: 40, maxMismatchShare: 0.05, maxErrorShare: 0.1, soakMs: 0,' +
  ' maxLatencyRatio: 1000, latencySlackMs: 1000, watchEveryMs: 200, owedRetryMs: 200 }\n'

const WAIT_MS = 60_000
const POLL_MS = 100

export type Rows = ReadonlyMap<string, string>

export function someRows(count: number, valueOf: (key: string) => string = (key) => `of ${key}`): Rows {
  const keys = Array.from({ length: count }, (_, index) => `key-${String(index).padStart(6, '0')}`)
  return new Map(keys.map((key) => [key, valueOf(key)]))
}

export class MigrationPair {
  /** Passes for the real Terrapin. */
  readonly old: Gateway
  readonly front: Gateway
  readonly #hdfs: string
  readonly #uploader: Uploader
  readonly #oldUploader: Uploader

  private constructor(hdfs: string, old: Gateway, front: Gateway) {
    this.#hdfs = hdfs
    this.old = old
    this.front = front
    this.#uploader = new Uploader(front.port('terrapinController'))
    this.#oldUploader = new Uploader(old.port('terrapinController'))
  }

  static async start(more = QUICK_MIGRATION): Promise<MigrationPair> {
    const hdfs = mkdtempSync(join(tmpdir(), 'godwit-hdfs-'))
    const common = `terrapin:\n  owner: { name: pins, contact: pins@example.org }\n  root: "${pathToFileURL(hdfs).href}"\n`
    // Known before they listen, so that both start at the same time.
    const ports = { terrapin: await freePort(), terrapinController: await freePort() }
    const west =
      `origins:\n  west: { api: terrapin, host: 127.0.0.1, port: ${ports.terrapin}, clusters: [local],` +
      ` breakerResetMs: 200, controller: { host: 127.0.0.1, port: ${ports.terrapinController} } }\n`
    const any = { terrapin: 0, terrapinController: 0 }
    const [old, front] = await Promise.all([
      Gateway.start({ ports: settingsOf(ports), config: common }),
      Gateway.start({ ports: settingsOf(any), config: common + west + more }),
    ])
    return new MigrationPair(hdfs, old, front)
  }

  /** Makes the dataset on the front gateway, answered by the old one. */
  async create(name: string): Promise<void> {
    const made = await this.godwit(
      'dataset',
      'create',
      name,
      '--mode',
      'BATCH',
      '--origin',
      'west',
      '--owner',
      'pins',
      '--contact',
      'p',
    )
    assert.equal(made.exitCode, 0, made.stderr)
  }

  /** A version in HDFS, in one part; answers its directory. */
  write(name: string, version: number, rows: Rows): string {
    const directory = `/terrapin/data/${name}/${version}`
    mkdirSync(join(this.#hdfs, directory), { recursive: true })
    const sorted = [...rows].map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const)
    writeFileSync(join(this.#hdfs, directory, 'part-00000'), hfileOf(sorted))
    return directory
  }

  /** loadFileSet; answers what an uploader hears. */
  load(name: string, hdfsDirectory: string, to: 'front' | 'old' = 'front'): Promise<string> {
    const uploader = to === 'front' ? this.#uploader : this.#oldUploader
    return uploader.load({ fileSet: name, hdfsDirectory, expectedNumPartitions: 1, numVersionsToKeep: 3 })
  }

  /** The command against the front gateway; changes get a reason. */
  godwit(...args: readonly string[]): Promise<CliOutcome> {
    const admin = `http://127.0.0.1:${this.front.port('admin')}`
    const isChange =
      !['status', 'plan'].includes(args[2] ?? '') && !['explain', 'diff', 'audit'].includes(args[0] ?? '')
    return godwit([...args, ...(isChange ? ['--reason', 'a test'] : [])], { admin })
  }

  /** As `godwit`, of one migration; must succeed. */
  async migrate(name: string, ...args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.godwit('migrate', name, ...args)
    assert.equal(exitCode, 0, `${args.join(' ')}: ${stderr}${stdout}`)
    return stdout
  }

  /** Of the admin API: asked often, and the command costs more than the answer. */
  async report(name: string): Promise<MigrationReport> {
    const { body, status, text } = await this.front.admin('GET', `/v1/datasets/${name}/migration`)
    assert.equal(status, 200, text)
    return (body as { migration: MigrationReport }).migration // our own admin API
  }

  /** Waits until a report fits. */
  async until(
    name: string,
    isIt: (report: MigrationReport) => boolean,
    what: string,
  ): Promise<MigrationReport> {
    const untilMs = performance.now() + WAIT_MS
    for (;;) {
      const report = await this.report(name)
      if (isIt(report)) return report
      assert.ok(performance.now() < untilMs, `${what}: ${JSON.stringify(report, null, 1)}`)
      await pause(POLL_MS)
    }
  }

  /** Waits until both sides have it, and nobody owes it any more. */
  async loaded(name: string, version: number): Promise<void> {
    const isLoaded = ({ currentVersion, migration }: MigrationReport): boolean =>
      currentVersion === version && migration.owed.length === 0
    await this.until(name, isLoaded, 'both sides are loaded')
  }

  /** Waits until the move onwards is allowed. */
  async allowed(name: string): Promise<void> {
    await this.until(name, ({ plans }) => plans[0]?.isAllowed === true, 'the move onwards')
  }

  async dispose(): Promise<void> {
    await Promise.all([this.#uploader.close(), this.#oldUploader.close()])
    await Promise.all([this.front.dispose(), this.old.dispose()])
    rmSync(this.#hdfs, { recursive: true, force: true })
  }
}

export interface ReadersOptions {
  readonly name: string
  readonly keys: readonly string[]
  /** Whether a key may have that value now. */
  readonly isRight: (key: string, value: string | null) => boolean
  readonly clients?: number
  /** Of each client between two reads. */
  readonly pauseMs?: number
  /** 1 get; more: multiGet. */
  readonly keysEach?: number
}

/** Reads one key, or a few, after the other until it is stopped; notes every answer that is wrong. */
export class Readers {
  readonly wrong: string[] = []
  count = 0
  #isStopped = false
  #ended: Promise<unknown> = Promise.resolve()
  readonly #clients: StockClient[] = []

  static async start(gateway: Gateway, options: ReadersOptions): Promise<Readers> {
    const { clients = 3 } = options
    const readers = new Readers()
    for (let number = 0; number < clients; number += 1) readers.#clients.push(await gateway.connect())
    readers.#ended = Promise.all(
      readers.#clients.map((client, number) => readers.#readOn(client, number, options)),
    )
    return readers
  }

  async #readOn(client: StockClient, number: number, options: ReadersOptions): Promise<void> {
    const { keys, pauseMs = 0, keysEach = 1 } = options
    for (let at = number; !this.#isStopped; at += this.#clients.length) {
      const some = Array.from(
        { length: keysEach },
        (_, place) => keys[(at * keysEach + place) % keys.length] ?? '',
      )
      this.count += 1
      if (pauseMs > 0) await pause(pauseMs)
      try {
        await this.#read(client, some, options)
      } catch (error) {
        this.wrong.push(`${some.join(' ')}: ${String(error)}`)
      }
    }
  }

  async #read(
    client: StockClient,
    keys: readonly string[],
    { name, isRight }: ReadersOptions,
  ): Promise<void> {
    const [first = ''] = keys
    const rows =
      keys.length === 1
        ? [await client.get({ dataset: name, key: first })]
        : (await client.multiGet({ dataset: name, keys: [...keys] })).rows
    for (const [place, { value, error }] of rows.entries()) {
      const key = keys[place] ?? ''
      const text = value?.toString() ?? null
      const fault = error?.message ?? null
      if (fault !== null || !isRight(key, text)) this.wrong.push(`${key}: ${fault ?? text ?? '(none)'}`)
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#ended
    for (const client of this.#clients) client.close()
  }
}
