/**
 * What shows, field by field, that the KVStore API does what its IDL says: entries, each for some names of the IDL, and
 * what their bodies need, a whole gateway with datasets of every kind and a stock client. idl-coverage.test.ts runs them
 * and fails for every name without an entry.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { join } from 'node:path'
import type { JobStatus } from '../../../src/base/job.js'
import { Gateway } from '../../support/gateway.js'
import { endOf } from '../../support/jobs.js'
import {
  type Int64,
  type StockClient,
  type StockErrorDetail,
  bigintOf,
  int64,
  isStockException,
} from '../../support/stock-client.js'

export interface Entry {
  /** `Struct.field`, `Enum.VALUE` or `KVStore.method`. */
  readonly names: readonly string[]
  readonly claim: string
  readonly run: (harness: Harness) => Promise<void>
}

export function covers(
  names: string | readonly string[],
  claim: string,
  run: (harness: Harness) => Promise<void>,
): Entry {
  return { names: typeof names === 'string' ? [names] : names, claim, run }
}

/** A row as stock code decodes it. */
export interface Row {
  readonly value: Buffer | null
  readonly cells: readonly Cell[] | null
  readonly timestamp: Int64 | null
  readonly ttlSeconds: number | null
  readonly nextPageToken: Buffer | null
  readonly error?: StockErrorDetail | null
  readonly key?: Buffer | null
  readonly info?: Info | null
}

export interface Cell {
  readonly localKey: Buffer | null
  readonly value: Buffer
  readonly timestamp: Int64 | null
  readonly ttlSeconds: number | null
}

export interface Info {
  readonly datasetVersion: Int64 | null
  readonly stalenessMs: number | null
  readonly sessionToken: Buffer | null
  readonly cluster: string | null
}

export interface Page {
  readonly rows: readonly Row[]
  readonly nextPageToken: Buffer | null
  readonly info: Info | null
}

export interface Write {
  readonly timestamp: Int64 | null
  readonly sessionToken: Buffer | null
  readonly repeated: boolean | null
}

export interface Mutated {
  readonly applied: boolean
  readonly write: Write | null
  readonly row: Row | null
}

export interface Counted {
  readonly counters: readonly Counter[] | null
  readonly error?: StockErrorDetail | null
  readonly write?: Write | null
}

export interface Counter {
  readonly localKey: Buffer | null
  readonly value: Int64
  readonly missing: boolean | null
}

/** What each method answers, and the struct that it takes. */
interface Methods {
  readonly get: Row
  readonly multiGet: { readonly rows: readonly Row[]; readonly info: Info | null }
  readonly scan: Page
  readonly put: Write
  readonly remove: Write
  readonly mutate: Mutated
  readonly multiMutate: {
    readonly rows: readonly { readonly error: StockErrorDetail | null; readonly timestamp: Int64 | null }[]
    readonly sessionToken: Buffer | null
  }
  readonly increment: Counted
  readonly getCounters: { readonly rows: readonly Counted[] }
}

const STRUCTS: Readonly<Record<keyof Methods, string>> = {
  get: 'GetRequest',
  multiGet: 'MultiGetRequest',
  scan: 'ScanRequest',
  put: 'PutRequest',
  remove: 'DeleteRequest',
  mutate: 'MutateRequest',
  multiMutate: 'MultiMutateRequest',
  increment: 'IncrementRequest',
  getCounters: 'GetCountersRequest',
}

export type Fields = Readonly<Record<string, unknown>>

/** One version of a cell, hashed keys. */
export const PEOPLE = 'people'
/** Five versions of a cell, hashed keys. */
export const HISTORY = 'history'
/** Ordered keys. */
export const SORTED = 'sorted'
/** Hashed keys in four shards: 40 rows `row 00` to `row 39`, each with its number as unnamed value and a column `even`. */
export const SCANNED = 'scanned'
/** BATCH, with two versions: row `k` says which. */
export const UPLOADS = 'uploads'
/** BATCH without a version. */
export const EMPTY = 'empty'
/** Lives on an origin that nobody is. */
export const AWAY = 'away'
/** Lives on an origin that takes calls and answers none. */
export const SILENT = 'silent'
export const SCANNED_ROWS = 40

