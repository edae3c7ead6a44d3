/**
 * What leaves should hold, held against what they say they hold: which copies are to be made, which are over, and where a
 * version is read from. Rules only, from what is given, and for one dataset at a time, so that a change costs what it
 * concerns; placement-keeper.ts acts.
 *
 * - A version belongs to its cluster; each shard to `replicas` leaves of it (placement.ts).
 * - It is read from its cluster's leaves as soon as every shard has all the copies that can be made now, and goes on so
 *   while every shard has one. Otherwise from other leaves that have all of it (those it comes from when it moves), and
 *   else from the gateway's own copy. So a move, a lost leaf and a lost disk all look alike: nothing stops being served.
 * - A copy is over when its version is, or when the version has all of its copies where it belongs; and never while a read
 *   may still use it.
 */
import type { ClusterRecord, DatasetRecord, LeafRecord, VersionRecord } from '../model/dataset.js'
import { parseTarget, targetPath } from './http/leaf-directory.js'
import type { ShardTarget } from './http/wire.js'
import type { Holdings } from './placement-holdings.js'
import { leavesOfShard } from './placement.js'

/** What is known of a leaf now. */
export interface LeafView {
  readonly leaf: LeafRecord
  /** False: it does not answer, belongs to another gateway, or is another leaf of ours under a second name. */
  readonly isUsable: boolean
  /** As targetPath names them; of one that does not answer: those it had. */
  readonly copies: Holdings
  readonly arriving: Holdings
}

export interface PlacementWorld {
  readonly clusters: readonly ClusterRecord[]
  /** By name; a leaf may be in several clusters. Looked at when a question is asked. */
  readonly leaves: ReadonlyMap<string, LeafView>
}

/** Leaves by shard. */
export type Copies = readonly (readonly LeafRecord[])[]

/** A copy that a leaf is to get. */
export interface CopyStep {
  readonly leaf: LeafRecord
  readonly target: ShardTarget
  readonly dataset: string
  /** Clients read the version now. */
  readonly isUrgent: boolean
}

/** A copy that a leaf is to lose. */
export interface RemovalStep {
  readonly leaf: LeafRecord
  readonly target: ShardTarget
}

/** The state of a version on its cluster. */
export interface PlacementState {
  readonly wanted: number
  /** Of those wanted, on leaves that answer. */
  readonly confirmed: number
  readonly shards: number
  /** Shards that have as many copies as the dataset asks for. */
  readonly wholeShards: number
}

/** What a leaf of a cluster should hold of a dataset, and does. */
export interface LeafShare {
  wanted: number
  held: number
}

const LOCAL = 'local'

/** Whether a version has files that are served or may be. */
export function isKept({ state }: VersionRecord): boolean {
  return state === 'READY' || state === 'CURRENT'
}

export class PlacementPlan {
  readonly #world: PlacementWorld
  readonly #clusters: ReadonlyMap<string, ClusterRecord>
  /** By cluster: the same for all versions. A changed dataset is another record. */
  readonly #chosen = new WeakMap<DatasetRecord, Map<string, Copies>>()

  constructor(world: PlacementWorld) {
    this.#world = world
    this.#clusters = new Map(world.clusters.map((cluster) => [cluster.name, cluster]))
  }

  /** The leaves that should hold each shard; null: the version belongs to the gateway itself. */
  wanted(record: DatasetRecord, version: VersionRecord): Copies | null {
    const cluster = this.#clusters.get(version.cluster ?? LOCAL)
    if (cluster === undefined || cluster.leaves.length === 0) return null
    let ofRecord = this.#chosen.get(record)
    if (ofRecord === undefined) this.#chosen.set(record, (ofRecord = new Map<string, Copies>()))
    let chosen = ofRecord.get(cluster.name)
    if (chosen === undefined) {
      chosen = Array.from({ length: record.shardCount }, (_, shard) =>
        leavesOfShard(cluster.leaves, record.replicas, { datasetId: record.id, shard }),
      )
      ofRecord.set(cluster.name, chosen)
    }
    return chosen
  }

