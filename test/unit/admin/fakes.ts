/** Collaborators of the admin API that remember what they were asked. */
import { KVError } from '../../../src/base/errors.js'
import { silentLogger, type Logger } from '../../../src/base/logger.js'
import type { AdminDependencies, RowAccess, ScanPage } from '../../../src/admin/dependencies.js'
import { createAdminServer, type AdminServerOptions } from '../../../src/admin/server.js'
import type { Canary, ChangeContext, ClusterRecord, DatasetRecord } from '../../../src/model/dataset.js'
import type { ClusterDraft, DatasetDraft, DatasetPatch, Metastore } from '../../../src/model/metastore.js'
import type { MigrationDecision } from '../../../src/model/migration-plan.js'
import type { CqlKeyspace } from '../../../src/model/table-call.js'
import type { GatewayStatus, Readiness } from '../../../src/model/operations.js'
import { plainResult } from '../../../src/model/request.js'
import type { Cell, Row } from '../../../src/model/row.js'
import type { ScanResult } from '../../../src/model/scan.js'
import { FakeJobs, FakeLoads } from './fake-jobs.js'
import { FakeMigrations } from './fake-migrations.js'
import { fakeDifferences } from './fake-differences.js'
import { FakeUsage } from './fake-usage.js'

export { someLoad } from './fake-jobs.js'

export const cities: DatasetRecord = {
  id: '00000001',
  name: 'cities',
  owner: { name: 'godwit-samples', contact: 'nobody' },
  description: '',
  mode: 'BATCH',
  keyOrder: 'HASHED',
  timestampUnit: 'MICROSECONDS',
  shardCount: 1,
  cluster: 'local',
  replicas: 1,
  retainedVersions: 3,
  canary: null,
  maxVersionBytes: null,
  maxValueBytes: 1024,
  maxCellVersions: 1,
  graceSeconds: 864_000,
  defaultTtlSeconds: null,
  defaultDurability: 'LOG_SYNCED',
  migrationState: 'TARGET_ONLY',
  origin: null,
  generation: 1,
  versions: [
    {
      id: 1_700_000_000_000,
      state: 'CURRENT',
      rows: 2,
      bytes: 99,
      checksum: 'aa',
      source: 'file.ndjson',
      loadedBy: 'ann',
      createdAtMs: 1_700_000_000_000,
      archive: null,
    },
  ],
  createdAtMs: 1_600_000_000_000,
  revision: 7,
}

/** With the revision of the dataset, so that one If-Match fits both. */
export const cluster: ClusterRecord = {
  name: 'east',
  aliases: ['old-east'],
  leaves: [{ name: 'a', url: 'http://127.0.0.1:7390' }],
  createdAtMs: 1_600_000_000_000,
  revision: 7,
}

export interface Call {
  readonly what: string
  readonly args: readonly unknown[]
}

export class FakeMetastore implements Metastore {
  readonly calls: Call[] = []
  readonly tokenKey = Buffer.alloc(32)

  #changed(what: string, args: readonly unknown[], change: ChangeContext): Promise<DatasetRecord> {
    this.calls.push({ what, args: [...args, change] })
    if (change.ifRevision !== null && change.ifRevision !== cities.revision) {
      return Promise.reject(new KVError('CONFLICT', 'dataset "cities" has another revision'))
    }
    return Promise.resolve({ ...cities, revision: cities.revision + 1 })
  }

  get(name: string): DatasetRecord | null {
    return name === cities.name ? cities : null
  }
  list(): readonly DatasetRecord[] {
    return [cities]
  }
  audit(limit: number) {
    const line = {
      sequence: 1,
      atMs: 1,
      actor: 'ann',
      reason: 'r',
      action: 'create',
      dataset: 'cities',
      detail: '',
    }
    return [line, line].slice(0, limit)
  }
  createDataset(draft: DatasetDraft, change: ChangeContext) {
    return this.#changed('create', [draft], change)
  }
  async removeDataset(name: string, change: ChangeContext) {
    await this.#changed('remove', [name], change)
  }
  publish(name: string, id: number, change: ChangeContext) {
    return this.#changed('publish', [name, id], change)
  }
  updateDataset(name: string, patch: DatasetPatch, change: ChangeContext) {
    return this.#changed('update', [name, patch], change)
  }
  moveDataset(
    name: string,
    to: { readonly cluster: string; readonly isNow: boolean },
    change: ChangeContext,
  ) {
    return this.#changed('move', [name, to], change)
  }
  rollForward(name: string, change: ChangeContext) {
    return this.#changed('rollForward', [name], change)
  }
  setCanary(name: string, canary: Canary | null, change: ChangeContext) {
    return this.#changed('setCanary', [name, canary], change)
  }
  cluster(name: string): ClusterRecord | null {
    return name === cluster.name ? cluster : null
  }
  clusters(): readonly ClusterRecord[] {
    return [cluster]
  }
  async emptyDataset(name: string, change: ChangeContext) {
    await this.#changed('emptyDataset', [name], change)
  }
  keyspaces() {
    return []
  }
  async putKeyspace(keyspace: CqlKeyspace, change: ChangeContext) {
    await this.#changed('putKeyspace', [keyspace], change)
    return keyspace
  }
  async removeKeyspace(name: string, change: ChangeContext) {
    await this.#changed('removeKeyspace', [name], change)
  }
  async putCluster(draft: ClusterDraft, change: ChangeContext) {
    await this.#changed('putCluster', [draft], change)
    return { ...cluster, revision: cluster.revision + 1 }
  }
  async removeCluster(name: string, change: ChangeContext) {
    await this.#changed('removeCluster', [name], change)
  }
  rollback(name: string, change: ChangeContext) {
    return this.#changed('rollback', [name], change)
  }
  deleteVersion(name: string, id: number, change: ChangeContext) {
    return this.#changed('deleteVersion', [name, id], change)
  }
  beginVersion(): Promise<never> {
    return Promise.reject(new Error('not expected here'))
  }
  completeVersion(): Promise<never> {
    return Promise.reject(new Error('not expected here'))
  }
  failVersion(): Promise<never> {
    return Promise.reject(new Error('not expected here'))
  }
  migrate(name: string, patch: MigrationDecision, change: ChangeContext) {
    return this.#changed('migrate', [name, patch], change)
  }
  archiveVersion(): Promise<never> {
    return Promise.reject(new Error('not expected here'))
  }
  restoreVersion(): Promise<never> {
    return Promise.reject(new Error('not expected here'))
  }
  forgetVersions(): Promise<void> {
    return Promise.resolve()
  }
  guardPublish(): void {
    // Nothing here asks for it.
  }

  subscribe(): void {
    return
  }
  subscribeClusters(): void {
    return
  }
  close(): Promise<void> {
    return Promise.resolve()
  }
}

