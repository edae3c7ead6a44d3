/**
 * npm thrift and the code that Apache Thrift's compiler wrote from idl/kvstore.thrift, as the rest of the client uses
 * them: the only place that knows their shapes, for neither brings types that fit. What they get wrong is put right here
 * and in connection.ts, without an edit to either:
 *  - 64-bit numbers are node-int64 objects that lose everything beyond 2^53 when used as numbers, so that the protocols
 *    below read and write bigint, and generated code passes that through;
 *  - the receivers take a frame's length on trust: a negative one would never end, a huge one be waited for.
 */
import type { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

/** Generated code is not compiled, so that it lies beside the sources: three folders up from every output folder. */
const generated = new URL('../../../src/client/generated/', import.meta.url)
const require = createRequire(new URL('KVStore.js', generated))

type Receiver = (bytes: Buffer) => void

interface Transport {
  read(size: number): Buffer
  write(bytes: Buffer): void
  outBuffers: Buffer[]
  outCount: number
}

interface TransportClass {
  new (bytes?: Buffer, onFlush?: (message: Buffer) => void): Transport
  receiver(onMessage: (transport: Transport) => void, sequence?: number, maxBytes?: number): Receiver
}

interface Protocol {
  readonly trans: Transport
  readVarint64(): { readonly buffer: Buffer }
}

type ProtocolClass = new (transport: Transport) => Protocol

/** thrift.Connection: an event emitter around a socket; `error` has to be listened to. */
export interface StockConnection extends EventEmitter {
  readonly connection: Socket
  connected: boolean
  destroy(): void
}

/** The generated KVStore.Client; its methods answer promises that stay pending when the connection is lost. */
export interface StockClient {
  readonly output: Transport
  /** The last call's sequence number; the next one's is one higher. */
  _seqid: number
  /** What takes the answers, by sequence number; without an entry an answer is dropped. */
  readonly _reqs: Record<number, unknown>
  readonly [method: string]: unknown
}

interface Thrift {
  readonly TFramedTransport: TransportClass
  readonly TBufferedTransport: TransportClass
  readonly TBinaryProtocol: ProtocolClass
  readonly TCompactProtocol: ProtocolClass
  readonly Thrift: {
    readonly TApplicationException: new () => Error & { readonly type: number }
    readonly TApplicationExceptionType: { readonly UNKNOWN_METHOD: number }
  }
  createConnection(host: string, port: number, options: object): StockConnection
  createClient(service: object, connection: StockConnection): StockClient
}

// CommonJS without types: the interfaces above are the part that this client relies on, and its tests check them.
export const thrift = require('thrift') as Thrift
const service = require('./KVStore.js') as object
type StructClass = new (fields: object) => object
export const structs = require('./kvstore_types.js') as Readonly<Record<string, StructClass>>

class BinaryProtocol extends thrift.TBinaryProtocol {
  writeI64(value: bigint): void {
    const encoded = Buffer.allocUnsafe(8)
    encoded.writeBigInt64BE(value)
    this.trans.write(encoded)
  }

  readI64(): bigint {
    return this.trans.read(8).readBigInt64BE()
  }
}

class CompactProtocol extends thrift.TCompactProtocol {
  /** Zigzag, then seven bits a byte, the lowest first. */
  writeI64(value: bigint): void {
    const encoded: number[] = []
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    for (; rest > 0x7fn; rest >>= 7n) encoded.push(Number(rest & 0x7fn) | 0x80)
    encoded.push(Number(rest))
    this.trans.write(Buffer.from(encoded))
  }

  readI64(): bigint {
    const zigzag = this.readVarint64().buffer.readBigUInt64BE()
    return (zigzag >> 1n) ^ -(zigzag & 1n)
  }
}

const TRANSPORTS = { framed: thrift.TFramedTransport, buffered: thrift.TBufferedTransport }
const PROTOCOLS = { binary: BinaryProtocol, compact: CompactProtocol }
export type TransportName = keyof typeof TRANSPORTS
export type ProtocolName = keyof typeof PROTOCOLS

export interface StockOptions {
  readonly host: string
  readonly port: number
  readonly transport: TransportName
  readonly protocol: ProtocolName
  /** An answer of more bytes is a fault of the connection. */
  readonly maxAnswerBytes: number
}

/**
 * A connection that is being made, and its client. `onFault` is called when what was received is no answer; stock code
 * would throw out of the socket's `data` event and end the process.
 */
export function connect(
  options: StockOptions,
  onFault: (error: unknown) => void,
): { readonly connection: StockConnection; readonly client: StockClient } {
  const base = TRANSPORTS[options.transport]
  class GuardedTransport extends base {
    static override receiver(onMessage: (transport: Transport) => void): Receiver {
      const receive = base.receiver(onMessage, undefined, options.maxAnswerBytes)
      return (bytes) => {
        try {
          receive(bytes)
        } catch (error) {
          onFault(error)
        }
      }
    }
  }
  const parts = { transport: GuardedTransport, protocol: PROTOCOLS[options.protocol] }
  const connection = thrift.createConnection(options.host, options.port, parts)
  return { connection, client: thrift.createClient(service, connection) }
}
