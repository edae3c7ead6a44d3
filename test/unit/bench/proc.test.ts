import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCpuSeconds, parseCpuSecondsWithChildren, readStat } from '../../../bench/proc.js'

const AFTER_NAME = 'S 1 1 1 0 -1 4194560 1000 2000 0 0 150 50 25 5 20 0 11 0 100 1000 200'

test('CPU time is user and system time of a process in hundredths of a second', () => {
  assert.equal(parseCpuSeconds(`42 (node) ${AFTER_NAME}`), 2)
})

test('the time of children that ended is added where it is asked for', () => {
  assert.equal(parseCpuSecondsWithChildren(`42 (node) ${AFTER_NAME}`), 2.3)
})

test('a process name with brackets and spaces does not shift the fields', () => {
  assert.equal(parseCpuSeconds(`42 (a) R 9 (b)) ${AFTER_NAME}`), 2)
})

test('text of another kind is refused', () => {
  assert.throws(() => parseCpuSeconds('not a stat'))
})

test('this process has used CPU time', () => {
  assert.ok(parseCpuSeconds(readStat(process.pid)) > 0)
})
