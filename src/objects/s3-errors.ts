/** Failures of the AWS SDK -> KVErrors. What the SDK says is not repeated: it can hold parts of keys and whole requests. */
import { KVError } from '../base/errors.js'
import { shown } from './object-url.js'

/** What the SDK's errors have in common; read field by field, because they come as anything. */
interface SdkFailure {
  readonly name: string
  readonly status: number
  /** Of Node, for failures below HTTP. */
  readonly code: string
}

const CALLER_FAULTS: Readonly<Record<string, string>> = {
  NoSuchKey: 'there is no such object',
  NotFound: 'there is no such object',
  NoSuchBucket: 'there is no such bucket',
  InvalidBucketName: 'the name of the bucket is not valid',
  AccessDenied: 'access is denied; check the policy of the gateway’s credentials',
  Forbidden: 'access is denied; check the policy of the gateway’s credentials',
  InvalidAccessKeyId: 'the access key is not known; check the gateway’s credentials',
  SignatureDoesNotMatch: 'the secret key is wrong; check the gateway’s credentials',
  ExpiredToken: 'the session token has expired; renew the gateway’s credentials',
  InvalidToken: 'the session token is not valid; renew the gateway’s credentials',
  PermanentRedirect: 'the bucket is in another region; set objects.s3.region',
  AuthorizationHeaderMalformed: 'the bucket is in another region; set objects.s3.region',
  CredentialsProviderError: 'there are no credentials; set objects.s3 or the usual variables of AWS',
  InvalidObjectState: 'the object is in an archive class; restore it first',
}

const CAUSES_BY_STATUS: Readonly<Record<number, string>> = {
  301: 'the bucket is in another region; set objects.s3.region',
  400: 'the store takes the request for a bad one',
  401: 'access is denied; check the gateway’s credentials',
  403: 'access is denied; check the gateway’s credentials and their policy',
  404: 'there is no such object',
}

/** Statuses that another attempt can turn. */
const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([408, 425, 429])

export function s3Error(url: string, error: unknown): KVError {
  if (error instanceof KVError) return error
  const { name, status, code } = failureOf(error)
  if (status === 412 || name === 'PreconditionFailed') return changed(url)
  const fault = CALLER_FAULTS[name] ?? CAUSES_BY_STATUS[status]
  if (fault !== undefined) return new KVError('INVALID_ARGUMENT', `${shown(url)}: ${fault}`)
  const what = [name, code, status === 0 ? '' : `HTTP ${status}`].filter((part) => part !== '').join(', ')
  return new KVError('UNAVAILABLE', `${shown(url)}: the store failed (${what}); try again later`)
}

export function changed(url: string): KVError {
  return new KVError(
    'FAILED_PRECONDITION',
    `${shown(url)} changed while it was read; start again when nobody writes to it any more`,
  )
}

export function stalled(url: string, timeoutMs: number): KVError {
  return new KVError('UNAVAILABLE', `${shown(url)}: nothing came from the store for ${timeoutMs} ms`)
}

/** Whether reading on where it broke can help. */
export function isTransient(error: unknown): boolean {
  if (error instanceof KVError) return error.code === 'UNAVAILABLE'
  const { name, status } = failureOf(error)
  if (name in CALLER_FAULTS) return false
  return status === 0 || status >= 500 || status === 200 || status === 206 || RETRYABLE_STATUSES.has(status)
}

export function isMissing(error: unknown): boolean {
  const { name, status } = failureOf(error)
  return name === 'NoSuchKey' || name === 'NotFound' || status === 404
}

function failureOf(error: unknown): SdkFailure {
  if (typeof error !== 'object' || error === null) return { name: 'unknown', status: 0, code: '' }
  const {
    name,
    code,
    $metadata: metadata,
  } = error as {
    name?: unknown
    code?: unknown
    $metadata?: { httpStatusCode?: unknown }
  }
  const status = metadata?.httpStatusCode
  return {
    name: wordOf(name) ?? 'unknown',
    code: wordOf(code) ?? '',
    status: typeof status === 'number' ? status : 0,
  }
}

/** Names and codes are words; a server could put anything there. */
function wordOf(value: unknown): string | null {
  return typeof value === 'string' && /^[A-Za-z0-9_.-]{1,80}$/.test(value) ? value : null
}
