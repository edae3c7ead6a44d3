/** Hop 6's fork: shards that are open in this process, and shards that leaf processes serve. */
import type { Done } from '../base/errors.js'
import type { Incarnation } from '../model/cluster-map.js'
import type { LeafEngine, ShardPage } from '../model/leaf-engine.js'
import type { ShardMutate, ShardRead, ShardScan } from '../model/plan.js'
import type { MutateResult } from '../model/request.js'
import type { RowOutcome } from '../model/row.js'

/** An engine that lets go of incarnations. */
export interface DetachingEngine extends LeafEngine {
  /** Before its DB is closed, or its leaves are no longer asked. Nothing for what it does not know. */
  detach(incarnationId: number): void
}

export class SplitEngine implements DetachingEngine {
  readonly name = 'split'
  readonly #local: DetachingEngine
  readonly #remote: DetachingEngine

  constructor(local: DetachingEngine, remote: DetachingEngine) {
    this.#local = local
    this.#remote = remote
  }

  read(read: ShardRead, done: Done<readonly RowOutcome[]>): void {
    this.#of(read.incarnation).read(read, done)
  }

  scan(scan: ShardScan, done: Done<ShardPage>): void {
    this.#of(scan.incarnation).scan(scan, done)
  }

  mutate(mutate: ShardMutate, done: Done<MutateResult>): void {
    this.#of(mutate.incarnation).mutate(mutate, done)
  }

  detach(incarnationId: number): void {
    this.#local.detach(incarnationId)
    this.#remote.detach(incarnationId)
  }

  #of({ remote }: Incarnation): DetachingEngine {
    return remote === undefined ? this.#local : this.#remote
  }
}
