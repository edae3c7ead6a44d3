/** The four kinds of connection that one port serves, as a client of each writes requests and reads answers. */
import type { Socket } from 'node:net'
import { BinaryReader } from '../../src/thrift/binary-reader.js'
import { BinaryScanner } from '../../src/thrift/binary-scanner.js'
import { BinaryWriter } from '../../src/thrift/binary-writer.js'
import { CompactReader } from '../../src/thrift/compact-reader.js'
import { CompactScanner } from '../../src/thrift/compact-scanner.js'
import { CompactWriter } from '../../src/thrift/compact-writer.js'
import { readApplicationException } from '../../src/thrift/application-exception.js'
import { FrameReader, type MessageSource } from '../../src/thrift/frames.js'
import * as kv from '../../src/thrift/generated/kvstore.js'
import { MessageStream } from '../../src/thrift/message-stream.js'
import { MessageType, type MessageReader, type MessageWriter } from '../../src/thrift/protocol.js'

const MAX_BYTES = 1 << 26
const LIMITS = { maxMessageBytes: MAX_BYTES, maxDepth: 32 }
const { get } = kv.KVStoreMethods

export type KindName = 'framed binary' | 'framed compact' | 'buffered binary' | 'buffered compact'
export const KINDS: readonly KindName[] = ['framed binary', 'framed compact', 'buffered binary', 'buffered compact'] // prettier-ignore

export interface KindAnswer {
  readonly type: number
  readonly seqid: number
  /** The value of a reply. */
  readonly value: string
  /** The type of an application exception. */
  readonly exception: number | null
}

export class Kind {
  readonly isFramed: boolean
  readonly isCompact: boolean
  readonly #writer: MessageWriter
  readonly #reader: MessageReader

  constructor(name: KindName) {
    this.isFramed = name.startsWith('framed')
    this.isCompact = name.endsWith('compact')
    this.#writer = this.isCompact ? new CompactWriter() : new BinaryWriter()
    this.#reader = this.isCompact ? new CompactReader() : new BinaryReader()
  }

  get(key: string, seqid = 1): Buffer {
    const request = kv.makeGetRequest({ dataset: 'd', key: Buffer.from(key) })
    return this.message('get', seqid, (output) => get.writeArgs(output, { request }))
  }

  message(name: string, seqid: number, body: (output: MessageWriter) => void): Buffer {
    this.#writer.clear()
    this.#writer.beginFrame(MAX_BYTES, this.isFramed)
    this.#writer.writeMessageBegin(name, MessageType.CALL, seqid)
    body(this.#writer)
    this.#writer.endFrame()
    return Buffer.from(this.#writer.view())
  }

  /** Collects whole answers from a socket, until so many are there or it ends. */
  async answers(socket: Socket, count: number): Promise<KindAnswer[]> {
    const source = this.#source()
    const found: KindAnswer[] = []
    // A socket without encoding gives buffers.
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      source.append(chunk)
      while (source.next()) found.push(this.#answer(source))
      if (found.length >= count) return found
    }
    return found
  }

  #source(): MessageSource {
    if (this.isFramed) return new FrameReader(MAX_BYTES)
    return new MessageStream(this.isCompact ? new CompactScanner(LIMITS) : new BinaryScanner(LIMITS))
  }

  #answer({ buffer, start, end }: MessageSource): KindAnswer {
    const input = this.#reader
    input.reset(buffer, start, end)
    input.readMessageBegin()
    const { messageType: type, seqid } = input
    if (type === MessageType.EXCEPTION)
      return { type, seqid, value: '', exception: readApplicationException(input).type }
    const value = get.readResult(input).value?.value?.toString() ?? ''
    return { type, seqid, value, exception: null }
  }
}
