/** Godwit itself as a child process, and the few admin calls that benches need. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Core, Server } from './processes.js'
import { start } from './processes.js'

const READY_TIMEOUT_MS = 30_000
const POLL_MS = 20

export interface GatewayOptions {
  /** Holds the data and the files of this run; made when it is missing. */
  readonly folder: string
  readonly dataThreads: number
  readonly core: Core
  /** For a look inside, such as --cpu-prof. */
  readonly nodeOptions?: readonly string[]
  /** Serves TerrapinService besides. */
  readonly servesTerrapin?: boolean
  /** Serves UserMetaStore besides. */
  readonly servesUserMetaStore?: boolean
  /** Serves HBase's first Thrift gateway besides. */
  readonly servesHBase?: boolean
  /** Serves CQL besides. */
  readonly servesCql?: boolean
  /** Settings besides. */
  readonly settings?: object
  /** Is given each line of its log; without it they go to this process's own. */
  readonly onLogLine?: (line: string) => void
}

export interface Gateway extends Server {
  readonly adminUrl: string
  /** Of TerrapinService; null: it is not served. */
  readonly terrapinPort: number | null
  /** Of UserMetaStore; null: it is not served. */
  readonly usermetastorePort: number | null
  /** Of HBase's first Thrift gateway; null: it is not served. */
  readonly hbase1Port: number | null
  /** Of CQL; null: it is not served. */
  readonly cqlPort: number | null
}

interface ReadyFile {
  readonly pid: number
  readonly listeners: Readonly<Record<'kvstore' | 'admin', Address>> &
    Readonly<Partial<Record<'terrapin' | 'usermetastore' | 'hbase1' | 'rocksandra', Address>>>
}

interface Address {
  readonly host: string
  readonly port: number
}

/** Starts `godwit serve` on free ports and waits until it is ready. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  mkdirSync(options.folder, { recursive: true })
  const config = join(options.folder, 'config.yaml')
  const readyFile = join(options.folder, 'ready.json')
  rmSync(readyFile, { force: true })
  writeFileSync(config, configText(options))
  const main = join(import.meta.dirname, '..', 'src', 'main.js')
  // Anything that Node is to do for a look inside, such as --cpu-prof.
  const nodeOptions = [
    ...(process.env['BENCH_NODE_OPTIONS']?.split(' ') ?? []),
    ...(options.nodeOptions ?? []),
  ]
  const child = start(
    process.execPath,
    [...nodeOptions, main, 'serve', '--config', config, '--ready-file', readyFile],
    options.core,
    {
      stdio: ['ignore', 'ignore', options.onLogLine === undefined ? 'inherit' : 'pipe'],
      cwd: options.folder,
    },
  )
  if (options.onLogLine !== undefined && child.stderr !== null) {
    createInterface({ input: child.stderr }).on('line', options.onLogLine)
  }
  const { pid, listeners } = await readyOf(child, readyFile)
  return {
    pid,
    port: listeners.kvstore.port,
    adminUrl: `http://${listeners.admin.host}:${listeners.admin.port}`,
    terrapinPort: listeners.terrapin?.port ?? null,
    usermetastorePort: listeners.usermetastore?.port ?? null,
    hbase1Port: listeners.hbase1?.port ?? null,
    cqlPort: listeners.rocksandra?.port ?? null,
    stop: () => stopGateway(child),
  }
}

/** JSON is YAML. Loads get the memory that they take by default. */
function configText(options: GatewayOptions): string {
  const { folder, dataThreads, settings = {} } = options
  const { servesTerrapin = false, servesUserMetaStore = false, servesHBase = false } = options
  const { servesCql = false } = options
  return JSON.stringify({
    data: { directory: join(folder, 'data') },
    threads: { data: dataThreads },
    listeners: {
      kvstore: { port: 0 },
      admin: { port: 0 },
      terrapin: { port: 0, enabled: servesTerrapin },
      usermetastore: { port: 0, enabled: servesUserMetaStore },
      hbase1: { port: 0, enabled: servesHBase },
      rocksandra: { port: 0, enabled: servesCql },
    },
    log: { level: 'warn' },
    ...settings,
  })
}

async function readyOf(child: ChildProcess, readyFile: string): Promise<ReadyFile> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (!existsSync(readyFile)) {
    if (child.exitCode !== null)
      throw new Error(`godwit ended with ${child.exitCode}; its messages stand above`)
    if (performance.now() > deadline) throw new Error(`godwit was not ready within ${READY_TIMEOUT_MS} ms`)
    await sleep(POLL_MS)
  }
  // Written in one step by src/main.ts, whose format this is.
  return JSON.parse(readFileSync(readyFile, 'utf8')) as ReadyFile
}

async function stopGateway(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  const [code] = (await exit) as [number | null]
  if (code !== 0) throw new Error(`godwit ended with ${code ?? 'a signal'} on SIGTERM`)
}

/** The answer's body. @throws when the status is not one of success */
export async function callAdmin(
  gateway: Pick<Gateway, 'adminUrl'>,
  method: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const response = await fetch(gateway.adminUrl + path, {
    method,
    headers: {
      'content-type': 'application/json',
      'x-godwit-actor': 'bench',
      'x-godwit-reason': 'measuring',
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`)
  return JSON.parse(text)
}

export async function createDataset(
  gateway: Gateway,
  name: string,
  mode: 'BATCH' | 'READ_WRITE',
  settings: object = {},
): Promise<void> {
  const owner = { name: 'bench', contact: 'bench@localhost' }
  await callAdmin(gateway, 'POST', '/v1/datasets', { name, mode, owner, shardCount: 1, ...settings })
}

interface LoadAnswer {
  readonly load: { readonly id: string; readonly state: string; readonly error: unknown }
}

/** Loads NDJSON whose field `key` is the row key, or what `input` says; publishes it, and waits until it is served. */
export async function loadDataset(
  gateway: Gateway,
  name: string,
  path: string,
  input: object = {},
): Promise<void> {
  // The admin API's answers to a started and to a running load.
  const started = (await callAdmin(gateway, 'POST', `/v1/datasets/${name}/loads`, {
    from: path,
    keyField: 'key',
    publish: true,
    ...input,
  })) as LoadAnswer
  for (;;) {
    const { load } = (await callAdmin(gateway, 'GET', `/v1/loads/${started.load.id}`)) as LoadAnswer
    if (load.state === 'DONE') return
    if (load.state === 'FAILED') throw new Error(`loading ${name} failed: ${JSON.stringify(load.error)}`)
    await sleep(POLL_MS)
  }
}
