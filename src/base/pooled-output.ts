/**
 * What one connection has to send: written into a buffer of a pool, handed to the socket a turn at a time.
 *
 * Holds no more memory than about twice what the peer has left unread, and one buffer: one that would wait for the peer
 * mostly empty is copied to its size first.
 */
import type { Socket } from 'node:net'

/** A buffer that grows with what is written into it. */
export interface OutputBuffer {
  readonly size: number
  readonly capacity: number
  /** What was written; good until the next write or `clear`. */
  view(): Buffer
  clear(): void
  /** Lets go of its memory, which is then whoever's has the view. */
  take(): Buffer
}

export interface OutputPool<B extends OutputBuffer> {
  takeWriter(): B
  /** It is empty. */
  giveWriter(writer: B): void
}

/** What is sent at once leaves in pieces of about this size, so that a burst does not need one huge buffer. */
const PIECE_BYTES = 262_144
/** A larger buffer is not worth the wait for the peer, however it is filled. */
const MAX_WAITING_BYTES = 524_288

export class PooledOutput<B extends OutputBuffer> {
  readonly #socket: Socket
  readonly #pool: OutputPool<B>
  #writer: B | null = null
  #writtenBytes = 0

  constructor(socket: Socket, pool: OutputPool<B>) {
    this.#socket = socket
    this.#pool = pool
  }

  /** Where to write what goes behind everything else. */
  get writer(): B {
    return (this.#writer ??= this.#pool.takeWriter())
  }

  /** Bytes that the peer or this turn's end is waited for with. */
  get unsentBytes(): number {
    return this.#socket.writableLength + (this.#writer?.size ?? 0)
  }

  /** Bytes that the kernel has taken since the connection began. */
  get takenBytes(): number {
    return this.#writtenBytes - this.#socket.writableLength
  }

  /** Enough for a write of its own. */
  get isBulky(): boolean {
    return this.#writer !== null && this.#writer.size >= PIECE_BYTES
  }

  /** Hands everything that was written to the socket. */
  send(): void {
    const writer = this.#writer
    if (writer === null) return
    this.#writer = null
    if (writer.size > 0 && this.#socket.writable) this.#send(writer)
    else writer.clear()
    this.#pool.giveWriter(writer)
  }

  /** Forgets what was not handed to the socket. */
  discard(): void {
    if (this.#writer === null) return
    this.#writer.clear()
    this.#pool.giveWriter(this.#writer)
    this.#writer = null
  }

  #send(writer: B): void {
    const socket = this.#socket
    this.#writtenBytes += writer.size
    const isMostlyEmpty = writer.size * 2 < writer.capacity
    // A peer that reads nothing and asks for little, again and again, would pin a whole buffer with every answer.
    if (isMostlyEmpty && (socket.writableLength > 0 || writer.capacity > MAX_WAITING_BYTES)) {
      socket.write(Buffer.from(writer.view()))
      writer.clear()
      return
    }
    socket.write(writer.view())
    // Empty again: the kernel has it all. Otherwise the socket still reads from the buffer, which is then its own.
    if (socket.writableLength === 0) writer.clear()
    else writer.take()
  }
}
