/**
 * Dataset records and audit lines as text in the store, and back.
 *
 * Each is one JSON object that begins with its format number. A newer format is refused by name before
 * anything else of it is looked at; in a known format every field is checked, so that what passes is what the
 * types say. The revision is not in the text: it is the store's.
 */
import { KVError } from '../base/errors.js'
import type { AuditLine, DatasetRecord, VersionRecord } from '../model/dataset.js'
import { MIGRATION_STATES } from '../model/migration.js'
import { DEFAULT_GRACE_SECONDS, LOCAL_CLUSTER } from './drafts.js'
import { deepFreeze, isCqlTableOrAbsent } from './cql-records.js'
import { freezeTable, isTableOrAbsent } from './table-records.js'
import { freezeLayout, isLayoutOrAbsent } from './value-layouts.js'
import { freezeMigration, isMigrationOrAbsent } from './migration-records.js'
import type { ShelfRules } from './shelf.js'
import type { StoredRecord } from './store.js'

/**
 * Rises when older programs would misread a record. Never reuse a number. 1: without clusters, canaries and archives;
 * 2: with them; 3: with a migration, and only written of datasets that have one.
 */
export const DATASET_FORMAT = 3
const FORMAT_WITHOUT_MIGRATION = 2
export const AUDIT_FORMAT = 1

/** What is stored of a dataset: its record and what only KVSM needs to know. */
export interface StoredDataset {
  readonly record: DatasetRecord
  /** Greatest version id ever given, kept when that version is gone; 0: none yet. */
  readonly lastVersionId: number
}

/** A test for every field: the compiler keeps it complete. */
export type Checks<T> = Readonly<Record<keyof T, (value: unknown) => boolean>>

export const isText = (value: unknown): boolean => typeof value === 'string'
export const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
const isTextOrNull = (value: unknown): boolean => value === null || isText(value)
const isOneOf =
  (...names: readonly string[]) =>
  (value: unknown): boolean =>
    typeof value === 'string' && names.includes(value)

const versionChecks: Checks<VersionRecord> = {
  id: isCount,
  state: isOneOf('LOADING', 'READY', 'CURRENT', 'ARCHIVED', 'FAILED', 'DELETED'),
  rows: isCount,
  bytes: isCount,
  checksum: isText,
  source: isText,
  loadedBy: isText,
  createdAtMs: isCount,
  archive: isTextOrNull,
  formerArchives: (value) => value === undefined || (Array.isArray(value) && value.every(isText)),
  cluster: (value) => value === undefined || isText(value),
}

const datasetChecks: Checks<Omit<DatasetRecord, 'revision'>> = {
  id: isText,
  name: isText,
  owner: (value) => isObject(value) && isText(value['name']) && isText(value['contact']),
  description: isText,
  mode: isOneOf('BATCH', 'READ_WRITE', 'STREAMING'),
  keyOrder: isOneOf('HASHED', 'ORDERED'),
  timestampUnit: isOneOf('MICROSECONDS', 'MILLISECONDS', 'OPAQUE'),
  shardCount: isCount,
  cluster: isText,
  replicas: isCount,
  retainedVersions: isCount,
  canary: isCanaryOrNull,
  maxVersionBytes: (value) => value === null || isCount(value),
  maxValueBytes: isCount,
  maxCellVersions: isCount,
  graceSeconds: isCount,
  defaultTtlSeconds: (value) => value === null || isCount(value),
  defaultDurability: isOneOf('LOG', 'LOG_SYNCED'),
  migrationState: isOneOf(...MIGRATION_STATES),
  origin: isTextOrNull,
  migration: isMigrationOrAbsent,
  table: isTableOrAbsent,
  cql: isCqlTableOrAbsent,
  explode: isLayoutOrAbsent,
  generation: isCount,
  versions: (value) => Array.isArray(value) && value.every((one) => wrongField(versionChecks, one) === null),
  createdAtMs: isCount,
}

/** What records lack that were written before there were such fields. */
const ABSENT_FIELDS = {
  maxCellVersions: 1,
  graceSeconds: DEFAULT_GRACE_SECONDS,
  cluster: LOCAL_CLUSTER,
  replicas: 1,
  canary: null,
  maxVersionBytes: null,
} as const
const ABSENT_VERSION_FIELDS = { archive: null } as const

const auditChecks: Checks<AuditLine> = {
  sequence: isCount,
  atMs: isCount,
  actor: isText,
  reason: isText,
  action: isText,
  dataset: isText,
  detail: isText,
}

export function encodeDataset(stored: StoredDataset): string {
  // An undefined field is not written.
  const record = { ...stored.record, revision: undefined }
  return JSON.stringify({ format: formatOf(stored.record), lastVersionId: stored.lastVersionId, record })
}

/** Programs that know no migrations go on reading what has none. */
function formatOf({ migrationState, migration }: DatasetRecord): number {
  const isPlain = migrationState === 'ORIGIN_ONLY' || migrationState === 'TARGET_ONLY'
  return isPlain && migration === undefined ? FORMAT_WITHOUT_MIGRATION : DATASET_FORMAT
}

