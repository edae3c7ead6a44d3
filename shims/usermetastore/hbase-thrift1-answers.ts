/** Outcomes of the first gateway's calls in its own words: cells, rows, and exceptions where a method declares them. */
import { type Done, KVError, toKVError } from '../../src/base/errors.js'
import type { Cell } from '../../src/model/row.js'
import { ApplicationExceptionType } from '../../src/thrift/application-exception.js'
import * as wire from '../../src/thrift/generated/hbase1.js'
import type { ThriftCall } from '../../src/thrift/protocol.js'
import { nameOf } from './hbase-columns.js'
import { faultOf, firstLineOf } from './hbase-errors.js'
import { LATEST_TIMESTAMP } from './mapping.js'

type Failure = wire.IOError | wire.IllegalArgument | wire.AlreadyExists

/** Runs what a call asks for; whatever it throws is the call's answer. */
export function serve(call: ThriftCall<never, never>, run: () => void): void {
  try {
    run()
  } catch (error) {
    refuse(call, toKVError(error, call.method))
  }
}

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
      failing.fail(wire.makeIOError({ message, canRetry: error.isRetryable }))
      break
    case 'illegal':
    case 'scanner':
      failing.fail(wire.makeIllegalArgument({ message }))
      break
    case 'exists':
      failing.fail(wire.makeAlreadyExists({ message }))
      break
    case 'runtime':
      call.abort(
        ApplicationExceptionType.INTERNAL_ERROR,
        `Internal error processing ${call.method}: ${fault.text}`,
      )
  }
}

/** A value for the call, or the failure in its words. */
export function answer<T, R>(call: ThriftCall<R, never>, reply: (value: T) => R): Done<T> {
  return (outcome) => {
    if (outcome instanceof KVError) refuse(call, outcome)
    else call.reply(reply(outcome))
  }
}

export function toTCell({ value, timestamp }: Cell): wire.TCell {
  return { value, timestamp: timestamp ?? LATEST_TIMESTAMP }
}

/** The newest version of each column; they come newest first. */
export function toRowResult(row: Buffer, cells: readonly Cell[], isSorted: boolean): wire.TRowResult {
  const named = cells.map((cell) => [nameOf(cell.localKey), toTCell(cell)] as const)
  if (isSorted) {
    const sortedColumns = named.map(([columnName, cell]) => ({ columnName, cell }))
    return { row, columns: null, sortedColumns }
  }
  // As HBase's TreeMap: in the order of names with the colon, and of one column what came last.
  const byName = new Map(named.map((one) => [one[0].toString('latin1'), one]))
  const columns = [...byName.values()].sort(([a], [b]) => a.compare(b))
  return { row, columns, sortedColumns: null }
}
