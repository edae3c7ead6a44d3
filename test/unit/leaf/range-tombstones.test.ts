import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  addRangeTombstones,
  decodeRangeTombstones,
  encodeRangeTombstones,
  RangeCover,
  type RangeTombstone,
} from '../../../src/leaf/range-tombstones.js'

const COLUMNS: readonly Buffer[] = ['', 'a', 'a\0', 'b', 'c', '\xff'].map((text) =>
  Buffer.from(text, 'latin1'),
)

const tombstone: fc.Arbitrary<RangeTombstone> = fc
  .record({
    bounds: fc.subarray([...COLUMNS], { minLength: 1, maxLength: 2 }),
    timestamp: fc.oneof(
      fc.bigInt({ min: 0n, max: 3n }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    ),
    deletedAtSeconds: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ bounds: [from = Buffer.alloc(0), to = null], ...rest }) => ({ from, to, ...rest }))

const additions = fc.array(fc.array(tombstone, { maxLength: 4 }), { maxLength: 5 })

function addAll(all: readonly (readonly RangeTombstone[])[]): readonly RangeTombstone[] {
  return all.reduce<readonly RangeTombstone[]>((list, added) => addRangeTombstones(list, added), [])
}

function isWithin({ from, to }: RangeTombstone, column: Buffer): boolean {
  return from.compare(column) <= 0 && (to === null || column.compare(to) < 0)
}

/** What hides a late write of a column for how long: newest time among the deletions made at or after each second. */
function whatIsHidden(list: readonly RangeTombstone[]): unknown {
  return COLUMNS.map((column) =>
    [0, 1, 2, 3].map((second) =>
      list
        .filter((one) => isWithin(one, column) && one.deletedAtSeconds >= second)
        .reduce((newest, { timestamp }) => (timestamp > newest ? timestamp : newest), -(2n ** 64n)),
    ),
  )
}

test('a list hides what all deletions together hide, as long as each of them does', () => {
  fc.assert(
    fc.property(additions, (all) => {
      const list = addAll(all)
      assert.deepEqual(whatIsHidden(list), whatIsHidden(all.flat()))
      for (const column of COLUMNS) {
        const newest = all
          .flat()
          .filter((one) => isWithin(one, column))
          .reduce<bigint | null>(
            (best, { timestamp }) => (best === null || timestamp > best ? timestamp : best),
            null,
          )
        assert.equal(new RangeCover(list).deletedUpTo(column), newest)
      }
    }),
    { numRuns: 5_000 },
  )
})

test('a list has no entry that another one makes needless, and does not depend on the order of deletions', () => {
  fc.assert(
    fc.property(additions, (all) => {
      const list = addAll(all)
      assert.deepEqual(addAll([...all].reverse().map((added) => [...added].reverse())), list)
      assert.deepEqual(addRangeTombstones(list, all.flat()), list)
    }),
    { numRuns: 5_000 },
  )
})

test('a list comes back from its bytes, and damaged bytes are CORRUPT or another list', () => {
  fc.assert(
    fc.property(additions, fc.nat(), fc.nat(255), (all, at, byte) => {
      const list = addAll(all)
      const stored = encodeRangeTombstones(list)
      assert.deepEqual(decodeRangeTombstones(stored), list)
      for (const damaged of [stored.subarray(0, at % stored.byteLength), Buffer.concat([stored, stored])]) {
        assert.throws(() => decodeRangeTombstones(damaged), { code: 'CORRUPT' })
      }
      const flipped = Buffer.from(stored)
      flipped[at % flipped.byteLength] = byte
      try {
        decodeRangeTombstones(flipped)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'CORRUPT') // what it throws, if it throws
      }
    }),
    { numRuns: 2_000 },
  )
})

test('a thousand deletions are added to a thousand in a few milliseconds', () => {
  const range = (n: number, timestamp: bigint): RangeTombstone => ({
    from: Buffer.from(String(2 * n).padStart(8, '0')),
    to: Buffer.from(String(2 * n + 1).padStart(8, '0')),
    timestamp,
    deletedAtSeconds: 1,
  })
  const list = addRangeTombstones(
    [],
    Array.from({ length: 1_000 }, (_, n) => range(n, 1n)),
  )
  const added = Array.from({ length: 1_000 }, (_, n) => range(n, 2n))
  // The quickest of three: the machine may be busy. Comparing all pairs of them took a second.
  const tookMs = Array.from({ length: 3 }, () => {
    const start = performance.now()
    addRangeTombstones(list, added)
    return performance.now() - start
  })
  assert.ok(Math.min(...tookMs) < 300, `${tookMs.join()} ms`)
  const after = addRangeTombstones(list, added)
  assert.equal(after.length, 1_000)
  assert.ok(after.every(({ timestamp }) => timestamp === 2n))
})

test('a cover says of any number of columns what comparing them with the whole list says', () => {
  const key = fc.integer({ min: 0, max: 40 }).map((n) => Buffer.from([n]))
  const ranges = fc.array(
    fc.record({
      ends: fc.tuple(key, fc.option(key)),
      timestamp: fc.bigInt({ min: 0n, max: 20n }),
      deletedAtSeconds: fc.constant(0),
    }),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(ranges, (drawn) => {
      const added = drawn.flatMap(({ ends: [from, to], ...rest }) =>
        to !== null && from.compare(to) >= 0 ? [] : [{ from, to, ...rest }],
      )
      const list = addRangeTombstones([], added)
      const cover = new RangeCover(list)
      // Twice: the first columns are compared, the others sought.
      const columns = Array.from({ length: 84 }, (_, i) => Buffer.from([i % 42, ...(i % 3 === 0 ? [0] : [])]))
      for (const column of columns) {
        const times = list.filter((one) => isWithin(one, column)).map(({ timestamp }) => timestamp)
        const newest = times.reduce<bigint | null>(
          (best, time) => (best === null || time > best ? time : best),
          null,
        )
        assert.equal(cover.deletedUpTo(column), newest)
      }
    }),
    { numRuns: 500 },
  )
})
