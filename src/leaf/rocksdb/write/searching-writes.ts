/**
 * Writes that wait until their row is searched (row-searches.ts), by shard and row, each row's in the order in which they
 * came. Bounded as all writes are that nobody has acknowledged (write-client.ts). A write whose deadline passes waits no
 * longer.
 */
import type { WireWrite } from './write-wire.js'

interface Queued {
  readonly write: WireWrite
}

/** Of one row that nobody waits for any more. */
export interface LeftRow {
  readonly incarnationId: number
  readonly rowId: string
}

export class SearchingWrites<T extends Queued> {
  readonly #byShard = new Map<number, Map<string, T[]>>()
  #count = 0
  /** No deadline of any of them passes before. */
  #nextDeadline = Number.POSITIVE_INFINITY

  get count(): number {
    return this.#count
  }

  /** Shards that any write waits for. */
  shards(): readonly number[] {
    return [...this.#byShard.keys()]
  }

  add(queued: T): void {
    const { incarnationId, deadline } = queued.write
    const rowId = queued.write.rowId()
    const byRow = this.#byShard.get(incarnationId)
    if (byRow === undefined) this.#byShard.set(incarnationId, new Map([[rowId, [queued]]]))
    else {
      const writes = byRow.get(rowId)
      if (writes === undefined) byRow.set(rowId, [queued])
      else writes.push(queued)
    }
    this.#count++
    if (deadline < this.#nextDeadline) this.#nextDeadline = deadline
  }

  /** A row's, which wait no more. */
  take(incarnationId: number, rowId: string): readonly T[] {
    const byRow = this.#byShard.get(incarnationId)
    const writes = byRow?.get(rowId) ?? []
    byRow?.delete(rowId)
    if (byRow?.size === 0) this.#byShard.delete(incarnationId)
    this.#count -= writes.length
    return writes
  }

  /** All of a shard, which wait no more. */
  takeShard(incarnationId: number): readonly T[] {
    const writes = [...(this.#byShard.get(incarnationId)?.values() ?? [])].flat()
    this.#byShard.delete(incarnationId)
    this.#count -= writes.length
    return writes
  }

  /** Those whose deadline has passed, which wait no more, and the rows that are waited for by nobody now. */
  takeOverdue(nowMs: number): { readonly writes: readonly T[]; readonly left: readonly LeftRow[] } {
    if (nowMs < this.#nextDeadline) return { writes: [], left: [] }
    this.#nextDeadline = Number.POSITIVE_INFINITY
    const overdue: T[] = []
    const left: LeftRow[] = []
    for (const [incarnationId, byRow] of this.#byShard) {
      for (const [rowId, writes] of byRow) {
        const inTime = writes.filter((queued) => queued.write.deadline > nowMs)
        for (const { write } of inTime) this.#nextDeadline = Math.min(this.#nextDeadline, write.deadline)
        if (inTime.length === writes.length) continue
        overdue.push(...writes.filter((queued) => queued.write.deadline <= nowMs))
        if (inTime.length > 0) byRow.set(rowId, inTime)
        else {
          byRow.delete(rowId)
          left.push({ incarnationId, rowId })
        }
      }
      if (byRow.size === 0) this.#byShard.delete(incarnationId)
    }
    this.#count -= overdue.length
    return { writes: overdue, left }
  }
}
