/** The admin API's HTTP server: guards against foreign pages, limits, errors as JSON. Main thread only. */
import { isUtf8 } from 'node:buffer'
import type { AddressInfo } from 'node:net'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { startSystemTimer, type StartTimer } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import { traceAdmin } from '../base/trace.js'
import { AccessList, type AccessToken } from './access.js'
import { BodyBudget } from './bodies.js'
import type { AdminDependencies } from './dependencies.js'
import { errorAnswer } from './http-errors.js'
import type { HttpAnswer, HttpMethod, Route } from './http.js'
import { MethodTable } from './methods.js'
import { requestIdOf } from './request-id.js'
import { adminRoutes } from './routes.js'
import { refusalOf } from './same-site.js'
import { addRoute, addStreamRoute, linger, send, type Shared } from './serve-route.js'
import { SocketServers } from './socket-servers.js'
import { answerOfThrown } from './thrown.js'
import type { TlsFiles } from './tls.js'
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
  /** Null, the default: plain HTTP. */
  readonly tls?: TlsFiles | null
  /** Who may do what, by name; default: nobody is asked. */
  readonly tokens?: Readonly<Record<string, AccessToken>>
  /** Default: the system's. */
  readonly startTimer?: StartTimer
}

export interface AdminServer {
  /** Answers where it listens. @throws {KVError} UNAVAILABLE when the port is taken */
  listen(): Promise<AdminAddress>
  /** Refuses new requests, lets those in flight end, cuts what takes longer than the drain time-out. */
  close(): Promise<void>
  /** Reads the certificate and its key again. @throws {KVError} when they are wrong; those before stay in use */
  reloadTls(): void
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

export function createAdminServer(dependencies: AdminDependencies, options: AdminServerOptions): AdminServer {
  const logger = dependencies.logger.child({ part: 'admin' })
  return serveRoutes(adminRoutes(dependencies), logger, options)
}

/** A server of any routes. */
export function serveRoutes(
  routes: readonly Route[],
  logger: Logger,
  options: AdminServerOptions,
): AdminServer {
  const tls = options.tls ?? null
  const shared: Shared = {
    logger,
    names: {
      host: options.listen.host,
      allowedHosts: options.allowedHosts,
      scheme: tls === null ? 'http' : 'https',
    },
    methods: new MethodTable(routes),
    budget: new BodyBudget(limits.maxAdminBufferedBytes),
    startTimer: options.startTimer ?? startSystemTimer,
    access: new AccessList(options.tokens ?? {}),
    principals: new WeakMap(),
    isClosing: false,
  }
  const servers = new SocketServers(tls)
  const app = createApp(logger, servers)
  // JSON alone: a foreign page can send text/plain without asking first.
  app.removeContentTypeParser('text/plain')
  addHooks(app, shared)
  refuseInvalidText(app)
  app.setErrorHandler((error, request, reply) => sendThrown(request, reply, { error, logger }))
  app.setNotFoundHandler((request, reply) => send(request, reply, unroutedAnswer(request, shared.methods)))
  for (const route of routes) {
    if (route.streams === null) addRoute(app, route, shared)
    else addStreamRoute(app, route, shared)
  }
  return serverOf(app, options.listen, { shared, servers })
}

function createApp(logger: Logger, servers: SocketServers): FastifyInstance {
  return fastify({
    logger: false,
    serverFactory: (handle) => servers.create(handle),
    genReqId: (request) => requestIdOf(request.headers['x-request-id']),
    bodyLimit: limits.maxAdminBodyBytes,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: {
      maxParamLength: limits.maxAdminHeadBytes,
      querystringParser: (text) => ({ search: text }),
    },
    frameworkErrors: (error, request, reply) => void sendThrown(request, reply, { error, logger }),
    clientErrorHandler: answerUnreadable,
  })
}

/** Bytes that are no UTF-8 would otherwise be stored as U+FFFD. */
function refuseInvalidText(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    // `parseAs` makes it one.
    const bytes = body as Buffer
    if (isUtf8(bytes)) void parse(request, bytes.toString(), done)
    else
      done(
        new KVError('INVALID_ARGUMENT', 'the body is no UTF-8: give other bytes as hex or base64'),
        undefined,
      )
  })
}

