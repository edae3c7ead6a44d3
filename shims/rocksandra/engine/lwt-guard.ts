/**
 * What a conditional write is guarded by: that every cell its decision and its operations stand on is still as it was read.
 * What was not there must not be there now; where a cell lies that no read shows, of a former column of the name, it must
 * be that one. The mark of a collection is guarded with its elements, so that of two that set the whole one wins.
 */
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import { limits } from '../../../src/base/limits.js'
import type { Cell, CellTimestamp, Condition } from '../../../src/model/row.js'
import { invalid } from '../cql/errors.js'
import { type ConditionalPart, type Involved, type RowOf, decidedOn } from './lwt-request.js'
import { STATIC_PREFIX, columnKey, elementKey } from './mapping.js'
import { rowPrefixes } from './paths.js'
import { type TableRow, cellsOf, isElements } from './rows.js'
import type { Column } from './schema.js'

/** What was read of the partition. */
export interface ReadPartition {
  readonly rowOf: RowOf
  readonly unseen: UnseenCells
}

/** Times of stored cells that no row shows. */
export class UnseenCells {
  readonly #times = new Map<string, CellTimestamp | null>()

  note({ localKey, timestamp }: Cell): void {
    this.#times.set(localKey.toString('latin1'), timestamp)
  }

  /** Null: no cell lies there, or one that is shown. */
  timeOf(localKey: Buffer): CellTimestamp | null {
    return this.#times.get(localKey.toString('latin1')) ?? null
  }
}

/** Of a column or a row, and of elements, of which there may be more than a request may name. */
interface Guards {
  readonly cells: readonly Condition[]
  readonly elements: readonly Condition[]
}

/** @throws {CqlError} INVALID when the conditions stand on more cells than can be guarded */
export function guardOf(
  parts: readonly ConditionalPart[],
  involved: readonly Involved[],
  read: ReadPartition,
): readonly Condition[] {
  const guards = [
    ...involved.flatMap((one) => guardsOf(one, read)),
    ...parts.flatMap((part) => guardsOfReading(part, read)),
  ]
  const cells = distinct(guards.flatMap((one) => one.cells))
  const room = limits.maxConditions - cells.length
  if (room < 0) {
    throw invalid(
      `Conditions on ${cells.length} cells in one request, at most ${limits.maxConditions}: ` +
        'put fewer conditional statements into one batch',
    )
  }
  return [...cells, ...distinct(guards.flatMap((one) => one.elements)).slice(0, room)]
}

function guardsOf(one: Involved, read: ReadPartition): readonly Guards[] {
  const { condition, prefix, part } = one
  const { table } = part.modification
  const isStatic = prefix.equals(STATIC_PREFIX)
  const columns = isStatic ? table.statics : table.regulars
  const row = decidedOn(one, read.rowOf)
  switch (condition.kind) {
    case 'IF NOT EXISTS': {
      const marker = { cells: isStatic ? [] : [guard(prefix, null)], elements: [] }
      return [marker, ...columns.map((column) => guardsOfColumn(column, { prefix, row, read }))]
    }
    case 'IF EXISTS': {
      const cell = row === null ? null : (row.marker ?? firstCell(row, columns))
      if (cell === null) return []
      return [{ cells: [{ ...guard(cell.localKey, null), comparison: 'EXISTS' }], elements: [] }]
    }
    case 'IF':
      return condition.columns.map((column) =>
        guardsOfColumn(column, { prefix: prefixOf(column, prefix), row, read }),
      )
  }
}

/** Of lists whose elements an operation goes by, such as `l[0] = v`. */
function guardsOfReading(
  { modification, bindings }: ConditionalPart,
  read: ReadPartition,
): readonly Guards[] {
  const { table, paths, operations } = modification
  const reading = operations.filter(({ needsRow }) => needsRow)
  return reading.flatMap(({ column }) =>
    prefixesOf(column, () => rowPrefixes(table, paths, bindings)).map((prefix) =>
      guardsOfColumn(column, { prefix, row: read.rowOf(prefix), read }),
    ),
  )
}

function prefixesOf(column: Column, ofRows: () => readonly Buffer[]): readonly Buffer[] {
  return column.kind === 'static' ? [STATIC_PREFIX] : ofRows()
}

function prefixOf(column: Column, prefix: Buffer): Buffer {
  return column.kind === 'static' ? STATIC_PREFIX : prefix
}

interface GuardedRow {
  readonly prefix: Buffer
  readonly row: TableRow | null
  readonly read: ReadPartition
}

function guardsOfColumn(column: Column, { prefix, row, read }: GuardedRow): Guards {
  const localKey = columnKey(prefix, column)
  const cells = row === null ? undefined : cellsOf(row, column)
  if (cells !== undefined && !isElements(cells)) {
    return { cells: [guard(localKey, cells.timestamp)], elements: [] }
  }
  return {
    cells: [guard(localKey, read.unseen.timeOf(localKey))],
    elements: (cells ?? []).map(({ path, cell }) => guard(elementKey(prefix, column, path), cell.timestamp)),
  }
}

/** Null: the cell is not there. */
function guard(localKey: Buffer, timestamp: CellTimestamp | null): Condition {
  const comparison = timestamp === null ? 'NOT_EXISTS' : 'VERSION_EQUAL'
  return { localKey, comparison, value: EMPTY_BYTES, timestamp, ifMissing: false }
}

function firstCell(row: TableRow, columns: readonly Column[]): Cell | null {
  for (const column of columns) {
    const cells = cellsOf(row, column)
    if (cells === undefined) continue
    if (!isElements(cells)) return cells
    const [element] = cells
    if (element !== undefined) return element.cell
  }
  return null
}

/** Two statements may guard the same cell. */
function distinct(conditions: readonly Condition[]): readonly Condition[] {
  const seen = new Map(conditions.map((one) => [`${one.comparison} ${one.localKey.toString('latin1')}`, one]))
  return [...seen.values()]
}
