/**
 * A data thread's half of writing: encodes the writes of a loop turn into one batch for the writer thread, and answers
 * them when it acknowledges. Bounded: beyond limits.maxQueuedWriteBytes that are not acknowledged, writes are refused
 * as OVERLOADED, with outcome NOT_APPLIED.
 */
import type { Clock } from '../../../base/clock.js'
import { type Done, type ErrorCode, KVError, toKVError } from '../../../base/errors.js'
import { limits } from '../../../base/limits.js'
import type { Mutation } from '../../../model/mutation.js'
import type { ShardMutate } from '../../../model/plan.js'
import { type MutateRequest, type MutateResult, plainResult } from '../../../model/request.js'
import { decodeResult } from './program-wire.js'
import { type SupersededVersions, type WriteChannel, WriteEncoder, forEachAck } from './write-wire.js'

/** What an answer with a row is taken to need until it comes; a row may have 1 MiB. */
const ASSUMED_ROW_BYTES = 16 * 1024

interface PendingWrite {
  readonly done: Done<MutateResult>
  readonly sizeBytes: number
}

export class WriteClient {
  readonly #channel: WriteChannel
  readonly #clock: Clock
  readonly #maxQueuedBytes: number
  readonly #encoder = new WriteEncoder()
  readonly #pending = new Map<number, PendingWrite>()
  /** Incarnations of which superseded versions are being removed. */
  readonly #dropping = new Set<number>()
  #queuedBytes = 0
  #nextOpId = 0

  constructor(channel: WriteChannel, clock: Clock, maxQueuedBytes: number = limits.maxQueuedWriteBytes) {
    this.#channel = channel
    this.#clock = clock
    this.#maxQueuedBytes = maxQueuedBytes
    channel.onAck((acks) => forEachAck(acks, (opId, outcome) => this.#acknowledge(opId, outcome)))
  }

  /** Bytes of writes that are not acknowledged. */
  get queuedBytes(): number {
    return this.#queuedBytes
  }

  add(mutate: ShardMutate, done: Done<MutateResult>): void {
    const refusal = this.#refusal(mutate)
    if (refusal !== null) {
      done(refusal)
      return
    }
    const opId = this.#nextOpId
    const before = this.#encoder.sizeBytes
    try {
      this.#encoder.add(opId, mutate, Math.floor(this.#clock.nowMs() / 1_000))
    } catch (error) {
      const { code, message } = toKVError(error, 'encoding a write')
      done(new KVError(code, message, { outcome: 'NOT_APPLIED', cause: error }))
      return
    }
    this.#nextOpId = (opId + 1) >>> 0
    const { returnAfter, returnOnConflict } = mutate.request
    const answersRow = returnAfter !== undefined || returnOnConflict !== undefined
    const sizeBytes = this.#encoder.sizeBytes - before + (answersRow ? ASSUMED_ROW_BYTES : 0)
    this.#queuedBytes += sizeBytes
    this.#pending.set(opId, { done, sizeBytes })
  }

  /** Whether a batch of superseded versions of this incarnation may be added: one is under way at a time. */
  mayDropSuperseded(incarnationId: number): boolean {
    return !this.#dropping.has(incarnationId) && this.#queuedBytes < this.#maxQueuedBytes
  }

  /** Has versions removed that nobody sees any more. Nobody waits for it, and it may fail: the purge does the same later. */
  dropSuperseded(incarnationId: number, versions: SupersededVersions): void {
    const opId = this.#nextOpId
    const before = this.#encoder.sizeBytes
    this.#encoder.addSuperseded(opId, incarnationId, versions)
    const sizeBytes = this.#encoder.sizeBytes - before
    this.#nextOpId = (opId + 1) >>> 0
    this.#queuedBytes += sizeBytes
    this.#dropping.add(incarnationId)
    const done = (): void => void this.#dropping.delete(incarnationId)
    this.#pending.set(opId, { done, sizeBytes })
  }

  /** Sends what was added since the last time; called once a loop turn. */
  flush(): void {
    if (this.#encoder.sizeBytes > 0) this.#channel.send(this.#encoder.take())
  }

  #refusal({ incarnation, request, deadline }: ShardMutate): KVError | null {
    if (deadline <= this.#clock.monotonicMs())
      return refused('DEADLINE_EXCEEDED', 'deadline passed before the write began')
    if (incarnation.format === 'sealed')
      return refused('READ_ONLY', 'sealed data takes no writes: load a new version')
    const fault = faultOf(request)
    if (fault !== null) return fault
    if (this.#queuedBytes >= this.#maxQueuedBytes) {
      return refused(
        'OVERLOADED',
        `more than ${this.#maxQueuedBytes} bytes wait to be written; try again later`,
      )
    }
    return null
  }

  #acknowledge(opId: number, outcome: bigint | Buffer | KVError): void {
    const pending = this.#pending.get(opId)
    if (pending === undefined) return
    this.#pending.delete(opId)
    this.#queuedBytes -= pending.sizeBytes
    // One that cannot be answered, or whose callback throws, must not keep the others from their answers.
    try {
      pending.done(outcome instanceof KVError ? outcome : resultOf(outcome))
    } catch (error) {
      setImmediate(() => {
        throw error
      })
    }
  }
}

function resultOf(outcome: bigint | Buffer): MutateResult {
  return typeof outcome === 'bigint' ? plainResult(outcome) : decodeResult(outcome)
}

/** What no row can make right. */
function faultOf({ mutations, otherwise }: MutateRequest): KVError | null {
  if (mutations.length + otherwise.length === 0)
    return refused('INVALID_ARGUMENT', 'write without a mutation')
  for (const mutation of mutations) if (isFaulty(mutation)) return faultOfMutation(mutation)
  for (const mutation of otherwise) if (isFaulty(mutation)) return faultOfMutation(mutation)
  return null
}

function isFaulty(mutation: Mutation): boolean {
  return isVoid(mutation) || hasLargeValue(mutation)
}

function faultOfMutation(mutation: Mutation): KVError {
  return isVoid(mutation)
    ? refused('INVALID_ARGUMENT', 'write without a cell or a deletion')
    : refused('TOO_LARGE', `a value has more than ${limits.maxValueBytes} bytes`)
}

function isVoid(mutation: Mutation): boolean {
  if (mutation.kind === 'PUT') return mutation.cells.length === 0 && !mutation.replaceRow
  if (mutation.kind === 'APPEND') return mutation.cells.length === 0
  return mutation.kind === 'INCREMENT' && mutation.deltas.length === 0
}

function hasLargeValue(mutation: Mutation): boolean {
  if (mutation.kind !== 'PUT' && mutation.kind !== 'APPEND') return false
  for (const { value } of mutation.cells) if (value.byteLength > limits.maxValueBytes) return true
  return false
}

function refused(code: ErrorCode, message: string): KVError {
  return new KVError(code, message, { outcome: 'NOT_APPLIED' })
}
