/**
 * A gateway with a dataset in RAMP between a scripted Terrapin and its leaf tier. Every row's value says which side it came
 * from. By the admin API, past the guards that may be forced.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { MigrationOutcome, MigrationReport } from '../src/model/migration-plan.js'
import { FakeOrigin } from '../test/support/fake-origin.js'
import type { Gateway } from './gateway.js'
import { callAdmin, createDataset, loadDataset, startGateway } from './gateway.js'
import type { BenchContext } from './harness.js'
import { linesFile } from './workspace.js'

export const ORIGIN = 'origin'
export const TARGET = 'target'
export const PINS = 'pins'
const ROWS = 1_000
const WAIT_MS = 60_000
const POLL_MS = 50

/** How long callers wait for an origin that stalls, before its breaker opens. */
export const ORIGIN_DEADLINE_MS = 200
const BREAKER_RESET_MS = 500

export class MigratingDataset {
  readonly gateway: Gateway
  /** In this process. */
  readonly origin: FakeOrigin
  readonly keys: readonly Buffer[]
  readonly #openings: number[]

  private constructor(gateway: Gateway, origin: FakeOrigin, openings: number[]) {
    this.gateway = gateway
    this.origin = origin
    this.#openings = openings
    this.keys = Array.from({ length: ROWS }, (_, row) => Buffer.from(keyOf(row)))
  }

  static async start(context: BenchContext): Promise<MigratingDataset> {
    const origin = await FakeOrigin.start({ values: () => Buffer.from(ORIGIN) })
    const openings: number[] = []
    const west = {
      ...{ api: 'terrapin', host: '127.0.0.1', port: origin.port, clusters: ['local'] },
      ...{ deadlineMs: ORIGIN_DEADLINE_MS, breakerResetMs: BREAKER_RESET_MS },
    }
    const gateway = await startGateway({
      folder: join(context.folder, 'migrating'),
      dataThreads: 2,
      core: null,
      // The origin shares a process with the callers, so that its time says nothing.
      settings: { origins: { west }, migration: { maxLatencyRatio: 1_000 } },
      onLogLine: (line) => noteOpening(line, openings),
    })
    const dataset = new MigratingDataset(gateway, origin, openings)
    await dataset.#ramp(context)
    return dataset
  }

  /** Moments at which the primary breaker opened since the last look, as the log says: to a millisecond. */
  takeOpenings(): number[] {
    return this.#openings.splice(0)
  }

  async report(): Promise<MigrationReport> {
    const { migration } = (await callAdmin(this.gateway, 'GET', `/v1/datasets/${PINS}/migration`)) as {
      migration: MigrationReport
    }
    return migration
  }

  async until(isIt: (report: MigrationReport) => boolean, what: string): Promise<MigrationReport> {
    const untilMs = performance.now() + WAIT_MS
    for (;;) {
      const report = await this.report()
      if (isIt(report)) return report
      if (performance.now() > untilMs) throw new Error(`${what} did not come true: ${JSON.stringify(report)}`)
      await pause(POLL_MS)
    }
  }

  /** The revision that a change has to name. */
  async revision(): Promise<string> {
    return `"${(await this.report()).revision}"`
  }

  async change(
    method: 'POST' | 'PUT',
    what: string,
    body: object = {},
    revision?: string,
  ): Promise<MigrationOutcome> {
    const path = `/v1/datasets/${PINS}/migration/${what}`
    const headers = { 'if-match': revision ?? (await this.revision()) }
    const outcome = await callAdmin(this.gateway, method, path, { force: true, ...body }, headers)
    return outcome as MigrationOutcome // the admin API's answer
  }

  async stop(): Promise<void> {
    await this.gateway.stop()
    await this.origin.close()
  }

  async #ramp(context: BenchContext): Promise<void> {
    const { gateway } = this
    await createDataset(gateway, PINS, 'BATCH', { migrationState: 'ORIGIN_ONLY', origin: 'west' })
    await this.change('POST', 'switch')
    const lineOf = (row: number): string => `{"key":"${keyOf(row)}","":"${TARGET}"}`
    await loadDataset(gateway, PINS, linesFile(context, PINS, ROWS, lineOf))
    const { currentVersion } = await this.report()
    await this.change('PUT', 'originVersion', { versionId: currentVersion })
    await this.change('POST', 'switch')
    await this.change('PUT', 'dials', { shadowShare: 1 })
    await this.change('POST', 'switch')
    await this.change('PUT', 'dials', { shadowShare: 0 })
  }
}

function keyOf(row: number): string {
  return `pin-${row}`
}

function noteOpening(line: string, openings: number[]): void {
  if (!line.includes('is not asked for a moment') || !line.includes('"role":"primary"')) return
  const { time } = JSON.parse(line) as { time: string } // as src/base/logger.ts writes it
  openings.push(Date.parse(time) - performance.timeOrigin)
}
