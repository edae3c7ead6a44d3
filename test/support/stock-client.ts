/**
 * The stock npm thrift client over the unedited generated code: the independent peer of the compatibility tests. Only
 * the plumbing is ours: a promise a call that also fails when the connection is lost (npm thrift leaves it pending).
 */
import type { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from './tree.js'

/** node-int64, as stock generated code gives and takes 64-bit numbers. */
export interface Int64 {
  readonly buffer: Buffer
  readonly offset: number
}

export interface StockCell {
  readonly localKey?: Buffer | string | null
  readonly value: Buffer | string
  readonly timestamp?: Int64 | null
  readonly ttlSeconds?: number | null
}

export interface StockSelector {
  readonly localKeys?: readonly (Buffer | string)[]
}

export interface StockErrorDetail {
  readonly code: number
  readonly message: string | null
  readonly kind: number | null
  readonly retryable: boolean | null
  readonly outcome: number | null
}

/** What the generated KVStoreException looks like. */
export interface StockException extends Error {
  readonly error: StockErrorDetail
  readonly dataset: string | null
}

/** A row as stock code decodes it: fields that were not sent are null, buffers are bytes. */
export interface StockRow {
  readonly value: Buffer | null
  readonly cells:
    { localKey: Buffer | null; value: Buffer; timestamp: Int64 | null; ttlSeconds: number | null }[] | null
  readonly timestamp: Int64 | null
  readonly error?: StockErrorDetail | null
}

export interface GetRequest {
  readonly dataset: string
  readonly key: Buffer | string
  readonly cells?: StockSelector
  readonly options?: {
    withTimestamps?: boolean
    withTtl?: boolean
    withInfo?: boolean
    datasetVersion?: Int64
  }
  readonly context?: { deadlineMs?: number; caller?: string; mustUnderstand?: string[] }
}

export interface MultiGetRequest extends Omit<GetRequest, 'key'> {
  readonly keys: readonly (Buffer | string)[]
}

export interface PutRequest {
  readonly dataset: string
  readonly key: Buffer | string
  readonly value?: Buffer | string
  readonly cells?: readonly StockCell[]
  readonly timestamp?: Int64
  readonly ttlSeconds?: number
  readonly replaceRow?: boolean
  readonly options?: { durability?: number }
}

export interface RemoveRequest {
  readonly dataset: string
  readonly key: Buffer | string
  readonly cells?: StockSelector
  readonly timestamp?: Int64
  readonly options?: { durability?: number }
}

interface StockConnection extends EventEmitter {
  end(): void
  destroy(): void
}

interface StockThrift {
  createConnection(host: string, port: number, options: object): StockConnection
  createClient(
    service: object,
    connection: StockConnection,
  ): Record<string, (argument?: unknown) => Promise<unknown>>
  readonly TFramedTransport: object
  readonly TBufferedTransport: object
  readonly TBinaryProtocol: object
  readonly TCompactProtocol: object
}

/** What the connection speaks. */
export interface StockKind {
  readonly transport: 'TFramedTransport' | 'TBufferedTransport'
  readonly protocol: 'TBinaryProtocol' | 'TCompactProtocol'
}

const FRAMED_BINARY: StockKind = { transport: 'TFramedTransport', protocol: 'TBinaryProtocol' }

type Constructor = new (fields?: unknown) => object

const require = createRequire(join(root, 'src', 'client', 'generated', 'KVStore.js'))
// CommonJS without types: these are the shapes that the code below relies on, and every test run checks them.
const thrift = require('thrift') as StockThrift
const service = require('./KVStore.js') as object
const types = require('./kvstore_types.js') as Record<string, Constructor>
const Int64Class = require('node-int64') as new (bytes: Buffer) => Int64

export function int64(value: bigint): Int64 {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return new Int64Class(bytes)
}

export function bigintOf(value: Int64 | null | undefined): bigint | null {
  return value == null ? null : value.buffer.readBigInt64BE(value.offset)
}

export function isStockException(thrown: unknown): thrown is StockException {
  const exception = types['KVStoreException']
  return exception !== undefined && thrown instanceof exception
}

export class ConnectionLost extends Error {}

export class StockClient {
  readonly #connection: StockConnection
  readonly #client: Record<string, (argument?: unknown) => Promise<unknown>>
  /** Rejects, at most once, when the connection is gone. */
  readonly #lost: Promise<never>

  private constructor(connection: StockConnection) {
    this.#connection = connection
    this.#client = thrift.createClient(service, connection)
    this.#lost = new Promise((_, reject) => {
      connection.on('error', (error: Error) => reject(new ConnectionLost(error.message)))
      connection.on('close', () => reject(new ConnectionLost('closed')))
    })
    this.#lost.catch(() => undefined)
  }

  static async connect(port: number, host = '127.0.0.1', kind = FRAMED_BINARY): Promise<StockClient> {
    const options = { transport: thrift[kind.transport], protocol: thrift[kind.protocol] }
    const connection = thrift.createConnection(host, port, options)
    const client = new StockClient(connection)
    await Promise.race([new Promise((resolve) => connection.once('connect', resolve)), client.#lost])
    return client
  }

  /** Any method of the service; `struct` names the generated class that the argument becomes. */
  async call(method: string, argument?: unknown, struct?: string): Promise<unknown> {
    const structClass = struct === undefined ? undefined : types[struct]
    const send = this.#client[method]
    if (send === undefined) throw new Error(`the generated client has no method ${method}`)
    const sent = send.call(this.#client, structClass === undefined ? argument : new structClass(argument))
    return await Promise.race([sent, this.#lost])
  }

  // The casts below state what the generated classes hold; the tests assert the contents field by field.
  async get(request: GetRequest): Promise<StockRow & { info: { datasetVersion: Int64 | null } | null }> {
    return (await this.call('get', request, 'GetRequest')) as StockRow & {
      info: { datasetVersion: Int64 | null } | null
    }
  }

  async multiGet(request: MultiGetRequest): Promise<{ rows: StockRow[] }> {
    return (await this.call('multiGet', request, 'MultiGetRequest')) as { rows: StockRow[] }
  }

  async put(request: PutRequest): Promise<{ timestamp: Int64 | null }> {
    return (await this.call('put', request, 'PutRequest')) as { timestamp: Int64 | null }
  }

  async remove(request: RemoveRequest): Promise<{ timestamp: Int64 | null }> {
    return (await this.call('remove', request, 'DeleteRequest')) as { timestamp: Int64 | null }
  }

  async describeDataset(name: string): Promise<Record<string, unknown>> {
    return (await this.call('describeDataset', name)) as Record<string, unknown>
  }

  async describeServer(): Promise<Record<string, unknown>> {
    return (await this.call('describeServer')) as Record<string, unknown>
  }

  close(): void {
    this.#connection.end()
  }
}
