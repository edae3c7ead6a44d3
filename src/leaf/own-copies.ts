/**
 * Reads of shards that no leaf answered for, from the gateway's own copy, one a data thread. The copy is not open while
 * leaves serve it: the first such read has the main thread open it and take the leaves out of the map for a while, and
 * waits for the map that says so. Later ones find it there, and those planned with that map never come here.
 */
import { type Done, KVError } from '../base/errors.js'
import type { ClusterMap, DatasetEntry, Incarnation } from '../model/cluster-map.js'
import type { LeafEngine, ShardPage } from '../model/leaf-engine.js'
import type { ShardRead, ShardScan } from '../model/plan.js'
import type { RowOutcome } from '../model/row.js'
import type { IncarnationUses } from './tier.js'

/** Whom a read of a shard can be given to. */
export interface ShardSource {
  /** @param expiresAtMs when the answer is of no use any more */
  read(read: ShardRead, expiresAtMs: number, done: Done<readonly RowOutcome[]>): void
  scan(scan: ShardScan, expiresAtMs: number, done: Done<ShardPage>): void
}

export interface OwnCopiesOptions {
  /** What reads RocksDB in this process. */
  readonly engine: Pick<LeafEngine, 'read' | 'scan'>
  readonly uses: IncarnationUses
  /** The shard of the same version that is open here by the newest map; null: there is none. */
  readonly find: (incarnation: Incarnation) => Incarnation | null
  /** Asks for it, and bounds who waits and how long (kvstore/version-waits.ts). @throws {KVError} OVERLOADED, UNAVAILABLE */
  readonly wait: (
    dataset: string,
    versionId: number,
    waiting: { readonly deadline: number; retry(): void; refuse(error: KVError): void },
  ) => void
  /** For each read that is answered here. */
  readonly onRead: () => void
}

export class OwnCopies implements ShardSource {
  readonly #options: OwnCopiesOptions

  constructor(options: OwnCopiesOptions) {
    this.#options = options
  }

  read(read: ShardRead, expiresAtMs: number, done: Done<readonly RowOutcome[]>): void {
    this.#open(read.incarnation, expiresAtMs, (own) => {
      if (own instanceof KVError) done(own)
      else this.#options.engine.read({ ...read, incarnation: own }, this.#using(own, done))
    })
  }

  scan(scan: ShardScan, expiresAtMs: number, done: Done<ShardPage>): void {
    this.#open(scan.incarnation, expiresAtMs, (own) => {
      if (own instanceof KVError) done(own)
      else this.#options.engine.scan({ ...scan, incarnation: own }, this.#using(own, done))
    })
  }

  /** The tier's lease is on the leaves' incarnation: this one needs its own, taken in the tick of the look-up. */
  #using<T>(own: Incarnation, done: Done<T>): Done<T> {
    const { uses, onRead } = this.#options
    uses.acquire(own)
    onRead()
    return (outcome) => {
      uses.release(own)
      done(outcome)
    }
  }

  #open(incarnation: Incarnation, expiresAtMs: number, use: (own: Incarnation | KVError) => void): void {
    const { find, wait } = this.#options
    const own = find(incarnation)
    const { remote } = incarnation
    if (own !== null || remote === undefined) {
      use(own ?? new KVError('INTERNAL', 'a shard that no leaf serves was looked for here'))
      return
    }
    const { dataset, versionId } = remote
    try {
      wait(dataset, versionId, {
        deadline: expiresAtMs,
        retry: () => use(find(incarnation) ?? goneError(dataset, versionId)),
        refuse: use,
      })
    } catch (error) {
      if (!(error instanceof KVError)) throw error
      use(error)
    }
  }
}

function goneError(dataset: string, versionId: number): KVError {
  return new KVError('UNAVAILABLE', `version ${versionId} of dataset ${dataset} is not open here any more`, {
    dataset,
  })
}

/** The same shard of the same version, open in this process by this map; null: it is not. */
export function ownShardOf(map: ClusterMap, { datasetId, shard, remote }: Incarnation): Incarnation | null {
  if (remote === undefined) return null
  const entry = map.datasets.get(remote.dataset)
  if (entry?.record.id !== datasetId) return null
  const own = entry.versions.find(({ id }) => id === remote.versionId)?.shards[shard]
  return own === undefined || own.remote !== undefined ? null : own
}

/** Whether a version is kept, or leaves, and its shards are not open in this process. */
export function isElsewhere({ record, versions, leaving }: DatasetEntry, versionId: number): boolean {
  const state = record.versions.find(({ id }) => id === versionId)?.state
  if (state !== 'READY' && state !== 'CURRENT' && leaving?.includes(versionId) !== true) return false
  const shards = versions.find(({ id }) => id === versionId)?.shards
  return shards === undefined || shards.some(({ remote }) => remote !== undefined)
}
