/**
 * What the data threads tell of datasets that move, on the main thread: figures, differences, the last decisions. Guards,
 * operators and metrics ask here.
 */
import { join } from 'node:path'
import type { Clock } from '../base/clock.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import type { Reading } from '../base/metrics.js'
import { reading } from '../base/process-figures.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { Difference, DifferenceReport, FlightRecord } from '../model/difference.js'
import type { Metastore } from '../model/metastore.js'
import type { MigrationFigures } from '../model/migration.js'
import { groupDifferences } from '../routing/difference-groups.js'
import { DifferenceLog } from '../routing/difference-log.js'
import { writeDump } from '../routing/flight-dumps.js'
import { MigrationTotals } from '../routing/migration-totals.js'
import type { WatchSnapshot } from '../routing/migration-watch.js'
import type { SharedBreakers } from '../routing/shared-breakers.js'

export interface ObservationsOptions {
  readonly metastore: Metastore
  /** Of the data directory. */
  readonly directory: string
  readonly breakers: SharedBreakers
  /** Whether any thread does not ask a leaf process of the dataset's cluster, because it failed too often. */
  readonly isLeafBreakerOpen: (record: DatasetRecord) => boolean
  readonly clock: Clock
  readonly logger: Logger
  /** Of all data threads. */
  flights(lastMs: number, dataset: string | null): Promise<FlightRecord[]>
}

export class GatewayObservations {
  readonly #options: ObservationsOptions
  readonly #totals: MigrationTotals
  readonly #differences: DifferenceLog
  readonly #sweeping: Promise<void>
  #dumpedAtMs = 0

  constructor(options: ObservationsOptions) {
    const { metastore, directory, breakers, isLeafBreakerOpen, logger } = options
    this.#options = options
    const idOf = (dataset: string): string | null => metastore.get(dataset)?.id ?? null
    this.#totals = new MigrationTotals((dataset, side) => {
      const record = metastore.get(dataset)
      if (side === 'TARGET') return record !== null && isLeafBreakerOpen(record)
      const origin = record?.origin ?? null
      return breakers.list().some(({ name, role, isOpen }) => name === origin && role === 'primary' && isOpen)
    }, idOf)
    this.#differences = new DifferenceLog({ directory: join(directory, 'differences'), logger, idOf })
    this.#followRemovals(metastore, logger)
    this.#sweeping = this.#differences.keepOnly((datasetId) =>
      metastore.list().some(({ id }) => id === datasetId),
    )
  }

  /** What was found in a dataset goes with it; names are used again, ids are not. */
  #followRemovals(metastore: Metastore, logger: Logger): void {
    const ids = new Map(metastore.list().map(({ name, id }) => [name, id]))
    metastore.subscribe(async (name, record) => {
      const before = ids.get(name)
      if (record === null) ids.delete(name)
      else ids.set(name, record.id)
      if (before === undefined || before === record?.id) return
      try {
        await this.#differences.remove(before)
      } catch (error) {
        logger.warn(
          { dataset: name, err: error },
          'the differences of a dataset that is gone could not be removed',
        )
      }
    })
  }

  receiveFigures(thread: string, figures: readonly WatchSnapshot[]): void {
    this.#totals.receive(thread, figures)
  }

  receiveDifferences(differences: readonly Difference[], lost: number): void {
    this.#differences.add(differences, lost)
  }

  /** Of all threads, about a second old at most. */
  migrationFigures(dataset: string): MigrationFigures {
    return this.#totals.figures(dataset)
  }

  async differences(dataset: string, lastMs: number): Promise<DifferenceReport> {
    const toMs = this.#options.clock.nowMs()
    const fromMs = Math.max(0, toMs - lastMs)
    const { differences, damaged } = await this.#differences.read(dataset, fromMs)
    return groupDifferences(differences, { dataset, fromMs, toMs, lost: this.#differences.lost + damaged })
  }

  /** The newest ones, oldest first. */
  async flights(lastMs: number, dataset: string | null): Promise<readonly FlightRecord[]> {
    const all = await this.#options.flights(lastMs, dataset)
    return all.slice(-limits.maxDumpedFlights)
  }

  /** Puts the decisions that are remembered into a file, and answers its path. @throws {KVError} UNAVAILABLE */
  async dumpFlights(reason: string, dataset: string | null): Promise<string> {
    const { clock, directory } = this.#options
    // Files are named by it, and what is wrong with an origin takes all of its ramps back at the same moment.
    const atMs = Math.max(clock.nowMs(), this.#dumpedAtMs + 1)
    this.#dumpedAtMs = atMs
    const flights = await this.flights(Number.POSITIVE_INFINITY, dataset)
    return await writeDump(join(directory, 'dumps'), { atMs, reason, flights })
  }

  readings(): Reading[] {
    return [
      ...this.#totals.readings(),
      reading('godwit_migration_differences_lost_total', this.#differences.lost),
    ]
  }

  async close(): Promise<void> {
    await this.#sweeping
    await this.#differences.close()
  }
}
