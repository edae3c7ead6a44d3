/** The admin API's HTTP server: guards against foreign pages, limits, errors as JSON. Main thread only. */
import type { AddressInfo } from 'node:net'
import { isIP } from 'node:net'
import {
  fastify,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { KVError, toKVError } from '../base/errors.js'
import { isLoopbackHost } from '../base/hosts.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import type { AdminDependencies } from './dependencies.js'
import { errorAnswer } from './http-errors.js'
import type { HttpAnswer, HttpMethod, Route } from './http.js'
import { adminRoutes } from './routes.js'
import { answerUnreadable } from './unreadable.js'

export interface AdminAddress {
  readonly host: string
  /** 0: a free one. */
  readonly port: number
}

export interface AdminServerOptions {
  readonly listen: AdminAddress
  /** Names, beside those of this machine and `listen.host`, that may stand in the Host header. */
  readonly allowedHosts: readonly string[]
}

export interface AdminServer {
  /** Answers where it listens. @throws {KVError} UNAVAILABLE when the port is taken */
  listen(): Promise<AdminAddress>
  /** Refuses new requests, lets those in flight end, cuts what takes longer than the drain time-out. */
  close(): Promise<void>
  /** Answers a request as if it had come through a socket. */
  inject(request: InjectedRequest): Promise<InjectedAnswer>
}

export interface InjectedRequest {
  readonly method: HttpMethod
  readonly url: string
  readonly headers?: Record<string, string>
  readonly payload?: string
}

export interface InjectedAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}

// Long enough for a 32 MB row over a slow link, short enough that a silent client does not keep a socket.
const REQUEST_TIMEOUT_MS = 60_000

export function createAdminServer(dependencies: AdminDependencies, options: AdminServerOptions): AdminServer {
  const logger = dependencies.logger.child({ part: 'admin' })
  const app = fastify({
    logger: false,
    bodyLimit: limits.maxAdminBodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    http: { maxHeaderSize: limits.maxAdminHeadBytes },
    routerOptions: {
      maxParamLength: limits.maxAdminHeadBytes,
      querystringParser: (text) => ({ search: text }),
    },
    frameworkErrors: (error, request, reply) => void sendError(request, reply, { error, logger }),
    clientErrorHandler: answerUnreadable,
  })
  // JSON alone: a foreign page can send text/plain without asking first.
  app.removeContentTypeParser('text/plain')
  app.addHook('onRequest', (request, reply, next) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
    const refusal = refusalOf(request, options)
    if (refusal === null) next()
    else void send(reply, errorAnswer(new KVError('PERMISSION_DENIED', refusal)))
  })
  app.setErrorHandler((error, request, reply) => sendError(request, reply, { error, logger }))
  app.setNotFoundHandler((request, reply) => {
    const message = `there is no ${request.method} ${request.url.split('?', 1)[0] ?? ''} in the admin API`
    return send(reply, errorAnswer(new KVError('INVALID_ARGUMENT', message), 404))
  })
  for (const route of adminRoutes(dependencies)) addRoute(app, route)
  return serverOf(app, options.listen)
}

function serverOf(app: FastifyInstance, at: AdminAddress): AdminServer {
  return {
    async listen() {
      try {
        await app.listen({ host: at.host, port: at.port })
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        throw new KVError(
          'UNAVAILABLE',
          `the admin API cannot listen on ${at.host}:${at.port}: ${reason}; choose another port, or a --port-offset`,
          { cause: error },
        )
      }
      const bound = app.server.address()
      return isAddressInfo(bound) ? { host: at.host, port: bound.port } : at
    },
    async close() {
      const cut = setTimeout(() => app.server.closeAllConnections(), limits.drainTimeoutMs)
      await app.close()
      clearTimeout(cut)
    },
    async inject({ method, url, headers = {}, payload }) {
      const answer = await app.inject({ method, url, headers, ...(payload !== undefined && { payload }) })
      return { status: answer.statusCode, headers: answer.headers, text: answer.body }
    },
  }
}

function isAddressInfo(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === 'object' && address !== null
}

