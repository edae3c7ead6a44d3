/** Anything a plan can be given to: the leaf tier, or the client side of an old store. The router cannot tell which. */
import type { Done } from '../base/errors.js'
import type { MutatePlan, ReadPlan, ScanPlan } from './plan.js'
import type { MutateResult, ReadResult } from './request.js'
import type { ScanResult } from './scan.js'

export interface Backend {
  /** For metrics, logs and the error's `backend`. */
  readonly name: string
  /** Answers once. Rows stand in the request's order; a row's own failure is its outcome, not the call's. */
  read(plan: ReadPlan, done: Done<ReadResult>): void
  /** Answers once, with a page: rows in the order of the scan, none of them twice. */
  scan(plan: ScanPlan, done: Done<ScanResult>): void
  /** Answers once. A KVError carries its outcome: NOT_APPLIED or UNKNOWN. */
  mutate(plan: MutatePlan, done: Done<MutateResult>): void
  close(): Promise<void>
}
