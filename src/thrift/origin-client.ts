/** The client through which an origin is asked: all of them keep connections alike, whatever is called on them. */
import type { Clock } from '../base/clock.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import { type ServerAddress, ThriftClient } from './client.js'

export interface OriginSettings extends ServerAddress {
  readonly otherAddresses: readonly ServerAddress[]
  readonly connections: number
  /** Several calls may wait on one connection. */
  readonly isPipelined: boolean
  /** A call waits at most so long, whatever its caller allows. */
  readonly deadlineMs: number
}

export interface OriginParts {
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Connects with the first call.
 * @param finagleClient what Finagle's servers are to call it; absent: their headers are not offered
 */
export function originClient(
  name: string,
  { host, port, otherAddresses, connections, isPipelined }: OriginSettings,
  { clock, logger, finagleClient }: OriginParts & { readonly finagleClient?: string },
): ThriftClient {
  return new ThriftClient({
    name: `origin ${name}`,
    ...{ host, port, otherAddresses, connections, clock, logger },
    maxInFlightPerConnection: isPipelined ? limits.maxPipelinedRequests : 1,
    maxBackoffMs: limits.maxOriginBackoffMs,
    ...(finagleClient !== undefined && { finagleClient }),
  })
}
