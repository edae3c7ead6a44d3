/** Thrift binary frames written by hand, right or wrong on purpose; independent of the codecs under test. */
import { once } from 'node:events'
import { type Socket, connect } from 'node:net'

export const T = { STOP: 0, BOOL: 2, I32: 8, I64: 10, STRING: 11, STRUCT: 12, MAP: 13, LIST: 15 } as const

export function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value | 0)
  return bytes
}

/** `[i32 size][bytes]` */
export function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([i32(bytes.length), bytes])
}

/** `[type][i16 id][content]` */
export function field(type: number, id: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(type, id >> 8, id & 255), content])
}

export function struct(...fields: Buffer[]): Buffer {
  return Buffer.concat([...fields, Buffer.of(T.STOP)])
}

/** A call in the strict binary encoding: `[0x8001][0][type][name][seqid][arguments]`. */
export function message(method: string, content: Buffer, type = 1, seqid = 1): Buffer {
  return Buffer.concat([Buffer.of(0x80, 0x01, 0x00, type), text(method), i32(seqid), content])
}

export function frame(content: Buffer): Buffer {
  return Buffer.concat([i32(content.length), content])
}

/** An honest call of get(dataset, key). */
export function getFrame(dataset: string, key: string, seqid = 1): Buffer {
  const request = struct(field(T.STRING, 1, text(dataset)), field(T.STRING, 2, text(key)))
  return frame(message('get', struct(field(T.STRUCT, 1, request)), 1, seqid))
}

/** A bare connection; its errors are remembered by the events only, because hostile peers get reset. */
export async function rawSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  socket.on('error', () => undefined)
  return socket
}

/** Everything the other side sends until it closes; fails when it does not close in time. */
export async function untilClosed(socket: Socket, timeoutMs = 10_000): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  if (!socket.closed) await once(socket, 'close', { signal: AbortSignal.timeout(timeoutMs) })
  return Buffer.concat(chunks)
}

/** The first whole frame that arrives, without its size. */
export async function nextFrame(socket: Socket, timeoutMs = 10_000): Promise<Buffer> {
  let received = Buffer.alloc(0)
  const signal = AbortSignal.timeout(timeoutMs)
  for (;;) {
    if (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
      return received.subarray(4, 4 + received.readInt32BE(0))
    }
    // An event emitter's arguments are untyped; a socket without encoding gives buffers.
    const [chunk] = (await once(socket, 'data', { signal })) as [Buffer]
    received = Buffer.concat([received, chunk])
  }
}
