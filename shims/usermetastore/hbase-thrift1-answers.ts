/** Outcomes of the first gateway's calls in its own words: cells, rows, and exceptions where a method declares them. */
import type { KVError } from '../../src/base/errors.js'
import type { Cell } from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/hbase1.js'
import type { ThriftCall } from '../../src/thrift/protocol.js'
import { abort, answersBy } from './hbase-answers.js'
import { nameOf } from './hbase-columns.js'
import { canRetry, faultOf, firstLineOf } from './hbase-errors.js'
import { LATEST_TIMESTAMP } from './mapping.js'

type Failure = wire.IOError | wire.IllegalArgument | wire.AlreadyExists

/** Methods that declare IllegalArgument. */
const DECLARES_ILLEGAL = new Set([
  'createTable',
  'mutateRow',
  'mutateRowTs',
  'mutateRows',
  'mutateRowsTs',
  'atomicIncrement',
  'scannerGet',
  'scannerGetList',
  'scannerClose',
  'checkAndPut',
])

export function refuse(call: ThriftCall<never, never>, error: KVError): void {
  const fault = faultOf(error)
  // Which exceptions a method declares is in the IDL; here each is given only where it is.
  const failing = call as unknown as { fail(exception: Failure): void }
  const message = firstLineOf(fault)
  const kind =
    fault.faultKind === 'illegal' && !DECLARES_ILLEGAL.has(call.method) ? 'runtime' : fault.faultKind
  switch (kind) {
    case 'io':
      failing.fail(wire.makeIOError({ message, canRetry: canRetry(fault) }))
      break
    case 'illegal':
    case 'scanner':
      failing.fail(wire.makeIllegalArgument({ message }))
      break
    case 'exists':
      failing.fail(wire.makeAlreadyExists({ message }))
      break
    case 'runtime':
      abort(call, fault)
  }
}

export const { serve, answer } = answersBy(refuse)

export function toTCell({ value, timestamp }: Cell): wire.TCell {
  return { value, timestamp: timestamp ?? LATEST_TIMESTAMP }
}

/**
 * Rows of one answer: the newest version of each column. Rows that follow each other mostly have the same columns,
 * whose names are then made once.
 */
export class RowResults {
  readonly #isSorted: boolean
  /** Of the row before, by position. */
  #columns: NamedColumn[] = []

  /** @param isSorted columns as a list; else as a map */
  constructor(isSorted: boolean) {
    this.#isSorted = isSorted
  }

  of(row: Buffer, cells: readonly Cell[]): wire.TRowResult {
    const named: NamedCell[] = []
    let isInOrder = true
    let before: NamedColumn | null = null
    for (let i = 0; i < cells.length; i++) {
      const cell = cells[i]
      if (cell === undefined) break
      const column = this.#column(i, cell.localKey)
      if (column.before !== before) {
        column.before = before
        column.isBehind = before === null || before.name.compare(column.name) < 0
      }
      if (!column.isBehind) isInOrder = false
      named.push([column.name, toTCell(cell)])
      before = column
    }
    if (this.#isSorted) {
      const sortedColumns = named.map(([columnName, cell]) => ({ columnName, cell }))
      return { row, columns: null, sortedColumns }
    }
    return { row, columns: isInOrder ? named : inOrder(named), sortedColumns: null }
  }

  #column(index: number, localKey: Buffer): NamedColumn {
    const known = this.#columns[index]
    // A page's rows mostly share the very bytes.
    if (known !== undefined && (known.localKey === localKey || known.localKey.equals(localKey))) return known
    const column = { localKey, name: nameOf(localKey), before: null, isBehind: true }
    this.#columns[index] = column
    return column
  }
}

interface NamedColumn {
  readonly localKey: Buffer
  readonly name: Buffer
  /** The one before it in the last row that had it, and whether its name comes behind that one's. */
  before: NamedColumn | null
  isBehind: boolean
}

type NamedCell = readonly [name: Buffer, cell: wire.TCell]

/** As HBase's TreeMap: in the order of names with the colon, and of one column what came last. */
function inOrder(named: readonly NamedCell[]): NamedCell[] {
  const byName = new Map(named.map((one) => [one[0].toString('latin1'), one]))
  return [...byName.values()].sort(([a], [b]) => a.compare(b))
}
