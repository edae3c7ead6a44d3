/**
 * Terrapin's requests in our words, and our rows in Terrapin's: pure. A Terrapin value is the cell under the empty local
 * key. Semantics: TerrapinServiceImpl, ReplicatedTerrapinClient and TerrapinServerInternalImpl of pinterest/terrapin.
 */
import { KVError } from '../../src/base/errors.js'
import type { ReadRequest, RequestContext } from '../../src/model/request.js'
import { columnsNamed, type Row, type RowOutcome } from '../../src/model/row.js'
import {
  makeTerrapinSingleResponse,
  type TerrapinGetErrorCode,
  TerrapinGetErrorCode as Codes,
  type TerrapinSingleResponse,
} from '../../src/thrift/generated/terrapin.js'
import { codeOf } from './errors.js'
import { TerrapinError } from './origin-errors.js'

/** An HBase key, which Terrapin's are: looking up a longer one fails, it does not miss. */
export const MAX_KEY_BYTES = 32_767

/** What is answered for one. */
export function overlong(key: Buffer): KVError {
  return new KVError('UNAVAILABLE', `key of ${key.length} bytes: terrapin's have at most ${MAX_KEY_BYTES}`)
}

const UNNAMED = columnsNamed([Buffer.alloc(0)])

/** The empty answer: no such key. */
export const MISSING: TerrapinSingleResponse = makeTerrapinSingleResponse()

/** Who speaks of which code: the client library and TerrapinService, or a data server. */
export type Side = 'service' | 'internal'

/** @param datasetVersion null: the current one */
export function toRead(
  dataset: string,
  rowKeys: readonly Buffer[],
  datasetVersion: number | null,
  context: RequestContext,
): ReadRequest {
  // One literal, in the order of KVStore's own reads: what reads both has one shape of object to know.
  const read: ReadRequest = {
    dataset,
    rowKeys,
    selector: UNNAMED,
    selectorsByKey: null,
    datasetVersion,
    withTimestamps: false,
    withTtl: false,
    pageBytes: null,
    position: null,
    context,
  }
  // Who names a version is a fat client, which hears of a publish a moment after it.
  return datasetVersion === null ? read : { ...read, mayBeLeaving: true }
}

/** Null: no such key. An empty value is a value. */
export function valueOf(row: Row | null): Buffer | null {
  return row?.cells[0]?.value ?? null
}

/** One key's answer in a map; null: it is left out, because it is not stored. */
export function toSingleResponse(outcome: RowOutcome, side: Side): TerrapinSingleResponse | null {
  if (outcome instanceof KVError) return failed(codeOf(outcome, side))
  const value = valueOf(outcome)
  return value === null ? null : { value, errorCode: null }
}

export function failed(errorCode: TerrapinGetErrorCode): TerrapinSingleResponse {
  return { value: null, errorCode }
}

/** Each key once, in the order of their first appearance: callers may repeat them, the answer is a map. */
export function distinctKeys(keys: readonly Buffer[]): readonly Buffer[] {
  if (keys.length < 2 || (keys.length <= MAX_HASHED_KEYS && haveDistinctHashes(keys))) return keys
  const seen = new Set<string>()
  return keys.filter((key) => {
    const text = key.toString('latin1')
    return !seen.has(text) && seen.add(text)
  })
}

/** Of many more some hashes are equal by chance. */
const MAX_HASHED_KEYS = 1_000

/** Then the keys differ, too, as they nearly always do. Making texts of them was the dearest part of a multiGet(20) here. */
function haveDistinctHashes(keys: readonly Buffer[]): boolean {
  const seen = new Set<number>()
  for (const key of keys) {
    const hash = hashOf(key)
    if (seen.has(hash)) return false
    seen.add(hash)
  }
  return true
}

/** FNV-1a of the last bytes, in which keys differ most, as a small integer. */
function hashOf(key: Buffer): number {
  let hash = key.length
  for (let at = Math.max(0, key.length - MAX_HASHED_BYTES); at < key.length; at++)
    hash = Math.imul(hash ^ (key[at] ?? 0), FNV_PRIME)
  return (hash ^ (hash >>> 15)) & 0x3fff_ffff
}

const MAX_HASHED_BYTES = 64
const FNV_PRIME = 0x0100_0193

/** Whether a call that failed as a whole is, in Terrapin, an answer with a code for each key. */
export function isPerKey(code: TerrapinGetErrorCode): boolean {
  return (
    code === Codes.READ_ERROR ||
    code === Codes.PARTITION_OFFLINE ||
    code === Codes.NOT_SERVING_RESOURCE ||
    code === Codes.NOT_SERVING_PARTITION
  )
}

/** Whether a call that failed as a whole is answered key by key; an exception of an old Terrapin's stays one. */
export function isAnsweredByKey(error: KVError): boolean {
  const isException = error instanceof TerrapinError && error.exception !== null
  return !isException && isPerKey(codeOf(error, 'service'))
}

const RESOURCE_PREFIX = '$terrapin$data$'

/** A file set and the version that a resource of Helix's names. */
export interface Resource {
  readonly fileSet: string
  readonly version: number
}

/** Null: it names nothing. File sets may have a `$` in their names: the last part is the version. */
export function parseResource(resource: string): Resource | null {
  if (!resource.startsWith(RESOURCE_PREFIX)) return null
  const rest = resource.slice(RESOURCE_PREFIX.length)
  const at = rest.lastIndexOf('$')
  if (at <= 0) return null
  const version = rest.slice(at + 1)
  if (!/^[1-9]\d{0,15}$/.test(version)) return null
  const number = Number(version)
  return Number.isSafeInteger(number) ? { fileSet: rest.slice(0, at), version: number } : null
}

export function resourceName({ fileSet, version }: Resource): string {
  return `${RESOURCE_PREFIX}${fileSet}$${version}`
}

/**
 * What a version is said to consist of, whatever the number of files was that it was loaded from; every one of them has
 * every key. A fat client asks the host whose index is the hash of the partition's number, so that with one partition all
 * clients would ask one gateway of several. With 60 none of up to ten gets a fifth more than its share.
 */
export const PARTITIONS: readonly string[] = Array.from({ length: 60 }, (_, number) => String(number))

const PARTITION_NAMES = new Set(PARTITIONS)

export function isPartition(name: string): boolean {
  return PARTITION_NAMES.has(name)
}
