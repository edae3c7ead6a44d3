/** Medians and spreads: what is left of a measurement once its rounds are over. */

/** Of the rounds of one measurement; all in the measurement's own unit. */
export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** @throws {RangeError} when there is nothing to summarise */
export function summarise(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b)
  const low = sorted[Math.floor((sorted.length - 1) / 2)]
  const high = sorted[Math.floor(sorted.length / 2)]
  const min = sorted[0]
  const max = sorted.at(-1)
  if (low === undefined || high === undefined || min === undefined || max === undefined) {
    throw new RangeError('no values to summarise')
  }
  return { median: (low + high) / 2, min, max }
}

/**
 * Quotients round by round. Both sides of a quotient come from the same round, so that a slow spell of the machine,
 * which lasts longer than a round, falls on both.
 *
 * @throws {RangeError} when the rounds do not pair up
 */
export function ratios(of: readonly number[], to: readonly number[]): number[] {
  if (of.length !== to.length) throw new RangeError(`${of.length} rounds cannot be paired with ${to.length}`)
  return of.map((value, round) => value / (to[round] ?? Number.NaN))
}
