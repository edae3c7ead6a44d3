/** What an outcome says about the backend that it came from. Pure. */
import { KVError } from '../base/errors.js'
import type { ReadResult } from '../model/request.js'

/** Times are sums of times: the last bits of two that are equal may differ. */
const ROUNDING_MS = 0.001

/** How long was waited, and how long must have been waited until silence counts. */
export interface Patience {
  readonly waitedMs: number
  readonly fairMs: number
}

/** What speaks against the backend; null: it answered, if only that a dataset is wrong, or nobody waited long enough. */
export function failureOf(outcome: unknown, { waitedMs, fairMs }: Patience): KVError | null {
  if (!(outcome instanceof KVError)) return failureOfRows(outcome)
  const { code } = outcome
  const isSilent = code === 'DEADLINE_EXCEEDED' && waitedMs + ROUNDING_MS >= fairMs
  return isSilent || code === 'UNAVAILABLE' || code === 'INTERNAL' ? outcome : null
}

/** Whether a call that tried shows that the backend is well: it must have come to an answer. */
export function hasAnswered(outcome: unknown): boolean {
  if (outcome instanceof KVError && outcome.code === 'OVERLOADED') return false
  return failureOf(outcome, { waitedMs: 0, fairMs: 0 }) === null
}

/** An old store answers by each key when what is behind it is gone. */
function failureOfRows(outcome: unknown): KVError | null {
  if (typeof outcome !== 'object' || outcome === null || !('datasetVersion' in outcome)) return null
  // Of the answers with a version, a read's and a scan's; a scan's rows are no errors.
  const { rows } = outcome as ReadResult
  const [first] = rows
  if (!(first instanceof KVError) || first.code !== 'UNAVAILABLE') return null
  return rows.every((row) => row instanceof KVError && row.code === 'UNAVAILABLE') ? first : null
}
