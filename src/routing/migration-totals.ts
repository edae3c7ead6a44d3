/**
 * The figures of all threads together, as guards, metrics and operators see them. Each thread tells its own about once a
 * second; the newest of each is kept.
 */
import type { Reading } from '../base/metrics.js'
import type { MetricName } from '../base/metrics-table.js'
import { NO_SHADOWS, type ShadowFigures, unaccounted } from '../model/difference.js'
import type { MigrationFigures, Side } from '../model/migration.js'
import type { ShadowCounts, WatchSnapshot } from './migration-watch.js'
import { sumSides } from './side-figures.js'

const SHADOW_RESULTS = ['matched', 'mismatched', 'tied', 'dropped', 'expired', 'failed'] as const

export class MigrationTotals {
  readonly #byThread = new Map<string, ReadonlyMap<string, WatchSnapshot>>()
  readonly #isOpen: (dataset: string, side: Side) => boolean
  readonly #idOf: (dataset: string) => string | null

  /**
   * @param isOpen whether the breaker of a side's backend is open: of the origin, or of a leaf that has the dataset
   * @param idOf null: there is no such dataset; names are used again, ids are not
   */
  constructor(isOpen: (dataset: string, side: Side) => boolean, idOf: (dataset: string) => string | null) {
    this.#isOpen = isOpen
    this.#idOf = idOf
  }

  receive(thread: string, snapshots: readonly WatchSnapshot[]): void {
    this.#byThread.set(thread, new Map(snapshots.map((one) => [one.dataset, one])))
  }

  /** All zero for a dataset that no thread has seen a request of. */
  figures(dataset: string): MigrationFigures {
    const snapshots = this.#of(dataset)
    const side = (which: Side) => sumSides(snapshots.map(({ sides }) => sides[which]))
    return {
      dataset,
      origin: { ...side('ORIGIN'), isBreakerOpen: this.#isOpen(dataset, 'ORIGIN') },
      target: { ...side('TARGET'), isBreakerOpen: this.#isOpen(dataset, 'TARGET') },
      shadow: sumShadows(snapshots.map(({ shadow }) => shadow)),
    }
  }

  /** For a scrape. */
  readings(): Reading[] {
    const seen = new Set([...this.#byThread.values()].flatMap((snapshots) => [...snapshots.keys()]))
    return [...seen]
      .filter((dataset) => this.#of(dataset).length > 0)
      .flatMap((dataset) => this.#readings(dataset))
  }

  #of(dataset: string): WatchSnapshot[] {
    const id = this.#idOf(dataset)
    const found: WatchSnapshot[] = []
    for (const snapshots of this.#byThread.values()) {
      const one = snapshots.get(dataset)
      // What a thread has not heard of yet was counted for a dataset that had this name before.
      if (one !== undefined && one.datasetId === id) found.push(one)
    }
    return found
  }

  #readings(dataset: string): Reading[] {
    const { origin, target, shadow } = this.figures(dataset)
    const readings: Reading[] = []
    const add = (name: MetricName, value: number, labels: Readonly<Record<string, string>> = {}): void => {
      readings.push({ name, labels: { dataset, ...labels }, value })
    }
    for (const [side, figures] of [['origin', origin] as const, ['target', target] as const]) {
      add('godwit_migration_reads_total', figures.requests, { side })
      add('godwit_migration_read_errors_total', figures.errors, { side })
      if (figures.p50Ms !== null) add('godwit_migration_read_p50_seconds', figures.p50Ms / 1000, { side })
      if (figures.p99Ms !== null) add('godwit_migration_read_p99_seconds', figures.p99Ms / 1000, { side })
    }
    add('godwit_migration_shadow_reads_total', shadow.sent)
    for (const result of SHADOW_RESULTS) {
      add('godwit_migration_shadow_results_total', shadow[result], { result })
    }
    add('godwit_migration_shadow_waiting', shadow.waiting)
    add('godwit_migration_shadow_unaccounted', unaccounted(shadow))
    add('godwit_migration_shadow_unconfirmed_total', shadow.unconfirmed)
    add('godwit_migration_baseline_reads_total', shadow.baseline)
    add('godwit_migration_baseline_unstable_total', shadow.unstable)
    return readings
  }
}

function sumShadows(all: readonly ShadowFigures[]): ShadowFigures {
  const sum: ShadowCounts = { ...NO_SHADOWS }
  for (const one of all) {
    // Both have the keys of ShadowFigures.
    for (const name of Object.keys(sum) as (keyof ShadowFigures)[]) sum[name] += one[name]
  }
  return sum
}
