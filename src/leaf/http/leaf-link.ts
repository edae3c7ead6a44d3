/**
 * One data thread's way to one leaf process. All that a loop turn asks of the leaf goes in one POST (4 to 13 times the
 * throughput of one a read), and what comes while POSTs are under way gathers for the next one. A POST that is old
 * already waits for a slow read and does not hold the others back.
 *
 * Each call answers once: with what the leaf said, or with UNAVAILABLE or DEADLINE_EXCEEDED, and then the caller asks
 * another leaf. An answer for another version than was asked for is refused and counted.
 */
import type { Clock } from '../../base/clock.js'
import { type Done, KVError } from '../../base/errors.js'
import type { PostHandler } from '../../base/http.js'
import type { Incarnation } from '../../model/cluster-map.js'
import type { ShardPage } from '../../model/leaf-engine.js'
import type { ShardRead, ShardScan } from '../../model/plan.js'
import type { RowOutcome } from '../../model/row.js'
import type { ShardSource } from '../own-copies.js'
import { AnswerParser } from './answer-parser.js'
import { ByteWriter } from './bytes.js'
import {
  encodeHead,
  encodeRead,
  encodeScan,
  encodeTarget,
  HEAD_SIZE,
  MAX_TARGETS,
  type ShardTarget,
  type WireAnswer,
} from './wire.js'

/** POSTs that take no longer than usual; more would only make each smaller. */
const MAX_FRESH_POSTS = 2
/** A POST is old when it takes so many times as long as they do on average, within these bounds. */
const OLD_FACTOR = 3
const MIN_FRESH_MS = 2
const MAX_FRESH_MS = 50
/** Weight of the newest POST in the average. */
const NEWEST_WEIGHT = 0.1
/** POSTs at the same time, those that wait for slow reads included: the connections of the pool. */
export const MAX_POSTS = 16
/** Of one POST, behind which the next one begins. */
const MAX_BATCH_BYTES = 1024 * 1024
const MAX_BATCH_CALLS = 4_096
/** How often calls are looked at that took too long. */
const TICK_MS = 20
/** Calls that wait for a POST or its answer. */
const MAX_WAITING = 50_000

/** What keeps a leaf that fails from being asked. Of the routing layer; undefined where there is none. */
export interface LeafBreaker {
  readonly isOpen: boolean
  /** @throws what `call` throws, or KVError UNAVAILABLE without calling it */
  run(call: () => Promise<void>): Promise<void>
  close(): void
}

/** What base/http.ts offers of a connection pool. */
export interface LeafConnections {
  post(path: string, body: Buffer, handler: PostHandler): () => void
  close(): Promise<void>
}

export interface LeafLinkOptions {
  /** Of the leaf, for messages. */
  readonly name: string
  readonly connections: LeafConnections
  readonly breaker: LeafBreaker
  readonly clock: Clock
  /** An answer that is none, or for another version. */
  readonly onWrongAnswer: () => void
  readonly onBatch: () => void
  /** Nobody asks it any more by this link. */
  readonly onClose: () => void
}

interface Call {
  readonly incarnation: Incarnation
  readonly read: ShardRead | null
  readonly scan: ShardScan | null
  /** When the caller asks elsewhere. */
  readonly expiresAtMs: number
  /** Null: it has been answered. */
  done: Done<readonly RowOutcome[] | ShardPage> | null
}

interface Post {
  readonly calls: readonly Call[]
  readonly startedAtMs: number
  /** Calls without an answer. */
  waiting: number
  settle: (error: KVError | null) => void
}

export class LeafLink implements ShardSource {
  readonly #options: LeafLinkOptions
  /** Of the POST that is being made. */
  readonly #targets = new ByteWriter()
  readonly #requests = new ByteWriter()
  #queue: Call[] = []
  readonly #posts = new Set<Post>()
  #waiting = 0
  #averageMs = 0
  #isScheduled = false
  #isPausing = false
  #isTicking = false
  #isClosed = false

