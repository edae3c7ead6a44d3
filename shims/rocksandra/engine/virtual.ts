/** Rows of tables that lie nowhere, selected as any others. They are few: each request looks at all of them. */
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import type { Cell } from '../../../src/model/row.js'
import { comparatorOf } from '../cql/compare.js'
import { choiceTest, limitTest, rowTest } from './paths.js'
import { type ColumnCells, type TableRow, valueOf } from './rows.js'
import type { TableSchema } from './schema.js'
import type { SelectPlan } from './select.js'
import type { Bindings } from './terms.js'

export function* virtualRows(plan: SelectPlan, bindings: Bindings, offset: number): Generator<TableRow> {
  const { table, where } = plan
  if (where.tokens.length > 0) return
  const choices = [...where.partition, ...where.choices]
  const tests = [
    ...choices.map((choice) => choiceTest(choice, bindings)),
    ...where.limits.map((limit) => limitTest(limit, bindings)),
  ]
  const filter = rowTest({ leftChoices: [], leftLimits: [] }, where.filters, bindings)
  const perPartition = plan.isDistinct ? 1 : plan.perPartitionLimit(bindings)
  let skipped = 0
  let before: TableRow | null = null
  let inPartition = 0
  for (const row of inOrder(plan)) {
    if (!tests.every((test) => test(row)) || filter?.(row) === false) continue
    inPartition = before !== null && isSamePartition(table, before, row) ? inPartition + 1 : 1
    before = row
    if (perPartition !== null && inPartition > perPartition) continue
    if (skipped++ < offset) continue
    yield row
  }
}

type Values = readonly (Buffer | null)[]

/** That of a scan; of several partitions that are named, of their keys. */
function inOrder({ table, where, isReversed }: SelectPlan): TableRow[] {
  const rows = Array.from(table.virtual?.rows() ?? [], (values) => rowOf(table, values))
  if (isReversed) rows.reverse()
  const [key] = table.partitionKey
  if (key === undefined || !where.partition.some(({ isIn }) => isIn)) return rows
  const compare = comparatorOf(key.type)
  return rows.sort((a, b) => compare(valueOf(a, key) ?? EMPTY_BYTES, valueOf(b, key) ?? EMPTY_BYTES))
}

function isSamePartition({ partitionKey }: TableSchema, a: TableRow, b: TableRow): boolean {
  return partitionKey.every((column) => {
    const value = valueOf(a, column)
    return value !== null && valueOf(b, column)?.equals(value) === true
  })
}

function rowOf({ columns, partitionKey, clustering }: TableSchema, values: Values): TableRow {
  const key = partitionKey.map(({ index }) => values[index] ?? EMPTY_BYTES)
  const cells: ColumnCells[] = []
  for (const { index, kind } of columns) {
    const value = values[index] ?? null
    if (value !== null && (kind === 'regular' || kind === 'static')) cells[index] = cellOf(value)
  }
  return {
    partition: { rowKey: Buffer.concat(key), key, statics: cells },
    clustering: clustering.map(({ index }) => values[index] ?? EMPTY_BYTES),
    prefix: EMPTY_BYTES,
    cells,
    marker: MARKER,
  }
}

function cellOf(value: Buffer): Cell {
  return { localKey: EMPTY_BYTES, value, timestamp: 0n, ttlSeconds: null }
}

const MARKER: Cell = cellOf(EMPTY_BYTES)
