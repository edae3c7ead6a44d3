/**
 * What stores bytes. Two halves, because DBs are opened and closed by the main thread alone and used by others:
 * LeafStore (control side) creates, opens and closes; LeafEngine (data side) reads and writes through incarnations.
 */
import type { Done } from '../base/errors.js'
import type { Incarnation, RemoteCopies, ShardFormat, WritableFormat } from './cluster-map.js'
import type { ShardMutate, ShardRead, ShardScan } from './plan.js'
import type { MutateResult } from './request.js'
import type { RowOutcome } from './row.js'
import type { RowPosition } from './row-order.js'
import type { ScannedRow } from './scan.js'

/** Data side: one a thread. The caller holds a lease on every incarnation that it names, until `done`. */
export interface LeafEngine {
  readonly name: string
  /** One outcome a key, in the order of the keys. May answer before it returns. */
  read(read: ShardRead, done: Done<readonly RowOutcome[]>): void
  /**
   * Answers when the page is full, the span is through, or it took long: then the page may be short, even empty, and
   * `next` says how far it came.
   */
  scan(scan: ShardScan, done: Done<ShardPage>): void
  /** Atomic. Answers when the promise of its durability holds. */
  mutate(mutate: ShardMutate, done: Done<MutateResult>): void
}

export interface ShardPage {
  readonly rows: readonly ScannedRow[]
  /** The last row that was looked at; null: the span is through. */
  readonly next: RowPosition | null
}

/** Control side: main thread only. */
export interface LeafStore {
  readonly name: string
  /** Makes an empty shard that can be written; the directory must not exist. */
  createWritable(directory: string, format: WritableFormat): Promise<void>
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
  /** As in Incarnation. */
  readonly maxCellVersions: number
  readonly directory: string
  /** As in Incarnation. */
  readonly remote?: RemoteCopies
}
