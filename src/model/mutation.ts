/** What can be done to a row. A list of them is applied in order, in one atomic step. */
import { type Cell, type CellSelector, type CellTimestamp, isPlain } from './row.js'

export type DeleteScope = 'UP_TO_TIMESTAMP' | 'EXACT_TIMESTAMP' | 'NEWEST_VERSION'

export interface PutMutation {
  readonly kind: 'PUT'
  /** Distinct local keys; timestamps and TTLs of their own, or null. */
  readonly cells: readonly Cell[]
  /** For cells that carry none; null: the writer thread stamps them. */
  readonly timestamp: CellTimestamp | null
  /** Every column not named here is removed in the same step; the cells win over that removal. */
  readonly replaceRow: boolean
}

export interface DeleteMutation {
  readonly kind: 'DELETE'
  /** Null: the whole row. Only its columns and times count. */
  readonly selector: CellSelector | null
  /** Null: now, as the writer thread stamps it. */
  readonly timestamp: CellTimestamp | null
  readonly scope: DeleteScope
}

/** Counters are values of 8 bytes, big-endian, signed. */
export interface IncrementMutation {
  readonly kind: 'INCREMENT'
  readonly deltas: readonly CounterDelta[]
}

export interface CounterDelta {
  readonly localKey: Buffer
  readonly delta: bigint
  /** Null: what is left of the counter's own; for a new one the dataset's default. */
  readonly ttlSeconds: number | null
  /** Beyond 64 bits it goes on at the other end, as HBase's counters do; absent: the increment is refused. */
  readonly wraps?: true
}

export interface AppendMutation {
  readonly kind: 'APPEND'
  readonly cells: readonly Cell[]
}

export interface TouchMutation {
  readonly kind: 'TOUCH'
  /** Null: the whole row. */
  readonly selector: CellSelector | null
  /** Null: no expiry. */
  readonly ttlSeconds: number | null
}

export type Mutation = PutMutation | DeleteMutation | IncrementMutation | AppendMutation | TouchMutation

/**
 * Whether the mutation can be stored without reading anything: the writer thread then only stamps it. Removing ranges of
 * columns is not blind, because the list of a row's range tombstones is kept by the writer; nor is replacing a row by cells
 * of other times, which removes what lies between them.
 */
export function isBlind(mutation: Mutation): boolean {
  if (mutation.kind === 'PUT') return !mutation.replaceRow || mutation.cells.every(hasPutsTime)
  if (mutation.kind !== 'DELETE' || mutation.scope !== 'UP_TO_TIMESTAMP') return false
  return mutation.selector === null || isPlain(mutation.selector)
}

function hasPutsTime({ timestamp }: Cell): boolean {
  return timestamp === null
}
