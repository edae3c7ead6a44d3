/**
 * The independent peer: npm thrift and the code that Apache Thrift's own compiler made of idl/kvstore.thrift. Requests
 * of the load generator are written by it, so that what is measured is what stock clients send.
 */
import type { Server } from 'node:net'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from './paths.js'

export interface StockCell {
  readonly localKey: Buffer | null
  readonly value: Buffer
}

export interface StockSelector {
  readonly localKeys: readonly Buffer[]
}

export interface StockScanRequest {
  readonly dataset: string
  readonly cells: StockSelector | null
  readonly pageRows: number
  readonly pageToken: Buffer | null
}

export interface StockRows {
  readonly rows: readonly StockRow[]
}

export interface StockPage {
  readonly rows: readonly StockRow[]
  readonly nextPageToken: Buffer | null
}

export interface StockGetRequest {
  readonly dataset: string
  readonly key: Buffer
  readonly cells: StockSelector | null
}

export interface StockMultiGetRequest {
  readonly dataset: string
  readonly keys: readonly Buffer[]
  readonly cells: StockSelector | null
}

export interface StockPutRequest {
  readonly dataset: string
  readonly key: Buffer
  readonly value: Buffer
  readonly cells: readonly StockCell[] | null
  readonly ttlSeconds: number | null
}

export interface StockRow {
  readonly value: Buffer | null
  readonly cells: readonly StockCell[] | null
}

interface StockStruct {
  write(protocol: object): void
  read(protocol: object): void
}

type Struct<Fields, Result = object> = new (fields?: Partial<Fields>) => StockStruct & Result

interface StockTypes {
  readonly GetRequest: Struct<StockGetRequest>
  readonly GetResponse: Struct<StockRow, StockRow>
  readonly MultiGetRequest: Struct<StockMultiGetRequest>
  readonly MultiGetResponse: Struct<StockRows>
  readonly PutRequest: Struct<StockPutRequest>
  readonly ScanRequest: Struct<StockScanRequest>
  readonly RowResult: Struct<StockRow, StockRow>
  readonly Cell: Struct<StockCell, StockCell>
  readonly CellSelector: Struct<StockSelector, StockSelector>
}

type Answer = (error: Error | null, result?: object) => void

export interface StockHandler {
  get(request: StockGetRequest, answer: Answer): void
  multiGet(request: StockMultiGetRequest, answer: Answer): void
}

interface StockTransport {
  flush(): void
}

interface StockProtocol {
  readMessageBegin(): { readonly mtype: number; readonly rseqid: number }
}

interface Thrift {
  readonly TFramedTransport: new (bytes?: Buffer, onFlush?: (frame: Buffer) => void) => StockTransport
  readonly TBinaryProtocol: new (transport: object) => StockProtocol
  createServer(service: object, handler: StockHandler, options: object): Server
}

interface StockClient {
  _seqid: number
  readonly _reqs: Record<number, (error: unknown, result: StockRow & StockPage) => void>
  recv_get(protocol: object, messageType: number, seqid: number): void
  recv_multiGet(protocol: object, messageType: number, seqid: number): void
  recv_scan(protocol: object, messageType: number, seqid: number): void
  send_get(request: object): void
  send_multiGet(request: object): void
  send_put(request: object): void
  send_scan(request: object): void
}

const require = createRequire(import.meta.url)
const generated = join(root, 'src', 'client', 'generated')

// Neither npm thrift nor its generated code brings types; the interfaces above are the part that the bench uses.
export const thrift = require('thrift') as Thrift
export const types = require(join(generated, 'kvstore_types.js')) as StockTypes
export const KVStore = require(join(generated, 'KVStore.js')) as {
  readonly Client: new (output: object, protocol: Thrift['TBinaryProtocol']) => StockClient
}

export type Call = 'get' | 'multiGet' | 'put' | 'scan'

/** A struct's bytes in the binary protocol, without frame or message. */
export function encodeStruct(struct: StockStruct): Buffer {
  const parts: Buffer[] = []
  const transport = new thrift.TFramedTransport(undefined, (frame) => parts.push(frame.subarray(4)))
  struct.write(new thrift.TBinaryProtocol(transport))
  transport.flush()
  return Buffer.concat(parts)
}

/** Fills the struct from such bytes. */
export function decodeStruct<Kind extends StockStruct>(struct: Kind, bytes: Buffer): Kind {
  struct.read(new thrift.TBinaryProtocol(new thrift.TFramedTransport(bytes)))
  return struct
}

/** One framed request a struct, sequence numbers from 1, one behind the other: what bench/loadgen.c replays. */
export function encodeCalls(call: Call, requests: Iterable<object>): Buffer {
  const frames: Buffer[] = []
  const transport = new thrift.TFramedTransport(undefined, (frame) => frames.push(frame))
  const client = new KVStore.Client(transport, thrift.TBinaryProtocol)
  for (const request of requests) {
    client._seqid++
    client[`send_${call}`](request)
  }
  return Buffer.concat(frames)
}

/** The result in a framed answer, as the stock client reads it. @throws what the server answered instead */
export function decodeReply(frame: Buffer): StockRow
export function decodeReply(frame: Buffer, call: 'multiGet'): StockRows
export function decodeReply(frame: Buffer, call: 'scan'): StockPage
export function decodeReply(
  frame: Buffer,
  call: 'get' | 'multiGet' | 'scan' = 'get',
): StockRow | StockRows | StockPage {
  const protocol = new thrift.TBinaryProtocol(new thrift.TFramedTransport(frame.subarray(4)))
  const { mtype, rseqid } = protocol.readMessageBegin()
  const client = new KVStore.Client(protocol, thrift.TBinaryProtocol)
  const results: (StockRow & StockPage)[] = []
  client._reqs[rseqid] = (error, result) => {
    if (error) throw error instanceof Error ? error : new Error(JSON.stringify(error))
    results.push(result)
  }
  client[`recv_${call}`](protocol, mtype, rseqid)
  const [result] = results
  if (result === undefined) throw new Error('the stock client read no result')
  return result
}
