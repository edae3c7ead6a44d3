/** What a request answers whose handling threw, whatever was thrown. */
import { KVError, toKVError } from '../base/errors.js'
import { errorAnswer } from './http-errors.js'
import type { HttpAnswer } from './http.js'

export interface ThrownAnswer {
  readonly error: KVError
  readonly answer: HttpAnswer
}

export function answerOfThrown(thrown: unknown, method: string): ThrownAnswer {
  const status = statusOfLibrary(thrown)
  const error =
    status === null
      ? toKVError(thrown, 'the admin request failed')
      : new KVError(status === 413 ? 'TOO_LARGE' : 'INVALID_ARGUMENT', libraryMessage(thrown, status))
  const isRead = method === 'GET' || method === 'HEAD'
  return { error, answer: errorAnswer(error, status ?? undefined, { isRead }) }
}

/** The status of a refusal by the HTTP library itself; null for everything else. */
function statusOfLibrary(thrown: unknown): number | null {
  if (!(thrown instanceof Error) || thrown instanceof KVError) return null
  // fastify marks its own errors with code and statusCode; the checks below hold for anything.
  const { code, statusCode } = thrown as Error & { readonly code?: unknown; readonly statusCode?: number }
  if (typeof code !== 'string' || !code.startsWith('FST_') || statusCode === undefined) {
    // JSON that does not parse is a plain SyntaxError with a status.
    return thrown instanceof SyntaxError && statusCode === 400 ? 400 : null
  }
  return statusCode >= 400 && statusCode < 500 ? statusCode : null
}

/** In our words, because a parser's message quotes the body and with it values of rows. */
function libraryMessage(thrown: unknown, status: number): string {
  if (thrown instanceof SyntaxError) return 'the body is not JSON'
  if (status === 413) return 'the body is larger than this route takes'
  if (status === 415) return 'the body is not of a content type that this route takes; see /openapi.json'
  return thrown instanceof Error ? thrown.message.toLowerCase() : 'the request is malformed'
}
