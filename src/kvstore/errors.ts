/** KVError -> the exception and the detail of the KVStore API. The codes are the same, so this is a change of shape. */
import { ERROR_CODES, ERROR_KINDS, type KVError, type WriteOutcome } from '../base/errors.js'
import * as wire from '../thrift/generated/kvstore.js'

/** Never renumber; `satisfies` makes a new outcome fail to compile until it is mapped. */
const OUTCOMES = {
  NOT_APPLIED: wire.WriteOutcome.NOT_APPLIED,
  UNKNOWN: wire.WriteOutcome.UNKNOWN,
} as const satisfies Readonly<Record<WriteOutcome, number>>

/** Of a failed read, or of one row of a read: without an outcome, which only writes have. */
export function errorToDetail(error: KVError): wire.ErrorDetail {
  return detail(error, null)
}

export function readErrorToException(error: KVError, requestId: string): wire.KVStoreException {
  return exception(error, detail(error, null), requestId)
}

/**
 * A write's failure always says what became of it. Where the place that failed did not say, kinds that are decided
 * before anything is written mean NOT_APPLIED, and everything else must be taken as UNKNOWN.
 */
export function writeErrorToDetail(error: KVError): wire.ErrorDetail {
  const isDecidedBefore = error.kind === 'CALLER' || error.kind === 'DATASET' || error.kind === 'CAPACITY'
  return detail(error, error.outcome ?? (isDecidedBefore ? 'NOT_APPLIED' : 'UNKNOWN'))
}

export function writeErrorToException(error: KVError, requestId: string): wire.KVStoreException {
  return exception(error, writeErrorToDetail(error), requestId)
}

function detail(error: KVError, outcome: WriteOutcome | null): wire.ErrorDetail {
  return {
    code: ERROR_CODES[error.code],
    message: error.message,
    kind: ERROR_KINDS[error.kind],
    retryable: error.isRetryable,
    retryAfterMs: error.retryAfterMs ?? null,
    outcome: outcome === null ? null : OUTCOMES[outcome],
  }
}

function exception(error: KVError, wireDetail: wire.ErrorDetail, requestId: string): wire.KVStoreException {
  return wire.makeKVStoreException({
    message: error.message,
    error: wireDetail,
    dataset: error.dataset ?? null,
    requestId,
  })
}
