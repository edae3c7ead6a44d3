/** A framed client with one request in flight: for single answers and for the time that one caller waits. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'

const HEADER_SIZE = 4

export class FramedClient {
  readonly #socket: Socket
  #parts: Buffer[] = []
  #had = 0
  #waiting: { resolve: (frame: Buffer) => void; reject: (error: Error) => void } | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', (error) => this.#waiting?.reject(error))
    socket.on('close', () => this.#waiting?.reject(new Error('the server closed the connection')))
  }

  static async connect(port: number): Promise<FramedClient> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new FramedClient(socket)
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
    if (this.#had < HEADER_SIZE) return
    const first = this.#parts[0]
    const head = first !== undefined && first.length >= HEADER_SIZE ? first : Buffer.concat(this.#parts)
    if (this.#had < HEADER_SIZE + head.readUInt32BE(0)) return
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
    return await client.call(frames.subarray(0, HEADER_SIZE + frames.readUInt32BE(0)))
  } finally {
    client.close()
  }
}
