/** Figures of who asks for what, as the admin API's fakes know them. */
import { KVError } from '../../../src/base/errors.js'
import type { UsageAccess } from '../../../src/admin/usage-access.js'
import type { AdviceReport, UsageReport } from '../../../src/base/usage.js'

export const usageReport: UsageReport = {
  sinceMs: 1_600_000_000_000,
  rows: [
    {
      api: 'terrapin',
      method: 'multiGet',
      dataset: 'cities',
      caller: 'homefeed',
      address: '10.0.0.1',
      count: 12_000,
      lastSeenAtMs: 1_700_000_000_000,
    },
    {
      api: 'kvstore',
      method: 'get',
      dataset: '',
      caller: null,
      address: '',
      count: 1,
      lastSeenAtMs: 1_600_000_000_001,
    },
  ],
  forgottenRows: 3,
}

const about = (mean: number) => ({ mean, low: mean - 1, high: mean + 1 })

export const adviceReport: AdviceReport = {
  dataset: 'cities',
  sinceMs: 1_600_000_000_000,
  sampledRequests: 100,
  rows: 50,
  areRowsRandom: true,
  columns: [
    {
      column: 'name',
      presence: 1,
      bytes: about(10),
      requests: 40,
      shareAtMost: 0.5,
      readers: ['kvstore search'],
    },
    { column: '', presence: 1, bytes: about(1_000), requests: 0, shareAtMost: 0.03, readers: [] },
  ],
  readers: [
    {
      api: 'terrapin',
      caller: 'homefeed',
      requests: 60,
      whole: 0,
      unnamed: 60,
      columns: [],
      bytesNow: about(1_000),
      bytesProjected: about(10),
      saved: about(990),
    },
    {
      api: 'kvstore',
      caller: 'search',
      requests: 40,
      whole: 0,
      unnamed: 0,
      columns: ['name'],
      bytesNow: null,
      bytesProjected: null,
      saved: null,
    },
  ],
}

export class FakeUsage implements UsageAccess {
  readonly asked: (string | null)[] = []

  usage(dataset: string | null): Promise<UsageReport> {
    this.asked.push(dataset)
    return Promise.resolve(usageReport)
  }
  advice(dataset: string): Promise<AdviceReport> {
    if (dataset === 'cities') return Promise.resolve(adviceReport)
    return Promise.reject(new KVError('DATASET_NOT_FOUND', `dataset "${dataset}" does not exist`))
  }
}
