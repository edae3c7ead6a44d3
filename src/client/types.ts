/**
 * What the client's methods take and answer. Fields are named as in idl/kvstore.thrift; bytes are Buffers in answers,
 * 64-bit numbers are bigint on both sides, enums are their names.
 */
import type {
  Comparison,
  ConflictRule,
  Consistency,
  DatasetMode,
  DeleteScope,
  Durability,
  KeyOrder,
  Priority,
  ScanOrder,
  TimestampUnit,
} from './enums.js'
import type { KVStoreError } from './errors.js'

/** In requests: bytes, or a string that stands for its UTF-8. They must not change until the call has settled. */
export type Bytes = Uint8Array | string

/* ----------------------------------------------------------------- options */

export interface ReadOptions {
  readonly consistency?: Consistency
  /** With BOUNDED_STALENESS: how far behind the answering replica may be, milliseconds. */
  readonly maxStalenessMs?: number
  /** With SESSION: from a write's answer or an earlier read's info. */
  readonly sessionToken?: Bytes
  /** Pins a version of a BATCH dataset, milliseconds since 1970; absent: the current one. */
  readonly datasetVersion?: bigint
  readonly withTimestamps?: boolean
  readonly withTtl?: boolean
  /** Asks for `info` in the answer. */
  readonly withInfo?: boolean
  /** Soft limit of an answer; the server pages rather than exceed it. */
  readonly pageSizeBytes?: number
}

/** Makes a write safe to repeat; see newIdempotencyToken. */
export interface IdempotencyToken {
  /** Microseconds since 1970; within a minute of the server's clock when the write is sent. */
  readonly generationTime: bigint
  /** 8 to 32 random bytes, unique to the logical write. */
  readonly nonce: Uint8Array
}

export interface WriteOptions {
  readonly durability?: Durability
  /** Your own token, for repeats across processes. Absent: the client makes one a call (ClientOptions.idempotency). */
  readonly idempotencyToken?: IdempotencyToken
  /** Asks for `sessionToken` in the answer. */
  readonly withSessionToken?: boolean
}

/** Who asks. Nothing here changes what is read or written. */
export interface CallerContext {
  /** The calling service, for quotas and ownership. */
  readonly caller?: string
  readonly traceId?: string
  readonly priority?: Priority
  readonly credential?: Bytes
  /** Features without which requests must be refused as UNSUPPORTED. */
  readonly mustUnderstand?: readonly string[]
}

/* -------------------------------------------------------------------- data */

/** A cell to write. */
export interface Cell {
  /** Empty or absent: the row's unnamed value. */
  readonly localKey?: Bytes
  /** Absent: an empty value. */
  readonly value?: Bytes
  /** In the dataset's unit; absent: the row's leaf stamps the write. */
  readonly timestamp?: bigint
  /** At least 1. */
  readonly ttlSeconds?: number
}

/** A cell that was read. */
export interface ReadCell {
  readonly localKey: Buffer
  readonly value: Buffer
  /** If timestamps were asked for. */
  readonly timestamp?: bigint
  /** If TTLs were asked for: what is left. */
  readonly ttlSeconds?: number
}

/** A range in byte order. An absent bound is open. */
export interface ByteRange {
  /** Inclusive, unless lowerExclusive. */
  readonly lower?: Bytes
  /** Exclusive, unless upperInclusive. */
  readonly upper?: Bytes
  readonly lowerExclusive?: boolean
  readonly upperInclusive?: boolean
}

/** Which cells of a row are meant: localKeys, ranges and prefixes add up, the other fields narrow. */
export interface CellSelector {
  readonly localKeys?: readonly Bytes[]
  readonly ranges?: readonly ByteRange[]
  readonly prefixes?: readonly Bytes[]
  /** Columns of a row at most. */
  readonly limit?: number
  readonly reversed?: boolean
  /** Newest versions of each column; 1 if absent, 0 for all that are kept. */
  readonly maxVersions?: number
  /** Inclusive. */
  readonly minTimestamp?: bigint
  /** Exclusive. */
  readonly maxTimestamp?: bigint
  /** Leaves values empty. */
  readonly keysOnly?: boolean
}

