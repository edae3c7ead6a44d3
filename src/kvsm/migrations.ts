/**
 * What a migration may become. Pure: a record and a patch in, a record and what the audit says of it out. Which move leads
 * where is model/migration-plan.ts; what must hold before it (guards) is src/migration's to ask, before it comes here.
 *
 * Every change is one record. Nothing else remembers where a migration is, so that a gateway that dies at any point goes on
 * from the record.
 */
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { DatasetRecord } from '../model/dataset.js'
import { COMPARING_STATES, NO_DIALS, NO_MIGRATION, WHOLE_SHARE } from '../model/migration.js'
import type { Migration, MigrationDials, MigrationRamp, MigrationState } from '../model/migration.js'
import { MIGRATION_MOVES, type MigrationPatch } from '../model/migration-plan.js'
import { type Given, readInteger, readLine, refuse } from './drafts.js'

export interface MigratedDataset {
  readonly record: DatasetRecord
  /** Null: the change is of no interest to the audit. */
  readonly detail: string | null
}

/**
 * Null when the patch changes nothing.
 * @throws {KVError} UNSUPPORTED (not BATCH), FAILED_PRECONDITION (no such move from here), INVALID_ARGUMENT
 */
export function migratedDataset(
  record: DatasetRecord,
  patch: MigrationPatch,
  nowMs: number,
): MigratedDataset | null {
  requireMigratable(record)
  const before = record.migration ?? NO_MIGRATION
  const from = record.migrationState
  const to = patch.state ?? from
  if (to !== from) requireMove(record, to)
  const dials = dialsIn(to, checkedDials(record.name, { ...before.dials, ...patch.dials }), from)
  if (patch.dials !== undefined) requireEffect(record.name, to, { ...patch.dials }, dials)
  const migration: Migration = {
    dials,
    ramp: to === from ? rampAfter(record.name, before.ramp, patch) : null,
    owed: owedAfter(record.name, to, patch.owed ?? before.owed),
    originVersion: patch.originVersion === undefined ? before.originVersion : patch.originVersion,
    sinceMs: to === from ? before.sinceMs : nowMs,
  }
  const changes = [
    ...(to === from ? [] : [`${from} -> ${to}`]),
    ...describeDials(before.dials, to === from ? dials : before.dials),
    ...describeRamp(before.ramp, migration.ramp),
    ...describeOwed(before, migration),
    ...describeOriginVersion(before, migration),
  ]
  if (changes.length === 0 && JSON.stringify(before) === JSON.stringify(migration)) return null
  const note = patch.note === undefined || patch.note === '' ? [] : [patch.note]
  const detail = changes.length === 0 ? null : [...changes, ...note].join('; ')
  return { record: withMigration(record, to, migration), detail }
}

/** A dataset that does not migrate carries nothing of it; one whose migration is complete forgets its origin. */
function withMigration(record: DatasetRecord, to: MigrationState, migration: Migration): DatasetRecord {
  if (to !== 'RETIRED' && (to !== 'ORIGIN_ONLY' || migration.owed.length > 0)) {
    return { ...record, migrationState: to, migration }
  }
  const plain: { -readonly [Field in keyof DatasetRecord]: DatasetRecord[Field] } = { ...record }
  delete plain.migration
  return { ...plain, migrationState: to, origin: to === 'RETIRED' ? null : record.origin }
}

function requireMigratable({ name, mode, origin }: DatasetRecord): void {
  if (mode !== 'BATCH') {
    throw new KVError('UNSUPPORTED', `dataset ${name} is ${mode}: only BATCH datasets migrate so far`, {
      dataset: name,
    })
  }
  if (origin !== null) return
  throw new KVError(
    'FAILED_PRECONDITION',
    `dataset ${name} has no origin to migrate from: create it with the name of a configured one (origin, --origin)`,
    { dataset: name },
  )
}

function requireMove({ name, migrationState: from }: DatasetRecord, to: MigrationState): void {
  const moves = MIGRATION_MOVES[from]
  if (Object.values(moves).includes(to)) return
  const possible = Object.entries(moves).map(([move, state]) => `${move} to ${state}`)
  throw new KVError(
    'FAILED_PRECONDITION',
    `the migration of ${name} cannot go from ${from} to ${to}: from there it can ${possible.join(', ') || 'go nowhere'}`,
    { dataset: name },
  )
}

/** Dials that have no meaning in a state are 0 in it; what all keys did before a revert to RAMP, they go on to do. */
function dialsIn(state: MigrationState, dials: MigrationDials, from: MigrationState): MigrationDials {
  const isComparing = COMPARING_STATES.includes(state)
  const isRamping = state === 'RAMP'
  const splitShare = from === 'TARGET_PRIMARY' ? WHOLE_SHARE : dials.splitShare
  return {
    shadowShare: isComparing ? dials.shadowShare : NO_DIALS.shadowShare,
    baselineShare: isComparing ? dials.baselineShare : NO_DIALS.baselineShare,
    splitShare: isRamping ? splitShare : NO_DIALS.splitShare,
    splitCallers: isRamping ? dials.splitCallers : NO_DIALS.splitCallers,
  }
}

