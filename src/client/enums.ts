/** The enums of idl/kvstore.thrift: name -> number on the wire. Never renumber; a test compares them with the IDL. */

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
/** What went wrong, exactly. New codes may appear: act on kind and retryable. */
export type ErrorCode = keyof typeof ERROR_CODES

export const ERROR_KINDS = { CALLER: 1, DATASET: 2, CAPACITY: 3, AVAILABILITY: 4, DATA: 5 } as const
/**
 * What a caller can do about an error. CALLER: correct the request. DATASET: its owner must act. CAPACITY: ask for less,
 * or later. AVAILABILITY: try again within the deadline. DATA: stored data could not be read as it should.
 */
export type ErrorKind = keyof typeof ERROR_KINDS

export const WRITE_OUTCOMES = { NOT_APPLIED: 1, UNKNOWN: 2 } as const
/** NOT_APPLIED: nothing was applied. UNKNOWN: it may have been; repeat only with the same idempotency token. */
export type WriteOutcome = keyof typeof WRITE_OUTCOMES

export const CONSISTENCIES = {
  DATASET_DEFAULT: 0,
  EVENTUAL: 1,
  BOUNDED_STALENESS: 2,
  SESSION: 3,
  STRONG: 4,
} as const
/** How new a read's answer must be, from any replica (EVENTUAL) to every acknowledged write (STRONG). */
export type Consistency = keyof typeof CONSISTENCIES

export const DURABILITIES = {
  DATASET_DEFAULT: 0,
  MEMORY: 1,
  LOG_BUFFERED: 2,
  LOG: 3,
  LOG_SYNCED: 4,
  REPLICATED: 5,
  REPLICATED_SYNCED: 6,
} as const
/** What an acknowledged write survives, in increasing strength; a stronger level than asked for may be given. */
export type Durability = keyof typeof DURABILITIES

export const PRIORITIES = { DEFAULT: 0, INTERACTIVE: 1, BATCH: 2 } as const
/** INTERACTIVE: a person waits. BATCH: a job waits; shed first. */
export type Priority = keyof typeof PRIORITIES

export const COMPARISONS = {
  EXISTS: 1,
  NOT_EXISTS: 2,
  EQUAL: 3,
  NOT_EQUAL: 4,
  LESS: 5,
  LESS_OR_EQUAL: 6,
  GREATER: 7,
  GREATER_OR_EQUAL: 8,
  VERSION_EQUAL: 9,
  ROW_EXISTS: 10,
  ROW_NOT_EXISTS: 11,
} as const
/** A condition's test. Values compare as unsigned bytes; ROW_EXISTS and ROW_NOT_EXISTS look at no column. */
export type Comparison = keyof typeof COMPARISONS

export const SCAN_ORDERS = { ANY: 0, KEY: 1 } as const
/** ANY: whatever is cheapest. KEY: by key; UNSUPPORTED in datasets that hash their keys. */
export type ScanOrder = keyof typeof SCAN_ORDERS

export const DELETE_SCOPES = { UP_TO_TIMESTAMP: 0, EXACT_TIMESTAMP: 1, NEWEST_VERSION: 2 } as const
/** Which versions a deletion takes. */
export type DeleteScope = keyof typeof DELETE_SCOPES

export const DATASET_MODES = { BATCH: 1, READ_WRITE: 2, STREAMING: 3 } as const
/** BATCH: whole versions loaded at once. READ_WRITE: written by callers. STREAMING: written by a stream consumer. */
export type DatasetMode = keyof typeof DATASET_MODES

export const KEY_ORDERS = { HASHED: 1, ORDERED: 2 } as const
/** Whether a dataset's keys can be scanned in order. */
export type KeyOrder = keyof typeof KEY_ORDERS

export const TIMESTAMP_UNITS = { MICROSECONDS: 0, MILLISECONDS: 1, OPAQUE: 2 } as const
/** What a dataset's timestamps count; OPAQUE: numbers with no meaning as time. */
export type TimestampUnit = keyof typeof TIMESTAMP_UNITS

export const CONFLICT_RULES = { LAST_WRITE_WINS: 0, ARRIVAL_ORDER: 1 } as const
/** Which of two writes of a cell wins: the higher timestamp, or the later arrival. */
export type ConflictRule = keyof typeof CONFLICT_RULES
