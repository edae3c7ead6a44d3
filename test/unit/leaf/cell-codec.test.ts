import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  cellSize,
  isNewer,
  payloadStart,
  readTimestamp,
  TOMBSTONE_SIZE,
  ttlLeft,
  writeCell,
  writeStamp,
  writeTombstone,
} from '../../../src/leaf/cell-codec.js'

const NOW = 1_700_000_000

interface Fields {
  readonly timestamp: bigint
  /** Null: a tombstone. */
  readonly value: Buffer | null
  readonly ttlSeconds: number | null
  readonly atSeconds: number
}

function fields(): fc.Arbitrary<Fields> {
  const near = fc.bigInt({ min: -2n, max: 2n })
  return fc.record({
    timestamp: fc.oneof(near, near, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    value: fc.option(fc.uint8Array({ maxLength: 3 }).map((array) => Buffer.from(array))),
    ttlSeconds: fc.option(fc.integer({ min: 1, max: 3 })),
    atSeconds: fc.integer({ min: NOW, max: NOW + 2 }),
  })
}

function encode({ timestamp, value, ttlSeconds, atSeconds }: Fields): Buffer {
  const size = value === null ? TOMBSTONE_SIZE : cellSize(value.byteLength, ttlSeconds !== null)
  const cell = Buffer.alloc(size)
  const end =
    value === null
      ? writeTombstone(cell, 0, timestamp, atSeconds)
      : writeCell(cell, 0, { timestamp, ttlSeconds, value }, atSeconds)
  assert.equal(end, size)
  return cell
}

/** The conflict rule of kvstore.thrift as comparisons. */
function compareByRule(a: Fields, b: Fields): number {
  const rank = ({ value, ttlSeconds }: Fields) => (value === null ? 2 : ttlSeconds === null ? 0 : 1)
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1
  if (rank(a) !== rank(b)) return rank(a) - rank(b)
  const diesAt = (f: Fields) => (rank(f) === 0 ? 0 : f.atSeconds + (rank(f) === 1 ? (f.ttlSeconds ?? 0) : 0))
  if (diesAt(a) !== diesAt(b)) return diesAt(a) - diesAt(b)
  if (rank(a) === 1 && a.ttlSeconds !== b.ttlSeconds) return (a.ttlSeconds ?? 0) - (b.ttlSeconds ?? 0)
  return Buffer.compare(a.value ?? Buffer.alloc(0), b.value ?? Buffer.alloc(0))
}

test('the order of stored cells is the conflict rule', () => {
  fc.assert(
    fc.property(fields(), fields(), (a, b) => {
      assert.equal(Math.sign(Buffer.compare(encode(a), encode(b))), Math.sign(compareByRule(a, b)))
    }),
    { numRuns: 20_000 },
  )
})

test('timestamps, values and what is left of a TTL come back', () => {
  fc.assert(
    fc.property(fields(), (cell) => {
      const stored = encode(cell)
      assert.equal(readTimestamp(stored), cell.timestamp)
      const start = payloadStart(stored, cell.atSeconds)
      if (cell.value === null) assert.equal(start, -1)
      else assert.deepEqual(stored.subarray(start), cell.value)
      if (cell.value !== null) assert.equal(ttlLeft(stored, cell.atSeconds), cell.ttlSeconds)
    }),
  )
})

test('a cell is dead from the second in which it expires', () => {
  const stored = encode({ timestamp: 1n, value: Buffer.from('v'), ttlSeconds: 3, atSeconds: NOW })
  assert.notEqual(payloadStart(stored, NOW + 2), -1)
  assert.equal(payloadStart(stored, NOW + 3), -1)
})

test('only a later timestamp outlives the row tombstone', () => {
  const at = (timestamp: bigint) =>
    encode({ timestamp, value: Buffer.from('v'), ttlSeconds: null, atSeconds: NOW })
  const tombstone = encode({ timestamp: -3n, value: null, ttlSeconds: null, atSeconds: NOW })
  assert.deepEqual([-4n, -3n, -2n].map((timestamp) => isNewer(at(timestamp), tombstone)), [false, false, true]) // prettier-ignore
})

test('a stamp is written as the same number given as a timestamp', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (stamp) => {
      const stored = Buffer.alloc(8)
      writeStamp(stored, 0, stamp)
      assert.equal(readTimestamp(stored), BigInt(stamp))
    }),
  )
})

test('an impossible TTL is refused and an unknown kind is CORRUPT', () => {
  for (const ttlSeconds of [0, -1, 1.5, 2 ** 32 - NOW, Number.NaN]) {
    const bad = { timestamp: 1n, value: Buffer.alloc(0), ttlSeconds, atSeconds: NOW }
    assert.throws(() => encode(bad), { code: 'INVALID_ARGUMENT' }, String(ttlSeconds))
  }
  for (const hex of ['', '80', '800000000000000103', '8000000000000001016553f100', '800000000000000102']) {
    assert.throws(() => payloadStart(Buffer.from(hex, 'hex'), NOW), { code: 'CORRUPT' }, hex)
  }
})
