/**
 * One call of the caller: attempts within a deadline. A read is tried again when the error says that this can help; a write
 * only when the error says that nothing was applied, or when it carries an idempotency token. What an earlier attempt
 * left unknown stays unknown, whatever a later one answered.
 */
import type { ClientClock } from './clock.js'
import { KVStoreError } from './errors.js'
import type { Pool } from './pool.js'

/** The part of a pool that calls use. */
export type CallPool = Pick<Pool, 'submit' | 'closing' | 'lastFailure'>

export interface Call {
  readonly method: string
  readonly isWrite: boolean
  /** Carries an idempotency token, or is a read. */
  readonly isRepeatable: boolean
  readonly deadlineMs: number
  readonly maxAttempts: number
  readonly dataset: string | undefined
  /** The request as stock code takes it, with what is left of the deadline. */
  makeArgument(remainingMs: number): unknown
}

const MIN_RETRY_MS = 25
const MAX_RETRY_MS = 1_000

/**
 * Answers what stock code decoded.
 * @throws {KVStoreError}
 */
export async function perform(call: Call, pool: CallPool, clock: ClientClock): Promise<unknown> {
  const deadlineAtMs = clock.nowMs() + call.deadlineMs
  let isUnknown = false
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptOnce(call, pool, { clock, deadlineAtMs })
    } catch (thrown) {
      if (!(thrown instanceof KVStoreError)) throw thrown
      isUnknown ||= call.isWrite && thrown.outcome === 'UNKNOWN'
      const delayMs = Math.max(thrown.retryAfterMs ?? 0, backoffMs(attempt))
      const isInTime = clock.nowMs() + delayMs < deadlineAtMs
      if (attempt >= call.maxAttempts || !isInTime || !mayRetry(call, thrown)) {
        throw isUnknown ? thrown.with({ outcome: 'UNKNOWN' }) : thrown
      }
      await pause(delayMs, clock, pool.closing)
    }
  }
}

/** Doubles with every attempt; the random part keeps callers that failed together from coming back together. */
function backoffMs(attempt: number): number {
  return Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2)
}

function mayRetry(call: Call, error: KVStoreError): boolean {
  return error.retryable && (call.isRepeatable || error.outcome === 'NOT_APPLIED')
}

async function pause(delayMs: number, clock: ClientClock, closing: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const stop = clock.start(delayMs, () => {
      closing.removeEventListener('abort', wake)
      resolve()
    })
    const wake = (): void => {
      stop()
      resolve()
    }
    closing.addEventListener('abort', wake, { once: true })
  })
}

interface Limits {
  readonly clock: ClientClock
  readonly deadlineAtMs: number
}

/** Its errors have an outcome exactly when the call writes. */
function attemptOnce(call: Call, pool: CallPool, { clock, deadlineAtMs }: Limits): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const sent = { isSent: false }
    let giveUp = (): void => undefined
    const stopTimer = clock.start(Math.max(0, deadlineAtMs - clock.nowMs()), () => {
      giveUp()
      const why = pool.lastFailure === null ? '' : `; ${pool.lastFailure.message}`
      const where = sent.isSent ? 'without an answer' : `before a connection was free${why}`
      const message = `${call.method}: ${call.deadlineMs} ms passed ${where}`
      fail(new KVStoreError(message, { code: 'DEADLINE_EXCEEDED' }))
    })
    const fail = (error: KVStoreError): void => {
      stopTimer()
      const outcome = call.isWrite ? (error.outcome ?? (sent.isSent ? 'UNKNOWN' : 'NOT_APPLIED')) : undefined
      reject(error.with({ outcome, dataset: error.dataset ?? call.dataset }))
    }
    const takeBack = pool.submit({
      fail,
      start: (connection) => {
        sent.isSent = true
        const remainingMs = Math.max(1, Math.floor(deadlineAtMs - clock.nowMs()))
        giveUp = connection.send(call.method, call.makeArgument(remainingMs), (error, answer) => {
          stopTimer()
          if (error === null) resolve(answer)
          else fail(error)
        })
      },
    })
    // A call may have been started at once.
    if (!sent.isSent) giveUp = takeBack
  })
}
