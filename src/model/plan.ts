/**
 * What travels between hops 3 and 6. Each type has one producer, so that holding one proves that the checks before it
 * ran: AdmittedRead by src/kvstore/admit.ts, plans by src/routing/router.ts.
 */
import type { Deadline } from '../base/deadline.js'
import type { Backend } from './backend.js'
import type { DatasetEntry, Incarnation, ServedVersion } from './cluster-map.js'
import type { Durability, KeyOrder } from './dataset.js'
import type { MutateRequest, ReadRequest, RowMutation } from './request.js'
import type { CellSelector } from './row.js'

/**
 * Where a row key lies. HASHED: its Murmur3 token as two signed 32-bit halves. ORDERED: both 0 and unused.
 * Two numbers and not a bigint, because they are made for every key of every request.
 */
export interface RowToken {
  readonly high: number
  readonly low: number
}

/** A read whose limits, dataset and access were checked. */
export interface AdmittedRead {
  readonly request: ReadRequest
  readonly entry: DatasetEntry
  /** One a key. */
  readonly tokens: readonly RowToken[]
}

export interface AdmittedMutate {
  readonly request: MutateRequest
  readonly entry: DatasetEntry
  readonly token: RowToken
  readonly durability: Durability
}

/** The part of a read that one shard answers: its keys, in the request's order. */
export interface ShardRead {
  readonly incarnation: Incarnation
  readonly keyOrder: KeyOrder
  readonly rowKeys: readonly Buffer[]
  readonly tokens: readonly RowToken[]
  readonly selector: CellSelector | null
  readonly selectorsByKey: readonly (CellSelector | null)[] | null
  readonly withTimestamps: boolean
  readonly withTtl: boolean
  readonly deadline: Deadline
  /** Index in the request of each key here; null: the shard has them all, in order. */
  readonly positions: readonly number[] | null
}

export interface ReadPlan {
  readonly admitted: AdmittedRead
  /** Who is asked; the answer comes from exactly one side. */
  readonly backend: Backend
  /** BATCH: the one version that answers every key. */
  readonly version: ServedVersion | null
  /** One for each shard that has a key of the request; empty when the backend is an origin. */
  readonly shardReads: readonly ShardRead[]
}

export interface ShardMutate {
  readonly incarnation: Incarnation
  readonly keyOrder: KeyOrder
  readonly rowKey: Buffer
  readonly token: RowToken
  readonly mutation: RowMutation
  readonly durability: Durability
  readonly deadline: Deadline
}

export interface MutatePlan {
  readonly admitted: AdmittedMutate
  readonly backend: Backend
  /** Null when the backend is an origin. */
  readonly shardMutate: ShardMutate | null
}