export class Harness {
  readonly gateway: Gateway
  readonly client: StockClient
  readonly #silent: Server
  readonly #silentSockets: readonly Socket[]
  #keys = 0

  private constructor(gateway: Gateway, client: StockClient, silent: readonly [Server, readonly Socket[]]) {
    this.gateway = gateway
    this.client = client
    ;[this.#silent, this.#silentSockets] = silent
  }

  static async start(): Promise<Harness> {
    const sockets: Socket[] = []
    const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined).resume()))
    await once(silent.listen(0, '127.0.0.1'), 'listening')
    const { port } = silent.address() as AddressInfo // it listens on TCP
    const away = (name: string, at: number) => `  ${name}: { api: kvstore, host: 127.0.0.1, port: ${at} }\n`
    const origins = `origins:\n${away('nobody', 1)}${away('silent', port)}`
    const gateway = await Gateway.start({ config: `${origins}log: { level: debug }\nthreads: { data: 1 }\n` })
    const harness = new Harness(gateway, await gateway.connect(), [silent, sockets])
    try {
      await harness.#fill()
    } catch (error) {
      await harness.dispose()
      throw error
    }
    return harness
  }

  async #fill(): Promise<void> {
    await this.gateway.createDataset(PEOPLE)
    await this.gateway.createDataset(HISTORY, { maxCellVersions: 5 })
    await this.gateway.createDataset(SORTED, {
      keyOrder: 'ORDERED',
      defaultTtlSeconds: 1_000,
      maxValueBytes: 1_000,
    })
    await this.gateway.createDataset(SCANNED, { shardCount: 4 })
    await this.gateway.createDataset(UPLOADS, { mode: 'BATCH' })
    await this.gateway.createDataset(EMPTY, { mode: 'BATCH' })
    await this.gateway.createDataset(SILENT, { migrationState: 'ORIGIN_ONLY', origin: 'silent' })
    await this.gateway.createDataset(AWAY, { migrationState: 'ORIGIN_ONLY', origin: 'nobody' })
    await this.load(UPLOADS, 'first')
    await this.load(UPLOADS, 'second')
    const rows = Array.from({ length: SCANNED_ROWS }, (_, index) => index)
    await Promise.all(
      rows.map((index) =>
        this.ask('put', {
          dataset: SCANNED,
          key: `row ${String(index).padStart(2, '0')}`,
          value: String(index),
          ...(index % 2 === 0 ? { cells: [{ localKey: 'even', value: 'yes' }] } : {}),
        }),
      ),
    )
  }

  async dispose(): Promise<void> {
    this.client.close()
    this.dropSilent()
    this.#silent.close()
    await this.gateway.dispose()
  }

  /** Ends what waits for the origin that answers nothing. */
  dropSilent(): void {
    for (const socket of this.#silentSockets) socket.destroy()
  }

  /** A key that no other test uses. */
  key(): string {
    this.#keys += 1
    return `key ${this.#keys}`
  }

  async ask<M extends keyof Methods>(method: M, request: Fields): Promise<Methods[M]> {
    // What stock code answers; the entries look at every field of it.
    return (await this.client.call(method, request, STRUCTS[method])) as Methods[M]
  }

  /** What the call is refused with. */
  async refused(method: keyof Methods, request: Fields): Promise<StockErrorDetail> {
    try {
      await this.ask(method, request)
    } catch (error) {
      assert.ok(isStockException(error), `not a KVStoreException: ${String(error)}`)
      return error.error
    }
    assert.fail(`${method} was not refused`)
  }

  async isRefused(code: number, method: keyof Methods, request: Fields): Promise<void> {
    const detail = await this.refused(method, request)
    assert.equal(detail.code, code, detail.message ?? '')
  }

  /** Refused as UNSUPPORTED, and the message says what. */
  async isUnsupported(name: RegExp, method: keyof Methods, request: Fields): Promise<void> {
    const { code, message } = await this.refused(method, request)
    assert.equal(code, UNSUPPORTED, message ?? '')
    assert.match(message ?? '', name)
  }

  /** Writes a row of these columns; the name '' is the unnamed value. Answers its key. */
  async row(columns: Readonly<Record<string, string>>, dataset = PEOPLE, key = this.key()): Promise<string> {
    const cells = Object.entries(columns).map(([localKey, value]) => ({ localKey, value }))
    await this.ask('put', { dataset, key, cells })
    return key
  }

  /** A row of HISTORY whose column `c` has the versions v1 to v`count`, at 10, 20, ... */
  async versions(count: number): Promise<string> {
    const key = this.key()
    for (let index = 1; index <= count; index += 1) {
      const cells = [{ localKey: 'c', value: `v${index}`, timestamp: int64(BigInt(index * 10)) }]
      await this.ask('put', { dataset: HISTORY, key, cells })
    }
    return key
  }

  /** The row as `column=value`, the unnamed value as `=value`, in the order of the answer. */
  async read(key: string, request: Fields = {}): Promise<string[]> {
    return shown(await this.ask('get', { dataset: PEOPLE, key, ...request }))
  }

  /** Every row of a scan, page by page. */
  async scan(request: Fields = {}): Promise<Row[]> {
    const rows: Row[] = []
    let page = await this.ask('scan', { dataset: SCANNED, ...request })
    rows.push(...page.rows)
    while (page.nextPageToken !== null) {
      page = await this.ask('scan', { dataset: SCANNED, ...request, pageToken: page.nextPageToken })
      rows.push(...page.rows)
    }
    return rows
  }

  async scanKeys(request: Fields = {}): Promise<string[]> {
    return (await this.scan(request)).map(({ key }) => String(key))
  }

  /** A row that is too large for a small page: columns a to e of 400 bytes. */
  async longRow(): Promise<string> {
    const value = 'x'.repeat(400)
    return await this.row({ a: value, b: value, c: value, d: value, e: value })
  }

  /** Loads a version whose row `k` has the column `says`. */
  async load(dataset: string, says: string): Promise<void> {
    const path = join(this.gateway.folder, `${says}.ndjson`)
    writeFileSync(path, `${JSON.stringify({ id: 'k', says })}\n`)
    const wish = { from: path, keyField: 'id', publish: true }
    const { status, text, body } = await this.gateway.admin('POST', `/v1/datasets/${dataset}/loads`, wish)
    assert.equal(status, 202, text)
    const { state, error } = await endOf(this.gateway, (body as { load: JobStatus }).load) // what the route answers
    assert.equal(state, 'DONE', JSON.stringify(error))
    const { cells } = await this.ask('get', { dataset, key: 'k' })
    assert.equal(cells?.[0]?.value.toString(), says)
  }
}

export const UNSUPPORTED = 104
export const INVALID = 100
export const NOT_APPLIED = 1

export function shown(row: Row | null | undefined): string[] {
  if (row === null || row === undefined) return []
  const unnamed = row.value === null ? [] : [`=${row.value.toString()}`]
  return [
    ...unnamed,
    ...(row.cells ?? []).map(({ localKey, value }) => `${String(localKey ?? '')}=${value.toString()}`),
  ]
}

export function i64(value: bigint | number): Int64 {
  return int64(BigInt(value))
}

export { bigintOf }

/** An idempotency token of now, with a nonce of its own. */
export function tokenOf(nonce: string, offsetSeconds = 0): Fields {
  return {
    generationTime: i64(BigInt(Date.now() + offsetSeconds * 1_000) * 1_000n),
    nonce: Buffer.from(nonce.padEnd(16, '.')),
  }
}
