/** A server of stock npm thrift on the generated Processor: what the client meets is not our own code. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import type { AddressInfo, Server, Socket } from 'node:net'
import { join } from 'node:path'
import { KVStoreClient, type ClientOptions } from '../../../src/client/client.js'
import { KVStoreError } from '../../../src/client/errors.js'
import { METHODS } from '../../../src/client/structs.js'
import { root } from '../../support/tree.js'

/** As stock code decodes and takes them: Int64 objects, numbers for enums, null for what is absent. */
export type Wire = Readonly<Record<string, unknown>>
export type Handler = (method: string, request: Wire) => object | Promise<object>

const require = createRequire(join(root, 'src', 'client', 'generated', 'KVStore.js'))
// CommonJS without types, used as far as these lines say.
const thrift = require('thrift') as {
  readonly TFramedTransport: object
  readonly TBufferedTransport: object
  readonly TBinaryProtocol: object
  readonly TCompactProtocol: object
  createServer(service: object, handler: object, options: object): Server
}
// Copies of the server's own, because one of them is changed below; the client's stay as they were generated.
for (const file of ['./KVStore.js', './kvstore_types.js'])
  Reflect.deleteProperty(require.cache, require.resolve(file))
const service = require('./KVStore.js') as object
const types = require('./kvstore_types.js') as Readonly<Record<string, new (fields: object) => object>>
for (const name of ['MutateResponse', 'IncrementResponse']) freeWrite(types[name])

/** These structs have a field `write`, which hides the generated method of that name: stock servers cannot send them. */
function freeWrite(struct: (new (fields: object) => object) | undefined): void {
  assert.ok(struct)
  // Generated code has the method and takes the protocol.
  const { write } = struct.prototype as { write: (this: object, output: unknown) => void }
  const fields = new WeakMap<object, unknown>()
  Object.defineProperty(struct.prototype, 'write', {
    set(this: object, value: unknown) {
      fields.set(this, value)
    },
    get(this: object) {
      return (output: unknown) => write.call({ ...this, write: fields.get(this) ?? null }, output)
    },
  })
}

const Int64 = require('node-int64') as new (bytes: Buffer) => {
  readonly buffer: Buffer
  readonly offset: number
}

export const PAIRS = (['framed', 'buffered'] as const).flatMap((transport) =>
  (['binary', 'compact'] as const).map((protocol) => ({ transport, protocol })),
)
const TRANSPORTS = { framed: thrift.TFramedTransport, buffered: thrift.TBufferedTransport }
const PROTOCOLS = { binary: thrift.TBinaryProtocol, compact: thrift.TCompactProtocol }

export function int64(value: bigint): object {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return new Int64(bytes)
}

export function bigintOf(value: unknown): bigint {
  const { buffer, offset } = value as { buffer: Buffer; offset: number } // an Int64
  return buffer.readBigInt64BE(offset)
}

/** What a handler throws to refuse. */
export function refusal(error: object, fields: object = {}): Error {
  const KVStoreException = types['KVStoreException']
  assert.ok(KVStoreException)
  // The generated class extends Error.
  return new KVStoreException({
    message: 'refused',
    error: { message: 'refused', ...error },
    ...fields,
  }) as Error
}

export class StockServer {
  readonly sockets = new Set<Socket>()
  /** Connections that were ever made. */
  accepted = 0
  readonly #server: Server

  private constructor(handle: Handler, options: Pick<ClientOptions, 'transport' | 'protocol'>) {
    const handler = Object.fromEntries(
      Object.keys(METHODS).map((method) => {
        // Stock code tells handlers that answer promises by their number of parameters.
        // It also expects them never to throw by themselves.
        if (method === 'describeServer') return [method, async () => await handle(method, {})]
        return [method, async (request: Wire) => await handle(method, request)]
      }),
    )
    this.#server = thrift.createServer(service, handler, {
      transport: TRANSPORTS[options.transport ?? 'framed'],
      protocol: PROTOCOLS[options.protocol ?? 'binary'],
    })
    // Without it a client that goes away ends the process.
    this.#server.on('error', () => undefined)
    this.#server.on('connection', (socket) => {
      this.accepted++
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
    })
  }

  static async start(
    handle: Handler,
    options: Pick<ClientOptions, 'transport' | 'protocol'> = {},
    port = 0,
  ): Promise<StockServer> {
    const server = new StockServer(handle, options)
    server.#server.listen(port, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port // it listens on TCP
  }

  client(options: ClientOptions = {}): KVStoreClient {
    return new KVStoreClient({ port: this.port, ...options })
  }

  /** Resets every connection. */
  reset(): void {
    for (const socket of this.sockets) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    this.reset()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** Runs `use` with a server and a client of it, and closes both whatever happens. */
export async function withServer(
  handle: Handler,
  options: ClientOptions,
  use: (client: KVStoreClient, server: StockServer) => Promise<void>,
): Promise<void> {
  const server = await StockServer.start(handle, options)
  const client = server.client(options)
  try {
    await use(client, server)
  } finally {
    await client.close()
    await server.close()
  }
}

/** What the call failed with; fails when it succeeds. */
export async function failureOf(call: Promise<unknown>): Promise<KVStoreError> {
  const thrown: unknown = await call.then(
    () => assert.fail('the call succeeded'),
    (error: unknown) => error,
  )
  assert.ok(thrown instanceof KVStoreError, `not a KVStoreError: ${String(thrown)}`)
  return thrown
}
