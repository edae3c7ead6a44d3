/** Checks of passwords: one at a time, addresses in turns, and no more of them than may wait. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LoginTurns } from '../../../shims/rocksandra/login-turns.js'

const LIMITS = { maxWaitingCqlLogins: 5, maxWaitingCqlLoginsPerAddress: 3 }

/** Checks that end when they are told to. */
class Checks {
  readonly started: string[] = []
  readonly #ends = new Map<string, (error?: Error) => void>()

  begin(turns: LoginTurns, address: string, name: string): Promise<string> {
    return turns.run(address, () => {
      this.started.push(name)
      return new Promise((resolve, reject) => {
        this.#ends.set(name, (error) => (error === undefined ? resolve(name) : reject(error)))
      })
    })
  }

  async end(name: string, error?: Error): Promise<void> {
    this.#ends.get(name)?.(error)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('LoginTurns', () => {
  test('one check runs at a time, and addresses take turns whatever one of them asks', async () => {
    const turns = new LoginTurns(LIMITS)
    const checks = new Checks()
    const asked = [
      checks.begin(turns, 'a', 'a1'),
      checks.begin(turns, 'a', 'a2'),
      checks.begin(turns, 'a', 'a3'),
      checks.begin(turns, 'b', 'b1'),
      checks.begin(turns, 'c', 'c1'),
    ]
    for (const name of ['a1', 'a2', 'b1', 'c1', 'a3']) {
      assert.equal(checks.started.at(-1), name)
      await checks.end(name)
    }
    assert.deepEqual(await Promise.all(asked), ['a1', 'a2', 'a3', 'b1', 'c1'])
    assert.equal(turns.waitingCount, 0)
  })

  test('a check that fails gives its turn to the next', async () => {
    const turns = new LoginTurns(LIMITS)
    const checks = new Checks()
    const failing = assert.rejects(checks.begin(turns, 'a', 'a1'), /broken/)
    const next = checks.begin(turns, 'a', 'a2')
    await checks.end('a1', new Error('broken'))
    await failing
    await checks.end('a2')
    assert.equal(await next, 'a2')
  })

  test('too many of one address, and too many of all, are refused at once', async () => {
    const turns = new LoginTurns(LIMITS)
    const checks = new Checks()
    const names = ['a1', 'a2', 'a3', 'a4', 'b1', 'c1']
    const asked = names.map((name) => checks.begin(turns, name.slice(0, 1), name))
    for (const address of ['a', 'd']) {
      await assert.rejects(checks.begin(turns, address, 'late'), { code: 'OVERLOADED' })
    }
    for (const name of ['a1', 'a2', 'b1', 'c1', 'a3', 'a4']) await checks.end(name)
    assert.deepEqual(await Promise.all(asked), names)
    const later = checks.begin(turns, 'd', 'd1')
    await checks.end('d1')
    assert.equal(await later, 'd1')
  })
})
