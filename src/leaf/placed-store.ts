/**
 * The control side of shards that leaf processes serve, in front of the store of those that are open here. Opening one
 * gives it an incarnation and nothing else, so that leases say until when a leaf may still be asked for it.
 */
import type { Incarnation, WritableFormat } from '../model/cluster-map.js'
import type { LeafStore, ShardLocation } from '../model/leaf-engine.js'
import { HTTP_ENGINE } from './http/engine.js'

export class PlacedStore implements LeafStore {
  readonly name = 'placed'
  readonly #local: LeafStore
  readonly #nextId: () => number
  /** By incarnation: those that a map may still name, or a thread use. */
  readonly #remote = new Map<number, Incarnation>()

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
    return Promise.resolve(incarnation)
  }

  async close(incarnationId: number): Promise<void> {
    if (!this.#remote.delete(incarnationId)) await this.#local.close(incarnationId)
  }

  async closeAll(): Promise<void> {
    this.#remote.clear()
    await this.#local.closeAll()
  }

  /** Whether a leaf may still be asked for a shard. */
  isUsed(
    leaf: string,
    at: { readonly datasetId: string; readonly versionId: number; readonly shard: number },
  ): boolean {
    for (const { datasetId, shard, remote } of this.#remote.values()) {
      if (datasetId !== at.datasetId || shard !== at.shard || remote?.versionId !== at.versionId) continue
      if (remote.leaves.some(({ name }) => name === leaf)) return true
    }
    return false
  }
}
