/** Long work of a data thread in slices, because other callers wait for the thread. */
import type { Clock } from '../../src/base/clock.js'
import { type Done, type KVError, toKVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'

export interface SliceOptions {
  readonly clock: Clock
  /** In monotonic milliseconds. */
  readonly deadline: number
  /** What the job is called where it fails. */
  readonly name: string
  /** What it is answered with when the deadline passes first. */
  readonly late: () => KVError
}

/** Runs a job that stops where it may have taken long; whatever it throws is its outcome. */
export function runInSlices<T>(
  job: Iterator<undefined, T, undefined>,
  options: SliceOptions,
  done: Done<T>,
): void {
  const { clock, deadline, name, late } = options
  const begunMs = clock.monotonicMs()
  for (;;) {
    let step: IteratorResult<undefined, T>
    try {
      step = job.next()
    } catch (error) {
      done(toKVError(error, name))
      return
    }
    if (step.done === true) {
      done(step.value)
      return
    }
    const nowMs = clock.monotonicMs()
    if (nowMs >= deadline) {
      done(late())
      return
    }
    if (nowMs - begunMs < limits.filterSliceMs) continue
    setImmediate(() => runInSlices(job, options, done))
    return
  }
}
