/**
 * Composition root of the main thread: data directory, metastore, leaf store, threads, admin API, loads; started in
 * that order and stopped in reverse. Every part gets its collaborators here and nowhere else.
 *
 * Start: nothing is listened to before every thread has the first ClusterMap. Stop: clients first, then the control
 * plane, then the DBs (through the lease protocol, like every other close), then the metastore and the directory.
 */
import { fileURLToPath } from 'node:url'
import { ensureBatchLog } from '../shims/rocksandra/engine/batch-log.js'
import { SchemaCalls } from '../shims/rocksandra/engine/schema-calls.js'
import { TableCalls } from '../shims/usermetastore/hbase-table-calls.js'
import { createAdminServer } from './admin/server.js'
import type { AdminServer } from './admin/server.js'
import { followCqlCatalog } from './gateway/cql.js'
import type { RowAccess } from './admin/dependencies.js'
import { forkedTask } from './base/child-task.js'
import { startSystemTimer, systemClock } from './base/clock.js'
import { sortedDistinct } from './base/bytes.js'
import { KVError } from './base/errors.js'
import type { Jobs } from './base/jobs.js'
import { limits } from './base/limits.js'
import type { Logger, SharedLogLevel } from './base/logger.js'
import { MetricsPage, ThreadMetrics } from './base/metrics.js'
import { processReadings } from './base/process-figures.js'
import { watchThread } from './base/thread-health.js'
import { listenAddress } from './config/checks.js'
import type { Config } from './config/schema.js'
import {
  backendReadings,
  datasetReadings,
  jobReadings,
  loadReadings,
  numberReadings,
} from './gateway/figures.js'
import { CONTROLLER_LISTENER, GatewayController } from './gateway/controller.js'
import { GatewayUsage } from './gateway/usage.js'
import { GatewayMigration } from './gateway/migration.js'
import { GatewayObservations } from './gateway/observations.js'
import { GatewayLegacyStatus } from './gateway/legacy-status.js'
import { GatewayPlacement } from './gateway/placement.js'
import { GatewayZooKeeper } from './gateway/zookeeper.js'
import { createJobs, createJobTable, type GatewayJobs } from './gateway/jobs.js'
import { DATA_LISTENERS } from './config/listeners.js'
import { openMetastore } from './kvsm/metastore.js'
import { openLmdbStore } from './kvsm/store-lmdb.js'
import { DataDirectory } from './leaf/data-directory.js'
import { acquireDirectoryLock } from './leaf/rocksdb/store/directory-lock.js'
import { ShardFigures } from './leaf/rocksdb/shard-figures.js'
import { VersionSet } from './leaf/version-set.js'
import { LoadJobs } from './loader/load-job.js'
import type { ClusterMap } from './model/cluster-map.js'
import type { Metastore } from './model/metastore.js'
import type { Mutation } from './model/mutation.js'
import type { GatewayStatus, ListenerStatus, Readiness } from './model/operations.js'
import { type CellSelector, columnsNamed } from './model/row.js'
import { createObjectStore } from './objects/objects.js'
import { SharedBreakers } from './routing/shared-breakers.js'
import { startTelemetry } from './telemetry/telemetry.js'
import { killProcess } from './threads/kill-process.js'
import { type LeaseFigures, LeaseKeeper } from './threads/leases.js'
import { ThreadPool } from './threads/pool.js'

export interface GatewayOptions {
  readonly logger: Logger
  /** Of `logger`; the threads share it. */
  readonly logLevel: SharedLogLevel
  /** Version of the program, for describeServer and status. */
  readonly build: string
}

/** A running gateway. */
export interface Gateway {
  readonly listeners: readonly ListenerStatus[]
  readonly metastore: Metastore
  readonly directory: DataDirectory
  readonly loads: LoadJobs
  readonly jobs: GatewayJobs
  readonly versionSet: VersionSet
  currentMap(): ClusterMap
  leases(): LeaseFigures
  /** Reads the listeners' certificates again. @throws {KVError} when one is wrong; the one before stays in use */
  reloadTls(): Promise<void>
  /** Answers what is in flight, closes everything, in at most the drain time-out plus the lease time-out. */
  stop(): Promise<void>
}

const MEGABYTE = 1024 * 1024
const LOAD_ENTRY = fileURLToPath(new URL('load-main.js', import.meta.url))

