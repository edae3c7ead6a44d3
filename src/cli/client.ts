/** The admin HTTP API as functions. Failures are CliErrors that say what to do next. */
import type { JobStatus } from '../base/job.js'
import type { BytesJson } from './bytes.js'
import type { AuditLine, ClusterRecord, DatasetRecord } from '../model/dataset.js'
import type { ClusterDraft, DatasetDraft } from '../model/metastore.js'
import type { LoadRequest, LoadStatus } from '../model/load.js'
import type { ExplodeWish } from './explode-options.js'
import type { Explanation, MigrationOutcome, MigrationReport } from '../model/migration-plan.js'
import type { GatewayStatus } from '../model/operations.js'
import type { DifferenceReport, FlightRecord } from '../model/difference.js'
import type { AdviceReport, UsageReport } from '../base/usage.js'
import { CliError, EXIT } from './io.js'
import { notAGateway, refusal } from './refusal.js'
import { unreachable } from './unreachable.js'

export const DEFAULT_ADMIN_URL = 'http://127.0.0.1:7380'

// Longer than the gateway's own deadline for a row, so that its answer and not ours says what happened.
const TIMEOUT_MS = 30_000

export interface CellJson {
  readonly column: BytesJson
  readonly value: BytesJson
  readonly timestamp?: string
  readonly ttlSeconds?: number
}

export interface RowJson {
  readonly cells: readonly CellJson[]
}

export interface ScanJson {
  readonly rows: readonly { readonly key: BytesJson; readonly row: RowJson }[]
  /** Null behind the last page. */
  readonly next: string | null
}

/** A load as it is asked for: with the IDL, where answers have what was read from it. */
export type StartLoad = Omit<LoadRequest, 'explode'> & { readonly explode?: ExplodeWish | null }

/** Who changes something and why, and whether only to plan it. */
export interface Change {
  readonly actor: string
  readonly reason: string
  readonly isDryRun: boolean
}

export interface RowAddress {
  readonly dataset: string
  readonly key: Buffer
  readonly columns: readonly Buffer[]
}

interface RequestOptions {
  readonly query?: [string, string][]
  readonly body?: unknown
  readonly ifRevision?: number
}

export interface AdminClientOptions {
  /** Proves to the gateway who asks, where it wants to know. */
  readonly token?: string
  readonly timeoutMs?: number
}

export class AdminClient {
  readonly #base: string
  readonly #token: string | null
  readonly #timeoutMs: number

