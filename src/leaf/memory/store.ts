/** The memory engine's "disk" and control side: shards by directory. They outlive being closed, and end with this object. */
import { KVError } from '../../base/errors.js'
import { murmur3Token } from '../../base/hash.js'
import type { Incarnation, WritableFormat } from '../../model/cluster-map.js'
import type { KeyOrder } from '../../model/dataset.js'
import type { LeafStore, ShardLocation } from '../../model/leaf-engine.js'
import type { Cell } from '../../model/row.js'
import { NO_TOKEN } from '../../model/row-order.js'
import { hex, MemoryShard, newRow } from './rows.js'

export const MEMORY_ENGINE = 'memory'

export class MemoryStore implements LeafStore {
  readonly name = MEMORY_ENGINE
  readonly #shards = new Map<string, MemoryShard>()
  readonly #open = new Map<number, MemoryShard>()
  #nextId = 1

  createWritable(directory: string, format: WritableFormat): Promise<void> {
    if (this.#shards.has(directory)) {
      return Promise.reject(new KVError('ALREADY_EXISTS', `${directory} exists already`))
    }
    this.#shards.set(directory, new MemoryShard(format))
    return Promise.resolve()
  }

  /** Makes a sealed shard of these rows. */
  createSealed(
    directory: string,
    rows: Iterable<readonly [rowKey: Buffer, cells: readonly Cell[]]>,
    { keyOrder, nowSeconds }: { readonly keyOrder: KeyOrder; readonly nowSeconds: number },
  ): void {
    const shard = new MemoryShard('sealed')
    for (const [rowKey, cells] of rows) {
      const row = newRow({ token: keyOrder === 'HASHED' ? murmur3Token(rowKey) : NO_TOKEN, rowKey })
      for (const { localKey, value, timestamp, ttlSeconds } of cells) {
        const expirySeconds = ttlSeconds === null ? null : nowSeconds + ttlSeconds
        row.columns.set(hex(localKey), [{ timestamp, expirySeconds, ttlSeconds, value: Buffer.from(value) }])
      }
      shard.set(row)
    }
    this.#shards.set(directory, shard)
  }

  open(location: ShardLocation): Promise<Incarnation> {
    const shard = this.#shards.get(location.directory)
    if (shard === undefined || shard.format !== location.format) {
      const what = `${location.directory} is not a ${location.format} shard`
      return Promise.reject(new KVError('FAILED_PRECONDITION', what))
    }
    shard.forgetStamps()
    const id = this.#nextId++
    this.#open.set(id, shard)
    const hasRangeTombstones = new SharedArrayBuffer(4)
    return Promise.resolve({ ...location, id, engine: this.name, handle: 0n, hasRangeTombstones })
  }

  close(incarnationId: number): Promise<void> {
    this.#open.delete(incarnationId)
    return Promise.resolve()
  }

  closeAll(): Promise<void> {
    this.#open.clear()
    return Promise.resolve()
  }

  /** Forgets for good what no read can see. @throws {KVError} SHARD_NOT_SERVING */
  purge(incarnation: Incarnation): void {
    this.shardOf(incarnation).purge(incarnation.maxCellVersions)
  }

  /** @throws {KVError} SHARD_NOT_SERVING */
  shardOf({ id, directory }: Incarnation): MemoryShard {
    const shard = this.#open.get(id)
    if (shard !== undefined) return shard
    throw new KVError('SHARD_NOT_SERVING', `${directory} is not open`, { outcome: 'NOT_APPLIED' })
  }
}
