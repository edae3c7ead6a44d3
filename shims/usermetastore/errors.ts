/**
 * Our error codes in the words of UserMetaStore and of HBase. A code that is missing here does not compile. UserMetaStore's
 * are ours to choose, its service was never published; HBase's are the exceptions that its clients look for in a message.
 */
import { type ErrorCode, KVError, type WriteOutcome } from '../../src/base/errors.js'
import * as wire from '../../src/thrift/generated/usermetastore.js'

const { INTERNAL, INVALID_REQUEST, TABLE_NOT_FOUND, NOT_AUTHORIZED, TOO_LARGE, THROTTLED } = wire.UmsErrorCode
const { TIMEOUT, UNAVAILABLE, READ_ONLY, NOT_A_COUNTER, BAD_PAGE_TOKEN, UNSUPPORTED } = wire.UmsErrorCode

export const UMS_CODES: Readonly<Record<ErrorCode, wire.UmsErrorCode>> = {
  INVALID_ARGUMENT: INVALID_REQUEST,
  DATASET_NOT_FOUND: TABLE_NOT_FOUND,
  PERMISSION_DENIED: NOT_AUTHORIZED,
  UNAUTHENTICATED: NOT_AUTHORIZED,
  UNSUPPORTED,
  BAD_PAGE_TOKEN,
  // What a token pinned is gone.
  VERSION_NOT_FOUND: BAD_PAGE_TOKEN,
  BAD_SESSION_TOKEN: INVALID_REQUEST,
  // A request id that came with another request.
  IDEMPOTENCY_MISMATCH: INVALID_REQUEST,
  READ_ONLY,
  NO_VERSION_ONLINE: UNAVAILABLE,
  FAILED_PRECONDITION: INVALID_REQUEST,
  ALREADY_EXISTS: INVALID_REQUEST,
  CONFLICT: INVALID_REQUEST,
  TOO_LARGE,
  THROTTLED,
  QUOTA_EXCEEDED: THROTTLED,
  OVERLOADED: THROTTLED,
  INTERNAL,
  UNAVAILABLE,
  DEADLINE_EXCEEDED: TIMEOUT,
  NOT_ENOUGH_REPLICAS: UNAVAILABLE,
  SHARD_NOT_SERVING: UNAVAILABLE,
  CANCELLED: INTERNAL,
  CORRUPT: INTERNAL,
  NOT_A_COUNTER,
}

const HBASE = 'org.apache.hadoop.hbase'

/** Class names, which clients look for in the first line of IOError.message. */
export const HBASE_EXCEPTIONS: Readonly<Record<ErrorCode, string>> = {
  INVALID_ARGUMENT: `${HBASE}.DoNotRetryIOException`,
  DATASET_NOT_FOUND: `${HBASE}.TableNotFoundException`,
  PERMISSION_DENIED: `${HBASE}.security.AccessDeniedException`,
  UNAUTHENTICATED: `${HBASE}.security.AccessDeniedException`,
  UNSUPPORTED: `${HBASE}.DoNotRetryIOException`,
  BAD_PAGE_TOKEN: `${HBASE}.UnknownScannerException`,
  VERSION_NOT_FOUND: `${HBASE}.UnknownScannerException`,
  BAD_SESSION_TOKEN: `${HBASE}.DoNotRetryIOException`,
  IDEMPOTENCY_MISMATCH: `${HBASE}.DoNotRetryIOException`,
  READ_ONLY: `${HBASE}.DoNotRetryIOException`,
  NO_VERSION_ONLINE: `${HBASE}.NotServingRegionException`,
  FAILED_PRECONDITION: `${HBASE}.DoNotRetryIOException`,
  ALREADY_EXISTS: `${HBASE}.TableExistsException`,
  CONFLICT: `${HBASE}.DoNotRetryIOException`,
  TOO_LARGE: `${HBASE}.DoNotRetryIOException`,
  THROTTLED: `${HBASE}.quotas.RpcThrottlingException`,
  QUOTA_EXCEEDED: `${HBASE}.quotas.RpcThrottlingException`,
  OVERLOADED: `${HBASE}.RegionTooBusyException`,
  INTERNAL: 'java.io.IOException',
  UNAVAILABLE: `${HBASE}.NotServingRegionException`,
  DEADLINE_EXCEEDED: `${HBASE}.exceptions.TimeoutIOException`,
  NOT_ENOUGH_REPLICAS: `${HBASE}.NotServingRegionException`,
  SHARD_NOT_SERVING: `${HBASE}.NotServingRegionException`,
  CANCELLED: 'java.io.InterruptedIOException',
  CORRUPT: `${HBASE}.io.hfile.CorruptHFileException`,
  NOT_A_COUNTER: `${HBASE}.DoNotRetryIOException`,
}

/** Never renumber; `satisfies` makes a new outcome fail to compile until it is mapped. */
const OUTCOMES = {
  NOT_APPLIED: wire.WriteOutcome.NOT_APPLIED,
  UNKNOWN: wire.WriteOutcome.UNKNOWN,
} as const satisfies Readonly<Record<WriteOutcome, number>>

/** Of a failed read, or of one row of a read. */
export function readErrorOf(error: KVError): wire.UmsError {
  return toUmsError(error, null)
}

/**
 * Of a failed write, or of one row of one. Where the place that failed did not say what became of it, kinds that are
 * decided before anything is written mean NOT_APPLIED, and everything else must be taken as UNKNOWN.
 */
export function writeErrorOf(error: KVError): wire.UmsError {
  const isDecidedBefore = error.kind === 'CALLER' || error.kind === 'DATASET' || error.kind === 'CAPACITY'
  return toUmsError(error, error.outcome ?? (isDecidedBefore ? 'NOT_APPLIED' : 'UNKNOWN'))
}

export function exceptionOf(error: wire.UmsError): wire.UmsException {
  return wire.makeUmsException({ message: error.message, error })
}

function toUmsError(error: KVError, outcome: WriteOutcome | null): wire.UmsError {
  return {
    code: UMS_CODES[error.code],
    message: error.message,
    retryable: error.isRetryable,
    retryAfterMs: error.retryAfterMs ?? null,
    outcome: outcome === null ? null : OUTCOMES[outcome],
  }
}

export function invalid(message: string): KVError {
  return new KVError('INVALID_ARGUMENT', message, { outcome: 'NOT_APPLIED' })
}

export function tooLarge(message: string): KVError {
  return new KVError('TOO_LARGE', message, { outcome: 'NOT_APPLIED' })
}

/** For what an interface has and this server does not offer: never left out silently. */
export function unsupported(name: string, reason = 'is not offered by this server'): KVError {
  return new KVError('UNSUPPORTED', `${name} ${reason}`, { outcome: 'NOT_APPLIED' })
}