  /** @throws {CliError} when the URL is none */
  constructor(url: string, { token, timeoutMs = TIMEOUT_MS }: AdminClientOptions = {}) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new CliError(
        EXIT.USAGE,
        `${url} is not the URL of an admin API`,
        `use one such as ${DEFAULT_ADMIN_URL}`,
      )
    }
    this.#base = url.replace(/\/+$/, '')
    this.#token = token ?? null
    this.#timeoutMs = timeoutMs
  }

  async status(): Promise<GatewayStatus> {
    return this.#ask<GatewayStatus>('GET', '/v1/status')
  }

  /** Newest first. */
  async audit(limit: number): Promise<readonly AuditLine[]> {
    const options: RequestOptions = { query: [['limit', String(limit)]] }
    return (await this.#ask<{ lines: readonly AuditLine[] }>('GET', '/v1/audit', options)).lines
  }

  async datasets(): Promise<readonly DatasetRecord[]> {
    return (await this.#ask<{ datasets: readonly DatasetRecord[] }>('GET', '/v1/datasets')).datasets
  }

  async dataset(name: string): Promise<DatasetRecord> {
    return (await this.#ask<{ dataset: DatasetRecord }>('GET', datasetPath(name))).dataset
  }

  async createDataset(draft: DatasetDraft, change: Change): Promise<DatasetRecord> {
    const { actor, reason } = change
    const body = { ...draft, actor, reason }
    const options = { query: dryRun(change), body }
    return (await this.#ask<{ dataset: DatasetRecord }>('POST', '/v1/datasets', options)).dataset
  }

  /** Answers the copies that stay. */
  async deleteDataset(name: string, ifRevision: number, change: Change): Promise<readonly string[]> {
    const path = datasetPath(name)
    return (await this.#change<{ archives: readonly string[] }>('DELETE', path, ifRevision, change)).archives
  }

  /** The dataset, then the copies of its versions. */
  async deleteDatasetWithArchives(name: string, ifRevision: number, change: Change): Promise<JobStatus> {
    const path = `${datasetPath(name)}/archives`
    return (await this.#change<{ job: JobStatus }>('DELETE', path, ifRevision, change)).job
  }

  /** A change of one dataset, at its own path or below it; `body` is what it takes beside who and why. */
  async changeDataset(
    name: string,
    how: {
      readonly method: 'PATCH' | 'POST' | 'PUT' | 'DELETE'
      readonly path?: string
      readonly body?: object
      readonly ifRevision: number
      readonly change: Change
    },
  ): Promise<DatasetRecord> {
    const { method, path = '', body = {}, ifRevision, change } = how
    const { actor, reason } = change
    const options = { query: dryRun(change), body: { ...body, actor, reason }, ifRevision }
    return (await this.#ask<{ dataset: DatasetRecord }>(method, `${datasetPath(name)}${path}`, options))
      .dataset
  }

  async clusters(): Promise<readonly ClusterRecord[]> {
    return (await this.#ask<{ clusters: readonly ClusterRecord[] }>('GET', '/v1/clusters')).clusters
  }

  async cluster(name: string): Promise<ClusterRecord> {
    return (await this.#ask<{ cluster: ClusterRecord }>('GET', clusterPath(name))).cluster
  }

  async putCluster(
    { name, ...draft }: ClusterDraft,
    { ifRevision, change }: { readonly ifRevision?: number; readonly change: Change },
  ): Promise<ClusterRecord> {
    const { actor, reason } = change
    const body = { ...draft, actor, reason }
    const options = { query: dryRun(change), body, ...(ifRevision !== undefined && { ifRevision }) }
    return (await this.#ask<{ cluster: ClusterRecord }>('PUT', clusterPath(name), options)).cluster
  }

  async deleteCluster(name: string, at: { ifRevision: number; change: Change }): Promise<void> {
    await this.#change('DELETE', clusterPath(name), at.ifRevision, at.change)
  }

  async deleteVersion(
    name: string,
    version: string,
    at: { ifRevision: number; change: Change },
  ): Promise<void> {
    const path = `${datasetPath(name)}/versions/${encodeURIComponent(version)}`
    await this.#change('DELETE', path, at.ifRevision, at.change)
  }

  async row(address: RowAddress): Promise<RowJson | null> {
    return (await this.#ask<{ row: RowJson | null }>('GET', rowPath(address), { query: rowQuery(address) }))
      .row
  }

  /** A page; `page` is the `next` of the one before. */
  async scan(dataset: string, query: readonly (readonly [string, string])[]): Promise<ScanJson> {
    return this.#ask('GET', `${datasetPath(dataset)}/rows`, {
      query: query.map(([name, text]) => [name, text]),
    })
  }

  async putRow(
    address: RowAddress,
    body: { readonly value?: BytesJson; readonly cells: readonly CellJson[] },
  ): Promise<{ readonly timestamp: string }> {
    return this.#ask('PUT', rowPath(address), { query: rowQuery(address), body })
  }

  async deleteRow(address: RowAddress): Promise<{ readonly timestamp: string }> {
    return this.#ask('DELETE', rowPath(address), { query: rowQuery(address) })
  }

  async startLoad({ dataset, ...request }: StartLoad, change: Change): Promise<LoadStatus> {
    const { actor, reason } = change
    const options = { query: dryRun(change), body: { ...request, actor, reason } }
    return (await this.#ask<{ load: LoadStatus }>('POST', `${datasetPath(dataset)}/loads`, options)).load
  }

  /** @param lastMs null: all that are kept */
  async differences(dataset: string, lastMs: number | null): Promise<DifferenceReport> {
    const query: [string, string][] = lastMs === null ? [] : [['lastMs', String(lastMs)]]
    return await this.#ask<DifferenceReport>('GET', `${datasetPath(dataset)}/differences`, { query })
  }

  /** @param dataset null: all */
  async flights(dataset: string | null, lastMs: number): Promise<readonly FlightRecord[]> {
    const query: [string, string][] = [['lastMs', String(lastMs)]]
    if (dataset !== null) query.push(['dataset', dataset])
    return (await this.#ask<{ flights: readonly FlightRecord[] }>('GET', '/v1/flights', { query })).flights
  }

  /** @param dataset null: all */
  async usage(dataset: string | null): Promise<UsageReport> {
    const query: [string, string][] = dataset === null ? [] : [['dataset', dataset]]
    return await this.#ask<UsageReport>('GET', '/v1/usage', { query })
  }

  async advice(dataset: string): Promise<AdviceReport> {
    return await this.#ask<AdviceReport>('GET', `${datasetPath(dataset)}/advice`)
  }

  async loads(): Promise<readonly LoadStatus[]> {
    return (await this.#ask<{ loads: readonly LoadStatus[] }>('GET', '/v1/loads')).loads
  }

  async cancelLoad(id: string, change: Change): Promise<LoadStatus> {
    const { actor, reason } = change
    const options = { query: dryRun(change), body: { actor, reason } }
    return (
      await this.#ask<{ load: LoadStatus }>('POST', `/v1/loads/${encodeURIComponent(id)}/cancel`, options)
    ).load
  }

  async load(id: string): Promise<LoadStatus> {
    return (await this.#ask<{ load: LoadStatus }>('GET', `/v1/loads/${encodeURIComponent(id)}`)).load
  }

  async archiveVersion(
    name: string,
    version: string,
    how: { to: string | null; release: boolean; ifRevision: number; change: Change },
  ): Promise<JobStatus> {
    const { to, release, ifRevision, change } = how
    const { actor, reason } = change
    const options = { query: dryRun(change), body: { to, release, actor, reason }, ifRevision }
    return this.#job('POST', `${versionPath(name, version)}/archive`, options)
  }

  async restoreVersion(
    name: string,
    version: string,
    at: { ifRevision: number; change: Change },
  ): Promise<JobStatus> {
    const path = `${versionPath(name, version)}/restore`
    return (await this.#change<{ job: JobStatus }>('POST', path, at.ifRevision, at.change)).job
  }

  /** The copy, then the version. */
  async deleteVersionWithArchive(
    name: string,
    version: string,
    at: { ifRevision: number; change: Change },
  ): Promise<JobStatus> {
    const path = `${versionPath(name, version)}/archive`
    return (await this.#change<{ job: JobStatus }>('DELETE', path, at.ifRevision, at.change)).job
  }

  async diffVersions(
    name: string,
    what: { readonly before: number; readonly after: number; readonly limit: number },
  ): Promise<JobStatus> {
    return this.#job('POST', `${datasetPath(name)}/diffs`, { body: what })
  }

  async createSnapshot(
    name: string,
    how: { to: string; format: string },
    change: Change,
  ): Promise<JobStatus> {
    const { actor, reason } = change
    const options = { query: dryRun(change), body: { ...how, actor, reason } }
    return this.#job('POST', `${datasetPath(name)}/snapshots`, options)
  }

  async importSnapshot(what: object, change: Change): Promise<JobStatus> {
    const { actor, reason } = change
    return this.#job('POST', '/v1/imports', { query: dryRun(change), body: { ...what, actor, reason } })
  }

  async migration(name: string): Promise<MigrationReport> {
    const path = `${datasetPath(name)}/migration`
    return (await this.#ask<{ migration: MigrationReport }>('GET', path)).migration
  }

  async changeMigration(
    name: string,
    how: {
      readonly method: 'POST' | 'PUT' | 'DELETE'
      readonly path: string
      readonly body: object
      readonly ifRevision: number
      readonly change: Change
    },
  ): Promise<MigrationOutcome> {
    const { method, path, body, ifRevision, change } = how
    const { actor, reason } = change
    const options = { query: dryRun(change), body: { ...body, actor, reason }, ifRevision }
    return this.#ask(method, `${datasetPath(name)}/migration${path}`, options)
  }

  async explain(name: string, key: Buffer, caller: string | null): Promise<Explanation> {
    const path = `${datasetPath(name)}/explain/${key.toString('base64url')}`
    const query: [string, string][] = [['keyEncoding', 'base64url']]
    if (caller !== null) query.push(['caller', caller])
    return (await this.#ask<{ explanation: Explanation }>('GET', path, { query })).explanation
  }

  async jobs(): Promise<readonly JobStatus[]> {
    return (await this.#ask<{ jobs: readonly JobStatus[] }>('GET', '/v1/jobs')).jobs
  }

  async job(id: string): Promise<JobStatus> {
    return this.#job('GET', `/v1/jobs/${encodeURIComponent(id)}`, {})
  }

  async cancelJob(id: string, change: Change): Promise<JobStatus> {
    const { actor, reason } = change
    const options = { query: dryRun(change), body: { actor, reason } }
    return this.#job('POST', `/v1/jobs/${encodeURIComponent(id)}/cancel`, options)
  }

  async #job(method: string, path: string, options: RequestOptions): Promise<JobStatus> {
    return (await this.#ask<{ job: JobStatus }>(method, path, options)).job
  }

  async #change<T>(method: string, path: string, ifRevision: number, change: Change): Promise<T> {
    const { actor, reason } = change
    return this.#ask<T>(method, path, { query: dryRun(change), body: { actor, reason }, ifRevision })
  }

  /** The answer's shape is the API's of the same release; other releases may add fields, not take any away. */
  async #ask<T>(
    method: string,
    path: string,
    { query = [], body, ifRevision }: RequestOptions = {},
  ): Promise<T> {
    const search = query.length === 0 ? '' : `?${new URLSearchParams(query).toString()}`
    const headers: Record<string, string> = {}
    if (body !== undefined) headers['content-type'] = 'application/json'
    if (ifRevision !== undefined) headers['if-match'] = `"${ifRevision}"`
    if (this.#token !== null) headers['authorization'] = `Bearer ${this.#token}`
    let answer: Response
    let text: string
    try {
      answer = await fetch(`${this.#base}${path}${search}`, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(this.#timeoutMs),
        redirect: 'error',
      })
      text = await answer.text()
    } catch (error) {
      throw unreachable(this.#base, error)
    }
    const parsed = parseOrNull(text)
    if (!answer.ok) {
      const requestId = answer.headers.get('x-request-id')
      throw refusal({ status: answer.status, body: parsed, requestId }, this.#base)
    }
    if (parsed === null) throw notAGateway(this.#base)
    // See above.
    return parsed as T
  }
}

function clusterPath(name: string): string {
  return `/v1/clusters/${encodeURIComponent(name)}`
}

function datasetPath(name: string): string {
  return `/v1/datasets/${encodeURIComponent(name)}`
}

function versionPath(name: string, version: string): string {
  return `${datasetPath(name)}/versions/${encodeURIComponent(version)}`
}

function rowPath({ dataset, key }: RowAddress): string {
  return `${datasetPath(dataset)}/rows/${key.toString('base64url')}`
}

/** Bytes of any kind, as the API takes them. */
function rowQuery({ columns }: RowAddress): [string, string][] {
  const names = columns.map((column): [string, string] => ['column', column.toString('base64url')])
  return [...names, ['keyEncoding', 'base64url']]
}

function dryRun({ isDryRun }: Change): [string, string][] {
  return isDryRun ? [['dryRun', 'true']] : []
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
