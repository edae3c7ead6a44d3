/** Time as a collaborator, so that tests step it. */
export interface ClientClock {
  /** Milliseconds from an arbitrary start; never jumps. */
  nowMs(): number
  /** Runs `run` once, `delayMs` from now, unless the function that it answers is called before. */
  start(delayMs: number, run: () => void): () => void
}

/** Its timers keep the process alive: a call that waits to be tried again holds no socket that would. */
export const systemClock: ClientClock = {
  nowMs: () => performance.now(),
  start: (delayMs, run) => {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
}
