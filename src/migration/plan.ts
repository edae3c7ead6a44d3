/** What a change of a migration would do, and whether it may: which guards stand before which change. Pure. */
import { KVError } from '../base/errors.js'
import type { DatasetRecord } from '../model/dataset.js'
import {
  type MigrationDials,
  type MigrationRamp,
  type MigrationState,
  WHOLE_SHARE,
} from '../model/migration.js'
import {
  type Guard,
  MIGRATION_MOVES,
  type MigrationMove,
  type MigrationPlan,
} from '../model/migration-plan.js'
import * as seen from './evidence-rules.js'
import type { MigrationFacts } from './facts.js'
import * as rules from './guard-rules.js'
import { type GuardRule, checkRule, migrationOf } from './guard-rules.js'
import { type TargetPart, movedRequests } from './moved.js'
import { warningsOf } from './warnings.js'

/** Before every move onwards. What comes first is printed first. */
const ONWARDS: readonly GuardRule[] = [
  rules.isBatch,
  rules.originConfigured,
  rules.originIsNotSelf,
  rules.controllerIsNotSelf,
  rules.originReachable,
  rules.clusterReady,
  rules.nothingOwed,
  rules.originOwesNothing,
]

/** Once the target's answers count. */
const TARGET_READY: readonly GuardRule[] = [
  rules.versionPublished,
  rules.versionNotEmpty,
  rules.targetServes,
  rules.noCanary,
  rules.noLoadRuns,
  rules.sameVersion,
]

const COMPARED: readonly GuardRule[] = [
  rules.shadowDialled,
  seen.accountedFor,
  seen.sidesAgree,
  seen.comparisonsDone,
  seen.originStable,
]

const TARGET_HEALTHY: readonly GuardRule[] = [seen.targetBreakerClosed, seen.targetErrors, seen.targetLatency]

/** By the state that a switch, or completion, leads to. */
const GUARDS_TO: Readonly<Partial<Record<MigrationState, readonly GuardRule[]>>> = {
  ARMING: [...ONWARDS, rules.doubleLoad, rules.controllerReachable, rules.rollbackRetained],
  VERIFY: [...ONWARDS, rules.originHasDataset, rules.controllerReachable, ...TARGET_READY],
  RAMP: [...ONWARDS, ...TARGET_READY, ...COMPARED],
  TARGET_PRIMARY: [
    ...ONWARDS,
    ...TARGET_READY,
    rules.noRampRuns,
    rules.splitWhole,
    ...COMPARED,
    ...TARGET_HEALTHY,
  ],
  TARGET_ONLY: [
    ...ONWARDS,
    ...TARGET_READY,
    rules.soaked,
    rules.rollbackPossible,
    ...COMPARED,
    ...TARGET_HEALTHY,
  ],
  RETIRED: [
    rules.isBatch,
    rules.versionPublished,
    rules.targetServes,
    rules.copiesComplete,
    rules.nothingOwed,
    rules.originOwesNothing,
    rules.soaked,
    seen.originUnused,
    seen.targetBreakerClosed,
    seen.targetErrors,
  ],
}

/** Back to where the origin answers, or may: it has to be there and up to date. Below RAMP it answers all there is. */
const GUARDS_BACK_FROM: Readonly<Partial<Record<MigrationState, readonly GuardRule[]>>> = {
  RAMP: [rules.originReachableToReturn],
  TARGET_PRIMARY: [rules.originConfigured, rules.originReachable, seen.originKeptUp],
  TARGET_ONLY: [rules.originConfigured, rules.originReachable, seen.originKeptUp],
}

/** A split or a ramp hands keys to the target: nothing that is known may speak against it. */
const GUARDS_OF_RAISE: readonly GuardRule[] = [
  ...ONWARDS,
  rules.versionPublished,
  rules.targetServes,
  rules.noCanary,
  rules.sameVersion,
  seen.targetBreakerClosed,
  ...[seen.sidesAgree, seen.targetErrors, seen.targetLatency].map(seen.unlessItFails),
]

