/**
 * What of the log of batches (batch-log.ts) is tried again while the process lives: batches that were begun and failed
 * half-way, and the removal of those that are over. Both are bounded; what finds no place waits for the next start.
 */
import type { StartTimer } from '../../../src/base/clock.js'
import { limits } from '../../../src/base/limits.js'
import type { Logger } from '../../../src/base/logger.js'
import { type BatchFinisher, hex } from './batch-finisher.js'
import { type LoggedBatch, type LoggedWrite, decodeBatch, encodeBatch } from './batch-record.js'

export interface BatchRetriesOptions {
  readonly startTimer: StartTimer
  readonly logger: Logger
  readonly finisher: BatchFinisher
  /** Removes a batch from the log; where that fails it comes back as one to be forgotten. */
  readonly forget: (key: Buffer) => void
}

interface Unfinished {
  readonly key: Buffer
  readonly madeAtMs: number
  /** Those that are still to be done. */
  writes: readonly LoggedWrite[]
  /** Of memory. */
  readonly bytes: number
}

export class BatchRetries {
  readonly #options: BatchRetriesOptions
  /** By key, in hex: where the log is read again after a failure it comes upon the same ones. */
  readonly #unfinished = new Map<string, Unfinished>()
  #unfinishedBytes = 0
  /** Keys of batches that are over. */
  #unforgotten: Buffer[] = []
  #isWaiting = false

  constructor(options: BatchRetriesOptions) {
    this.#options = options
  }

  /** Batches that were begun and wait to be finished. */
  get unfinishedCount(): number {
    return this.#unfinished.size
  }

  /** What is left of a batch. */
  finishLater(key: Buffer, batch: LoggedBatch): void {
    if (this.#unfinished.has(hex(key))) return
    const copy = encodeBatch(batch)
    const isFull =
      this.#unfinished.size >= limits.maxUnfinishedCqlBatches ||
      this.#unfinishedBytes + copy.length > limits.maxUnfinishedCqlBatchBytes
    if (isFull) {
      const { logger } = this.#options
      logger.warn({ batch: hex(key) }, 'a begun batch waits for the next start: too many wait before it')
      return
    }
    // Its own bytes: what came with a request is a part of that request's frame.
    this.#unfinished.set(hex(key), { key, ...decodeBatch(copy), bytes: copy.length })
    this.#unfinishedBytes += copy.length
    this.#waitForTurn()
  }

  /** A batch that is over, and whose removal from the log failed: if it stays, the next start writes it once more. */
  forgetLater(key: Buffer): void {
    if (this.#unforgotten.length >= limits.maxUnforgottenCqlBatches) return
    this.#unforgotten.push(key)
    this.#waitForTurn()
  }

  #waitForTurn(): void {
    if (this.#isWaiting || this.#unfinished.size + this.#unforgotten.length === 0) return
    this.#isWaiting = true
    const { startTimer, logger } = this.#options
    startTimer(limits.cqlTimeoutMs, () => {
      this.#tryAll()
        .catch((error: unknown) => logger.error({ err: error }, 'begun batches could not be finished'))
        .finally(() => {
          this.#isWaiting = false
          this.#waitForTurn()
        })
    })
  }

  async #tryAll(): Promise<void> {
    const { finisher, forget } = this.#options
    for (const key of this.#unforgotten.splice(0)) forget(key)
    // Side by side: a shard that answers nothing holds up its own batches only.
    await Promise.all(
      [...this.#unfinished.values()].map(async (batch) => {
        batch.writes = await finisher.finish(batch.key, batch)
        if (batch.writes.length > 0) return
        this.#unfinished.delete(hex(batch.key))
        this.#unfinishedBytes -= batch.bytes
        forget(batch.key)
      }),
    )
  }
}
