/** What share of shadow reads was compared, and what one that was costs: pure. */
import type { ShadowFigures } from '../src/model/difference.js'
import type { Sample } from './harness.js'

type Counts = Pick<ShadowFigures, 'sent' | 'matched' | 'waiting'>

/**
 * Of the reads that were to be compared between the two: those that were, and agreed.
 *
 * @throws {Error} when there is none
 */
export function comparedShare(before: Counts, after: Counts): number {
  const matched = after.matched - before.matched
  if (matched <= 0) throw new Error(`nothing was compared: ${JSON.stringify({ before, after })}`)
  return matched / (endedOf(after) - endedOf(before))
}

function endedOf({ sent, waiting }: Counts): number {
  return sent - waiting
}

/** The same rounds of each. */
export interface ShadowRounds {
  readonly leaf: readonly Sample[]
  /** Gets of the origin, of which none is compared. */
  readonly none: readonly Sample[]
  /** All of them are to be. */
  readonly all: readonly Sample[]
  /** Shares of those that were. */
  readonly compared: readonly number[]
}

/** Processor time of two reads, each at its own cost, for that of one which is compared. Those that were dropped are not. */
export function twoReadsToShadowed({ leaf, none, all, compared }: ShadowRounds): number[] {
  const cost = (sample: Sample | undefined): number =>
    sample === undefined ? Number.NaN : sample.cpuSeconds / sample.count
  return all.map((sample, round) => {
    const [other, alone, share] = [cost(leaf[round]), cost(none[round]), compared[round] ?? Number.NaN]
    return (other + alone) / (alone + (cost(sample) - alone) / share)
  })
}
