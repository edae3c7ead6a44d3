/**
 * What a count of bad ones among all says about the share behind it: that it is within a bound, that it is beyond it, or
 * neither. By Wilson's score interval of 95 %, which holds for shares near 0 and for few samples, where the usual one does
 * not (E. B. Wilson, 1927).
 */
import type { GuardOutcome } from '../model/migration-plan.js'

/** Standard deviations of a 95 % interval. */
const Z = 1.96

/** One or two bad ones say nothing about a share, however few the others are. */
const LEAST_BAD = 3

/** The interval in which the share of bad ones lies. */
export function shareInterval(bad: number, total: number): readonly [low: number, high: number] {
  if (total <= 0) return [0, 1]
  const share = bad / total
  const spread = Z * Math.sqrt((share * (1 - share)) / total + (Z * Z) / (4 * total * total))
  const centre = share + (Z * Z) / (2 * total)
  const scale = 1 + (Z * Z) / total
  return [Math.max(0, (centre - spread) / scale), Math.min(1, (centre + spread) / scale)]
}

/** PASS needs `least` of them and the whole interval within the bound, FAIL the whole interval beyond it. */
export function judgeShare(
  bad: number,
  total: number,
  { max, least }: { readonly max: number; readonly least: number },
): GuardOutcome {
  const [low, high] = shareInterval(bad, total)
  if (bad >= LEAST_BAD && low > max) return 'FAIL'
  return total >= least && high <= max ? 'PASS' : 'TOO_LITTLE'
}

/** How many without a bad one it takes until their share is known to be within the bound. */
export function cleanSamplesFor(max: number): number {
  return max <= 0 ? Number.POSITIVE_INFINITY : Math.ceil((Z * Z * (1 - max)) / max)
}

/** The worst of several: what fails counts, then what is not known. */
export function worst(outcomes: readonly GuardOutcome[]): GuardOutcome {
  if (outcomes.includes('FAIL')) return 'FAIL'
  return outcomes.includes('TOO_LITTLE') ? 'TOO_LITTLE' : 'PASS'
}
