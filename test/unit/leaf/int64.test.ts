/** Bigints out of bytes: the same numbers as Buffer's own methods, and the same refusal of too few bytes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readTimestamp, writeTimestamp } from '../../../src/leaf/cell-codec.js'
import { readFlipped } from '../../../src/leaf/int64.js'
import { readInvertedTimestamp, writeInvertedTimestamp } from '../../../src/leaf/row-codec.js'

const masks = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff })

test('eight bytes are the number that Buffer reads, with the bits of the masks flipped', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 20 }), masks, masks, (given, high, low) => {
      const bytes = Buffer.from(given)
      for (let at = 0; at + 8 <= bytes.length; at++) {
        const flipped = (BigInt.asUintN(32, BigInt(high)) << 32n) | BigInt.asUintN(32, BigInt(low))
        const expected = BigInt.asIntN(64, bytes.readBigUInt64BE(at) ^ flipped)
        assert.equal(readFlipped(bytes, at, high, low), expected)
      }
    }),
  )
})

test('timestamps of values and of keys come back as they were written', () => {
  const stored = Buffer.alloc(12)
  const edges = [0n, 1n, -1n, 0x7fff_ffff_ffff_ffffn, -0x8000_0000_0000_0000n, 0xffff_ffffn, -0x1_0000_0000n]
  const times = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
  fc.assert(
    fc.property(times, (time) => {
      writeTimestamp(stored, 0, time)
      assert.equal(readTimestamp(stored), time)
      writeInvertedTimestamp(stored, 3, time)
      assert.equal(readInvertedTimestamp(stored, 3), time)
    }),
  )
})

test('bytes that end before the eighth are refused', () => {
  for (const [size, at] of [
    [7, 0],
    [4, 0],
    [0, 0],
    [10, 3],
  ] as const) {
    assert.throws(() => readFlipped(Buffer.alloc(size), at, 0, 0), RangeError)
  }
})
