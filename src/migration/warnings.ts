/**
 * What is probably not meant so, though nothing forbids it: settings that cancel each other out, callers that nobody is,
 * dials without effect. Guards stand in the way, warnings only say. Pure.
 */
import {
  type MigrationDials,
  type MigrationRamp,
  type MigrationState,
  COMPARING_STATES,
  WHOLE_SHARE,
} from '../model/migration.js'
import type { CallerUsage, MigrationFacts, OriginFacts } from './facts.js'
import { migrationOf } from './guard-rules.js'

/** How things are after a change. */
export interface Planned {
  readonly state: MigrationState
  readonly dials: MigrationDials
  /** One that is begun now; null: none. */
  readonly ramp: Pick<MigrationRamp, 'fromShare' | 'toShare' | 'stepShare' | 'everyMs'> | null
}

const BEFORE_THE_END: readonly MigrationState[] = ['VERIFY', 'RAMP', 'TARGET_PRIMARY']
const TARGET_STATES: readonly MigrationState[] = ['TARGET_PRIMARY', 'TARGET_ONLY', 'RETIRED']
const WITH_STAND_IN: readonly MigrationState[] = ['RAMP', 'TARGET_PRIMARY']
const DAY_MS = 86_400_000
/** Nobody watches a ramp for longer. */
const LONG_RAMP_MS = 30 * DAY_MS

export function warningsOf(facts: MigrationFacts, planned: Planned): readonly string[] {
  const { origin, settings, evidence } = facts
  const { state, dials, ramp } = planned
  const warnings: string[] = []
  const note = (isSo: boolean, text: string): void => {
    if (isSo) warnings.push(text)
  }
  if (origin !== null && state !== 'ORIGIN_ONLY') {
    warnings.push(...ofLoads(origin, state, facts.record.name), ...ofTimes(origin, state))
    const originP99Ms = evidence.figures.origin.p99Ms
    note(
      originP99Ms !== null && originP99Ms > origin.settings.deadlineMs / 2,
      `the origin's p99 is ${originP99Ms?.toFixed(0)} ms, and origins.${origin.name}.deadlineMs ${origin.settings.deadlineMs}: many reads are given up`,
    )
  }
  note(
    COMPARING_STATES.includes(state) && dials.baselineShare > 0 && dials.shadowShare === 0,
    'the baseline has no effect without shadow reads: it is a share of these',
  )
  note(
    state === 'TARGET_PRIMARY' && settings.soakMs === 0,
    'migration.soakMs is 0: the origin may be given up at once, and what goes wrong seldom shows late',
  )
  if (origin !== null) warnings.push(...ofLoss(facts, origin, planned))
  if (state === 'RAMP') warnings.push(...ofCallers(dials, facts.usage))
  if (ramp !== null) warnings.push(...ofRamp(ramp, settings.breachWindowMs))
  return warnings
}

function ofLoads(
  { name, controller, datasetProblem }: OriginFacts,
  state: MigrationState,
  dataset: string,
): string[] {
  const warnings: string[] = []
  if (controller === null && BEFORE_THE_END.includes(state)) {
    warnings.push(
      `loads reach one side only, because origins.${name}.controller is not set: load both sides by hand, and say which version the origin serves with "godwit migrate ${dataset} origin-version"`,
    )
  }
  if (datasetProblem !== null && state === 'ARMING') {
    warnings.push(`the origin does not answer reads of ${dataset} yet: ${datasetProblem}`)
  }
  return warnings
}

function ofTimes({ name, addresses, settings }: OriginFacts, state: MigrationState): string[] {
  const { deadlineMs, hedgeAfterMs, standInAfterMs, retryPercent } = settings
  const warnings: string[] = []
  const twice = addresses.find((address, index) => addresses.indexOf(address) !== index)
  if (twice !== undefined)
    warnings.push(`origins.${name} names ${twice} twice: it is one server all the same`)
  if (hedgeAfterMs >= deadlineMs) {
    warnings.push(
      `no read is hedged: origins.${name}.hedgeAfterMs ${hedgeAfterMs} is not below deadlineMs ${deadlineMs}`,
    )
  }
  if (hedgeAfterMs > 0 && retryPercent === 0) {
    warnings.push(`no read is hedged: origins.${name}.retryPercent is 0`)
  }
  if (WITH_STAND_IN.includes(state) && (standInAfterMs === 0 || standInAfterMs >= deadlineMs)) {
    warnings.push(
      `callers wait ${deadlineMs} ms for an origin that stalls: origins.${name}.standInAfterMs is ${standInAfterMs === 0 ? 'off' : 'not below deadlineMs'}`,
    )
  }
  return warnings
}

/** Going back is what one does when something is wrong; where that is the origin, it makes all of it worse. */
function ofLoss(
  { record, evidence }: MigrationFacts,
  { name, problem }: OriginFacts,
  { state, dials }: Planned,
): string[] {
  const why = problem ?? (evidence.figures.origin.isBreakerOpen ? 'its breaker is open' : null)
  const { dials: dialsNow } = migrationOf(record)
  const isLost = hasTarget(record.migrationState, dialsNow) && !hasTarget(state, dials)
  if (why === null || !isLost) return []
  return [`origin ${name} does not answer (${why}), and after this the target answers nobody in its place`]
}

/** Whether the target answers somebody, and so stands in for the origin. */
function hasTarget(state: MigrationState, { splitShare, splitCallers }: MigrationDials): boolean {
  return state === 'RAMP' ? splitShare > 0 || splitCallers.length > 0 : TARGET_STATES.includes(state)
}

function ofCallers({ splitCallers, splitShare }: MigrationDials, usage: CallerUsage | null): string[] {
  if (splitCallers.length === 0) return []
  if (splitShare === WHOLE_SHARE) return ['split callers have no effect: the target answers every key']
  if (usage === null || usage.requests === 0) return []
  const since = new Date(usage.sinceMs).toISOString()
  return splitCallers
    .filter((caller) => !usage.byCaller.has(caller))
    .map((caller) => `caller ${caller} has asked for nothing since ${since}: "godwit usage" has the names`)
}

function ofRamp(
  { fromShare, toShare, stepShare, everyMs }: NonNullable<Planned['ramp']>,
  breachWindowMs: number,
): string[] {
  const steps = Math.ceil((toShare - fromShare) / stepShare)
  const warnings: string[] = []
  if (steps * everyMs > LONG_RAMP_MS) {
    warnings.push(`the ramp takes ${Math.round((steps * everyMs) / DAY_MS)} days: ${steps} steps`)
  }
  if (everyMs < breachWindowMs) {
    warnings.push(
      `a step every ${everyMs / 1000} s is faster than breaches show, which are looked for in ${breachWindowMs / 1000} s`,
    )
  }
  if (steps === 1 && toShare - fromShare > WHOLE_SHARE / 2) {
    warnings.push(`the ramp is one step of ${(toShare - fromShare) / 100} %`)
  }
  return warnings
}