  constructor(options: LeafLinkOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  /** Whether it is known not to answer. */
  get isBroken(): boolean {
    return this.#options.breaker.isOpen
  }

  read(read: ShardRead, expiresAtMs: number, done: Done<readonly RowOutcome[]>): void {
    // The parser answers a read with rows and nothing else.
    const take = done as Done<readonly RowOutcome[] | ShardPage>
    this.#add({ incarnation: read.incarnation, read, scan: null, expiresAtMs, done: take })
  }

  scan(scan: ShardScan, expiresAtMs: number, done: Done<ShardPage>): void {
    const take = done as Done<readonly RowOutcome[] | ShardPage> // as above, with a page
    this.#add({ incarnation: scan.incarnation, read: null, scan, expiresAtMs, done: take })
  }

  close(): Promise<void> {
    this.#isClosed = true
    this.#options.breaker.close()
    this.#options.onClose()
    return this.#options.connections.close()
  }

  #add(call: Call): void {
    if (this.#waiting >= MAX_WAITING) {
      call.done?.(new KVError('OVERLOADED', `${MAX_WAITING} reads wait for leaf ${this.name}`))
      return
    }
    this.#waiting += 1
    this.#queue.push(call)
    this.#schedule()
    this.#tickLater()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#isScheduled = false
    while (this.#queue.length > 0 && this.#maySend()) this.#send()
  }

  #maySend(): boolean {
    if (this.#posts.size < MAX_FRESH_POSTS) return true
    if (this.#posts.size >= MAX_POSTS) return false
    const freshMs = Math.min(MAX_FRESH_MS, Math.max(MIN_FRESH_MS, OLD_FACTOR * this.#averageMs))
    const freshFromMs = this.#options.clock.monotonicMs() - freshMs
    let fresh = 0
    for (const { startedAtMs } of this.#posts) if (startedAtMs > freshFromMs) fresh += 1
    if (fresh < MAX_FRESH_POSTS) return true
    this.#sendLater(freshMs)
    return false
  }

  /** Unless a POST ends before. */
  #sendLater(delayMs: number): void {
    if (this.#isPausing) return
    this.#isPausing = true
    setTimeout(() => {
      this.#isPausing = false
      this.#flush()
    }, delayMs)
  }

  #send(): void {
    const nowMs = this.#options.clock.monotonicMs()
    const targets = this.#targets
    const requests = this.#requests
    targets.truncate(0)
    requests.truncate(0)
    const calls: Call[] = []
    const targetOf = new Map<number, number>()
    const expected: ShardTarget[] = []
    let taken = 0
    for (const call of this.#queue) {
      if (
        requests.size >= MAX_BATCH_BYTES ||
        calls.length >= MAX_BATCH_CALLS ||
        expected.length >= MAX_TARGETS
      )
        break
      taken += 1
      if (call.done === null) continue
      let target = targetOf.get(call.incarnation.id)
      if (target === undefined) {
        target = expected.length
        targetOf.set(call.incarnation.id, target)
        expected.push(shardTargetOf(call.incarnation))
        encodeTarget(targets, shardTargetOf(call.incarnation))
      }
      encodeCall(requests, { id: calls.length, target, remainingMs: call.expiresAtMs - nowMs }, call)
      calls.push(call)
    }
    this.#queue = taken === this.#queue.length ? [] : this.#queue.slice(taken)
    if (calls.length > 0) this.#post(calls, nowMs, expected)
  }

  #post(calls: readonly Call[], startedAtMs: number, expected: readonly ShardTarget[]): void {
    const output = new ByteWriter(HEAD_SIZE + this.#targets.size + this.#requests.size)
    encodeHead(output, expected.length, this.#targets.written)
    const headSize = output.size
    output.raw(this.#requests.written)
    const body = output.written
    const post: Post = { calls, startedAtMs, waiting: calls.length, settle: () => undefined }
    this.#posts.add(post)
    this.#options.onBatch()
    const run = this.#options.breaker.run(
      () =>
        new Promise<void>((resolve, reject) => {
          post.settle = (error) => {
            if (error === null) resolve()
            else reject(error)
          }
          this.#exchange(post, body, { head: body.subarray(0, headSize), expected })
        }),
    )
    run.then(
      () => this.#finish(post, null),
      (error: unknown) => this.#finish(post, toUnavailable(error, this.name)),
    )
  }

  #exchange(
    post: Post,
    body: Buffer,
    asked: { readonly head: Buffer; readonly expected: readonly ShardTarget[] },
  ): void {
    const wrong = new Set<number>()
    const parser = new AnswerParser(
      asked.head,
      (targets) => {
        if (targets !== 'as asked') this.#findWrong(post, targets, asked.expected, wrong)
      },
      (answer) => this.#take(post, answer, wrong),
    )
    const cancel = this.#options.connections.post('/v1/batch', body, {
      onData: (chunk) => {
        try {
          parser.push(chunk)
        } catch (error) {
          if (!(error instanceof RangeError)) throw error
          this.#options.onWrongAnswer()
          post.settle(
            new KVError('UNAVAILABLE', `leaf ${this.name} answered what is no answer: ${error.message}`),
          )
        }
      },
      onEnd: () => {
        const isWhole = parser.isBetweenAnswers && post.waiting === 0
        post.settle(
          isWhole ? null : new KVError('UNAVAILABLE', `leaf ${this.name} left reads without an answer`),
        )
      },
      onFailure: (error) => post.settle(error),
    })
    const { settle } = post
    post.settle = (error) => {
      settle(error)
      // Nobody waits any more: of an answer that is whole nothing is left to cancel.
      cancel()
    }
  }

  /** Which targets' answers are not to be taken. */
  #findWrong(
    post: Post,
    targets: readonly (ShardTarget | null)[],
    expected: readonly ShardTarget[],
    wrong: Set<number>,
  ): void {
    const indexes = new Map<number, number>()
    for (const { incarnation } of post.calls) {
      if (!indexes.has(incarnation.id)) indexes.set(incarnation.id, indexes.size)
    }
    for (const [id, index] of indexes) {
      const served = targets[index]
      if (served === null || isSame(served, expected[index])) continue
      wrong.add(id)
    }
    if (targets.length !== expected.length) for (const id of indexes.keys()) wrong.add(id)
  }

  #take(post: Post, answer: WireAnswer, wrong: ReadonlySet<number>): void {
    const call = post.calls[answer.id]
    if (call === undefined || ('rows' in answer && answer.rows.length !== call.read?.rowKeys.length)) {
      throw new RangeError('an answer to what was not asked')
    }
    if ('page' in answer && call.scan === null) throw new RangeError('a page for what is no scan')
    if (call.done === null) return
    if (wrong.has(call.incarnation.id) && !('error' in answer)) {
      this.#options.onWrongAnswer()
      const { datasetId, versionId, shard } = shardTargetOf(call.incarnation)
      const asked = `shard ${shard} of version ${versionId} of ${datasetId}`
      this.#answer(
        call,
        new KVError('VERSION_NOT_FOUND', `leaf ${this.name} answered for another than ${asked}`),
      )
    } else if ('rows' in answer) this.#answer(call, answer.rows)
    else if ('page' in answer) this.#answer(call, answer.page)
    else this.#answer(call, answer.error)
    post.waiting -= 1
  }

  #finish(post: Post, error: KVError | null): void {
    this.#posts.delete(post)
    const tookMs = this.#options.clock.monotonicMs() - post.startedAtMs
    this.#averageMs += NEWEST_WEIGHT * (tookMs - this.#averageMs)
    for (const call of post.calls) {
      if (call.done !== null)
        this.#answer(call, error ?? new KVError('UNAVAILABLE', `leaf ${this.name} did not answer`))
    }
    if (this.#queue.length > 0) this.#flush()
  }

  #answer(call: Call, outcome: readonly RowOutcome[] | ShardPage | KVError): void {
    const { done } = call
    if (done === null) return
    call.done = null
    this.#waiting -= 1
    done(outcome)
  }

  /** Answers what took too long. A POST of which nobody expects anything more is given up, and counts as a failure. */
  #tick(): void {
    this.#isTicking = false
    const nowMs = this.#options.clock.monotonicMs()
    const late = () => new KVError('DEADLINE_EXCEEDED', `leaf ${this.name} did not answer in time`)
    for (const call of this.#queue) if (call.expiresAtMs <= nowMs) this.#answer(call, late())
    for (const post of this.#posts) {
      for (const call of post.calls) {
        if (call.done === null || call.expiresAtMs > nowMs) continue
        this.#answer(call, late())
        post.waiting -= 1
      }
      if (post.waiting === 0) post.settle(late())
    }
    this.#tickLater()
  }

  #tickLater(): void {
    if (this.#isTicking || this.#waiting === 0 || this.#isClosed) return
    this.#isTicking = true
    setTimeout(() => this.#tick(), TICK_MS).unref()
  }
}

function encodeCall(
  output: ByteWriter,
  head: { readonly id: number; readonly target: number; readonly remainingMs: number },
  { read, scan }: Call,
): void {
  if (read !== null) encodeRead(output, head, read)
  else if (scan !== null) encodeScan(output, head, scan)
}

function shardTargetOf({ datasetId, shard, remote }: Incarnation): ShardTarget {
  return { datasetId, versionId: remote?.versionId ?? 0, shard }
}

function isSame(one: ShardTarget | undefined, other: ShardTarget | undefined): boolean {
  if (one === undefined || other === undefined) return false
  return one.datasetId === other.datasetId && one.versionId === other.versionId && one.shard === other.shard
}

function toUnavailable(error: unknown, name: string): KVError {
  if (error instanceof KVError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new KVError('UNAVAILABLE', `leaf ${name} is not asked: ${reason}`, { cause: error })
}
