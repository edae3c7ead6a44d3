/**
 * The front end of the data plane: admit, route, measure. Everything that shims and the admin API do to rows passes
 * here. Answers exactly once and never throws: a fault on the way becomes the request's own INTERNAL.
 */
import type { Clock } from '../base/clock.js'
import { type Done, KVError, toKVError } from '../base/errors.js'
import type { RequestMetrics } from '../base/metrics.js'
import type { ClusterMap, DatasetEntry } from '../model/cluster-map.js'
import type { KVStore } from '../model/kvstore.js'
import type { AdmittedMutate, AdmittedRead, MutatePlan, ReadPlan } from '../model/plan.js'
import type { MutateRequest, MutateResult, ReadRequest, ReadResult } from '../model/request.js'
import { admitMutate, admitRead, findDataset } from './admit.js'

/** What hop 3 needs of hop 4. */
export interface Planner {
  planRead(admitted: AdmittedRead): ReadPlan
  planMutate(admitted: AdmittedMutate): MutatePlan
}

export class GatewayKVStore implements KVStore {
  readonly #planner: Planner
  readonly #currentMap: () => ClusterMap
  readonly #clock: Clock
  readonly #metrics: RequestMetrics

  constructor(planner: Planner, currentMap: () => ClusterMap, clock: Clock, metrics: RequestMetrics) {
    this.#planner = planner
    this.#currentMap = currentMap
    this.#clock = clock
    this.#metrics = metrics
  }

  read(request: ReadRequest, done: Done<ReadResult>): void {
    const startedAtMs = this.#clock.monotonicMs()
    const finish: Done<ReadResult> = (outcome) => {
      this.#record(request, 'read', startedAtMs, outcome)
      done(outcome)
    }
    let plan: ReadPlan
    try {
      plan = this.#planner.planRead(admitRead(request, this.#currentMap(), this.#clock))
    } catch (error) {
      finish(toKVError(error, `read of dataset ${request.dataset}`))
      return
    }
    plan.backend.read(plan, finish)
  }

  mutate(request: MutateRequest, done: Done<MutateResult>): void {
    const startedAtMs = this.#clock.monotonicMs()
    const finish: Done<MutateResult> = (outcome) => {
      this.#record(request, 'mutate', startedAtMs, outcome)
      done(outcome)
    }
    let plan: MutatePlan
    try {
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

  #record(
    request: ReadRequest | MutateRequest,
    operation: 'read' | 'mutate',
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
