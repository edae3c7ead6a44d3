/**
 * A scripted Terrapin thrift server over TCP: it answers TerrapinService from memory, and fails on command in each of the
 * ways that a real one, or the network before it, does. Like the real one it answers a connection's calls one after the
 * other, and Finagle's upgrade.
 */
import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { writeApplicationException } from '../../src/thrift/application-exception.js'
import { BinaryReader } from '../../src/thrift/binary-reader.js'
import { BinaryWriter } from '../../src/thrift/binary-writer.js'
import { FrameReader } from '../../src/thrift/frames.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { MessageType, ThriftType } from '../../src/thrift/protocol.js'

const UPGRADE = '__can__finagle__trace__v3__'
const MAX_FRAME_BYTES = 64 * 1024 * 1024
const { get, multiGet } = wire.TerrapinServiceMethods
const { FILE_SET_NOT_FOUND, CLUSTER_NOT_FOUND, INVALID_REQUEST } = wire.TerrapinGetErrorCode

/** Its data: keys as latin1 text, or a function of them; null and undefined: no such key. */
export type FakeValues = ReadonlyMap<string, Buffer> | ((key: string) => Buffer | null | undefined)

/** What is wrong with the answer for a key. */
export type KeyFault =
  /** Other bytes than those that are stored. */
  | 'wrong'
  /** Left out, though it is stored. */
  | 'missing'
  /** Answered, though it is not stored. */
  | 'extra'
  /** The empty value, whatever is stored. */
  | 'empty'
  /** Neither a value nor a code. */
  | 'unset'
  | wire.TerrapinGetErrorCode

/** What happens to a call as a whole, in place of its answer. */
export type CallFault =
  | { readonly kind: 'reset' }
  /** The connection is closed without an answer. */
  | { readonly kind: 'close' }
  /** The sending side ends without an answer; what comes in is still read. */
  | { readonly kind: 'halfClose' }
  /** The answer, cut after so many bytes, and no more. */
  | { readonly kind: 'cut'; readonly bytes: number }
  | { readonly kind: 'wrongSeqid' }
  /** The answer of the other method. */
  | { readonly kind: 'wrongMethod' }
  /** These bytes in place of the answer. */
  | { readonly kind: 'garbage'; readonly bytes: Buffer }
  /** A key more that nobody asked for. */
  | { readonly kind: 'stranger' }
  | { readonly kind: 'exception'; readonly code: wire.TerrapinGetErrorCode; readonly message: string }
  /** A TApplicationException. */
  | { readonly kind: 'application'; readonly type: number; readonly message: string }
  /** A result without value and exception. */
  | { readonly kind: 'nothing' }

export interface FakeOriginOptions {
  readonly values?: FakeValues
  /** What it serves; default: every file set. */
  readonly fileSets?: readonly string[]
  /** What it knows; default: every cluster. */
  readonly clusters?: readonly string[]
  /** Whether it takes Finagle's upgrade or declines it; default: takes it. */
  readonly isFinagle?: boolean
  readonly port?: number
}

export class FakeOrigin {
  readonly #options: FakeOriginOptions
  readonly #connections = new Set<FakeConnection>()
  readonly #keyFaults = new Map<string, KeyFault>()
  #values: FakeValues
  #server: Server | null = null
  #port = 0
  #delayMs = 0
  #isStalled = false
  #callFaults: { readonly fault: CallFault; left: number }[] = []
  #onConnection: () => void = () => undefined
  readonly #asked: Buffer[] = []

  /** Calls that were read, answered or not; upgrades are none. */
  calls = 0
  /** Connections accepted since the start. */
  accepted = 0
  /** Calls that waited on one connection at the same time, at most. */
  mostPipelined = 0
  /** Client ids that Finagle's headers named. */
  readonly clientIds = new Set<string>()

  private constructor(options: FakeOriginOptions) {
    this.#options = options
    this.#values = options.values ?? new Map<string, Buffer>()
  }

  static async start(options: FakeOriginOptions = {}): Promise<FakeOrigin> {
    const origin = new FakeOrigin(options)
    await origin.revive(options.port ?? 0)
    return origin
  }

