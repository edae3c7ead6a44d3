/**
 * Composition root of a data thread: listeners, front end, router, leaf engine, origins, and the thread's end of the
 * lease protocol. Everything a request needs is in this thread's memory; the only messages on its way are the batches
 * of mutations to the writer thread.
 */
import { createHmac } from 'node:crypto'
import { type Server, type Socket, createServer } from 'node:net'
import { type Server as TlsServer, createServer as createTlsServer } from 'node:tls'
import { parentPort, workerData } from 'node:worker_threads'
import { SecondReads } from '../../shims/terrapin/second-reads.js'
import { AskedChanges } from '../../shims/rocksandra/engine/asked-changes.js'
import type { CqlServer } from '../../shims/rocksandra/listener.js'
import { AskedTableCalls } from '../../shims/usermetastore/hbase-asked-calls.js'
import { type TlsMaterial, readTls } from '../admin/tls.js'
import { startSystemTimer, systemClock } from '../base/clock.js'
import { type ErrorCode, KVError } from '../base/errors.js'
import { HttpPool } from '../base/http.js'
import { limits } from '../base/limits.js'
import { createLogger } from '../base/logger.js'
import { ThreadMetrics } from '../base/metrics.js'
import { watchThread } from '../base/thread-health.js'
import type { DataListener } from '../config/listeners.js'
import { digestOfWrite } from '../kvstore/digest.js'
import { GatewayKVStore } from '../kvstore/kvstore.js'
import { createKVStoreService } from '../kvstore/listener.js'
import { AnswerTokens } from '../kvstore/pages.js'
import { Tokens } from '../kvstore/tokens.js'
import { VersionWaits } from '../kvstore/version-waits.js'
import { HttpEngine } from '../leaf/http/engine.js'
import { LeafLink, MAX_POSTS } from '../leaf/http/leaf-link.js'
import { GATEWAY_HEADER } from '../leaf/http/wire.js'
import { OwnCopies, isElsewhere, ownShardOf } from '../leaf/own-copies.js'
import { RocksEngine } from '../leaf/rocksdb/engine.js'
import { SplitEngine } from '../leaf/split-engine.js'
import { LeafTier } from '../leaf/tier.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { RequestContext } from '../model/request.js'
import { closeOrigins, connectOrigins } from '../origins.js'
import { Breaker } from '../routing/breaker.js'
import { VALUE_VIEW, WHOLE_VIEW, digestOfValue } from '../routing/compare.js'
import { MigrationReporter } from '../routing/migration-reporter.js'
import { createRouting } from '../routing/routing.js'
import { RequestWatch } from '../telemetry/request-watch.js'
import { startTelemetry } from '../telemetry/telemetry.js'
import type { ThriftService } from '../thrift/protocol.js'
import { ThriftServer } from '../thrift/server.js'
import { loadWireApis, wireApis } from '../wire-apis.js'
import {
  type Ask,
  type DataThreadSetup,
  type FromThread,
  type ListenAnswer,
  type ListenTarget,
  type ToThread,
  errorToPortable,
  portableToError,
  withBuffers,
} from './bus.js'
import { LeaseHolder } from './leases.js'
import { killProcess } from './kill-process.js'
import { PortWriteChannel } from './write-channel.js'

// Both are there in every worker that pool.ts starts; the setup is what it passes.
const mainPort = parentPort as NonNullable<typeof parentPort>
const setup = workerData as DataThreadSetup

