/** Collaborators of the admin API that remember what they were asked. */
import { KVError } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/logger.js'
import type { AdminDependencies, RowAccess } from '../../../src/admin/dependencies.js'
import { createAdminServer, type AdminServerOptions } from '../../../src/admin/server.js'
import type { ChangeContext, DatasetRecord } from '../../../src/model/dataset.js'
import type { DatasetDraft, Metastore } from '../../../src/model/metastore.js'
import type { LoadRequest, LoadStatus, Readiness } from '../../../src/model/operations.js'
import { plainResult } from '../../../src/model/request.js'
import type { Cell, Row } from '../../../src/model/row.js'

export const cities: DatasetRecord = {
  id: '00000001',
  name: 'cities',
  owner: { name: 'godwit-samples', contact: 'nobody' },
  description: '',
  mode: 'BATCH',
  keyOrder: 'HASHED',
  timestampUnit: 'MICROSECONDS',
  shardCount: 1,
  retainedVersions: 3,
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
    },
  ],
  createdAtMs: 1_600_000_000_000,
  revision: 7,
}

export const someLoad: LoadStatus = {
  id: 'cities-1700000000000',
  request: {
    dataset: 'cities',
    path: '/data/cities.ndjson',
    format: 'ndjson',
    keyField: 'id',
    columns: null,
    publish: true,
    maxBadLines: 0,
  },
  version: 1_700_000_000_000,
  state: 'DONE',
  rows: 2,
  readBytes: 10,
  totalBytes: 10,
  badLineCount: 0,
  badLines: [],
  figures: { rows: 2, bytes: 99, checksum: 'aa' },
  error: null,
  startedAtMs: 1,
  endedAtMs: 2,
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
  forgetVersions(): Promise<void> {
    return Promise.resolve()
  }
  guardPublish(): void {
    // Nothing here asks for it.
  }

  subscribe(): void {
    return
  }
  close(): Promise<void> {
    return Promise.resolve()
  }
}

export class FakeRows implements RowAccess {
  readonly calls: Call[] = []
  row: Row | null = null
  failure: unknown = null

  #answer<T>(what: string, args: readonly unknown[], value: T): Promise<T> {
    this.calls.push({ what, args })
    // A rejection may carry anything here, to see what the server makes of it.
    return this.failure === null ? Promise.resolve(value) : Promise.reject(this.failure)
  }
  get(dataset: string, rowKey: Buffer, localKeys: readonly Buffer[] | null) {
    return this.#answer('get', [dataset, rowKey, localKeys], this.row)
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

export function startFakeAdmin(options: Partial<AdminServerOptions> = {}) {
  const metastore = new FakeMetastore()
  const rows = new FakeRows()
  const started: { request: LoadRequest; change: ChangeContext }[] = []
  const state: { readiness: Readiness } = { readiness: { isReady: true, reasons: [] } }
  const dependencies: AdminDependencies = {
    logger: silentLogger,
    metastore,
    rows,
    loads: {
      start(request, change) {
        started.push({ request, change })
        return Promise.resolve({ ...someLoad, request, state: 'QUEUED', endedAtMs: null })
      },
      list: () => [someLoad],
      get: (id) => (id === someLoad.id ? someLoad : null),
    },
    status: () => ({
      version: '0.1.0',
      processId: 1,
      startedAtMs: 1,
      uptimeMs: 2,
      readiness: state.readiness,
      epoch: 3,
      dataThreads: 2,
      dataDirectory: '/data',
      listeners: [{ name: 'kvstore', host: '127.0.0.1', port: 7300 }],
      datasets: [{ name: 'cities', mode: 'BATCH', currentVersion: 1_700_000_000_000, problems: [] }],
    }),
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
    const isJson = String(answer.headers['content-type']).startsWith('application/json')
    // The API's answers are objects.
    const parsed = (isJson ? JSON.parse(answer.text) : {}) as Record<string, unknown>
    return { ...answer, body: parsed, error: (parsed['error'] ?? {}) as Answer['error'] }
  }
  return { server, metastore, rows, started, state, ask }
}
