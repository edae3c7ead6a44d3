/**
 * Shadow reads of an origin that stalls: callers do not feel them. What the machine does to a caller at the same time is
 * measured in the same run: each window with shadow reads lies between two without, and what these two differ by is no
 * shadow read's doing. `npm run bench -- shadow-stall` holds it to the bounds alone, on a machine that is quiet; a longer
 * form of this test is GODWIT_STALL_BLOCKS=20.
 */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { ShadowFigures } from '../../src/model/difference.js'
import { FakeOrigin } from '../support/fake-origin.js'
import type { Gateway } from '../support/gateway.js'
import { dial, inParts, metricsOf, migrate, settledShadows, until } from '../support/migration.js'
import { KEYS, ONE, type Ramping, endRamping, startRamping } from '../support/ramping.js'

const BLOCKS = Number(process.env['GODWIT_STALL_BLOCKS'] ?? 5)
const ASKED = KEYS.slice(0, 1_000)
/** A caller that waited for a shadow read would feel its deadline, hundreds of ms; the bench has the narrow bounds. */
const MAX_MORE_MS = 5
const MAX_MORE_BYTES = 64 * 1024 * 1024

/** p99 of the callers of one window. The one after a block is the one before the next. */
interface Block {
  readonly before: number
  readonly shadowed: number
  readonly after: number
}

suite('shadow reads of an origin that stalls', () => {
  let origin: FakeOrigin
  let world: Ramping
  let counted: ShadowFigures

  before(async () => {
    origin = await FakeOrigin.start()
    world = await startRamping(origin, { origin: ', breakerResetMs: 100' })
    await dial(world.gateway, { splitShare: 10_000, shadowShare: 10_000 })
    await world.readers.each(inParts(KEYS, ONE))
    counted = await settledShadows(world.gateway)
    await migrate(world.gateway, 'switch')
    await dial(world.gateway, { shadowShare: 0 })
  })
  after(async () => {
    await endRamping(world)
    await origin.close()
  })

  test('delay nobody, hold little memory, and are all accounted for', async (t) => {
    const { gateway, readers } = world
    const blocks: Block[] = []
    const bytes = [await residentBytes(gateway)]
    let shadow = counted
    let before = await window()
    for (let number = 0; number < BLOCKS; number += 1) {
      // Each time anew: calls wait for their deadlines until the breaker of the shadow reads opens.
      origin.stall()
      await dial(gateway, { shadowShare: 10_000 })
      const shadowed = await window()
      await dial(gateway, { shadowShare: 0 })
      bytes.push(await residentBytes(gateway))
      shadow = await settledShadows(gateway)
      origin.resume()
      await until(async () => (await openBreakers(gateway)).get('shadow') === 0, 'the origin is asked again')
      const next = await window()
      blocks.push({ before, shadowed, after: next })
      before = next
    }
    const { more, noise, alone } = judged(blocks)
    const figures = `p99 ${alone.toFixed(2)} ms, with shadow reads ${more.toFixed(2)} ms more; two without differ by ${noise.toFixed(2)} ms`
    t.diagnostic(figures)
    assert.ok(more - noise <= MAX_MORE_MS, figures)
    assert.deepEqual(readers.errors, [])
    assert.equal(shadow.sent - counted.sent, BLOCKS * ASKED.length)
    assert.equal(shadow.matched, counted.matched)
    assert.ok(shadow.failed + shadow.expired - counted.failed - counted.expired > 0)
    const [begin = 0] = bytes
    const most = Math.max(...bytes) - begin
    t.diagnostic(`resident memory at most ${(most / 2 ** 20).toFixed(0)} MB more`)
    assert.ok(most < MAX_MORE_BYTES, `resident: ${bytes.map((one) => one >> 20).join(' ')} MB`)
  })

  async function window(): Promise<number> {
    const { readers } = world
    readers.latenciesMs.length = 0
    await readers.each(inParts(ASKED, ONE), undefined, 1)
    return p99(readers.latenciesMs)
  }
})

/** Medians over the blocks: what shadow reads add to the mean of the windows around them, and how far those differ. */
function judged(blocks: readonly Block[]): {
  readonly more: number
  readonly noise: number
  readonly alone: number
} {
  const alone = blocks.map((block) => (block.before + block.after) / 2)
  return {
    more: median(blocks.map(({ shadowed }, number) => shadowed - (alone[number] ?? 0))),
    noise: median(blocks.map((block) => Math.abs(block.after - block.before))),
    alone: median(alone),
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function p99(latenciesMs: readonly number[]): number {
  return latenciesMs.toSorted((a, b) => a - b)[Math.floor(latenciesMs.length * 0.99)] ?? 0
}

function openBreakers(gateway: Gateway): Promise<Map<string, number>> {
  return metricsOf(gateway, 'godwit_backend_breaker_open', 'role')
}

async function residentBytes(gateway: Gateway): Promise<number> {
  return (await metricsOf(gateway, 'process_resident_memory_bytes')).get('') ?? 0
}
