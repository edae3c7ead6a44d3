/**
 * What of the log of batches (batch-log.ts) is tried again while the process lives: batches that were begun and failed
 * half-way, and the removal of those that are over. Both are bounded: what finds no place stays in the log, which is read
 * again while batches are left out, and by the next start: one that is over is written once more then.
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
  /** By key, in hex. */
  readonly #unfinished = new Map<string, Unfinished>()
  #unfinishedBytes = 0
  /** Of batches that are over, by their keys, too. */
  readonly #unforgotten = new Map<string, Buffer>()
  #isWaiting = false

  constructor(options: BatchRetriesOptions) {
    this.#options = options
  }

  /** Batches that were begun and wait to be finished. */
  get unfinishedCount(): number {
    return this.#unfinished.size
  }

  /** What is left of a batch. False: it finds no place. */
  finishLater(key: Buffer, batch: LoggedBatch): boolean {
    const copy = encodeBatch(batch)
    const isFull =
      this.#unfinished.size >= limits.maxUnfinishedCqlBatches ||
      this.#unfinishedBytes + copy.length > limits.maxUnfinishedCqlBatchBytes
    if (isFull) return false
    // Bytes of their own: what came with a request, or with a page, is a part of that.
    this.#unfinished.set(hex(key), { key: Buffer.from(key), ...decodeBatch(copy), bytes: copy.length })
    this.#unfinishedBytes += copy.length
    this.#waitForTurn()
    return true
  }

  /** A batch that is over, and whose removal from the log failed. False: it finds no place. */
  forgetLater(key: Buffer): boolean {
    if (this.#unforgotten.size >= limits.maxUnforgottenCqlBatches) return false
    this.#unforgotten.set(hex(key), Buffer.from(key))
    this.#waitForTurn()
    return true
  }

  #waitForTurn(): void {
    if (this.#isWaiting || this.#unfinished.size + this.#unforgotten.size === 0) return
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
    const over = [...this.#unforgotten.values()]
    this.#unforgotten.clear()
    for (const key of over) forget(key)
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
