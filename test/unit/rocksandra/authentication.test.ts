import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { hashPassword, isPassword, parsePasswordHash } from '../../../src/base/passwords.js'
import { PasswordAuthenticator, readCredentials } from '../../../shims/rocksandra/authentication.js'

describe('passwords', () => {
  test('a hash knows its password and no other, and has a salt of its own', async () => {
    const [one, other] = [await hashPassword('ünïcode'), await hashPassword('ünïcode')]
    assert.notEqual(one, other)
    assert.equal(await isPassword('ünïcode', parsePasswordHash(one)), true)
    assert.equal(await isPassword('unicode', parsePasswordHash(one)), false)
  })

  test('what is no hash is refused', () => {
    for (const text of ['', 'secret', 'scrypt:3:00:00', `scrypt:16384:${'0'.repeat(32)}:${'0'.repeat(63)}`]) {
      assert.throws(() => parsePasswordHash(text), KVError)
    }
  })
})

describe('PasswordAuthenticator', () => {
  test('lets in who has the right password, and remembers no wrong one', async () => {
    const hash = parsePasswordHash(await hashPassword('right'))
    const authenticator = new PasswordAuthenticator(new Map([['ada', hash]]))
    for (const time of [1, 2]) {
      assert.equal(await authenticator.check({ user: 'ada', password: 'right' }, ''), true, `time ${time}`)
      assert.equal(await authenticator.check({ user: 'ada', password: 'wrong' }, ''), false, `time ${time}`)
      assert.equal(await authenticator.check({ user: 'bob', password: 'right' }, ''), false, `time ${time}`)
    }
  })

  test('connections that say the same at the same time are checked by one hash', async () => {
    const hash = parsePasswordHash(await hashPassword('right'))
    const loginLimits = { maxWaitingCqlLogins: 1, maxWaitingCqlLoginsPerAddress: 1 }
    const authenticator = new PasswordAuthenticator(new Map([['ada', hash]]), loginLimits)
    const same = Array.from({ length: 50 }, () =>
      authenticator.check({ user: 'ada', password: 'right' }, '10.0.0.1'),
    )
    assert.deepEqual(await Promise.all(same), Array(50).fill(true))
    const guesses = [1, 2, 3].map((guess) =>
      authenticator.check({ user: 'ada', password: String(guess) }, '10.0.0.1'),
    )
    const outcomes = await Promise.allSettled(guesses)
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected'],
    )
  })

  test('a token of SASL PLAIN may name whom to act for; one without user or password is refused', () => {
    assert.deepEqual(readCredentials(Buffer.from('\0ada\0secret')), { user: 'ada', password: 'secret' })
    assert.deepEqual(readCredentials(Buffer.from('x\0ada\0secret')), { user: 'ada', password: 'secret' })
    for (const token of ['', '\0', '\0ada', '\0ada\0', '\0\0secret', 'ada']) {
      assert.throws(() => readCredentials(Buffer.from(token)), { code: 'BAD_CREDENTIALS' })
    }
    assert.throws(() => readCredentials(null), { code: 'BAD_CREDENTIALS' })
    assert.throws(() => readCredentials(Buffer.alloc(5_000)), {
      message: 'A token of 5000 bytes exceeds 4096',
    })
  })
})
