/** What a new dataset may be: every setting's range and default, and which of them exclude each other. */
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Canary, ChangeContext, DatasetRecord } from '../model/dataset.js'
import type { DatasetDraft, VersionFigures } from '../model/metastore.js'
import { readCqlTable } from './cql-records.js'
import { readTable } from './table-records.js'
import { readLayout } from './value-layouts.js'

const MEBIBYTE = 1024 * 1024
const MAX_TEXT_LENGTH = 1024
/** The IDL carries TTLs as i32. */
const MAX_TTL_SECONDS = 2 ** 31 - 1
const MAX_CELL_VERSIONS = 1_000
/** Thirteen digits, until 2286: later ids, one past it each, stay exact. */
const MAX_GIVEN_VERSION_ID = 9_999_999_999_999
/** Ten days, as Cassandra has it: long enough for a writer that was away to come back. */
export const DEFAULT_GRACE_SECONDS = 864_000

/** The gateway's own process; it is always there. */
export const LOCAL_CLUSTER = 'local'
const MAX_REPLICAS = 5
/** Hundredths of a percent; all of the keys is a publish. */
const MAX_CANARY_SHARE = 9_999

const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]*$/
const NAME_RULE = `1 to ${limits.maxNameLength} of A-Z a-z 0-9 . _ - and begin with a letter or digit`

/** Names every setting that a draft may have; the compiler keeps it complete. */
const DRAFT_FIELDS: Readonly<Record<Exclude<keyof DatasetDraft, 'id'>, true>> = {
  name: true,
  owner: true,
  mode: true,
  description: true,
  keyOrder: true,
  timestampUnit: true,
  shardCount: true,
  cluster: true,
  replicas: true,
  retainedVersions: true,
  maxVersionBytes: true,
  maxValueBytes: true,
  maxCellVersions: true,
  graceSeconds: true,
  defaultTtlSeconds: true,
  defaultDurability: true,
  migrationState: true,
  origin: true,
  table: true,
  cql: true,
  explode: true,
}

/** Settings of data that is written in place. */
const READ_WRITE_FIELDS = [
  'defaultTtlSeconds',
  'defaultDurability',
  'maxCellVersions',
  'graceSeconds',
] as const

/** Settings of data that is loaded in versions. */
const BATCH_FIELDS = ['retainedVersions', 'replicas', 'maxVersionBytes', 'explode'] as const

export type Given = Readonly<Record<string, unknown>>

/**
 * The record that a draft describes, without versions, at revision 0.
 * @throws {KVError} INVALID_ARGUMENT naming every fault of the draft, UNSUPPORTED for STREAMING
 */
export function draftToRecord(
  draft: DatasetDraft,
  identity: { id: string; createdAtMs: number },
): DatasetRecord {
  // Drafts come from JSON and configuration: what the types say of them is a claim, not a fact.
  const given: Given = isObject(draft) ? draft : {}
  const faults: string[] = []
  const name = readName(given, 'name', faults)
  const mode = readChoice(given, 'mode', ['BATCH', 'READ_WRITE', 'STREAMING'], { faults })
  const record: DatasetRecord = {
    ...identity,
    name,
    owner: readOwner(given['owner'], faults),
    description:
      given['description'] === undefined ? '' : readLine(given, 'description', { faults, minLength: 0 }),
    mode,
    keyOrder: readChoice(given, 'keyOrder', ['HASHED', 'ORDERED'], { faults, fallback: 'HASHED' }),
    timestampUnit: readChoice(given, 'timestampUnit', ['MICROSECONDS', 'MILLISECONDS', 'OPAQUE'], {
      faults,
      fallback: 'MICROSECONDS',
    }),
    shardCount: readInteger(given, 'shardCount', { faults, min: 1, max: 1024, fallback: 1 }),
    ...readVersionSettings(given, faults),
    maxValueBytes: readInteger(given, 'maxValueBytes', {
      faults,
      min: 1,
      max: limits.maxValueBytes,
      fallback: MEBIBYTE,
    }),
    maxCellVersions: readInteger(given, 'maxCellVersions', {
      faults,
      min: 1,
      max: MAX_CELL_VERSIONS,
      fallback: 1,
    }),
    graceSeconds: readInteger(given, 'graceSeconds', {
      faults,
      min: 0,
      max: MAX_TTL_SECONDS,
      fallback: DEFAULT_GRACE_SECONDS,
    }),
    defaultTtlSeconds: isAbsent(given['defaultTtlSeconds'])
      ? null
      : readInteger(given, 'defaultTtlSeconds', { faults, min: 1, max: MAX_TTL_SECONDS, fallback: 1 }),
    defaultDurability: readChoice(given, 'defaultDurability', ['LOG', 'LOG_SYNCED'], {
      faults,
      fallback: 'LOG_SYNCED',
    }),
    migrationState: readChoice(given, 'migrationState', ['ORIGIN_ONLY', 'TARGET_ONLY'], {
      faults,
      fallback: 'TARGET_ONLY',
    }),
    origin: isAbsent(given['origin']) ? null : readName(given, 'origin', faults),
    ...readTable(given['table'], faults),
    ...readCqlTable(given['cql'], faults),
    ...readLayout(given['explode'], faults),
    generation: 0,
    versions: [],
    revision: 0,
  }
  faults.push(...unknownSettings(given), ...contradictions(record, given))
  refuse(`dataset ${name || 'draft'} is refused`, faults)
  if (mode === 'STREAMING') {
    throw new KVError(
      'UNSUPPORTED',
      `dataset ${name}: mode STREAMING is not offered yet; use READ_WRITE or BATCH`,
    )
  }
  return record
}

