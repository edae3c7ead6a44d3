/** Who asks and how long they wait: RequestContext of the wire -> ours, and the features that callers may insist on. */
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { cutText } from '../base/text.js'
import type { RequestContext } from '../model/request.js'
import * as wire from '../thrift/generated/kvstore.js'
import type { ThriftConnectionInfo } from '../thrift/protocol.js'
import { unsupported } from './fields.js'

/** Names for RequestContext.mustUnderstand; describeServer lists them. A name stays once it was released. */
export const FEATURES = [
  'local-keys',
  'cell-timestamps',
  'cell-ttl',
  'replace-row',
  'dataset-version',
  'cell-ranges',
  'cell-prefixes',
  'cell-limit',
  'cell-order',
  'cell-versions',
  'cell-times',
  'keys-only',
  'row-pages',
  'scan',
  'scan-conditions',
  'scan-segments',
  'conditions',
  'otherwise',
  'returned-cells',
  'delete-scopes',
  'counters',
  'append',
  'touch',
  'multi-mutate',
  'idempotency',
  'sessions',
  'priorities',
] as const

const KNOWN_FEATURES: ReadonlySet<string> = new Set(FEATURES)
const MAX_SHOWN_LENGTH = 128

/** @throws {KVError} UNSUPPORTED for a feature or a credential that this server does not understand */
export function toContext(
  context: wire.RequestContext | null,
  receivedAtMs: number,
  method: string,
  connection: Pick<ThriftConnectionInfo, 'remoteAddress' | 'isClosed'> | null = null,
): RequestContext {
  const address = connection?.remoteAddress ?? ''
  if (context === null) {
    return {
      api: 'kvstore',
      method,
      caller: null,
      address,
      deadline: receivedAtMs + limits.defaultDeadlineMs,
      connection,
    }
  }
  const { deadlineMs, caller, traceId, credential } = context
  for (const feature of context.mustUnderstand ?? []) {
    if (!KNOWN_FEATURES.has(feature)) {
      throw new KVError(
        'UNSUPPORTED',
        `feature ${JSON.stringify(feature.slice(0, 64))} is not known to this server: see describeServer`,
      )
    }
  }
  if (credential !== null && credential.length > 0) {
    throw unsupported('RequestContext.credential', 'is not offered: this server authenticates nobody')
  }
  // Milliseconds that were left when the request was sent; none left means that nobody waits any more.
  const timeoutMs = Math.min(deadlineMs ?? limits.defaultDeadlineMs, limits.maxDeadlineMs)
  return {
    api: 'kvstore',
    method,
    caller: caller === null ? null : cutText(caller, MAX_SHOWN_LENGTH),
    address,
    deadline: receivedAtMs + timeoutMs,
    connection,
    traceId: traceId === null ? null : cutText(traceId, MAX_SHOWN_LENGTH),
    isBatch: context.priority === wire.Priority.BATCH,
  }
}
