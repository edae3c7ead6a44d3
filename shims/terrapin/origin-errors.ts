/** What a Terrapin answers in place of a value, as our errors that can be told to a Terrapin client as they came. */
import { type ErrorCode, KVError } from '../../src/base/errors.js'
import {
  TerrapinGetErrorCode as Codes,
  terrapinGetErrorCodeName,
} from '../../src/thrift/generated/terrapin.js'
import type { TerrapinGetErrorCode, TerrapinGetException } from '../../src/thrift/generated/terrapin.js'

/** The reverse of errors.ts, where several codes of ours are one of Terrapin's. */
const OUR_CODES: Readonly<Record<TerrapinGetErrorCode, ErrorCode>> = {
  [Codes.OTHER]: 'INTERNAL',
  [Codes.NOT_SERVING_RESOURCE]: 'SHARD_NOT_SERVING',
  [Codes.NOT_SERVING_PARTITION]: 'SHARD_NOT_SERVING',
  [Codes.READ_ERROR]: 'UNAVAILABLE',
  [Codes.PARTITION_OFFLINE]: 'SHARD_NOT_SERVING',
  [Codes.FILE_SET_NOT_FOUND]: 'DATASET_NOT_FOUND',
  // The gateway's settings name the clusters, not the caller.
  [Codes.CLUSTER_NOT_FOUND]: 'FAILED_PRECONDITION',
  [Codes.INVALID_REQUEST]: 'INVALID_ARGUMENT',
  [Codes.INVALID_FILE_SET_VIEW]: 'NO_VERSION_ONLINE',
}

export interface AnsweredBy {
  readonly backend: string
  readonly dataset: string
}

/** A Terrapin answered this; another wire API gets what it amounts to. */
export class TerrapinError extends KVError {
  /** For one key, or for the call as a whole. */
  readonly errorCode: TerrapinGetErrorCode
  /** Of the call as a whole; null: the code is one key's. */
  readonly exception: TerrapinGetException | null

  private constructor(
    errorCode: number,
    exception: TerrapinGetException | null,
    { backend, dataset }: AnsweredBy,
  ) {
    const name = terrapinGetErrorCodeName(errorCode) ?? String(errorCode)
    const said = exception === null ? `${name} for a key` : `${name}: ${exception.message ?? ''}`
    super(codeOf(errorCode), `${backend} answered ${said}${adviceOn(errorCode, backend)}`, {
      backend,
      dataset,
    })
    // A code that the interface does not have goes out as it came in.
    this.errorCode = errorCode as TerrapinGetErrorCode
    this.exception = exception
  }

  static ofKey(errorCode: number, answeredBy: AnsweredBy): TerrapinError {
    return new TerrapinError(errorCode, null, answeredBy)
  }

  static ofCall(exception: TerrapinGetException, answeredBy: AnsweredBy): TerrapinError {
    return new TerrapinError(exception.errorCode ?? Codes.OTHER, exception, answeredBy)
  }
}

/** Codes that later versions may have are failures that nobody here can say more about. */
function codeOf(errorCode: number): ErrorCode {
  const codes: Readonly<Record<number, ErrorCode>> = OUR_CODES
  return codes[errorCode] ?? 'INTERNAL'
}

function adviceOn(errorCode: number, backend: string): string {
  return errorCode === Codes.CLUSTER_NOT_FOUND ? `: check origins.${backend}.clusters` : ''
}
