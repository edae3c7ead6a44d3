/** What the copying of versions needs of the leaf's format; the composition root of the task process gives it. */
import type { KeyOrder } from '../model/dataset.js'
import type { VersionFigures } from '../model/metastore.js'

/** A sealed shard that nothing else has open. */
export interface ClosedShard {
  /** Reads and checks everything. @throws {KVError} CORRUPT */
  verify(onRead: (bytes: number) => void): VersionFigures
  close(): Promise<void>
}

export interface ShardFormatAccess {
  /** Number of the format that this program writes and reads. */
  readonly sealedFormat: number
  /** @throws {KVError} CORRUPT, FAILED_PRECONDITION, UNAVAILABLE */
  open(directory: string, keyOrder: KeyOrder): Promise<ClosedShard>
  /** Paths, from the directory, of what a copy of a closed shard needs. */
  files(directory: string): Promise<readonly string[]>
  /** Makes content and names durable. */
  sync(directory: string): Promise<void>
}

/** What a task reports on the way. */
export type OnProgress = (step: string, done: number, total: number | null) => void
