/**
 * Composition root of the main thread: data directory, metastore, leaf store, threads, admin API, loads; started in
 * that order and stopped in reverse. Every part gets its collaborators here and nowhere else.
 *
 * Start: nothing is listened to before every thread has the first ClusterMap. Stop: clients first, then the control
 * plane, then the DBs (through the lease protocol, like every other close), then the metastore and the directory.
 */
import { fileURLToPath } from 'node:url'
import { createAdminServer } from './admin/server.js'
import type { AdminServer } from './admin/server.js'
import type { RowAccess } from './admin/dependencies.js'
import { startSystemTimer, systemClock } from './base/clock.js'
import { sortedDistinct } from './base/bytes.js'
import { KVError } from './base/errors.js'
import { limits } from './base/limits.js'
import type { Logger } from './base/logger.js'
import { ThreadMetrics, renderMetrics } from './base/metrics.js'
import { listenAddress } from './config/checks.js'
import type { Config } from './config/schema.js'
import { openMetastore } from './kvsm/metastore.js'
import { openLmdbStore } from './kvsm/store-lmdb.js'
import { DataDirectory } from './leaf/data-directory.js'
import { acquireDirectoryLock } from './leaf/rocksdb/directory-lock.js'
import { RocksStore } from './leaf/rocksdb/store.js'
import { VersionSet } from './leaf/version-set.js'
import { LoadJobs } from './loader/load-job.js'
import { forkedBuild } from './loader/load-process.js'
import type { ClusterMap } from './model/cluster-map.js'
import type { Metastore } from './model/metastore.js'
import type { Mutation } from './model/mutation.js'
import type { GatewayStatus, ListenerStatus, Readiness } from './model/operations.js'
import { type CellSelector, columnsNamed } from './model/row.js'
import { killProcess } from './threads/kill-process.js'
import { type LeaseFigures, LeaseKeeper } from './threads/leases.js'
import { ThreadPool } from './threads/pool.js'

export interface GatewayOptions {
  readonly logger: Logger
  /** Version of the program, for describeServer and status. */
  readonly build: string
}

/** A running gateway. */
export interface Gateway {
  readonly listeners: readonly ListenerStatus[]
  readonly metastore: Metastore
  readonly directory: DataDirectory
  readonly loads: LoadJobs
  readonly versionSet: VersionSet
  currentMap(): ClusterMap
  leases(): LeaseFigures
  /** Answers what is in flight, closes everything, in at most the drain time-out plus the lease time-out. */
  stop(): Promise<void>
}

const LOAD_ENTRY = fileURLToPath(new URL('load-main.js', import.meta.url))

/** The main thread's parts, in the order in which they are started. */
interface Parts {
  readonly config: Config
  readonly options: GatewayOptions
  readonly startedAtMs: number
  readonly metrics: ThreadMetrics
  readonly directory: DataDirectory
  readonly metastore: Metastore
  readonly keeper: LeaseKeeper
  readonly versionSet: VersionSet
  readonly pool: ThreadPool
  readonly loads: LoadJobs
  /** Empty when requests may come. */
  readonly unreadyReasons: Set<string>
  readonly listeners: ListenerStatus[]
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
  const metastore = await openMetastore(store, systemClock, logger)
  const parts = await startParts(config, options, directory, metastore)
  const admin = createAdmin(parts)
  await listen(parts, admin)
  parts.unreadyReasons.delete('starting')
  let stopping: Promise<void> | null = null
  return {
    listeners: parts.listeners,
    metastore,
    directory,
    loads: parts.loads,
    versionSet: parts.versionSet,
    currentMap: () => parts.keeper.map,
    leases: () => parts.keeper.figures(),
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
  const metrics = new ThreadMetrics()
  const keeper = createKeeper(logger)
  const versionSet = new VersionSet(new RocksStore(), keeper, {
    directories: directory,
    logger,
    clock: systemClock,
    startTimer: startSystemTimer,
    forgetVersions: (dataset, ids) => metastore.forgetVersions(dataset, ids),
  })
  const shardFailures = metrics.counter('godwit_shard_failures_total')
  const pool = await ThreadPool.start({
    config,
    build,
    tokenKey: metastore.tokenKey,
    logger,
    keeper,
    onShardFailed: (incarnationId) => {
      shardFailures()
      void versionSet.shardFailed(incarnationId)
    },
  })
  await versionSet.start(metastore.list())
  metastore.subscribe(versionSet.onChange)
  metastore.guardPublish((dataset, versionId) => {
    if (versionSet.isServed(dataset, versionId)) return
    throw new KVError(
      'FAILED_PRECONDITION',
      `version ${versionId} of dataset ${dataset} cannot be opened, so it is not published: see status for the reason`,
      { dataset },
    )
  })
  const loads = new LoadJobs({
    metastore,
    files: directory,
    startBuild: forkedBuild({ entry: LOAD_ENTRY, heapMb: config.loads.heapMb }),
    clock: systemClock,
    logger,
    concurrent: config.loads.concurrent,
  })
  const startedAtMs = systemClock.nowMs()
  const unreadyReasons = new Set(['starting'])
  return {
    config,
    options,
    startedAtMs,
    metrics,
    directory,
    metastore,
    keeper,
    versionSet,
    pool,
    loads,
    unreadyReasons,
    listeners: [],
  }
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
  const kvstore = listenAddress(parts.config, 'kvstore')
  if (kvstore !== null) {
    const { host, port } = await parts.pool.listen('kvstore', kvstore.host, kvstore.port)
    parts.listeners.push({ name: 'kvstore', host, port })
  }
  if (listenAddress(parts.config, 'admin') !== null) {
    const { host, port } = await admin.listen()
    parts.listeners.push({ name: 'admin', host, port })
  }
}

async function stopParts(parts: Parts, admin: AdminServer): Promise<void> {
  parts.unreadyReasons.add('draining')
  await parts.loads.close()
  await parts.pool.drain(parts.config.limits.drainTimeoutMs)
  await admin.close()
  await Promise.race([parts.versionSet.close(), leaseTimeout(parts.options.logger)])
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
  const { config, options, metastore, loads } = parts
  const listenAt = listenAddress(config, 'admin') ?? { host: '127.0.0.1', port: 0 }
  return createAdminServer(
    {
      logger: options.logger,
      metastore,
      loads,
      rows: rowAccess(parts.pool),
      status: () => status(parts),
      readiness: () => readiness(parts),
      renderMetrics: () => render(parts),
    },
    { listen: listenAt, allowedHosts: config.listeners.admin.allowedHosts },
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
    datasets: parts.metastore.list().map(({ name, mode, versions }) => ({
      name,
      mode,
      currentVersion: versions.find(({ state }) => state === 'CURRENT')?.id ?? null,
      problems: degraded.filter(({ dataset }) => dataset === name).map(({ reason }) => reason),
    })),
  }
}

async function render({ metrics, pool, keeper, versionSet }: Parts): Promise<string> {
  const { adoptedEpoch, overdue } = keeper.figures()
  metrics.gauge('godwit_cluster_map_epoch')(adoptedEpoch)
  metrics.gauge('godwit_leases_overdue')(overdue)
  metrics.gauge('godwit_open_dbs')(versionSet.openCount())
  metrics.gauge('godwit_degraded_datasets')(new Set(versionSet.degraded().map(({ dataset }) => dataset)).size)
  return await renderMetrics([await metrics.snapshot(), ...(await pool.snapshots())])
}
