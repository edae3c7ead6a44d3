/**
 * The one error vocabulary, inside and out. `ErrorCode` is exactly the enum of that name in idl/kvstore.thrift (a tidy
 * test compares them); kind and retryability derive from the code and are never stored beside it.
 */

/** Code -> number on the wire. The hundreds digit is the kind. Never renumber. */
export const ERROR_CODES = {
  INVALID_ARGUMENT: 100,
  DATASET_NOT_FOUND: 101,
  PERMISSION_DENIED: 102,
  UNAUTHENTICATED: 103,
  UNSUPPORTED: 104,
  BAD_PAGE_TOKEN: 105,
  VERSION_NOT_FOUND: 106,
  BAD_SESSION_TOKEN: 107,
  IDEMPOTENCY_MISMATCH: 108,

  READ_ONLY: 200,
  NO_VERSION_ONLINE: 201,
  FAILED_PRECONDITION: 202,
  ALREADY_EXISTS: 203,
  CONFLICT: 204,

  TOO_LARGE: 300,
  THROTTLED: 301,
  QUOTA_EXCEEDED: 302,
  OVERLOADED: 303,

  INTERNAL: 400,
  UNAVAILABLE: 401,
  DEADLINE_EXCEEDED: 402,
  NOT_ENOUGH_REPLICAS: 403,
  SHARD_NOT_SERVING: 404,
  CANCELLED: 405,

  CORRUPT: 500,
  NOT_A_COUNTER: 501,
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/** What a caller can do about an error; the number is the hundreds digit of its codes. Never renumber. */
export const ERROR_KINDS = { CALLER: 1, DATASET: 2, CAPACITY: 3, AVAILABILITY: 4, DATA: 5 } as const

export type ErrorKind = keyof typeof ERROR_KINDS

/** NOT_APPLIED: nothing of the write was applied. UNKNOWN: it may have been. */
export type WriteOutcome = 'NOT_APPLIED' | 'UNKNOWN'

const KIND_BY_DIGIT: Readonly<Record<number, ErrorKind>> = {
  1: 'CALLER',
  2: 'DATASET',
  3: 'CAPACITY',
  4: 'AVAILABILITY',
  5: 'DATA',
}

/** Codes for which sending the same request again, within the caller's deadline, can help. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NO_VERSION_ONLINE',
  'THROTTLED',
  'OVERLOADED',
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'NOT_ENOUGH_REPLICAS',
  'SHARD_NOT_SERVING',
])

export interface KVErrorOptions {
  /** Set by operations that write. */
  readonly outcome?: WriteOutcome
  readonly retryAfterMs?: number
  readonly dataset?: string
  readonly backend?: string
  readonly cause?: unknown
}

/** Every failure that crosses a folder's border. The message is lowercase and says what, where and what to do next. */
export class KVError extends Error {
  readonly code: ErrorCode
  readonly outcome: WriteOutcome | undefined
  readonly retryAfterMs: number | undefined
  readonly dataset: string | undefined
  readonly backend: string | undefined

  constructor(code: ErrorCode, message: string, options: KVErrorOptions = {}) {
    // A stack trace costs ten times the rest of a refused request, and callers can ask to be refused as often as they
    // like. Code and message say what happened; only a fault of ours, INTERNAL, needs to say where.
    const { stackTraceLimit } = Error
    if (code !== 'INTERNAL') Error.stackTraceLimit = 0
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'KVError'
    this.code = code
    this.outcome = options.outcome
    this.retryAfterMs = options.retryAfterMs
    this.dataset = options.dataset
    this.backend = options.backend
  }

  get kind(): ErrorKind {
    return errorKind(this.code)
  }

  get isRetryable(): boolean {
    return RETRYABLE.has(this.code)
  }
}

export function errorKind(code: ErrorCode): ErrorKind {
  return KIND_BY_DIGIT[Math.floor(ERROR_CODES[code] / 100)] ?? 'AVAILABILITY'
}

export function isErrorCode(name: string): name is ErrorCode {
  return Object.hasOwn(ERROR_CODES, name)
}

/** Wraps anything thrown into a KVError: a KVError as it is, everything else as INTERNAL with its cause. */
export function toKVError(thrown: unknown, context: string): KVError {
  if (thrown instanceof KVError) return thrown
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return new KVError('INTERNAL', `${context}: ${reason}`, { cause: thrown })
}

/** Whether what failed may have been applied all the same. */
export function isInDoubt(error: unknown): boolean {
  return error instanceof KVError && error.outcome === 'UNKNOWN'
}

/**
 * How every data-plane call answers: exactly once, with the result or with a KVError, never by throwing. One function
 * instead of a promise because a promise per hop costs more than the hop (bench/read-path.ts).
 */
export type Done<T> = (outcome: T | KVError) => void
