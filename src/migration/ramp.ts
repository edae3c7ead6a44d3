/**
 * What a ramp does next, from what was seen. Pure.
 *
 * It goes on one step when its time has come and the evidence since the last step passes; with too little evidence it waits,
 * however long. A breach takes it back to where it began, at any moment: between steps, while it waits, and after its last
 * step until somebody switches on. A breach is looked for in the last seconds as well as since the last step, because a long
 * good time would hide a sudden bad one.
 *
 * Where it began some keys may be the target's, too. They are watched on: what breaches there, before the first step or
 * after the step back, takes all keys back to the origin. What it went back for decides whether the target still stands in
 * for an origin that fails (routing/decide.ts), so that mismatches are looked for even then.
 */
import type { MigrationFigures, MigrationRamp, RampBreach } from '../model/migration.js'
import type { GuardOutcome } from '../model/migration-plan.js'
import { errorFinding, latencyFinding, mismatchFinding } from './evidence-rules.js'
import type { Finding } from './guard-rules.js'
import type { MigrationSettings } from './settings.js'
import { worst } from './statistics.js'

export interface RampView {
  readonly ramp: MigrationRamp
  readonly splitShare: number
  readonly shadowShare: number
  /** Figures of the breach window, and since the last step. */
  readonly recent: MigrationFigures
  readonly sinceStep: MigrationFigures
  readonly originP99Ms: number | null
  readonly settings: MigrationSettings
  /** Since the last step, onwards or back. */
  readonly waitedMs: number
}

/** After a step back figures still tell of before: threads adopt it and tell theirs about once a second. */
export const SETTLE_MS = 3_000

/** Latencies are those of a minute. */
const LATENCY_SETTLE_MS = 60_000 + SETTLE_MS

export type RampDecision =
  /** The note says what it waits for; it changes seldom. */
  | { readonly kind: 'WAIT'; readonly note: string }
  | { readonly kind: 'STEP'; readonly splitShare: number; readonly isLast: boolean }
  | ({ readonly kind: 'BACK'; readonly splitShare: number } & Breach)

/** Why a ramp goes back: what kind of thing, and its figures. */
interface Breach {
  readonly breach: RampBreach
  readonly note: string
}

export function decideRamp(view: RampView): RampDecision {
  const { ramp, splitShare, waitedMs } = view
  const hasGoneBack = ramp.state === 'BREACHED'
  if (hasGoneBack && waitedMs < SETTLE_MS) return { kind: 'WAIT', note: '' }
  const breach = findBreach(view)
  if (hasGoneBack && splitShare === 0) {
    // Without keys it still stands in for the origin, unless it is found to differ.
    const isWorse = ramp.breach === 'SERVICE' && breach?.breach === 'DATA'
    return isWorse ? { kind: 'BACK', splitShare, ...breach } : { kind: 'WAIT', note: '' }
  }
  if (breach !== null) {
    // What is wrong where it began is not mended by going back there.
    const isThere = splitShare <= ramp.fromShare
    return { kind: 'BACK', splitShare: isThere ? 0 : ramp.fromShare, ...breach }
  }
  if (hasGoneBack) return { kind: 'WAIT', note: '' }
  if (ramp.state === 'DONE') return { kind: 'WAIT', note: ramp.note }
  // Before its first step it has nothing to wait for but evidence.
  if (splitShare > ramp.fromShare && waitedMs < ramp.everyMs) return { kind: 'WAIT', note: '' }
  const missing = missingEvidence(view)
  if (missing !== null) return { kind: 'WAIT', note: missing }
  const next = Math.min(ramp.toShare, splitShare + ramp.stepShare)
  return { kind: 'STEP', splitShare: next, isLast: next >= ramp.toShare }
}

/** Why it has to go back; null: nothing says so. Of several the worst: wrong answers are worse than none. */
function findBreach(view: RampView): Breach | null {
  const { ramp, recent, sinceStep, settings, originP99Ms, waitedMs } = view
  const seen = [recent, sinceStep]
  const mismatches = failedOf(
    'mismatches',
    seen.map((figures) => mismatchFinding(figures, settings)),
  )
  if (mismatches !== null) return { breach: 'DATA', note: mismatches }
  // An origin that is gone answers nothing better: the target would stand in for it all the same.
  if (recent.origin.isBreakerOpen) return null
  // What it went back for once holds on while it is there.
  const breach = ramp.state === 'BREACHED' && ramp.breach !== 'SERVICE' ? 'DATA' : 'SERVICE'
  if (recent.target.isBreakerOpen) return { breach, note: "the target's breaker is open" }
  const errors = failedOf(
    "target's errors",
    seen.map((figures) => errorFinding(figures, settings)),
  )
  const isLatencyNew = ramp.state !== 'BREACHED' || waitedMs >= LATENCY_SETTLE_MS
  const latencies = isLatencyNew ? seen.map((figures) => latencyFinding(figures, settings, originP99Ms)) : []
  const note = errors ?? failedOf("target's p99", latencies)
  return note === null ? null : { breach, note }
}

/** The first finding that failed, as a text; null: none did. */
function failedOf(what: string, findings: readonly Finding[]): string | null {
  const failed = findings.find(({ outcome }) => outcome === 'FAIL')
  return failed === undefined ? null : `${what}: ${failed.figure}, must be ${failed.bound}`
}

/** What a step still has to wait for; null: nothing. */
function missingEvidence(view: RampView): string | null {
  const { sinceStep, settings, originP99Ms, splitShare, shadowShare } = view
  if (shadowShare === 0) return 'the shadow share is 0 %: nothing is compared'
  const findings: (readonly [string, Finding])[] = [['comparisons', mismatchFinding(sinceStep, settings)]]
  // While no key is the target's there is nothing to judge its answers by.
  if (splitShare > 0) {
    findings.push(['requests', errorFinding(sinceStep, settings)])
    findings.push(['latency', latencyFinding(sinceStep, settings, originP99Ms)])
  }
  const outcomes: readonly GuardOutcome[] = findings.map(([, { outcome }]) => outcome)
  if (worst(outcomes) === 'PASS') return null
  const short = findings.filter(([, { outcome }]) => outcome !== 'PASS')
  return `too little evidence: ${short.map(([what, { figure, bound }]) => `${what} ${figure}, must be ${bound}`).join('; ')}`
}