const logger = createLogger(setup.logLevel, { thread: setup.name })
const clock = systemClock
const metrics = new ThreadMetrics()
const local = new RocksEngine({ clock, channel: new PortWriteChannel(setup.writerPort) })
const leases = new LeaseHolder({
  send: (message) => send({ kind: 'lease', message }),
  onRetire: (incarnationId) => engine.detach(incarnationId),
  onViolation: (error) => {
    logger.error({ err: error }, 'a lease rule is broken: the process ends before a closed DB is touched')
    killProcess()
  },
})
/** Reads that no leaf answered: until the gateway's own copy is open. */
const ownWaits = new VersionWaits({
  clock,
  startTimer: startSystemTimer,
  askToOpen: (dataset, versionId) => send({ kind: 'version', wish: 'readHere', dataset, versionId }),
  mustWait: isElsewhere,
})
const remote = createRemoteEngine()
const engine = new SplitEngine(local, remote)
const origins = connectOrigins(setup.config.origins, {
  breakers: setup.breakers,
  clock,
  startTimer: startSystemTimer,
  logger,
  metrics,
})
const differenceKey = createHmac('sha256', setup.tokenKey).update('differences').digest()
const routing = createRouting({
  clock,
  startTimer: startSystemTimer,
  leafTier: new LeafTier(engine, leases),
  origins,
  entryOf: (dataset) => leases.map.datasets.get(dataset),
  viewOf: ({ record }) =>
    setup.config.origins[record.origin ?? '']?.api === 'terrapin' ? VALUE_VIEW : WHOLE_VIEW,
  digest: (value) => digestOfValue(differenceKey, value),
  report: (difference) => reporter.add(difference),
  isBusy: () => kvstore.waiting > limits.maxWaitingBeforeBatchIsShed,
  standInAfterMs: ({ record }) => setup.config.origins[record.origin ?? '']?.standInAfterMs ?? 0,
})
const reporter = new MigrationReporter({
  watch: routing.watch,
  startTimer: startSystemTimer,
  monotonicMs: () => clock.monotonicMs(),
  sendFigures: (figures) => send({ kind: 'migrationFigures', figures }),
  sendDifferences: (differences, lost) => send({ kind: 'differences', differences, lost }),
})
const waits = new VersionWaits({
  clock,
  startTimer: startSystemTimer,
  askToOpen: (dataset, versionId) => send({ kind: 'version', wish: 'openVersion', dataset, versionId }),
})
const watch = new RequestWatch(clock)
const pageTokens = new Tokens(setup.tokenKey)
const tableCalls = new AskedTableCalls((id, call) => send({ kind: 'tableCall', id, call }))
const kvstore = new GatewayKVStore(routing.router, () => leases.map, {
  clock,
  metrics,
  waits,
  observer: watch,
})
const cqlChanges = new AskedChanges((id, call) => send({ kind: 'cqlCall', id, call }))
/** Of each listener that was asked for. */
const servers: (ThriftServer | CqlServer)[] = []
let cqlServer: CqlServer | null = null
const listeners: Server[] = []
/** Those among them whose certificates can be renewed. */
const tlsServers: TlsServer[] = []

watchThread(metrics, setup.name)
watchQueues()
loadWireApis(setup.config)
const telemetry = startTelemetry({
  settings: setup.config.telemetry,
  build: setup.build,
  thread: setup.name,
  clock,
  metrics,
})

mainPort.on('message', (message: ToThread) => {
  if (message.kind === 'map') {
    leases.adopt(message.delta)
    for (const dataset of message.delta.removed) {
      metrics.forgetDataset(dataset)
      routing.watch.forget(dataset)
    }
    const entryOf = (dataset: string) => leases.map.datasets.get(dataset)
    if (!waits.isEmpty) waits.mapChanged(entryOf)
    if (!ownWaits.isEmpty) ownWaits.mapChanged(entryOf)
    if (message.delta.cql !== undefined) cqlServer?.schemaMayHaveChanged()
  } else if (message.kind === 'versionRefused') {
    const { dataset, versionId, wish, error } = message
    const refused = wish === 'openVersion' ? waits : ownWaits
    refused.refuse(dataset, versionId, portableToError(error))
  } else if (message.kind === 'tableAnswer') {
    tableCalls.settle(message.id, message.error === null ? null : portableToError(message.error))
  } else if (message.kind === 'cqlAnswer') {
    const { id, answer: given } = message
    cqlChanges.settle(id, 'isPortableError' in given ? portableToError(given) : given)
  } else answer(message.id, message.ask)
})

setInterval(() => leases.tick(), 1_000).unref()

function watchQueues(): void {
  const setInFlight = metrics.gauge('godwit_requests_in_flight', { thread: setup.name })
  const setUnacknowledged = metrics.gauge('godwit_unacknowledged_write_bytes', { thread: setup.name })
  metrics.onSnapshot(() => {
    setInFlight(kvstore.waiting)
    setUnacknowledged(local.unacknowledgedBytes)
  })
}

function send(message: FromThread): void {
  mainPort.postMessage(message)
}

/** Its breakers are this thread's own; what main knows of leaves that are down comes with the map. */
function createRemoteEngine(): HttpEngine {
  const { attemptTimeoutMs, breakerResetMs } = setup.config.leaves
  return new HttpEngine({
    clock,
    attemptTimeoutMs,
    onRetry: metrics.counter('godwit_leaf_retries_total'),
    ownCopies: new OwnCopies({
      engine: local,
      uses: leases,
      find: (incarnation) => ownShardOf(leases.map, incarnation),
      wait: (dataset, versionId, read) => ownWaits.add(dataset, versionId, read),
      onRead: metrics.counter('godwit_leaf_own_reads_total'),
    }),
    connect: ({ name, url }) => {
      const labels = { leaf: name }
      const opened = metrics.gauge('godwit_leaf_breaker_open', labels)
      const noteBreaker = (isOpen: boolean) => {
        opened(isOpen ? 1 : 0)
        send({ kind: 'leafBreaker', leaf: name, isOpen })
      }
      opened(0)
      return new LeafLink({
        name,
        clock,
        connections: new HttpPool(url, {
          connections: MAX_POSTS,
          headers: { [GATEWAY_HEADER]: setup.name, 'content-type': 'application/octet-stream' },
          connectTimeoutMs: attemptTimeoutMs,
        }),
        breaker: new Breaker(`leaf ${name}`, {
          resetMs: breakerResetMs,
          onChange: (isOpen) => {
            noteBreaker(isOpen)
            if (isOpen) logger.warn({ leaf: name }, 'a leaf fails too often and is not asked for a moment')
            else logger.info({ leaf: name }, 'a leaf is asked again')
          },
        }),
        onWrongAnswer: metrics.counter('godwit_leaf_wrong_answers_total', labels),
        onBatch: metrics.counter('godwit_leaf_batches_total', labels),
        onClose: () => noteBreaker(false),
      })
    },
  })
}