/** @throws {KVError} INVALID_ARGUMENT naming every fault */
function checkedDials(name: string, dials: MigrationDials): MigrationDials {
  const given: Given = { ...dials }
  const faults: string[] = []
  const share = (field: string): number => readInteger(given, field, { faults, min: 0, max: WHOLE_SHARE })
  const checked = {
    shadowShare: share('shadowShare'),
    baselineShare: share('baselineShare'),
    splitShare: share('splitShare'),
    splitCallers: [...new Set(dials.splitCallers)].sort(),
  }
  if (checked.splitCallers.length > limits.maxSplitCallers) {
    faults.push(`splitCallers may name at most ${limits.maxSplitCallers} callers`)
  }
  for (const caller of checked.splitCallers.slice(0, limits.maxSplitCallers)) {
    readLine({ splitCallers: caller }, 'splitCallers', { faults, maxLength: limits.maxNameLength })
  }
  refuse(`the change of the migration of ${name} is refused`, faults)
  return checked
}

/** A dial that would be turned without effect is refused, so that nobody believes that it had one. */
function requireEffect(name: string, state: MigrationState, given: Given, dials: MigrationDials): void {
  for (const field of ['shadowShare', 'baselineShare', 'splitShare'] as const) {
    const wished = given[field]
    if (wished === undefined || wished === dials[field]) continue
    const states = field === 'splitShare' ? 'RAMP' : COMPARING_STATES.join(', ')
    throw new KVError(
      'FAILED_PRECONDITION',
      `${field} of ${name} has no effect in ${state}: it is for ${states}`,
      { dataset: name },
    )
  }
  if (Array.isArray(given['splitCallers']) && given['splitCallers'].length > 0 && state !== 'RAMP') {
    throw new KVError(
      'FAILED_PRECONDITION',
      `splitCallers of ${name} have no effect in ${state}: they are for RAMP`,
      { dataset: name },
    )
  }
}

/** A split that is dialled by hand ends the ramp: two hands at one dial would fight. */
function rampAfter(
  name: string,
  before: MigrationRamp | null,
  { ramp, dials }: MigrationPatch,
): MigrationRamp | null {
  if (ramp === undefined) return dials?.splitShare === undefined ? before : null
  if (ramp === null) return null
  const given: Given = { ...ramp }
  const faults: string[] = []
  readInteger(given, 'toShare', { faults, min: 1, max: WHOLE_SHARE })
  readInteger(given, 'stepShare', { faults, min: 1, max: WHOLE_SHARE })
  readInteger(given, 'fromShare', { faults, min: 0, max: WHOLE_SHARE })
  readInteger(given, 'everyMs', { faults, min: limits.minRampStepMs, max: limits.maxRampStepMs })
  refuse(`the ramp of ${name} is refused`, faults)
  return ramp
}

function owedAfter(name: string, to: MigrationState, owed: Migration['owed']): Migration['owed'] {
  // The origin answers and loads go to it alone: what the target missed is of no interest any more.
  const kept = to === 'ORIGIN_ONLY' || to === 'ABORTING' ? owed.filter(({ side }) => side === 'ORIGIN') : owed
  if (kept.length <= limits.maxOwedLoads) return kept
  throw new KVError(
    'QUOTA_EXCEEDED',
    `dataset ${name} owes ${limits.maxOwedLoads} loads already: see "godwit migrate ${name} status" for what keeps them`,
    { dataset: name },
  )
}

/** `5 %`, `0.25 %`. */
export function percent(share: number): string {
  return `${share / 100} %`
}

function describeDials(before: MigrationDials, after: MigrationDials): string[] {
  const changes: string[] = []
  const note = (what: string, was: number, is: number): void => {
    if (was !== is) changes.push(`${what} ${percent(was)} -> ${percent(is)}`)
  }
  note('shadow', before.shadowShare, after.shadowShare)
  note('baseline', before.baselineShare, after.baselineShare)
  note('split', before.splitShare, after.splitShare)
  const [was, is] = [before.splitCallers.join(','), after.splitCallers.join(',')]
  if (was !== is) changes.push(`split callers ${was || 'none'} -> ${is || 'none'}`)
  return changes
}

function describeRamp(before: MigrationRamp | null, after: MigrationRamp | null): string[] {
  if (after === null) return before === null || before.state === 'DONE' ? [] : ['ramp ended']
  if (before === null || before.startedAtMs !== after.startedAtMs) {
    return [
      `ramp to ${percent(after.toShare)} by ${percent(after.stepShare)} every ${after.everyMs / 1000} s`,
    ]
  }
  if (before.state === after.state && before.breach === after.breach) return []
  return [`ramp ${before.state} -> ${after.state}: ${after.note}`]
}

function describeOwed(before: Migration, after: Migration): string[] {
  const nameOf = ({ side, versionId }: Migration['owed'][number]): string => `${side} ${versionId}`
  const had = new Set(before.owed.map(nameOf))
  const has = new Set(after.owed.map(nameOf))
  return [
    ...[...has].filter((name) => !had.has(name)).map((name) => `owes ${name}`),
    ...[...had].filter((name) => !has.has(name)).map((name) => `owes ${name} no more`),
  ]
}

function describeOriginVersion(before: Migration, after: Migration): string[] {
  const was = before.originVersion?.versionId
  const is = after.originVersion?.versionId
  const isSwapped = before.originVersion?.takenAtMs !== after.originVersion?.takenAtMs
  if (was === is) return is !== undefined && isSwapped ? [`origin version ${is} again`] : []
  return [`origin version ${was ?? 'unknown'} -> ${is ?? 'unknown'}`]
}
