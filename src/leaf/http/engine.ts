/**
 * Hop 6 for shards that leaf processes serve: the client side, one a data thread. Gives each read to one of the leaves that
 * have the shard, and to another when that one fails, is late, or has the row damaged; when none is left, to the gateway's
 * own copy. All replicas of a version hold the same rows, so an answer may come from any of them, and a page's position
 * holds on each.
 *
 * Replicas take turns by loop turn, so that what belongs together goes in one POST; leaves whose breaker is open come last.
 */
import type { Clock } from '../../base/clock.js'
import { type Done, type ErrorCode, KVError } from '../../base/errors.js'
import { traceHop } from '../../base/trace.js'
import type { Incarnation } from '../../model/cluster-map.js'
import type { LeafRecord } from '../../model/dataset.js'
import type { LeafEngine, ShardPage } from '../../model/leaf-engine.js'
import type { ShardMutate, ShardRead, ShardScan } from '../../model/plan.js'
import type { MutateResult } from '../../model/request.js'
import type { RowOutcome } from '../../model/row.js'
import type { ShardSource } from '../own-copies.js'
import type { LeafLink } from './leaf-link.js'

export const HTTP_ENGINE = 'http'

/** Failures that another leaf may not have. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'SHARD_NOT_SERVING',
  'VERSION_NOT_FOUND',
  'OVERLOADED',
  'CORRUPT',
  'INTERNAL',
])

/** Failures of a leaf that say nothing about the rows: with all leaves they mean that the shard cannot be read. */
const NO_ANSWER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'SHARD_NOT_SERVING',
  'VERSION_NOT_FOUND',
])

export interface HttpEngineOptions {
  readonly clock: Clock
  /** Makes the way to a leaf; the engine closes it when no shard names the leaf any more. */
  readonly connect: (leaf: LeafRecord) => LeafLink
  /** The gateway's own copies of shards. */
  readonly ownCopies: ShardSource
  /** While something else has the shard, a leaf is waited for so long. */
  readonly attemptTimeoutMs: number
  /** For each read that is given to another leaf, or to the own copy. */
  readonly onRetry: () => void
}

interface Connected {
  readonly link: LeafLink
  /** Shards that name it. */
  uses: number
}

export class HttpEngine implements LeafEngine {
  readonly name = HTTP_ENGINE
  readonly #options: HttpEngineOptions
  /** By incarnation. */
  readonly #replicas = new Map<number, readonly Connected[]>()
  readonly #links = new Map<string, Connected>()
  #turn = 0
  #isTurnCounted = false

  constructor(options: HttpEngineOptions) {
    this.#options = options
  }

  read(read: ShardRead, done: Done<readonly RowOutcome[]>): void {
    traceHop('leaf.engine')
    const attempts = this.#attempts(read.incarnation, read.deadline, read.place ?? null)
    if (attempts === null) done(noLeaf(read.incarnation))
    else new RemoteRead(read, attempts, done).next()
  }

  scan(scan: ShardScan, done: Done<ShardPage>): void {
    traceHop('leaf.engine')
    const attempts = this.#attempts(scan.incarnation, scan.deadline, null)
    if (attempts === null) {
      done(noLeaf(scan.incarnation))
      return
    }
    const next = (last: KVError | null): void => {
      const attempt = attempts.next(last)
      if (attempt instanceof KVError) done(attempt)
      else
        attempt.source.scan(scan, attempt.expiresAtMs, (outcome) => {
          if (outcome instanceof KVError && ELSEWHERE.has(outcome.code)) next(outcome)
          else done(outcome)
        })
    }
    next(null)
  }

  mutate(_mutate: ShardMutate, done: Done<MutateResult>): void {
    done(new KVError('READ_ONLY', 'shards of leaf processes take no writes', { outcome: 'NOT_APPLIED' }))
  }

  /** Nothing is asked of the incarnation any more. */
  detach(incarnationId: number): void {
    const replicas = this.#replicas.get(incarnationId) ?? []
    this.#replicas.delete(incarnationId)
    for (const connected of replicas) {
      connected.uses -= 1
      if (connected.uses === 0) this.#close(connected)
    }
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#links.values(), ({ link }) => link.close()))
  }

  #close(connected: Connected): void {
    for (const [key, known] of this.#links) if (known === connected) this.#links.delete(key)
    // What it still holds is idle: nothing that could fail is under way.
    void connected.link.close().catch(() => undefined)
  }

  #attempts(incarnation: Incarnation, deadline: number, place: number | null): Attempts | null {
    const replicas = this.#replicas.get(incarnation.id) ?? this.#connect(incarnation)
    if (replicas.length === 0) return null
    this.#countTurn()
    return new Attempts(incarnation, replicas, this.#options, { deadline, first: place ?? this.#turn })
  }

  #connect({ id, remote }: Incarnation): readonly Connected[] {
    const replicas = (remote?.leaves ?? []).map((leaf) => {
      const key = `${leaf.name} ${leaf.url}`
      let connected = this.#links.get(key)
      if (connected === undefined) {
        connected = { link: this.#options.connect(leaf), uses: 0 }
        this.#links.set(key, connected)
      }
      connected.uses += 1
      return connected
    })
    this.#replicas.set(id, replicas)
    return replicas
  }

