/** Part of the composition root: migrations get to know the rest of the gateway, and loads reach both sides. */
import { networkInterfaces } from 'node:os'
import { TerrapinControllerClient } from '../../shims/terrapin/controller-client.js'
import { isRefusal } from '../../shims/terrapin/controller-errors.js'
import type { FileSetRequest, FileSetTaker } from '../../shims/terrapin/controller-loads.js'
import type { MigrationAccess } from '../admin/migration-access.js'
import { startSystemTimer, systemClock } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import { isWildcardHost } from '../base/hosts.js'
import type { Logger } from '../base/logger.js'
import type { UsageReport } from '../base/usage.js'
import type { Config } from '../config/schema.js'
import { type OriginNow, explainRead } from './explain.js'
import type { GatewayObservations } from './observations.js'
import { originFacts } from './origin-facts.js'
import type { GatewayPlacement } from './placement.js'
import type { GatewayUsage } from './usage.js'
import { checkPlacement } from '../kvsm/clusters.js'
import type { VersionSet } from '../leaf/version-set.js'
import { MigrationControl } from '../migration/control.js'
import { DoubleLoad, type ForwardedLoad, type TakeLoad } from '../migration/double-load.js'
import type { CallerUsage, TargetFacts } from '../migration/facts.js'
import { MigrationWatcher } from '../migration/watch.js'
import type { ClusterMap } from '../model/cluster-map.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { Loads } from '../model/load.js'
import type { Metastore } from '../model/metastore.js'
import type { ListenerStatus } from '../model/operations.js'
import type { SharedBreakers } from '../routing/shared-breakers.js'
import type { ThreadPool } from '../threads/pool.js'

export interface MigrationParts {
  readonly config: Config
  readonly metastore: Metastore
  readonly loads: Pick<Loads, 'list'>
  readonly placement: Pick<GatewayPlacement, 'versionsOf'>
  readonly versionSet: Pick<VersionSet, 'degraded'>
  readonly observations: Pick<GatewayObservations, 'migrationFigures' | 'dumpFlights'>
  readonly usage: Pick<GatewayUsage, 'usage'>
  readonly pool: Pick<ThreadPool, 'read'>
  readonly breakers: SharedBreakers
  readonly logger: Logger
  /** Filled as they begin to listen. */
  readonly listeners: readonly ListenerStatus[]
  currentMap(): ClusterMap
}

export class GatewayMigration {
  /** For the admin API. */
  readonly access: MigrationAccess
  readonly #parts: MigrationParts
  readonly #watcher: MigrationWatcher
  readonly #double: DoubleLoad
  readonly #controllers = new Map<string, TerrapinControllerClient>()
  #fileSets: FileSetTaker | null = null

  constructor(parts: MigrationParts) {
    const { config, metastore, observations, logger } = parts
    this.#parts = parts
    const world = {
      metastore,
      settings: config.migration,
      clock: systemClock,
      startTimer: startSystemTimer,
      logger,
      figures: (dataset: string) => observations.migrationFigures(dataset),
      origin: (record: DatasetRecord) => originFacts(parts.config, parts.pool, record),
      target: (record: DatasetRecord) => this.#targetFacts(record),
      usage: (dataset: string) => this.#callerUsage(dataset),
      onBreach: (dataset: string, note: string) => void this.#dump(dataset, note),
    }
    this.#watcher = new MigrationWatcher(world)
    const control = new MigrationControl(world, this.#watcher)
    this.access = Object.assign(control, {
      explain: (dataset: string, rowKey: Buffer, caller: string | null) =>
        explainRead(parts.currentMap(), { dataset, rowKey, caller }, (origin) => this.#originNow(origin)),
    })
    this.#double = new DoubleLoad({
      metastore,
      clock: systemClock,
      startTimer: startSystemTimer,
      logger,
      owedRetryMs: config.migration.owedRetryMs,
      loadTarget: (load) => this.#loadTarget(load),
      originLoader: ({ origin }) => this.#originLoader(origin),
      isRefusal: (error) =>
        isRefusal(error) ||
        (error instanceof KVError && error.code === 'UNAVAILABLE' && error.outcome === 'NOT_APPLIED'),
    })
  }

  /** @param fileSets loads them here: what goes to both sides goes there, too */
  doubled(fileSets: FileSetTaker): FileSetTaker {
    this.#fileSets = fileSets
    return {
      load: (request, done) => {
        if (!this.#double.isDoubled(request.fileSet)) return fileSets.load(request, done)
        let hasLeft = false
        this.#double.load(forwardedLoad(request)).then(
          () => hasLeft || done(null),
          (error: unknown) => hasLeft || done(error),
        )
        return () => {
          hasLeft = true
        }
      },
    }
  }

  /** To be called once everything else runs. */
  start(): void {
    this.#watcher.start()
    this.#double.start()
  }