/** The main thread's parts, in the order in which they are started. */
interface Parts {
  readonly config: Config
  readonly options: GatewayOptions
  readonly startedAtMs: number
  readonly metrics: ThreadMetrics
  readonly metricsPage: MetricsPage
  readonly shardFigures: ShardFigures
  readonly directory: DataDirectory
  readonly metastore: Metastore
  readonly keeper: LeaseKeeper
  readonly versionSet: VersionSet
  readonly placement: GatewayPlacement
  readonly pool: ThreadPool
  /** Of the origins. */
  readonly breakers: SharedBreakers
  readonly observations: GatewayObservations
  readonly loads: LoadJobs
  readonly jobs: GatewayJobs
  readonly usage: GatewayUsage
  readonly migration: GatewayMigration
  readonly controller: GatewayController
  readonly zookeeper: GatewayZooKeeper
  readonly legacyStatus: GatewayLegacyStatus
  /** Empty when requests may come. */
  readonly unreadyReasons: Set<string>
  readonly listeners: ListenerStatus[]
  readonly endTelemetry: () => Promise<void>
}

/**
 * Opens the data directory and serves until `stop`.
 * @throws {KVError} when the directory is locked, foreign, damaged or of a newer format, or when a port is taken
 */
export async function startGateway(config: Config, options: GatewayOptions): Promise<Gateway> {
  const { logger } = options
  const directory = await DataDirectory.open(config.data.directory, {
    lock: acquireDirectoryLock,
    clock: systemClock,
    logger,
  })
  const mayCreate = await directory.mayMakeMetastore()
  const store = await openLmdbStore(directory.metastorePath, { mayCreate })
  await directory.markMetastoreMade()
  const metastore = await openMetastore(store, systemClock, logger, await directory.loadsToResume())
  const parts = await startParts(config, options, directory, metastore)
  const admin = createAdmin(parts)
  await listen(parts, admin)
  parts.unreadyReasons.delete('starting')
  parts.zookeeper.start()
  parts.migration.start()
  let stopping: Promise<void> | null = null
  return {
    listeners: parts.listeners,
    metastore,
    directory,
    loads: parts.loads,
    jobs: parts.jobs,
    versionSet: parts.versionSet,
    currentMap: () => parts.keeper.map,
    leases: () => parts.keeper.figures(),
    reloadTls: async () => {
      try {
        admin.reloadTls()
      } finally {
        await parts.pool.reloadTls()
      }
    },
    stop: () => (stopping ??= stopParts(parts, admin)),
  }
}

async function startParts(
  config: Config,
  options: GatewayOptions,
  directory: DataDirectory,
  metastore: Metastore,
): Promise<Parts> {
  const { logger, build } = options
  const { metrics, endTelemetry } = await watchMainThread(config, build)
  const keeper = createKeeper(logger)
  const placement = await GatewayPlacement.start({ metastore, directory, logger })
  const breakers = SharedBreakers.create(Object.keys(config.origins))
  const serving = { config, options, directory, metastore, metrics, keeper, placement, breakers }
  const { versionSet, observations, pool } = await startServing(serving)
  metastore.subscribe(versionSet.onChange)
  placement.follow(metastore, versionSet)
  await followClusterNames(metastore, keeper)
  await followCqlCatalog(metastore, keeper)
  guardPublish(metastore, versionSet)
  const queue = createJobTable({ config, metastore, logger })
  const loads = createLoads(config, { metastore, directory, logger, queue })
  await loads.resume()
  const jobs = createJobs({
    ...{ config, metastore, directory, pool, versionSet, jobs: queue, logger },
    currentMap: () => keeper.map,
  })
  await jobs.archives.resume()
  const rows = rowAccess(pool)
  const usage = await GatewayUsage.start({ directory: directory.path, metastore, pool, rows, logger })
  const listeners: ListenerStatus[] = []
  const migration = new GatewayMigration({
    ...{ config, metastore, loads, placement, versionSet, observations, breakers, logger, listeners },
    ...{ usage, pool },
    currentMap: () => keeper.map,
  })
  const startedAtMs = systemClock.nowMs()
  const unreadyReasons = new Set(['starting'])
  return {
    ...serving,
    startedAtMs,
    metricsPage: new MetricsPage(),
    shardFigures: new ShardFigures({
      clock: systemClock,
      databaseOf: (id) => placement.localStore.databaseOf(id),
    }),
    versionSet,
    pool,
    observations,
    loads,
    jobs,
    usage,
    migration,
    controller: new GatewayController({
      ...{ config, metastore, loads, versionSet, metrics, logger },
      doubled: (fileSets) => migration.doubled(fileSets),
    }),
    zookeeper: new GatewayZooKeeper({
      ...{ config, metastore, metrics, logger },
      controllerPort: () => listeners.find(({ name }) => name === CONTROLLER_LISTENER)?.port ?? null,
    }),
    legacyStatus: new GatewayLegacyStatus({ config, pool, currentMap: () => keeper.map, logger }),
    unreadyReasons,
    listeners,
    endTelemetry,
  }
}

