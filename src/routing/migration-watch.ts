/**
 * What one thread sees of each dataset that has two sides: how each of them answered, and what became of shadow reads.
 * Main adds the threads' figures up (migration-totals.ts).
 */
import { NO_SHADOWS, type ShadowFigures } from '../model/difference.js'
import type { Side } from '../model/migration.js'
import { SideFigures, type SideSnapshot } from './side-figures.js'

export type ShadowCounts = { -readonly [K in keyof ShadowFigures]: number }

/** What became of a shadow read: it ends as exactly one of these. */
export type ShadowVerdict = 'matched' | 'mismatched' | 'tied' | 'dropped' | 'expired' | 'failed'

/** Plain data; travels between threads. */
export interface WatchSnapshot {
  readonly dataset: string
  readonly datasetId: string
  readonly sides: Readonly<Record<Side, SideSnapshot>>
  readonly shadow: ShadowFigures
}

export class DatasetWatch {
  readonly dataset: string
  readonly datasetId: string
  readonly sides: Readonly<Record<Side, SideFigures>> = {
    ORIGIN: new SideFigures(),
    TARGET: new SideFigures(),
  }
  readonly shadow: ShadowCounts = { ...NO_SHADOWS }
  /** Bytes of answers that wait to be compared. */
  heldBytes = 0

  constructor(dataset: string, datasetId: string) {
    this.dataset = dataset
    this.datasetId = datasetId
  }

  snapshot(nowMs: number): WatchSnapshot {
    const { dataset, datasetId, sides, shadow } = this
    return {
      dataset,
      datasetId,
      sides: { ORIGIN: sides.ORIGIN.snapshot(nowMs), TARGET: sides.TARGET.snapshot(nowMs) },
      shadow: { ...shadow },
    }
  }
}

export class MigrationWatch {
  readonly #watches = new Map<string, DatasetWatch>()

  of({ name, id }: { readonly name: string; readonly id: string }): DatasetWatch {
    const known = this.#watches.get(name)
    // A dataset made anew under the same name is another one.
    if (known?.datasetId === id) return known
    const made = new DatasetWatch(name, id)
    this.#watches.set(name, made)
    return made
  }

  forget(dataset: string): void {
    this.#watches.delete(dataset)
  }

  get isEmpty(): boolean {
    return this.#watches.size === 0
  }

  snapshot(nowMs: number): WatchSnapshot[] {
    return Array.from(this.#watches.values(), (watch) => watch.snapshot(nowMs))
  }
}
