/**
 * What stores bytes. Two halves, because DBs are opened and closed by the main thread alone and used by others:
 * LeafStore (control side) creates, opens and closes; LeafEngine (data side) reads and writes through incarnations.
 */
import type { Done } from '../base/errors.js'
import type { Incarnation, ShardFormat } from './cluster-map.js'
import type { ShardMutate, ShardRead } from './plan.js'
import type { MutateResult } from './request.js'
import type { RowOutcome } from './row.js'

/** Data side: one a thread. The caller holds a lease on every incarnation that it names, until `done`. */
export interface LeafEngine {
  readonly name: string
  /** One outcome a key, in the order of the keys. May answer before it returns. */
  read(read: ShardRead, done: Done<readonly RowOutcome[]>): void
  /** Atomic. Answers when the promise of its durability holds. */
  mutate(mutate: ShardMutate, done: Done<MutateResult>): void
}

/** Control side: main thread only. */
export interface LeafStore {
  readonly name: string
  /** Makes an empty mutable shard; the directory must not exist. */
  createMutable(directory: string): Promise<void>
  /**
   * @throws {KVError} CORRUPT when the directory is damaged or lost acknowledged writes, FAILED_PRECONDITION when it is
   * of another or a newer format, UNAVAILABLE when it is locked or the disk fails.
   */
  open(shard: ShardLocation): Promise<Incarnation>
  /** The caller has made sure that no thread uses it (threads/leases.ts): a close under a reader kills the process. */
  close(incarnationId: number): Promise<void>
  closeAll(): Promise<void>
}

export interface ShardLocation {
  readonly datasetId: string
  readonly shard: number
  readonly format: ShardFormat
  readonly directory: string
}
