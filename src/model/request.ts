/** What a shim asks for, in our words. Produced by hop 2 (translate), consumed by hop 3 (admit). */
import type { Deadline } from '../base/deadline.js'
import type { Durability } from './dataset.js'
import type { Side } from './migration.js'
import type { Mutation } from './mutation.js'
import type { CellPosition, CellSelector, CellTimestamp, Condition, Row, RowOutcome } from './row.js'

/** Where an answer goes. */
export interface AskingConnection {
  /** Nobody gets it any more. */
  readonly isClosed: boolean
}

/** Who asks and how long they wait. Nothing here changes what is read or written. */
export interface RequestContext {
  /** Name of the wire API, for metrics: 'kvstore', 'terrapin', ... */
  readonly api: string
  /** Name of the wire API's call, for metrics and traces; absent: what it amounts to, 'read', 'scan' or 'mutate'. */
  readonly method?: string
  /** The calling service as it names itself; null if it does not. */
  readonly caller: string | null
  /** Where the call came from, without a port; absent: not known. */
  readonly address?: string
  readonly deadline: Deadline
  /** Once it is closed a read is given up, CANCELLED; a write never is. Absent: reads come to their ends. */
  readonly connection?: AskingConnection | null
  readonly traceId?: string | null
  /** A job waits, no person: may be refused as OVERLOADED before the others are. */
  readonly isBatch?: boolean
  /** One of several reads of a call, or a second one, which the shim counts as one call. */
  readonly isCountedByShim?: true
  /** Of the leaves that have the data, counted from any of them, which one is asked first; absent: the next in turn. */
  readonly place?: number
}

export interface ReadRequest {
  readonly dataset: string
  /** One for a get; the answer has one outcome a key, in this order, repeats included. */
  readonly rowKeys: readonly Buffer[]
  /** For all keys; null: the newest version of every column. */
  readonly selector: CellSelector | null
  /** One a key, of the keys' length; null: `selector` holds for all. */
  readonly selectorsByKey: readonly (CellSelector | null)[] | null
  /** Pinned version of a BATCH dataset, milliseconds since 1970; null: the current one. */
  readonly datasetVersion: number | null
  /** The pinned version answers also while it leaves, as for later pages: callers that hear late of what is served. */
  readonly mayBeLeaving?: true
  readonly withTimestamps: boolean
  readonly withTtl: boolean
  /** Bytes of all rows together, roughly, behind which rows are cut and say where they go on; null: never cut. */
  readonly pageBytes: number | null
  /** Reads of one key: where an earlier page of it ended; null: from the start. */
  readonly position: CellPosition | null
  /** Later pages of a dataset with two sides: the one that answered the first. */
  readonly side?: Side
  readonly context: RequestContext
}

export interface ReadResult {
  readonly rows: readonly RowOutcome[]
  /** BATCH: the version that answered all of them; null otherwise. */
  readonly datasetVersion: number | null
  /** Of a dataset with two sides: who answered. */
  readonly side?: Side
}

/** See IdempotencyToken of kvstore.thrift. */
export interface IdempotencyToken {
  /** Microseconds since 1970, from the caller's clock. */
  readonly generationTimeUs: bigint
  /** 8 to 32 bytes. */
  readonly nonce: Buffer
  /** Position of the row in a multiMutate; 0 otherwise. */
  readonly index: number
  /** Digest of what is asked for: the same token with another one is IDEMPOTENCY_MISMATCH. 16 bytes. */
  readonly fingerprint: Buffer
}

/** Everything that is done to one row in one atomic step. */
export interface MutateRequest {
  readonly dataset: string
  readonly rowKey: Buffer
  /** One or more; applied in order if every condition holds. */
  readonly mutations: readonly Mutation[]
  /** Empty: none. */
  readonly conditions: readonly Condition[]
  /** Applied instead when a condition fails; may be empty. */
  readonly otherwise: readonly Mutation[]
  /** Cells to answer as they are when a condition fails; undefined: none, null: the whole row. */
  readonly returnOnConflict: CellSelector | null | undefined
  /** Cells to answer as they have become; undefined: none, null: the whole row. */
  readonly returnAfter: CellSelector | null | undefined
  readonly idempotency: IdempotencyToken | null
  /** Null: the dataset's default. */
  readonly durability: Durability | null
  readonly context: RequestContext
}

export interface CounterReading {
  readonly localKey: Buffer
  readonly value: bigint
}

export interface MutateResult {
  /** The timestamp the write took effect at, that of its last mutation; null: nothing was written. */
  readonly timestamp: CellTimestamp | null
  /** The conditions held, or there were none. */
  readonly isApplied: boolean
  /** A repeat of a write that was applied before; the answer is that of then. */
  readonly isRepeated: boolean
  /** What returnOnConflict or returnAfter asked for; null: nothing asked, or nothing there. */
  readonly row: Row | null
  /** New values of what increments touched, in order. */
  readonly counters: readonly CounterReading[]
}

/** The result of a write that only had to be stored. */
export function plainResult(timestamp: CellTimestamp | null): MutateResult {
  return { timestamp, isApplied: true, isRepeated: false, row: null, counters: NO_COUNTERS }
}

const NO_COUNTERS: readonly CounterReading[] = []
