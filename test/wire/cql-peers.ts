/** CqlServer behind a real socket with an engine that does as it is told, and a client that speaks in single frames. */
import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'
import { systemClock } from '../../src/base/clock.js'
import { createLogger } from '../../src/base/logger.js'
import type { Authenticator } from '../../shims/rocksandra/authentication.js'
import type { CqlServerLimits } from '../../shims/rocksandra/connection.js'
import { CqlError } from '../../shims/rocksandra/cql/errors.js'
import { TYPES } from '../../shims/rocksandra/cql/types.js'
import { CqlDispatcher } from '../../shims/rocksandra/dispatcher.js'
import type {
  BatchRequest,
  ColumnSpec,
  CqlDone,
  CqlEngine,
  CqlSession,
  PreparedStatement,
  QueryOptions,
} from '../../shims/rocksandra/engine/contract.js'
import type { Schema } from '../../shims/rocksandra/engine/schema.js'
import { CqlServer } from '../../shims/rocksandra/listener.js'
import { PreparedStatements } from '../../shims/rocksandra/prepared.js'
import { PagingStates } from '../../shims/rocksandra/protocol/paging.js'

export interface Asked {
  readonly statement: string
  readonly session: CqlSession
  readonly options: QueryOptions
  readonly done: CqlDone
}

export const COLUMNS: readonly ColumnSpec[] = [
  { keyspace: 'ks', table: 't', name: 'k', type: TYPES.int },
  { keyspace: 'ks', table: 't', name: 'v', type: TYPES.text },
]

/** Hands every statement to `answer`; whatever is prepared has COLUMNS. */
export class ScriptedEngine implements CqlEngine {
  schemaNow: Schema = { keyspaces: new Map(), version: '00000000-0000-3000-8000-000000000000' }
  isCurrent = true
  readonly batches: BatchRequest[] = []
  answer: (asked: Asked) => void = ({ done }) => done({ kind: 'void' })

  schema(): Schema {
    return this.schemaNow
  }

  prepare(text: string, { keyspace }: CqlSession): PreparedStatement {
    if (text === 'wrong')
      throw new CqlError('SYNTAX_ERROR', "line 1:0 no viable alternative at input 'wrong'")
    const isCurrent = (): boolean => this.isCurrent
    return { text, keyspace, variables: COLUMNS, partitionKeyIndexes: [0], columns: COLUMNS, isCurrent }
  }

  query(statement: string, session: CqlSession, options: QueryOptions, done: CqlDone): void {
    this.answer({ statement, session, options, done })
  }

  execute({ text }: PreparedStatement, session: CqlSession, options: QueryOptions, done: CqlDone): void {
    this.answer({ statement: text, session, options, done })
  }

  batch(batch: BatchRequest, session: CqlSession, options: QueryOptions, done: CqlDone): void {
    this.batches.push(batch)
    this.answer({ statement: batch.type, session, options, done })
  }
}

export interface CqlPeerOptions {
  readonly limits?: Partial<CqlServerLimits>
  readonly authenticator?: Authenticator
}

export class CqlPeer {
  readonly engine = new ScriptedEngine()
  readonly server: CqlServer
  /** `malformed frame-too-large`, `fault` and the like, as they were counted. */
  readonly events: string[] = []
  readonly #listener: Server
  readonly #clients: CqlClient[] = []

  private constructor({ limits, authenticator }: CqlPeerOptions) {
    const { engine, events } = this
    const logger = createLogger('silent')
    const dispatcher = new CqlDispatcher({
      engine,
      prepared: new PreparedStatements({ maxPreparedStatements: 100, maxPreparedBytes: 10_000 }),
      pagingStates: new PagingStates(Buffer.alloc(32, 7)),
      authenticator: authenticator ?? null,
      clock: systemClock,
      logger,
      onPrepared: (text) => events.push(`prepared ${text}`),
    })
    this.server = new CqlServer({
      name: 'cql',
      engine,
      dispatcher,
      logger,
      clock: systemClock,
      events: {
        onConnection: () => undefined,
        onDisconnect: () => undefined,
        onRefused: (reason) => events.push(`refused ${reason}`),
        onMalformed: (reason) => events.push(`malformed ${reason}`),
        onFault: () => events.push('fault'),
      },
      ...(limits === undefined ? {} : { limits }),
    })
    this.#listener = createServer({ allowHalfOpen: true }, (socket) => this.server.accept(socket))
  }

