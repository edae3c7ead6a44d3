/** A data thread's changes of tables that wait for the main thread's answer. */
import type { KVError } from '../../src/base/errors.js'
import type { TableCall } from '../../src/model/table-call.js'

export class AskedTableCalls {
  readonly #send: (id: number, call: TableCall) => void
  readonly #waiting = new Map<number, (failure: KVError | null) => void>()
  #nextId = 1

  constructor(send: (id: number, call: TableCall) => void) {
    this.#send = send
  }

  /** @throws {KVError} what it is refused with */
  async run(call: TableCall): Promise<void> {
    const id = this.#nextId++
    const failure = await new Promise<KVError | null>((resolve) => {
      this.#waiting.set(id, resolve)
      this.#send(id, call)
    })
    if (failure !== null) throw failure
  }

  settle(id: number, failure: KVError | null): void {
    const settle = this.#waiting.get(id)
    this.#waiting.delete(id)
    settle?.(failure)
  }
}
