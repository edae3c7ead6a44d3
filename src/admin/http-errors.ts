/** KVError -> HTTP status and JSON body, by the table of docs/STYLE.md section 7. */
import type { ErrorCode, KVError } from '../base/errors.js'
import type { HttpAnswer } from './http.js'

/** A code that is missing here does not compile. */
export const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  BAD_PAGE_TOKEN: 400,
  BAD_SESSION_TOKEN: 400,
  IDEMPOTENCY_MISMATCH: 400,
  NOT_A_COUNTER: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  DATASET_NOT_FOUND: 404,
  VERSION_NOT_FOUND: 404,
  READ_ONLY: 409,
  NO_VERSION_ONLINE: 409,
  FAILED_PRECONDITION: 409,
  ALREADY_EXISTS: 409,
  CONFLICT: 412,
  TOO_LARGE: 413,
  QUOTA_EXCEEDED: 413,
  THROTTLED: 429,
  CANCELLED: 499,
  INTERNAL: 500,
  CORRUPT: 500,
  UNSUPPORTED: 501,
  OVERLOADED: 503,
  UNAVAILABLE: 503,
  NOT_ENOUGH_REPLICAS: 503,
  SHARD_NOT_SERVING: 503,
  DEADLINE_EXCEEDED: 504,
}

/**
 * `status` is for what HTTP can say better than the code: an unknown route, a load that is not there. Of a request that
 * only reads there is no outcome, though parts that do not know who asks may name one.
 */
export function errorAnswer(
  error: KVError,
  status = HTTP_STATUS[error.code],
  { isRead = false } = {},
): HttpAnswer {
  const { code, kind, message, isRetryable, retryAfterMs } = error
  const outcome = isRead ? undefined : error.outcome
  return {
    status,
    headers: {
      ...(retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }),
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    },
    body: { error: { code, kind, message, retryable: isRetryable, outcome, retryAfterMs } },
  }
}
