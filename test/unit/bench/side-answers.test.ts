import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SideAnswer, longestWaitMs, sentAfter, untilAllHave } from '../../../bench/side-answers.js'

const answer = (
  caller: number,
  [sentAtMs, answeredAtMs]: readonly [number, number],
  value: string | null,
): SideAnswer => ({ caller, sentAtMs, answeredAtMs, value })

const ANSWERS = [
  answer(0, [90, 104], 'origin'),
  answer(1, [95, 99], 'target'),
  answer(0, [105, 107], 'target'),
  answer(1, [103, 112], 'target'),
  answer(1, [113, 118], null),
]

test('a change has come through when the last caller has its first answer of the new side', () => {
  assert.equal(untilAllHave(ANSWERS, { value: 'target', callers: 2, sinceMs: 100 }), 12)
})

test('an answer that came before the change shows nothing', () => {
  assert.equal(untilAllHave(ANSWERS.slice(0, 3), { value: 'target', callers: 2, sinceMs: 100 }), Infinity)
})

test('calls count by when they were sent', () => {
  assert.deepEqual(
    sentAfter(ANSWERS, 104).map(({ value }) => value),
    ['target', null],
  )
})

test('the longest wait is that of an answer which came since then', () => {
  assert.equal(longestWaitMs(ANSWERS, 100), 14)
  assert.equal(longestWaitMs(ANSWERS, 105), 9)
  assert.equal(longestWaitMs([], 0), 0)
})
