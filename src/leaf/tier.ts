/**
 * Hop 5: the leaf tier as a Backend. Gives each shard its part of a plan, in parallel, and gathers the answers in the
 * order of the request. Holds a lease on every incarnation from the hand-over until its answer: the plan and the lease
 * are taken in the same tick from the same ClusterMap, so that no DB can be closed in between.
 *
 * A shard that fails as a whole fails its keys only; the other shards' rows are answered.
 *
 * A page of a scan walks its shards one after the other (page-walk.ts) and holds the leases of those before it, too.
 */
import { type Clock, systemClock } from '../base/clock.js'
import { type Done, KVError } from '../base/errors.js'
import { traceHop } from '../base/trace.js'
import type { Backend } from '../model/backend.js'
import type { Incarnation } from '../model/cluster-map.js'
import type { LeafEngine } from '../model/leaf-engine.js'
import type { MutatePlan, ReadPlan, ScanPlan, ShardRead } from '../model/plan.js'
import type { MutateResult, ReadResult } from '../model/request.js'
import type { RowOutcome } from '../model/row.js'
import type { ScanResult } from '../model/scan.js'
import { PageWalk } from './page-walk.js'

/** What the tier needs of the thread's lease holder. */
export interface IncarnationUses {
  acquire(incarnation: Incarnation): void
  release(incarnation: Incarnation): void
}

export class LeafTier implements Backend {
  readonly name = 'leaf'
  readonly #engine: LeafEngine
  readonly #uses: IncarnationUses
  readonly #clock: Clock

  constructor(engine: LeafEngine, uses: IncarnationUses, clock: Clock = systemClock) {
    this.#engine = engine
    this.#uses = uses
    this.#clock = clock
  }

  read(plan: ReadPlan, done: Done<ReadResult>): void {
    traceHop('leaf.tier')
    const datasetVersion = plan.version === null ? null : plan.version.id
    const only = plan.shardReads[0]
    if (plan.unserved === undefined) {
      if (only === undefined) {
        done({ rows: [], datasetVersion })
        return
      }
      if (plan.shardReads.length === 1) {
        this.#readShard(only, (outcome) => {
          done(outcome instanceof KVError ? outcome : { rows: outcome, datasetVersion })
        })
        return
      }
    }
    this.#gather(plan, datasetVersion, done)
  }

  scan(plan: ScanPlan, done: Done<ScanResult>): void {
    traceHop('leaf.tier')
    new PageWalk(plan, this.#engine, this.#uses, { clock: this.#clock, done }).start()
  }

  mutate(plan: MutatePlan, done: Done<MutateResult>): void {
    traceHop('leaf.tier')
    const { shardMutate } = plan
    if (shardMutate === null) {
      done(new KVError('INTERNAL', 'a plan for an origin reached the leaf tier', { outcome: 'NOT_APPLIED' }))
      return
    }
    const { incarnation } = shardMutate
    this.#uses.acquire(incarnation)
    this.#engine.mutate(shardMutate, (outcome) => {
      this.#uses.release(incarnation)
      done(outcome)
    })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #readShard(read: ShardRead, done: Done<readonly RowOutcome[]>): void {
    const { incarnation } = read
    this.#uses.acquire(incarnation)
    this.#engine.read(read, (outcome) => {
      this.#uses.release(incarnation)
      done(outcome)
    })
  }

  #gather(plan: ReadPlan, datasetVersion: number | null, done: Done<ReadResult>): void {
    const rows: RowOutcome[] = new Array<RowOutcome>(plan.admitted.request.rowKeys.length).fill(null)
    for (const { positions, error } of plan.unserved ?? []) {
      for (const position of positions) rows[position] = error
    }
    let waiting = plan.shardReads.length
    if (waiting === 0) done({ rows, datasetVersion })
    for (const read of plan.shardReads) {
      this.#readShard(read, (outcome) => {
        const positions = read.positions ?? []
        for (const [index, position] of positions.entries()) {
          rows[position] = outcome instanceof KVError ? outcome : (outcome[index] ?? null)
        }
        waiting -= 1
        if (waiting === 0) done({ rows, datasetVersion })
      })
    }
  }
}
