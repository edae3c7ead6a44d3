/** What ends a scan, or a call of one, besides its table. */
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { DO_NOT_RETRY, ioFault } from './hbase-errors.js'

export function lateFilter(table: string): KVError {
  return new KVError(
    'DEADLINE_EXCEEDED',
    `the filter of a scan of ${table} took until the deadline: the next call goes on where this one ended`,
    { dataset: table },
  )
}

export function lateFilters(table: string): KVError {
  return new KVError('DEADLINE_EXCEEDED', `the filters of gets of ${table} took until the deadline`, {
    dataset: table,
  })
}

export function tooMuchReady(): KVError {
  return new KVError(
    'OVERLOADED',
    'the scanners of this thread have read more than is asked for: ask for what is ready, or close some',
    { retryAfterMs: 1_000 },
  )
}

export function tooLong(table: string): KVError {
  const maxBytes = limits.maxScannedRowBytes
  return ioFault(
    DO_NOT_RETRY,
    `a row of ${table} takes more than ${maxBytes} bytes of memory: a scan with a batch size reads it in pieces`,
  )
}