/** Of a Terrapin call that names two clusters. Resolved once: they are counted in the path of a request. */
function createSecondReads(): SecondReads {
  const events = new Map(
    (['fired', 'won', 'lost', 'withheld'] as const).map((outcome) => [
      outcome,
      metrics.counter('godwit_terrapin_second_reads_total', { outcome }),
    ]),
  )
  return new SecondReads({ startTimer: startSystemTimer, onEvent: (event) => events.get(event)?.() })
}

function hasSeveralPlaces(entry: DatasetEntry | undefined): boolean {
  return (entry?.current?.shards[0]?.remote?.leaves.length ?? 1) > 1
}

type ThriftListener = Exclude<DataListener, 'rocksandra'>

async function serviceOf(listener: ThriftListener): Promise<ThriftService> {
  const terrapin = {
    clock,
    isCluster: (name: string) => leases.map.clusterNames.has(name),
    timeoutMs: limits.terrapinTimeoutMs,
    onAnswered: (operation: string, fileSet: string, durationMs: number, code: ErrorCode | null) => {
      // Names that nobody has checked make no series.
      const isKnown = code === null || leases.map.datasets.has(fileSet)
      metrics.record('terrapin', operation, isKnown ? fileSet : '', durationMs, code)
    },
  }
  switch (listener) {
    case 'kvstore':
      return createKVStoreService(kvstore, {
        logger,
        clock,
        threadName: setup.name,
        build: setup.build,
        secrets: { tokenKey: setup.tokenKey },
      })
    case 'usermetastore': {
      const { createUserMetaStoreService } = await wireApis.usermetastore()
      return createUserMetaStoreService(kvstore, {
        logger,
        clock,
        build: setup.build,
        datasets: () => leases.map.datasets.values(),
        tokensOf: (entry) => new AnswerTokens(pageTokens, entry),
        fingerprint: digestOfWrite,
      })
    }
    case 'hbase1':
    case 'hbase2': {
      const create =
        listener === 'hbase1'
          ? (await wireApis.hbase1()).createHBase1Service
          : (await wireApis.hbase2()).createHBase2Service
      return create(kvstore, {
        clock,
        datasets: {
          find: (name) => leases.map.datasets.get(name),
          list: () => leases.map.datasets.values(),
        },
        changeTable: (call) => tableCalls.run(call),
        thread: Number(setup.name.slice(setup.name.lastIndexOf('-') + 1)),
        threads: setup.config.threads.data,
        address: setup.config.listeners[listener],
        clusterId: createHmac('sha256', setup.tokenKey).update('cluster').digest('hex').slice(0, 32),
      })
    }
    case 'terrapin': {
      const { createTerrapinService } = await wireApis.terrapin()
      return createTerrapinService(kvstore, {
        ...terrapin,
        hasSeveralPlaces: (fileSet) => hasSeveralPlaces(leases.map.datasets.get(fileSet)),
        secondReads: createSecondReads(),
        onValues: setup.config.listeners.terrapinStats.enabled
          ? (operation, fileSet, bytes) => metrics.recordValueSize(operation, fileSet, bytes)
          : null,
      })
    }
    case 'terrapinInternal': {
      const { createTerrapinInternalService } = await wireApis.terrapinInternal()
      return createTerrapinInternalService(kvstore, terrapin)
    }
  }
}

async function createThriftServer(listener: ThriftListener): Promise<ThriftServer> {
  const server: ThriftServer = new ThriftServer({
    name: listener,
    service: await serviceOf(listener),
    servesFinagle: listener === 'terrapin' || listener === 'terrapinInternal',
    logger,
    clock,
    events: serverEvents(listener, () => server.connectionCount),
  })
  return server
}

async function createCql(): Promise<CqlServer> {
  const { createCqlServer } = await wireApis.rocksandra()
  const server: CqlServer = createCqlServer({
    config: setup.config,
    tokenKey: setup.tokenKey,
    kvstore,
    changes: cqlChanges,
    clock,
    logger,
    events: serverEvents('rocksandra', () => server.connectionCount),
    isFirst: setup.name === 'data-0',
    currentMap: () => leases.map,
  })
  cqlServer = server
  return server
}

