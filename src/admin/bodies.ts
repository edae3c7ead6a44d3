/**
 * Bodies of requests: how many bytes of them may wait in memory together, how long they may take, and the stream of one
 * that is handed on as it arrives.
 */
import type { IncomingMessage } from 'node:http'
import type { StartTimer } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { BodyStream } from './http.js'

/** Bytes that bodies of all requests may take in memory; each takes its share before it is read. */
export class BodyBudget {
  readonly #maxBytes: number
  #takenBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get takenBytes(): number {
    return this.#takenBytes
  }

  /**
   * Answers how to give it back, which may be called repeatedly.
   * @throws {KVError} OVERLOADED when there is no room left
   */
  take(bytes: number): () => void {
    if (this.#takenBytes + bytes > this.#maxBytes) {
      throw new KVError(
        'OVERLOADED',
        'the bodies of other admin requests fill the memory set aside for them',
        {
          retryAfterMs: 1_000,
        },
      )
    }
    this.#takenBytes += bytes
    let isGiven = false
    return () => {
      if (!isGiven) this.#takenBytes -= bytes
      isGiven = true
    }
  }
}

/** What a body may take in memory: what it announces, or all that it may have where it announces nothing. */
export function announcedBytes(headers: IncomingMessage['headers'], maxBytes: number): number {
  if (headers['transfer-encoding'] !== undefined) return maxBytes
  const length = headers['content-length'] ?? '0'
  return /^\d{1,15}$/.test(length) ? Math.min(Number(length), maxBytes) : maxBytes
}

export interface StreamBounds {
  readonly maxBytes: number
  /** Longest wait for the next bytes; while nobody reads, nothing is waited for. */
  readonly idleMs: number
  readonly startTimer: StartTimer
}

/** The body, read no faster than it is consumed. It ends with a KVError where it ends too early. */
export async function* streamOf(
  request: AsyncIterable<Buffer> & { destroy(): unknown },
  { maxBytes, idleMs, startTimer }: StreamBounds,
): AsyncGenerator<Buffer, void, undefined> & BodyStream {
  const chunks = request[Symbol.asyncIterator]()
  let bytes = 0
  for (;;) {
    const next = await within(chunks.next(), idleMs, startTimer)
    if (next.done === true) return
    bytes += next.value.length
    if (bytes > maxBytes) throw new KVError('TOO_LARGE', `the body has more than ${maxBytes} bytes`)
    yield next.value
  }
}

async function within(
  next: Promise<IteratorResult<Buffer>>,
  idleMs: number,
  startTimer: StartTimer,
): Promise<IteratorResult<Buffer>> {
  let stop = (): void => undefined
  const tooLate = new Promise<never>((_resolve, reject) => {
    stop = startTimer(idleMs, () => {
      reject(new KVError('INVALID_ARGUMENT', `the body stopped arriving for ${idleMs} ms; send it again`))
    })
  })
  try {
    return await Promise.race([next, tooLate])
  } catch (error) {
    if (error instanceof KVError) throw error
    throw new KVError('CANCELLED', 'the connection broke before the body was complete', { cause: error })
  } finally {
    stop()
  }
}
