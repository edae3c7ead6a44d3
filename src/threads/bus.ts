/**
 * Typed messages between the main thread and the threads of the data plane. Everything is plain data, copied by the
 * port; a KVError travels as its parts. Messages of one direction arrive in the order in which they were sent.
 */
import type { MessagePort } from 'node:worker_threads'
import { type ErrorCode, KVError, type WriteOutcome, toKVError } from '../base/errors.js'
import type { SharedLogLevel } from '../base/logger.js'
import type { MetricsSnapshot } from '../base/metrics.js'
import type { DataListener } from '../config/listeners.js'
import type { Config } from '../config/schema.js'
import type { FrozenShard } from '../leaf/rocksdb/write/writer.js'
import type { ClusterMapDelta } from '../model/cluster-map.js'
import type { Difference, FlightRecord } from '../model/difference.js'
import type { MutateRequest, MutateResult, ReadRequest } from '../model/request.js'
import type { Row } from '../model/row.js'
import type { ScanRequest, ScanResult } from '../model/scan.js'
import type { CqlAnswer, CqlCall, TableCall } from '../model/table-call.js'
import type { Observations } from '../base/usage.js'
import type { WatchSnapshot } from '../routing/migration-watch.js'
import type { LeaseMessage } from './leases.js'

/** A request without its context: each thread has a monotonic clock of its own, so a deadline cannot travel. */
export type Portable<T extends { readonly context: unknown }> = Omit<T, 'context'>

/** Where to listen. `fd`: share the socket that another data thread listens on. */
export type ListenTarget = { readonly host: string; readonly port: number } | { readonly fd: number }

/** Questions that main asks a thread; each is answered once. */
export type Ask =
  | { readonly kind: 'metrics' }
  /** RequestWatch.take, of a data thread. */
  | { readonly kind: 'observations' }
  /** FlightRecorder.dump, of a data thread. */
  | { readonly kind: 'flights'; readonly lastMs: number; readonly dataset: string | null }
  /** LeaseHolder.recentUses, of a data thread. */
  | { readonly kind: 'recentUses' }
  | { readonly kind: 'listen'; readonly listener: DataListener; readonly target: ListenTarget }
  | { readonly kind: 'read'; readonly request: Portable<ReadRequest>; readonly timeoutMs: number }
  | { readonly kind: 'mutate'; readonly request: Portable<MutateRequest>; readonly timeoutMs: number }
  | { readonly kind: 'scan'; readonly request: Portable<ScanRequest>; readonly timeoutMs: number }
  /** To the writer thread: link the files of these shards, all at one point in time (GroupWriter.freeze). */
  | { readonly kind: 'freeze'; readonly shards: readonly FrozenShard[] }
  /** Read the certificates of listeners again. */
  | { readonly kind: 'reloadTls' }
  /** Stop taking requests, answer what is in flight, close the connections. */
  | { readonly kind: 'drain'; readonly timeoutMs: number }
  /** Read nothing more of DBs that are open here, so that they can be closed. */
  | { readonly kind: 'endReads' }

/** What a data thread is started with. */
export interface DataThreadSetup {
  readonly name: string
  readonly config: Config
  readonly logLevel: SharedLogLevel
  readonly build: string
  /** As in Metastore. */
  readonly tokenKey: Uint8Array
  /** Of routing/shared-breakers.ts, for the configuration's origins. */
  readonly breakers: SharedArrayBuffer
  /** To the writer thread: batches of mutations out, acknowledgements in. */
  readonly writerPort: MessagePort
}

export interface WriterThreadSetup {
  readonly name: string
  readonly config: Config
  readonly logLevel: SharedLogLevel
  /** One a data thread. */
  readonly ports: readonly MessagePort[]
}

export interface ListenAnswer {
  readonly host: string
  readonly port: number
  /** The listening socket's descriptor, for the other threads. */
  readonly fd: number
}

/** The answer's type by the question's kind. */
export interface AskAnswers {
  readonly metrics: MetricsSnapshot
  readonly observations: Observations
  readonly flights: readonly FlightRecord[]
  readonly recentUses: readonly (readonly [incarnationId: number, seconds: number])[]
  readonly listen: ListenAnswer
  readonly read: readonly (Row | null | PortableError)[]
  readonly mutate: MutateResult
  readonly scan: ScanResult
  /** The greatest stamp given until then. */
  readonly freeze: number
  readonly reloadTls: null
  readonly drain: null
  readonly endReads: null
}