  static async start(options: CqlPeerOptions = {}): Promise<CqlPeer> {
    const peer = new CqlPeer(options)
    peer.#listener.listen(0, '127.0.0.1')
    await once(peer.#listener, 'listening')
    return peer
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.socket.destroy()
    await this.server.close()
    this.#listener.close()
    await once(this.#listener, 'close')
  }

  async connect(version = 4): Promise<CqlClient> {
    const { port } = this.#listener.address() as AddressInfo // a TCP server's
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const client = new CqlClient(socket, version)
    this.#clients.push(client)
    return client
  }

  /** A client that is past its STARTUP. */
  async ready(version = 4, options: Readonly<Record<string, string>> = {}): Promise<CqlClient> {
    const client = await this.connect(version)
    client.send(0x01, stringMap({ CQL_VERSION: '3.0.0', ...options }))
    await client.next()
    return client
  }
}

export interface Frame {
  readonly version: number
  readonly flags: number
  readonly stream: number
  readonly opcode: number
  readonly body: Buffer
}

export class CqlClient {
  readonly socket: Socket
  readonly #version: number
  #bytes: Buffer = Buffer.alloc(0)
  readonly #frames: Frame[] = []
  #hasEnded = false
  #wake: (() => void) | null = null

  constructor(socket: Socket, version: number) {
    this.socket = socket
    this.#version = version
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => this.#end())
    socket.on('end', () => this.#end())
  }

  /** Answers the stream. */
  send(opcode: number, body: Buffer, { stream = 1, flags = 0, version = this.#version } = {}): number {
    this.socket.write(frame({ version, flags, stream, opcode, body }))
    return stream
  }

  /** The next frame; fails when the connection ends before. */
  async next(): Promise<Frame> {
    for (;;) {
      const first = this.#frames.shift()
      if (first !== undefined) return first
      if (this.#hasEnded) throw new Error('the connection ended')
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async ask(opcode: number, body: Buffer, options: { stream?: number; flags?: number } = {}): Promise<Frame> {
    this.send(opcode, body, options)
    return await this.next()
  }

  /** Everything that came until the server ended the connection. */
  async rest(): Promise<Frame[]> {
    while (!this.#hasEnded) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#frames
  }

  #receive(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    while (this.#bytes.length >= 9 && this.#bytes.length >= 9 + this.#bytes.readUInt32BE(5)) {
      const end = 9 + this.#bytes.readUInt32BE(5)
      const [version = 0, flags = 0] = this.#bytes
      const stream = this.#bytes.readInt16BE(2)
      this.#frames.push({
        version,
        flags,
        stream,
        opcode: this.#bytes[4] ?? 0,
        body: this.#bytes.subarray(9, end),
      })
      this.#bytes = this.#bytes.subarray(end)
    }
    this.#wake?.()
  }

  #end(): void {
    this.#hasEnded = true
    this.#wake?.()
  }
}

export function frame({ version, flags, stream, opcode, body }: Frame): Buffer {
  const header = Buffer.alloc(9)
  header[0] = version
  header[1] = flags
  header.writeInt16BE(stream, 2)
  header[4] = opcode
  header.writeUInt32BE(body.length, 5)
  return Buffer.concat([header, body])
}

export function short(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

export function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

export function string(text: string): Buffer {
  return Buffer.concat([short(Buffer.byteLength(text)), Buffer.from(text)])
}

export function longString(text: string): Buffer {
  return Buffer.concat([int(Buffer.byteLength(text)), Buffer.from(text)])
}

export function bytes(value: Buffer | null): Buffer {
  return value === null ? int(-1) : Buffer.concat([int(value.length), value])
}

export function stringMap(map: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(map)
  return Buffer.concat([
    short(entries.length),
    ...entries.flatMap(([key, value]) => [string(key), string(value)]),
  ])
}

/** A QUERY at consistency ONE with these bytes behind it: flags and what they announce. */
export function query(text: string, rest: Buffer = Buffer.of(0)): Buffer {
  return Buffer.concat([longString(text), short(1), rest])
}

/** Code and message of an ERROR frame. */
export function errorOf({ opcode, body }: Frame): { readonly code: number; readonly message: string } {
  if (opcode !== 0x00) throw new Error(`opcode ${opcode} is no ERROR`)
  return { code: body.readInt32BE(0), message: body.toString('utf8', 6, 6 + body.readUInt16BE(4)) }
}
