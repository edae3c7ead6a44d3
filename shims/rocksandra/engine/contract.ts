/**
 * Where the native protocol's listener and the CQL engine meet. The listener knows frames, streams and drivers; the
 * engine knows statements, schemas and rows. Nothing here is bytes of the protocol but values, which travel as CQL
 * serialises them.
 *
 * Every call answers exactly once. What goes wrong is a CqlError where Cassandra has a text for it, and a KVError where
 * the store failed: the listener maps the latter by the table of ../errors.ts, because it knows consistency and kind of
 * a request.
 */
import type { KVError } from '../../../src/base/errors.js'
import type { CqlError } from '../cql/errors.js'
import type { CqlType } from '../cql/types.js'
import type { Schema, TableSchema } from './schema.js'

/** A variable that leaves alone what it would have set (native_protocol_v4.spec, section 4.1.4: length -2). */
export const UNSET: unique symbol = Symbol('unset')

export type BoundValue = Buffer | null | typeof UNSET

/** Of one connection, as it is when the request is read. */
export interface CqlSession {
  /** What USE chose; null: nothing yet. */
  readonly keyspace: string | null
  /** Who authenticated; null: nobody had to. */
  readonly user: string | null
  /** The caller as it names itself (DRIVER_NAME or APPLICATION_NAME); null: it does not. */
  readonly caller: string | null
  /** Without a port. */
  readonly address: string
}

/** Numbers of consistency levels on the wire (native_protocol_v4.spec, section 3). Never renumber. */
export const CONSISTENCY = {
  ANY: 0,
  ONE: 1,
  TWO: 2,
  THREE: 3,
  QUORUM: 4,
  ALL: 5,
  LOCAL_QUORUM: 6,
  EACH_QUORUM: 7,
  SERIAL: 8,
  LOCAL_SERIAL: 9,
  LOCAL_ONE: 10,
} as const

export interface QueryOptions {
  readonly consistency: number
  /** Null: SERIAL. */
  readonly serialConsistency: number | null
  /** Of the variables, in their order. */
  readonly values: readonly BoundValue[]
  /** One name a value (flag 0x40); null: by place. */
  readonly names: readonly string[] | null
  /** Rows of a page, 1 or more; null: all at once. */
  readonly pageSize: number | null
  /** What an earlier answer gave as `paging`; the listener has checked that it is ours. */
  readonly paging: Buffer | null
  /** Microseconds (flag 0x20); null: the server's. */
  readonly timestamp: bigint | null
  /** When the caller has its answer, on the monotonic clock; as RequestContext has it. */
  readonly deadline: number
}

/** A column of an answer, or a variable of a prepared statement. */
export interface ColumnSpec {
  readonly keyspace: string
  readonly table: string
  readonly name: string
  readonly type: CqlType
}

export interface RowsResult {
  readonly kind: 'rows'
  readonly columns: readonly ColumnSpec[]
  /** One value a column; null: there is none. */
  readonly rows: readonly (readonly (Buffer | null)[])[]
  /** Where the next page begins; null: there is none. */
  readonly paging: Buffer | null
  /** The columns are not those of the prepared statement (LWT): they are sent whatever the client asked for. */
  readonly isConditional: boolean
  readonly warnings?: readonly string[]
}

export interface SchemaChange {
  readonly change: 'CREATED' | 'UPDATED' | 'DROPPED'
  readonly target: 'KEYSPACE' | 'TABLE' | 'TYPE'
  readonly keyspace: string
  /** Null for a keyspace. */
  readonly name: string | null
}

export type CqlResult =
  | { readonly kind: 'void'; readonly warnings?: readonly string[] }
  | RowsResult
  | { readonly kind: 'setKeyspace'; readonly keyspace: string }
  | { readonly kind: 'schemaChange'; readonly change: SchemaChange }

export type CqlDone = (outcome: CqlResult | CqlError | KVError) => void

/** A statement that was parsed and looked up. Good for any session: its keyspace is part of it. */
export interface PreparedStatement {
  readonly text: string
  /** The session's when it was prepared. */
  readonly keyspace: string | null
  readonly variables: readonly ColumnSpec[]
  /** Of the variables, those of the partition key in its order; empty when one of its parts is no single variable. */
  readonly partitionKeyIndexes: readonly number[]
  /** What its rows have; null for what answers none and for conditional writes. */
  readonly columns: readonly ColumnSpec[] | null
  /** False after its table or types changed: the listener answers UNPREPARED, and the driver prepares again. */
  isCurrent(): boolean
}

export interface BatchItem {
  /** A text is parsed; it may have values, too. */
  readonly statement: PreparedStatement | string
  readonly values: readonly BoundValue[]
}

export interface BatchRequest {
  readonly type: 'LOGGED' | 'UNLOGGED' | 'COUNTER'
  readonly items: readonly BatchItem[]
}

export interface CqlEngine {
  /** As of the newest ClusterMap of this thread; the same object as long as nothing of it changes. */
  schema(): Schema
  /** @throws {CqlError} */
  prepare(text: string, session: CqlSession): PreparedStatement
  /** A statement as text, parsed or found in the cache. Never throws. */
  query(text: string, session: CqlSession, options: QueryOptions, done: CqlDone): void
  /** Never throws. */
  execute(statement: PreparedStatement, session: CqlSession, options: QueryOptions, done: CqlDone): void
  /** `options.values`, `names`, `pageSize` and `paging` mean nothing here. Never throws. */
  batch(batch: BatchRequest, session: CqlSession, options: QueryOptions, done: CqlDone): void
}

/** A table that lies nowhere: its rows are made when they are asked for, and selected like any others. */
export interface VirtualTable {
  readonly schema: TableSchema
  /** One value for each of `schema.columns`, in their order, collections whole; in the order of a scan. */
  rows(): Iterable<readonly (Buffer | null)[]>
}
