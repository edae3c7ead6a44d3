/** A backend whose answers the test gives, one call after the other. */
import type { Done, KVError } from '../../src/base/errors.js'
import type { Backend } from '../../src/model/backend.js'
import type { MutatePlan, ReadPlan, ScanPlan } from '../../src/model/plan.js'
import { type MutateResult, type ReadResult, plainResult } from '../../src/model/request.js'
import type { ScanResult } from '../../src/model/scan.js'

export const READ: ReadResult = { rows: [null], datasetVersion: null }

export class ScriptedBackend implements Backend {
  readonly name = 'west'
  readonly reads: { readonly plan: ReadPlan; readonly done: Done<ReadResult> }[] = []
  /** Calls of any kind. */
  calls = 0
  isClosed = false
  /** How calls are answered at once; null: the test answers them itself. */
  answer: KVError | 'well' | null = 'well'

  read(plan: ReadPlan, done: Done<ReadResult>): void {
    this.calls += 1
    this.reads.push({ plan, done })
    if (this.answer !== null) done(this.answer === 'well' ? READ : this.answer)
  }

  scan(_plan: ScanPlan, done: Done<ScanResult>): void {
    this.calls += 1
    if (this.answer === null) return
    done(this.answer === 'well' ? { rows: [], next: null, datasetVersion: null } : this.answer)
  }

  mutate(_plan: MutatePlan, done: Done<MutateResult>): void {
    this.calls += 1
    if (this.answer !== null) done(this.answer === 'well' ? plainResult(null) : this.answer)
  }

  close(): Promise<void> {
    this.isClosed = true
    return Promise.resolve()
  }
}
