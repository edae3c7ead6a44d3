/** The admin HTTP API as functions. Failures are CliErrors that say what to do next. */
import type { BytesJson } from './bytes.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { DatasetDraft } from '../model/metastore.js'
import type { GatewayStatus, LoadRequest, LoadStatus } from '../model/operations.js'
import { CliError, EXIT } from './io.js'

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

/** Who changes something and why, and whether only to plan it. */
export interface Change {
  readonly actor: string
  readonly reason: string
  readonly isDryRun: boolean
}

export interface RowAddress {
  readonly dataset: string
  readonly key: string
  readonly columns: readonly string[]
  readonly keyEncoding: string
}

interface RequestOptions {
  readonly query?: [string, string][]
  readonly body?: unknown
  readonly ifRevision?: number
}

export class AdminClient {
  readonly #base: string

  /** @throws {CliError} when the URL is none */
  constructor(url: string) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new CliError(
        EXIT.USAGE,
        `${url} is not the URL of an admin API`,
        `use one such as ${DEFAULT_ADMIN_URL}`,
      )
    }
    this.#base = url.replace(/\/+$/, '')
  }

  async status(): Promise<GatewayStatus> {
    return this.#ask<GatewayStatus>('GET', '/v1/status')
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

  async deleteDataset(name: string, ifRevision: number, change: Change): Promise<void> {
    await this.#change('DELETE', datasetPath(name), ifRevision, change)
  }

  async publish(
    name: string,
    version: string,
    at: { ifRevision: number; change: Change },
  ): Promise<DatasetRecord> {
    const path = `${datasetPath(name)}/versions/${encodeURIComponent(version)}/publish`
    return (await this.#change<{ dataset: DatasetRecord }>('POST', path, at.ifRevision, at.change)).dataset
  }

  async rollback(name: string, ifRevision: number, change: Change): Promise<DatasetRecord> {
    const path = `${datasetPath(name)}/rollback`
    return (await this.#change<{ dataset: DatasetRecord }>('POST', path, ifRevision, change)).dataset
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

  async putRow(
    address: RowAddress,
    body: { readonly value?: BytesJson; readonly cells: readonly CellJson[] },
  ): Promise<{ readonly timestamp: string }> {
    return this.#ask('PUT', rowPath(address), { query: rowQuery(address), body })
  }

  async deleteRow(address: RowAddress): Promise<{ readonly timestamp: string }> {
    return this.#ask('DELETE', rowPath(address), { query: rowQuery(address) })
  }

  async startLoad({ dataset, ...request }: LoadRequest, change: Change): Promise<LoadStatus> {
    const { actor, reason } = change
    const options = { query: dryRun(change), body: { ...request, actor, reason } }
    return (await this.#ask<{ load: LoadStatus }>('POST', `${datasetPath(dataset)}/loads`, options)).load
  }

  async load(id: string): Promise<LoadStatus> {
    return (await this.#ask<{ load: LoadStatus }>('GET', `/v1/loads/${encodeURIComponent(id)}`)).load
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
    let answer: Response
    let text: string
    try {
      answer = await fetch(`${this.#base}${path}${search}`, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
        redirect: 'error',
      })
      text = await answer.text()
    } catch (error) {
      throw this.#unreachable(error)
    }
    const parsed = parseOrNull(text)
    if (!answer.ok) throw refusal(answer.status, parsed, this.#base)
    if (parsed === null) throw notAGateway(this.#base)
    // See above.
    return parsed as T
  }

  #unreachable(error: unknown): CliError {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const reason = cause instanceof Error ? cause.message || cause.name : String(cause)
    return new CliError(
      EXIT.UNREACHABLE,
      `no answer from the gateway at ${this.#base}: ${reason}`,
      'start one with "npm start" or "godwit serve", or say where it is with --admin URL or GODWIT_ADMIN',
    )
  }
}

function datasetPath(name: string): string {
  return `/v1/datasets/${encodeURIComponent(name)}`
}

function rowPath({ dataset, key }: RowAddress): string {
  return `${datasetPath(dataset)}/rows/${encodeURIComponent(key)}`
}

function rowQuery({ columns, keyEncoding }: RowAddress): [string, string][] {
  const query = columns.map((column): [string, string] => ['column', column])
  return keyEncoding === 'utf8' ? query : [...query, ['keyEncoding', keyEncoding]]
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

function notAGateway(base: string): CliError {
  return new CliError(
    EXIT.FAILED,
    `${base} answers, but not as a gateway's admin API`,
    'check --admin and GODWIT_ADMIN',
  )
}

const HINTS: Readonly<Record<string, string>> = {
  DATASET_NOT_FOUND: 'see "godwit dataset list"',
  VERSION_NOT_FOUND: 'see "godwit versions list DATASET"',
  NO_VERSION_ONLINE: 'publish one: see "godwit versions list DATASET"',
  READ_ONLY: 'a BATCH dataset changes by "godwit load"',
  CONFLICT: 'look at it again with "godwit dataset show DATASET", then repeat the command',
}

interface ErrorJson {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  readonly outcome?: string
}

/** By what tells it from the errors of other servers; the rest of its form is the API's promise. */
function isErrorJson(value: unknown): value is ErrorJson {
  if (typeof value !== 'object' || value === null || !('code' in value && 'message' in value)) return false
  return typeof value.code === 'string' && typeof value.message === 'string'
}

function refusal(status: number, body: unknown, base: string): CliError {
  const error: unknown = typeof body === 'object' && body !== null && 'error' in body ? body.error : null
  if (!isErrorJson(error)) return notAGateway(base)
  const outcome = error.outcome === 'UNKNOWN' ? '; the write may have happened' : ''
  const hint = HINTS[error.code] ?? (error.retryable ? 'try again in a moment' : null)
  const exitCode = status === 404 ? EXIT.NOT_FOUND : EXIT.FAILED
  return new CliError(exitCode, `${error.message} (${error.code}${outcome})`, hint)
}
