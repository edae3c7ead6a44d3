import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { Cursor } from '../../../src/leaf/rocksdb/store/binding.js'
import { RowSearches } from '../../../src/leaf/rocksdb/write/row-searches.js'
import { mutableMetaKey } from '../../../src/leaf/row-codec.js'
import { type Deed, entriesOf } from './read-model.js'
import { bytes, NOW, ReadWorld } from './read-world.js'

const ROW = bytes('row')
const ROW_ID = 'row'
const SHAPE = { format: 'mutable', keyOrder: 'ORDERED' } as const

/** Searches of a shard that holds one row, of cells that have all expired; each step takes a second. */
async function searchesOfDeadRow(t: TestContext, cells: number) {
  const world = await ReadWorld.writable(SHAPE)
  const clock = { seconds: NOW }
  const dead = Array.from({ length: cells }, (_, i): Deed => {
    return {
      kind: 'PUT',
      localKey: bytes(`c${String(i).padStart(6, '0')}`),
      at: 1n,
      life: -50,
      value: bytes('v'),
    }
  })
  world.write(entriesOf(dead, SHAPE, world.positionOf(ROW)))
  const searches = new RowSearches(world.database, {
    format: 'mutable',
    maxCellVersions: 1,
    nowSeconds: () => clock.seconds,
    // So that a slice is one step.
    monotonicMs: () => (clock.seconds += 1) * 1_000,
  })
  t.after(async () => {
    searches.close()
    await world.dispose()
  })
  const { token } = world.positionOf(ROW)
  return { searches, clock, world, metaKey: mutableMetaKey('ORDERED', token, ROW) }
}

/** What is stored turns out to be damaged from here on. */
function damage(t: TestContext): () => void {
  const { next } = Cursor.prototype // eslint-disable-line @typescript-eslint/unbound-method -- put back below
  const repair = () => void Object.assign(Cursor.prototype, { next })
  Cursor.prototype.next = () => {
    throw new KVError('CORRUPT', 'a block is damaged')
  }
  t.after(repair)
  return repair
}

function end(searches: RowSearches): number {
  for (let slices = 1; slices < 1_000; slices++) if (searches.slice() === ROW_ID) return slices
  assert.fail('the search does not come to its end')
}

test('a row of many dead cells is searched slice by slice, and what was found is remembered', async (t) => {
  const { searches, metaKey } = await searchesOfDeadRow(t, 5_000)
  assert.equal(searches.exists(ROW_ID, metaKey), null)
  assert.ok(searches.isSearched(ROW_ID))
  assert.ok(end(searches) > 3)
  assert.equal(searches.exists(ROW_ID, metaKey), false)
  assert.ok(searches.isEmpty)
})

// It held for the second in which the search began: who had waited for it began another search, without end.
test('a search that fails late says so to who waits for it, and to nobody after that', async (t) => {
  const { searches, clock, metaKey } = await searchesOfDeadRow(t, 5_000)
  assert.equal(searches.exists(ROW_ID, metaKey), null)
  searches.slice()
  clock.seconds += 30
  const repair = damage(t)
  end(searches)
  repair()
  assert.throws(() => searches.exists(ROW_ID, metaKey), { code: 'CORRUPT' })
  clock.seconds += 1
  assert.equal(searches.exists(ROW_ID, metaKey), null, 'it is searched anew')
})

// What the step threw ended the writer thread, and with it the process.
test('a search that cannot begin when its turn comes says so to who waits for it', async (t) => {
  const { searches, metaKey, world } = await searchesOfDeadRow(t, 5_000)
  assert.equal(searches.exists(ROW_ID, metaKey), null)
  assert.equal(searches.exists('behind', metaKey), null)
  assert.ok(end(searches) > 3)
  const { database } = world
  const { openCursor } = database // eslint-disable-line @typescript-eslint/unbound-method -- put back below
  Object.assign(database, {
    openCursor: () => {
      throw new KVError('UNAVAILABLE', 'the disk fails')
    },
  })
  assert.equal(searches.slice(), 'behind')
  Object.assign(database, { openCursor })
  assert.throws(() => searches.exists('behind', metaKey), { code: 'UNAVAILABLE' })
  assert.ok(searches.isEmpty)
})
