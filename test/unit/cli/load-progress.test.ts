import assert from 'node:assert/strict'
import { test } from 'node:test'
import { progressLine } from '../../../src/cli/load-progress.js'
import type { LoadStatus } from '../../../src/model/load.js'
import { someLoad } from '../admin/fakes.js'

const building: LoadStatus = {
  ...someLoad,
  state: 'BUILDING',
  phase: 'READING',
  rows: 1_000,
  readBytes: 25_000_000,
  totalBytes: 100_000_000,
  rowsPerSecond: 500,
  bytesPerSecond: 2_000_000,
  leftMs: 90_000,
  endedAtMs: null,
}

const lines: readonly (readonly [what: string, load: LoadStatus, shown: RegExp])[] = [
  ['reading', building, /^reading, 25 % of .*, 1,000 rows, 500 rows\/s, .*\/s, 1 min 30 s left$/],
  ['too early to say', { ...building, leftMs: null }, /, estimating the time left$/],
  ['writing', { ...building, phase: 'WRITING', leftMs: 4_000 }, /^writing, 1,000 rows, 4.* s left$/],
  [
    'adopting',
    { ...building, state: 'ADOPTING', phase: null, leftMs: null },
    /^adopting, [^,]*, 1,000 rows$/,
  ],
  ['an upload', { ...building, state: 'UPLOADING', phase: null }, /^uploading, .* of /],
]
for (const [what, load, shown] of lines) {
  test(`the line of a load: ${what}`, () => {
    assert.match(progressLine(load), shown)
  })
}
