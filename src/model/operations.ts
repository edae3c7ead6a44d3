/** What operators see and start beyond datasets: readiness, status. Plain data, as the admin API answers it. */
import type { DatasetMode } from './dataset.js'

/** Whether the gateway should be sent requests, and what keeps it from that. */
export interface Readiness {
  readonly isReady: boolean
  /** Empty when ready. */
  readonly reasons: readonly string[]
}

export interface ListenerStatus {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly isTls?: boolean
}

/** A version that belongs to a cluster with leaves. */
export interface PlacementStatus {
  readonly version: number
  readonly cluster: string
  /** Copies of its shards that there should be on the cluster's leaves, and that there are on those that answer. */
  readonly wanted: number
  readonly confirmed: number
  /** Of each shard, as the dataset asks for. */
  readonly replicas: number
  readonly shards: number
  /** Shards with as many copies as `replicas` on leaves that answer. */
  readonly wholeShards: number
  /** False: it is read from the gateway's own copy, until the leaves have it, or it is kept and not open. */
  readonly isReadFromLeaves: boolean
  /** Its leaves failed reads: they are asked again in so long. Null: they did not. */
  readonly leavesFailedForMs: number | null
}

export interface LeafStatus {
  readonly cluster: string
  readonly name: string
  readonly url: string
  /** Why it is not read from; null: it is. */
  readonly problem: string | null
  /** Copies of shards that it has, of all clusters. */
  readonly copies: number
  /** Copies that it should have for this cluster, and those of them that it has and that are read. */
  readonly wanted: number
  readonly held: number
  /** Copies that it gets just now. */
  readonly copying: number
  /** Data threads that do not ask it for a moment, because it failed too often. */
  readonly openBreakers: number
}

/** What a store other than the leaf tier is asked for: answers to callers, or what is compared with them. */
export type BackendRole = 'primary' | 'shadow'

export interface BackendStatus {
  readonly name: string
  readonly role: BackendRole
  /** It failed too often and is not asked for a moment. */
  readonly isOpen: boolean
  /** Times that this happened since the gateway began. */
  readonly openings: number
  /** When it last changed; null: never. */
  readonly sinceMs: number | null
}

export interface DatasetStatus {
  readonly name: string
  readonly mode: DatasetMode
  /** BATCH: the served version, null: none. READ_WRITE: null. */
  readonly currentVersion: number | null
  /** What keeps it, or a part of it, from being served, and copies that are damaged; empty when all is well. */
  readonly problems: readonly string[]
  /** Empty for datasets of the gateway's own process. */
  readonly placement: readonly PlacementStatus[]
}

export interface GatewayStatus {
  readonly version: string
  readonly processId: number
  readonly startedAtMs: number
  readonly uptimeMs: number
  readonly readiness: Readiness
  /** Epoch of the ClusterMap that every thread has adopted. */
  readonly epoch: number
  readonly dataThreads: number
  readonly dataDirectory: string
  readonly listeners: readonly ListenerStatus[]
  readonly datasets: readonly DatasetStatus[]
  readonly leaves: readonly LeafStatus[]
  /** Each origin of the configuration in each role. */
  readonly backends: readonly BackendStatus[]
}