const SHARE_BEFORE: Readonly<Partial<Record<MigrationState, number>>> = {
  TARGET_PRIMARY: WHOLE_SHARE,
  TARGET_ONLY: WHOLE_SHARE,
  RETIRED: WHOLE_SHARE,
}

/** @throws {KVError} FAILED_PRECONDITION when there is no such move from here */
export function planMove(move: MigrationMove, facts: MigrationFacts, isForced: boolean): MigrationPlan {
  const { record } = facts
  const from = record.migrationState
  const to = MIGRATION_MOVES[from][move]
  if (to === undefined || record.origin === null) throw noSuchMove(record, move)
  const rulesOfMove =
    move === 'switch' || move === 'complete' ? GUARDS_TO[to] : move === 'revert' ? GUARDS_BACK_FROM[from] : []
  // A revert to RAMP leaves every key where it is; the split takes them back step by step.
  const shareAfter = to === 'RAMP' && from === 'TARGET_PRIMARY' ? WHOLE_SHARE : (SHARE_BEFORE[to] ?? 0)
  const dialsAfter = { ...migrationOf(record).dials, splitShare: shareAfter, splitCallers: [] }
  return planOf(facts, {
    change: `${from} -> ${to}`,
    to,
    after: { splitShare: shareAfter, callers: [] },
    guards: check(rulesOfMove ?? [], facts),
    warnings: warningsOf(facts, { state: to, dials: dialsAfter, ramp: null }),
    isForced,
  })
}

/** Of the moves that operators can make from here, the one onwards first. */
export function planAll(facts: MigrationFacts): readonly MigrationPlan[] {
  const moves: readonly MigrationMove[] = ['switch', 'complete', 'revert', 'abort']
  const { migrationState, origin } = facts.record
  return moves
    .filter((move) => MIGRATION_MOVES[migrationState][move] !== undefined && origin !== null)
    .map((move) => planMove(move, facts, false))
}

/** Of dials; raising the split needs guards, everything else is safe. */
export function planDials(
  facts: MigrationFacts,
  dials: Partial<MigrationDials>,
  isForced: boolean,
): MigrationPlan {
  const { record } = facts
  const before = migrationOf(record).dials
  const after = { ...before, ...dials }
  const isRaised =
    (dials.splitShare ?? before.splitShare) > before.splitShare ||
    (dials.splitCallers ?? []).some((caller) => !before.splitCallers.includes(caller))
  return planOf(facts, {
    change: describe(before, dials),
    to: record.migrationState,
    after: partAfter(record, after),
    guards: check(isRaised ? GUARDS_OF_RAISE : [], facts),
    warnings: warningsOf(facts, { state: record.migrationState, dials: after, ramp: null }),
    isForced,
  })
}

/** Of a ramp, which begins with the next look at the figures. */
export function planRamp(facts: MigrationFacts, ramp: MigrationRamp, isForced: boolean): MigrationPlan {
  const { record } = facts
  const { dials } = migrationOf(record)
  return planOf(facts, {
    change: `ramp of the split from ${ramp.fromShare / 100} % to ${ramp.toShare / 100} %`,
    to: record.migrationState,
    // Keys move with its steps.
    after: partAfter(record, dials),
    guards: check([...GUARDS_OF_RAISE, rules.shadowDialled], facts),
    warnings: warningsOf(facts, { state: record.migrationState, dials, ramp }),
    isForced,
  })
}

/** Of what is said about the version that the origin serves; null: not known any more. */
export function planOriginVersion(
  facts: MigrationFacts,
  versionId: number | null,
  isForced: boolean,
): MigrationPlan {
  const plan = planDials(facts, {}, isForced)
  const before = migrationOf(facts.record).originVersion?.versionId ?? 'unknown'
  const current = rules.currentVersion(facts.record)?.id ?? 'none'
  const isOther = versionId !== null && versionId !== current
  const note = `the target serves ${current}: nothing is compared until both sides serve one version`
  return {
    ...plan,
    change: `origin version ${before} -> ${versionId ?? 'unknown'}`,
    warnings: isOther ? [...plan.warnings, note] : plan.warnings,
  }
}

