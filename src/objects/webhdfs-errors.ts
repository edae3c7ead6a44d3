/** What WebHDFS answers instead of what was asked for -> KVErrors, by the name of the exception that it gives. */
import { KVError } from '../base/errors.js'
import { shown } from './object-url.js'

export interface RefusedAnswer {
  readonly url: string
  readonly status: number
  /** The body, as far as it was read. */
  readonly text: string
  readonly user: string
}

/** Exceptions that are the caller's or the configuration's fault: trying again changes nothing. */
const CALLER_FAULTS: Readonly<Record<string, string>> = {
  FileNotFoundException: 'there is no such file or directory',
  AccessControlException: 'permission is denied to its user',
  SecurityException:
    'it asks for an authentication that the gateway does not have; only the simple one is offered',
  AuthenticationException:
    'it asks for an authentication that the gateway does not have; only the simple one is offered',
  AuthorizationException: 'its user may not act here',
  IllegalArgumentException: 'it takes the request for a bad one',
  InvalidPathException: 'it takes the path for a bad one',
  UnsupportedOperationException: 'it does not offer that operation',
  UnresolvedPathException: 'symbolic links of HDFS are not followed',
}

/** Without an exception's name: something else answers there. */
const FAULTS_BY_STATUS: Readonly<Record<number, string>> = {
  400: 'it takes the request for a bad one',
  401: 'it asks for an authentication that the gateway does not have; only the simple one is offered',
  403: 'permission is denied to its user',
  404: 'WebHDFS is not served there; check objects.webhdfs.urls',
}

/** What a NameNode answers while another one should be asked, or the same a little later. */
const PASSING: ReadonlySet<string> = new Set(['StandbyException', 'RetriableException', 'SafeModeException'])

export function webHdfsError({ url, status, text, user }: RefusedAnswer): KVError {
  const name = exceptionOf(text)
  const fault = name === null ? FAULTS_BY_STATUS[status] : CALLER_FAULTS[name]
  const what = name ?? `HTTP ${status}`
  if (fault !== undefined && !PASSING.has(what)) {
    return new KVError('INVALID_ARGUMENT', `${shown(url)}: ${fault} (${what}, as user "${user}")`)
  }
  return new KVError('UNAVAILABLE', `${shown(url)}: HDFS failed (${what}); try again later`)
}

export function notWebHdfs(url: string, what: string): KVError {
  return new KVError(
    'UNAVAILABLE',
    `${shown(url)}: the server does not answer as WebHDFS does (${what}); check objects.webhdfs`,
  )
}

export function changed(url: string): KVError {
  return new KVError(
    'FAILED_PRECONDITION',
    `${shown(url)} changed while it was read; start again when nobody writes to it any more`,
  )
}

/** `{"RemoteException": {"exception": "FileNotFoundException", ...}}`; the name alone, because a server says anything. */
function exceptionOf(text: string): string | null {
  try {
    const body: unknown = JSON.parse(text)
    const inner = fieldOf(body, 'RemoteException')
    const name = fieldOf(inner, 'exception')
    return typeof name === 'string' && /^[A-Za-z]{1,80}$/.test(name) ? name : null
  } catch {
    return null
  }
}

/** Undefined: it is no object, or has no such field. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return (value as Readonly<Record<string, unknown>>)[name]
}
