/** A protocol as the connections of one thread share it: one reader for all messages, writers for the answers. */
import { limits } from '../base/limits.js'
import { BinaryReader } from './binary-reader.js'
import { BinaryScanner } from './binary-scanner.js'
import { BinaryWriter } from './binary-writer.js'
import { CompactReader } from './compact-reader.js'
import { CompactScanner } from './compact-scanner.js'
import { CompactWriter } from './compact-writer.js'
import { FrameReader, type MessageSource } from './frames.js'
import { MessageStream } from './message-stream.js'
import type { MessageReader, MessageWriter } from './protocol.js'

/** Output buffers kept for the next turn, and the largest that is worth keeping. */
const POOLED_WRITERS = 64
const POOLED_CAPACITY = 512 * 1024

export type ProtocolName = 'binary' | 'compact'

export class Codec {
  readonly #protocol: ProtocolName
  readonly #writers: MessageWriter[] = []
  readonly reader: MessageReader

  constructor(protocol: ProtocolName) {
    this.#protocol = protocol
    this.reader = protocol === 'binary' ? new BinaryReader() : new CompactReader()
  }

  takeWriter(): MessageWriter {
    const pooled = this.#writers.pop()
    if (pooled !== undefined) return pooled
    return this.#protocol === 'binary' ? new BinaryWriter() : new CompactWriter()
  }

  /** The writer is empty. */
  giveWriter(writer: MessageWriter): void {
    if (this.#writers.length < POOLED_WRITERS && writer.capacity <= POOLED_CAPACITY)
      this.#writers.push(writer)
  }

  /** Cuts one connection's bytes into messages. */
  makeSource(isFramed: boolean, maxMessageBytes: number): MessageSource {
    if (isFramed) return new FrameReader(maxMessageBytes)
    const scanned = { maxMessageBytes, maxDepth: limits.maxThriftDepth }
    return new MessageStream(
      this.#protocol === 'binary' ? new BinaryScanner(scanned) : new CompactScanner(scanned),
    )
  }
}
