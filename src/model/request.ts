/** What a shim asks for, in our words. Produced by hop 2 (translate), consumed by hop 3 (admit). */
import type { Deadline } from '../base/deadline.js'
import type { Durability } from './dataset.js'
import type { Cell, CellSelector, CellTimestamp, RowOutcome } from './row.js'

/** Who asks and how long they wait. Nothing here changes what is read or written. */
export interface RequestContext {
  /** Name of the wire API, for metrics: 'kvstore', 'terrapin', ... */
  readonly api: string
  /** The calling service as it names itself; null if it does not. */
  readonly caller: string | null
  readonly deadline: Deadline
}

export interface ReadRequest {
  readonly dataset: string
  /** One for a get; the answer has one outcome a key, in this order, repeats included. */
  readonly rowKeys: readonly Buffer[]
  /** For all keys; null: every column. */
  readonly selector: CellSelector | null
  /** One a key, of the keys' length; null: `selector` holds for all. */
  readonly selectorsByKey: readonly (CellSelector | null)[] | null
  /** Pinned version of a BATCH dataset, milliseconds since 1970; null: the current one. */
  readonly datasetVersion: number | null
  readonly withTimestamps: boolean
  readonly withTtl: boolean
  readonly context: RequestContext
}

export interface ReadResult {
  readonly rows: readonly RowOutcome[]
  /** BATCH: the version that answered all of them; null otherwise. */
  readonly datasetVersion: number | null
}

/** One change of one row. `cells` win over the deletion beside them. */
export interface RowMutation {
  /** Cells to write; timestamps and TTLs of their own, or null. */
  readonly cells: readonly Cell[]
  /** What is deleted in the same step: nothing, the whole row, or these columns. */
  readonly deletes: 'NOTHING' | 'ROW' | readonly Buffer[]
  /** For everything here that carries none; null: the writer thread stamps it. */
  readonly timestamp: CellTimestamp | null
}

export interface MutateRequest {
  readonly dataset: string
  readonly rowKey: Buffer
  readonly mutation: RowMutation
  /** Null: the dataset's default. */
  readonly durability: Durability | null
  readonly context: RequestContext
}

export interface MutateResult {
  /** The timestamp the write took effect at. */
  readonly timestamp: CellTimestamp
}