/** Where versions are served and how many are kept. */
function readVersionSettings(
  given: Given,
  faults: string[],
): Pick<DatasetRecord, 'cluster' | 'replicas' | 'retainedVersions' | 'canary' | 'maxVersionBytes'> {
  return {
    cluster: given['cluster'] === undefined ? LOCAL_CLUSTER : readName(given, 'cluster', faults),
    replicas: readInteger(given, 'replicas', { faults, min: 1, max: MAX_REPLICAS, fallback: 1 }),
    retainedVersions: readInteger(given, 'retainedVersions', { faults, min: 1, max: 10, fallback: 3 }),
    canary: null,
    maxVersionBytes: isAbsent(given['maxVersionBytes'])
      ? null
      : readInteger(given, 'maxVersionBytes', { faults, min: 1, max: Number.MAX_SAFE_INTEGER }),
  }
}

/** @throws {KVError} INVALID_ARGUMENT naming every fault */
export function checkChange(change: ChangeContext, subject: string): void {
  const given: Given = { ...change }
  const faults: string[] = []
  readLine(given, 'actor', { faults, maxLength: 256 })
  readLine(given, 'reason', { faults })
  if (given['ifRevision'] !== null)
    readInteger(given, 'ifRevision', { faults, min: 0, max: Number.MAX_SAFE_INTEGER })
  if (typeof given['isDryRun'] !== 'boolean') faults.push('isDryRun must be true or false')
  refuse(`${subject} is refused`, faults)
}

/** @throws {KVError} DATASET_NOT_FOUND when the dataset that the change is about went; another may have its name */
export function checkIsMeant(
  name: string,
  now: DatasetRecord | undefined,
  { datasetId }: ChangeContext,
): void {
  if (datasetId === undefined || now?.id === datasetId) return
  throw new KVError('DATASET_NOT_FOUND', `dataset ${name} of id ${datasetId} was removed`, { dataset: name })
}

/** @throws {KVError} INVALID_ARGUMENT */
export function checkSource(source: string, subject: string): void {
  const faults: string[] = []
  readLine({ source }, 'source', { faults })
  refuse(`${subject} is refused`, faults)
}

/** @throws {KVError} INVALID_ARGUMENT */
export function checkVersionId(versionId: number, subject: string): void {
  const faults: string[] = []
  readInteger({ versionId }, 'versionId', { faults, min: 1, max: MAX_GIVEN_VERSION_ID })
  refuse(`${subject} is refused`, faults)
}

/** @throws {KVError} INVALID_ARGUMENT */
export function checkArchiveUrl(url: string, subject: string): void {
  const faults: string[] = []
  readLine({ url }, 'url', { faults })
  if (faults.length === 0 && !/^(file|s3):\/\/.+/.test(url))
    faults.push('url must begin with file:// or s3://')
  refuse(`${subject} is refused`, faults)
}

/** The canary alone, without what else the object carries. @throws {KVError} INVALID_ARGUMENT naming every fault */
export function checkCanary(canary: Canary, subject: string): Canary {
  const given: Given = { ...canary }
  const faults: string[] = []
  const versionId = readInteger(given, 'versionId', { faults, min: 1, max: Number.MAX_SAFE_INTEGER })
  const share = readInteger(given, 'share', { faults, min: 1, max: MAX_CANARY_SHARE })
  refuse(`${subject} is refused`, faults)
  return { versionId, share }
}

/**
 * The figures alone, without what else the object carries.
 * @throws {KVError} INVALID_ARGUMENT naming every
 * fault
 */
export function checkFigures(figures: VersionFigures, subject: string): VersionFigures {
  const given: Given = { ...figures }
  const faults: string[] = []
  const rows = readInteger(given, 'rows', { faults, min: 0, max: Number.MAX_SAFE_INTEGER })
  const bytes = readInteger(given, 'bytes', { faults, min: 0, max: Number.MAX_SAFE_INTEGER })
  const checksum = readLine(given, 'checksum', { faults, maxLength: 128 })
  if (!/^[0-9a-f]*$/.test(checksum)) faults.push('checksum must be lowercase hex')
  refuse(`${subject} is refused`, faults)
  return { rows, bytes, checksum }
}