type Serving = Pick<Parts, 'versionSet' | 'observations' | 'pool'>

type ServingParts = Pick<
  Parts,
  'config' | 'options' | 'directory' | 'metastore' | 'metrics' | 'keeper' | 'placement' | 'breakers'
>

/** What is served and who serves it: each asks the other. */
async function startServing(parts: ServingParts): Promise<Serving> {
  const { config, options, directory, metastore, metrics, keeper, placement, breakers } = parts
  const { logger, build, logLevel } = options
  const threads: { pool: ThreadPool | null } = { pool: null }
  const versionSet: VersionSet = new VersionSet(placement.store, keeper, {
    directories: directory,
    logger,
    clock: systemClock,
    startTimer: startSystemTimer,
    placement: placement.keeper,
    maxOpenShards: config.limits.openDbs,
    leavingMs: config.limits.leavingVersionMs,
    keepsFormerCurrent: config.listeners.terrapinInternal.enabled,
    recentUses: () => threads.pool?.recentUses() ?? Promise.resolve(new Map()),
    forgetVersions: (dataset, ids) => metastore.forgetVersions(dataset, ids),
  })
  const observations = new GatewayObservations({
    metastore,
    directory: directory.path,
    breakers,
    isLeafBreakerOpen: (record) => placement.isBreakerOpen(metastore.cluster(record.cluster)),
    clock: systemClock,
    logger,
    flights: (lastMs, dataset) => pool.flights(lastMs, dataset),
  })
  const shardFailures = metrics.counter('godwit_shard_failures_total')
  const { owner } = config.hbase
  const tableCalls = new TableCalls(metastore, owner.name === '' || owner.contact === '' ? null : owner)
  const cqlCalls = new SchemaCalls(metastore, config.rocksandra.owner)
  if (config.listeners.rocksandra.enabled) await ensureBatchLog(metastore)
  // Beside the start of the threads, each of which gets the newest map as its first.
  const opened = versionSet.start(metastore.list())
  const started = ThreadPool.start({
    ...{ config, build, breakers: breakers.buffer, logger, logLevel, keeper },
    tokenKey: metastore.tokenKey,
    onShardFailed: (incarnationId, error) => {
      shardFailures()
      void versionSet.shardFailed(incarnationId, error)
    },
    onTableCall: (call) => tableCalls.run(call),
    onCqlCall: (call) => cqlCalls.run(call),
    onVersionWanted: (dataset, versionId) => versionSet.open(dataset, versionId),
    onReadHere: (dataset, versionId) => placement.readHere(dataset, versionId),
    onLeafBreaker: (thread, leaf, isOpen) => placement.noteBreaker(thread, leaf, isOpen),
    onMigrationFigures: (thread, figures) => observations.receiveFigures(thread, figures),
    onDifferences: (differences, lost) => observations.receiveDifferences(differences, lost),
  })
  const [pool] = await Promise.all([started, opened])
  threads.pool = pool
  return { versionSet, observations, pool }
}

async function watchMainThread(
  { telemetry }: Config,
  build: string,
): Promise<Pick<Parts, 'metrics' | 'endTelemetry'>> {
  const metrics = new ThreadMetrics()
  const thread = 'main'
  watchThread(metrics, thread)
  const endTelemetry = await startTelemetry({
    settings: telemetry,
    build,
    thread,
    clock: systemClock,
    metrics,
  })
  return { metrics, endTelemetry }
}

function createLoads(
  { loads, objects }: Config,
  parts: Pick<Parts, 'metastore' | 'directory'> & { readonly logger: Logger; readonly queue: Jobs },
): LoadJobs {
  const { metastore, directory, logger, queue } = parts
  return new LoadJobs({
    jobs: queue,
    metastore,
    files: directory,
    startTask: forkedTask({ entry: LOAD_ENTRY, heapMb: loads.heapMb, heapSetting: 'loads.heapMb' }),
    clock: systemClock,
    logger,
    objects: createObjectStore(objects),
    objectSettings: objects,
    workers: loads.workers,
    sortBytes: loads.sortMb * MEGABYTE,
    heapMb: loads.heapMb,
    maxUploadBytes: loads.maxUploadMb * MEGABYTE,
  })
}