  get port(): number {
    return this.#port
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Resolves with the next one that is accepted. */
  nextConnection(): Promise<void> {
    return new Promise((resolve) => {
      this.#onConnection = resolve
    })
  }

  /** Keys asked for since the last look, in order; the first 100,000. */
  takeAsked(): Buffer[] {
    return this.#asked.splice(0)
  }

  /** Another version of the data. */
  replace(values: FakeValues): void {
    this.#values = values
  }

  /** Every answer comes so late from now on; 0: at once. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  /** Calls are read and not answered, until `resume`. */
  stall(): void {
    this.#isStalled = true
  }

  /** Answers what waited, too. */
  resume(): void {
    this.#isStalled = false
    for (const connection of this.#connections) connection.continue()
  }

  /** The next calls fail like this; `times` Infinity: all, until `heal`. */
  fail(fault: CallFault, times = 1): void {
    this.#callFaults.push({ fault, left: times })
  }

  /** Keys are answered like this until `heal`. */
  answerKeys(keys: Iterable<string>, fault: KeyFault): void {
    for (const key of keys) this.#keyFaults.set(key, fault)
  }

  /** Forgets all commands. */
  heal(): void {
    this.#callFaults = []
    this.#keyFaults.clear()
    this.#delayMs = 0
    this.resume()
  }

  /** As a process that dies: the port refuses, connections are reset. */
  async kill(): Promise<void> {
    const server = this.#server
    this.#server = null
    for (const connection of this.#connections) connection.socket.resetAndDestroy()
    this.#connections.clear()
    if (server === null) return
    server.close()
    await once(server, 'close')
  }

  /** Listens again, where it did. */
  async revive(port = this.#port): Promise<void> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket))
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    this.#server = server
    this.#port = (server.address() as AddressInfo).port // a listening TCP socket has an address of this kind
  }

  async close(): Promise<void> {
    await this.kill()
  }

  /** What happens to this call; null: it is answered. */
  takeFault(): CallFault | null {
    const [next] = this.#callFaults
    if (next === undefined) return null
    next.left -= 1
    if (next.left <= 0) this.#callFaults.shift()
    return next.fault
  }

  get delayMs(): number {
    return this.#delayMs
  }

  get isStalled(): boolean {
    return this.#isStalled
  }

  get isFinagle(): boolean {
    return this.#options.isFinagle ?? true
  }

  /** The exception that the request as a whole gets; null: none. */
  refusalOf(request: {
    readonly clusterList: readonly string[] | null
    readonly fileSet: string | null
  }): wire.TerrapinGetException | null {
    const { clusters, fileSets } = this.#options
    const asked = request.clusterList ?? []
    const exception = (errorCode: wire.TerrapinGetErrorCode, message: string): wire.TerrapinGetException =>
      wire.makeTerrapinGetException({ errorCode, message })
    if (asked.length === 0) return exception(INVALID_REQUEST, 'Cluster list is empty')
    if (clusters !== undefined && !asked.slice(0, 2).some((name) => clusters.includes(name))) {
      return exception(CLUSTER_NOT_FOUND, `Clusters [${asked.join(', ')}] not found.`)
    }
    if (fileSets === undefined || fileSets.includes(request.fileSet ?? '')) return null
    return exception(FILE_SET_NOT_FOUND, `File set ${request.fileSet ?? ''} not found.`)
  }

  /** One key's answer; null: it is left out. */
  answerOf(key: Buffer): wire.TerrapinSingleResponse | null {
    if (this.#asked.length < MAX_REMEMBERED) this.#asked.push(key)
    const text = key.toString('latin1')
    const stored = (typeof this.#values === 'function' ? this.#values(text) : this.#values.get(text)) ?? null
    const fault = this.#keyFaults.get(text)
    const answer = (value: Buffer | null): wire.TerrapinSingleResponse | null =>
      value === null ? null : wire.makeTerrapinSingleResponse({ value })
    if (typeof fault === 'number') return wire.makeTerrapinSingleResponse({ errorCode: fault })
    switch (fault) {
      case undefined:
        return answer(stored)
      case 'missing':
        return null
      case 'wrong':
        return answer(Buffer.concat([stored ?? Buffer.alloc(0), Buffer.from('?')]))
      case 'extra':
        return answer(stored ?? Buffer.from('extra'))
      case 'empty':
        return answer(Buffer.alloc(0))
      case 'unset':
        return wire.makeTerrapinSingleResponse()
    }
  }

  #accept(socket: Socket): void {
    this.accepted += 1
    this.#onConnection()
    const connection = new FakeConnection(this, socket)
    this.#connections.add(connection)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#connections.delete(connection))
  }
}

const MAX_REMEMBERED = 100_000

/** One call that waits for its answer. */
interface FakeCall {
  readonly seqid: number
  readonly method: string
  readonly args: wire.TerrapinServiceMultiGetArgs | wire.TerrapinServiceGetArgs
}

class FakeConnection {
  readonly socket: Socket
  readonly #origin: FakeOrigin
  readonly #frames = new FrameReader(MAX_FRAME_BYTES)
  readonly #reader = new BinaryReader()
  readonly #waiting: FakeCall[] = []
  #isUpgraded = false
  #isBusy = false

  constructor(origin: FakeOrigin, socket: Socket) {
    this.#origin = origin
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#frames.append(chunk)
      while (this.#frames.next()) this.#read()
      this.continue()
    })
    socket.on('end', () => socket.end())
  }

  /** Goes on with the calls that wait, one after the other. */
  continue(): void {
    if (this.#isBusy || this.#origin.isStalled) return
    const call = this.#waiting.shift()
    if (call === undefined) return
    const { delayMs } = this.#origin
    if (delayMs === 0) {
      this.#answer(call)
      this.continue()
      return
    }
    this.#isBusy = true
    setTimeout(() => {
      this.#isBusy = false
      if (this.#origin.isStalled) this.#waiting.unshift(call)
      else this.#answer(call)
      this.continue()
    }, delayMs)
  }

  #read(): void {
    const reader = this.#reader
    reader.reset(this.#frames.buffer, this.#frames.start, this.#frames.end)
    if (this.#isUpgraded) this.#readHeader(reader)
    reader.readMessageBegin()
    const { seqid, messageName: method } = reader
    if (method === UPGRADE) {
      this.#isUpgraded = this.#origin.isFinagle
      if (this.#origin.isFinagle) this.#writeUpgraded(seqid)
      else this.#writeApplication({ seqid, method }, 1, `Invalid method name: '${method}'`)
      return
    }
    this.#origin.calls += 1
    const args = method === get.name ? get.readArgs(reader) : multiGet.readArgs(reader)
    this.#waiting.push({ seqid, method, args })
    this.#origin.mostPipelined = Math.max(this.#origin.mostPipelined, this.#waiting.length)
  }

  #readHeader(reader: BinaryReader): void {
    readFields(reader, (id, type) => {
      if (id === CLIENT_ID)
        readFields(reader, (inner, innerType) => this.#readClientId(reader, inner, innerType))
      else reader.skip(type)
    })
  }

  #readClientId(reader: BinaryReader, id: number, type: number): void {
    if (id === CLIENT_NAME) this.#origin.clientIds.add(reader.readString())
    else reader.skip(type)
  }

  #answer(call: FakeCall): void {
    const fault = this.#origin.takeFault()
    switch (fault?.kind) {
      case 'reset':
        this.socket.resetAndDestroy()
        return
      case 'close':
        this.socket.destroy()
        return
      case 'halfClose':
        this.socket.end()
        return
      case 'garbage':
        this.socket.write(fault.bytes)
        return
      case 'application':
        this.#writeApplication(call, fault.type, fault.message)
        return
      case 'exception':
        this.#writeAnswer(
          call,
          wire.makeTerrapinGetException({ errorCode: fault.code, message: fault.message }),
        )
        return
      case 'cut':
      case 'nothing':
      case 'stranger':
      case 'wrongMethod':
      case 'wrongSeqid':
      case undefined:
        this.#writeAnswer(call, null, fault)
    }
  }

  #writeAnswer(
    call: FakeCall,
    exception: wire.TerrapinGetException | null,
    fault: CallFault | null = null,
  ): void {
    const { request } = call.args
    const isGet = call.method === get.name
    const name = fault?.kind === 'wrongMethod' ? (isGet ? multiGet.name : get.name) : call.method
    const seqid = fault?.kind === 'wrongSeqid' ? call.seqid ^ 0x55 : call.seqid
    const failure = exception ?? (request === null ? null : this.#origin.refusalOf(request))
    const bytes = this.#frame({ method: name, seqid }, (writer) => {
      if (fault?.kind === 'nothing') writer.writeFieldStop()
      else if (failure !== null) multiGet.writeException(writer, failure)
      else if (isGet) this.#writeGet(writer, call.args as wire.TerrapinServiceGetArgs)
      else this.#writeMultiGet(writer, call.args as wire.TerrapinServiceMultiGetArgs, fault)
    })
    this.socket.write(fault?.kind === 'cut' ? bytes.subarray(0, fault.bytes) : bytes)
  }

  #writeGet(writer: BinaryWriter, { request }: wire.TerrapinServiceGetArgs): void {
    const answer = this.#origin.answerOf(request?.key ?? Buffer.alloc(0)) ?? wire.makeTerrapinSingleResponse()
    if (answer.errorCode === null) get.writeResult(writer, answer)
    else {
      const { errorCode } = answer
      get.writeException(writer, wire.makeTerrapinGetException({ errorCode, message: 'Read failed.' }))
    }
  }

  #writeMultiGet(
    writer: BinaryWriter,
    { request }: wire.TerrapinServiceMultiGetArgs,
    fault: CallFault | null,
  ): void {
    const responseMap: [Buffer, wire.TerrapinSingleResponse][] = []
    const seen = new Set<string>()
    for (const key of request?.keyList ?? []) {
      const text = key.toString('latin1')
      if (seen.has(text)) continue
      seen.add(text)
      const answer = this.#origin.answerOf(key)
      if (answer !== null) responseMap.push([key, answer])
    }
    if (fault?.kind === 'stranger') {
      responseMap.push([
        Buffer.from('nobody asked'),
        wire.makeTerrapinSingleResponse({ value: Buffer.from('v') }),
      ])
    }
    multiGet.writeResult(writer, { responseMap })
  }

