import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  ERROR_CODES,
  ERROR_KINDS,
  KVError,
  errorKind,
  isErrorCode,
  toKVError,
} from '../../../src/base/errors.js'

suite('KVError', () => {
  test('kind and hundreds digit of every code agree', () => {
    for (const [code, number] of Object.entries(ERROR_CODES)) {
      assert.ok(isErrorCode(code))
      assert.equal(ERROR_KINDS[errorKind(code)], Math.floor(number / 100), code)
    }
  })

  test('only a fault of ours carries a stack trace, and making others leaves the limit as it was', () => {
    const before = Error.stackTraceLimit
    assert.doesNotMatch(new KVError('INVALID_ARGUMENT', 'no key').stack ?? '', /\n\s+at /)
    assert.match(new KVError('INTERNAL', 'broken').stack ?? '', /\n\s+at /)
    assert.equal(Error.stackTraceLimit, before)
  })

  test('anything thrown becomes INTERNAL with its cause; a KVError stays itself', () => {
    const own = new KVError('UNAVAILABLE', 'gone')
    assert.equal(toKVError(own, 'reading'), own)
    const thrown = new TypeError('not a function')
    const wrapped = toKVError(thrown, 'reading')
    assert.deepEqual(
      [wrapped.code, wrapped.message, wrapped.cause],
      ['INTERNAL', 'reading: not a function', thrown],
    )
    assert.equal(toKVError('text', 'reading').message, 'reading: text')
  })

  test('trying again can help exactly where the state may change by itself', () => {
    const retryable = Object.keys(ERROR_CODES).filter(
      (code) => isErrorCode(code) && new KVError(code, '').isRetryable,
    )
    assert.deepEqual(retryable, [
      'NO_VERSION_ONLINE',
      'THROTTLED',
      'OVERLOADED',
      'UNAVAILABLE',
      'DEADLINE_EXCEEDED',
      'NOT_ENOUGH_REPLICAS',
      'SHARD_NOT_SERVING',
    ])
  })
})