  /**
   * Where a version is read from; null: from the gateway's own copy.
   * @param wasPlaced it is read from its cluster now
   */
  copiesOf(
    record: DatasetRecord,
    version: VersionRecord,
    wasPlaced: boolean,
  ): { readonly copies: Copies | null; readonly isPlaced: boolean } {
    const wanted = this.wanted(record, version)
    if (wanted === null) return { copies: null, isPlaced: false }
    const present = wanted.map((leaves, shard) => {
      const target = { datasetId: record.id, versionId: version.id, shard }
      return leaves.filter((leaf) => this.hasCopy(leaf, target))
    })
    const isEnough = present.every((leaves, shard) => {
      if (leaves.length === 0) return false
      return (
        wasPlaced || wanted[shard]?.every((leaf) => leaves.includes(leaf) || !this.#isUsable(leaf)) === true
      )
    })
    if (isEnough) return { copies: present, isPlaced: true }
    return { copies: this.#anywhere(record, version), isPlaced: false }
  }

  stateOf(record: DatasetRecord, version: VersionRecord): PlacementState | null {
    const wanted = this.wanted(record, version)
    if (wanted === null) return null
    let [count, confirmed, wholeShards] = [0, 0, 0]
    for (const [shard, leaves] of wanted.entries()) {
      const target = { datasetId: record.id, versionId: version.id, shard }
      const present = leaves.filter((leaf) => this.hasCopy(leaf, target)).length
      count += leaves.length
      confirmed += present
      if (present >= record.replicas) wholeShards += 1
    }
    return { wanted: count, confirmed, shards: wanted.length, wholeShards }
  }

  /** Copies of the dataset that leaves which answer should have and have not. */
  missing(record: DatasetRecord): CopyStep[] {
    const steps: CopyStep[] = []
    for (const [version, wanted] of this.#kept(record)) {
      for (const [shard, leaves] of wanted.entries()) {
        const target = { datasetId: record.id, versionId: version.id, shard }
        for (const leaf of leaves) {
          if (!this.#isUsable(leaf) || this.hasCopy(leaf, target)) continue
          steps.push({ leaf, target, dataset: record.name, isUrgent: version.state === 'CURRENT' })
        }
      }
    }
    return steps
  }

  /**
   * What leaves that answer have of a dataset and should not have.
   * @param record null: there is no such dataset any more
   * @param isSafe a kept version has all of its copies where it belongs
   */
  surplus(
    datasetId: string,
    record: DatasetRecord | null,
    isSafe: (version: VersionRecord) => boolean,
  ): RemovalStep[] {
    const kept = new Map((record?.versions ?? []).filter(isKept).map((version) => [version.id, version]))
    const steps: RemovalStep[] = []
    for (const { leaf, isUsable, copies, arriving } of this.#world.leaves.values()) {
      if (!isUsable) continue
      for (const name of new Set([...copies.of(datasetId), ...arriving.of(datasetId)])) {
        const [id = '', versionId = '', shard = ''] = name.split('/')
        const target = parseTarget(id, versionId, shard)
        if (target === null) continue
        const version = kept.get(target.versionId)
        if (version !== undefined && record !== null) {
          const leaves = this.wanted(record, version)?.[target.shard] ?? []
          if (leaves.some((one) => one.name === leaf.name) || !isSafe(version)) continue
        }
        steps.push({ leaf, target })
      }
    }
    return steps
  }

  /** What each leaf should hold of the dataset, and does, by `cluster leaf`. */
  sharesOf(record: DatasetRecord): ReadonlyMap<string, LeafShare> {
    const shares = new Map<string, LeafShare>()
    for (const [version, wanted] of this.#kept(record)) {
      for (const [shard, leaves] of wanted.entries()) {
        const target = { datasetId: record.id, versionId: version.id, shard }
        for (const leaf of leaves) {
          const key = shareKey(version.cluster ?? LOCAL, leaf.name)
          let share = shares.get(key)
          if (share === undefined) shares.set(key, (share = { wanted: 0, held: 0 }))
          share.wanted += 1
          if (this.hasCopy(leaf, target)) share.held += 1
        }
      }
    }
    return shares
  }

  /** Whether a leaf that is read from has it. */
  hasCopy({ name }: LeafRecord, target: ShardTarget): boolean {
    const view = this.#world.leaves.get(name)
    return view?.isUsable === true && view.copies.of(target.datasetId).has(targetPath(target))
  }

  *#kept(record: DatasetRecord): Generator<readonly [VersionRecord, Copies]> {
    for (const version of record.versions) {
      const wanted = isKept(version) ? this.wanted(record, version) : null
      if (wanted !== null) yield [version, wanted]
    }
  }

  /** Any leaves that have all of it; null when a shard is nowhere. */
  #anywhere(record: DatasetRecord, version: VersionRecord): Copies | null {
    const copies: LeafRecord[][] = []
    for (let shard = 0; shard < record.shardCount; shard++) {
      const target = { datasetId: record.id, versionId: version.id, shard }
      const leaves = [...this.#world.leaves.values()].filter(({ leaf }) => this.hasCopy(leaf, target))
      if (leaves.length === 0) return null
      copies.push(leaves.map(({ leaf }) => leaf))
    }
    return copies
  }

  #isUsable({ name }: LeafRecord): boolean {
    return this.#world.leaves.get(name)?.isUsable === true
  }
}

/** A leaf's part in a cluster; a leaf may be in several. */
export function shareKey(cluster: string, leaf: string): string {
  return `${cluster} ${leaf}`
}