function addHooks(app: FastifyInstance, shared: Shared): void {
  app.addHook('onRequest', (request, reply, next) => {
    reply
      .header('cache-control', 'no-store')
      .header('x-content-type-options', 'nosniff')
      .header('x-request-id', request.id)
    const { host, origin } = request.headers
    const refusal = refusalOf({ host, origin }, shared.names)
    if (shared.isClosing) {
      reply.header('connection', 'close')
      void send(request, reply, errorAnswer(new KVError('UNAVAILABLE', 'the gateway is shutting down')))
    } else if (refusal !== null) {
      void send(request, reply, errorAnswer(new KVError('PERMISSION_DENIED', refusal)))
    } else {
      next()
    }
  })
  app.addHook('onResponse', (request, reply, next) => {
    linger(request.raw, shared.startTimer)
    logRequest(request, reply, shared.logger)
    next()
  })
}

/** The route's path and not the URL, because that holds keys. */
function logRequest(request: FastifyRequest, reply: FastifyReply, logger: Logger): void {
  const fields = {
    requestId: request.id,
    method: request.method,
    route: request.routeOptions.url ?? null,
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime),
  }
  traceAdmin(() => ({
    requestId: request.id,
    method: request.method,
    route: request.routeOptions.url ?? '',
    status: reply.statusCode,
    durationMs: reply.elapsedTime,
    traceparent: request.headers['traceparent']?.toString() ?? null,
  }))
  if (request.method === 'GET' || request.method === 'HEAD') logger.debug(fields, 'admin request')
  else logger.info(fields, 'admin request')
}

interface Served {
  readonly shared: Shared
  readonly servers: SocketServers
}

function serverOf(app: FastifyInstance, at: AdminAddress, { shared, servers }: Served): AdminServer {
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
      shared.isClosing = true
      const cut = setTimeout(() => app.server.closeAllConnections(), limits.drainTimeoutMs)
      await app.close()
      clearTimeout(cut)
    },
    reloadTls() {
      servers.reloadTls()
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

/** A path that is known answers OPTIONS, and 405 to every method that it does not take; any other is 404. */
function unroutedAnswer({ method, url }: FastifyRequest, table: MethodTable): HttpAnswer {
  const path = url.split('?', 1)[0] ?? ''
  const methods = table.of(path)
  if (methods.length === 0) {
    return errorAnswer(
      new KVError('INVALID_ARGUMENT', `there is no ${path} in the admin API; see /openapi.json`),
      404,
    )
  }
  const allow = methods.join(', ')
  if (method === 'OPTIONS') return { status: 204, headers: { allow }, body: '' }
  const error = new KVError('INVALID_ARGUMENT', `${path} does not take ${method}, only ${allow}`)
  const answer = errorAnswer(error, 405)
  return { ...answer, headers: { ...answer.headers, allow } }
}

interface Failure {
  /** Anything that was thrown. */
  readonly error: unknown
  readonly logger: Logger
}

function sendThrown(
  request: FastifyRequest,
  reply: FastifyReply,
  { error: thrown, logger }: Failure,
): FastifyReply {
  const { error, answer } = answerOfThrown(thrown, request.method)
  if (error.kind === 'AVAILABILITY' || error.kind === 'DATA') {
    logger.warn({ requestId: request.id, code: error.code, err: error }, 'an admin request failed')
  }
  reply.header('x-request-id', request.id)
  // The library ends the connection with the answer, which a sender that is not done would never see.
  if (!request.raw.complete) reply.removeHeader('connection')
  return send(request, reply, answer)
}
