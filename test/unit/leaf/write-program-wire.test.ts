import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { KVError } from '../../../src/base/errors.js'
import {
  decodeProgram,
  decodeResult,
  encodeProgram,
  encodeResult,
} from '../../../src/leaf/rocksdb/write/program-wire.js'
import { WireOutput } from '../../../src/leaf/rocksdb/write/wire-bytes.js'
import {
  encodeWriteRecord,
  isForgotten,
  repeatedResult,
} from '../../../src/leaf/rocksdb/write/write-record.js'
import type { MutateResult } from '../../../src/model/request.js'
import { writeRequest } from '../../support/random-writes.js'

const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array))
const i64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n),
)

const request = fc.record({
  mutations: fc.constant([]),
  conditions: fc.constant([]),
  otherwise: fc.constant([]),
  returnOnConflict: fc.constant(undefined),
  returnAfter: fc.constant(undefined),
  idempotency: fc.constant(null),
})

const program = fc.tuple(request, writeRequest({ near: -5n })).map(([none, some]) => ({ ...none, ...some }))

const result: fc.Arbitrary<MutateResult> = fc.record({
  timestamp: fc.option(i64),
  isApplied: fc.boolean(),
  isRepeated: fc.boolean(),
  row: fc.option(
    fc.record({
      cells: fc.array(
        fc.record({
          localKey: bytes,
          value: bytes,
          timestamp: fc.option(i64),
          ttlSeconds: fc.option(fc.integer({ min: 1, max: 2 ** 32 - 1 })),
        }),
        { maxLength: 4 },
      ),
      next: fc.constant(null),
    }),
  ),
  counters: fc.array(fc.record({ localKey: bytes, value: i64 }), { maxLength: 3 }),
})

function encodedProgram(metaKey: Buffer, sent: Parameters<typeof encodeProgram>[2]): Buffer {
  const output = new WireOutput(16)
  encodeProgram(output, metaKey, sent)
  return Buffer.from(output.take())
}

function encodedResult(answered: MutateResult): Buffer {
  const output = new WireOutput(16)
  encodeResult(output, answered)
  return Buffer.from(output.take())
}

test('any program comes out of its bytes as it went in', () => {
  fc.assert(
    fc.property(bytes, program, (metaKey, sent) => {
      const encoded = encodedProgram(metaKey, sent)
      const padded = Buffer.concat([Buffer.alloc(3), encoded, Buffer.alloc(2)])
      assert.equal(text(decodeProgram(padded, 3, 3 + encoded.byteLength)), text({ metaKey, ...sent }))
    }),
  )
})

test('any result comes out of its bytes as it went in, and out of a record of the write', () => {
  const token = {
    generationTimeUs: 5n,
    nonce: Buffer.from('12345678'),
    index: 1,
    fingerprint: Buffer.alloc(16, 3),
  }
  fc.assert(
    fc.property(result, (answered) => {
      assert.equal(text(decodeResult(encodedResult(answered))), text(answered))
      const record = encodeWriteRecord(token, answered, 1_000)
      assert.equal(text(repeatedResult(record, token, 1_419)), text({ ...answered, isRepeated: true }))
      assert.equal(repeatedResult(record, token, 1_420), null)
      assert.deepEqual([999, 1_419, 1_420].map((second) => isForgotten(record, second)), [false, false, true]) // prettier-ignore
    }),
  )
})

test('damaged bytes are refused or are another program or result, and nothing large is allocated for them', () => {
  const damages = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(program, result, damages, fc.nat(), (sent, answered, changes, end) => {
      for (const encoded of [encodedProgram(Buffer.from('row'), sent), encodedResult(answered)]) {
        const cut = encoded.subarray(0, end % encoded.byteLength)
        for (const [at, byte] of changes) encoded[at % encoded.byteLength] = byte
        for (const damaged of [cut, encoded]) {
          tolerant(() => decodeProgram(damaged, 0, damaged.byteLength))
          tolerant(() => decodeResult(damaged))
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('a damaged record of a write is CORRUPT', () => {
  const token = { generationTimeUs: 5n, nonce: Buffer.alloc(8), index: 1, fingerprint: Buffer.alloc(0) }
  for (const hex of ['', '02', '01000003e8', `01${'00'.repeat(16)}`]) {
    assert.throws(() => repeatedResult(Buffer.from(hex, 'hex'), token, 0), { code: 'CORRUPT' }, hex)
  }
})

/** Records of fast-check have another prototype, which is nothing that a message carries. */
function text(value: unknown): string {
  return JSON.stringify(sorted(value), (_key, item: unknown) =>
    typeof item === 'bigint' ? `${item}n` : item === undefined ? 'undefined' : item,
  )
}

function sorted(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex')
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, item]) => [key, sorted(item)] as const)
  return entries.sort(([a], [b]) => (a < b ? -1 : 1))
}

function tolerant(decode: () => unknown): void {
  try {
    decode()
  } catch (error) {
    assert.ok(error instanceof RangeError || (error instanceof KVError && error.code === 'INTERNAL'))
  }
}
