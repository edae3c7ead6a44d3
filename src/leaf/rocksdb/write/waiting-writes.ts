/**
 * Writes that have come to the writer and cannot have their turn yet, because their shard is of a map that this thread has
 * not adopted. In the order in which they came; bounded as all writes are that nobody has acknowledged (write-client.ts).
 */
import type { WireWrite } from './write-wire.js'

interface Queued {
  readonly write: WireWrite
}

export class WaitingWrites<T extends Queued> {
  readonly #byShard = new Map<number, T[]>()

  get count(): number {
    let count = 0
    for (const writes of this.#byShard.values()) count += writes.length
    return count
  }

  add(queued: T): void {
    const { incarnationId } = queued.write
    const writes = this.#byShard.get(incarnationId)
    if (writes === undefined) this.#byShard.set(incarnationId, [queued])
    else writes.push(queued)
  }

  /** All of a shard, which wait no more. */
  take(incarnationId: number): readonly T[] {
    const writes = this.#byShard.get(incarnationId) ?? []
    this.#byShard.delete(incarnationId)
    return writes
  }

  /** All of every shard. */
  takeAll(): readonly T[] {
    const writes = [...this.#byShard.values()].flat()
    this.#byShard.clear()
    return writes
  }
}
