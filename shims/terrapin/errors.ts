/** Our error codes in Terrapin's words. A code that is missing here does not compile. */
import type { ErrorCode, KVError } from '../../src/base/errors.js'
import { TerrapinGetErrorCode, makeTerrapinGetException } from '../../src/thrift/generated/terrapin.js'
import type { TerrapinGetException } from '../../src/thrift/generated/terrapin.js'
import { TerrapinError } from './origin-errors.js'

interface TerrapinCodes {
  /** Of TerrapinService. */
  readonly service: TerrapinGetErrorCode
  /** Of TerrapinServerInternal. */
  readonly internal: TerrapinGetErrorCode
}

const { OTHER, READ_ERROR, INVALID_REQUEST, INVALID_FILE_SET_VIEW, FILE_SET_NOT_FOUND } = TerrapinGetErrorCode
const { PARTITION_OFFLINE, NOT_SERVING_RESOURCE, NOT_SERVING_PARTITION } = TerrapinGetErrorCode

function both(code: TerrapinGetErrorCode): TerrapinCodes {
  return { service: code, internal: code }
}

export const TERRAPIN_CODES: Readonly<Record<ErrorCode, TerrapinCodes>> = {
  INVALID_ARGUMENT: both(INVALID_REQUEST),
  BAD_PAGE_TOKEN: both(INVALID_REQUEST),
  BAD_SESSION_TOKEN: both(INVALID_REQUEST),
  IDEMPOTENCY_MISMATCH: both(INVALID_REQUEST),
  DATASET_NOT_FOUND: { service: FILE_SET_NOT_FOUND, internal: NOT_SERVING_RESOURCE },
  VERSION_NOT_FOUND: { service: INVALID_FILE_SET_VIEW, internal: NOT_SERVING_RESOURCE },
  UNAUTHENTICATED: both(OTHER),
  PERMISSION_DENIED: both(OTHER),
  UNSUPPORTED: both(INVALID_REQUEST),
  READ_ONLY: both(INVALID_REQUEST),
  NOT_A_COUNTER: both(INVALID_REQUEST),
  NO_VERSION_ONLINE: { service: INVALID_FILE_SET_VIEW, internal: NOT_SERVING_PARTITION },
  FAILED_PRECONDITION: both(INVALID_REQUEST),
  ALREADY_EXISTS: both(INVALID_REQUEST),
  CONFLICT: both(INVALID_REQUEST),
  TOO_LARGE: both(OTHER),
  QUOTA_EXCEEDED: both(OTHER),
  THROTTLED: both(OTHER),
  OVERLOADED: both(OTHER),
  UNAVAILABLE: both(READ_ERROR),
  SHARD_NOT_SERVING: { service: PARTITION_OFFLINE, internal: NOT_SERVING_PARTITION },
  NOT_ENOUGH_REPLICAS: both(READ_ERROR),
  DEADLINE_EXCEEDED: both(READ_ERROR),
  CORRUPT: both(READ_ERROR),
  CANCELLED: both(OTHER),
  INTERNAL: both(OTHER),
}

/** The code of a key or a call that failed; what a Terrapin answered keeps the one that it came with. */
export function codeOf(error: KVError, side: keyof TerrapinCodes): TerrapinGetErrorCode {
  return error instanceof TerrapinError ? error.errorCode : TERRAPIN_CODES[error.code][side]
}

/** Of a call to TerrapinService as a whole. Texts are those of TerrapinServiceImpl and TerrapinClient. */
export function callError(error: KVError, fileSet: string): TerrapinGetException {
  if (error instanceof TerrapinError && error.exception !== null) return error.exception
  const errorCode = TERRAPIN_CODES[error.code].service
  return makeTerrapinGetException({ errorCode, message: callText(errorCode, error, fileSet) })
}

/** What `get` throws for a key that could not be read; `multiGet` answers the code alone. */
export function readFailed(errorCode: TerrapinGetErrorCode): TerrapinGetException {
  return makeTerrapinGetException({ errorCode, message: 'Read failed.' })
}

export function exceptionOf(errorCode: TerrapinGetErrorCode, message: string): TerrapinGetException {
  return makeTerrapinGetException({ errorCode, message })
}

function callText(code: TerrapinGetErrorCode, error: KVError, fileSet: string): string {
  if (code === FILE_SET_NOT_FOUND) return `File set ${fileSet} not found.`
  if (code === INVALID_FILE_SET_VIEW) return `View for file set ${fileSet} not found.`
  return code === OTHER ? `Failed due to ${error.code}: ${error.message}` : error.message
}
