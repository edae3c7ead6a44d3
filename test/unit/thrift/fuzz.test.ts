/**
 * Decoders against bytes that nobody would send: every outcome but a value or a ThriftProtocolError is a fault. Short
 * unless GODWIT_FUZZ_RUNS says otherwise; fast-check prints the seed of a failure.
 */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { BinaryReader } from '../../../src/thrift/binary-reader.js'
import { BinaryWriter } from '../../../src/thrift/binary-writer.js'
import * as kvstore from '../../../src/thrift/generated/kvstore.js'
import { ThriftProtocolError, type ThriftReader } from '../../../src/thrift/protocol.js'
import { anyEverything, loadEverything, type EverythingModule } from './everything.js'

const RUNS = Number(process.env['GODWIT_FUZZ_RUNS'] ?? 300)

let everything: EverythingModule

before(async () => {
  everything = await loadEverything()
})

/** Reads to the end, to nowhere, or refuses; on one reader, as a server does. */
const input = new BinaryReader()
function attempt(bytes: Buffer, read: (input: ThriftReader) => unknown): void {
  input.reset(bytes, 0, bytes.length)
  try {
    read(input)
  } catch (error) {
    if (!(error instanceof ThriftProtocolError)) throw error
  }
  assert.ok(input.remaining >= 0, 'the reader went beyond the end')
}

function attemptAll(bytes: Buffer): void {
  attempt(bytes, (reader) => everything.readEverything(reader))
  for (const method of Object.values(kvstore.KVStoreMethods)) {
    attempt(bytes, (reader) => method.readArgs(reader))
    attempt(bytes, (reader) => method.readResult(reader))
  }
  attempt(bytes, () => input.readMessageBegin())
}

/** Bytes of types, small ids and small counts, which get further into a decoder than noise does. */
const likely = fc.constantFrom(0, 1, 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15, 16, 255)
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.array(likely, { maxLength: 400 }).map((list) => Uint8Array.from(list)),
)
const mutations = fc.array(fc.tuple(fc.nat(), fc.oneof(likely, fc.nat(255))), { minLength: 1, maxLength: 6 })

describe('decoders', () => {
  test('random bytes are read or refused', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => attemptAll(Buffer.from(bytes))),
      { numRuns: RUNS },
    )
  })

  test('valid messages with some bytes changed are read or refused', () => {
    fc.assert(
      fc.property(anyEverything(everything), mutations, (value, changes) => {
        const output = new BinaryWriter()
        everything.writeEverything(output, value)
        const bytes = output.take()
        for (const [position, byte] of changes) bytes[position % bytes.length] = byte
        attempt(bytes, (reader) => everything.readEverything(reader))
        attemptAll(bytes)
      }),
      { numRuns: RUNS },
    )
  })

  test('a large message of the cheapest elements is refused before it becomes many objects', () => {
    const count = 32 * 1024 * 1024
    // Field 0 is the answer, its field 1 the list of rows, each of which is an empty struct.
    const header = Buffer.of(12, 0, 0, 15, 0, 1, 12, count >> 24, count >> 16, count >> 8, count)
    const bytes = Buffer.concat([header, Buffer.alloc(count + 2)])
    input.reset(bytes, 0, bytes.length)
    const heldBefore = process.memoryUsage().heapUsed
    assert.throws(
      () => kvstore.KVStoreMethods.multiGet.readResult(input),
      (error) => error instanceof ThriftProtocolError && error.reason === 'too-many-elements',
    )
    assert.ok(process.memoryUsage().heapUsed - heldBefore < 16 * 1024 * 1024)
  })
})
