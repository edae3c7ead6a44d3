/**
 * CQL's errors: a code of the native protocol and the text that Cassandra gives. Drivers decide by the code what to try
 * next, and people and tests look at the text, so both are Cassandra's wherever it has one.
 * Source: native_protocol_v4.spec section 9, ExceptionCode.java of Cassandra 3.0.
 */

/** Name -> code on the wire. Never renumber. */
export const CQL_ERROR_CODES = {
  SERVER_ERROR: 0x0000,
  PROTOCOL_ERROR: 0x000a,
  BAD_CREDENTIALS: 0x0100,
  UNAVAILABLE: 0x1000,
  OVERLOADED: 0x1001,
  IS_BOOTSTRAPPING: 0x1002,
  TRUNCATE_ERROR: 0x1003,
  WRITE_TIMEOUT: 0x1100,
  READ_TIMEOUT: 0x1200,
  READ_FAILURE: 0x1300,
  FUNCTION_FAILURE: 0x1400,
  WRITE_FAILURE: 0x1500,
  SYNTAX_ERROR: 0x2000,
  UNAUTHORIZED: 0x2100,
  INVALID: 0x2200,
  CONFIG_ERROR: 0x2300,
  ALREADY_EXISTS: 0x2400,
  UNPREPARED: 0x2500,
} as const

export type CqlErrorCode = keyof typeof CQL_ERROR_CODES

/** What the wire carries behind the text; which fields there are follows from the code. */
export interface CqlErrorDetails {
  /** UNAVAILABLE, READ_TIMEOUT, WRITE_TIMEOUT, READ_FAILURE, WRITE_FAILURE: the consistency level of the request. */
  readonly consistency?: number
  /** UNAVAILABLE: replicas alive; timeouts and failures: replicas that answered. */
  readonly received?: number
  /** UNAVAILABLE: replicas required; timeouts and failures: replicas waited for. */
  readonly required?: number
  /** READ_FAILURE, WRITE_FAILURE. */
  readonly failures?: number
  /** READ_TIMEOUT, READ_FAILURE. */
  readonly isDataPresent?: boolean
  /** WRITE_TIMEOUT, WRITE_FAILURE. */
  readonly writeType?: 'SIMPLE' | 'BATCH' | 'UNLOGGED_BATCH' | 'COUNTER' | 'BATCH_LOG' | 'CAS'
  /** ALREADY_EXISTS; the table is empty for a keyspace. */
  readonly keyspace?: string
  readonly table?: string
  /** UNPREPARED: the id that is not known. */
  readonly preparedId?: Buffer
}

/** A request that is answered by an ERROR frame. Its message goes to the caller as it is. */
export class CqlError extends Error {
  readonly code: CqlErrorCode
  readonly details: CqlErrorDetails

  constructor(code: CqlErrorCode, message: string, details: CqlErrorDetails = {}) {
    // As with KVError: only a fault of ours needs to say where; callers can ask to be refused as often as they like.
    const { stackTraceLimit } = Error
    if (code !== 'SERVER_ERROR') Error.stackTraceLimit = 0
    super(message)
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'CqlError'
    this.code = code
    this.details = details
  }
}

/** The commonest one: the statement is well formed and cannot be done. */
export function invalid(message: string): CqlError {
  return new CqlError('INVALID', message)
}
