import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { KVError } from '../../../src/base/errors.js'
import { Scratch } from '../../../src/leaf/scratch.js'
import {
  checkCrc,
  CHUNK_SIZE,
  encodeSealedRow,
  SealedHead,
  WHOLE_ROW_SIZE,
} from '../../../src/leaf/sealed-row.js'
import type { Cell } from '../../../src/model/row.js'

const NOW = 1_700_000_000
const OPTIONS = { withTimestamps: true, withTtl: true, nowSeconds: NOW }

function cells(): fc.Arbitrary<Cell[]> {
  const size = fc.oneof(
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 0, max: 40 }),
    fc.constantFrom(CHUNK_SIZE, CHUNK_SIZE + 1, WHOLE_ROW_SIZE, WHOLE_ROW_SIZE + 1, 70_000),
  )
  const cell = fc.record(
    {
      localKey: fc.uint8Array({ maxLength: 4 }).map((array) => Buffer.from(array)),
      value: fc
        .tuple(size, fc.integer({ min: 0, max: 255 }))
        .map(([bytes, fill]) => Buffer.alloc(bytes, fill)),
      timestamp: fc.option(fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n })),
      ttlSeconds: fc.option(fc.integer({ min: 1, max: 1_000 })),
    },
    { noNullPrototype: true },
  )
  const byKey = (a: Cell, b: Cell) => Buffer.compare(a.localKey, b.localKey)
  const selector = (one: Cell) => one.localKey.toString('hex')
  return fc.uniqueArray(cell, { minLength: 1, maxLength: 12, selector }).map((list) => list.sort(byKey))
}

function encode(row: readonly Cell[]): { head: Buffer; chunks: readonly Buffer[] } {
  const { head, chunks } = encodeSealedRow(row, { nowSeconds: NOW, chunkSize: CHUNK_SIZE }, new Scratch())
  return { head: Buffer.from(head), chunks }
}

test('a row comes back from its head and the chunks that were named, and any selection of it', () => {
  fc.assert(
    fc.property(cells(), fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), (row, picks) => {
      const stored = encode(row)
      const head = new SealedHead(stored.head)
      const picked = row.filter((_, i) => picks[i])
      const absent = Buffer.from('absent')
      const localKeys = [...picked.map(({ localKey }) => localKey), absent].sort((a, b) =>
        Buffer.compare(a, b),
      )
      for (const [selector, expected] of [
        [null, row],
        [{ localKeys }, picked],
      ] as const) {
        // prettier-ignore
        const chunks = new Map(head.chunksFor(selector).map((i) => [i, stored.chunks[i] ?? Buffer.alloc(0)]))
        const found = head.row(selector, OPTIONS, chunks)
        assert.deepEqual(found, expected.length === 0 ? null : { cells: expected, next: null })
      }
    }),
    { numRuns: 500 },
  )
})

test('small values stay in the head, and a selection names no chunk that it does not need', () => {
  const sizes = [100, 20_000, 100, 9_000, 9_000, 50]
  const row = sizes.map((size, i) => cell(`c${i}`, Buffer.alloc(size, i)))
  const { head, chunks } = encode(row)
  const decoded = new SealedHead(head)
  const chunksOf = (name: string) => decoded.chunksFor({ localKeys: [Buffer.from(name)] })
  assert.deepEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'c5'].map(chunksOf), [[], [0], [], [1], [2], []])
  assert.equal(chunks.length, 3)
  assert.ok(head.byteLength < CHUNK_SIZE)
})

test('a plain value costs 12 bytes more than itself', () => {
  const { head } = encode([cell('', Buffer.from('value'))])
  assert.equal(
    head.toString('hex'),
    '01' + '00' + '0001' + '0000' + '0005' + '76616c7565' + littleEndianCrc(head),
  )
  checkCrc(head, 'head')
})

test('expired cells are left out', () => {
  const head = new SealedHead(
    encode([{ ...cell('a', Buffer.alloc(1)), ttlSeconds: 5 }, cell('b', Buffer.alloc(2))]).head,
  )
  const names = (nowSeconds: number) =>
    head.row(null, { ...OPTIONS, nowSeconds })?.cells.map((c) => c.localKey.toString())
  assert.deepEqual([names(NOW + 4), names(NOW + 5)], [['a', 'b'], ['b']]) // prettier-ignore
})

test('a row that cannot be stored is refused', () => {
  const twice = [cell('a', Buffer.alloc(1)), cell('b', Buffer.alloc(1)), cell('a', Buffer.alloc(2))]
  for (const row of [
    [],
    twice,
    [cell('x'.repeat(65_536), Buffer.alloc(0))],
    [{ ...cell('a', Buffer.alloc(0)), timestamp: -(2n ** 63n) }],
  ]) {
    assert.throws(() => encode(row), { code: 'INVALID_ARGUMENT' })
  }
})

test('any changed byte of a head or a chunk is CORRUPT', () => {
  const { head, chunks } = encode([cell('a', Buffer.alloc(30_000, 1)), cell('b', Buffer.from('v'))])
  const whole = [...chunks, head]
  fc.assert(
    fc.property(fc.nat(1), fc.nat(30_000), fc.integer({ min: 1, max: 255 }), (which, at, change) => {
      const damaged = Buffer.from(whole[which] ?? head)
      const position = at % damaged.byteLength
      damaged[position] = (damaged[position] ?? 0) ^ change
      assert.throws(() => checkCrc(damaged, which === 1 ? 'head' : 'chunk'), { code: 'CORRUPT' })
    }),
  )
})

test('bytes with a right CRC and a wrong structure are an error, never a crash or a hang', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0, max: 15 }), (garbage, flags) => {
      const body = Buffer.concat([Buffer.from([1, flags]), garbage])
      const crc = Buffer.alloc(4)
      crc.writeUInt32LE(crc32(body))
      try {
        const head = new SealedHead(Buffer.concat([body, crc]))
        head.chunksFor(null)
        head.row(null, OPTIONS)
        head.row({ localKeys: [Buffer.from('a')] }, OPTIONS)
      } catch (error) {
        assert.ok(error instanceof KVError && error.code === 'CORRUPT', String(error))
      }
    }),
    { numRuns: 5_000 },
  )
})

test('a newer row format is refused by name', () => {
  const { head } = encode([cell('', Buffer.from('v'))])
  head[0] = 2
  head.writeUInt32LE(crc32(head.subarray(0, -4)), head.byteLength - 4)
  assert.throws(() => new SealedHead(head), { code: 'FAILED_PRECONDITION', message: /format 2/ })
})

function cell(localKey: string, value: Buffer): Cell {
  return { localKey: Buffer.from(localKey), value, timestamp: null, ttlSeconds: null }
}

function littleEndianCrc(head: Buffer): string {
  const crc = Buffer.alloc(4)
  crc.writeUInt32LE(crc32(head.subarray(0, -4)))
  return crc.toString('hex')
}
