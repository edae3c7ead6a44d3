/** What was seen of datasets that move, as the admin API's fakes know it. */
import type { DifferenceAccess } from '../../../src/admin/difference-access.js'
import type { DifferenceReport, FlightRecord } from '../../../src/model/difference.js'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

export const differenceReport: DifferenceReport = {
  dataset: 'cities',
  fromMs: 0,
  toMs: 1_700_000_000_000,
  total: 3,
  lost: 2,
  groups: [
    {
      kind: 'VALUE',
      column: base64('name'),
      count: 2,
      keys: 1,
      firstAtMs: 1_600_000_000_000,
      lastAtMs: 1_650_000_000_000,
      versions: [1_500_000_000_000],
      callers: ['maps'],
      answeredByTarget: 1,
      sampleKeys: [base64('2643743')],
      suggestedCause: 'the values differ',
    },
    {
      ...{ kind: 'MISSING', column: null, count: 1, keys: 1, versions: [], callers: [], answeredByTarget: 0 },
      ...{ firstAtMs: 1_600_000_000_000, lastAtMs: 1_600_000_000_000, sampleKeys: [base64('\u0001')] },
      suggestedCause: 'rows did not reach the target',
    },
  ],
  otherGroups: 4,
}

export const someFlight: FlightRecord = {
  ...{ atMs: 1_700_000_000_123, dataset: 'cities', api: 'terrapin', caller: 'maps', keys: 3 },
  ...{ key: base64('2643743'), isKeyCut: false, side: 'ORIGIN', why: 'NOT_IN_SPLIT', bucket: 6_363 },
  ...{ hasFallenBack: true, isShadowed: false, durationMs: 1.25, code: null },
}

/** Differences are of all times, decisions of the last minute. */
export const fakeDifferences: DifferenceAccess = {
  differences: (dataset) => {
    const empty = { ...differenceReport, dataset, total: 0, lost: 0, groups: [], otherGroups: 0 }
    return Promise.resolve(dataset === 'cities' ? differenceReport : empty)
  },
  flights: (lastMs, dataset) => {
    const isKnown = lastMs >= 60_000 && (dataset ?? 'cities') === 'cities'
    return Promise.resolve(isKnown ? [someFlight] : [])
  },
}
