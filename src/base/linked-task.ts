/**
 * Tasks that work on links to files of open DBs. Links are made while the DB goes on working, so now and then they are
 * not whole; the task says so before it does anything else, and they are made again.
 */
import { type ErrorCode, KVError } from './errors.js'

/** What a task answers whose links were not whole. */
export interface StaleLinks {
  readonly isStale: true
  readonly code: ErrorCode
  readonly message: string
}

export interface LinkedWork {
  /** A directory for the links; it is removed when the task has ended. */
  newStaging(): Promise<string>
  trashStaging(directory: string): Promise<void>
  /** Makes the links and answers the task that works on them. @throws {KVError} UNAVAILABLE: to be tried again */
  link(directory: string): Promise<object>
  run(task: object): Promise<unknown>
}

/** A compaction that is in the way the first time is done by the third. */
const ATTEMPTS = 4
const PAUSE_MS = 250

/** Answers what the task answers. @throws {KVError} what the task, or its last attempt, failed with */
export async function runOnLinks(work: LinkedWork): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptOn(work)
    if (!isStale(outcome)) return outcome
    if (attempt === ATTEMPTS) throw new KVError(outcome.code, outcome.message)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * attempt))
  }
}

async function attemptOn(work: LinkedWork): Promise<unknown> {
  const staging = await work.newStaging()
  try {
    let task: object
    try {
      task = await work.link(staging)
    } catch (error) {
      if (error instanceof KVError && (error.code === 'UNAVAILABLE' || error.code === 'SHARD_NOT_SERVING'))
        return { isStale: true, code: error.code, message: error.message }
      throw error
    }
    return await work.run(task)
  } finally {
    await work.trashStaging(staging)
  }
}

function isStale(outcome: unknown): outcome is StaleLinks {
  return typeof outcome === 'object' && outcome !== null && 'isStale' in outcome
}
