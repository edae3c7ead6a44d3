import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identityOf, isAlive } from '../../../src/kvsm/process-identity.js'

test('a process knows itself and is alive', () => {
  const self = identityOf(process.pid)!
  assert.equal(self.pid, process.pid)
  assert.ok(isAlive(self))
})

test('the same number later, or after another start of the machine, is not the same process', () => {
  const self = identityOf(process.pid)!
  assert.ok(!isAlive({ ...self, startTicks: String(Number(self.startTicks) + 1) }))
  assert.ok(!isAlive({ ...self, bootId: 'another' }))
})

test('a process that does not exist has no identity', () => {
  // Linux gives numbers up to 2^22.
  assert.equal(identityOf(2 ** 22 + 1), null)
})
