/**
 * Composition root of a data thread: listeners, front end, router, leaf engine, origins, and the thread's end of the
 * lease protocol. Everything a request needs is in this thread's memory; the only messages on its way are the batches
 * of mutations to the writer thread.
 */
import { type Server, createServer } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { createLogger } from '../base/logger.js'
import { ThreadMetrics } from '../base/metrics.js'
import { GatewayKVStore } from '../kvstore/kvstore.js'
import { createKVStoreService } from '../kvstore/listener.js'
import { KVStoreOrigin } from '../kvstore/origin.js'
import { RocksEngine } from '../leaf/rocksdb/engine.js'
import { LeafTier } from '../leaf/tier.js'
import type { Backend } from '../model/backend.js'
import type { RequestContext } from '../model/request.js'
import { Router } from '../routing/router.js'
import { ThriftServer } from '../thrift/server.js'
import {
  type Ask,
  type DataThreadSetup,
  type FromThread,
  type ListenAnswer,
  type ListenTarget,
  type ToThread,
  errorToPortable,
  withBuffers,
} from './bus.js'
import { LeaseHolder } from './leases.js'
import { killProcess } from './kill-process.js'
import { PortWriteChannel } from './write-channel.js'

// Both are there in every worker that pool.ts starts; the setup is what it passes.
const mainPort = parentPort as NonNullable<typeof parentPort>
const setup = workerData as DataThreadSetup

const logger = createLogger(setup.config.log.level, { thread: setup.name })
const clock = systemClock
const metrics = new ThreadMetrics()
const engine = new RocksEngine({ clock, channel: new PortWriteChannel(setup.writerPort) })
const leases = new LeaseHolder({
  send: (message) => send({ kind: 'lease', message }),
  onRetire: (incarnationId) => engine.detach(incarnationId),
  onViolation: (error) => {
    logger.error({ err: error }, 'a lease rule is broken: the process ends before a closed DB is touched')
    killProcess()
  },
})
const origins = connectOrigins()
const router = new Router(new LeafTier(engine, leases), origins)
const kvstore = new GatewayKVStore(router, () => leases.map, clock, metrics)
const server = createThriftServer()
const listeners: Server[] = []

mainPort.on('message', (message: ToThread) => {
  if (message.kind === 'map') leases.adopt(message.delta)
  else answer(message.id, message.ask)
})

function send(message: FromThread): void {
  mainPort.postMessage(message)
}

function connectOrigins(): ReadonlyMap<string, Backend> {
  return new Map(
    Object.entries(setup.config.origins).map(([name, settings]) => [
      name,
      new KVStoreOrigin(name, settings, { clock, logger }),
    ]),
  )
}

function createThriftServer(): ThriftServer {
  const listener = 'kvstore'
  const connections = metrics.gauge('godwit_connections', { listener })
  const accepted = metrics.counter('godwit_connections_total', { listener })
  const faults = metrics.counter('godwit_request_faults_total', { listener })
  return new ThriftServer({
    name: listener,
    service: createKVStoreService(kvstore, {
      logger,
      clock,
      threadName: setup.name,
      build: setup.build,
      secrets: { tokenKey: setup.tokenKey },
    }),
    logger,
    clock,
    events: {
      onConnection: () => {
        accepted()
        connections(server.connectionCount)
      },
      onDisconnect: () => connections(server.connectionCount),
      onRefused: (reason) => metrics.counter('godwit_connections_refused_total', { listener, reason })(),
      onMalformed: (reason) => metrics.counter('godwit_malformed_frames_total', { listener, reason })(),
      onFault: () => faults(),
    },
  })
}

function answer(id: number, ask: Ask): void {
  const refuse = (error: unknown) => send({ kind: 'refusal', id, error: errorToPortable(error) })
  const reply = (value: unknown) => send({ kind: 'answer', id, value })
  switch (ask.kind) {
    case 'metrics':
      metrics.snapshot().then(reply, refuse)
      break
    case 'listen':
      listen(ask.target).then(reply, refuse)
      break
    case 'read':
      kvstore.read({ ...withBuffers(ask.request), context: context(ask.timeoutMs) }, (outcome) => {
        if (outcome instanceof KVError) refuse(outcome)
        else reply(outcome.rows.map((row) => (row instanceof KVError ? errorToPortable(row) : row)))
      })
      break
    case 'mutate':
      kvstore.mutate({ ...withBuffers(ask.request), context: context(ask.timeoutMs) }, (outcome) => {
        if (outcome instanceof KVError) refuse(outcome)
        else reply(outcome)
      })
      break
    case 'drain':
      drain(ask.timeoutMs).then(() => reply(null), refuse)
  }
}

function context(timeoutMs: number): RequestContext {
  return { api: 'admin', caller: null, deadline: clock.monotonicMs() + timeoutMs }
}

/** Half-open: a client that has sent its last request still gets the answers. */
async function listen(target: ListenTarget): Promise<ListenAnswer> {
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => server.accept(socket))
  await new Promise<void>((resolve, reject) => {
    listener.once('error', (error) => reject(listenError(target, error)))
    listener.listen(target, resolve)
  })
  listener.on('error', (error) => logger.error({ err: error }, 'a listening socket failed'))
  listeners.push(listener)
  const address = listener.address()
  const isTcp = typeof address === 'object' && address !== null
  return { host: isTcp ? address.address : '', port: isTcp ? address.port : 0, fd: descriptorOf(listener) }
}

function listenError(target: ListenTarget, error: Error): KVError {
  const where = 'fd' in target ? 'the shared socket' : `${target.host}:${target.port}`
  return new KVError(
    'UNAVAILABLE',
    `cannot listen on ${where}: ${error.message}; is another gateway running?`,
    {
      cause: error,
    },
  )
}

/** Node 20 has no public way to the descriptor and no SO_REUSEPORT; threads share a socket by its number. */
function descriptorOf(listener: Server): number {
  const { _handle: handle } = listener as unknown as { _handle: { fd: number } | null }
  if (handle === null || handle.fd < 0) throw new KVError('INTERNAL', 'a listening socket has no descriptor')
  return handle.fd
}

/** The listening sockets stay open until the process ends (pool.ts says why); new connections are closed at once. */
async function drain(timeoutMs: number): Promise<void> {
  await server.drain(clock.monotonicMs() + timeoutMs)
  await Promise.all(Array.from(origins.values(), (origin) => origin.close()))
}
