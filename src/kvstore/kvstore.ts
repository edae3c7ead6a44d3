/**
 * The front end of the data plane: admit, route, measure. Everything that shims and the admin API do to rows passes
 * here. Answers exactly once and never throws: a fault on the way becomes the request's own INTERNAL.
 *
 * Sheds jobs before people wait: while many requests wait for answers, those of priority BATCH are refused as OVERLOADED.
 */
import type { Clock } from '../base/clock.js'
import { type Done, KVError, toKVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { RequestMetrics } from '../base/metrics.js'
import { traceAnswer, traceBegin } from '../base/trace.js'
import type { ClusterMap, DatasetEntry } from '../model/cluster-map.js'
import type { KVStore } from '../model/kvstore.js'
import type {
  AdmittedMutate,
  AdmittedRead,
  AdmittedScan,
  MutatePlan,
  ReadPlan,
  ScanPlan,
} from '../model/plan.js'
import type {
  MutateRequest,
  MutateResult,
  ReadRequest,
  ReadResult,
  RequestContext,
} from '../model/request.js'
import type { ScanRequest, ScanResult } from '../model/scan.js'
import { admitMutate, admitRead, admitScan, findDataset } from './admit.js'
import { type VersionWaits, versionToWaitFor } from './version-waits.js'

/** What a shed caller is told to wait: by then what waited was answered, or the thread is overloaded for everyone. */
const SHED_RETRY_AFTER_MS = 100

/** What hop 3 needs of hop 4. */
export interface Planner {
  planRead(admitted: AdmittedRead): ReadPlan
  planScan(admitted: AdmittedScan): ScanPlan
  planMutate(admitted: AdmittedMutate): MutatePlan
}

/** Told of every request before it is looked at. */
export interface RequestObserver {
  /** `dataset`: that of the request if there is one of that name, else empty. `atMs`: monotonic. */
  note(
    request: ReadRequest | ScanRequest | MutateRequest,
    method: string,
    dataset: string,
    atMs: number,
  ): void
}

export interface KVStoreParts {
  readonly clock: Clock
  readonly metrics: RequestMetrics
  readonly waits: VersionWaits
  /** Absent: nobody wants to know who asks for what. */
  readonly observer?: RequestObserver
}

export class GatewayKVStore implements KVStore {
  readonly #planner: Planner
  readonly #currentMap: () => ClusterMap
  readonly #clock: Clock
  readonly #metrics: RequestMetrics
  readonly #waits: VersionWaits
  readonly #observer: RequestObserver | null
  /** Requests that were admitted and are not answered. */
  #waiting = 0
  /** The last one of priority BATCH that was not shed. */
  #admittedBatch: RequestContext | null = null

  constructor(planner: Planner, currentMap: () => ClusterMap, parts: KVStoreParts) {
    const { clock, metrics, waits, observer = null } = parts
    this.#planner = planner
    this.#currentMap = currentMap
    this.#clock = clock
    this.#metrics = metrics
    this.#waits = waits
    this.#observer = observer
  }

  read(request: ReadRequest, done: Done<ReadResult>): void {
    const startedAtMs = this.#clock.monotonicMs()
    const operation = request.context.method ?? 'read'
    traceBegin(request.context, operation, request.dataset)
    this.#observe(request, operation, startedAtMs)
    const finish: Done<ReadResult> = (outcome) => {
      this.#waiting -= 1
      this.#record(request, operation, startedAtMs, outcome)
      done(outcome)
    }
    this.#waiting += 1
    this.#planAndRead(request, finish)
  }

  scan(request: ScanRequest, done: Done<ScanResult>): void {
    const startedAtMs = this.#clock.monotonicMs()
    const operation = request.context.method ?? 'scan'
    traceBegin(request.context, operation, request.dataset)
    this.#observe(request, operation, startedAtMs)
    const finish: Done<ScanResult> = (outcome) => {
      this.#waiting -= 1
      this.#record(request, operation, startedAtMs, outcome)
      done(outcome)
    }
    this.#waiting += 1
    this.#planAndScan(request, finish)
  }

  mutate(request: MutateRequest, done: Done<MutateResult>): void {
    const startedAtMs = this.#clock.monotonicMs()
    const operation = request.context.method ?? 'mutate'
    traceBegin(request.context, operation, request.dataset)
    this.#observe(request, operation, startedAtMs)
    const finish: Done<MutateResult> = (outcome) => {
      this.#waiting -= 1
      this.#record(request, operation, startedAtMs, outcome)
      done(outcome)
    }
    this.#waiting += 1
    let plan: MutatePlan
    try {
      if (request.context.isBatch === true) this.#checkLoad(request.context)
      plan = this.#planner.planMutate(admitMutate(request, this.#currentMap(), this.#clock))
    } catch (error) {
      finish(toKVError(error, `write to dataset ${request.dataset}`))
      return
    }
    plan.backend.mutate(plan, finish)
  }

  /** Requests that were admitted and are not answered. */
  get waiting(): number {
    return this.#waiting
  }

  describeDataset(name: string): DatasetEntry {
    return findDataset(this.#currentMap(), name)
  }

  #planAndRead(request: ReadRequest, finish: Done<ReadResult>): void {
    let plan: ReadPlan
    try {
      if (request.context.isBatch === true) this.#checkLoad(request.context)
      const admitted = admitRead(request, this.#currentMap(), this.#clock)
      const goesOn = request.position !== null || request.mayBeLeaving === true
      const versionId = versionToWaitFor(admitted.entry, request.datasetVersion, goesOn)
      if (versionId !== null) {
        const retry = () => this.#planAndRead(request, finish)
        this.#waits.add(request.dataset, versionId, {
          deadline: request.context.deadline,
          retry,
          refuse: finish,
        })
        return
      }
      plan = this.#planner.planRead(admitted)
    } catch (error) {
      finish(toKVError(error, `read of dataset ${request.dataset}`))
      return
    }
    plan.backend.read(plan, finish)
  }

  #planAndScan(request: ScanRequest, finish: Done<ScanResult>): void {
    let plan: ScanPlan
    try {
      if (request.context.isBatch === true) this.#checkLoad(request.context)
      const admitted = admitScan(request, this.#currentMap(), this.#clock)
      const versionId = versionToWaitFor(admitted.entry, request.datasetVersion, request.position !== null)
      if (versionId !== null) {
        const retry = () => this.#planAndScan(request, finish)
        this.#waits.add(request.dataset, versionId, {
          deadline: request.context.deadline,
          retry,
          refuse: finish,
        })
        return
      }
      plan = this.#planner.planScan(admitted)
    } catch (error) {
      finish(toKVError(error, `scan of dataset ${request.dataset}`))
      return
    }
    plan.backend.scan(plan, finish)
  }

  /** @throws {KVError} OVERLOADED */
  #checkLoad(context: RequestContext): void {
    // The rows of one multiMutate share a context: they are taken or refused together, not shed for each other.
    if (context === this.#admittedBatch) return
    if (this.#waiting <= limits.maxWaitingBeforeBatchIsShed) {
      this.#admittedBatch = context
      return
    }
    throw new KVError(
      'OVERLOADED',
      `${this.#waiting} requests wait for answers: priority BATCH is refused until they are fewer`,
      { outcome: 'NOT_APPLIED', retryAfterMs: SHED_RETRY_AFTER_MS },
    )
  }

  #observe(request: ReadRequest | ScanRequest | MutateRequest, operation: string, startedAtMs: number): void {
    if (this.#observer === null) return
    const dataset = this.#currentMap().datasets.has(request.dataset) ? request.dataset : ''
    this.#observer.note(request, operation, dataset, startedAtMs)
  }

  #record(
    request: ReadRequest | ScanRequest | MutateRequest,
    operation: string,
    startedAtMs: number,
    outcome: object,
  ): void {
    const code = outcome instanceof KVError ? outcome.code : null
    if (request.context.isCountedByShim === true) {
      traceAnswer(request.context, operation, code)
      return
    }
    // A name that no dataset has must not become a label: callers could make as many as they like, and what is refused
    // for its size or for the load is refused before the name is looked up.
    const isKnown = code === null || this.#currentMap().datasets.has(request.dataset)
    const dataset = isKnown ? request.dataset : ''
    const durationMs = this.#clock.monotonicMs() - startedAtMs
    this.#metrics.record(request.context.api, operation, dataset, durationMs, code)
    traceAnswer(request.context, operation, code)
  }
}
