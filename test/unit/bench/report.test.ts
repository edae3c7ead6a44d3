import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goals, outcomeOf } from '../../../bench/goals.js'
import { judge } from '../../../bench/harness.js'
import type { Report, Series } from '../../../bench/harness.js'
import { formatRate, formatRatio, formatReport, markdownTable } from '../../../bench/report.js'

const bench = {
  name: 'read-path',
  question: 'how fast?',
  run: () => Promise.reject(new Error('not run here')),
}

function series(name: string, counts: readonly number[]): Series {
  return {
    name,
    unit: 'requests',
    samples: counts.map((count) => ({ count, seconds: 2, cpuSeconds: 1, p50Us: 10, p99Us: 20 })),
  }
}

test('a table is padded, with the first column to the left and the others to the right', () => {
  assert.equal(
    markdownTable(
      ['name', 'n'],
      [
        ['a', '1000'],
        ['longer', '2'],
      ],
    ),
    ['| name   |    n |', '| ------ | ---: |', '| a      | 1000 |', '| longer |    2 |'].join('\n'),
  )
})

for (const [value, text] of [
  [1_374_000, '1.37 M'],
  [74_249, '74.2 k'],
  [999.7, '1.00 k'],
  [999_600, '1.00 M'],
  [612.3, '612'],
] as const) {
  test(`a rate of ${value} is written as ${text}`, () => {
    assert.equal(formatRate(value), text)
  })
}

test('a ratio is written as its goal is', () => {
  assert.equal(formatRatio(0.424, 'percent'), '42 %')
  assert.equal(formatRatio(3.46, 'times'), '3.5x')
  assert.equal(formatRatio(34.6, 'times'), '34.6x')
})

test('a goal that wants much is missed below its floor and aimed at above it', () => {
  const goal = goals.getAgainstEcho
  assert.equal(outcomeOf(goal, 0.41), 'MISSED')
  assert.equal(outcomeOf(goal, 0.42), 'reached')
  assert.equal(outcomeOf(goal, 0.55), 'aim reached')
})

test('a goal that wants little is missed above its floor', () => {
  const goal = goals.readsBesideWrites
  assert.equal(outcomeOf(goal, 2.1), 'MISSED')
  assert.equal(outcomeOf(goal, 2), 'reached')
  assert.equal(outcomeOf(goal, 1), 'aim reached')
})

test('a verdict is the median of the quotients of each round, not the quotient of the medians', () => {
  const of = series('godwit', [10, 40, 90])
  const to = series('echo', [100, 50, 100])
  assert.deepEqual(judge(goals.getAgainstEcho, of, to).value, { median: 0.8, min: 0.1, max: 0.9 })
})

test('a report holds question, figures, verdicts and notes', () => {
  const of = series('godwit', [50_000, 60_000, 70_000])
  const to = series('echo', [100_000, 100_000, 100_000])
  const report: Report = {
    series: [of, to],
    verdicts: [judge(goals.getAgainstEcho, of, to)],
    notes: ['One data thread.'],
  }
  const text = formatReport(bench, report)
  assert.match(text, /^## read-path: how fast\?/)
  assert.match(text, /\| godwit +\| requests +\| 60\.0 k \(50\.0 k\.\.70\.0 k\) \| +30\.0 k \| +10 \| +20 \|/)
  assert.match(text, /\| 60 % \(50 %\.\.70 %\) \| at least 42 % \| 55 % \| aim reached \|/)
  assert.match(text, /- One data thread\.$/)
  assert.doesNotMatch(text, /\[1\]/)
})

test('a figure that the load generator limited is marked as such', () => {
  const bound: Series = {
    name: 'echo',
    unit: 'requests',
    samples: [{ count: 1, seconds: 1, cpuSeconds: 1, isGeneratorBound: true }],
  }
  const text = formatReport(bench, { series: [bound], verdicts: [], notes: [] })
  assert.match(text, /\| echo \[1\] \|/)
  assert.match(text, /\[1\] The load generator was busy/)
})

test('a missed goal is followed by where its time goes, once for goals that share it, or by nothing known', () => {
  const value = { median: 0.01, min: 0.01, max: 0.01 }
  const missed = [goals.durableWrites, goals.durableWritesPipelined, goals.multiGetAgainstRaw]
  const verdicts = missed.map((goal) => ({ goal, value }))
  const text = formatReport(bench, { series: [], verdicts, notes: [] })
  assert.equal(text.match(/A synced write of raw RocksDB/g)?.length, 1)
  assert.match(text, /- Missed: multiGet\(20\).*nobody has looked into it yet\.$/)
})