/** Where an answer came from. */
export interface ReadInfo {
  readonly datasetVersion?: bigint
  readonly stalenessMs?: number
  readonly sessionToken?: Buffer
  readonly cluster?: string
}

interface RowContents {
  /** The unnamed value, where it exists and was selected. */
  readonly value?: Buffer
  /** Every other selected cell, in local-key order, versions newest first. */
  readonly cells: readonly ReadCell[]
  /** The row goes on: give it to `get` as pageToken, or read the row with `getPages`. */
  readonly nextPageToken?: Buffer
  /** Of `value`, if timestamps were asked for. */
  readonly timestamp?: bigint
  /** Of `value`, if TTLs were asked for. */
  readonly ttlSeconds?: number
}

/* ------------------------------------------------------------------- reads */

export interface GetRequest {
  readonly dataset: string
  readonly key: Bytes
  readonly cells?: CellSelector
  /** From the page before, with the same request otherwise. */
  readonly pageToken?: Bytes
  readonly options?: ReadOptions
}

/** Neither value nor cells: no such row, or nothing of it was selected. */
export interface GetResult extends RowContents {
  readonly info?: ReadInfo
}

export interface MultiGetRequest {
  readonly dataset: string
  readonly keys: readonly Bytes[]
  /** One selector for all keys... */
  readonly cells?: CellSelector
  /** ...or one for each, of the keys' length. */
  readonly cellsByKey?: readonly CellSelector[]
  readonly options?: ReadOptions
}

/** A row of many. Neither value nor cells nor error: no such row. */
export interface Row extends RowContents {
  /** This row could not be read; the others of the answer stand. */
  readonly error?: KVStoreError
  /** In scans; multiGet answers by position. */
  readonly key?: Buffer
}

export interface MultiGetResult {
  /** One for each key, in the order of the request, repeats included. */
  readonly rows: readonly Row[]
  readonly info?: ReadInfo
}

/** A test of the newest version of one column. */
export interface Condition {
  readonly localKey?: Bytes
  readonly comparison: Comparison
  readonly value?: Bytes
  readonly timestamp?: bigint
  /** The outcome where the column is absent and the test is not of existence; false if absent. */
  readonly ifMissing?: boolean
}

export interface ScanRequest {
  readonly dataset: string
  readonly keys?: ByteRange
  readonly keyPrefix?: Bytes
  readonly cells?: CellSelector
  /** Rows for which all hold. */
  readonly where?: readonly Condition[]
  /** Rows in all. */
  readonly limit?: number
  readonly reversed?: boolean
  readonly order?: ScanOrder
  /** From the page before, with the same request otherwise. */
  readonly pageToken?: Bytes
  /** Rows a page at most. */
  readonly pageRows?: number
  /** This one of totalSegments disjoint parts, from 0, for parallel readers. */
  readonly segment?: number
  readonly totalSegments?: number
  readonly options?: ReadOptions
}

/** A page of a scan. It may be short, even empty, and not be the last. */
export interface ScanPage {
  readonly rows: readonly Row[]
  /** Absent: that was all. */
  readonly nextPageToken?: Buffer
  readonly info?: ReadInfo
}

export interface GetCountersRequest {
  readonly dataset: string
  readonly keys: readonly Bytes[]
  readonly localKeys: readonly Bytes[]
  readonly options?: ReadOptions
}

export interface CounterValue {
  readonly localKey: Buffer
  readonly value: bigint
  /** Never written; `value` is 0. */
  readonly missing: boolean
}

export interface CounterRow {
  readonly counters: readonly CounterValue[]
  readonly error?: KVStoreError
}

export interface GetCountersResult {
  /** One for each key, in order. */
  readonly rows: readonly CounterRow[]
}

/* ------------------------------------------------------------------ writes */

export interface PutMutation {
  /** The unnamed value... */
  readonly value?: Bytes
  /** ...and any other cells. */
  readonly cells?: readonly Cell[]
  /** For cells that carry none. */
  readonly timestamp?: bigint
  readonly ttlSeconds?: number
  /** Removes every column not named here, in the same step. */
  readonly replaceRow?: boolean
}