/** `versionRefused`: the answer to `openVersion` or `readHere` when no map can bring it. */
export type ToThread =
  | { readonly kind: 'map'; readonly delta: ClusterMapDelta }
  | { readonly kind: 'ask'; readonly id: number; readonly ask: Ask }
  | ({ readonly kind: 'versionRefused'; readonly error: PortableError } & VersionQuestion)
  /** Null: the change is made, and every thread's map has it. */
  | { readonly kind: 'tableAnswer'; readonly id: number; readonly error: PortableError | null }
  | { readonly kind: 'cqlAnswer'; readonly id: number; readonly answer: CqlAnswer | PortableError }

/** A version that reads wait for: one that is kept and not open, or one that no leaf answers for. */
export interface WantedVersion {
  readonly dataset: string
  readonly versionId: number
}

/** `readHere`: its leaves failed, open the gateway's own copy. */
export type VersionQuestion = WantedVersion & { readonly wish: 'openVersion' | 'readHere' }

export type FromThread =
  | { readonly kind: 'lease'; readonly message: LeaseMessage }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: PortableError }
  | { readonly kind: 'shardFailed'; readonly incarnationId: number; readonly error: PortableError }
  | ({ readonly kind: 'version' } & VersionQuestion)
  | { readonly kind: 'migrationFigures'; readonly figures: readonly WatchSnapshot[] }
  | { readonly kind: 'differences'; readonly differences: readonly Difference[]; readonly lost: number }
  | { readonly kind: 'leafBreaker'; readonly leaf: string; readonly isOpen: boolean }
  /** Answered by `tableAnswer` with the same id. */
  | { readonly kind: 'tableCall'; readonly id: number; readonly call: TableCall }
  /** Answered by `cqlAnswer` with the same id. */
  | { readonly kind: 'cqlCall'; readonly id: number; readonly call: CqlCall }

export interface PortableError {
  readonly isPortableError: true
  readonly code: ErrorCode
  readonly message: string
  readonly outcome: WriteOutcome | null
  readonly retryAfterMs: number | null
  readonly dataset: string | null
}

export function errorToPortable(thrown: unknown): PortableError {
  const error = toKVError(thrown, 'in a data-plane thread')
  return {
    isPortableError: true,
    code: error.code,
    message: error.message,
    outcome: error.outcome ?? null,
    retryAfterMs: error.retryAfterMs ?? null,
    dataset: error.dataset ?? null,
  }
}

export function portableToError(error: PortableError): KVError {
  return new KVError(error.code, error.message, {
    ...(error.outcome === null ? {} : { outcome: error.outcome }),
    ...(error.retryAfterMs === null ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.dataset === null ? {} : { dataset: error.dataset }),
  })
}

/** A port copies a Buffer as a Uint8Array: makes Buffers of them again, without copying, at any depth. */
export function withBuffers<T>(value: T): T {
  // The shape stays the same; only the class of byte arrays changes, to the one that T names.
  return reviveBuffers(value) as T
}

function reviveBuffers(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (Array.isArray(value)) return value.map(reviveBuffers)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, reviveBuffers(item)]))
}

/** Main's end of the conversation with one thread. */
export class ThreadLink {
  readonly #post: (message: ToThread) => void
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: KVError): void }>()
  #nextId = 1

  constructor(post: (message: ToThread) => void) {
    this.#post = post
  }

  sendMap(delta: ClusterMapDelta): void {
    this.#post({ kind: 'map', delta })
  }

  refuseVersion({ dataset, versionId, wish }: VersionQuestion, error: unknown): void {
    this.#post({ kind: 'versionRefused', dataset, versionId, wish, error: errorToPortable(error) })
  }

  answerTable(id: number, error: unknown): void {
    this.#post({ kind: 'tableAnswer', id, error: error === null ? null : errorToPortable(error) })
  }

  answerCql(id: number, answer: CqlAnswer | PortableError): void {
    this.#post({ kind: 'cqlAnswer', id, answer })
  }

  /** @throws {KVError} what the thread refused with */
  async ask<K extends Ask['kind']>(ask: Extract<Ask, { kind: K }>): Promise<AskAnswers[K]> {
    const id = this.#nextId++
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#post({ kind: 'ask', id, ask })
    // AskAnswers pairs each question with the type that data-thread.ts and writer-thread.ts answer it with.
    return (await answer) as AskAnswers[K]
  }

  settle(message: Extract<FromThread, { kind: 'answer' | 'refusal' }>): void {
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (waiting === undefined) return
    if (message.kind === 'answer') waiting.resolve(message.value)
    else waiting.reject(portableToError(message.error))
  }
}
