/** Part of the composition root: the HTTP that Terrapin's operators and dashboards know, where it is enabled. */
import { codeOf } from '../shims/terrapin/errors.js'
import { MAX_KEY_BYTES, overlong } from '../shims/terrapin/translate.js'
import { lookupPage } from './admin/legacy-lookup.js'
import { type LegacyPage, LegacyStatusServer } from './admin/legacy-status.js'
import { type StatsInput, statsPages } from './admin/legacy-stats.js'
import type { KVError } from './base/errors.js'
import { limits } from './base/limits.js'
import type { Logger } from './base/logger.js'
import type { MetricsSnapshot } from './base/metrics.js'
import { seriesOf } from './base/request-figures.js'
import { listenAddress } from './config/checks.js'
import type { Config } from './config/schema.js'
import type { ClusterMap } from './model/cluster-map.js'
import type { ListenerStatus } from './model/operations.js'
import { columnsNamed, type RowOutcome } from './model/row.js'
import type { ThreadPool } from './threads/pool.js'
import { TerrapinGetErrorCode } from './thrift/generated/terrapin.js'

export interface LegacyStatusParts {
  readonly config: Config
  readonly pool: Pick<ThreadPool, 'read' | 'snapshots'>
  readonly currentMap: () => ClusterMap
  readonly logger: Logger
}

const UNNAMED = columnsNamed([Buffer.alloc(0)])

/** What Terrapin's controller had beside the look-up. */
const UNSERVED_STATUS = new Map([['/status', 'use "godwit status" or GET /v1/status of the admin API']])

/** What Ostrich had beside statistics and health. */
const UNSERVED_STATS = new Map([
  ...['/server_info', '/threads', '/gc', '/contention'].map(
    (path) => [path, 'use "godwit status" or GET /metrics of the admin API'] as const,
  ),
  ...['/shutdown', '/quiesce', '/quitquitquit', '/abortabortabort', '/reload'].map(
    (path) => [path, 'stop a gateway by SIGTERM'] as const,
  ),
  ...['/logging', '/report', '/static', '/pprof', '/tracing', '/graph', '/graph_data'].map(
    (path) => [path, 'GET /metrics of the admin API has all figures'] as const,
  ),
])

export class GatewayLegacyStatus {
  readonly #parts: LegacyStatusParts
  readonly #servers: LegacyStatusServer[] = []

  constructor(parts: LegacyStatusParts) {
    this.#parts = parts
  }

  /** Those that are enabled. @throws {KVError} UNAVAILABLE when a port is taken */
  async listen(): Promise<readonly ListenerStatus[]> {
    const lookup = new Map([
      ['/status/lookup', lookupPage({ read: (...wish) => this.#read(...wish), errorName })],
    ])
    const stats = statsPages(() => this.#statsInput())
    return [
      ...(await this.#serve('terrapinStatus', lookup, UNSERVED_STATUS)),
      ...(await this.#serve('terrapinStats', stats, UNSERVED_STATS)),
    ]
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()))
  }

  async #serve(
    name: 'terrapinStatus' | 'terrapinStats',
    pages: ReadonlyMap<string, LegacyPage>,
    unserved: ReadonlyMap<string, string>,
  ): Promise<readonly ListenerStatus[]> {
    const { config, logger } = this.#parts
    const listen = listenAddress(config, name)
    if (listen === null) return []
    const { allowedHosts } = config.listeners.admin
    const server = new LegacyStatusServer({ listen, allowedHosts, pages, unserved, logger })
    this.#servers.push(server)
    return [{ name, ...(await server.listen()) }]
  }

  /** Through a data thread, like every client's read. An over-long key fails alone, as in the shim's calls. */
  async #read(fileSet: string, keys: readonly Buffer[]): Promise<readonly RowOutcome[]> {
    const readable = keys.filter(({ length }) => length <= MAX_KEY_BYTES)
    const found = await this.#readAll(fileSet, readable)
    let next = 0
    return keys.map((key) => (key.length <= MAX_KEY_BYTES ? (found[next++] ?? null) : overlong(key)))
  }

  #readAll(fileSet: string, rowKeys: readonly Buffer[]): Promise<readonly RowOutcome[]> {
    return this.#parts.pool.read(
      {
        dataset: fileSet,
        rowKeys,
        selector: UNNAMED,
        selectorsByKey: null,
        datasetVersion: null,
        withTimestamps: false,
        withTtl: false,
        pageBytes: null,
        position: null,
      },
      limits.terrapinTimeoutMs,
    )
  }

  async #statsInput(): Promise<StatsInput> {
    const snapshots = await this.#parts.pool.snapshots()
    const shares = new Map<string, number>()
    for (const [name, { record, current }] of this.#parts.currentMap().datasets) {
      if (record.mode !== 'BATCH' || !record.versions.some(({ state }) => state === 'CURRENT')) continue
      shares.set(name, current === null ? 0 : current.shards.length / record.shardCount)
    }
    return {
      series: snapshots.flatMap(({ requests }) => [...seriesOf(requests)]),
      secondReads: sums(snapshots, 'godwit_terrapin_second_reads_total', 'outcome'),
      connections: sums(snapshots, 'godwit_connections', 'listener')['terrapin'] ?? 0,
      onlineShares: shares,
    }
  }
}

function errorName(error: KVError): string {
  const code = codeOf(error, 'service')
  return Object.entries(TerrapinGetErrorCode).find(([, value]) => value === code)?.[0] ?? 'OTHER'
}

/** One metric over all threads, by the value of one label. */
function sums(snapshots: readonly MetricsSnapshot[], metric: string, label: string): Record<string, number> {
  const found: Record<string, number> = {}
  for (const { families } of snapshots) {
    // The shape of prom-client's JSON, in which snapshots are made.
    for (const { name, values } of families as readonly Family[]) {
      if (name !== metric) continue
      for (const { labels, value } of values) {
        const key = labels[label] ?? ''
        found[key] = (found[key] ?? 0) + value
      }
    }
  }
  return found
}

interface Family {
  readonly name: string
  readonly values: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]
}