/** Nothing is published that cannot be read; and opening comes first, so that publishing is one step. */
function guardPublish(metastore: Metastore, versionSet: VersionSet): void {
  metastore.guardPublish(
    (dataset, versionId) => {
      if (versionSet.isServed(dataset, versionId)) return
      throw new KVError(
        'FAILED_PRECONDITION',
        `version ${versionId} of dataset ${dataset} cannot be opened, so it is not published: see status for the reason`,
        { dataset },
      )
    },
    async (dataset, versionId) => {
      // The check says why it is not open.
      await versionSet.open(dataset, versionId).catch(() => undefined)
    },
  )
}

/** Clusters' names reach the threads with the map. */
async function followClusterNames(metastore: Metastore, keeper: LeaseKeeper): Promise<void> {
  const publish = (): Promise<void> => {
    const clusterNames = metastore.clusters().flatMap(({ name, aliases }) => [name, ...aliases])
    return keeper.publish({ changed: [], removed: [], clusterNames })
  }
  metastore.subscribeClusters(publish)
  await publish()
}

function createKeeper(logger: Logger): LeaseKeeper {
  return new LeaseKeeper(
    {
      onOverdue: (overdue) =>
        logger.error({ overdue }, 'a thread is late in giving up DBs; they stay open until it does'),
      onHolderDied: killProcess,
    },
    { startTimer: startSystemTimer },
  )
}

/** Clients' listeners first: a gateway that answers /readyz can be used. */
async function listen(parts: Parts, admin: AdminServer): Promise<void> {
  for (const name of DATA_LISTENERS) {
    const at = listenAddress(parts.config, name)
    if (at === null) continue
    const { host, port } = await parts.pool.listen(name, at.host, at.port)
    parts.listeners.push({ name, host, port })
  }
  const controller = await parts.controller.listen()
  if (controller !== null) parts.listeners.push(controller)
  parts.listeners.push(...(await parts.legacyStatus.listen()))
  if (listenAddress(parts.config, 'admin') !== null) {
    const { host, port } = await admin.listen()
    const isTls = parts.config.listeners.admin.tls.certificateFile !== ''
    parts.listeners.push({ name: 'admin', host, port, ...(isTls && { isTls }) })
  }
}

async function stopParts(parts: Parts, admin: AdminServer): Promise<void> {
  parts.unreadyReasons.add('draining')
  await parts.zookeeper.close()
  await parts.legacyStatus.close()
  await parts.controller.close()
  await parts.migration.close()
  await parts.jobs.jobs.close()
  await parts.placement.close()
  await parts.pool.drain(parts.config.limits.drainTimeoutMs)
  await parts.usage.close()
  await admin.close()
  await parts.pool.endReads()
  await parts.endTelemetry()
  await Promise.race([parts.versionSet.close(), leaseTimeout(parts.options.logger)])
  await parts.observations.close()
  await parts.metastore.close()
  await parts.directory.close()
}

/** Not closing a DB loses nothing: the next start replays its log. */
function leaseTimeout(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    startSystemTimer(limits.leaseTimeoutMs, () => {
      logger.error({}, 'DBs are still in use after the lease time-out; ending without closing them')
      resolve()
    })
  })
}

function createAdmin(parts: Parts): AdminServer {
  const { config, options, metastore, loads, jobs } = parts
  const listenAt = listenAddress(config, 'admin') ?? { host: '127.0.0.1', port: 0 }
  const { allowedHosts, tls, tokens } = config.listeners.admin
  return createAdminServer(
    {
      logger: options.logger,
      metastore,
      loads,
      jobs,
      rows: rowAccess(parts.pool),
      usage: parts.usage,
      differences: parts.observations,
      migrations: parts.migration.access,
      status: () => status(parts),
      readiness: () => readiness(parts),
      renderMetrics: () => render(parts),
    },
    { listen: listenAt, allowedHosts, tokens, tls: tls.certificateFile === '' ? null : tls },
  )
}

