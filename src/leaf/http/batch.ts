/**
 * Serves one batch: reads what it asks for from the copies that are open, and answers each request as it is ready, those
 * of a turn in one piece. What a batch holds in memory is bounded: only so many of its requests are under way, and none
 * are begun while its reader is behind.
 */
import type { Clock } from '../../base/clock.js'
import { type Done, KVError } from '../../base/errors.js'
import type { LeafEngine, ShardPage } from '../../model/leaf-engine.js'
import type { ShardRead } from '../../model/plan.js'
import type { AskingConnection, RequestContext } from '../../model/request.js'
import type { RowOutcome } from '../../model/row.js'
import type { ScanRequest } from '../../model/scan.js'
import { ByteWriter } from './bytes.js'
import type { OpenCopy, ShardSet } from './shard-set.js'
import {
  decodeBatch,
  encodeFailure,
  encodeHead,
  encodePage,
  encodeRows,
  encodeUnserved,
  type ShardTarget,
  type WireRequest,
  type WireScan,
} from './wire.js'

/** Requests of a batch that are under way: a loop turn of a busy gateway. */
const MAX_UNDER_WAY = 1_024

/** Of what an answer is taken to need until it shows. */
const HEAD_BYTES = 512
const ANSWER_BYTES = 320

export interface AnswerSink {
  /** Answers whether more may follow at once; `resume` is called on the batch otherwise. */
  write(bytes: Buffer): boolean
  /** The last bytes, which may be none. */
  end(bytes: Buffer): void
}

export interface BatchOptions {
  readonly shards: ShardSet
  readonly engine: LeafEngine
  readonly clock: Clock
  readonly sink: AnswerSink
  /** For each request that names a copy that is not open. */
  readonly onRefused: () => void
}

export class Batch implements AskingConnection {
  readonly #options: BatchOptions
  readonly #requests: readonly WireRequest[]
  readonly #copies: readonly (OpenCopy | null)[]
  readonly #targets: readonly ShardTarget[]
  readonly #startedAtMs: number
  readonly #output: ByteWriter
  #next = 0
  #underWay = 0
  #isBehind = false
  #isCut = false
  #isEnded = false
  #isScheduled = false
  #isPumping = false

  /** @throws {KVError} INVALID_ARGUMENT when the body is no batch; nothing is read then */
  constructor(body: Buffer, options: BatchOptions) {
    this.#options = options
    const { targets, requests } = decodeBatch(body)
    this.#requests = requests
    this.#targets = targets
    this.#copies = targets.map((target) => options.shards.find(target))
    this.#output = new ByteWriter(HEAD_BYTES + Math.min(MAX_UNDER_WAY, requests.length) * ANSWER_BYTES)
    this.#startedAtMs = options.clock.monotonicMs()
  }

  start(): void {
    const identities = new ByteWriter()
    for (const copy of this.#copies) {
      if (copy === null) encodeUnserved(identities)
      else identities.raw(copy.identity)
    }
    encodeHead(this.#output, this.#copies.length, identities.written)
    // Between here and its answers a copy may be retired: it stays open until the batch is done.
    for (const copy of this.#copies) if (copy !== null) this.#options.shards.acquire(copy)
    this.#pump()
  }

  /** The reader caught up. */
  resume(): void {
    this.#isBehind = false
    this.#pump()
  }

  get isClosed(): boolean {
    return this.#isCut
  }

  /** The reader is gone: nothing more is begun. */
  cut(): void {
    this.#isCut = true
    this.#next = this.#requests.length
    if (this.#underWay === 0) this.#end()
  }

  #pump(): void {
    this.#isPumping = true
    while (this.#underWay < MAX_UNDER_WAY && !this.#isBehind) {
      const request = this.#requests[this.#next]
      if (request === undefined) break
      this.#next += 1
      this.#begin(request)
    }
    this.#isPumping = false
    this.#flushOrWait()
  }

  #begin(request: WireRequest): void {
    const { id, target, read, scan, remainingMs } = request
    const copy = this.#copies[target] ?? null
    if (copy === null) {
      this.#options.onRefused()
      encodeFailure(this.#output, id, notServed(this.#targets[target]))
      return
    }
    this.#underWay += 1
    const { incarnation } = copy
    const deadline = this.#startedAtMs + remainingMs
    if (read !== null) {
      // Named one by one: a spread costs as much as the rest of this function.
      const whole: ShardRead = {
        incarnation,
        keyOrder: read.keyOrder,
        rowKeys: read.rowKeys,
        tokens: read.tokens,
        selector: read.selector,
        selectorsByKey: read.selectorsByKey,
        withTimestamps: read.withTimestamps,
        withTtl: read.withTtl,
        pageBytes: read.pageBytes,
        position: read.position,
        deadline,
        connection: this,
        positions: null,
      }
      this.#options.engine.read(whole, this.#answer(id, encodeRows))
    } else if (scan !== null) {
      const { keyOrder, span, pageRows, pageBytes } = scan
      const page = { incarnation, keyOrder, span, pageRows, pageBytes, deadline }
      this.#options.engine.scan(
        { ...page, request: scanRequest(scan, { api: 'leaf', caller: null, deadline, connection: this }) },
        this.#answer(id, encodePage),
      )
    }
  }

  #answer<T extends readonly RowOutcome[] | ShardPage>(
    id: number,
    encode: (output: ByteWriter, id: number, outcome: T) => void,
  ): Done<T> {
    return (outcome) => {
      this.#underWay -= 1
      if (!this.#isCut) {
        if (outcome instanceof KVError) encodeFailure(this.#output, id, outcome)
        else encode(this.#output, id, outcome)
      }
      if (!this.#isPumping) this.#flushOrWait()
    }
  }

  /** The last answers at once, others at the end of the turn, together with what else is ready then. */
  #flushOrWait(): void {
    if (this.#underWay === 0 && this.#next >= this.#requests.length) {
      this.#end()
      return
    }
    if (this.#isScheduled || this.#output.size === 0) return
    this.#isScheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#isScheduled = false
    if (this.#isEnded || this.#isCut) return
    if (this.#output.size > 0 && !this.#options.sink.write(this.#output.take())) this.#isBehind = true
    if (!this.#isBehind) this.#pump()
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    for (const copy of this.#copies) if (copy !== null) this.#options.shards.release(copy)
    if (!this.#isCut) this.#options.sink.end(this.#output.take())
  }
}

function notServed(target: ShardTarget | undefined): KVError {
  const { datasetId = '', versionId = 0, shard = 0 } = target ?? {}
  return new KVError(
    'SHARD_NOT_SERVING',
    `this leaf has no copy of shard ${shard} of version ${versionId} of dataset ${datasetId}`,
  )
}

/** What a walk over a shard looks at; the rest was the gateway's. */
function scanRequest({ request, pageRows, pageBytes }: WireScan, context: RequestContext): ScanRequest {
  return {
    ...request,
    dataset: '',
    range: null,
    segment: null,
    pageRows,
    pageBytes,
    position: null,
    datasetVersion: null,
    context,
  }
}
