/**
 * The part of ZooKeeper's protocol that publishing needs: requests as bytes, answers as values. Numbers are those of
 * ZooDefs.OpCode and KeeperException.Code of Apache ZooKeeper.
 */
import { type ErrorCode, KVError } from '../base/errors.js'
import { type JuteReader, JuteWriter } from './jute.js'

/** Requests that are no operation of a transaction. */
export const Request = {
  CREATE: 1,
  DELETE: 2,
  GET_DATA: 4,
  SET_DATA: 5,
  GET_CHILDREN: 12,
  CHECK: 13,
  MULTI: 14,
  PING: 11,
  CLOSE: -11,
  ERROR: -1,
} as const

/** Numbers of messages that answer no request, or none in particular. */
export const Xid = { NOTIFICATION: -1, PING: -2 } as const

const EPHEMERAL = 1
const ALL_PERMISSIONS = 31

export const NO_NODE = -101
const SESSION_EXPIRED = -112

const CODES: ReadonlyMap<number, readonly [ErrorCode, string]> = new Map([
  [NO_NODE, ['FAILED_PRECONDITION', 'no such node']],
  [-103, ['CONFLICT', 'the node has changed meanwhile']],
  [-110, ['ALREADY_EXISTS', 'the node exists']],
  [-111, ['FAILED_PRECONDITION', 'the node has children']],
  [-102, ['PERMISSION_DENIED', "the node's access list refuses it"]],
  [-115, ['PERMISSION_DENIED', 'authentication failed']],
  [-4, ['UNAVAILABLE', 'the connection was lost']],
  [SESSION_EXPIRED, ['UNAVAILABLE', 'the session has expired']],
  [-118, ['UNAVAILABLE', 'the session has moved to another server']],
  [-119, ['UNAVAILABLE', 'the server takes reads only']],
])

/** What a node's Stat says that matters here. */
export interface Stat {
  /** The transactions that made it and that changed its data last. */
  readonly madeBy: bigint
  readonly changedBy: bigint
  /** Rises with each change of the data. */
  readonly version: number
  /** The session that it ends with; 0: none. */
  readonly session: bigint
}

export interface ZooKeeperNode {
  readonly data: Buffer
  readonly stat: Stat
}

/** One part of a transaction. `version`: what is refused as CONFLICT if it is another one; -1: whatever it is. */
export type Operation =
  | { readonly kind: 'create'; readonly path: string; readonly data: Buffer; readonly isEphemeral?: boolean }
  | { readonly kind: 'set'; readonly path: string; readonly data: Buffer; readonly version: number }
  | { readonly kind: 'delete'; readonly path: string; readonly version: number }

export interface SessionIdentity {
  readonly id: bigint
  readonly password: Buffer
}

export const NO_SESSION: SessionIdentity = { id: 0n, password: Buffer.alloc(16) }

export interface ConnectAnswer extends SessionIdentity {
  /** What the server grants; 0 or less: the session is no more. */
  readonly timeoutMs: number
}

export function connectFrame(session: SessionIdentity, lastChange: bigint, timeoutMs: number): Buffer {
  const out = new JuteWriter().int(0).long(lastChange).int(timeoutMs).long(session.id).bytes(session.password)
  // Since 3.4: whether a server that is cut off from the others will do.
  return out.flag(false).frame()
}

export function readConnectAnswer(input: JuteReader): ConnectAnswer {
  input.int()
  const timeoutMs = input.int()
  const id = input.long()
  return { timeoutMs, id, password: Buffer.from(input.bytes()) }
}

export function requestHead(xid: number, type: number): JuteWriter {
  return new JuteWriter().int(xid).int(type)
}

export function writeOperations(out: JuteWriter, operations: readonly Operation[]): JuteWriter {
  for (const operation of operations) {
    out.int(TYPES[operation.kind]).flag(false).int(-1).text(operation.path)
    switch (operation.kind) {
      case 'create':
        out.bytes(operation.data)
        // Open to all, as Terrapin's own nodes are.
        out.int(1).int(ALL_PERMISSIONS).text('world').text('anyone')
        out.int(operation.isEphemeral === true ? EPHEMERAL : 0)
        break
      case 'set':
        out.bytes(operation.data).int(operation.version)
        break
      case 'delete':
        out.int(operation.version)
    }
  }
  return out.int(Request.ERROR).flag(true).int(-1)
}

const TYPES = { create: Request.CREATE, set: Request.SET_DATA, delete: Request.DELETE } as const

/** A transaction fails as a whole, and its answer names the part that failed. @throws {KVError} then */
export function readTransaction(input: JuteReader, operations: readonly Operation[]): void {
  for (let index = 0; ; index++) {
    const type = input.int()
    const isLast = input.flag()
    input.int()
    if (isLast) return
    if (type === Request.ERROR) {
      const error = input.int()
      // Those before and behind the one that failed are only said to be undone.
      if (error !== 0 && error !== RUNTIME_INCONSISTENCY) {
        const { kind, path } = operations[index] ?? { kind: 'transaction', path: '' }
        throw errorOf(error, `${kind} ${path}`)
      }
    } else if (type === Request.CREATE) input.text()
    else if (type === Request.SET_DATA) readStat(input)
  }
}

const RUNTIME_INCONSISTENCY = -2

export function readStat(input: JuteReader): Stat {
  const madeBy = input.long()
  const changedBy = input.long()
  input.long()
  input.long()
  const version = input.int()
  input.int()
  input.int()
  const session = input.long()
  input.int()
  input.int()
  input.long()
  return { madeBy, changedBy, version, session }
}

export function errorOf(code: number, what: string): KVError {
  const [errorCode, text] = CODES.get(code) ?? ['UNAVAILABLE', `error ${code}`]
  return new KVError(errorCode, `zookeeper refused ${what}: ${text}`)
}
