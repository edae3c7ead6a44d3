/**
 * HTTP/1.1 to another process of ours, over undici. Callbacks where requests are many (`dispatch` costs two thirds of
 * `request`), promises where they are few. undici's failures end here, as KVErrors.
 */
import { createRequire } from 'node:module'
import { type Readable } from 'node:stream'
import type * as Undici from 'undici'
import type { Agent, Pool } from 'undici'
import { KVError } from './errors.js'

const require = createRequire(import.meta.url)

/** Loaded when it is first needed: an eighth of what main and each data thread take to start, and few gateways need it. */
function undici(): typeof Undici {
  return require('undici') as typeof Undici
}

/** What becomes of a POST: data as it comes, then one of the other two. Answers other than 200 are failures. */
export interface PostHandler {
  onData(chunk: Buffer): void
  onEnd(): void
  onFailure(error: KVError): void
}

export interface HttpPoolOptions {
  readonly connections: number
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>
  readonly connectTimeoutMs: number
}

export interface HttpAnswer {
  readonly status: number
  readonly text: string
}

export interface HttpReaderOptions {
  /** To each origin. */
  readonly connections: number
  readonly connectTimeoutMs: number
  /** Something comes within so long, while it is waited for, or the request has failed. */
  readonly stallTimeoutMs: number
}

/** An answer whose body was not read yet: one of the three functions must be called. */
export interface HttpReading {
  readonly status: number
  /** Where it was sent on to; null: nowhere. */
  readonly location: string | null
  /** As it comes. @throws {KVError} UNAVAILABLE while it is iterated */
  bytes(): AsyncGenerator<Buffer>
  /** @throws {KVError} UNAVAILABLE, TOO_LARGE */
  text(maxBytes: number): Promise<string>
  discard(): void
}

/** GETs from foreign servers, to any origin that the caller thinks fit. Redirects are answers like others. */
export class HttpReader {
  readonly #agent: Agent

  constructor({ connections, connectTimeoutMs, stallTimeoutMs }: HttpReaderOptions) {
    this.#agent = new (undici().Agent)({
      connections,
      pipelining: 1,
      headersTimeout: stallTimeoutMs,
      bodyTimeout: stallTimeoutMs,
      connect: { timeout: connectTimeoutMs },
    })
  }

  /** @throws {KVError} UNAVAILABLE */
  async get(url: URL): Promise<HttpReading> {
    const { origin } = url
    const path = `${url.pathname}${url.search}`
    const { statusCode, headers, body } = await this.#agent
      .request({ origin, path, method: 'GET' })
      .catch((error: unknown) => {
        throw unanswered(origin, error)
      })
    // One that nobody reads on fails when it is cut.
    body.on('error', () => undefined)
    const { location } = headers
    return {
      status: statusCode,
      location: typeof location === 'string' ? location : null,
      bytes: () => bytesOf(origin, body),
      text: (maxBytes) => textOf(origin, body, maxBytes),
      discard: () => body.destroy(),
    }
  }
}

async function* bytesOf(origin: string, body: Readable): AsyncGenerator<Buffer> {
  try {
    yield* body as AsyncIterable<Buffer>
  } catch (error) {
    throw unanswered(origin, error)
  } finally {
    body.destroy()
  }
}

async function textOf(origin: string, body: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of bytesOf(origin, body)) {
    size += chunk.length
    if (size > maxBytes) throw new KVError('TOO_LARGE', `${origin} answered more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** Connections to one origin. */
export class HttpPool {
  readonly #origin: string
  readonly #pool: Pool
  readonly #headers: Record<string, string>

  /** @param origin `http://host:port` */
  constructor(origin: string, { connections, headers, connectTimeoutMs }: HttpPoolOptions) {
    this.#origin = origin
    this.#headers = { ...headers }
    // Deadlines are the caller's: it cancels.
    this.#pool = new (undici().Pool)(origin, {
      connections,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: connectTimeoutMs },
    })
  }

  /** Answers how to give it up: the handler hears no more of it then. */
  post(path: string, body: Buffer, handler: PostHandler): () => void {
    const call: { abort: ((error?: Error) => void) | null; isOver: boolean } = { abort: null, isOver: false }
    const fail = (error: KVError) => {
      if (call.isOver) return
      call.isOver = true
      handler.onFailure(error)
    }
    this.#pool.dispatch(
      { path, method: 'POST', headers: this.#headers, body },
      {
        onConnect: (abort) => {
          if (call.isOver) abort()
          else call.abort = abort
        },
        onHeaders: (status) => {
          if (status !== 200 && !call.isOver) {
            fail(new KVError('UNAVAILABLE', `${this.#origin} answered status ${status} to a batch`))
            call.abort?.()
          }
          return true
        },
        onData: (chunk) => {
          if (!call.isOver) handler.onData(chunk)
          return true
        },
        onComplete: () => {
          if (call.isOver) return
          call.isOver = true
          handler.onEnd()
        },
        onError: (error) => fail(this.#failure(error)),
      },
    )
    return () => {
      if (call.isOver) return
      call.isOver = true
      call.abort?.()
    }
  }

  /** One request whose answer is short. @throws {KVError} UNAVAILABLE, DEADLINE_EXCEEDED, TOO_LARGE (the answer) */
  async request(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    options: {
      readonly timeoutMs: number
      readonly body?: string | Readable
      readonly headers?: Readonly<Record<string, string>>
      readonly maxAnswerBytes: number
    },
  ): Promise<HttpAnswer> {
    const signal = AbortSignal.timeout(options.timeoutMs)
    try {
      const headers = { ...this.#headers, ...options.headers }
      const { statusCode, body } = await this.#pool.request({
        path,
        method,
        headers,
        signal,
        body: options.body ?? null,
      })
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of body as AsyncIterable<Buffer>) {
        size += chunk.length
        if (size > options.maxAnswerBytes) {
          throw new KVError(
            'TOO_LARGE',
            `${this.#origin}${path} answered more than ${options.maxAnswerBytes} bytes`,
          )
        }
        chunks.push(chunk)
      }
      return { status: statusCode, text: Buffer.concat(chunks).toString() }
    } catch (error) {
      if (signal.aborted) {
        const what = `${this.#origin}${path} did not answer within ${options.timeoutMs} ms`
        throw new KVError('DEADLINE_EXCEEDED', what, { cause: error })
      }
      throw this.#failure(error)
    }
  }

  /** The body of a GET, as it comes. @throws {KVError} UNAVAILABLE, also for any answer but 200 */
  async download(path: string): Promise<Readable> {
    try {
      const { statusCode, body } = await this.#pool.request({ path, method: 'GET', headers: this.#headers })
      if (statusCode === 200) return body
      await body.dump()
      throw new KVError('UNAVAILABLE', `${this.#origin}${path} answered status ${statusCode}`)
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** Cuts what is under way. */
  close(): Promise<void> {
    return this.#pool.destroy()
  }

  #failure(error: unknown): KVError {
    return unanswered(this.#origin, error)
  }
}

function unanswered(origin: string, error: unknown): KVError {
  if (error instanceof KVError) return error
  const reason = error instanceof Error ? reasonOf(error) : String(error)
  return new KVError('UNAVAILABLE', `${origin} does not answer: ${reason}`, { cause: error })
}

/** A connection that all addresses refused has no message of its own. */
function reasonOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : ''
  return error.message === '' ? code : error.message
}
