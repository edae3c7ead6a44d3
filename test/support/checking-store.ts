/** A KVStore that checks what it is asked as the gateway does, and answers what it was given; calls of a service over it. */
import assert from 'node:assert/strict'
import { systemClock } from '../../src/base/clock.js'
import { type Done, KVError, toKVError } from '../../src/base/errors.js'
import { admitMutate, admitRead, admitScan, findDataset } from '../../src/kvstore/admit.js'
import type { ClusterMap } from '../../src/model/cluster-map.js'
import type { KVStore } from '../../src/model/kvstore.js'
import {
  type MutateRequest,
  type MutateResult,
  type ReadRequest,
  type ReadResult,
  plainResult,
} from '../../src/model/request.js'
import type { RowOutcome } from '../../src/model/row.js'
import { NO_TOKEN } from '../../src/model/row-order.js'
import type { ScanRequest, ScanResult } from '../../src/model/scan.js'
import { BinaryWriter } from '../../src/thrift/binary-writer.js'
import type { BoundMethod } from '../../src/thrift/protocol.js'

export class CheckingStore implements KVStore {
  readonly #map: ClusterMap
  readonly #outcome: RowOutcome

  constructor(map: ClusterMap, outcome: RowOutcome) {
    this.#map = map
    this.#outcome = outcome
  }

  read(request: ReadRequest, done: Done<ReadResult>): void {
    this.#admit(done, () => {
      admitRead(request, this.#map, systemClock)
      const outcome = this.#outcome
      // A page behind another one is the last.
      const isLast = request.position !== null && outcome !== null && !(outcome instanceof KVError)
      const row = isLast ? { ...outcome, next: null } : outcome
      return { rows: request.rowKeys.map(() => row), datasetVersion: null }
    })
  }

  scan(request: ScanRequest, done: Done<ScanResult>): void {
    this.#admit(done, () => {
      admitScan(request, this.#map, systemClock)
      if (this.#outcome instanceof KVError) return this.#outcome
      const rowKey = Buffer.from('k')
      const rows = this.#outcome === null ? [] : [{ rowKey, row: this.#outcome }]
      return {
        rows,
        next: request.position === null ? { token: NO_TOKEN, rowKey } : null,
        datasetVersion: null,
      }
    })
  }

  mutate(request: MutateRequest, done: Done<MutateResult>): void {
    this.#admit(done, () => {
      admitMutate(request, this.#map, systemClock)
      if (this.#outcome instanceof KVError) return this.#outcome
      return { ...plainResult(1n), row: this.#outcome, isApplied: this.#outcome !== null }
    })
  }

  describeDataset(name: string) {
    return findDataset(this.#map, name)
  }

  #admit<T>(done: Done<T>, answer: () => T | KVError): void {
    let outcome: T | KVError
    try {
      outcome = answer()
    } catch (error) {
      outcome = toKVError(error, 'admission')
    }
    done(outcome)
  }
}

const writer = new BinaryWriter()

export interface Answered {
  readonly kind: 'reply' | 'fail' | 'abort'
  readonly value: unknown
}

/** The answer, which was written as it would be sent. @throws when there is not exactly one, or it cannot be encoded */
export function callOnce(bound: BoundMethod, args: unknown): Answered {
  const { method } = bound
  const answers: Answered[] = []
  const answered = (answer: Answered, write: () => void): void => {
    answers.push(answer)
    writer.clear()
    write()
  }
  bound.handle(args, {
    connection: { id: 1, remoteAddress: '127.0.0.1', clientName: null, isClosed: false },
    method: method.name,
    receivedAtMs: systemClock.monotonicMs(),
    reply: (value) => answered({ kind: 'reply', value }, () => method.writeResult(writer, value)),
    fail: (value) => answered({ kind: 'fail', value }, () => method.writeException(writer, value)),
    abort: (_type, value) => answered({ kind: 'abort', value }, () => undefined),
  })
  const [only, ...others] = answers
  assert.ok(only !== undefined && others.length === 0, `${method.name} was answered ${answers.length} times`)
  return only
}
