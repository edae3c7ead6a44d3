/** What the gateway asks the task process to do with versions, and what that reports. Plain JSON. */
import type { KeyOrder } from '../model/dataset.js'
import type { CopyIn } from './copy-in.js'
import type { CopyOut } from './copy-out.js'
import type { Purge } from './purge.js'

/** A version's links: one directory a shard, in shard order. */
export interface LinkedVersion {
  readonly id: number
  readonly directories: readonly string[]
}

export interface DiffTask {
  readonly kind: 'DIFF'
  readonly keyOrder: KeyOrder
  readonly before: LinkedVersion
  readonly after: LinkedVersion
  /** Samples of each kind. */
  readonly limit: number
  /** Of both versions. */
  readonly rows: number
}

export type ArchiveTask =
  | (CopyOut & { readonly kind: 'ARCHIVE' })
  | (CopyIn & { readonly kind: 'RESTORE' })
  | (Purge & { readonly kind: 'PURGE' })
  | DiffTask
