import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { limits } from '../../../src/base/limits.js'
import {
  FIRST_ROW_KEY,
  HISTORY_KINDS,
  boundKey,
  historyCellKey,
  historyCellOf,
  historyColumnKey,
  localKeyOfMutable,
  mutableCellKey,
  mutableMetaKey,
  mutableRowEnd,
  rangesKey,
  rowOfKey,
  sealedChunkKey,
  sealedHeadKey,
  splitRowKey,
  wholeRowEnd,
  writeRecordKey,
} from '../../../src/leaf/row-codec.js'
import { NO_TOKEN, type RowPosition, compareRows } from '../../../src/model/row-order.js'

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
  const version = historyCellKey(meta, Buffer.from('c'), 3n, HISTORY_KINDS.PUT).toString('hex')
  assert.equal(
    version,
    '7fffffff00000002' + '6100ff' + '0001' + '01' + '63' + '0001' + '7ffffffffffffffc' + '02',
  )
  assert.equal(sealedHeadKey('ORDERED', token, row).toString('hex'), '01' + '6100')
  assert.equal(sealedChunkKey('ORDERED', token, row, 3).toString('hex'), '02' + '0002' + '6100' + '00000003')
})

const timestamp = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const kind = fc.constantFrom(...Object.values(HISTORY_KINDS))
const half = fc.oneof(fc.constantFrom(0, 1, -1, -(2 ** 31), 2 ** 31 - 1), fc.integer())
const position: fc.Arbitrary<RowPosition> = fc.record({
  token: fc.record({ high: half, low: half }),
  rowKey: keyBytes(),
})

test('versions sort as local key, then newest first, then deletions before values, and come back out of their keys', () => {
  const version = fc.record({ localKey: keyBytes(), timestamp, kind })
  fc.assert(
    fc.property(keyBytes(), version, version, (row, a, b) => {
      const meta = mutableMetaKey('HASHED', NO_TOKEN, row)
      const [keyA, keyB] = [a, b].map((one) => historyCellKey(meta, one.localKey, one.timestamp, one.kind))
      const byTime = a.timestamp === b.timestamp ? a.kind - b.kind : a.timestamp > b.timestamp ? -1 : 1
      assert.equal(sign(keyA!.compare(keyB!)), sign(a.localKey.compare(b.localKey) || byTime))
      assert.deepEqual(historyCellOf(meta.byteLength, keyA!), { ...a })
      assert.ok(keyA!.subarray(0, keyA!.byteLength - 9).equals(historyColumnKey(meta, a.localKey)))
    }),
    { numRuns: 5_000 },
  )
})

test('all of a row lies between its meta key and its end: tombstone, ranges, cells, then write records', () => {
  fc.assert(
    fc.property(keyBytes(), keyBytes(), keyBytes(), (row, other, local) => {
      const meta = mutableMetaKey('ORDERED', NO_TOKEN, row)
      const keys = [
        meta,
        rangesKey(meta),
        historyCellKey(meta, local, 5n, HISTORY_KINDS.PUT),
        mutableRowEnd(meta),
        writeRecordKey(meta, 3, Buffer.alloc(8)),
        wholeRowEnd(meta),
      ]
      for (const [i, key] of keys.entries()) if (i > 0) assert.ok(keys[i - 1]!.compare(key) < 0)
      const parts = keys.slice(0, 5).map((key) => splitRowKey('ORDERED', key))
      const size = meta.byteLength
      assert.deepEqual(
        parts.map((part) => part?.part),
        ['META', 'META', 'CELL', 'UNKNOWN', 'WRITE_RECORD'],
      )
      for (const part of parts) assert.equal(part?.metaSize, size)
      if (row.equals(other)) return
      const otherMeta = mutableMetaKey('ORDERED', NO_TOKEN, other)
      assert.equal(otherMeta.compare(meta) < 0, wholeRowEnd(otherMeta).compare(meta) < 0)
    }),
    { numRuns: 2_000 },
  )
})

test('bounds keep the rows of their side, with and without the row at the bound', () => {
  const keyOrder = fc.constantFrom('HASHED' as const, 'ORDERED' as const)
  fc.assert(
    fc.property(keyOrder, position, position, fc.boolean(), keyBytes(), (order, a, b, isExclusive, local) => {
      const [bound, row] = [a, b].map((one) => (order === 'HASHED' ? one : { ...one, token: NO_TOKEN }))
      const key = mutableCellKey(mutableMetaKey(order, row!.token, row!.rowKey), local)
      const comparison = compareRows(row!, bound!)
      const lower = boundKey(order, { ...bound!, isExclusive }, true)
      assert.equal(key.compare(lower) >= 0, comparison > 0 || (comparison === 0 && !isExclusive))
      const upper = boundKey(order, { ...bound!, isExclusive }, false)
      assert.equal(key.compare(upper) < 0, comparison < 0 || (comparison === 0 && !isExclusive))
    }),
    { numRuns: 5_000 },
  )
})

test('token and row key come back out of physical keys, and the keys of the shard itself are no row', () => {
  fc.assert(
    fc.property(position, keyBytes(), ({ token, rowKey }, local) => {
      const meta = mutableMetaKey('HASHED', token, rowKey)
      assert.deepEqual(rowOfKey('HASHED', mutableCellKey(meta, local), meta.byteLength), {
        token: { ...token },
        rowKey,
      })
      assert.ok(meta.compare(FIRST_ROW_KEY) > 0)
      const ordered = mutableMetaKey('ORDERED', NO_TOKEN, rowKey)
      assert.deepEqual(rowOfKey('ORDERED', ordered, ordered.byteLength), { token: NO_TOKEN, rowKey })
      assert.ok(ordered.compare(FIRST_ROW_KEY) > 0)
    }),
    { numRuns: 2_000 },
  )
  for (const own of ['00', '0000']) assert.equal(splitRowKey('ORDERED', Buffer.from(own, 'hex')), null)
})

test('keys over their limits are refused', () => {
  const long = Buffer.alloc(limits.maxRowKeyBytes + 1)
  assert.throws(() => sealedHeadKey('HASHED', NO_TOKEN, long), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => mutableMetaKey('HASHED', NO_TOKEN, long), { code: 'INVALID_ARGUMENT' })
  const meta = mutableMetaKey('HASHED', NO_TOKEN, long.subarray(1))
  assert.throws(() => mutableCellKey(meta, long), { code: 'INVALID_ARGUMENT' })
  assert.ok(mutableCellKey(meta, long.subarray(1)).byteLength <= limits.maxPhysicalKeyBytes)
  assert.throws(() => historyCellKey(meta, long, 0n, HISTORY_KINDS.PUT), { code: 'INVALID_ARGUMENT' })
  // The longest of all: both keys of zeros, each of which takes two bytes.
  const longest = historyCellKey(meta, long.subarray(1), 0n, HISTORY_KINDS.PUT)
  assert.equal(longest.byteLength, limits.maxPhysicalKeyBytes)
})
