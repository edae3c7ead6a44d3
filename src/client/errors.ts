/** The client's one error, and how the answers and exceptions of stock thrift become it. */
import {
  ERROR_CODES,
  ERROR_KINDS,
  WRITE_OUTCOMES,
  type ErrorCode,
  type ErrorKind,
  type WriteOutcome,
} from './enums.js'

export interface KVStoreErrorFields {
  /** UNRECOGNIZED: a code that this client is too old to know; `codeNumber` has it. */
  readonly code: ErrorCode | 'UNRECOGNIZED'
  readonly codeNumber?: number
  readonly kind?: ErrorKind
  readonly retryable?: boolean
  readonly outcome?: WriteOutcome | undefined
  readonly retryAfterMs?: number | undefined
  readonly dataset?: string | undefined
  readonly requestId?: string | undefined
  readonly cause?: unknown
}

/** Codes for which the same request, sent again within the deadline, can succeed. Used where a server does not say. */
const RETRYABLE: ReadonlySet<string> = new Set<ErrorCode>([
  'NO_VERSION_ONLINE',
  'THROTTLED',
  'OVERLOADED',
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'NOT_ENOUGH_REPLICAS',
  'SHARD_NOT_SERVING',
])

/** Every failure of a call, whether the server reported it or the client found it. Missing rows are not failures. */
export class KVStoreError extends Error {
  readonly code: ErrorCode | 'UNRECOGNIZED'
  /** The code as the IDL numbers it. */
  readonly codeNumber: number
  /** What can be done about it; a small and closed set, unlike the codes. */
  readonly kind: ErrorKind
  /** The same request may succeed later. For writes look at `outcome` too. */
  readonly retryable: boolean
  /** Only for writes, and then always: whether the write can have been applied, over all attempts. */
  readonly outcome: WriteOutcome | undefined
  /** Milliseconds to wait before trying again, where the server asked for that. */
  readonly retryAfterMs: number | undefined
  readonly dataset: string | undefined
  /** Identifies this failure in the server's logs. */
  readonly requestId: string | undefined

  constructor(message: string, fields: KVStoreErrorFields) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause })
    this.name = 'KVStoreError'
    this.code = fields.code
    this.codeNumber = fields.codeNumber ?? (fields.code === 'UNRECOGNIZED' ? 0 : ERROR_CODES[fields.code])
    this.kind = fields.kind ?? kindOfCode(this.codeNumber)
    this.retryable = fields.retryable ?? RETRYABLE.has(fields.code)
    this.outcome = fields.outcome
    this.retryAfterMs = fields.retryAfterMs
    this.dataset = fields.dataset
    this.requestId = fields.requestId
  }

  /** The same failure of the whole call, where an earlier attempt or the kind of call changes what is known. */
  with(changes: Partial<KVStoreErrorFields>): KVStoreError {
    const { code, codeNumber, kind, retryable, outcome, retryAfterMs, dataset, requestId, cause } = this
    const fields = { code, codeNumber, kind, retryable, outcome, retryAfterMs, dataset, requestId, cause }
    return new KVStoreError(this.message, { ...fields, ...changes })
  }
}

/** ErrorDetail as stock generated code decodes it: what was not sent is null. */
export interface WireErrorDetail {
  readonly code: number
  readonly message: string | null
  readonly kind: number | null
  readonly retryable: boolean | null
  readonly retryAfterMs: number | null
  readonly outcome: number | null
}

/** KVStoreException as stock generated code decodes it. */
export interface WireException {
  readonly message: string | null
  readonly error: WireErrorDetail | null
  readonly dataset: string | null
  readonly requestId: string | null
}

function nameOf<Name extends string>(
  table: Readonly<Record<Name, number>>,
  number: number | null,
): Name | undefined {
  // Object.entries forgets that the keys of an enum's table are its names.
  const found = Object.entries(table).find(([, value]) => value === number) as [Name, number] | undefined
  return found?.[0]
}

function kindOfCode(codeNumber: number): ErrorKind {
  return nameOf(ERROR_KINDS, Math.floor(codeNumber / 100)) ?? 'AVAILABILITY'
}

export function errorOfDetail(detail: WireErrorDetail, dataset?: string): KVStoreError {
  const code = nameOf(ERROR_CODES, detail.code) ?? 'UNRECOGNIZED'
  return new KVStoreError(detail.message ?? `the server answered ${code}`, {
    code,
    codeNumber: detail.code,
    kind: nameOf(ERROR_KINDS, detail.kind) ?? kindOfCode(detail.code),
    retryable: detail.retryable ?? RETRYABLE.has(code),
    outcome: nameOf(WRITE_OUTCOMES, detail.outcome),
    retryAfterMs: detail.retryAfterMs ?? undefined,
    dataset,
  })
}

export function errorOfException(exception: WireException): KVStoreError {
  const { error, message, dataset, requestId } = exception
  const detail = error ?? {
    code: ERROR_CODES.INTERNAL,
    message,
    kind: null,
    retryable: null,
    retryAfterMs: null,
    outcome: null,
  }
  const found = errorOfDetail({ ...detail, message: detail.message ?? message })
  return found.with({ dataset: dataset ?? undefined, requestId: requestId ?? undefined })
}
