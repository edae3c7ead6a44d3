/**
 * A leaf process's HTTP/1.1 listener: batches of reads, and what a gateway does with copies. FORMATS.md has the routes.
 *
 *     POST   /v1/batch                          a batch (wire.ts); the answer streams as reads are ready
 *     GET    /v1/inventory[?known=TAG]          who this is and what it has, or that it is as the tag said
 *     POST   /v1/copies/D/V/S                   the list of a copy's files; answers those that are missing
 *     PUT    /v1/copies/D/V/S/file?path=P       one file
 *     POST   /v1/copies/D/V/S/adopt             all files are there: serve it
 *     DELETE /v1/copies/D/V/S                   remove it
 *     GET    /v1/copies/D/V/S                   the list of a served copy's files, made now; for another leaf's refill
 *     GET    /v1/copies/D/V/S/file?path=P       one of them
 *     GET    /healthz, /metrics
 *
 * Everything but the last two needs the header x-godwit-gateway, which no page in a browser can send without asking first,
 * and asking is refused; so are other Origins, and Hosts that name nothing of ours.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.js'
import { type ErrorCode, KVError, toKVError } from '../../base/errors.js'
import { isLoopbackHost } from '../../base/hosts.js'
import { limits } from '../../base/limits.js'
import { LimitedLog, type Logger } from '../../base/logger.js'
import type { LeafEngine } from '../../model/leaf-engine.js'
import { Batch } from './batch.js'
import { type LeafDirectory, parseTarget, targetPath } from './leaf-directory.js'
import type { Receiving } from './receiving.js'
import { decodeShardFiles, describeShard, encodeShardFiles, isFileOfShard } from './shard-copy.js'
import type { ShardSet } from './shard-set.js'
import { GATEWAY_HEADER, type ShardTarget } from './wire.js'

export interface LeafServerOptions {
  readonly directory: LeafDirectory
  readonly shards: ShardSet
  readonly receiving: Receiving
  readonly engine: LeafEngine
  readonly clock: Clock
  readonly logger: Logger
  readonly build: string
  /** Names, beside addresses and loopback, by which it may be addressed. */
  readonly allowedHosts: readonly string[]
  readonly events: LeafServerEvents
  /** In Prometheus' text format. */
  readonly renderMetrics: () => Promise<string>
}

export interface LeafServerEvents {
  onBatch(): void
  /** A request for a copy that is not here. */
  onRefused(): void
  /** A batch that does not decode, a route that does not exist, a header that is missing. */
  onMalformed(): void
}

/** For whoever watches: they say nothing about rows. */
const OPEN_ROUTES: ReadonlySet<string> = new Set(['/healthz', '/metrics'])

const COPY_ROUTE = /^\/v1\/copies\/([^/?]{1,128})\/(\d{1,16})\/(\d{1,5})(\/file|\/adopt)?$/

const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  PERMISSION_DENIED: 403,
  DATASET_NOT_FOUND: 404,
  VERSION_NOT_FOUND: 404,
  SHARD_NOT_SERVING: 404,
  CONFLICT: 409,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 412,
  TOO_LARGE: 413,
  CORRUPT: 422,
  OVERLOADED: 503,
  UNAVAILABLE: 503,
}

export class LeafServer {
  readonly #options: LeafServerOptions
  readonly #server: Server
  readonly #log: LimitedLog
  /** Bytes of bodies that are arriving, all of them together. */
  #arriving = 0

