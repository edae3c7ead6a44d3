/** Who asks for what, of all threads: collected now and then, kept over restarts, and told to operators. */
import { join } from 'node:path'
import type { RowAccess } from '../admin/dependencies.js'
import type { UsageAccess } from '../admin/usage-access.js'
import { startSystemTimer, systemClock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import type { Reading } from '../base/metrics.js'
import type { Metastore } from '../model/metastore.js'
import type { Row } from '../model/row.js'
import type { AdviceReport, UsageReport } from '../base/usage.js'
import { AdviseLedger } from '../telemetry/advise-ledger.js'
import { adviceOf } from '../telemetry/advise-report.js'
import { UsageLedger } from '../telemetry/usage-ledger.js'
import type { ThreadPool } from '../threads/pool.js'

const USAGE_FILE = 'usage.json'
const COLLECT_INTERVAL_MS = 10_000
/** What a crash loses of the counts. */
const SAVE_INTERVAL_MS = 60_000

export interface GatewayUsageOptions {
  /** That of the data. */
  readonly directory: string
  readonly metastore: Pick<Metastore, 'get'>
  readonly pool: Pick<ThreadPool, 'observations'>
  readonly rows: Pick<RowAccess, 'scan'>
  readonly logger: Logger
}

export class GatewayUsage implements UsageAccess {
  readonly #options: GatewayUsageOptions
  readonly #usage: UsageLedger
  readonly #advice = new AdviseLedger(systemClock.nowMs())
  #savedAtMs = systemClock.monotonicMs()
  #stopTimer: () => void = () => undefined
  #isClosed = false

  private constructor(options: GatewayUsageOptions, usage: UsageLedger) {
    this.#options = options
    this.#usage = usage
  }

  static async start(options: GatewayUsageOptions): Promise<GatewayUsage> {
    const path = join(options.directory, USAGE_FILE)
    const onDamage = (reason: string) =>
      options.logger.warn({ path, reason }, 'counts of who called what cannot be read, and are begun anew')
    const gateway = new GatewayUsage(options, await UsageLedger.open(path, systemClock, { onDamage }))
    gateway.#collectLater()
    return gateway
  }

  async usage(dataset: string | null): Promise<UsageReport> {
    await this.#collect()
    return this.#usage.report(dataset)
  }

  async advice(dataset: string): Promise<AdviceReport> {
    const record = this.#options.metastore.get(dataset)
    if (record === null)
      throw new KVError('DATASET_NOT_FOUND', `dataset "${dataset}" does not exist`, { dataset })
    await this.#collect()
    return adviceOf({
      dataset,
      sinceMs: this.#advice.sinceMs,
      readers: this.#advice.readersOf(dataset),
      rows: await this.#someRows(dataset),
      areRowsRandom: record.keyOrder === 'HASHED',
    })
  }

  readings(): Reading[] {
    return Array.from(this.#usage.callersByApi(), ([api, value]) => ({
      name: 'godwit_callers',
      labels: { api },
      value,
    }))
  }

  /** To be called when no more requests come, and before the threads end. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopTimer()
    await this.#collect()
    await this.#save()
  }

  #collectLater(): void {
    this.#stopTimer = startSystemTimer(COLLECT_INTERVAL_MS, () => void this.#collectNow())
  }

  /** Never rejects. */
  async #collectNow(): Promise<void> {
    try {
      await this.#collect()
      const nowMs = systemClock.monotonicMs()
      if (nowMs - this.#savedAtMs >= SAVE_INTERVAL_MS) {
        this.#savedAtMs = nowMs
        await this.#save()
      }
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'counts of who called what could not be collected')
    }
    if (!this.#isClosed) this.#collectLater()
  }

  async #collect(): Promise<void> {
    for (const { usage, samples } of await this.#options.pool.observations()) {
      this.#usage.add(usage)
      this.#advice.add(samples)
    }
    this.#advice.keepOnly((dataset) => this.#options.metastore.get(dataset) !== null)
  }

  /** Never rejects: the counts are no data, and what is in memory is still told. */
  async #save(): Promise<void> {
    try {
      await this.#usage.save()
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'counts of who called what could not be written')
    }
  }

  /** None where there is no version yet, or nobody answers. */
  async #someRows(dataset: string): Promise<readonly Row[]> {
    try {
      const { rows } = await this.#options.rows.scan(dataset, {
        localKeys: null,
        range: null,
        maxRows: limits.maxAdvisedRows,
        position: null,
        datasetVersion: null,
      })
      return rows.map(({ row }) => row)
    } catch (error) {
      if (error instanceof KVError) return []
      throw error
    }
  }
}