/**
 * The result is frozen to the leaves.
 * @throws {KVError} FAILED_PRECONDITION for a newer format, CORRUPT for anything that is not such a record
 */
export function decodeDataset(stored: StoredRecord): StoredDataset {
  const subject = `the record of dataset ${stored.key}`
  const outer = parseRecord(stored.value, subject, DATASET_FORMAT)
  const given = completed(outer['record'])
  const fault = wrongField(datasetChecks, given)
  if (fault !== null) throw damaged(subject, `its ${fault}`)
  if (!isCount(outer['lastVersionId'])) throw damaged(subject, 'its lastVersionId')
  // Every field was checked by `datasetChecks`, which the compiler keeps complete.
  const record = freezeRecord({ ...(given as unknown as DatasetRecord), revision: stored.revision })
  const lastVersionId = Number(outer['lastVersionId'])
  if (record.name !== stored.key) throw damaged(subject, `its name ${record.name}`)
  const disorder = versionDisorder(record.versions, lastVersionId)
  if (disorder !== null) throw damaged(subject, disorder)
  return { record, lastVersionId }
}

/** With the fields that it was written without. The order of fields stays: operators compare what they see. */
function completed(body: unknown): Readonly<Record<string, unknown>> | null {
  if (!isObject(body)) return null
  const versions: unknown = body['versions']
  if (!Array.isArray(versions)) return body
  const whole = versions.map((one: unknown) =>
    isObject(one) ? { ...one, ...ABSENT_VERSION_FIELDS, ...one } : one,
  )
  return { ...body, ...ABSENT_FIELDS, ...body, versions: whole }
}

export const datasetRules: ShelfRules<StoredDataset> = {
  table: 'dataset',
  noun: 'dataset',
  encode: encodeDataset,
  decode: decodeDataset,
  atRevision: (stored, revision) => ({ ...stored, record: freezeRecord({ ...stored.record, revision }) }),
}

export function encodeAuditLine(line: AuditLine): string {
  return JSON.stringify({ format: AUDIT_FORMAT, line })
}

/** @throws {KVError} as `decodeDataset` */
export function decodeAuditLine(stored: StoredRecord): AuditLine {
  const subject = `audit line ${stored.key}`
  const line = parseRecord(stored.value, subject, AUDIT_FORMAT)['line']
  const fault = wrongField(auditChecks, line)
  if (fault !== null) throw damaged(subject, `its ${fault}`)
  // Every field was checked by `auditChecks`.
  const checked = line as AuditLine
  if (auditKey(checked.sequence) !== stored.key) throw damaged(subject, `its sequence ${checked.sequence}`)
  return Object.freeze(checked)
}

/** Twelve digits, so that the order of keys is the order of numbers. */
export function auditKey(sequence: number): string {
  return String(sequence).padStart(12, '0')
}

/** Records are handed out by reference to every reader; nobody may change one. */
export function freezeRecord(record: DatasetRecord): DatasetRecord {
  for (const version of record.versions) {
    Object.freeze(version.formerArchives)
    Object.freeze(version)
  }
  Object.freeze(record.versions)
  Object.freeze(record.owner)
  Object.freeze(record.canary)
  if (record.migration !== undefined) freezeMigration(record.migration)
  if (record.table !== undefined) freezeTable(record.table)
  deepFreeze(record.cql)
  if (record.explode !== undefined) freezeLayout(record.explode)
  return Object.freeze(record)
}

/** The object that the text is, once its format number is one that this program knows. */
export function parseRecord(
  text: string,
  subject: string,
  newestFormat: number,
): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw damaged(subject, 'its text, which is not json', error)
  }
  if (!isObject(parsed)) throw damaged(subject, 'its text, which is not an object')
  const format = parsed['format']
  if (typeof format !== 'number' || !Number.isSafeInteger(format) || format < 1) {
    throw damaged(subject, 'its format number')
  }
  if (format > newestFormat) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `${subject} is of format ${format} and this godwit reads up to ${newestFormat}: ` +
        'start the newer godwit again',
    )
  }
  return parsed
}

/** The name of the first field that is missing or wrong; null when all are right. */
export function wrongField(
  checks: Readonly<Record<string, (value: unknown) => boolean>>,
  value: unknown,
): string | null {
  if (!isObject(value)) return 'body'
  for (const [field, isRight] of Object.entries(checks)) {
    if (!isRight(value[field])) return field
  }
  return null
}

function isCanaryOrNull(value: unknown): boolean {
  return value === null || (isObject(value) && isCount(value['versionId']) && isCount(value['share']))
}

function versionDisorder(versions: readonly VersionRecord[], lastVersionId: number): string | null {
  let newer = lastVersionId + 1
  let currentCount = 0
  for (const version of versions) {
    if (version.id >= newer) return `the order of its versions at ${version.id}`
    newer = version.id
    if (version.state === 'CURRENT') currentCount++
  }
  return currentCount > 1 ? `its ${currentCount} current versions` : null
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function damaged(subject: string, what: string, cause?: unknown): KVError {
  return new KVError('CORRUPT', `${subject} is damaged (${what}): restore the metastore from a backup`, {
    cause,
  })
}
