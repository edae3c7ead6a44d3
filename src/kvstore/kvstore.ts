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

/** What a shed caller is told to wait: by then what waited was answered, or the thread is overloaded for everyone. */
const SHED_RETRY_AFTER_MS = 100

/** What hop 3 needs of hop 4. */
export interface Planner {
  planRead(admitted: AdmittedRead): ReadPlan
  planScan(admitted: AdmittedScan): ScanPlan
  planMutate(admitted: AdmittedMutate): MutatePlan
}

type Operation = 'read' | 'scan' | 'mutate'

export class GatewayKVStore implements KVStore {
  readonly #planner: Planner
  readonly #currentMap: () => ClusterMap
  readonly #clock: Clock
  readonly #metrics: RequestMetrics
  /** Requests that were admitted and are not answered. */
  #waiting = 0
  /** The last one of priority BATCH that was not shed. */
  #admittedBatch: RequestContext | null = null

  constructor(planner: Planner, currentMap: () => ClusterMap, clock: Clock, metrics: RequestMetrics) {
    this.#planner = planner
    this.#currentMap = currentMap
    this.#clock = clock
    this.#metrics = metrics
  }

  read(request: ReadRequest, done: Done<ReadResult>): void {
    const startedAtMs = this.#clock.monotonicMs()
    const finish: Done<ReadResult> = (outcome) => {
      this.#waiting -= 1
      this.#record(request, 'read', startedAtMs, outcome)
      done(outcome)
    }
    this.#waiting += 1
    let plan: ReadPlan
    try {
      if (request.context.isBatch === true) this.#checkLoad(request.context)
      plan = this.#planner.planRead(admitRead(request, this.#currentMap(), this.#clock))
    } catch (error) {
      finish(toKVError(error, `read of dataset ${request.dataset}`))
      return
    }
    plan.backend.read(plan, finish)
  }

  scan(request: ScanRequest, done: Done<ScanResult>): void {
    const startedAtMs = this.#clock.monotonicMs()
    const finish: Done<ScanResult> = (outcome) => {
      this.#waiting -= 1
      this.#record(request, 'scan', startedAtMs, outcome)
      done(outcome)
    }
    this.#waiting += 1
    let plan: ScanPlan
    try {
      if (request.context.isBatch === true) this.#checkLoad(request.context)
      plan = this.#planner.planScan(admitScan(request, this.#currentMap(), this.#clock))
    } catch (error) {
      finish(toKVError(error, `scan of dataset ${request.dataset}`))
      return
    }
    plan.backend.scan(plan, finish)
  }

  mutate(request: MutateRequest, done: Done<MutateResult>): void {
    const startedAtMs = this.#clock.monotonicMs()
    const finish: Done<MutateResult> = (outcome) => {
      this.#waiting -= 1
      this.#record(request, 'mutate', startedAtMs, outcome)
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

  describeDataset(name: string): DatasetEntry {
    return findDataset(this.#currentMap(), name)
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

  #record(
    request: ReadRequest | ScanRequest | MutateRequest,
    operation: Operation,
    startedAtMs: number,
    outcome: object,
  ): void {
    const code = outcome instanceof KVError ? outcome.code : null
    // A name that no dataset has must not become a label: callers could make as many as they like.
    const dataset = code === 'DATASET_NOT_FOUND' ? '' : request.dataset
    const durationMs = this.#clock.monotonicMs() - startedAtMs
    this.#metrics.record(request.context.api, operation, dataset, durationMs, code)
  }
}