function addRoute(app: FastifyInstance, route: Route): void {
  app.route<{ Params: Record<string, string>; Querystring: { search: string } }>({
    method: route.method,
    url: route.path,
    bodyLimit: route.maxBodyBytes,
    async handler(request, reply) {
      const answer = await route.handle({
        params: request.params,
        query: new URLSearchParams(request.query.search),
        headers: headersOf(request),
        body: request.body ?? undefined,
      })
      return send(reply, answer)
    },
  })
}

function headersOf(request: FastifyRequest): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return headers
}

function send(reply: FastifyReply, { status, body, headers = {} }: HttpAnswer): FastifyReply {
  reply.code(status).headers(headers)
  if (typeof body === 'string') return reply.send(body)
  return reply.type('application/json; charset=utf-8').send(`${JSON.stringify(body, bigintToText)}\n`)
}

function bigintToText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}

interface Failure {
  /** Anything that was thrown. */
  readonly error: unknown
  readonly logger: Logger
}

function sendError(
  request: FastifyRequest,
  reply: FastifyReply,
  { error: thrown, logger }: Failure,
): FastifyReply {
  const status = statusOfLibrary(thrown)
  const error =
    status === null
      ? toKVError(thrown, 'the admin request failed')
      : new KVError(status === 413 ? 'TOO_LARGE' : 'INVALID_ARGUMENT', libraryMessage(thrown, status))
  if (error.kind === 'AVAILABILITY' || error.kind === 'DATA') {
    logger.warn({ code: error.code, err: error }, 'an admin request failed')
  }
  return send(reply, errorAnswer(error, status ?? undefined, { isRead: request.method === 'GET' }))
}

/** The status of a refusal by the HTTP library itself; null for everything else. */
function statusOfLibrary(thrown: unknown): number | null {
  if (!(thrown instanceof Error) || thrown instanceof KVError) return null
  // fastify marks its own errors with code and statusCode; the checks below hold for anything.
  const { code, statusCode } = thrown as Partial<FastifyError>
  if (typeof code !== 'string' || !code.startsWith('FST_') || statusCode === undefined) {
    // JSON that does not parse is a plain SyntaxError with a status.
    return thrown instanceof SyntaxError && statusCode === 400 ? 400 : null
  }
  return statusCode >= 400 && statusCode < 500 ? statusCode : null
}

/** In our words, because a parser's message quotes the body and with it values of rows. */
function libraryMessage(thrown: unknown, status: number): string {
  if (thrown instanceof SyntaxError) return 'the body is not JSON'
  if (status === 413) return 'the body is larger than this route takes'
  if (status === 415) return 'the body is not application/json; send that content type'
  return thrown instanceof Error ? thrown.message.toLowerCase() : 'the request is malformed'
}

/**
 * Why a request is not for us: null for none. A page that a browser loaded from elsewhere can reach a loopback port
 * under a name of its own (DNS rebinding); its Host header gives it away, or the Origin header where it kept ours.
 */
function refusalOf(request: FastifyRequest, options: AdminServerOptions): string | null {
  const host = request.headers.host ?? ''
  const name = hostName(`http://${host}`)
  if (name === null || !isOurName(name, options)) {
    return 'the Host header names no host of this gateway; add it to listeners.admin.allowedHosts if it does'
  }
  const { origin } = request.headers
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) {
    return 'requests from pages of another origin are refused'
  }
  return null
}

function isOurName(name: string, { listen, allowedHosts }: AdminServerOptions): boolean {
  if (isLoopbackHost(name)) return true
  const names = [listen.host, ...allowedHosts].map((known) => known.toLowerCase())
  if (names.includes(name)) return true
  // Rebinding needs a name; an address is what was asked for when the listener is open to the network.
  return !isLoopbackHost(listen.host) && isIP(name) !== 0
}

function hostName(url: string): string | null {
  if (!URL.canParse(url)) return null
  const { hostname, username, pathname, search } = new URL(url)
  if (username !== '' || pathname !== '/' || search !== '') return null
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}