/** Counts what a listener's server tells. */
function serverEvents(listener: DataListener, connectionCount: () => number) {
  const connections = metrics.gauge('godwit_connections', { listener })
  const accepted = metrics.counter('godwit_connections_total', { listener })
  const faults = metrics.counter('godwit_request_faults_total', { listener })
  return {
    onConnection: () => {
      accepted()
      connections(connectionCount())
    },
    onDisconnect: () => connections(connectionCount()),
    onRefused: (reason: string) =>
      metrics.counter('godwit_connections_refused_total', { listener, reason })(),
    onMalformed: (reason: string) => metrics.counter('godwit_malformed_frames_total', { listener, reason })(),
    onFault: () => faults(),
  }
}

function answer(id: number, ask: Ask): void {
  const refuse = (error: unknown) => send({ kind: 'refusal', id, error: errorToPortable(error) })
  const reply = (value: unknown) => send({ kind: 'answer', id, value })
  switch (ask.kind) {
    case 'metrics':
      metrics.snapshot().then(reply, refuse)
      break
    case 'listen':
      listen(ask.listener, ask.target).then(reply, refuse)
      break
    case 'read':
      kvstore.read({ ...withBuffers(ask.request), context: context(ask.timeoutMs) }, (outcome) => {
        if (outcome instanceof KVError) refuse(outcome)
        else reply(outcome.rows.map((row) => (row instanceof KVError ? errorToPortable(row) : row)))
      })
      break
    case 'scan':
      kvstore.scan({ ...withBuffers(ask.request), context: context(ask.timeoutMs) }, (outcome) => {
        if (outcome instanceof KVError) refuse(outcome)
        else reply(outcome)
      })
      break
    case 'mutate':
      kvstore.mutate({ ...withBuffers(ask.request), context: context(ask.timeoutMs) }, (outcome) => {
        if (outcome instanceof KVError) refuse(outcome)
        else reply(outcome)
      })
      break
    case 'flights':
      reply(routing.flights.dump(clock.nowMs(), ask.lastMs, ask.dataset))
      break
    case 'observations':
      reply(watch.take())
      break
    case 'recentUses':
      reply(leases.recentUses())
      break
    case 'freeze':
      refuse(new KVError('INTERNAL', 'freeze is a question for the writer thread'))
      break
    case 'reloadTls':
      try {
        reloadTls()
        reply(null)
      } catch (error) {
        refuse(error)
      }
      break
    case 'drain':
      drain(ask.timeoutMs).then(() => reply(null), refuse)
      break
    case 'endReads':
      local.endReads()
      reply(null)
  }
}

function context(timeoutMs: number): RequestContext {
  return { api: 'admin', caller: null, deadline: clock.monotonicMs() + timeoutMs }
}

/** Half-open: a client that has sent its last request still gets the answers. */
async function listen(name: DataListener, target: ListenTarget): Promise<ListenAnswer> {
  const server = await (name === 'rocksandra' ? createCql() : createThriftServer(name))
  servers.push(server)
  const listener = createListener(name, (socket) => server.accept(socket))
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

function createListener(name: DataListener, accept: (socket: Socket) => void): Server {
  const material = name === 'rocksandra' ? cqlTls() : null
  if (material === null) return createServer({ allowHalfOpen: true, noDelay: true }, accept)
  const server = createTlsServer(
    { ...material, noDelay: true, handshakeTimeout: limits.frameTimeoutMs },
    accept,
  )
  tlsServers.push(server)
  return server
}

/** Null: the CQL listener has none. @throws {KVError} INVALID_ARGUMENT */
function cqlTls(): TlsMaterial | null {
  const { tls } = setup.config.listeners.rocksandra
  return tls.certificateFile === '' ? null : readTls(tls, 'listeners.rocksandra.tls')
}

/** @throws {KVError} INVALID_ARGUMENT: those before stay in use */
function reloadTls(): void {
  const material = cqlTls()
  if (material === null) return
  for (const server of tlsServers) server.setSecureContext(material)
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

/** What is still read then is answered as UNAVAILABLE: in the rest of the time callers get that, instead of being cut. */
const READING_SHARE_OF_DRAIN = 0.9

/** The listening sockets stay open until the process ends (pool.ts says why); new connections are closed at once. */
async function drain(timeoutMs: number): Promise<void> {
  const deadline = clock.monotonicMs() + timeoutMs
  const stopTimer = startSystemTimer(timeoutMs * READING_SHARE_OF_DRAIN, () => local.endReads())
  await Promise.all(servers.map((server) => server.drain(deadline)))
  stopTimer()
  await Promise.all([remote.close(), closeOrigins(origins)])
  const endTelemetry = await telemetry
  await endTelemetry()
}