/** Through a data thread, and so through the same admission and routing as every client's request. */
function rowAccess(pool: ThreadPool): RowAccess {
  const timeoutMs = limits.defaultDeadlineMs
  const write = (dataset: string, rowKey: Buffer, mutation: Mutation) =>
    pool.mutate({ ...PLAIN_WRITE, dataset, rowKey, mutations: [mutation] }, timeoutMs)
  return {
    get: async (dataset, rowKey, localKeys) => {
      const request = {
        dataset,
        rowKeys: [rowKey],
        selector: selectorOf(localKeys),
        selectorsByKey: null,
        datasetVersion: null,
        withTimestamps: true,
        withTtl: true,
        pageBytes: null,
        position: null,
      }
      const [row = null] = await pool.read(request, timeoutMs)
      if (row instanceof KVError) throw row
      return row
    },
    scan: (dataset, { localKeys, range, maxRows, position, datasetVersion }) =>
      pool.scan(
        {
          dataset,
          range,
          selector: selectorOf(localKeys),
          where: [],
          limit: null,
          isReversed: false,
          segment: null,
          pageRows: maxRows,
          pageBytes: limits.defaultPageBytes,
          position,
          datasetVersion,
          withTimestamps: true,
          withTtl: true,
        },
        timeoutMs,
      ),
    put: (dataset, rowKey, cells) =>
      write(dataset, rowKey, { kind: 'PUT', cells, timestamp: null, replaceRow: false }),
    remove: (dataset, rowKey, localKeys) => {
      const selector = selectorOf(localKeys)
      return write(dataset, rowKey, { kind: 'DELETE', selector, timestamp: null, scope: 'UP_TO_TIMESTAMP' })
    },
  }
}

const PLAIN_WRITE = {
  conditions: [],
  otherwise: [],
  returnOnConflict: undefined,
  returnAfter: undefined,
  idempotency: null,
  durability: null,
} as const

function selectorOf(localKeys: readonly Buffer[] | null): CellSelector | null {
  return localKeys === null ? null : columnsNamed(sortedDistinct(localKeys))
}

function readiness({ unreadyReasons }: Parts): Readiness {
  return { isReady: unreadyReasons.size === 0, reasons: [...unreadyReasons] }
}

function status(parts: Parts): GatewayStatus {
  const degraded = parts.versionSet.degraded()
  return {
    version: parts.options.build,
    processId: process.pid,
    startedAtMs: parts.startedAtMs,
    uptimeMs: systemClock.nowMs() - parts.startedAtMs,
    readiness: readiness(parts),
    epoch: parts.keeper.figures().adoptedEpoch,
    dataThreads: parts.pool.dataThreadCount,
    dataDirectory: parts.directory.path,
    listeners: parts.listeners,
    datasets: parts.metastore.list().map((record) => ({
      name: record.name,
      mode: record.mode,
      currentVersion: record.versions.find(({ state }) => state === 'CURRENT')?.id ?? null,
      problems: [
        ...degraded.filter(({ dataset }) => dataset === record.name).map(({ reason }) => reason),
        ...parts.placement.problemsOf(record),
      ],
      placement: parts.placement.versionsOf(record, parts.keeper.map),
    })),
    leaves: parts.placement.leaves(),
    backends: parts.breakers.list(),
  }
}

/** All that a scrape gets; RocksDB's part of it takes no longer than its limit. */
async function render(parts: Parts): Promise<string> {
  const { metrics, metricsPage, pool, keeper, versionSet } = parts
  const { adoptedEpoch, retiring, overdue } = keeper.figures()
  const [main, threads, shards, ofProcess] = await Promise.all([
    metrics.snapshot(),
    pool.snapshots(),
    parts.shardFigures.read(keeper.map, limits.shardFiguresTimeMs),
    processReadings(parts.options.build),
  ])
  const numbers = numberReadings({
    epoch: adoptedEpoch,
    retiring,
    overdue,
    openDbs: versionSet.openCount(),
    degradedDatasets: new Set([
      ...versionSet.degraded().map(({ dataset }) => dataset),
      ...parts.placement.damagedDatasets(),
    ]).size,
    isReady: readiness(parts).isReady,
  })
  const ofDatasets = datasetReadings(parts.metastore.list())
  const ofWork = [...loadReadings(parts.loads.list()), ...jobReadings(parts.jobs.jobs.list())]
  const readings = [
    ...parts.placement.readings(),
    ...parts.usage.readings(),
    ...backendReadings(parts.breakers.list()),
    ...numbers,
    ...parts.observations.readings(),
    ...ofProcess,
    ...ofDatasets,
    ...ofWork,
    ...shards,
  ]
  return await metricsPage.render([main, ...threads], readings)
}
