import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { limits } from '../../../src/base/limits.js'
import {
  localKeyOfMutable,
  mutableCellKey,
  mutableMetaKey,
  mutableRowEnd,
  sealedChunkKey,
  sealedHeadKey,
} from '../../../src/leaf/row-codec.js'

const NO_TOKEN = { high: 0, low: 0 }

/** Bytes that escapes and separators are made of come up often. */
function keyBytes(): fc.Arbitrary<Buffer> {
  const byte = fc.oneof(fc.constantFrom(0x00, 0x01, 0x02, 0xff), fc.integer({ min: 0, max: 255 }))
  return fc.array(byte, { maxLength: 6 }).map((array) => Buffer.from(array))
}

function sign(order: number): number {
  return Math.sign(order)
}

test('mutable keys sort as row key, then local key, with the tombstone first', () => {
  fc.assert(
    fc.property(keyBytes(), keyBytes(), keyBytes(), keyBytes(), (rowA, localA, rowB, localB) => {
      const metaA = mutableMetaKey('ORDERED', NO_TOKEN, rowA)
      const metaB = mutableMetaKey('ORDERED', NO_TOKEN, rowB)
      const order = Buffer.compare(mutableCellKey(metaA, localA), mutableCellKey(metaB, localB))
      assert.equal(sign(order), sign(Buffer.compare(rowA, rowB) || Buffer.compare(localA, localB)))
      assert.ok(Buffer.compare(metaA, mutableCellKey(metaA, localA)) < 0)
    }),
    { numRuns: 5_000 },
  )
})

test('the range of a row holds its keys and no key of another row', () => {
  fc.assert(
    fc.property(keyBytes(), keyBytes(), keyBytes(), (row, other, local) => {
      const from = mutableMetaKey('ORDERED', NO_TOKEN, row)
      const to = mutableRowEnd(from)
      for (const key of [
        mutableMetaKey('ORDERED', NO_TOKEN, other),
        mutableCellKey(mutableMetaKey('ORDERED', NO_TOKEN, other), local),
      ]) {
        const isInside = Buffer.compare(from, key) <= 0 && Buffer.compare(key, to) < 0
        assert.equal(isInside, row.equals(other))
      }
    }),
    { numRuns: 5_000 },
  )
})

test('hashed keys sort by signed token first', () => {
  const half = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
  const token = fc.record({ high: half, low: half })
  const value = ({ high, low }: { high: number; low: number }) => (BigInt(high) << 32n) | BigInt(low >>> 0)
  fc.assert(
    fc.property(token, token, keyBytes(), keyBytes(), (a, b, rowA, rowB) => {
      fc.pre(value(a) !== value(b))
      const expected = value(a) < value(b) ? -1 : 1
      assert.equal(
        sign(Buffer.compare(sealedHeadKey('HASHED', a, rowA), sealedHeadKey('HASHED', b, rowB))),
        expected,
      )
      assert.equal(
        sign(Buffer.compare(mutableMetaKey('HASHED', a, rowA), mutableMetaKey('HASHED', b, rowB))),
        expected,
      )
    }),
  )
})

test('sealed heads sort by row key, and chunks never meet heads or chunks of other rows', () => {
  const index = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  fc.assert(
    fc.property(keyBytes(), keyBytes(), index, index, (a, b, i, j) => {
      const order = Buffer.compare(
        sealedHeadKey('ORDERED', NO_TOKEN, a),
        sealedHeadKey('ORDERED', NO_TOKEN, b),
      )
      assert.equal(sign(order), sign(Buffer.compare(a, b)))
      const chunk = sealedChunkKey('ORDERED', NO_TOKEN, a, i)
      assert.ok(Buffer.compare(sealedHeadKey('ORDERED', NO_TOKEN, b), chunk) < 0)
      assert.equal(chunk.equals(sealedChunkKey('ORDERED', NO_TOKEN, b, j)), a.equals(b) && i === j)
    }),
  )
})

test('the local key comes back out of its physical key', () => {
  fc.assert(
    fc.property(keyBytes(), keyBytes(), (row, local) => {
      const meta = mutableMetaKey('HASHED', NO_TOKEN, row)
      assert.equal(localKeyOfMutable(meta.byteLength, meta), null)
      assert.deepEqual(localKeyOfMutable(meta.byteLength, mutableCellKey(meta, local)), local)
    }),
  )
})

test('keys have the bytes that FORMATS.md shows', () => {
  const token = { high: -1, low: 2 }
  const row = Buffer.from([0x61, 0x00])
  const meta = mutableMetaKey('HASHED', token, row)
  assert.equal(meta.toString('hex'), '7fffffff00000002' + '6100ff' + '0001' + '00')
  assert.equal(
    mutableCellKey(meta, Buffer.from('c')).toString('hex'),
    '7fffffff00000002' + '6100ff' + '0001' + '01' + '63',
  )
  assert.equal(sealedHeadKey('ORDERED', token, row).toString('hex'), '01' + '6100')
  assert.equal(sealedChunkKey('ORDERED', token, row, 3).toString('hex'), '02' + '0002' + '6100' + '00000003')
})

test('keys over their limits are refused', () => {
  const long = Buffer.alloc(limits.maxRowKeyBytes + 1)
  assert.throws(() => sealedHeadKey('HASHED', NO_TOKEN, long), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => mutableMetaKey('HASHED', NO_TOKEN, long), { code: 'INVALID_ARGUMENT' })
  const meta = mutableMetaKey('HASHED', NO_TOKEN, long.subarray(1))
  assert.throws(() => mutableCellKey(meta, long), { code: 'INVALID_ARGUMENT' })
  assert.ok(mutableCellKey(meta, long.subarray(1)).byteLength <= limits.maxPhysicalKeyBytes)
})
