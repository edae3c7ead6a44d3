/**
 * HTTP as operators of Terrapin know it, on ports of its own: the key look-up of the controller's status pages, and the
 * statistics and health of Ostrich, which every process had. Main thread only, off unless enabled.
 *
 * Sources: LookupKeyServlet and StatusServer of pinterest/terrapin, AdminHttpService of twitter/ostrich. What those served
 * beside and this does not is answered 501 with a text that says where to look; nothing here changes anything.
 */
import { once } from 'node:events'
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  createServer,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { KVError, toKVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { Logger } from '../../src/base/logger.js'

export interface PageAnswer {
  readonly status: number
  readonly contentType: 'application/json' | 'text/plain'
  readonly body: string
}

export interface PageRequest {
  readonly query: URLSearchParams
  /** Of a POST: its form. */
  readonly form: URLSearchParams
}

export interface StatusPage {
  readonly method: 'GET' | 'POST'
  answer(request: PageRequest): PageAnswer | Promise<PageAnswer>
}

export interface StatusServerOptions {
  readonly listen: { readonly host: string; readonly port: number }
  /** Why a request with these headers is not for us; null: it is. */
  readonly refusalOf: (headers: IncomingHttpHeaders) => string | null
  /** By path. */
  readonly pages: ReadonlyMap<string, StatusPage>
  /** What the old server had beside, by the path or what it begins with: what to use instead. */
  readonly unserved: ReadonlyMap<string, string>
  readonly logger: Logger
}

export class StatusServer {
  readonly #options: StatusServerOptions
  readonly #server: Server

  constructor(options: StatusServerOptions) {
    this.#options = options
    this.#server = createServer(
      {
        maxHeaderSize: limits.maxAdminHeadBytes,
        headersTimeout: limits.adminHeadTimeoutMs,
        requestTimeout: limits.adminBodyTimeoutMs,
        keepAliveTimeout: limits.adminStallTimeoutMs,
      },
      (request, response) => void this.#serve(request, response),
    )
    this.#server.maxConnections = limits.maxAdminConnections
  }

  /** Answers where it listens. @throws {KVError} UNAVAILABLE when the port is taken */
  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port } = this.#options.listen
    this.#server.listen(port, host)
    try {
      await once(this.#server, 'listening')
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new KVError('UNAVAILABLE', `cannot listen on ${host}:${port}: ${reason}; choose another port`, {
        cause: error,
      })
    }
    this.#server.on('error', (error) =>
      this.#options.logger.error({ err: error }, 'a listening socket failed'),
    )
    return { host, port: (this.#server.address() as AddressInfo).port } // a TCP server has one
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  /** Never rejects: what fails is the answer. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { logger } = this.#options
    let answer: PageAnswer
    try {
      answer = await this.#answer(request)
    } catch (thrown) {
      const error = toKVError(thrown, 'a status page')
      logger.warn({ code: error.code, err: error }, 'a status page failed')
      answer = plainText(error.code === 'INVALID_ARGUMENT' ? 400 : 500, error.message)
    }
    const { status, contentType, body } = answer
    response.writeHead(status, {
      'content-type': `${contentType}; charset=utf-8`,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    response.end(request.method === 'HEAD' ? '' : body)
  }

  async #answer(request: IncomingMessage): Promise<PageAnswer> {
    const { pages, unserved, refusalOf } = this.#options
    const refusal = refusalOf(request.headers)
    if (refusal !== null) return plainText(403, refusal)
    const [path = '', search = ''] = (request.url ?? '').split('?', 2)
    const page = pages.get(path)
    if (page === undefined) {
      const name = withoutForm(path)
      const instead = [...unserved].find(([begin]) => name === begin || name.startsWith(`${begin}/`))
      if (instead !== undefined) return plainText(501, `Godwit does not serve ${instead[0]}: ${instead[1]}`)
      return plainText(404, `there is no ${path.slice(0, MAX_SHOWN)} here: ${[...pages.keys()].join(', ')}`)
    }
    const method = request.method === 'HEAD' ? 'GET' : request.method
    if (method !== page.method) return plainText(405, `${path} takes ${page.method} only`)
    const form = page.method === 'POST' ? await readForm(request) : new URLSearchParams()
    return page.answer({ query: new URLSearchParams(search), form })
  }
}

const MAX_SHOWN = 200

/** Ostrich's pages have names that end in the form of the answer, `.txt` or `.json`, or have none. */
function withoutForm(path: string): string {
  return path.replace(/\.(?:txt|json|html)$/, '')
}

export function plainText(status: number, text: string): PageAnswer {
  return { status, contentType: 'text/plain', body: `${text}\n` }
}

export function jsonText(value: unknown): PageAnswer {
  return { status: 200, contentType: 'application/json', body: JSON.stringify(value) }
}

/** A page of another origin may send one without asking; it cannot read the answer, and nothing is changed. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  let size = 0
  // A stream of bytes: no encoding is set.
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limits.maxAdminBodyBytes) {
      throw new KVError('INVALID_ARGUMENT', `a form has at most ${limits.maxAdminBodyBytes} bytes`)
    }
    chunks.push(chunk)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString())
}
