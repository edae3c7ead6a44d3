/** Which share of the requests a change moves, where some callers have a side of their own. Pure. */
import { WHOLE_SHARE } from '../model/migration.js'
import type { MovedRequests } from '../model/migration-plan.js'
import type { CallerUsage } from './facts.js'

/** What the target answers: a share of the keys, and all that these callers ask for. */
export interface TargetPart {
  readonly splitShare: number
  readonly callers: readonly string[]
}

/** Null: no caller has a side of its own, so that requests move as keys do. */
export function movedRequests(
  before: TargetPart,
  after: TargetPart,
  usage: CallerUsage | null,
): MovedRequests | null {
  if (before.callers.length === 0 && after.callers.length === 0) return null
  const { requests, sinceMs, byCaller } = usage ?? NOBODY
  if (requests === 0) return { share: null, requests, sinceMs }
  let moved = 0
  for (const [caller, count] of byCaller) {
    moved += count * Math.abs(shareOf(after, caller) - shareOf(before, caller))
  }
  return { share: Math.round(moved / requests), requests, sinceMs }
}

const NOBODY: CallerUsage = { sinceMs: 0, requests: 0, byCaller: new Map() }

/** Of that caller's requests: the target's. */
function shareOf({ splitShare, callers }: TargetPart, caller: string | null): number {
  return caller !== null && callers.includes(caller) ? WHOLE_SHARE : splitShare
}