/** Settings that are right alone and wrong together. */
function contradictions(record: DatasetRecord, given: Given): string[] {
  const faults: string[] = []
  const isGiven = (field: keyof DatasetDraft): boolean => !isAbsent(given[field])
  if (record.mode === given['mode'] && record.mode === 'BATCH') {
    for (const field of READ_WRITE_FIELDS) {
      if (isGiven(field)) faults.push(`${field} is for READ_WRITE datasets: leave it out`)
    }
  } else if (record.mode === given['mode']) {
    for (const field of BATCH_FIELDS) {
      if (isGiven(field)) faults.push(`${field} is for BATCH datasets: leave it out`)
    }
  }
  if (record.keyOrder === 'ORDERED' && record.shardCount > 1) {
    faults.push('shardCount must be 1 with keyOrder ORDERED')
  }
  if (record.migrationState === 'ORIGIN_ONLY' && !isGiven('origin')) {
    faults.push('origin is missing: migrationState ORIGIN_ONLY needs the name of a configured origin')
  }
  if (record.migrationState === 'TARGET_ONLY' && isGiven('origin')) {
    faults.push('origin must be left out with migrationState TARGET_ONLY')
  }
  return faults
}

function unknownSettings(given: Given): string[] {
  return unknownAmong(given, Object.keys(DRAFT_FIELDS))
}

/** A fault for each field that is none of those. */
export function unknownAmong(given: Given, known: readonly string[]): string[] {
  const unknown = Object.keys(given).filter((field) => !known.includes(field))
  return unknown.map((field) => `${printable(field)} is no setting: use ${known.join(', ')}`)
}

function readOwner(value: unknown, faults: string[]): DatasetRecord['owner'] {
  if (!isObject(value)) {
    faults.push('owner is missing: give { name, contact } of the team that answers for the dataset')
    return { name: '', contact: '' }
  }
  for (const field of Object.keys(value)) {
    if (field !== 'name' && field !== 'contact') faults.push(`owner.${printable(field)} is no setting`)
  }
  const parts = { 'owner.name': value['name'], 'owner.contact': value['contact'] }
  return {
    name: readLine(parts, 'owner.name', { faults, maxLength: limits.maxNameLength }),
    contact: readLine(parts, 'owner.contact', { faults, maxLength: 256 }),
  }
}

export function readName(given: Given, field: string, faults: string[]): string {
  const value = given[field]
  if (typeof value === 'string' && value.length <= limits.maxNameLength && NAME_PATTERN.test(value))
    return value
  faults.push(
    value === undefined ? `${field} is missing: give ${NAME_RULE}` : `${field} must have ${NAME_RULE}`,
  )
  return ''
}

/** One line of text: no control characters, so that it can stand in a log or on a terminal. */
export function readLine(
  given: Given,
  field: string,
  rule: { readonly faults: string[]; readonly minLength?: number; readonly maxLength?: number },
): string {
  const value = given[field]
  const { minLength = 1, maxLength = MAX_TEXT_LENGTH } = rule
  if (isAbsent(value) || (typeof value === 'string' && value.trim().length < minLength)) {
    rule.faults.push(`${field} is missing: give 1 to ${maxLength} characters`)
    return ''
  }
  if (typeof value === 'string' && value.length <= maxLength && !/\p{Cc}/u.test(value)) return value
  rule.faults.push(`${field} must be one line of at most ${maxLength} characters`)
  return ''
}

export function readInteger(
  given: Given,
  field: string,
  rule: { readonly faults: string[]; readonly min: number; readonly max: number; readonly fallback?: number },
): number {
  const value = given[field]
  if (value === undefined && rule.fallback !== undefined) return rule.fallback
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= rule.min && value <= rule.max)
    return value
  rule.faults.push(`${field} must be a whole number from ${rule.min} to ${rule.max}`)
  return rule.min
}

function readChoice<const T extends string>(
  given: Given,
  field: string,
  choices: readonly [T, ...T[]],
  rule: { readonly faults: string[]; readonly fallback?: NoInfer<T> },
): T {
  const value = given[field]
  if (value === undefined && rule.fallback !== undefined) return rule.fallback
  const chosen = choices.find((choice) => choice === value)
  if (chosen !== undefined) return chosen
  rule.faults.push(`${field} must be one of ${choices.join(', ')}`)
  return choices[0]
}

export function refuse(subject: string, faults: readonly string[]): void {
  if (faults.length > 0) throw new KVError('INVALID_ARGUMENT', `${subject}: ${faults.join('; ')}`)
}

export function printable(field: string): string {
  return JSON.stringify(field.slice(0, limits.maxNameLength))
}

export function isAbsent(value: unknown): boolean {
  return value === undefined || value === null
}

export function isObject(value: unknown): value is Given {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
