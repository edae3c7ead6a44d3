/**
 * What travels between hops 3 and 6. Each type has one producer, so that holding one proves that the checks before it
 * ran: AdmittedRead by src/kvstore/admit.ts, plans by src/routing/router.ts.
 */
import type { Deadline } from '../base/deadline.js'
import type { KVError } from '../base/errors.js'
import type { Backend } from './backend.js'
import type { DatasetEntry, Incarnation, ServedVersion } from './cluster-map.js'
import type { Durability, KeyOrder } from './dataset.js'
import type { AskingConnection, MutateRequest, ReadRequest } from './request.js'
import type { CellPosition, CellSelector } from './row.js'
import type { RowPosition, RowSpan, RowToken } from './row-order.js'
import type { ScanRequest } from './scan.js'

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
  /** As in ReadRequest; the shard's own share when the request has several shards. */
  readonly pageBytes: number | null
  /** As in ReadRequest. */
  readonly position: CellPosition | null
  readonly deadline: Deadline
  /** As in RequestContext. */
  readonly connection?: AskingConnection | null
  /** As in RequestContext; null: the next in turn. */
  readonly place?: number | null
  /** Index in the request of each key here; null: the shard has them all, in order. */
  readonly positions: readonly number[] | null
}

export interface ReadPlan {
  readonly admitted: AdmittedRead
  /** Who is asked; the answer comes from exactly one side. */
  readonly backend: Backend
  /** BATCH: the one version that answers every key. */
  readonly version: ServedVersion | null
  /** One for each open shard that has a key of the request; empty when the backend is an origin. */
  readonly shardReads: readonly ShardRead[]
  /** Keys whose shard is not open, while others' are. */
  readonly unserved?: readonly UnservedKeys[]
}

export interface UnservedKeys {
  /** Indexes in the request. */
  readonly positions: readonly number[]
  readonly error: KVError
}

export interface ShardMutate {
  readonly incarnation: Incarnation
  readonly keyOrder: KeyOrder
  readonly rowKey: Buffer
  readonly token: RowToken
  /** What is done, on which conditions, and what is answered. */
  readonly request: MutateRequest
  readonly durability: Durability
  readonly deadline: Deadline
}

export interface AdmittedScan {
  readonly request: ScanRequest
  readonly entry: DatasetEntry
}

/** One shard's rows of a scan, as many as fit a page. */
export interface ShardScan {
  readonly incarnation: Incarnation
  readonly keyOrder: KeyOrder
  readonly span: RowSpan
  readonly request: ScanRequest
  readonly pageRows: number
  readonly pageBytes: number
  readonly deadline: Deadline
}

export interface ScanPlan {
  readonly admitted: AdmittedScan
  readonly backend: Backend
  /** BATCH: the one version that answers. */
  readonly version: ServedVersion | null
  /** In the order of the scan; empty when the backend is an origin. A page ends with the shard that fills it. */
  readonly shardScans: readonly ShardScan[]
  /** Why and where the scan cannot go on behind the last shard scan; absent: that is the end of what was asked for. */
  readonly blocked?: { readonly error: KVError; readonly at: RowPosition }
}

export interface MutatePlan {
  readonly admitted: AdmittedMutate
  readonly backend: Backend
  /** Null when the backend is an origin. */
  readonly shardMutate: ShardMutate | null
}
