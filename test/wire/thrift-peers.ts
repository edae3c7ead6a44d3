/** A ThriftServer on a real loopback socket, with handlers of the test's own, and a bare client for it. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Logger } from '../../src/base/logger.js'
import { BinaryReader } from '../../src/thrift/binary-reader.js'
import * as kv from '../../src/thrift/generated/kvstore.js'
import {
  bindMethod,
  ThriftType,
  type ThriftCall,
  type ThriftMethod,
  type ThriftService,
} from '../../src/thrift/protocol.js'
import { ThriftServer, type ThriftServerOptions } from '../../src/thrift/server.js'
import { rawSocket } from '../support/frames.js'

export type GetCall = ThriftCall<kv.GetResponse, kv.KVStoreException>
export type GetHandler = (key: string, call: GetCall) => void

/** A oneway method, which the KVStore API has none of. */
export const tell: ThriftMethod<null, null, never> = {
  name: 'tell',
  isOneway: true,
  isVoid: true,
  readArgs: (input) => {
    input.skip(ThriftType.STRUCT)
    return null
  },
  writeArgs: (output) => output.writeFieldStop(),
  readResult: () => ({ value: null, exception: null }),
  writeResult: () => undefined,
  writeException: () => undefined,
}

/** Keeps calls until the test answers them. */
export class Held {
  readonly calls: { key: string; call: GetCall }[] = []
  #waiting: (() => void) | null = null
  readonly handler: GetHandler = (key, call) => {
    this.calls.push({ key, call })
    this.#waiting?.()
  }

  async until(count: number): Promise<void> {
    while (this.calls.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    }
  }

  answer(index: number): void {
    const held = this.calls[index]
    held?.call.reply(valueOf(held.key))
  }
}

export function valueOf(text: string | Buffer): kv.GetResponse {
  return kv.makeGetResponse({ value: Buffer.from(text) })
}

/** Remembers messages instead of printing them. */
export class RecordingLogger implements Logger {
  readonly lines: string[] = []
  readonly debug = (): void => undefined
  readonly info = (): void => undefined
  readonly warn = (_fields: object, message: string): void => void this.lines.push(message)
  readonly error = (_fields: object, message: string): void => void this.lines.push(message)
  readonly child = (): Logger => this
}

export interface PeerOptions {
  readonly limits?: NonNullable<ThriftServerOptions['limits']>
  readonly clock?: NonNullable<ThriftServerOptions['clock']>
  readonly tooLarge?: NonNullable<ThriftService['tooLarge']>
}

/** Serves get (by key as text) and tell; counts what the server reports. */
export class Peer {
  readonly events: string[] = []
  readonly logger = new RecordingLogger()
  readonly server: ThriftServer
  readonly #listener: Server
  readonly #clients: Socket[] = []
  /** The server's ends of the connections. */
  readonly accepted: Socket[] = []
  /** Sizes of the writes to each accepted socket. */
  readonly writes: number[][] = []
  onTell: (call: ThriftCall<null, never>) => void = (call) => call.reply(null)

  private constructor(handler: GetHandler, options: PeerOptions) {
    const get = bindMethod(kv.KVStoreMethods.get, (args, call: GetCall) => {
      handler(args.request?.key?.toString() ?? '', call)
    })
    const service = {
      name: 'Test',
      methods: new Map([
        ['get', get],
        ['tell', bindMethod(tell, (_args, call) => this.onTell(call))],
      ]),
      ...(options.tooLarge === undefined ? {} : { tooLarge: options.tooLarge }),
    }
    const note = (what: string) => (detail?: string) => {
      this.events.push(detail === undefined ? what : `${what} ${detail}`)
      this.#waiting?.()
    }
    this.server = new ThriftServer({
      ...options,
      name: 'test',
      service,
      logger: this.logger,
      events: {
        onConnection: note('connection'),
        onDisconnect: note('disconnect'),
        onRefused: note('refused'),
        onMalformed: note('malformed'),
        onFault: note('fault'),
      },
    })
    this.#listener = createServer((socket) => {
      this.#countWrites(socket)
      this.server.accept(socket)
    })
  }

  #waiting: (() => void) | null = null

  static async start(handler: GetHandler, options: PeerOptions = {}): Promise<Peer> {
    const peer = new Peer(handler, options)
    peer.#listener.listen(0, '127.0.0.1')
    await once(peer.#listener, 'listening')
    return peer
  }

  get port(): number {
    // A listening TCP socket has an address of this kind.
    return (this.#listener.address() as AddressInfo).port
  }

  async connect(): Promise<Socket> {
    const socket = await rawSocket(this.port)
    this.#clients.push(socket)
    return socket
  }

  /** Resolves when the server has reported the event, now or before. */
  async until(event: string): Promise<void> {
    while (!this.events.includes(event)) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    }
  }

  /** The server has seen that its first client sends no more. */
  async untilPeerEnded(): Promise<void> {
    const [socket] = this.accepted
    if (socket?.readableEnded === false) await once(socket, 'end')
  }

  async stop(): Promise<void> {
    for (const socket of this.#clients) socket.destroy()
    await this.server.close()
    this.#listener.close()
    await once(this.#listener, 'close')
  }

  #countWrites(socket: Socket): void {
    const sizes: number[] = []
    this.accepted.push(socket)
    this.writes.push(sizes)
    const write = socket.write.bind(socket)
    socket.write = (bytes: Uint8Array | string): boolean => {
      sizes.push(bytes.length)
      return write(bytes)
    }
  }
}

/** An answer as a client sees it. */
export interface Answer {
  readonly type: number
  readonly seqid: number
  readonly body: Buffer
}

/** Collects whole answers from a socket. */
export class Answers {
  readonly #socket: Socket
  #received = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.#socket = socket
  }

  async next(): Promise<Answer> {
    while (this.#received.length < 4 || this.#received.length < 4 + this.#received.readInt32BE(0)) {
      const chunk = this.#socket.read() as Buffer | null // Without encoding, a socket gives buffers.
      if (chunk !== null) this.#received = Buffer.concat([this.#received, chunk])
      else if (this.#socket.readableEnded || this.#socket.destroyed)
        throw new Error('the connection is closed')
      else await this.#untilMore()
    }
    const end = 4 + this.#received.readInt32BE(0)
    const input = new BinaryReader()
    input.reset(this.#received, 4, end)
    input.readMessageBegin()
    const body = this.#received.subarray(end - input.remaining, end)
    this.#received = this.#received.subarray(end)
    return { type: input.messageType, seqid: input.seqid, body }
  }

  async #untilMore(): Promise<void> {
    const over = new AbortController()
    const { signal } = over
    try {
      await Promise.race(['readable', 'end', 'close'].map((event) => once(this.#socket, event, { signal })))
    } finally {
      over.abort()
    }
  }

  async take(count: number): Promise<Answer[]> {
    const answers: Answer[] = []
    while (answers.length < count) answers.push(await this.next())
    return answers
  }
}

/** The value of a get's answer as text. */
export function textOf({ body }: Answer): string {
  const input = new BinaryReader()
  input.reset(body, 0, body.length)
  return kv.KVStoreMethods.get.readResult(input).value?.value?.toString() ?? ''
}
