/** MurmurHash3_x86_32 as published; the vectors with seeds other than the canary's are those of its reference tests. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bucketOf, seededHash } from '../../../src/base/seeded-hash.js'

/** Text or bytes, seed, hash. */
const PUBLISHED: readonly (readonly [bytes: Buffer, seed: number, hash: number])[] = [
  [Buffer.alloc(0), 0, 0],
  [Buffer.alloc(0), 1, 0x514e28b7],
  [Buffer.alloc(0), 0xffffffff, 0x81f16f39],
  [Buffer.from('ffffffff', 'hex'), 0, 0x76293b50],
  [Buffer.from('21436587', 'hex'), 0, 0xf55b516b],
  [Buffer.from('21436587', 'hex'), 0x5082edee, 0x2362f9de],
  [Buffer.from('214365', 'hex'), 0, 0x7e4a8634],
  [Buffer.from('2143', 'hex'), 0, 0xa0f7b07a],
  [Buffer.from('21', 'hex'), 0, 0x72661cf4],
  [Buffer.from('00000000', 'hex'), 0, 0x2362f9de],
  [Buffer.from('Hello, world!'), 0x9747b28c, 0x24884cba],
  [Buffer.from('The quick brown fox jumps over the lazy dog'), 0x9747b28c, 0x2fa826cd],
]

test('hashes are those of MurmurHash3_x86_32', () => {
  for (const [bytes, seed, hash] of PUBLISHED)
    assert.equal(seededHash(bytes, seed), hash, bytes.toString('hex'))
})

test('buckets are 0 to 9,999 and equally wide', () => {
  assert.equal(bucketOf(0), 0)
  assert.equal(bucketOf(0xffffffff), 9_999)
  const counts = new Array<number>(10).fill(0)
  for (let key = 0; key < 100_000; key++) {
    const tenth = Math.floor(bucketOf(seededHash(Buffer.from(`key-${key}`), 7)) / 1_000)
    counts[tenth] = (counts[tenth] ?? 0) + 1
  }
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 500, `${count} of 10,000 expected`)
})