export interface DeleteMutation {
  /** Absent: the whole row. */
  readonly cells?: CellSelector
  /** Absent: now. */
  readonly timestamp?: bigint
  readonly scope?: DeleteScope
}

export interface CounterDelta {
  readonly localKey?: Bytes
  /** 1 if absent. */
  readonly delta?: bigint
  readonly ttlSeconds?: number
}

export interface IncrementMutation {
  readonly deltas: readonly CounterDelta[]
}

export interface AppendMutation {
  readonly cells: readonly Cell[]
}

/** Gives existing cells a new TTL. */
export interface TouchMutation {
  readonly cells?: CellSelector
  /** 0: no expiry. */
  readonly ttlSeconds: number
}

export type Mutation =
  | { readonly put: PutMutation }
  | { readonly remove: DeleteMutation }
  | { readonly increment: IncrementMutation }
  | { readonly append: AppendMutation }
  | { readonly touch: TouchMutation }

export interface PutRequest extends PutMutation {
  readonly dataset: string
  readonly key: Bytes
  readonly options?: WriteOptions
}

export interface RemoveRequest extends DeleteMutation {
  readonly dataset: string
  readonly key: Bytes
  readonly options?: WriteOptions
}

/** Everything that can be done to one row, in one atomic step. */
export interface MutateRequest {
  readonly dataset: string
  readonly key: Bytes
  /** Applied in order, only if every condition holds. */
  readonly mutations: readonly Mutation[]
  readonly conditions?: readonly Condition[]
  /** If a condition fails, answer these cells as they are. */
  readonly returnOnConflict?: CellSelector
  /** After applying, answer these cells as they have become. */
  readonly returnAfter?: CellSelector
  /** Applied instead when the conditions do not hold. */
  readonly otherwise?: readonly Mutation[]
  readonly options?: WriteOptions
}

export interface IncrementRequest extends IncrementMutation {
  readonly dataset: string
  readonly key: Bytes
  readonly options?: WriteOptions
}

export interface RowMutations {
  readonly key: Bytes
  readonly mutations: readonly Mutation[]
}

export interface MultiMutateRequest {
  readonly dataset: string
  /** Each row atomic; rows independent, in no order. */
  readonly rows: readonly RowMutations[]
  readonly options?: WriteOptions
}

export interface WriteResult {
  /** The timestamp that the write took effect at. */
  readonly timestamp?: bigint
  /** If asked for. */
  readonly sessionToken?: Buffer
  /** This was a repeat of a write already applied. */
  readonly repeated?: boolean
}

export interface MutateResult {
  /** The conditions held, or there were none, and `mutations` were applied. */
  readonly applied: boolean
  readonly write?: WriteResult
  readonly row?: Row
}

export interface IncrementResult {
  /** The new values, in the order of the deltas. */
  readonly counters: readonly CounterValue[]
  readonly write?: WriteResult
}

export interface RowWriteResult {
  /** This row was not written as asked; its `outcome` says what is known. */
  readonly error?: KVStoreError
  readonly timestamp?: bigint
}

export interface MultiMutateResult {
  /** One for each row, in order. */
  readonly rows: readonly RowWriteResult[]
  readonly sessionToken?: Buffer
}

/* ---------------------------------------------------------------- datasets */

/** What a caller may know about a dataset. */
export interface DatasetInfo {
  readonly name: string
  readonly owner?: string
  readonly description?: string
  readonly mode?: DatasetMode
  readonly keyOrder?: KeyOrder
  readonly timestampUnit?: TimestampUnit
  readonly conflictRule?: ConflictRule
  readonly maxCellVersions?: number
  readonly defaultTtlSeconds?: number
  readonly defaultConsistency?: Consistency
  readonly defaultDurability?: Durability
  /** BATCH: the version served now, milliseconds since 1970 of its upload. */
  readonly currentVersion?: bigint
  readonly maxValueBytes?: number
  readonly idempotencyWindowSeconds?: number
}

export interface ServerInfo {
  readonly apiVersion: number
  readonly build?: string
  /** Names usable in CallerContext.mustUnderstand. */
  readonly features: readonly string[]
  readonly maxRequestBytes?: number
  readonly maxBatchRows?: number
}
