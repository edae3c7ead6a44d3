/** Figures of a migrating dataset over a time: what was counted at its end less what was counted at its beginning. Pure. */
import { NO_SHADOWS } from '../model/difference.js'
import type { MigrationFigures, SideFigures } from '../model/migration.js'

const NO_SIDE: SideFigures = { requests: 0, errors: 0, p50Ms: null, p99Ms: null, isBreakerOpen: false }

export function noFigures(dataset: string): MigrationFigures {
  return { dataset, origin: NO_SIDE, target: NO_SIDE, shadow: NO_SHADOWS }
}

/** Counts become differences, also of what waits; latencies and breakers are those of the end. */
export function figuresBetween(start: MigrationFigures, end: MigrationFigures): MigrationFigures {
  return {
    dataset: end.dataset,
    origin: sideBetween(start.origin, end.origin),
    target: sideBetween(start.target, end.target),
    shadow: {
      sent: less(end.shadow.sent, start.shadow.sent),
      matched: less(end.shadow.matched, start.shadow.matched),
      mismatched: less(end.shadow.mismatched, start.shadow.mismatched),
      tied: less(end.shadow.tied, start.shadow.tied),
      dropped: less(end.shadow.dropped, start.shadow.dropped),
      expired: less(end.shadow.expired, start.shadow.expired),
      failed: less(end.shadow.failed, start.shadow.failed),
      waiting: end.shadow.waiting - start.shadow.waiting,
      unconfirmed: less(end.shadow.unconfirmed, start.shadow.unconfirmed),
      baseline: less(end.shadow.baseline, start.shadow.baseline),
      unstable: less(end.shadow.unstable, start.shadow.unstable),
    },
  }
}

export function compared({ shadow }: MigrationFigures): number {
  return shadow.matched + shadow.mismatched
}

function sideBetween(start: SideFigures, end: SideFigures): SideFigures {
  return {
    ...end,
    requests: less(end.requests, start.requests),
    errors: less(end.errors, start.errors),
  }
}

/** Counts of threads arrive one after the other, so that one may seem to go back for a moment. */
function less(end: number, start: number): number {
  return Math.max(0, end - start)
}
