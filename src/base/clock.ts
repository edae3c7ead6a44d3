/** Time as a collaborator, so that tests step it. */

export interface Clock {
  /** Wall time, microseconds since 1970. May jump, in both directions. */
  nowUs(): bigint
  /** Wall time, milliseconds since 1970. May jump, in both directions. */
  nowMs(): number
  /** Milliseconds with fraction from an arbitrary start; never jumps. For deadlines and durations. */
  monotonicMs(): number
}

export const systemClock: Clock = {
  // Not timeOrigin + now(): that ignores every correction of the wall clock since the process started.
  nowUs: () => BigInt(Date.now()) * 1000n,
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}

/** Runs `run` once, `delayMs` from now, unless the function that it answers is called before. */
export type StartTimer = (delayMs: number, run: () => void) => () => void

/** Does not keep the process alive. */
export const startSystemTimer: StartTimer = (delayMs, run) => {
  const timer = setTimeout(run, delayMs)
  timer.unref()
  return () => clearTimeout(timer)
}