  #writeUpgraded(seqid: number): void {
    const header = { method: UPGRADE, seqid, type: MessageType.REPLY, isUpgraded: false }
    this.socket.write(this.#frame(header, (writer) => writer.writeFieldStop()))
  }

  #writeApplication(
    { seqid, method }: Pick<FakeCall, 'seqid' | 'method'>,
    type: number,
    message: string,
  ): void {
    const bytes = this.#frame({ method, seqid, type: MessageType.EXCEPTION }, (writer) =>
      writeApplicationException(writer, { type, message }),
    )
    this.socket.write(bytes)
  }

  #frame(
    { method, seqid, type = MessageType.REPLY, isUpgraded = this.#isUpgraded }: FrameHeader,
    write: (writer: BinaryWriter) => void,
  ): Buffer {
    const writer = new BinaryWriter(4_096)
    writer.beginFrame(MAX_FRAME_BYTES)
    if (isUpgraded) writer.writeFieldStop()
    writer.writeMessageBegin(method, type, seqid)
    write(writer)
    writer.endFrame()
    return writer.take()
  }
}

/** Of Finagle's RequestHeader, and of the ClientId in it. */
const CLIENT_ID = 6
const CLIENT_NAME = 1

function readFields(reader: BinaryReader, read: (id: number, type: number) => void): void {
  reader.readStructBegin()
  for (let type = reader.readFieldBegin(); type !== ThriftType.STOP; type = reader.readFieldBegin()) {
    read(reader.fieldId, type)
  }
  reader.readStructEnd()
}

interface FrameHeader {
  readonly method: string
  readonly seqid: number
  readonly type?: number
  /** An empty ResponseHeader goes in front. */
  readonly isUpgraded?: boolean
}