  async close(): Promise<void> {
    this.#double.close()
    await this.#watcher.close()
    await Promise.all(Array.from(this.#controllers.values(), (client) => client.close()))
  }

  #loadTarget(load: ForwardedLoad): Promise<void> {
    const fileSets = this.#fileSets
    if (fileSets === null)
      throw new TypeError('file sets are loaded before there is anything that loads them')
    // As forwardedLoad wrote it.
    const request = JSON.parse(load.request) as FileSetRequest
    return new Promise((resolve, reject) => {
      fileSets.load(request, (failure) => {
        if (failure === null) resolve()
        else reject(failure instanceof Error ? failure : toKVError(failure, 'loadFileSet'))
      })
    })
  }

  #originLoader(origin: string | null): TakeLoad | null {
    const settings = origin === null ? undefined : this.#parts.config.origins[origin]
    if (origin === null || settings === undefined || settings.controller.host === '') return null
    const { host, port } = settings.controller
    // As forwardedLoad wrote it.
    return ({ request }) =>
      this.#controller(origin, host, port).loadFileSet(JSON.parse(request) as FileSetRequest)
  }

  #controller(name: string, host: string, port: number): TerrapinControllerClient {
    const known = this.#controllers.get(name)
    if (known !== undefined) return known
    const { logger } = this.#parts
    const made = new TerrapinControllerClient({ name, host, port, clock: systemClock, logger })
    this.#controllers.set(name, made)
    return made
  }

  /** Never rejects: what a plan says of callers is no reason not to have one. */
  async #callerUsage(dataset: string): Promise<CallerUsage | null> {
    const { usage, logger } = this.#parts
    try {
      return callerUsage(await usage.usage(dataset))
    } catch (error) {
      logger.warn({ dataset, err: error }, 'who asks for a dataset that migrates is not known')
      return null
    }
  }

  #targetFacts(record: DatasetRecord): TargetFacts {
    const { loads, placement, versionSet, listeners } = this.#parts
    const current = record.versions.find(({ state }) => state === 'CURRENT')
    const placed = placement
      .versionsOf(record, this.#parts.currentMap())
      .find(({ version }) => version === current?.id)
    const load = loads
      .list()
      .find(({ request, endedAtMs }) => request.dataset === record.name && endedAtMs === null)
    return {
      clusterProblem: this.#clusterProblem(record),
      problems: versionSet
        .degraded()
        .filter(({ dataset }) => dataset === record.name)
        .map(({ reason }) => reason),
      wantedCopies: placed?.wanted ?? 0,
      confirmedCopies: placed?.confirmed ?? 0,
      load: load?.id ?? null,
      ownAddresses: listeners.flatMap(addressesOf),
    }
  }

  #clusterProblem(record: DatasetRecord): string | null {
    const cluster = this.#parts.metastore.cluster(record.cluster)
    if (cluster === null) return `there is no cluster ${record.cluster}`
    try {
      checkPlacement(record, cluster)
      return null
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  #originNow(origin: string): OriginNow | null {
    const settings = this.#parts.config.origins[origin]
    if (settings === undefined) return null
    const { standInAfterMs, hedgeAfterMs } = settings
    return { isBreakerOpen: this.#parts.breakers.of(origin, 'primary').isOpen, standInAfterMs, hedgeAfterMs }
  }

  /** Never rejects: what a breach was made of is no reason not to go back. */
  async #dump(dataset: string, note: string): Promise<void> {
    const { observations, logger } = this.#parts
    try {
      const path = await observations.dumpFlights(note, dataset)
      logger.info({ dataset, path }, 'the last decisions before the breach are kept')
    } catch (error) {
      logger.error({ dataset, err: error }, 'the last decisions before the breach could not be kept')
    }
  }
}

function forwardedLoad(request: FileSetRequest): ForwardedLoad {
  const { fileSet, directory, actor } = request
  return {
    dataset: fileSet,
    versionId: directory.versionId,
    source: directory.url,
    request: JSON.stringify(request),
    actor,
  }
}

function callerUsage({ sinceMs, rows }: UsageReport): CallerUsage {
  const byCaller = new Map<string | null, number>()
  let requests = 0
  for (const { caller, count } of rows) {
    byCaller.set(caller, (byCaller.get(caller) ?? 0) + count)
    requests += count
  }
  return { sinceMs, requests, byCaller }
}

/** Every address under which a listener of ours can be meant. */
function addressesOf({ host, port }: ListenerStatus): string[] {
  const loopback = ['127.0.0.1', '::1', 'localhost']
  const all = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
  const hosts = isWildcardHost(host) ? [...loopback, ...all] : loopback.includes(host) ? loopback : [host]
  return hosts.map((one) => `${one}:${port}`)
}
