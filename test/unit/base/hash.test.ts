/** The token is Cassandra's; vectors computed with the C and the Python implementation of cassandra-driver 3.29 (PyPI). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { murmur3Token } from '../../../src/base/hash.js'

/** Key as hex, token. Also in docs/FORMATS.md. */
const VECTORS: readonly (readonly [hex: string, token: bigint])[] = [
  ['', 0n],
  ['00', 5048724184180415669n],
  ['80', -5284281814142962636n],
  ['313233', -7468325962851647638n],
  ['74657374', -6017608668500074083n],
  ['68656c6c6f', -3758069500696749310n],
  ['32363433373433', 4094169082545783873n],
  ['6772c3b6c39f65', -4714452854575106781n],
  ['ffffffffffffffffffffffffffffff', -2195530867418009455n],
  ['30313233343536373839616263646566', 5467490433528156583n],
  ['80808080808080808080808080808080', -3634615257541804556n],
  ['fefefefefefefefefefefefefefefefefe', -1672437813826982685n],
  ['000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e', 377690909827715220n],
  ['808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f', -61479015959055060n],
  [
    'a54dca182530bb1d6d132cded6237b2ed91e3f721fcb1971174494d6493c9d5c3460be31201e69fedaa0eee8b9997f',
    -7741045447301418282n,
  ],
]

test('tokens are those of Murmur3Partitioner', () => {
  for (const [hex, token] of VECTORS) assert.equal(tokenOf(Buffer.from(hex, 'hex')), token, hex)
})

test('the token of part of a buffer is that of the part', () => {
  const [hex, token] = VECTORS[14] ?? ['', 0n]
  const padded = Buffer.concat([Buffer.alloc(3, 0x5a), Buffer.from(hex, 'hex'), Buffer.alloc(9, 0xa5)])
  const { high, low } = murmur3Token(padded, 3, padded.byteLength - 9)
  assert.equal((BigInt(high) << 32n) | BigInt(low >>> 0), token)
})

test('tokens equal those of a plain 64-bit implementation', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (key) => {
      assert.equal(tokenOf(key), referenceToken(key))
    }),
    { numRuns: 2_000 },
  )
})

function tokenOf(key: Uint8Array): bigint {
  const { high, low } = murmur3Token(key)
  assert.ok(high === (high | 0) && low === (low | 0), 'halves are signed 32-bit numbers')
  return (BigInt(high) << 32n) | BigInt(low >>> 0)
}

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)
const rotate = (value: bigint, by: bigint): bigint => u64(value << by) | (value >> (64n - by))
const C1 = 0x87c37b91114253d5n
const C2 = 0x4cf5ad432745937fn

function mixed(k: bigint): bigint {
  let value = u64((k ^ (k >> 33n)) * 0xff51afd7ed558ccdn)
  value = u64((value ^ (value >> 33n)) * 0xc4ceb9fe1a85ec53n)
  return value ^ (value >> 33n)
}

/** The algorithm as its description reads, on bigints, one lane at a time. */
function referenceToken(key: Uint8Array): bigint {
  const lane = (from: number, to: number, isTail: boolean): bigint => {
    let value = 0n
    for (let i = from; i < to; i++) {
      const byte = isTail ? BigInt.asIntN(8, BigInt(key[i] ?? 0)) : BigInt(key[i] ?? 0)
      value ^= byte << BigInt(8 * (i - from))
    }
    return u64(value)
  }
  const k1 = (value: bigint) => u64(rotate(u64(value * C1), 31n) * C2)
  const k2 = (value: bigint) => u64(rotate(u64(value * C2), 33n) * C1)
  let h1 = 0n
  let h2 = 0n
  const bodyEnd = key.byteLength - (key.byteLength % 16)
  for (let i = 0; i < bodyEnd; i += 16) {
    h1 = u64((rotate(h1 ^ k1(lane(i, i + 8, false)), 27n) + h2) * 5n + 0x52dce729n)
    h2 = u64((rotate(h2 ^ k2(lane(i + 8, i + 16, false)), 31n) + h1) * 5n + 0x38495ab5n)
  }
  if (key.byteLength - bodyEnd > 8) h2 ^= k2(lane(bodyEnd + 8, key.byteLength, true))
  if (key.byteLength > bodyEnd) h1 ^= k1(lane(bodyEnd, Math.min(bodyEnd + 8, key.byteLength), true))
  h1 ^= BigInt(key.byteLength)
  h2 ^= BigInt(key.byteLength)
  h1 = u64(h1 + h2)
  h2 = u64(h2 + h1)
  const token = BigInt.asIntN(64, mixed(h1) + mixed(h2))
  return token === -(2n ** 63n) ? 2n ** 63n - 1n : token
}
