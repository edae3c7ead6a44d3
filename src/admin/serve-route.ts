/** How the routes of the admin API are served by the HTTP library: who may, how much memory, how answers leave. */
import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { StartTimer } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import { checkRole, type AccessList, type Principal } from './access.js'
import { announcedBytes, streamOf, type BodyBudget } from './bodies.js'
import { errorAnswer } from './http-errors.js'
import { roleOf, type HttpAnswer, type Route } from './http.js'
import type { MethodTable } from './methods.js'
import type { OwnNames } from './same-site.js'

/** What all requests share. */
export interface Shared {
  readonly logger: Logger
  readonly names: OwnNames
  readonly methods: MethodTable
  readonly budget: BodyBudget
  readonly startTimer: StartTimer
  readonly access: AccessList
  /** Of the requests that are being served. */
  readonly principals: WeakMap<IncomingMessage, Principal | null>
  isClosing: boolean
}

interface RouteTypes {
  Params: Record<string, string>
  Querystring: { search: string }
}

/** Its body waits in memory, so it takes a share of what is set aside for that, for as long as the request lasts. */
export function addRoute(app: FastifyInstance, route: Route, shared: Shared): void {
  const { budget, startTimer } = shared
  app.route<RouteTypes>({
    method: route.method,
    url: route.path,
    bodyLimit: route.maxBodyBytes,
    onRequest: admission(route, shared),
    preParsing(request, reply, payload, next) {
      const giveBack = budget.take(announcedBytes(request.headers, route.maxBodyBytes))
      const stop = startTimer(limits.adminBodyTimeoutMs, () => {
        if (request.raw.complete) return
        const error = new KVError('INVALID_ARGUMENT', 'the body did not arrive in time')
        reply.header('connection', 'close')
        void send(request, reply, errorAnswer(error, 408))
      })
      reply.raw.once('close', () => {
        stop()
        giveBack()
      })
      next(null, payload)
    },
    handler: async (request, reply) =>
      send(request, reply, await answerOf({ route, shared }, request, request.body)),
  })
}

/** Its body goes through memory in pieces. In a scope of its own, because only these routes take other content types. */
export function addStreamRoute(app: FastifyInstance, route: Route, shared: Shared): void {
  const bounds = {
    maxBytes: route.maxBodyBytes,
    idleMs: limits.adminStallTimeoutMs,
    startTimer: shared.startTimer,
  }
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers()
    for (const type of route.streams ?? []) {
      scope.addContentTypeParser(type, (_request, payload, parsed) => parsed(null, payload))
    }
    scope.route<RouteTypes>({
      method: route.method,
      url: route.path,
      bodyLimit: route.maxBodyBytes,
      onRequest: admission(route, shared),
      async handler(request, reply) {
        return send(request, reply, await answerOf({ route, shared }, request, streamOf(request.raw, bounds)))
      },
    })
    done()
  })
}

/** What was not read is thrown away for a moment: a sender whose connection is cut at once never sees the answer. */
export function linger(request: IncomingMessage, startTimer: StartTimer): void {
  // What is injected has no socket of the kind.
  const { socket } = request
  if (request.complete || request.destroyed || !(socket instanceof Socket)) return
  request.resume()
  const stop = startTimer(limits.adminLingerMs, () => request.destroy())
  // Of a connection that ends behind an answer its request hears nothing any more.
  socket.once('close', stop)
  request.once('end', () => {
    socket.off('close', stop)
    stop()
  })
}

type Admission = (
  request: FastifyRequest<RouteTypes>,
  reply: FastifyReply,
  next: (error?: Error) => void,
) => void

/** Before the body is read: whoever may not ask costs nothing more. */
function admission(route: Route, { access, principals }: Shared): Admission {
  const role = roleOf(route)
  return (request, _reply, next) => {
    if (route.about.isOpen !== true) {
      const principal = access.authenticate(request.headers.authorization)
      checkRole(principal, role)
      principals.set(request.raw, principal)
    }
    next()
  }
}

async function answerOf(
  { route, shared }: { readonly route: Route; readonly shared: Shared },
  request: FastifyRequest<RouteTypes>,
  body: unknown,
): Promise<HttpAnswer> {
  return await route.handle({
    id: request.id,
    principal: shared.principals.get(request.raw) ?? null,
    params: request.params,
    query: new URLSearchParams(request.query.search),
    headers: headersOf(request),
    body: body ?? undefined,
  })
}

function headersOf(request: FastifyRequest): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return headers
}

export function send(request: FastifyRequest, reply: FastifyReply, answer: HttpAnswer): FastifyReply {
  const { status, body, headers = {} } = answer
  reply.code(status).headers(headers)
  const { socket } = request.raw
  // Node closes a connection whose reader takes nothing for so long, and lifts that when the answer is out. (What is
  // injected has no socket of the kind.)
  if (socket instanceof Socket) socket.setTimeout(limits.adminStallTimeoutMs)
  if (body instanceof Readable) {
    if (request.method !== 'HEAD') return reply.send(body)
    body.destroy()
    return reply.send('')
  }
  if (typeof body === 'string') return reply.send(body)
  return reply.type('application/json; charset=utf-8').send(`${JSON.stringify(body, bigintToText)}\n`)
}

function bigintToText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
