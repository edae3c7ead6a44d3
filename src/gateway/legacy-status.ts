/** Part of the composition root: the HTTP that Terrapin's operators and dashboards know, where it is enabled. */
import { lookupPage, UNSERVED_BESIDE_LOOKUP } from '../../shims/terrapin/status-lookup.js'
import { type StatusPage, StatusServer } from '../../shims/terrapin/status-server.js'
import { type StatsInput, statsPages, UNSERVED_BESIDE_STATS } from '../../shims/terrapin/status-stats.js'
import { refusalOf } from '../admin/same-site.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import type { MetricsSnapshot } from '../base/metrics.js'
import { seriesOf } from '../base/request-figures.js'
import { listenAddress } from '../config/checks.js'
import type { Config } from '../config/schema.js'
import type { ClusterMap } from '../model/cluster-map.js'
import type { ListenerStatus } from '../model/operations.js'
import type { ThreadPool } from '../threads/pool.js'

export interface LegacyStatusParts {
  readonly config: Config
  readonly pool: Pick<ThreadPool, 'read' | 'snapshots'>
  readonly currentMap: () => ClusterMap
  readonly logger: Logger
}

export class GatewayLegacyStatus {
  readonly #parts: LegacyStatusParts
  readonly #servers: StatusServer[] = []

  constructor(parts: LegacyStatusParts) {
    this.#parts = parts
  }

  /** Those that are enabled. @throws {KVError} UNAVAILABLE when a port is taken */
  async listen(): Promise<readonly ListenerStatus[]> {
    const { pool } = this.#parts
    // Through a data thread, like every client's read.
    const lookup = lookupPage((request) => pool.read(request, limits.terrapinTimeoutMs))
    const stats = statsPages(() => this.#statsInput())
    return [
      ...(await this.#serve('terrapinStatus', new Map([['/status/lookup', lookup]]), UNSERVED_BESIDE_LOOKUP)),
      ...(await this.#serve('terrapinStats', stats, UNSERVED_BESIDE_STATS)),
    ]
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()))
  }

  async #serve(
    name: 'terrapinStatus' | 'terrapinStats',
    pages: ReadonlyMap<string, StatusPage>,
    unserved: ReadonlyMap<string, string>,
  ): Promise<readonly ListenerStatus[]> {
    const { config, logger } = this.#parts
    const listen = listenAddress(config, name)
    if (listen === null) return []
    const own = {
      host: listen.host,
      allowedHosts: config.listeners.admin.allowedHosts,
      scheme: 'http',
    } as const
    const server = new StatusServer({
      ...{ listen, pages, unserved, logger },
      refusalOf: (headers) => refusalOf(headers, own),
    })
    this.#servers.push(server)
    return [{ name, ...(await server.listen()) }]
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
      valueSizes: snapshots.flatMap(({ valueSizes }) => valueSizes),
      secondReads: sums(snapshots, 'godwit_terrapin_second_reads_total', 'outcome'),
      connections: sums(snapshots, 'godwit_connections', 'listener')['terrapin'] ?? 0,
      onlineShares: shares,
    }
  }
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
