/** A data thread's changes of schemas that wait for the main thread's answer. */
import { KVError } from '../../../src/base/errors.js'
import type { CqlAnswer, CqlCall, CqlSchemaChange } from '../../../src/model/table-call.js'
import { CQL_ERROR_CODES, CqlError, type CqlErrorCode } from '../cql/errors.js'

export class AskedChanges {
  readonly #send: (id: number, call: CqlCall) => void
  readonly #waiting = new Map<number, (answer: CqlAnswer | KVError) => void>()
  #nextId = 1

  constructor(send: (id: number, call: CqlCall) => void) {
    this.#send = send
  }

  /** Null: it changed nothing. @throws {CqlError, KVError} */
  async run(call: CqlCall): Promise<CqlSchemaChange | null> {
    const id = this.#nextId++
    const answer = await new Promise<CqlAnswer | KVError>((resolve) => {
      this.#waiting.set(id, resolve)
      this.#send(id, call)
    })
    if (answer instanceof KVError) throw answer
    if ('change' in answer) return answer.change
    const { code, message, keyspace, table } = answer.refusal
    throw new CqlError(isCode(code) ? code : 'SERVER_ERROR', message, { keyspace, table })
  }

  settle(id: number, answer: CqlAnswer | KVError): void {
    const settle = this.#waiting.get(id)
    this.#waiting.delete(id)
    settle?.(answer)
  }
}

function isCode(code: string): code is CqlErrorCode {
  return Object.hasOwn(CQL_ERROR_CODES, code)
}
