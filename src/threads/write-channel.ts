/** The two ends of the way between a data thread and the writer thread: bytes are handed over, not copied. */
import type { MessagePort } from 'node:worker_threads'
import type { WriteChannel } from '../leaf/rocksdb/write/write-wire.js'

export class PortWriteChannel implements WriteChannel {
  readonly #port: MessagePort

  constructor(port: MessagePort) {
    this.#port = port
  }

  /** The bytes must fill a buffer of their own, which is gone afterwards. */
  send(batch: Uint8Array<ArrayBuffer>): void {
    this.#port.postMessage(batch, [batch.buffer])
  }

  onAck(listener: (acks: Uint8Array) => void): void {
    this.#port.on('message', listener)
  }
}
