/** What callers feel of an origin that stalls or dies while its dataset moves, and of a split that is swept: nothing. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { splitBucket } from '../../src/routing/traffic-split.js'
import { FakeOrigin } from '../support/fake-origin.js'
import {
  PINS,
  type Readers,
  dial,
  inParts,
  metricsOf,
  reportOf,
  setOriginVersion,
  until,
} from '../support/migration.js'
import { KEYS, ONE, type Ramping, endRamping, ofOrigin, ofTarget, startRamping } from '../support/ramping.js'
import { type CliOutcome, godwit } from '../unit/cli/run-cli.js'

/**
 * Who is decided is looked at here, not who stands in: neither for an answer that is late nor, as an origin of a short
 * deadline had it beside a compiler that took the processors for half a second, for one that was given up.
 */
const DECIDED = ', deadlineMs: 4000, standInAfterMs: 0'

/** Read one by one at every share, from two gateways. */
const SWEPT = KEYS.slice(0, 3_000)

suite('an origin whose dataset moves', () => {
  let origin: FakeOrigin
  let world: Ramping

  before(async () => {
    origin = await FakeOrigin.start()
    world = await startRamping(origin, { origin: `${DECIDED}, breakerResetMs: 1000` })
    origin.replace((key) => Buffer.from(ofOrigin(key)))
  })
  after(async () => {
    await endRamping(world)
    await origin.close()
  })

  test('each key has the side of its place; a share of the callers goes first', async () => {
    const { gateway, readers } = world
    await dial(gateway, { splitShare: 2_500, splitCallers: ['maps'] })
    await readers.each(inParts(KEYS, ONE), ([value], [key = '']) => {
      assert.equal(value, splitBucket(Buffer.from(key)) < 2_500 ? ofTarget(key) : ofOrigin(key))
    })
    for (const key of KEYS.slice(0, 50)) assert.deepEqual(await readers.get([key], 'maps'), [ofTarget(key)])
    assert.deepEqual(readers.errors, [])
  })

  test('keys of one read are answered by their sides, in their order, while both serve one version', async () => {
    const { gateway, readers } = world
    await dial(gateway, { splitShare: 5_000, splitCallers: [] })
    const keys = KEYS.slice(0, 100)
    const expected = keys.map((key) =>
      splitBucket(Buffer.from(key)) < 5_000 ? ofTarget(key) : ofOrigin(key),
    )
    assert.deepEqual(await readers.get(keys), expected)
    await setOriginVersion(gateway, null)
    assert.deepEqual(await readers.get(keys), keys.map(ofOrigin))
  })

  test('an origin that dies at half of the keys: no caller sees an error once its breaker is open', async () => {
    const { gateway, readers } = world
    await origin.kill()
    const untilMs = performance.now() + 20_000
    for (;;) {
      await readers.each(inParts(KEYS.slice(0, 200), ONE))
      const open = await metricsOf(gateway, 'godwit_backend_breaker_open', 'role')
      if ((open.get('primary') ?? 0) > 0) break
      assert.ok(performance.now() < untilMs, 'the breaker stays closed')
    }
    readers.errors.length = 0
    for (const size of [ONE, 20]) {
      await readers.each(inParts(KEYS, size), (values, keys) => assert.deepEqual(values, keys.map(ofTarget)))
    }
    assert.deepEqual(readers.errors, [])
  })

  test('a split that is dialled while the target stands in moves nobody, and holds when the origin is back', async () => {
    const { gateway, readers } = world
    for (const splitShare of [7_500, 1, 2_500]) {
      const load = readers.each(inParts(KEYS.slice(0, 500), ONE), ([value], [key = '']) => {
        assert.equal(value, ofTarget(key), 'the target stands in at every share but 0')
      })
      await dial(gateway, { splitShare })
      await load
    }
    assert.deepEqual(readers.errors, [])
    await origin.revive()
    await until(async () => {
      const open = await metricsOf(gateway, 'godwit_backend_breaker_open', 'role')
      return open.get('primary') === 0
    }, 'the origin is asked again')
    await readers.each(inParts(KEYS.slice(0, 1_000), ONE), ([value], [key = '']) => {
      assert.equal(value, splitBucket(Buffer.from(key)) < 2_500 ? ofTarget(key) : ofOrigin(key))
    })
    assert.deepEqual(readers.errors, [])
  })

  test('an origin that is gone is not gone back to, unless an operator insists; the audit has who did, and why', async () => {
    const { gateway, readers } = world
    const admin = `http://127.0.0.1:${gateway.port('admin')}`
    const revert = (...options: readonly string[]): Promise<CliOutcome> =>
      godwit(['migrate', PINS, 'revert', '--reason', 'the target is to be emptied', ...options], { admin })
    const keys = KEYS.slice(0, 50)
    await origin.kill()
    const refused = await revert()
    assert.equal(refused.exitCode, 5)
    assert.match(refused.stderr, /origin\s+answers:[^]*may\s+be\s+forced\s+\("force"\s+in[^]*--force/)
    await readers.each(inParts(keys, ONE), ([value], [key = '']) => assert.equal(value, ofTarget(key)))
    assert.deepEqual(readers.errors, [])

    const forced = await revert('--force')
    assert.equal(forced.exitCode, 0, forced.stderr)
    assert.match(forced.stdout, /note:[^]*the\s+target\s+answers\s+nobody\s+in\s+its\s+place/)
    assert.equal((await reportOf(gateway)).state, 'VERIFY')
    const { stdout } = await godwit(['audit', '--dataset', PINS, '--json'], { admin })
    for (const what of [/RAMP -> VERIFY[^"]*forced past: origin answers/, /the target is to be emptied/]) {
      assert.match(stdout, what)
    }
    await readers.each(inParts(keys, ONE), () => assert.fail('nobody answers for it now'))
    assert.equal(readers.errors.length, keys.length)
    await origin.revive()
    // Each thread finds it again by itself.
    await until(async () => {
      readers.errors.length = 0
      await readers.each(inParts(keys, ONE), ([value], [key = '']) => assert.equal(value, ofOrigin(key)))
      return readers.errors.length === 0
    }, 'the origin answers')
  })
})

suite('a split that is swept under load', () => {
  let origin: FakeOrigin
  let worlds: readonly [Ramping, Ramping]

  before(async () => {
    origin = await FakeOrigin.start()
    // Of different numbers of threads: keys have their sides by themselves.
    const decided = { origin: DECIDED }
    worlds = [await startRamping(origin, decided), await startRamping(origin, { ...decided, threads: 1 })]
    origin.replace((key) => Buffer.from(ofOrigin(key)))
  })
  after(async () => {
    for (const world of worlds) await endRamping(world)
    await origin.close()
  })

  test('no errors, no wrong answers; keys only ever follow the dial, by its share, on two gateways alike', async () => {
    let before = new Set<string>()
    for (const share of [0, 10, 2_500, 5_000, 9_999, 10_000, 5_000, 100, 0]) {
      const stop = { isAsked: false }
      // The load goes on while the dial turns.
      const load = worlds.map(async ({ readers }) => {
        while (!stop.isAsked) await readers.each(inParts(KEYS.slice(0, 300), ONE), checkValue, 8)
      })
      await Promise.all(worlds.map(({ gateway }) => dial(gateway, { splitShare: share })))
      stop.isAsked = true
      await Promise.all(load)
      const [first, second] = await Promise.all(worlds.map(({ readers }) => targetKeys(readers, share)))
      assert.ok(first !== undefined && second !== undefined)
      assert.deepEqual(first, second)
      const [smaller, larger] = first.size < before.size ? [first, before] : [before, first]
      for (const key of smaller) assert.ok(larger.has(key), `${key} moved against the dial at ${share}`)
      const p = share / 10_000
      const sigma = Math.sqrt(SWEPT.length * p * (1 - p))
      assert.ok(Math.abs(first.size - SWEPT.length * p) <= 3 * sigma, `${first.size} keys at ${share}`)
      before = first
    }
    for (const { readers } of worlds) assert.deepEqual(readers.errors, [])
  })

  function checkValue([value]: readonly (string | null)[], [key = '']: readonly string[]): void {
    assert.ok(value === ofOrigin(key) || value === ofTarget(key), `${key} was answered with ${value}`)
  }

  /** The dial was answered: from now on every thread of both gateways goes by it. */
  async function targetKeys(readers: Readers, share: number): Promise<Set<string>> {
    const found = new Set<string>()
    await readers.each(inParts(SWEPT, ONE), (values, keys) => {
      checkValue(values, keys)
      const [key = ''] = keys
      if (values[0] === ofTarget(key)) found.add(key)
      assert.equal(found.has(key), splitBucket(Buffer.from(key)) < share, `${key} at ${share}`)
    })
    return found
  }
})
