import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { KVError } from '../../../src/base/errors.js'
import { Breaker } from '../../../src/routing/breaker.js'

const RESET_MS = 50
const fail = () => Promise.reject(new KVError('UNAVAILABLE', 'connection refused'))

async function opened(): Promise<{ readonly breaker: Breaker; readonly changes: boolean[] }> {
  const changes: boolean[] = []
  const breaker = new Breaker('leaf a', { resetMs: RESET_MS, onChange: (isOpen) => changes.push(isOpen) })
  for (let call = 0; call < 20 && !breaker.isOpen; call++) await breaker.run(fail).catch(() => undefined)
  return { breaker, changes }
}

test('what fails passes through as it was, until it fails too often: then nothing is called', async () => {
  const { breaker, changes } = await opened()
  assert.equal(breaker.isOpen, true)
  assert.deepEqual(changes, [true])
  const refused = breaker.run(() => assert.fail('it is called'))
  await assert.rejects(refused, { code: 'UNAVAILABLE', message: /^leaf a failed too often/ })
  breaker.close()
})

test('after a while one call tries, and a success closes it', async () => {
  const { breaker, changes } = await opened()
  await pause(RESET_MS + 20)
  await breaker.run(() => Promise.resolve())
  assert.equal(breaker.isOpen, false)
  assert.deepEqual(changes, [true, false])
  breaker.close()
})

test('a few failures among many successes open nothing', async () => {
  const breaker = new Breaker('leaf a', { resetMs: RESET_MS })
  for (let call = 0; call < 30; call++)
    await breaker.run(call % 5 === 0 ? fail : () => Promise.resolve()).catch(() => undefined)
  assert.equal(breaker.isOpen, false)
  breaker.close()
})
