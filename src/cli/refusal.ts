/** An error of the admin API -> what the command says, what to do next, and its exit code. */
import { CliError, EXIT, type ExitCode } from './io.js'

interface ErrorJson {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  readonly outcome?: string
}

const HINTS: Readonly<Record<string, string>> = {
  DATASET_NOT_FOUND: 'see "godwit dataset list"',
  VERSION_NOT_FOUND: 'see "godwit versions list DATASET"',
  NO_VERSION_ONLINE: 'publish one: see "godwit versions list DATASET"',
  READ_ONLY: 'a BATCH dataset changes by "godwit load"',
  CONFLICT: 'look at it again with "godwit dataset show DATASET", then repeat the command',
  ALREADY_EXISTS: 'choose another name, or look at the one that is there',
  UNAUTHENTICATED: 'put a token of this gateway into GODWIT_TOKEN',
  PERMISSION_DENIED: 'ask an operator of the gateway, or use a token of another role',
  TOO_LARGE: 'see the limits in docs/OPERATING.md',
  CORRUPT: 'stored data is damaged: see "godwit status" and the gateway\'s log',
}

const EXIT_BY_STATUS: Readonly<Record<number, ExitCode>> = {
  401: EXIT.DENIED,
  403: EXIT.DENIED,
  404: EXIT.NOT_FOUND,
  409: EXIT.CONFLICT,
  412: EXIT.CONFLICT,
  429: EXIT.UNAVAILABLE,
  503: EXIT.UNAVAILABLE,
  504: EXIT.UNAVAILABLE,
}

export interface RefusedAnswer {
  readonly status: number
  /** Parsed JSON; null: it was none. */
  readonly body: unknown
  readonly requestId: string | null
}

export function refusal({ status, body, requestId }: RefusedAnswer, base: string): CliError {
  const error: unknown = typeof body === 'object' && body !== null && 'error' in body ? body.error : null
  if (!isErrorJson(error)) return notAGateway(base)
  const outcome = error.outcome === 'UNKNOWN' ? '; the write may have happened' : ''
  const exitCode = EXIT_BY_STATUS[status] ?? EXIT.FAILED
  return new CliError(exitCode, `${error.message} (${error.code}${outcome})`, hintOf(error, requestId))
}

function hintOf({ code, retryable }: ErrorJson, requestId: string | null): string | null {
  if (code === 'INTERNAL' && requestId !== null)
    return `the gateway's log has more about request ${requestId}`
  return HINTS[code] ?? (retryable ? 'try again in a moment' : null)
}

export function notAGateway(base: string): CliError {
  return new CliError(
    EXIT.FAILED,
    `${base} answers, but not as a gateway's admin API`,
    'check --server and GODWIT_SERVER',
  )
}

/** By what tells it from the errors of other servers; the rest of its form is the API's promise. */
function isErrorJson(value: unknown): value is ErrorJson {
  if (typeof value !== 'object' || value === null || !('code' in value && 'message' in value)) return false
  return typeof value.code === 'string' && typeof value.message === 'string'
}
