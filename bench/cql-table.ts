/** The tables that CQL is measured on, made and filled by CQL itself, so that any server of it has the same ones. */
import type { CqlCaller } from './cql-frames.js'
import { batchFrame, i32 } from './cql-frames.js'
import { rowKey, rowValue } from './dataset.js'

export const KEYSPACE = 'bench'

const REPLICATION = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
/** Rows of one batch of the filling: well below what batches of several partitions may hold. */
const ROWS_EACH = 100

/** One row a partition. */
export const POINTS = {
  create: `CREATE TABLE ${KEYSPACE}.points (k blob PRIMARY KEY, v blob)`,
  read: `SELECT v FROM ${KEYSPACE}.points WHERE k = ?`,
  write: `INSERT INTO ${KEYSPACE}.points (k, v) VALUES (?, ?)`,
} as const

/** Many rows a partition. */
export const SLICES = {
  create: `CREATE TABLE ${KEYSPACE}.slices (k blob, c int, v blob, PRIMARY KEY (k, c))`,
  /** Of the rows of one partition, from one on. */
  read: `SELECT c, v FROM ${KEYSPACE}.slices WHERE k = ? AND c >= ? LIMIT 20`,
  write: `INSERT INTO ${KEYSPACE}.slices (k, c, v) VALUES (?, ?, ?)`,
} as const

export const SLICE_ROWS = 20
/** So that a slice lies in the midst of others. */
export const PARTITION_ROWS = 60

export async function makeTables(caller: CqlCaller): Promise<void> {
  await caller.query(`CREATE KEYSPACE ${KEYSPACE} WITH replication = ${REPLICATION}`)
  await caller.query(POINTS.create)
  await caller.query(SLICES.create)
}

export async function fillPoints(caller: CqlCaller, keys: readonly Buffer[]): Promise<void> {
  const id = await caller.prepare(POINTS.write)
  for (let from = 0; from < keys.length; from += ROWS_EACH) {
    const rows = keys.slice(from, from + ROWS_EACH).map((key, index) => [key, rowValue(from + index)])
    await caller.call(batchFrame('UNLOGGED', id, rows))
  }
}

/** Partitions by number; each has PARTITION_ROWS rows. */
export async function fillSlices(caller: CqlCaller, partitions: number): Promise<void> {
  const id = await caller.prepare(SLICES.write)
  for (let partition = 0; partition < partitions; partition++) {
    const rows = Array.from({ length: PARTITION_ROWS }, (_, c) => sliceRow(partition, c))
    await caller.call(batchFrame('UNLOGGED', id, rows))
  }
}

/** Key, clustering value and value. */
export function sliceRow(partition: number, c: number): Buffer[] {
  return [rowKey(partition), i32(c), rowValue(partition * PARTITION_ROWS + c)]
}
