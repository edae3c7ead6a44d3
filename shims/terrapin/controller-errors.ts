/** Our failures in the controller's words. A code of ours that is missing here does not compile. */
import { type ErrorCode, KVError, toKVError } from '../../src/base/errors.js'
import { ControllerErrorCode, makeControllerException } from '../../src/thrift/generated/terrapin.js'
import type { ControllerException } from '../../src/thrift/generated/terrapin.js'

const { OTHER, HDFS_ERROR, SHARD_LOAD_TIMEOUT, INVALID_DATA_SET, INVALID_REQUEST, HELIX_ERROR } =
  ControllerErrorCode

/** A failure whose code in Terrapin's interface is known where it happens. */
export class ControllerError extends Error {
  override readonly name = 'ControllerError'
  readonly code: ControllerErrorCode

  constructor(code: ControllerErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** Of what a caller asks, and of our own state. */
export const CONTROLLER_CODES: Readonly<Record<ErrorCode, ControllerErrorCode>> = {
  INVALID_ARGUMENT: INVALID_REQUEST,
  BAD_PAGE_TOKEN: INVALID_REQUEST,
  BAD_SESSION_TOKEN: INVALID_REQUEST,
  IDEMPOTENCY_MISMATCH: INVALID_REQUEST,
  DATASET_NOT_FOUND: INVALID_REQUEST,
  VERSION_NOT_FOUND: INVALID_REQUEST,
  UNAUTHENTICATED: OTHER,
  PERMISSION_DENIED: OTHER,
  UNSUPPORTED: INVALID_REQUEST,
  READ_ONLY: INVALID_REQUEST,
  NOT_A_COUNTER: INVALID_REQUEST,
  NO_VERSION_ONLINE: OTHER,
  FAILED_PRECONDITION: INVALID_REQUEST,
  ALREADY_EXISTS: INVALID_REQUEST,
  CONFLICT: OTHER,
  TOO_LARGE: OTHER,
  QUOTA_EXCEEDED: OTHER,
  THROTTLED: OTHER,
  OVERLOADED: OTHER,
  UNAVAILABLE: OTHER,
  SHARD_NOT_SERVING: OTHER,
  NOT_ENOUGH_REPLICAS: OTHER,
  DEADLINE_EXCEEDED: SHARD_LOAD_TIMEOUT,
  CORRUPT: OTHER,
  CANCELLED: OTHER,
  INTERNAL: OTHER,
}

/** Of a load: what was wrong with files that are still there as they were. */
const DATA_FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['INVALID_ARGUMENT', 'CORRUPT', 'TOO_LARGE'])

/** @param isUnchanged whether the directory's files are those that the load began with */
export function loadFailure(code: ErrorCode, message: string, isUnchanged: boolean): ControllerError {
  if (!isUnchanged) return new ControllerError(HDFS_ERROR, message)
  return new ControllerError(DATA_FAULTS.has(code) ? INVALID_DATA_SET : OTHER, message)
}

/** Terrapin's text, and our reason behind it. */
export function listingFailed(directory: string, error: unknown): ControllerError {
  const { message } = toKVError(error, 'listing failed')
  return new ControllerError(HDFS_ERROR, `Exception while listing files in ${directory}: ${message}`)
}

/** Of the record, where Terrapin has a resource in Helix; a fault of what was asked stays one. */
export function resourceFailed(resource: string, error: unknown): unknown {
  const isAsked = error instanceof KVError && CONTROLLER_CODES[error.code] === INVALID_REQUEST
  if (isAsked) return error
  const { message } = toKVError(error, 'the change failed')
  return new ControllerError(HELIX_ERROR, `Resource creation failure for ${resource}: ${message}`)
}

export function toControllerException(error: unknown): ControllerException {
  if (error instanceof ControllerError)
    return makeControllerException({ errorCode: error.code, message: error.message })
  const { code, message } = toKVError(error, 'loadFileSet failed')
  return makeControllerException({ errorCode: CONTROLLER_CODES[code], message })
}

/** Whether a controller said no before it loaded anything. */
export function isRefusal(error: unknown): boolean {
  return (
    error instanceof ControllerError && (error.code === INVALID_DATA_SET || error.code === INVALID_REQUEST)
  )
}

/** For the figures of requests. */
export function codeOf({ errorCode }: ControllerException): ErrorCode {
  if (errorCode === HDFS_ERROR) return 'UNAVAILABLE'
  if (errorCode === SHARD_LOAD_TIMEOUT) return 'DEADLINE_EXCEEDED'
  return errorCode === INVALID_DATA_SET || errorCode === INVALID_REQUEST ? 'INVALID_ARGUMENT' : 'INTERNAL'
}
