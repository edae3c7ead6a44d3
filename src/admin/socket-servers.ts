/** The servers behind the admin API's listener, one an address that its host name stands for: their limits and TLS. */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { errorAnswer } from './http-errors.js'
import { readTls, type TlsFiles } from './tls.js'

const SETTINGS = {
  maxHeaderSize: limits.maxAdminHeadBytes,
  headersTimeout: limits.adminHeadTimeoutMs,
  // Of a whole request, which uploads may exceed: heads and bodies have time-outs of their own.
  requestTimeout: 0,
  keepAliveTimeout: limits.adminStallTimeoutMs,
  connectionsCheckingInterval: 1_000,
  // Refused later, in the form of every error.
  requireHostHeader: false,
}

export class SocketServers {
  readonly #tls: TlsFiles | null
  readonly #tlsServers: TlsServer[] = []

  constructor(tls: TlsFiles | null) {
    this.#tls = tls
  }

  /** @throws {KVError} INVALID_ARGUMENT when the certificate or its key is wrong */
  create(handle: RequestListener): Server {
    const server = this.#tls === null ? createServer(SETTINGS, handle) : this.#createTls(this.#tls, handle)
    server.maxConnections = limits.maxAdminConnections
    server.on('checkExpectation', refuseExpectation)
    return server
  }

  /** @throws {KVError} INVALID_ARGUMENT when they are wrong now; those before stay in use */
  reloadTls(): void {
    if (this.#tls === null) return
    const material = readTls(this.#tls)
    for (const server of this.#tlsServers) server.setSecureContext(material)
  }

  #createTls(files: TlsFiles, handle: RequestListener): Server {
    const settings = { ...SETTINGS, ...readTls(files), handshakeTimeout: limits.adminHeadTimeoutMs }
    const server = createTlsServer(settings, handle)
    this.#tlsServers.push(server)
    return server
  }
}

function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const { body } = errorAnswer(new KVError('INVALID_ARGUMENT', 'Expect may be 100-continue and nothing else'))
  response.writeHead(417, { 'content-type': 'application/json; charset=utf-8', connection: 'close' })
  response.end(`${JSON.stringify(body)}\n`)
}
