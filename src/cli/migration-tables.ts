/** What a migration looks like on a terminal. */
import type { MigrationState, Side } from '../model/migration.js'
import type { Guard, MigrationPlan, MigrationReport } from '../model/migration-plan.js'
import type { CommandRun } from './context.js'
import { formatCount, formatDuration, formatTime, right, type TableCell, whole } from './format.js'

const OUTCOMES: Readonly<Record<Guard['outcome'], TableCell>> = {
  PASS: { text: 'pass', tone: 'good' },
  FAIL: { text: 'FAIL', tone: 'bad' },
  TOO_LITTLE: { text: 'too little', tone: 'strong' },
}

/** `5 %`, of hundredths of a percent. */
export function percent(share: number): string {
  return `${share / 100} %`
}

/** The verdict, the guards, and what to do about those that did not pass. */
export function showPlan(run: CommandRun, plan: MigrationPlan): void {
  const { dataset, change, movedShare, movedRequests, guards, warnings, isAllowed } = plan
  run.line(`dataset ${dataset}: ${change} ${isAllowed ? 'may be done' : 'may not be done'}`)
  run.line(`${percent(movedShare)} of its keys would be answered by the other side`)
  if (movedRequests !== null) run.sentence(requestsText(movedRequests))
  for (const warning of warnings) run.sentence(`note: ${warning}`)
  if (guards.length === 0) return
  run.line('')
  run.table(
    [whole('GUARD'), 'OUTCOME', 'FOUND'],
    guards.map(({ name, outcome, figure }) => [name, OUTCOMES[outcome], figure]),
  )
  const failed = guards.filter(({ outcome }) => outcome !== 'PASS')
  if (failed.length > 0) run.line('')
  for (const { name, figure, bound, advice, isForceable } of failed) {
    run.sentence(`${name}: ${figure}, must be ${bound}${isForceable ? ' (may be forced)' : ''}`)
    run.sentence(advice, 2)
  }
}

/** Callers that have a side of their own ask more or less than others, so that a share of keys says little. */
function requestsText({ share, requests, sinceMs }: NonNullable<MigrationPlan['movedRequests']>): string {
  if (share === null) return 'by caller: unknown, no request of the dataset was counted yet'
  return `by caller: ${percent(share)} of its requests, of ${formatCount(requests)} counted since ${formatTime(sinceMs)}`
}

export function showReport(run: CommandRun, report: MigrationReport): void {
  run.pairs(pairsOf(report))
  run.line('')
  showFigures(run, report)
  for (const { side, source, attempts, error } of report.migration.owed) {
    run.sentence(`${nameOf(side)} owes ${source}, tried ${attempts} times: ${error}`)
  }
  const [onwards] = report.plans
  if (onwards === undefined) return
  run.line('')
  showPlan(run, onwards)
}

/** For people. */
export function nameOf(side: Side): string {
  return side === 'ORIGIN' ? 'the origin' : 'the target'
}

function pairsOf(report: MigrationReport): (readonly [string, string])[] {
  const { state, origin, migration, currentVersion, evidenceSinceMs } = report
  const { dials, ramp, originVersion, sinceMs } = migration
  return [
    ['dataset', report.dataset],
    ['state', sinceMs === 0 ? state : `${state} since ${formatTime(sinceMs)}`],
    ['origin', `${origin ?? 'none'}, version ${originVersion?.versionId ?? 'unknown'}`],
    ['target', `version ${currentVersion ?? 'none'}`],
    [
      'shadow',
      `${percent(dials.shadowShare)} of the requests, origin twice for ${percent(dials.baselineShare)} of them`,
    ],
    ['split', splitText(report)],
    ...(ramp === null ? [] : [['ramp', rampText(ramp)] as const]),
    ['seen since', formatTime(evidenceSinceMs)],
  ]
}

/** Who answers callers, where that is one side in a state that splits nothing. */
function splitText({ state, migration: { dials } }: MigrationReport): string {
  if (state === 'RAMP') {
    const callers = dials.splitCallers.length === 0 ? '' : `, and callers ${dials.splitCallers.join(', ')}`
    return `the target answers ${percent(dials.splitShare)} of the keys${callers}`
  }
  return `${nameOf(TARGET_STATES.includes(state) ? 'TARGET' : 'ORIGIN')} answers every key`
}

const TARGET_STATES: readonly MigrationState[] = ['TARGET_PRIMARY', 'TARGET_ONLY', 'RETIRED']

function rampText(ramp: NonNullable<MigrationReport['migration']['ramp']>): string {
  const { state, toShare, stepShare, everyMs, note } = ramp
  const what = `${state}, to ${percent(toShare)} by ${percent(stepShare)} every ${formatDuration(everyMs)}`
  return note === '' ? what : `${what}; ${note}`
}

function showFigures(run: CommandRun, { figures }: MigrationReport): void {
  const { origin, target, shadow } = figures
  const ms = (value: number | null): string => (value === null ? '-' : `${value.toFixed(1)} ms`)
  run.table(
    ['SIDE', right('REQUESTS'), right('FAILED'), right('P50'), right('P99'), 'BREAKER'],
    [['origin', origin] as const, ['target', target] as const].map(([name, side]) => [
      name,
      formatCount(side.requests),
      formatCount(side.errors),
      ms(side.p50Ms),
      ms(side.p99Ms),
      side.isBreakerOpen ? { text: 'open', tone: 'bad' } : 'closed',
    ]),
  )
  run.line('')
  const heads = [
    'SHADOWED',
    'MATCHED',
    'DIFFER',
    'TIED',
    'DROPPED',
    'EXPIRED',
    'FAILED',
    'BASELINE',
    'UNSTABLE',
  ]
  const counts = [shadow.sent, shadow.matched, shadow.mismatched, shadow.tied, shadow.dropped, shadow.expired]
  run.table(heads.map(right), [[...counts, shadow.failed, shadow.baseline, shadow.unstable].map(formatCount)])
  if (shadow.unconfirmed > 0) {
    run.line(`${formatCount(shadow.unconfirmed)} differed at first and could not be looked at again`)
  }
}
