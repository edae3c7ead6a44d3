/** What callers feel of an origin that stalls or dies while its dataset moves, and of a split that is swept: nothing. */
import assert from 'node:assert/strict'
import { availableParallelism, loadavg } from 'node:os'
import { after, before, suite, test } from 'node:test'
import type { ShadowFigures } from '../../src/model/difference.js'
import { splitBucket } from '../../src/routing/traffic-split.js'
import { FakeOrigin } from '../support/fake-origin.js'
import type { Gateway } from '../support/gateway.js'
import {
  Readers,
  dial,
  inParts,
  loadValues,
  metricsOf,
  migrate,
  setOriginVersion,
  settledShadows,
  startMigrating,
} from '../support/migration.js'

const KEYS = Array.from({ length: 5_000 }, (_, index) => `pin-${index}`)

/** What a side answers says which one it is. */
const ofOrigin = (key: string): string => `origin ${key}`
const ofTarget = (key: string): string => `target ${key}`

interface World {
  readonly gateway: Gateway
  readonly readers: Readers
}

/** Keys of one read. */
const ONE = 1

/** On its way up to RAMP; both sides answer as the target does. */
async function startRamping(origin: FakeOrigin, options: { readonly origin?: string } = {}): Promise<World> {
  origin.replace((key) => Buffer.from(ofTarget(key)))
  const gateway = await startMigrating(origin, options)
  const readers = new Readers(gateway)
  await migrate(gateway, 'switch')
  const version = await loadValues(gateway, new Map(KEYS.map((key) => [key, ofTarget(key)])))
  await setOriginVersion(gateway, version)
  await migrate(gateway, 'switch')
  await dial(gateway, { shadowShare: 10_000 })
  await readers.each(inParts(KEYS, ONE))
  await settledShadows(gateway)
  await migrate(gateway, 'switch')
  await dial(gateway, { shadowShare: 0 })
  return { gateway, readers }
}

async function end({ gateway, readers }: World): Promise<void> {
  await readers.close()
  await gateway.dispose()
}

function p99(latenciesMs: readonly number[]): number {
  const sorted = [...latenciesMs].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0
}

suite('an origin whose dataset moves', () => {
  let origin: FakeOrigin
  let world: World

  before(async () => {
    origin = await FakeOrigin.start()
    world = await startRamping(origin, { origin: ', deadlineMs: 400, breakerResetMs: 60000' })
    origin.replace((key) => Buffer.from(ofOrigin(key)))
  })
  after(async () => {
    await end(world)
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
    await readers.each(inParts(KEYS, ONE), ([value], [key = '']) => assert.equal(value, ofTarget(key)))
    assert.deepEqual(readers.errors, [])
  })
})

suite('a split that is swept under load', () => {
  let origin: FakeOrigin
  let worlds: readonly [World, World]

  before(async () => {
    origin = await FakeOrigin.start()
    worlds = [await startRamping(origin), await startRamping(origin)]
    origin.replace((key) => Buffer.from(ofOrigin(key)))
  })
  after(async () => {
    for (const world of worlds) await end(world)
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
      const [first, second] = await Promise.all(worlds.map(({ readers }) => targetKeys(readers)))
      assert.ok(first !== undefined && second !== undefined)
      assert.deepEqual(first, second)
      const [smaller, larger] = first.size < before.size ? [first, before] : [before, first]
      for (const key of smaller) assert.ok(larger.has(key), `${key} moved against the dial at ${share}`)
      const p = share / 10_000
      const sigma = Math.sqrt(KEYS.length * p * (1 - p))
      assert.ok(Math.abs(first.size - KEYS.length * p) <= 3 * sigma, `${first.size} keys at ${share}`)
      before = first
    }
    for (const { readers } of worlds) assert.deepEqual(readers.errors, [])
  })

  function checkValue([value]: readonly (string | null)[], [key = '']: readonly string[]): void {
    assert.ok(value === ofOrigin(key) || value === ofTarget(key), `${key} was answered with ${value}`)
  }

  async function targetKeys(readers: Readers): Promise<Set<string>> {
    const found = new Set<string>()
    await readers.each(inParts(KEYS, ONE), (values, keys) => {
      checkValue(values, keys)
      const [key = ''] = keys
      if (values[0] === ofTarget(key)) found.add(key)
    })
    return found
  }
})

suite('shadow reads of an origin that stalls', () => {
  const ROUNDS = 15
  const ASKED = KEYS.slice(0, 1_000)
  /** The best rounds count, and what others do on this machine at the same time is allowed for. */
  const MAX_RATIO = 1.05
  const MAX_MORE_MS = 0.2 * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism())

  let origin: FakeOrigin
  let world: World
  let counted: ShadowFigures

  before(async () => {
    origin = await FakeOrigin.start()
    world = await startRamping(origin)
    await dial(world.gateway, { splitShare: 10_000, shadowShare: 10_000 })
    await world.readers.each(inParts(KEYS, ONE))
    counted = await settledShadows(world.gateway)
    await migrate(world.gateway, 'switch')
  })
  after(async () => {
    await end(world)
    await origin.close()
  })

  test('delay nobody, hold little memory, and are all accounted for', async () => {
    const { gateway, readers } = world
    origin.stall()
    const best: Record<number, number> = { 0: Number.POSITIVE_INFINITY, 10_000: Number.POSITIVE_INFINITY }
    const rss = [await residentBytes(gateway)]
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const shadowShare of [0, 10_000]) {
        await dial(gateway, { shadowShare })
        readers.latenciesMs.length = 0
        await readers.each(inParts(ASKED, ONE), undefined, 1)
        best[shadowShare] = Math.min(best[shadowShare] ?? 0, p99(readers.latenciesMs))
      }
      rss.push(await residentBytes(gateway))
    }
    await dial(gateway, { shadowShare: 0 })
    const shadow = await settledShadows(gateway)
    const [without = 0, withShadow = 0] = [best[0], best[10_000]]
    const figures = `p99 ${without.toFixed(2)} ms without, ${withShadow.toFixed(2)} ms with shadow reads`
    assert.deepEqual(readers.errors, [])
    assert.equal(shadow.sent - counted.sent, ROUNDS * ASKED.length)
    assert.equal(shadow.matched, counted.matched)
    const more = withShadow - without
    assert.ok(more <= MAX_MORE_MS || withShadow <= without * MAX_RATIO, figures)
    const [first = 0] = rss
    assert.ok(
      Math.max(...rss) - first < 64 * 1024 * 1024,
      `resident: ${rss.map((one) => one >> 20).join(' ')} MB`,
    )
  })
})

async function residentBytes(gateway: Gateway): Promise<number> {
  return (await metricsOf(gateway, 'process_resident_memory_bytes')).get('') ?? 0
}
