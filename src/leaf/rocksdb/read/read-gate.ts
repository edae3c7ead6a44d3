/**
 * Whether a request is still read for: asked before it is begun and before each of its steps, wherever it waited. What was
 * begun on libuv's pool comes to its end.
 */
import type { Deadline } from '../../../base/deadline.js'
import { KVError } from '../../../base/errors.js'
import type { AskingConnection } from '../../../model/request.js'

/** What it goes by. */
export interface GatedRead {
  readonly deadline: Deadline
  readonly connection?: AskingConnection | null
}

export class ReadGate {
  #isShut = false

  /** From here on nothing is read: what is under way or waits holds DBs that are to be closed. */
  shut(): void {
    this.#isShut = true
  }

  /** Why nothing more is read for it; null: it goes on. */
  refusal({ deadline, connection }: GatedRead, nowMs: number): KVError | null {
    if (this.#isShut)
      return new KVError('UNAVAILABLE', 'the server shuts down and reads no more: ask another, or again')
    if (connection?.isClosed === true) return new KVError('CANCELLED', 'the connection that asked was closed')
    if (deadline > nowMs) return null
    return new KVError('DEADLINE_EXCEEDED', 'deadline passed before it was read')
  }
}
