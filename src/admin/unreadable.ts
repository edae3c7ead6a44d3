/** Answers what is no request that could be routed: Node's HTTP parser gave up on it. The form is that of every error. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { errorAnswer } from './http-errors.js'
import { requestIdOf } from './request-id.js'

/** For the `clientError` of a server: the socket carries no further request. */
export function answerUnreadable(error: Error & { readonly code?: string }, socket: Socket): void {
  if (socket.writable && error.code !== 'ECONNRESET') socket.write(answerText(error.code))
  socket.destroy()
}

function answerText(code: string | undefined): string {
  const { status, body } = answerTo(code)
  const text = `${JSON.stringify(body)}\n`
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(text)}`,
    `x-request-id: ${requestIdOf(undefined)}`,
    'connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${text}`
}

function answerTo(code: string | undefined) {
  const name = code ?? ''
  switch (name) {
    case 'HPE_HEADER_OVERFLOW': {
      const message = `the URL and the headers have more than ${limits.maxAdminHeadBytes} bytes together`
      return errorAnswer(new KVError('TOO_LARGE', message), 431)
    }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return errorAnswer(new KVError('INVALID_ARGUMENT', 'the request did not arrive in time'), 408)
    default:
      return errorAnswer(new KVError('INVALID_ARGUMENT', 'the bytes are no HTTP/1.1 request'), 400)
  }
}
