/** A client of framed protocols with one request in flight: for single answers and for the time that one caller waits. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'

/** Where a frame says how long it is: a big-endian u32 at the end of its header, of what follows. */
export interface Framing {
  readonly headerBytes: number
}

const THRIFT: Framing = { headerBytes: 4 }
const LENGTH_BYTES = 4

export class FramedClient {
  readonly #socket: Socket
  readonly #headerBytes: number
  #parts: Buffer[] = []
  #had = 0
  #waiting: { resolve: (frame: Buffer) => void; reject: (error: Error) => void } | null = null

  private constructor(socket: Socket, { headerBytes }: Framing) {
    this.#socket = socket
    this.#headerBytes = headerBytes
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', (error) => this.#waiting?.reject(error))
    socket.on('close', () => this.#waiting?.reject(new Error('the server closed the connection')))
  }

  static async connect(port: number, framing = THRIFT): Promise<FramedClient> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new FramedClient(socket, framing)
  }

  /** Sends a frame, length included, and answers the next one, length included. */
  call(frame: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket.write(frame)
    })
  }

  close(): void {
    this.#waiting = null
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#parts.push(chunk)
    this.#had += chunk.length
    const headerBytes = this.#headerBytes
    if (this.#had < headerBytes) return
    const first = this.#parts[0]
    const head = first !== undefined && first.length >= headerBytes ? first : Buffer.concat(this.#parts)
    if (this.#had < headerBytes + head.readUInt32BE(headerBytes - LENGTH_BYTES)) return
    const frame = this.#parts.length === 1 ? head : Buffer.concat(this.#parts)
    this.#parts = []
    this.#had = 0
    this.#waiting?.resolve(frame)
  }
}

/** The answer to the first of the framed requests. */
export async function firstAnswer(port: number, frames: Buffer): Promise<Buffer> {
  const client = await FramedClient.connect(port)
  try {
    return await client.call(frames.subarray(0, LENGTH_BYTES + frames.readUInt32BE(0)))
  } finally {
    client.close()
  }
}
