/** The part of a dataset's record that is its migration: what it must be when it is read. */
import { RAMP_BREACHES } from '../model/migration.js'
import type { Migration, MigrationDials, MigrationRamp, OriginVersion, OwedLoad } from '../model/migration.js'

/** A test for every field: the compiler keeps it complete. */
type Checks<T> = Readonly<Record<keyof T, (value: unknown) => boolean>>

const isText = (value: unknown): boolean => typeof value === 'string'
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
const isListOf =
  (isRight: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every(isRight)

const dialChecks: Checks<MigrationDials> = {
  shadowShare: isCount,
  baselineShare: isCount,
  splitShare: isCount,
  splitCallers: isListOf(isText),
}

const rampChecks: Checks<MigrationRamp> = {
  toShare: isCount,
  stepShare: isCount,
  everyMs: isCount,
  fromShare: isCount,
  startedAtMs: isCount,
  lastStepAtMs: isCount,
  startedBy: isText,
  state: (value) => value === 'RUNNING' || value === 'BREACHED' || value === 'DONE',
  breach: (value) => value === undefined || RAMP_BREACHES.some((one) => one === value),
  note: isText,
}

const owedChecks: Checks<OwedLoad> = {
  side: (value) => value === 'ORIGIN' || value === 'TARGET',
  versionId: isCount,
  source: isText,
  request: isText,
  attempts: isCount,
  error: isText,
}

const originVersionChecks: Checks<OriginVersion> = { versionId: isCount, takenAtMs: isCount }

const migrationChecks: Checks<Migration> = {
  dials: fits(dialChecks),
  ramp: (value) => value === null || fits(rampChecks)(value),
  owed: isListOf(fits(owedChecks)),
  originVersion: (value) => value === null || fits(originVersionChecks)(value),
  sinceMs: isCount,
}

/** Datasets that do not migrate have none. */
export function isMigrationOrAbsent(value: unknown): boolean {
  return value === undefined || fits(migrationChecks)(value)
}

/** To the leaves. */
export function freezeMigration(migration: Migration): void {
  Object.freeze(migration.dials.splitCallers)
  Object.freeze(migration.dials)
  Object.freeze(migration.ramp)
  for (const load of migration.owed) Object.freeze(load)
  Object.freeze(migration.owed)
  Object.freeze(migration.originVersion)
  Object.freeze(migration)
}

function fits(checks: Readonly<Record<string, (value: unknown) => boolean>>): (value: unknown) => boolean {
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    // Any field may be asked for of an object that came as JSON.
    const given = value as Readonly<Record<string, unknown>>
    return Object.entries(checks).every(([field, isRight]) => isRight(given[field]))
  }
}
