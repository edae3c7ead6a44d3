/** What of the store goes wrong, as Cassandra's errors: the code decides what drivers try next. */
import type { ErrorCode, KVError } from '../../src/base/errors.js'
import { CqlError, type CqlErrorCode, type CqlErrorDetails } from './cql/errors.js'

/** What is known of the request that failed. */
export interface FailedRequest {
  readonly consistency: number
  /** Of a batch its type; other writes are told by their error. */
  readonly batchType: 'LOGGED' | 'UNLOGGED' | 'COUNTER' | null
}

/** The code of a failure; where reads and writes differ, of each. A new ErrorCode does not compile until it stands here. */
const CODES: Readonly<
  Record<ErrorCode, CqlErrorCode | { readonly read: CqlErrorCode; readonly write: CqlErrorCode }>
> = {
  INVALID_ARGUMENT: 'INVALID',
  // The paging state is authentic by then, so that its request was changed.
  BAD_PAGE_TOKEN: 'PROTOCOL_ERROR',
  BAD_SESSION_TOKEN: 'INVALID',
  IDEMPOTENCY_MISMATCH: 'INVALID',
  DATASET_NOT_FOUND: 'INVALID',
  VERSION_NOT_FOUND: 'INVALID',
  UNAUTHENTICATED: 'BAD_CREDENTIALS',
  PERMISSION_DENIED: 'UNAUTHORIZED',
  UNSUPPORTED: 'INVALID',
  READ_ONLY: 'INVALID',
  NOT_A_COUNTER: 'INVALID',
  NO_VERSION_ONLINE: 'UNAVAILABLE',
  FAILED_PRECONDITION: 'INVALID',
  ALREADY_EXISTS: 'ALREADY_EXISTS',
  CONFLICT: 'INVALID',
  TOO_LARGE: 'INVALID',
  QUOTA_EXCEEDED: 'INVALID',
  THROTTLED: 'OVERLOADED',
  OVERLOADED: 'OVERLOADED',
  UNAVAILABLE: 'UNAVAILABLE',
  SHARD_NOT_SERVING: 'UNAVAILABLE',
  NOT_ENOUGH_REPLICAS: 'UNAVAILABLE',
  DEADLINE_EXCEEDED: { read: 'READ_TIMEOUT', write: 'WRITE_TIMEOUT' },
  CORRUPT: { read: 'READ_FAILURE', write: 'WRITE_FAILURE' },
  CANCELLED: 'SERVER_ERROR',
  INTERNAL: 'SERVER_ERROR',
}

const WRITE_TYPES = { LOGGED: 'BATCH', UNLOGGED: 'UNLOGGED_BATCH', COUNTER: 'COUNTER' } as const

/** As the protocol has it. Faults of ours say no more than that they are; the log has the rest. */
export function toCqlError(error: CqlError | KVError, request: FailedRequest): CqlError {
  if (error instanceof CqlError) return error
  const isWrite = request.batchType !== null || error.outcome !== undefined
  const entry = CODES[error.code]
  const code = typeof entry === 'string' ? entry : isWrite ? entry.write : entry.read
  const message = error.code === 'INTERNAL' ? 'internal error, see the server log' : error.message
  return new CqlError(code, message, detailsOf(code, error, request))
}

function detailsOf(code: CqlErrorCode, error: KVError, request: FailedRequest): CqlErrorDetails {
  if (code === 'ALREADY_EXISTS') {
    const [keyspace = '', table = ''] = (error.dataset ?? '').split('.', 2)
    return { keyspace, table }
  }
  const writeType = request.batchType === null ? 'SIMPLE' : WRITE_TYPES[request.batchType]
  return { consistency: request.consistency, received: 0, required: 1, writeType }
}