/** Who reads a refusal may have asked either. */
const FORCE = '"force" in the request, --force of the command'

/**
 * @throws {KVError} FAILED_PRECONDITION naming every guard that stands in the way, with its figure and bound, and whether
 * insisting would help
 */
export function requireAllowed({ dataset, change, guards, isAllowed }: MigrationPlan): void {
  if (isAllowed) return
  const failed = guards.filter(({ outcome }) => outcome !== 'PASS')
  const reasons = failed.map(
    ({ name, outcome, figure, bound, advice }) =>
      `${name}${outcome === 'FAIL' ? '' : ' (too little evidence)'}: ${figure}, must be ${bound} (${advice})`,
  )
  const firm = failed.filter(({ isForceable }) => !isForceable)
  const insisting =
    firm.length === 0
      ? `all of it may be forced (${FORCE})`
      : `forcing it (${FORCE}) does not help against: ${firm.map(({ name }) => name).join(', ')}`
  throw new KVError(
    'FAILED_PRECONDITION',
    `${change} of dataset ${dataset} is refused: ${reasons.join('; ')}; ${insisting}`,
    { dataset },
  )
}

/** Names of the guards that were gone past; for the audit. */
export function forcedNames({ guards }: MigrationPlan): readonly string[] {
  return guards.filter(({ outcome }) => outcome !== 'PASS').map(({ name }) => name)
}

function check(guardRules: readonly GuardRule[], facts: MigrationFacts): readonly Guard[] {
  return guardRules.map((rule) => checkRule(rule, facts))
}

interface PlanParts extends Pick<MigrationPlan, 'change' | 'to' | 'guards' | 'warnings'> {
  readonly after: TargetPart
  readonly isForced: boolean
}

function planOf({ record, usage }: MigrationFacts, plan: PlanParts): MigrationPlan {
  const { isForced, after, ...parts } = plan
  const before = partAfter(record, migrationOf(record).dials)
  const isAllowed = parts.guards.every(
    ({ outcome, isForceable }) => outcome === 'PASS' || (isForced && isForceable),
  )
  return {
    ...{ dataset: record.name, from: record.migrationState },
    ...parts,
    movedShare: Math.abs(after.splitShare - before.splitShare),
    movedRequests: movedRequests(before, after, usage),
    isAllowed,
  }
}

/** What the target answers in the present state, with these dials. */
function partAfter({ migrationState }: DatasetRecord, dials: MigrationDials): TargetPart {
  const splitShare = SHARE_BEFORE[migrationState] ?? dials.splitShare
  return { splitShare, callers: migrationState === 'RAMP' ? dials.splitCallers : [] }
}

function describe(before: MigrationDials, dials: Partial<MigrationDials>): string {
  const changes: string[] = []
  const note = (what: string, was: number, is: number | undefined): void => {
    if (is !== undefined) changes.push(`${what} ${was / 100} % -> ${is / 100} %`)
  }
  note('shadow', before.shadowShare, dials.shadowShare)
  note('baseline', before.baselineShare, dials.baselineShare)
  note('split', before.splitShare, dials.splitShare)
  if (dials.splitCallers !== undefined) {
    changes.push(
      `split callers ${before.splitCallers.join(',') || 'none'} -> ${dials.splitCallers.join(',') || 'none'}`,
    )
  }
  return changes.join('; ')
}

function noSuchMove({ name, migrationState, origin }: DatasetRecord, move: MigrationMove): KVError {
  const possible = origin === null ? [] : Object.keys(MIGRATION_MOVES[migrationState])
  return new KVError(
    'FAILED_PRECONDITION',
    `dataset ${name} is ${migrationState}${origin === null ? ' and has no origin' : ''}, from where there is no ${move}; ` +
      `there is ${possible.filter((other) => other !== 'end').join(', ') || 'none'}`,
    { dataset: name },
  )
}