export class FakeRows implements RowAccess {
  readonly calls: Call[] = []
  row: Row | null = null
  page: ScanResult = { rows: [], next: null, datasetVersion: null }
  failure: unknown = null

  #answer<T>(what: string, args: readonly unknown[], value: T): Promise<T> {
    this.calls.push({ what, args })
    // A rejection may carry anything here, to see what the server makes of it.
    return this.failure === null ? Promise.resolve(value) : Promise.reject(this.failure)
  }
  get(dataset: string, rowKey: Buffer, localKeys: readonly Buffer[] | null) {
    return this.#answer('get', [dataset, rowKey, localKeys], this.row)
  }
  scan(dataset: string, page: ScanPage): Promise<ScanResult> {
    return this.#answer('scan', [dataset, page], this.page)
  }
  put(dataset: string, rowKey: Buffer, cells: readonly Cell[]) {
    return this.#answer('put', [dataset, rowKey, cells], plainResult(2n ** 62n + 1n))
  }
  remove(dataset: string, rowKey: Buffer, localKeys: readonly Buffer[] | null) {
    return this.#answer('remove', [dataset, rowKey, localKeys], plainResult(5n))
  }
}

export function cell(column: string, value: string | Buffer): Cell {
  return { localKey: Buffer.from(column), value: Buffer.from(value), timestamp: null, ttlSeconds: null }
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
  /** Parsed answer; tests read it freely. */
  readonly body: Record<string, unknown>
  readonly error: { readonly code?: unknown; readonly message?: unknown; readonly [name: string]: unknown }
}

const STATUS: Omit<GatewayStatus, 'readiness'> = {
  version: '0.1.0',
  processId: 1,
  startedAtMs: 1,
  uptimeMs: 2,
  epoch: 3,
  dataThreads: 2,
  dataDirectory: '/data',
  listeners: [{ name: 'kvstore', host: '127.0.0.1', port: 7300 }],
  datasets: [
    { name: 'cities', mode: 'BATCH', currentVersion: 1_700_000_000_000, problems: [], placement: [] },
  ],
  leaves: [],
  backends: [{ name: 'west', role: 'primary', isOpen: false, openings: 2, sinceMs: 3 }],
}

export function startFakeAdmin(
  options: Partial<AdminServerOptions> = {},
  { logger = silentLogger }: { readonly logger?: Logger } = {},
) {
  const metastore = new FakeMetastore()
  const rows = new FakeRows()
  const loads = new FakeLoads()
  const jobs = new FakeJobs()
  const migrations = new FakeMigrations(cities)
  const usage = new FakeUsage()
  const state: { readiness: Readiness } = { readiness: { isReady: true, reasons: [] } }
  const dependencies: AdminDependencies = {
    logger,
    metastore,
    rows,
    loads,
    jobs,
    migrations,
    usage,
    differences: fakeDifferences,
    status: () => ({ ...STATUS, readiness: state.readiness }),
    readiness: () => state.readiness,
    renderMetrics: () => Promise.resolve('godwit_up 1\n'),
  }
  const server = createAdminServer(dependencies, {
    listen: { host: '127.0.0.1', port: 0 },
    allowedHosts: [],
    ...options,
  })
  async function ask(
    request: string,
    { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const [method = 'GET', url = '/'] = request.split(' ')
    const json = body === undefined ? {} : { 'content-type': 'application/json' }
    const answer = await server.inject({
      // Tests write the method as text; the server refuses what it does not know.
      method: method as 'GET',
      url,
      headers: { host: 'localhost:7380', ...json, ...headers },
      ...(body !== undefined && { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const isJson = answer.text !== '' && String(answer.headers['content-type']).startsWith('application/json')
    // The API's answers are objects.
    const parsed = (isJson ? JSON.parse(answer.text) : {}) as Record<string, unknown>
    return { ...answer, body: parsed, error: (parsed['error'] ?? {}) as Answer['error'] }
  }
  return {
    server,
    metastore,
    rows,
    loads,
    jobs,
    migrations,
    usage,
    started: loads.started,
    state,
    dependencies,
    ask,
  }
}