  #countTurn(): void {
    if (this.#isTurnCounted) return
    this.#isTurnCounted = true
    this.#turn = (this.#turn + 1) & 0xffff
    setImmediate(() => (this.#isTurnCounted = false))
  }
}

interface Attempt {
  readonly source: ShardSource
  readonly expiresAtMs: number
}

/** The leaves that have a shard, each asked at most once, and then this process if it has it. */
class Attempts {
  readonly #incarnation: Incarnation
  readonly #replicas: readonly Connected[]
  readonly #options: HttpEngineOptions
  readonly #deadline: number
  readonly #first: number
  /** A bit a replica. */
  #tried = 0
  #left: number
  #mayReadHere: boolean

  constructor(
    incarnation: Incarnation,
    replicas: readonly Connected[],
    options: HttpEngineOptions,
    { deadline, first }: { readonly deadline: number; readonly first: number },
  ) {
    this.#incarnation = incarnation
    this.#replicas = replicas
    this.#options = options
    this.#deadline = deadline
    this.#first = first
    this.#left = replicas.length
    this.#mayReadHere = incarnation.remote?.hasOwnCopy === true
  }

  get hasMore(): boolean {
    return this.#left > 0 || this.#mayReadHere
  }

  /** Who is asked next; `last`, or that the time is up, when there is none. */
  next(last: KVError | null): Attempt | KVError {
    const { clock, attemptTimeoutMs, onRetry, ownCopies } = this.#options
    const deadline = this.#deadline
    const nowMs = clock.monotonicMs()
    if (nowMs >= deadline) {
      if (last === null) return new KVError('DEADLINE_EXCEEDED', 'deadline passed before a leaf was asked')
      return this.#failure(last)
    }
    const link = this.#choose()
    if (link === null && !this.#mayReadHere) return this.#failure(last)
    if (last !== null) onRetry()
    if (link === null) {
      this.#mayReadHere = false
      return { source: ownCopies, expiresAtMs: deadline }
    }
    return {
      source: link,
      expiresAtMs: this.hasMore ? Math.min(deadline, nowMs + attemptTimeoutMs) : deadline,
    }
  }

  /** Names what was asked for and who was asked; the last one's reason stands for all. */
  #failure(last: KVError | null): KVError {
    const { shard, remote } = this.#incarnation
    const { dataset = '', versionId = 0, leaves = [] } = remote ?? {}
    const names = leaves.map(({ name }) => name).join(', ')
    const code = last === null || NO_ANSWER.has(last.code) ? 'UNAVAILABLE' : last.code
    return new KVError(
      code,
      `shard ${shard} of version ${versionId} of dataset ${dataset} cannot be read from any of its leaves (${names})` +
        (last === null ? '' : `, the last one: ${last.message}`),
      { dataset, ...(last === null ? {} : { cause: last }) },
    )
  }

  /** The first one in turn that was not tried; those that are known not to answer last. */
  #choose(): LeafLink | null {
    const count = this.#replicas.length
    let chosen = -1
    for (let i = 0; i < count; i++) {
      const index = (this.#first + i) % count
      if ((this.#tried & (1 << index)) !== 0) continue
      if (this.#replicas[index]?.link.isBroken === false) {
        chosen = index
        break
      }
      if (chosen < 0) chosen = index
    }
    if (chosen < 0) return null
    this.#tried |= 1 << chosen
    this.#left -= 1
    return this.#replicas[chosen]?.link ?? null
  }
}

/** One read until it is answered. */
class RemoteRead {
  readonly #read: ShardRead
  readonly #attempts: Attempts
  readonly #done: Done<readonly RowOutcome[]>
  /** Rows that an earlier leaf answered, some of them damaged there. */
  #rows: readonly RowOutcome[] | null = null

  constructor(read: ShardRead, attempts: Attempts, done: Done<readonly RowOutcome[]>) {
    this.#read = read
    this.#attempts = attempts
    this.#done = done
  }

  next(last: KVError | null = null): void {
    const attempt = this.#attempts.next(last)
    if (attempt instanceof KVError) this.#done(this.#rows ?? attempt)
    else attempt.source.read(this.#read, attempt.expiresAtMs, (outcome) => this.#take(outcome))
  }

  #take(outcome: readonly RowOutcome[] | KVError): void {
    if (outcome instanceof KVError) {
      if (ELSEWHERE.has(outcome.code)) this.next(outcome)
      else this.#done(this.#rows ?? outcome)
      return
    }
    const rows = this.#rows === null ? outcome : this.#merge(this.#rows, outcome)
    const failure = rows.find((row): row is KVError => row instanceof KVError && ELSEWHERE.has(row.code))
    if (failure === undefined || !this.#attempts.hasMore) {
      this.#done(rows)
      return
    }
    this.#rows = rows
    this.next(failure)
  }

  /** Rows of a page depend on those before them, so that pages are taken whole. */
  #merge(before: readonly RowOutcome[], now: readonly RowOutcome[]): readonly RowOutcome[] {
    if (this.#read.pageBytes !== null) return now
    return before.map((row, index) => (row instanceof KVError ? (now[index] ?? null) : row))
  }
}

function noLeaf({ directory }: Incarnation): KVError {
  return new KVError('SHARD_NOT_SERVING', `no leaf has ${directory}`)
}
