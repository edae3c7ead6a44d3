/**
 * What leaves should hold, held against what they say they hold: which copies are to be made, which are over, and where a
 * version is read from. Rules only, from what is given; placement-keeper.ts asks the leaves and acts.
 *
 * - A version belongs to its cluster; each shard to `replicas` leaves of it (placement.ts).
 * - It is read from its cluster's leaves as soon as every shard has all the copies that can be made now, and goes on so
 *   while every shard has one. Otherwise from other leaves that have all of it (those it comes from when it moves), and
 *   else from the gateway's own copy. So a move, a lost leaf and a lost disk all look alike: nothing stops being served.
 * - A copy is over when its version is, or when the version has all of its copies where it belongs; and never while a read
 *   may still use it.
 */
import type { ClusterRecord, DatasetRecord, LeafRecord, VersionRecord } from '../model/dataset.js'
import { targetPath } from './http/leaf-directory.js'
import type { ShardTarget } from './http/wire.js'
import { leavesOfShard } from './placement.js'

/** What is known of a leaf now. */
export interface LeafView {
  readonly leaf: LeafRecord
  /** False: it does not answer, or belongs to another gateway. */
  readonly isUsable: boolean
  /** As targetPath names them; of one that does not answer: those it had. */
  readonly copies: ReadonlySet<string>
  readonly arriving: ReadonlySet<string>
}

export interface PlacementWorld {
  readonly datasets: readonly DatasetRecord[]
  readonly clusters: readonly ClusterRecord[]
  /** By name; a leaf may be in several clusters. */
  readonly leaves: ReadonlyMap<string, LeafView>
}

/** Leaves by shard. */
export type Copies = readonly (readonly LeafRecord[])[]

export interface CopyStep {
  readonly leaf: LeafRecord
  readonly target: ShardTarget
  readonly dataset: string
}

/** The state of a version on its cluster. */
export interface PlacementState {
  readonly wanted: number
  /** Of those wanted, on leaves that answer. */
  readonly confirmed: number
}

const LOCAL = 'local'

/** Whether a version has files that are served or may be. */
export function isKept({ state }: VersionRecord): boolean {
  return state === 'READY' || state === 'CURRENT'
}

export class PlacementPlan {
  readonly #world: PlacementWorld
  readonly #clusters: ReadonlyMap<string, ClusterRecord>
  /** By cluster and dataset: the same for all versions. */
  readonly #chosen = new Map<string, Copies>()

  constructor(world: PlacementWorld) {
    this.#world = world
    this.#clusters = new Map(world.clusters.map((cluster) => [cluster.name, cluster]))
  }

  /** The leaves that should hold each shard; null: the version belongs to the gateway itself. */
  wanted(record: DatasetRecord, version: VersionRecord): Copies | null {
    const cluster = this.#clusters.get(version.cluster ?? LOCAL)
    if (cluster === undefined || cluster.leaves.length === 0) return null
    const key = `${cluster.name}/${record.id}`
    let chosen = this.#chosen.get(key)
    if (chosen === undefined) {
      chosen = Array.from({ length: record.shardCount }, (_, shard) =>
        leavesOfShard(cluster.leaves, record.replicas, { datasetId: record.id, shard }),
      )
      this.#chosen.set(key, chosen)
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
      const name = targetPath({ datasetId: record.id, versionId: version.id, shard })
      return leaves.filter((leaf) => this.#hasCopy(leaf, name))
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
    let [count, confirmed] = [0, 0]
    for (const [shard, leaves] of wanted.entries()) {
      const name = targetPath({ datasetId: record.id, versionId: version.id, shard })
      count += leaves.length
      confirmed += leaves.filter((leaf) => this.#hasCopy(leaf, name)).length
    }
    return { wanted: count, confirmed }
  }

  /** Copies that leaves which answer should have and have not; versions that are served now first. */
  missing(): CopyStep[] {
    const steps: CopyStep[] = []
    for (const [dataset, version, wanted] of this.#kept()) {
      for (const [shard, leaves] of wanted.entries()) {
        const target = { datasetId: dataset.id, versionId: version.id, shard }
        for (const leaf of leaves) {
          if (!this.#isUsable(leaf) || this.#hasCopy(leaf, targetPath(target))) continue
          const step = { leaf, target, dataset: dataset.name }
          if (version.state === 'CURRENT') steps.unshift(step)
          else steps.push(step)
        }
      }
    }
    return steps
  }

  /**
   * What leaves that answer have and should not have, by leaf.
   * @param isSafe a kept version has all of its copies where it belongs
   */
  surplus(isSafe: (dataset: DatasetRecord, version: VersionRecord) => boolean): Map<LeafRecord, string[]> {
    const wantedOn = new Map<string, Set<string>>()
    for (const [dataset, version, wanted] of this.#kept()) {
      for (const [shard, leaves] of wanted.entries()) {
        const name = targetPath({ datasetId: dataset.id, versionId: version.id, shard })
        for (const leaf of leaves) addTo(wantedOn, leaf.name, name)
      }
    }
    const kept = this.#keptByPath()
    const surplus = new Map<LeafRecord, string[]>()
    for (const { leaf, isUsable, copies, arriving } of this.#world.leaves.values()) {
      if (!isUsable) continue
      const over = [...copies, ...arriving].filter((name) => {
        if (wantedOn.get(leaf.name)?.has(name) === true) return false
        const [id = '', version = ''] = name.split('/')
        const found = kept.get(`${id}/${version}`)
        return found === undefined || isSafe(found.dataset, found.version)
      })
      if (over.length > 0) surplus.set(leaf, over)
    }
    return surplus
  }

  *#kept(): Generator<readonly [DatasetRecord, VersionRecord, Copies]> {
    for (const dataset of this.#world.datasets) {
      for (const version of dataset.versions) {
        const wanted = isKept(version) ? this.wanted(dataset, version) : null
        if (wanted !== null) yield [dataset, version, wanted]
      }
    }
  }

  #keptByPath(): Map<string, { readonly dataset: DatasetRecord; readonly version: VersionRecord }> {
    const kept = new Map<string, { readonly dataset: DatasetRecord; readonly version: VersionRecord }>()
    for (const dataset of this.#world.datasets) {
      for (const version of dataset.versions) {
        if (isKept(version)) kept.set(`${dataset.id}/${version.id}`, { dataset, version })
      }
    }
    return kept
  }

  /** Any leaves that have all of it; null when a shard is nowhere. */
  #anywhere(record: DatasetRecord, version: VersionRecord): Copies | null {
    const copies: LeafRecord[][] = []
    for (let shard = 0; shard < record.shardCount; shard++) {
      const name = targetPath({ datasetId: record.id, versionId: version.id, shard })
      const leaves = [...this.#world.leaves.values()].filter(
        ({ isUsable, copies: has }) => isUsable && has.has(name),
      )
      if (leaves.length === 0) return null
      copies.push(leaves.map(({ leaf }) => leaf))
    }
    return copies
  }

  #isUsable({ name }: LeafRecord): boolean {
    return this.#world.leaves.get(name)?.isUsable === true
  }

  #hasCopy({ name }: LeafRecord, copy: string): boolean {
    const view = this.#world.leaves.get(name)
    return view?.isUsable === true && view.copies.has(copy)
  }
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key)
  if (set === undefined) sets.set(key, new Set([value]))
  else set.add(value)
}
