/**
 * What statements write to one partition, gathered and handed to the KVStore as one atomic request. Where a tombstone and a
 * cell meet under one key at the same time, the tombstone wins; of several cells cells-by-key.ts says which.
 */
import { EMPTY_BYTES, sortedDistinct } from '../../../src/base/bytes.js'
import type { DeleteMutation, Mutation } from '../../../src/model/mutation.js'
import type { MutateRequest, RequestContext } from '../../../src/model/request.js'
import {
  type ByteRange,
  type Cell,
  type CellTimestamp,
  type Condition,
  WHOLE_ROW,
  columnsNamed,
} from '../../../src/model/row.js'
import { CellsByKey, winsAsMarker } from './cells-by-key.js'
import { columnKey, elementKey } from './mapping.js'
import { type Column, type TableSchema, datasetName } from './schema.js'

/** Of one statement. */
export interface WriteTimes {
  /** Null: the writer thread's. */
  readonly timestamp: CellTimestamp | null
  /** Null: does not expire. */
  readonly ttlSeconds: number | null
}

interface Deletion {
  readonly timestamp: CellTimestamp | null
  readonly localKeys: Buffer[]
  readonly ranges: ByteRange[]
  isWholeRow: boolean
}

const NO_MUTATIONS: readonly Mutation[] = []
/** A counter's shard, the times of a cell and of its collection. */
const MAX_CELL_OVERHEAD_BYTES = 80

export class RowWrites {
  readonly table: TableSchema
  readonly rowKey: Buffer
  /** Times up to which elements of collections are deleted: of those that get new ones, and of others. */
  #overwritten: CellsByKey | null = null
  #emptied: CellsByKey | null = null
  readonly #cells = new CellsByKey()
  #deletions: Map<CellTimestamp | null, Deletion> | null = null
  #deltas: Map<string, { readonly localKey: Buffer; readonly delta: bigint }> | null = null
  #maxDataBytes = 0

  constructor(table: TableSchema, rowKey: Buffer) {
    this.table = table
    this.rowKey = rowKey
  }

  get isEmpty(): boolean {
    return (
      this.#cells.size === 0 &&
      this.#overwritten === null &&
      this.#emptied === null &&
      this.#deletions === null &&
      this.#deltas === null
    )
  }

  /** What Cassandra would count for it, or more: rules of batches ask it of each. */
  get maxDataBytes(): number {
    return this.#maxDataBytes
  }

  /** The row's own marker. */
  mark(prefix: Buffer, { timestamp, ttlSeconds }: WriteTimes): void {
    this.#noteData(prefix, 0)
    this.#cells.keep({ localKey: prefix, value: EMPTY_BYTES, timestamp, ttlSeconds }, winsAsMarker)
  }

  put(localKey: Buffer, value: Buffer, { timestamp, ttlSeconds }: WriteTimes): void {
    this.#noteData(localKey, value.length)
    this.#cells.keep({ localKey, value, timestamp, ttlSeconds })
  }

  putElement(
    at: { readonly prefix: Buffer; readonly column: Column },
    path: Buffer,
    cell: WriteTimes & { readonly value: Buffer },
  ): void {
    this.put(elementKey(at.prefix, at.column, path), cell.value, cell)
  }

  deleteCell(localKey: Buffer, timestamp: CellTimestamp | null): void {
    this.#noteData(localKey, 0)
    this.#deletion(timestamp).localKeys.push(localKey)
  }

  /**
   * All elements that a collection has before it gets new ones: one microsecond older than these, so that they live
   * (UpdateParameters.setComplexDeletionTimeForOverwrite); null: the mutation before theirs.
   */
  overwriteElements(localKey: Buffer, timestamp: CellTimestamp | null): void {
    this.#noteData(localKey, 0)
    this.#overwritten ??= new CellsByKey()
    this.#overwritten.keep(elementsUpTo(localKey, timestamp === null ? null : timestamp - 1n))
  }

  /** All elements that a collection has up to the time; null: those of the same request, too. */
  deleteElements(localKey: Buffer, timestamp: CellTimestamp | null): void {
    this.#noteData(localKey, 0)
    this.#emptied ??= new CellsByKey()
    this.#emptied.keep(elementsUpTo(localKey, timestamp))
  }

