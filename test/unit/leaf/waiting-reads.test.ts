/** What reads of the RocksDB engine hold while they wait for their turns, and that it counts: many may wait. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Cursor } from '../../../src/leaf/rocksdb/store/binding.js'
import { condition } from '../../support/leaf-suites.js'
import { type Deed, entriesOf } from './read-model.js'
import { answered, bytes, ReadWorld } from './read-world.js'

const MEGABYTE = 1024 * 1024
const ROW = bytes('row')

/** A row of which every step takes a slice. */
async function slowRow(t: TestContext, deeds: readonly Deed[]): Promise<ReadWorld> {
  const world = await ReadWorld.writable({ format: 'history', keyOrder: 'ORDERED' })
  t.after(() => world.dispose())
  for (const deed of deeds)
    world.write(entriesOf([deed], { format: 'history', keyOrder: 'ORDERED' }, world.positionOf(ROW)))
  Object.assign(world.clock, { monotonicMs: () => (world.clock.ms += 5) })
  return world
}

const WAITING = {
  rows: (world: ReadWorld) => world.read([ROW]),
  'scans of whole rows': (world: ReadWorld) => world.scan(),
  'scans with conditions': (world: ReadWorld) => world.scan({ where: [condition('c', 'EXISTS')] }),
} as const

for (const [what, ask] of Object.entries(WAITING)) {
  test(`${what} that wait for their turns hold no values that they passed over`, async (t) => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void // V8's own function, there by the flag
    const heldBytes = (): number => {
      // What the first has found is freed by the time the second begins.
      collect()
      collect()
      return process.memoryUsage().arrayBuffers
    }
    const expired = Array.from({ length: 16 }, (_, i): Deed => {
      return { kind: 'PUT', localKey: bytes('c'), at: BigInt(i), life: -1, value: Buffer.alloc(3 * MEGABYTE) }
    })
    const world = await slowRow(t, expired)
    const before = heldBytes()
    let isOver = false
    const asked = Promise.all([1, 2, 3, 4].map(() => ask(world))).finally(() => {
      isOver = true
    })
    let most = 0
    while (!isOver) {
      most = Math.max(most, heldBytes() - before)
      await nextTurn()
    }
    assert.ok(most < 3 * MEGABYTE, `${most} bytes`)
    for (const outcome of await asked) answered(outcome)
  })
}

test('what a scan tests a row by counts as held: few that hold much are begun at a time', async (t) => {
  const large = ['a', 'b'].map((name): Deed => {
    return { kind: 'PUT', localKey: bytes(name), at: 1n, life: null, value: Buffer.alloc(8 * MEGABYTE) }
  })
  const long = Array.from({ length: 40_000 }, (_, i): Deed => {
    return { kind: 'DELETE_EXACT', localKey: bytes('z'), at: BigInt(i) }
  })
  const world = await slowRow(t, [...large, ...long])
  const begun = beginnings(t)
  const where = ['a', 'b', 'z'].map((name) => condition(name, 'EXISTS'))
  const pages = await Promise.all(Array.from({ length: 12 }, () => world.scan({ where })))
  for (const page of pages) assert.deepEqual(answered(page).rows, [])
  // Four that take turns, and as many as their bytes let be set aside.
  assert.ok(begun.most <= 8, `${begun.most} at a time`)
})

/** The most cursors that had read something and were not closed. */
function beginnings(t: TestContext): { readonly most: number } {
  const begun = new Set<Cursor>()
  const found = { most: 0 }
  const { next, close } = Cursor.prototype // eslint-disable-line @typescript-eslint/unbound-method -- with their cursor
  Cursor.prototype.next = function (count) {
    begun.add(this)
    found.most = Math.max(found.most, begun.size)
    return next.call(this, count)
  }
  Cursor.prototype.close = function () {
    begun.delete(this)
    close.call(this)
  }
  t.after(() => void Object.assign(Cursor.prototype, { next, close }))
  return found
}
