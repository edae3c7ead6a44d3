/**
 * The ClusterMap: the immutable snapshot that every data-plane thread reads from memory. Control plane changes produce
 * a new one; nothing on the request path waits for the metastore.
 *
 * A map names DB *incarnations*, not directories: one opening of one DB. Closing and reopening the same directory gives
 * another incarnation with another id, so that a thread can never mistake the new one for the one that it still uses.
 */
import type { DatasetRecord, LeafRecord } from './dataset.js'
import type { CqlCatalog } from './table-call.js'

/** The on-disk format of a shard; names and numbers stand in FORMATS.md. Never renumber. */
export type ShardFormat = 'sealed' | WritableFormat

/** mutable: one version of a cell; history: several. */
export type WritableFormat = 'mutable' | 'history'

/** A shard of a version that leaf processes serve in place of this one. */
export interface RemoteCopies {
  /** Its name: for messages, and to find the shard in another map. */
  readonly dataset: string
  readonly versionId: number
  /** Those that are known to have it, one or more, in the order in which placement.ts names them. */
  readonly leaves: readonly LeafRecord[]
  /** Whether this process has its files, too, and can read them when no leaf answers. */
  readonly hasOwnCopy: boolean
}

/** One opening of one shard's DB. Plain data, so that it can be posted to threads. */
export interface Incarnation {
  /** Unique within the process's life; never reused. */
  readonly id: number
  readonly datasetId: string
  readonly shard: number
  readonly format: ShardFormat
  /** Newest versions of a cell that are read and kept, 1 or more; 1 in all formats but history. */
  readonly maxCellVersions: number
  readonly engine: string
  /** The engine's own way to reach the open DB from another thread (RocksDB: the native handle as a bigint). */
  readonly handle: bigint
  /**
   * One 32-bit flag, seen by all threads: 1 as soon as the shard may hold range tombstones. The writer thread sets it before
   * it commits the first; who reads without them looks again behind the read.
   */
  readonly hasRangeTombstones: SharedArrayBuffer
  /** For logs and messages. Of remote copies: a name that changes with the leaves. */
  readonly directory: string
  /** Absent: its DB is open in this process. Present: there is none here, and `handle` means nothing. */
  readonly remote?: RemoteCopies
}

/** A version that can be read now: one incarnation a shard, in shard order. */
export interface ServedVersion {
  readonly id: number
  readonly shards: readonly Incarnation[]
  /** No longer kept: only who began to read it page by page goes on with it for a while. */
  readonly isLeaving?: true
}

export interface DatasetEntry {
  readonly record: DatasetRecord
  /** BATCH: every open version, newest first. */
  readonly versions: readonly ServedVersion[]
  /** BATCH: versions that leave, open or not: opened again for who began to read them. Absent: none leaves. */
  readonly leaving?: readonly number[]
  /** BATCH: the one that is served; null: NO_VERSION_ONLINE. */
  readonly current: ServedVersion | null
  /** READ_WRITE: one incarnation a shard; null where it could not be opened (SHARD_NOT_SERVING). */
  readonly live: readonly (Incarnation | null)[]
}

export interface ClusterMap {
  /** Rises by one with every published map; threads acknowledge epochs. */
  readonly epoch: number
  readonly datasets: ReadonlyMap<string, DatasetEntry>
  /** Of all clusters, aliases included: legacy callers name their data's home. */
  readonly clusterNames: ReadonlySet<string>
  /** Absent: nothing was made by CQL. */
  readonly cql?: CqlCatalog
}

/** What is posted to threads: only what changed, so that a change costs the same with 10 datasets as with 1,000. */
export interface ClusterMapDelta {
  readonly epoch: number
  /** Entries that are new or differ, by dataset name. */
  readonly changed: readonly DatasetEntry[]
  /** Names that are gone. */
  readonly removed: readonly string[]
  /** All of them; absent: as before. */
  readonly clusterNames?: readonly string[]
  /** All of it; absent: as before. */
  readonly cql?: CqlCatalog
}

export const EMPTY_CLUSTER_MAP: ClusterMap = {
  epoch: 0,
  datasets: new Map(),
  clusterNames: new Set(),
}

/** The map that results; the given one stays as it is. */
export function applyDelta(map: ClusterMap, delta: ClusterMapDelta): ClusterMap {
  const datasets = new Map(map.datasets)
  for (const name of delta.removed) datasets.delete(name)
  for (const entry of delta.changed) datasets.set(entry.record.name, entry)
  const clusterNames = delta.clusterNames === undefined ? map.clusterNames : new Set(delta.clusterNames)
  const cql = delta.cql ?? map.cql
  return { epoch: delta.epoch, datasets, clusterNames, ...(cql === undefined ? {} : { cql }) }
}

/** Every incarnation that a map names, once each. */
export function incarnationsOf(map: ClusterMap): Map<number, Incarnation> {
  const found = new Map<number, Incarnation>()
  for (const entry of map.datasets.values()) {
    for (const incarnation of incarnationsOfEntry(entry)) found.set(incarnation.id, incarnation)
  }
  return found
}

export function* incarnationsOfEntry(entry: DatasetEntry): Generator<Incarnation> {
  for (const version of entry.versions) yield* version.shards
  for (const incarnation of entry.live) if (incarnation !== null) yield incarnation
}
