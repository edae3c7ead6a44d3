/** Migrations for tests of the admin API and the command: they remember what was asked, nothing moves. */
import type { MigrationAccess, MigrationBy, RampBody } from '../../../src/admin/migration-access.js'
import { KVError } from '../../../src/base/errors.js'
import type { DatasetRecord } from '../../../src/model/dataset.js'
import { type MigrationDials, NO_MIGRATION } from '../../../src/model/migration.js'
import type { Explanation, Guard, MigrationOutcome } from '../../../src/model/migration-plan.js'
import type { MigrationPlan, MigrationReport } from '../../../src/model/migration-plan.js'

export const GUARDS: readonly Guard[] = [
  { name: 'origin answers', outcome: 'PASS', figure: 'yes', bound: 'yes', advice: '', isForceable: false },
  {
    name: 'sides agree',
    outcome: 'FAIL',
    figure: '9 of 1200 differ',
    bound: 'at most 0.1 %',
    advice: 'see what differs',
    isForceable: true,
  },
  {
    name: "target's p99",
    outcome: 'TOO_LITTLE',
    figure: 'target unknown',
    bound: 'known of both sides',
    advice: 'wait',
    isForceable: true,
  },
]

export class FakeMigrations implements MigrationAccess {
  readonly calls: { readonly what: string; readonly args: readonly unknown[] }[] = []
  readonly #record: DatasetRecord
  plan: MigrationPlan = {
    dataset: 'cities',
    change: 'VERIFY -> RAMP',
    from: 'VERIFY',
    to: 'RAMP',
    movedShare: 250,
    movedRequests: { share: 4_000, requests: 1_000, sinceMs: 1_700_000_000_000 },
    guards: GUARDS,
    warnings: ['caller maps-wbe has asked for nothing'],
    isAllowed: false,
  }

  constructor(record: DatasetRecord) {
    this.#record = record
  }

  report(dataset: string): Promise<MigrationReport> {
    this.#check(dataset)
    const side = { requests: 12_345, errors: 7, p50Ms: 0.4, p99Ms: 3.25, isBreakerOpen: false }
    return Promise.resolve({
      dataset,
      revision: this.#record.revision,
      state: 'VERIFY',
      origin: 'west',
      currentVersion: 1_700_000_000_000,
      migration: {
        ...NO_MIGRATION,
        dials: { shadowShare: 1_000, baselineShare: 100, splitShare: 0, splitCallers: [] },
        owed: [
          { side: 'TARGET', versionId: 5, source: 'hdfs://a/5', request: '{}', attempts: 3, error: 'full' },
        ],
        sinceMs: 1_700_000_000_000,
      },
      figures: {
        dataset,
        origin: side,
        target: { ...side, p50Ms: null, p99Ms: null, isBreakerOpen: true },
        shadow: {
          sent: 1_209,
          matched: 1_191,
          mismatched: 9,
          tied: 9,
          dropped: 0,
          expired: 0,
          failed: 0,
          waiting: 0,
          unconfirmed: 2,
          baseline: 10,
          unstable: 1,
        },
      },
      evidenceSinceMs: 1_700_000_000_000,
      plans: [this.plan],
    })
  }

  move(dataset: string, move: string, by: MigrationBy) {
    return this.#changed('move', [dataset, move], by)
  }
  dial(dataset: string, dials: Partial<MigrationDials>, by: MigrationBy) {
    return this.#changed('dial', [dataset, dials], by)
  }
  startRamp(dataset: string, ramp: RampBody, by: MigrationBy) {
    return this.#changed('startRamp', [dataset, ramp], by)
  }
  stopRamp(dataset: string, by: MigrationBy) {
    return this.#changed('stopRamp', [dataset], by)
  }
  setOriginVersion(dataset: string, versionId: number | null, by: MigrationBy) {
    return this.#changed('setOriginVersion', [dataset, versionId], by)
  }

  explain(dataset: string, rowKey: Buffer, caller: string | null): Explanation {
    this.#check(dataset)
    this.calls.push({ what: 'explain', args: [dataset, rowKey, caller] })
    return {
      dataset,
      state: 'RAMP',
      epoch: 12,
      caller,
      side: 'TARGET',
      why: 'IN_SPLIT',
      reason: "the key's place lies below the split's share",
      bucket: 17,
      splitShare: 250,
      fallback: 'ORIGIN',
      alone: '',
      answeredBy: 'TARGET',
      instead: '',
      standInAfterMs: 100,
      hedgeAfterMs: 0,
      origin: { name: 'west', isBreakerOpen: true },
      shadowShare: 1_000,
      baselineShare: 0,
      version: 1_700_000_000_000,
      isCanary: false,
      token: '-42',
      shard: 3,
      servedBy: 'this process',
    }
  }

  #check(dataset: string): void {
    if (dataset !== this.#record.name)
      throw new KVError('DATASET_NOT_FOUND', `dataset "${dataset}" does not exist`)
  }

  #changed(what: string, args: readonly unknown[], by: MigrationBy): Promise<MigrationOutcome> {
    this.calls.push({ what, args: [...args, by] })
    const { change } = by
    if (change.ifRevision !== this.#record.revision) {
      return Promise.reject(new KVError('CONFLICT', 'dataset "cities" has another revision'))
    }
    if (!change.isDryRun && !this.plan.isAllowed) {
      return Promise.reject(new KVError('FAILED_PRECONDITION', 'refused: sides agree: 9 of 1200 differ'))
    }
    const dataset = { ...this.#record, revision: this.#record.revision + 1 }
    return Promise.resolve({ plan: this.plan, dataset, adoptedAfterMs: change.isDryRun ? null : 12.4 })
  }
}
