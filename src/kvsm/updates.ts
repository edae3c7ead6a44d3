/** What may be changed of a dataset that exists, and what the audit says of it. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { KVError } from '../base/errors.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { DatasetDraft, DatasetPatch } from '../model/metastore.js'
import { describeLayout } from './value-layouts.js'
import { type Given, draftToRecord, isObject, refuse, unknownAmong } from './drafts.js'

/** Names every setting that a patch may have; the compiler keeps it complete. */
const PATCH_FIELDS: Readonly<Record<keyof DatasetPatch, true>> = {
  owner: true,
  description: true,
  cluster: true,
  replicas: true,
  retainedVersions: true,
  maxVersionBytes: true,
  maxValueBytes: true,
  defaultTtlSeconds: true,
  graceSeconds: true,
  defaultDurability: true,
  table: true,
  cql: true,
  explode: true,
}

/** What is fixed when a dataset is made, and the rules of the others depend on. */
const FIXED_FIELDS = [
  'name',
  'mode',
  'keyOrder',
  'timestampUnit',
  'shardCount',
  'migrationState',
  'origin',
] as const

/**
 * The record with the patch: what a dataset may be when it is made, it may become.
 * @throws {KVError} INVALID_ARGUMENT naming every fault
 */
export function patchRecord(record: DatasetRecord, patch: DatasetPatch): DatasetRecord {
  // Patches come from JSON: what the types say of them is a claim, not a fact.
  const given: Given = isObject(patch) ? withoutUndefined(patch) : {}
  const fields = Object.keys(PATCH_FIELDS)
  const faults = unknownAmong(given, fields)
  if (Object.keys(given).length === 0) faults.push(`it changes nothing: give any of ${fields.join(', ')}`)
  refuse(`the change of dataset ${record.name} is refused`, faults)
  const kept = Object.fromEntries(FIXED_FIELDS.map((field) => [field, record[field]]))
  // A dataset that migrates is none that could be made so: its migration is changed by moves, not by patches.
  const migrationState = record.origin === null ? 'TARGET_ONLY' : 'ORIGIN_ONLY'
  // The rules that new datasets pass check every field of it.
  const draft = { ...kept, migrationState, owner: record.owner, ...given } as unknown as DatasetDraft
  const checked = draftToRecord(draft, { id: record.id, createdAtMs: record.createdAtMs })
  const changed = Object.keys(given).map((field) => [field, checked[field as keyof DatasetPatch]])
  const next = { ...record, ...(Object.fromEntries(changed) as Partial<DatasetRecord>) }
  // What is taken away is absent, not undefined.
  return Object.fromEntries(
    Object.entries(next).filter(([, value]: readonly [string, unknown]) => value !== undefined),
  ) as unknown as DatasetRecord
}

/** `owner.name "a" -> "b"; retainedVersions 3 -> 5`; null when nothing differs. */
export function describeUpdate(before: DatasetRecord, after: DatasetRecord): string | null {
  const changes: string[] = []
  const note = (field: string, was: unknown, is: unknown) => {
    if (was !== is) changes.push(`${field} ${JSON.stringify(was)} -> ${JSON.stringify(is)}`)
  }
  for (const field of Object.keys(PATCH_FIELDS) as (keyof DatasetPatch)[]) {
    if (field !== 'owner' && field !== 'explode') note(field, before[field], after[field])
  }
  if (!isDeepStrictEqual(before.explode, after.explode)) {
    changes.push(`explode ${describeLayout(before.explode)} -> ${describeLayout(after.explode)}`)
  }
  note('owner.name', before.owner.name, after.owner.name)
  note('owner.contact', before.owner.contact, after.owner.contact)
  return changes.length === 0 ? null : changes.join('; ')
}

/** @throws {KVError} QUOTA_EXCEEDED */
export function checkVersionSize({ name, maxVersionBytes }: DatasetRecord, id: number, bytes: number): void {
  if (maxVersionBytes === null || bytes <= maxVersionBytes) return
  throw new KVError(
    'QUOTA_EXCEEDED',
    `version ${id} of dataset ${name} has ${bytes} bytes and may have ${maxVersionBytes}: load less, or raise ` +
      'maxVersionBytes of the dataset',
    { dataset: name },
  )
}

function withoutUndefined(given: Given): Given {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
