/** The guards that look at what was seen: comparisons, errors, latency. Each passes, fails, or has too little. Pure. */
import { unaccounted } from '../model/difference.js'
import type { MigrationFigures } from '../model/migration.js'
import type { GuardOutcome } from '../model/migration-plan.js'
import type { MigrationFacts } from './facts.js'
import { compared } from './figures.js'
import { type Finding, type GuardRule, found, migrationOf } from './guard-rules.js'
import type { MigrationSettings } from './settings.js'
import { cleanSamplesFor, judgeShare } from './statistics.js'

export const accountedFor: GuardRule = {
  name: 'every shadow read is counted',
  isForceable: false,
  check: ({ evidence }) => {
    const rest = unaccounted(evidence.figures.shadow)
    return found(rest === 0, `${rest} unaccounted for`, [
      '0',
      "the figures cannot be relied on: keep the gateway's log and metrics, and report it",
    ])
  },
}

export const sidesAgree: GuardRule = {
  name: 'sides agree',
  isForceable: true,
  check: ({ evidence, settings, record }) => ({
    ...mismatchFinding(evidence.figures, settings),
    advice: `see what differs: godwit diff ${record.name}; with too little, wait or raise the shadow share`,
  }),
}

export const comparisonsDone: GuardRule = {
  name: 'shadow reads end in comparisons',
  isForceable: true,
  check: ({ evidence: { figures }, settings }) => {
    const { sent, waiting, dropped, expired, failed, tied } = figures.shadow
    const ended = sent - waiting
    const lost = dropped + expired + failed + tied
    const bound = `at most ${percentOf(settings.maxLostShare)} without, of ${settings.minComparisons} or more`
    const advice =
      'lower the shadow share, or see why the other side is slow: dropped, expired and failed in "status"'
    if (ended < settings.minComparisons) {
      return { outcome: 'TOO_LITTLE', figure: `${lost} of ${ended} without`, bound, advice }
    }
    return found(lost / ended <= settings.maxLostShare, `${lost} of ${ended} without`, [bound, advice])
  },
}

/** Without mismatches nothing has to be explained, so that a baseline is not needed. */
export const originStable: GuardRule = {
  name: 'origin agrees with itself',
  isForceable: true,
  check: ({ evidence: { figures }, settings, record }) => {
    const { baseline, unstable, mismatched } = figures.shadow
    const bound = `at most ${percentOf(settings.maxUnstableShare)}, of ${settings.minComparisons} or more read twice`
    const advice = `read it twice: godwit migrate ${record.name} shadow P --baseline P; an origin that differs from itself is not the target's fault`
    if (mismatched === 0 && unstable === 0) {
      return { outcome: 'PASS', figure: `0 of ${baseline} differ`, bound, advice }
    }
    const outcome = judgeShare(unstable, baseline, {
      max: settings.maxUnstableShare,
      least: settings.minComparisons,
    })
    return { outcome, figure: `${unstable} of ${baseline} differ`, bound, advice }
  },
}

export const targetErrors: GuardRule = {
  name: "target's errors",
  isForceable: true,
  check: ({ evidence, settings }) => errorFinding(evidence.figures, settings),
}

export const targetLatency: GuardRule = {
  name: "target's p99",
  isForceable: true,
  check: ({ evidence, settings }) => latencyFinding(evidence.figures, settings, evidence.originP99Ms),
}

export const targetBreakerClosed: GuardRule = {
  name: "target's breaker",
  isForceable: false,
  check: ({ evidence: { figures } }) =>
    found(!figures.target.isBreakerOpen, figures.target.isBreakerOpen ? 'open' : 'closed', [
      'closed',
      'the target fails too often: see "godwit status" and its log',
    ]),
}

/** Of the last state, in the last seconds: somebody who still reads from the origin would lose it. */
export const originUnused: GuardRule = {
  name: 'nothing is asked of the origin',
  isForceable: false,
  check: ({ evidence: { recent }, settings }) =>
    found(recent.origin.requests === 0, `${recent.origin.requests} requests`, [
      `0 in the last ${settings.breachWindowMs / 1000} s`,
      'find who asks ("godwit usage"), or wait until requests that began before have ended',
    ]),
}

