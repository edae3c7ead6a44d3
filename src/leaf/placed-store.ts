/**
 * The control side of shards that leaf processes serve, in front of the store of those that are open here. Opening one
 * gives it an incarnation and nothing else, so that leases say until when a leaf may still be asked for it.
 */
import type { Incarnation, WritableFormat } from '../model/cluster-map.js'
import type { LeafStore, ShardLocation } from '../model/leaf-engine.js'
import { HTTP_ENGINE } from './http/engine.js'
import { targetPath } from './http/leaf-directory.js'
import type { ShardTarget } from './http/wire.js'

export class PlacedStore implements LeafStore {
  readonly name = 'placed'
  readonly #local: LeafStore
  readonly #nextId: () => number
  /** By incarnation: those that a map may still name, or a thread use. */
  readonly #remote = new Map<number, Incarnation>()
  /** The same, by what they are copies of: asked for each copy that is to be removed. */
  readonly #byTarget = new Map<string, Set<Incarnation>>()

  /** @param nextId the one that `local` takes its ids from */
  constructor(local: LeafStore, nextId: () => number) {
    this.#local = local
    this.#nextId = nextId
  }

  createWritable(directory: string, format: WritableFormat): Promise<void> {
    return this.#local.createWritable(directory, format)
  }

  open(shard: ShardLocation): Promise<Incarnation> {
    const { remote } = shard
    if (remote === undefined) return this.#local.open(shard)
    const id = this.#nextId()
    const incarnation: Incarnation = {
      id,
      datasetId: shard.datasetId,
      shard: shard.shard,
      format: shard.format,
      maxCellVersions: shard.maxCellVersions,
      engine: HTTP_ENGINE,
      handle: 0n,
      hasRangeTombstones: new SharedArrayBuffer(4),
      directory: shard.directory,
      remote,
    }
    this.#remote.set(id, incarnation)
    const key = targetPath(targetOf(incarnation))
    const same = this.#byTarget.get(key)
    if (same === undefined) this.#byTarget.set(key, new Set([incarnation]))
    else same.add(incarnation)
    return Promise.resolve(incarnation)
  }

  async close(incarnationId: number): Promise<void> {
    const remote = this.#remote.get(incarnationId)
    if (remote === undefined) {
      await this.#local.close(incarnationId)
      return
    }
    this.#remote.delete(incarnationId)
    const key = targetPath(targetOf(remote))
    const same = this.#byTarget.get(key)
    same?.delete(remote)
    if (same?.size === 0) this.#byTarget.delete(key)
  }

  async closeAll(): Promise<void> {
    this.#remote.clear()
    this.#byTarget.clear()
    await this.#local.closeAll()
  }

  /** Whether a leaf may still be asked for a shard. */
  isUsed(leaf: string, target: ShardTarget): boolean {
    for (const { remote } of this.#byTarget.get(targetPath(target)) ?? []) {
      if (remote?.leaves.some(({ name }) => name === leaf) === true) return true
    }
    return false
  }
}

function targetOf({ datasetId, shard, remote }: Incarnation): ShardTarget {
  return { datasetId, shard, versionId: remote?.versionId ?? 0 }
}