  /** A row: cell by cell, so that it costs no range, of which a partition has a bounded number. */
  deleteRow(prefix: Buffer, timestamp: CellTimestamp | null): void {
    this.deleteCell(prefix, timestamp)
    for (const column of this.table.regulars) {
      const localKey = columnKey(prefix, column)
      if (column.isMultiCell) this.deleteElements(localKey, timestamp)
      else this.deleteCell(localKey, timestamp)
    }
  }

  deleteRanges(ranges: readonly ByteRange[], timestamp: CellTimestamp | null): void {
    if (ranges.length > 0) this.#deletion(timestamp).ranges.push(...ranges)
  }

  deletePartition(timestamp: CellTimestamp | null): void {
    this.#deletion(timestamp).isWholeRow = true
  }

  increment(localKey: Buffer, delta: bigint): void {
    this.#noteData(localKey, 0)
    const key = localKey.toString('latin1')
    this.#deltas ??= new Map()
    this.#deltas.set(key, { localKey, delta: (this.#deltas.get(key)?.delta ?? 0n) + delta })
  }

  /** A key has the row's clustering values in about as many bytes, and no cell takes more beside its value. */
  #noteData(localKey: Buffer, valueBytes: number): void {
    this.#maxDataBytes += 2 * localKey.length + valueBytes + MAX_CELL_OVERHEAD_BYTES
  }

  #deletion(timestamp: CellTimestamp | null): Deletion {
    this.#deletions ??= new Map()
    let deletion = this.#deletions.get(timestamp)
    if (deletion === undefined) {
      deletion = { timestamp, localKeys: [], ranges: [], isWholeRow: false }
      this.#deletions.set(timestamp, deletion)
    }
    return deletion
  }

  /**
   * In an order that is right where the writer gives the times, each mutation a later one: deletions of the partition and of
   * ranges, which a conditional batch's own rows survive (PartitionUpdate.updateAllTimestamp of 3.0.15), what new elements
   * take the place of, values, then deletions of rows and cells, which win over these.
   */
  mutations(): readonly Mutation[] {
    const mutations: Mutation[] = []
    const deletions = [...(this.#deletions?.values() ?? [])]
    for (const { timestamp, ranges, isWholeRow } of deletions) {
      if (isWholeRow) mutations.push({ ...deletionUpTo(timestamp), selector: null })
      // One at a time: of several statements they may overlap, which a selector's may not.
      for (const range of ranges) {
        mutations.push({ ...deletionUpTo(timestamp), selector: { ...WHOLE_ROW, ranges: [range] } })
      }
    }
    for (const cells of [this.#overwritten, this.#cells, this.#emptied]) {
      if (cells !== null && cells.size > 0) {
        mutations.push({ kind: 'PUT', cells: cells.list(), timestamp: null, replaceRow: false })
      }
    }
    for (const { timestamp, localKeys } of deletions) {
      if (localKeys.length === 0) continue
      mutations.push({ ...deletionUpTo(timestamp), selector: columnsNamed(sortedDistinct(localKeys)) })
    }
    if (this.#deltas !== null) {
      const deltas = [...this.#deltas.values()].map((one) => ({
        ...one,
        ttlSeconds: null,
        wraps: true as const,
      }))
      mutations.push({ kind: 'INCREMENT', deltas })
    }
    return mutations
  }

  request(conditions: readonly Condition[], context: RequestContext): MutateRequest {
    return {
      dataset: datasetName(this.table),
      rowKey: this.rowKey,
      mutations: this.mutations(),
      conditions,
      otherwise: NO_MUTATIONS,
      returnOnConflict: undefined,
      returnAfter: undefined,
      idempotency: null,
      durability: null,
      context,
    }
  }
}

function elementsUpTo(localKey: Buffer, timestamp: CellTimestamp | null): Cell {
  return { localKey, value: EMPTY_BYTES, timestamp, ttlSeconds: null }
}

function deletionUpTo(timestamp: CellTimestamp | null): Omit<DeleteMutation, 'selector'> {
  return { kind: 'DELETE', timestamp, scope: 'UP_TO_TIMESTAMP' }
}