/** A stale origin would answer what callers have long seen replaced. */
export const originKeptUp: GuardRule = {
  name: 'origin has the current version',
  isForceable: true,
  check: (facts) => sameVersionFinding(facts),
}

/** The same, but too little evidence is no reason: before keys are handed over there may be none. */
export function unlessItFails(rule: GuardRule): GuardRule {
  return {
    ...rule,
    check: (facts) => {
      const finding = rule.check(facts)
      return finding.outcome === 'TOO_LITTLE' ? { ...finding, outcome: 'PASS' } : finding
    },
  }
}

/**
 * How often the sides differed. What differed at first and could not be looked at again is no reason to go back, and no
 * agreement either: where it would decide, there is too little.
 */
export function mismatchFinding(figures: MigrationFigures, settings: MigrationSettings): Finding {
  const { mismatched, unconfirmed } = figures.shadow
  const total = compared(figures)
  const least = Math.max(settings.minComparisons, 1)
  const needed = Math.max(least, cleanSamplesFor(settings.maxMismatchShare))
  const bounds = { max: settings.maxMismatchShare, least }
  const outcome = judgeShare(mismatched, total, bounds)
  const atWorst = judgeShare(mismatched + unconfirmed, total + unconfirmed, bounds)
  const more = unconfirmed === 0 ? '' : `, ${unconfirmed} more may`
  return {
    outcome: outcome === 'PASS' && atWorst !== 'PASS' ? 'TOO_LITTLE' : outcome,
    figure: `${mismatched} of ${total} differ${more}`,
    bound: `at most ${percentOf(settings.maxMismatchShare)}, of ${needed} or more`,
    advice: 'see what differs with "godwit diff"',
  }
}

/** How often the target failed, beside how often the origin did. */
export function errorFinding({ origin, target }: MigrationFigures, settings: MigrationSettings): Finding {
  const ofOrigin = origin.requests === 0 ? 0 : origin.errors / origin.requests
  const max = Math.min(1, ofOrigin + settings.maxErrorShare)
  return {
    outcome: judgeShare(target.errors, target.requests, { max, least: settings.minRequests }),
    figure: `${target.errors} of ${target.requests} failed`,
    bound: `at most ${percentOf(max)}, of ${settings.minRequests} or more`,
    advice: 'see "godwit status" and the log for why; with too little, wait or raise the split',
  }
}

/** @param rememberedP99Ms of the origin, for when it is not asked enough any more */
export function latencyFinding(
  { origin, target }: MigrationFigures,
  { maxLatencyRatio, latencySlackMs, minRequests }: MigrationSettings,
  rememberedP99Ms: number | null,
): Finding {
  const ofOrigin = origin.p99Ms ?? rememberedP99Ms
  const advice = 'find what makes the target slow: "godwit status", traces, the hops of the bench'
  if (target.p99Ms === null || ofOrigin === null) {
    const missing = target.p99Ms === null ? 'target' : 'origin'
    const bound = `known of both sides, of ${minRequests} or more`
    return { outcome: 'TOO_LITTLE', figure: `${missing} unknown`, bound, advice }
  }
  const boundMs = ofOrigin * maxLatencyRatio + latencySlackMs
  const isKnown = target.requests >= minRequests
  const isWithin = target.p99Ms <= boundMs
  const outcome: GuardOutcome = isWithin ? (isKnown ? 'PASS' : 'TOO_LITTLE') : 'FAIL'
  return {
    outcome,
    figure: `${target.p99Ms.toFixed(1)} ms, origin ${ofOrigin.toFixed(1)} ms`,
    bound: `at most ${boundMs.toFixed(1)} ms`,
    advice,
  }
}

function sameVersionFinding({ record }: MigrationFacts): Finding {
  const target = record.versions.find(({ state }) => state === 'CURRENT')?.id
  const origin = migrationOf(record).originVersion?.versionId
  return found(
    target !== undefined && target === origin,
    `origin ${origin ?? 'unknown'}, target ${target ?? 'none'}`,
    ['equal', 'load the same data into the origin first; forced, callers may see older data than before'],
  )
}

/** `0.1 %`. */
export function percentOf(share: number): string {
  return `${Number((share * 100).toFixed(4))} %`
}
