/**
 * What was seen of each migrating dataset: the figures since its evidence began, and of the last seconds. In memory alone:
 * after a restart evidence is gathered anew, because the figures begin anew, too.
 *
 * Evidence begins anew with each state and each version of a side: what was seen of other data, or with other routing, says
 * nothing about what is to be decided now.
 */
import type { Clock } from '../base/clock.js'
import { limits } from '../base/limits.js'
import type { DatasetRecord } from '../model/dataset.js'
import { type MigrationFigures, NO_MIGRATION } from '../model/migration.js'
import { figuresBetween, noFigures } from './figures.js'

interface Sample {
  /** Monotonic, so that a clock that is put right moves no evidence. */
  readonly atMs: number
  readonly figures: MigrationFigures
}

interface Trail {
  /** What evidence is of; another one begins it anew. */
  readonly subject: string
  readonly start: Sample
  /** Oldest first, since the start. */
  readonly samples: Sample[]
  /** Newest p99 of the origin, which is not measured any more once the target answers everything. */
  originP99Ms: number | null
}

export interface Evidence {
  readonly sinceMs: number
  readonly figures: MigrationFigures
  readonly originP99Ms: number | null
}

/** With what was seen in the last seconds: what ended long ago must not stand in the way for ever. */
export interface RecentEvidence extends Evidence {
  readonly recent: MigrationFigures
}

export class EvidenceBook {
  readonly #clock: Clock
  /** By the wall, to compare with records; and monotonic. */
  readonly #startedAtMs: number
  readonly #startedMonotonicMs: number
  readonly #trails = new Map<string, Trail>()

  /** To be made when the gateway, and so its figures, begin. */
  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAtMs = clock.nowMs()
    this.#startedMonotonicMs = clock.monotonicMs()
  }

  /** Takes the figures of this moment down; answers all evidence until then. */
  note(record: DatasetRecord, figures: MigrationFigures): Evidence {
    const nowMs = this.#clock.monotonicMs()
    const subject = subjectOf(record)
    const present = this.#trails.get(record.name)
    const trail =
      present?.subject === subject ? present : this.#begin(record, subject, { atMs: nowMs, figures })
    if (figures.origin.p99Ms !== null) trail.originP99Ms = figures.origin.p99Ms
    trail.samples.push({ atMs: nowMs, figures })
    if (trail.samples.length > limits.maxFigureSamples) thin(trail.samples)
    return {
      sinceMs: Math.round(this.#clock.nowMs() - (nowMs - trail.start.atMs)),
      figures: figuresBetween(trail.start.figures, figures),
      originP99Ms: trail.originP99Ms,
    }
  }

  /**
   * Of the last `windowMs`, or since evidence began where that is later. Never of anything before: where too few looks are
   * kept, of a little less than all since then.
   */
  recent(name: string, windowMs: number): MigrationFigures {
    const trail = this.#trails.get(name)
    const last = trail?.samples.at(-1)
    if (trail === undefined || last === undefined) return noFigures(name)
    const fromMs = last.atMs - windowMs
    const first = [trail.start, ...trail.samples].find(({ atMs }) => atMs >= fromMs) ?? last
    return figuresBetween(first.figures, last.figures)
  }

  /** What is not migrating any more leaves nothing behind. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#trails.keys()) if (!names.has(name)) this.#trails.delete(name)
  }

  #begin(record: DatasetRecord, subject: string, now: Sample): Trail {
    const isOlder = (record.migration ?? NO_MIGRATION).sinceMs < this.#startedAtMs
    // The first look at a state that is older than the gateway: everything that its figures count was seen in it.
    const isAllOfIt = isOlder && !this.#trails.has(record.name)
    const start = isAllOfIt ? { atMs: this.#startedMonotonicMs, figures: noFigures(record.name) } : now
    const trail: Trail = { subject, start, samples: [], originP99Ms: null }
    this.#trails.set(record.name, trail)
    return trail
  }
}

function subjectOf({ id, migrationState, migration, versions }: DatasetRecord): string {
  const current = versions.find(({ state }) => state === 'CURRENT')?.id ?? 'none'
  const ofOrigin = migration?.originVersion?.versionId ?? 'unknown'
  return `${id} ${migrationState} ${current} ${ofOrigin}`
}

/** Of the older half every second look goes, so that a few looks reach back far and the last seconds stay whole. */
function thin(samples: Sample[]): void {
  const half = Math.floor(samples.length / 2)
  const kept = samples.slice(0, half).filter((_, index) => index % 2 === 0)
  samples.splice(0, half, ...kept)
}
