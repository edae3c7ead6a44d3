/** Records of CQL's keyspaces as text in the store, and back. */
import type { CqlKeyspace } from '../model/table-call.js'
import { deepFreeze, isKeyspace } from './cql-records.js'
import { damaged, isObject, parseRecord } from './records.js'
import type { ShelfRules } from './shelf.js'
import type { StoredRecord } from './store.js'

/** Rises when older programs would misread a record. Never reuse a number. */
export const KEYSPACE_FORMAT = 1

export interface StoredKeyspace {
  readonly record: CqlKeyspace
}

export const keyspaceRules: ShelfRules<StoredKeyspace> = {
  table: 'keyspace',
  noun: 'keyspace',
  encode: encodeKeyspace,
  decode: decodeKeyspace,
  atRevision: ({ record }, revision) => ({ record: deepFreeze({ ...record, revision }) }),
}

export function encodeKeyspace(stored: StoredKeyspace): string {
  // An undefined field is not written.
  return JSON.stringify({ format: KEYSPACE_FORMAT, record: { ...stored.record, revision: undefined } })
}

/**
 * The result is frozen to the leaves.
 * @throws {KVError} FAILED_PRECONDITION for a newer format, CORRUPT for anything that is not such a record
 */
export function decodeKeyspace(stored: StoredRecord): StoredKeyspace {
  const subject = `the record of keyspace ${stored.key}`
  const given = parseRecord(stored.value, subject, KEYSPACE_FORMAT)['record']
  if (!isObject(given)) throw damaged(subject, 'its body')
  const record = { ...given, revision: stored.revision }
  if (!isKeyspace(record)) throw damaged(subject, 'its fields')
  if (record.name !== stored.key) throw damaged(subject, `its name ${record.name}`)
  return { record: deepFreeze(record) }
}
