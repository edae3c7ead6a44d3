/** In which order a version set opens what is to be open, and how many at once. */
import type { Unit } from './served-dataset.js'

/** Opening takes the processor as much as the disk; more at once only makes each slower. */
export const PARALLEL_OPENS = 4

/** Of what nobody waits for, once requests are served, which want the processors as well. */
export const PARALLEL_OPENS_UNASKED = 1

/**
 * For slots.ts: what somebody waits for comes first; then live shards, whose requests fail until they are open; then what
 * clients read, which wait and so ask for it; then what they may read soon.
 */
export const PRIORITY = { asked: 0, live: 1, serving: 2, soon: 3 } as const

/** Of a unit that nobody asked for. */
export function priorityOf({ versionId, isServing }: Unit): number {
  if (versionId === null) return PRIORITY.live
  return isServing ? PRIORITY.serving : PRIORITY.soon
}
