/** Outcomes of the second gateway's calls in its own words. TIOError carries the exception's message without its class. */
import type { KVError } from '../../src/base/errors.js'
import type { Cell } from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/hbase2.js'
import type { ThriftCall } from '../../src/thrift/protocol.js'
import { abort, answersBy } from './hbase-answers.js'
import { columnOf } from './hbase-columns.js'
import { canRetry, faultOf } from './hbase-errors.js'
import type { Column } from './mapping.js'

/** KeyValue.Type.Put. */
const TYPE_PUT = 4
/** Of the second gateway; the first one says `scanner ID is invalid`. */
const NO_SCANNER = 'Invalid scanner Id'

export function refuse(call: ThriftCall<never, never>, error: KVError): void {
  const fault = faultOf(error)
  // Every method of it declares TIOError, and those of scanners TIllegalArgument.
  const failing = call as unknown as { fail(exception: wire.TIOError | wire.TIllegalArgument): void }
  switch (fault.faultKind) {
    case 'io':
    case 'exists':
      failing.fail(wire.makeTIOError({ message: fault.text, canRetry: canRetry(fault) }))
      break
    case 'scanner':
      failing.fail(wire.makeTIllegalArgument({ message: NO_SCANNER }))
      break
    case 'illegal':
    case 'runtime':
      abort(call, fault)
  }
}

export const { serve, answer } = answersBy(refuse)

export function tooLargeOf(method: string, maxBytes: number): wire.TIOError {
  const message = `the answer of ${method} exceeds ${maxBytes} bytes: ask for less at a time`
  return wire.makeTIOError({ message, canRetry: false })
}

/** Without cells there is no row. */
export function existing(cells: readonly Cell[]): readonly Cell[] | null {
  return cells.length === 0 ? null : cells
}

export function toResult(row: Buffer | null, cells: readonly Cell[] | null): wire.TResult {
  return new Results().of(row, cells)
}

interface NamedColumn extends Column {
  readonly localKey: Buffer
}

/** Of one answer. Rows that follow each other mostly have the same columns, whose names are then cut out once. */
export class Results {
  /** Of the row before, by position. */
  readonly #columns: NamedColumn[] = []

  of(row: Buffer | null, cells: readonly Cell[] | null, isPartial = false): wire.TResult {
    if (cells === null || cells.length === 0)
      return { row: null, columnValues: [], stale: false, partial: isPartial }
    const columnValues: wire.TColumnValue[] = []
    for (const { localKey, value, timestamp } of cells) {
      const { family, qualifier } = this.#column(columnValues.length, localKey)
      columnValues.push({ family, qualifier, value, timestamp, tags: null, type: TYPE_PUT })
    }
    return { row, columnValues, stale: false, partial: isPartial }
  }

  #column(index: number, localKey: Buffer): NamedColumn {
    const known = this.#columns[index]
    // A page's rows mostly share the very bytes.
    if (known !== undefined && (known.localKey === localKey || known.localKey.equals(localKey))) return known
    const { family, qualifier } = columnOf(localKey)
    const column = { localKey, family, qualifier }
    this.#columns[index] = column
    return column
  }
}