  constructor(options: LeafServerOptions) {
    this.#options = options
    this.#log = new LimitedLog(options.logger)
    this.#server = createServer({ noDelay: true, maxHeaderSize: 16 * 1024 }, (request, response) => {
      this.#serve(request, response)
    })
    this.#server.maxConnections = limits.maxLeafConnections
    this.#server.keepAliveTimeout = limits.idleConnectionMs
    // Files take as long as they take; a connection that is silent is cut.
    this.#server.requestTimeout = 0
    this.#server.timeout = limits.idleConnectionMs
  }

  /** @throws {KVError} UNAVAILABLE when the port is taken */
  async listen(host: string, port: number): Promise<{ readonly host: string; readonly port: number }> {
    await new Promise<void>((resolve, reject) => {
      const fail = (cause: Error) =>
        reject(new KVError('UNAVAILABLE', `cannot listen on ${host}:${port}: ${cause.message}`, { cause }))
      this.#server.once('error', fail)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', fail)
        resolve()
      })
    })
    this.#server.on('error', (error) =>
      this.#options.logger.error({ err: error }, 'a listening socket failed'),
    )
    const address = this.#server.address() as AddressInfo // A TCP server's address is an object.
    return { host, port: address.port }
  }

  /** Answers what is in flight, for so long; then connections are cut. */
  async close(timeoutMs: number): Promise<void> {
    const cut = setTimeout(() => this.#server.closeAllConnections(), timeoutMs)
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeIdleConnections()
    })
    clearTimeout(cut)
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? ''
    const refusal = this.#refusalOf(request, OPEN_ROUTES.has(url))
    if (refusal !== null) {
      this.#refuse(request, response, refusal)
    } else if (url === '/v1/batch' && request.method === 'POST') {
      this.#serveBatch(request, response)
    } else {
      this.#serveControl(request, response, url).catch((error: unknown) =>
        this.#refuse(request, response, error),
      )
    }
  }

  #refusalOf({ headers }: IncomingMessage, isOpen: boolean): KVError | null {
    const host = hostName(headers.host ?? '')
    const isOurs = isLoopbackHost(host) || isIP(host) !== 0 || this.#options.allowedHosts.includes(host)
    if (!isOurs) {
      return new KVError(
        'PERMISSION_DENIED',
        'the Host header names no host of this leaf; see listeners.leaf.allowedHosts',
      )
    }
    if (headers.origin !== undefined)
      return new KVError('PERMISSION_DENIED', 'requests of web pages are refused')
    if (isOpen || typeof headers[GATEWAY_HEADER] === 'string') return null
    return new KVError(
      'PERMISSION_DENIED',
      `requests need the header ${GATEWAY_HEADER}; this port serves gateways only`,
    )
  }

  #refuse(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
    const error = toKVError(thrown, 'serving a request')
    const status = STATUS_BY_CODE[error.code] ?? 500
    if (status < 404) this.#options.events.onMalformed()
    this.#log.warn(
      this.#options.clock.monotonicMs(),
      { code: error.code, reason: error.message, method: request.method },
      'a request was refused',
    )
    if (response.headersSent) {
      response.destroy()
      return
    }
    // What is left of the body is not read: the connection ends with the answer.
    if (!request.complete) response.setHeader('connection', 'close')
    sendJson(response, status, { code: error.code, message: error.message })
  }

  #serveBatch(request: IncomingMessage, response: ServerResponse): void {
    this.#readBody(request, limits.maxLeafBatchBytes, (body) => {
      if (body instanceof KVError) this.#refuse(request, response, body)
      else this.#startBatch(body, request, response)
    })
  }

  #startBatch(body: Buffer, request: IncomingMessage, response: ServerResponse): void {
    const { shards, engine, clock, events } = this.#options
    events.onBatch()
    try {
      const batch = new Batch(body, {
        shards,
        engine,
        clock,
        onRefused: () => events.onRefused(),
        sink: {
          write: (bytes) => response.write(bytes),
          end: (bytes) => {
            if (!response.headersSent) response.setHeader('content-length', bytes.length)
            response.end(bytes)
          },
        },
      })
      response.on('drain', () => batch.resume())
      response.on('close', () => {
        if (!response.writableFinished) batch.cut()
      })
      batch.start()
    } catch (error) {
      this.#refuse(request, response, error)
    }
  }

  async #serveControl(request: IncomingMessage, response: ServerResponse, url: string): Promise<void> {
    const { pathname, searchParams } = new URL(url, 'http://leaf')
    if (pathname === '/healthz') {
      sendJson(response, 200, { status: 'ok' })
      return
    }
    if (pathname === '/metrics') {
      response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8')
      response.end(await this.#options.renderMetrics())
      return
    }
    if (pathname === '/v1/inventory' && request.method === 'GET') {
      sendJson(response, 200, await this.#inventory(searchParams.get('known')))
      return
    }
    const [, datasetId = '', version = '', shard = '', action = ''] = COPY_ROUTE.exec(pathname) ?? []
    const target = parseTarget(datasetId, version, shard)
    if (target === null) throw new KVError('INVALID_ARGUMENT', 'there is no such route on a leaf')
    await this.#serveCopy(request, response, { target, action, path: searchParams.get('path') ?? '' })
  }

  async #serveCopy(
    request: IncomingMessage,
    response: ServerResponse,
    {
      target,
      action,
      path,
    }: { readonly target: ShardTarget; readonly action: string; readonly path: string },
  ): Promise<void> {
    const { directory, receiving } = this.#options
    const what = `${request.method ?? ''} ${action}`
    if (what === 'GET ' || what === 'GET /file') {
      await this.#sendCopy(response, target, what === 'GET /file' ? path : null)
      return
    }
    await directory.claim(String(request.headers[GATEWAY_HEADER]))
    switch (what) {
      case 'POST ': {
        const list = decodeShardFiles((await this.#body(request, limits.maxAdminBodyBytes)).toString())
        sendJson(response, 200, await receiving.begin(target, list))
        return
      }
      case 'PUT /file':
        await receiving.receive(target, path, request)
        break
      case 'POST /adopt':
        await receiving.adopt(target)
        break
      case 'DELETE ':
        await receiving.remove(target)
        break
      default:
        throw new KVError('INVALID_ARGUMENT', 'there is no such route on a leaf')
    }
    sendJson(response, 200, {})
  }

  /** The list of a copy's files, or one of them. */
  async #sendCopy(response: ServerResponse, target: ShardTarget, path: string | null): Promise<void> {
    const { shards, directory, receiving } = this.#options
    const copy = shards.find(target)
    if (copy === null) throw new KVError('SHARD_NOT_SERVING', `this leaf has no copy ${targetPath(target)}`)
    const root = directory.shardPath(target)
    if (path === null) {
      const list = await describeShard(root)
      receiving.checkUnchanged(target, list)
      response.setHeader('content-type', 'application/json')
      response.end(encodeShardFiles(list))
      return
    }
    if (!isFileOfShard(path)) throw new KVError('INVALID_ARGUMENT', 'that is no file of a shard')
    const file = createReadStream(join(root, path))
    file.once('error', () => response.destroy())
    response.once('close', () => file.destroy())
    file.pipe(response)
  }

  /** Its tag is made of all of it, so that none can be out of date. */
  async #inventory(known: string | null): Promise<object> {
    const { directory, shards, build } = this.#options
    const inventory = {
      id: directory.id,
      build,
      gateway: directory.owner,
      copies: shards.names(),
      arriving: (await directory.stagings()).map(targetPath),
    }
    const tag = createHash('sha256').update(JSON.stringify(inventory)).digest('base64url')
    return tag === known ? { isKnown: true } : { ...inventory, tag }
  }

  #body(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#readBody(request, maxBytes, (body) => {
        if (body instanceof KVError) reject(body)
        else resolve(body)
      })
    })
  }

  /** Never holds more than was announced as acceptable; a body that breaks off is never answered. */
  #readBody(request: IncomingMessage, maxBytes: number, done: (body: Buffer | KVError) => void): void {
    const announced = Number(request.headers['content-length'] ?? Number.NaN)
    if (!(announced <= maxBytes)) {
      done(new KVError('TOO_LARGE', `bodies need a content-length of at most ${maxBytes}`))
      return
    }
    if (this.#arriving + announced > limits.maxBufferedBytesPerThread) {
      done(new KVError('OVERLOADED', 'too many bytes are arriving at this leaf; try another'))
      return
    }
    this.#arriving += announced
    let body: Buffer | null = null
    let size = 0
    request.on('data', (chunk: Buffer) => {
      // Mostly it comes in one piece, which needs no copy. The parser ends the body at what was announced.
      if (size === 0 && chunk.length === announced) body = chunk
      else (body ??= Buffer.allocUnsafe(announced)).set(chunk, size)
      size += chunk.length
    })
    request.once('close', () => (this.#arriving -= announced))
    request.once('end', () => done(body ?? Buffer.alloc(0)))
  }
}

function sendJson(response: ServerResponse, status: number, content: object): void {
  const text = JSON.stringify(content)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}

function hostName(host: string): string {
  const url = `http://${host}`
  if (!URL.canParse(url)) return ''
  const { hostname } = new URL(url)
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}
