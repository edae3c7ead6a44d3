/**
 * Decoders against bytes that nobody would send: every outcome but a value or a ThriftProtocolError is a fault. Short
 * unless GODWIT_FUZZ_RUNS says otherwise; fast-check prints the seed of a failure.
 */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { BinaryReader } from '../../../src/thrift/binary-reader.js'
import { BinaryScanner } from '../../../src/thrift/binary-scanner.js'
import { BinaryWriter } from '../../../src/thrift/binary-writer.js'
import { CompactReader } from '../../../src/thrift/compact-reader.js'
import { CompactScanner } from '../../../src/thrift/compact-scanner.js'
import { CompactWriter } from '../../../src/thrift/compact-writer.js'
import * as kvstore from '../../../src/thrift/generated/kvstore.js'
import type { MessageScanner } from '../../../src/thrift/message-scanner.js'
import { MessageStream } from '../../../src/thrift/message-stream.js'
import {
  ThriftProtocolError,
  ThriftType,
  type MessageReader,
  type MessageWriter,
  type ThriftReader,
} from '../../../src/thrift/protocol.js'
import { anyEverything, loadEverything, type EverythingModule } from './everything.js'

const RUNS = Number(process.env['GODWIT_FUZZ_RUNS'] ?? 300)

/** As found: making a large value smaller takes longer than a reader of the seed needs. */
const FUZZ = { numRuns: RUNS, endOnFailure: true }

let everything: EverythingModule

before(async () => {
  everything = await loadEverything()
})

interface Protocol {
  /** One for all bytes, as a server has it. */
  readonly reader: MessageReader
  readonly writer: MessageWriter
  readonly makeScanner: () => MessageScanner
}

const LIMITS = { maxMessageBytes: 1_000_000, maxDepth: 32 }
const PROTOCOLS: Readonly<Record<'binary' | 'compact', Protocol>> = {
  binary: {
    reader: new BinaryReader(),
    writer: new BinaryWriter(),
    makeScanner: () => new BinaryScanner(LIMITS),
  },
  compact: {
    reader: new CompactReader(),
    writer: new CompactWriter(),
    makeScanner: () => new CompactScanner(LIMITS),
  },
}

/** Where a read ended, or why it was refused. */
type Outcome = number | ThriftProtocolError

/** Reads to the end, to nowhere, or refuses. */
function attempt(input: MessageReader, bytes: Buffer, read: (input: ThriftReader) => unknown): Outcome {
  input.reset(bytes, 0, bytes.length)
  let outcome: Outcome
  try {
    read(input)
    outcome = bytes.length - input.remaining
  } catch (error) {
    if (!(error instanceof ThriftProtocolError)) throw error
    outcome = error
  }
  assert.ok(input.remaining >= 0, 'the reader went beyond the end')
  return outcome
}

function attemptAll(protocol: Protocol, bytes: Buffer): void {
  const input = protocol.reader
  attempt(input, bytes, (reader) => everything.readEverything(reader))
  for (const method of Object.values(kvstore.KVStoreMethods)) {
    attempt(input, bytes, (reader) => method.readArgs(reader))
    attempt(input, bytes, (reader) => method.readResult(reader))
  }
  attempt(input, bytes, () => input.readMessageBegin())
  attemptStream(protocol, bytes)
}

/** What a reader can pass over, a stream finds, with the same end; and what it refuses, a stream does not find. */
function attemptStream(protocol: Protocol, bytes: Buffer): void {
  const { reader, makeScanner } = protocol
  const skipped = attempt(reader, bytes, (input) => {
    reader.readMessageBegin()
    input.skip(ThriftType.STRUCT)
  })
  const found = findMessage(new MessageStream(makeScanner()), bytes)
  if (typeof skipped === 'number') assert.equal(found, skipped)
  // Where fields end does not depend on their ids, so that only the reader looks at those.
  else if (!/a field has the id|more than 16 bits/.test(skipped.message)) assert.equal(found, null)
}

function findMessage(stream: MessageStream, bytes: Buffer): number | null {
  const cut = bytes.length >> 1
  try {
    for (const chunk of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      stream.append(chunk)
      if (stream.next()) return stream.failure === null ? stream.end - stream.start : null
    }
  } catch (error) {
    if (!(error instanceof ThriftProtocolError)) throw error
  }
  return null
}

/** Bytes of types, small ids and small counts, which get further into a decoder than noise does. */
const likely = fc.constantFrom(0, 1, 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15, 16, 255)
/** The same for compact: header bytes of fields with the next id, and of short lists. */
const likelyCompact = fc.constantFrom(0, 1, 0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x28, 0x8c, 0x80, 0x0f, 0xff) // prettier-ignore
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.array(likely, { maxLength: 400 }).map((list) => Uint8Array.from(list)),
  fc.array(likelyCompact, { maxLength: 400 }).map((list) => Uint8Array.from(list)),
)
const anyByte = fc.oneof(likely, likelyCompact, fc.nat(255))
const mutations = fc.array(fc.tuple(fc.nat(), anyByte), { minLength: 1, maxLength: 6 })

describe('decoders', () => {
  for (const [name, protocol] of Object.entries(PROTOCOLS)) {
    const { reader, writer } = protocol
    writer.writeMessageBegin('get', 1, 1)
    const header = Buffer.from(writer.view())

    test(`random bytes are read or refused as ${name}`, () => {
      fc.assert(
        fc.property(anyBytes, (bytes) => {
          attemptAll(protocol, Buffer.from(bytes))
          attemptStream(protocol, Buffer.concat([header, bytes]))
        }),
        FUZZ,
      )
    })

    test(`valid ${name} messages with some bytes changed are read or refused`, () => {
      fc.assert(
        fc.property(anyEverything(everything), mutations, (value, changes) => {
          writer.clear()
          writer.writeMessageBegin('get', 1, 1)
          everything.writeEverything(writer, value)
          const message = Buffer.from(writer.view())
          for (const [position, byte] of changes) message[position % message.length] = byte
          attemptStream(protocol, message)
          const bytes = message.subarray(header.length)
          attempt(reader, bytes, (input) => everything.readEverything(input))
          attemptAll(protocol, bytes)
        }),
        FUZZ,
      )
    })
  }

  test('a large message of the cheapest elements is refused before it becomes many objects', () => {
    const count = 32 * 1024 * 1024
    // Field 0 is the answer, its field 1 the list of rows, each of which is an empty struct.
    const header = Buffer.of(12, 0, 0, 15, 0, 1, 12, count >> 24, count >> 16, count >> 8, count)
    const bytes = Buffer.concat([header, Buffer.alloc(count + 2)])
    const input = new BinaryReader()
    input.reset(bytes, 0, bytes.length)
    const heldBefore = process.memoryUsage().heapUsed
    assert.throws(
      () => kvstore.KVStoreMethods.multiGet.readResult(input),
      (error) => error instanceof ThriftProtocolError && error.reason === 'too-many-elements',
    )
    assert.ok(process.memoryUsage().heapUsed - heldBefore < 16 * 1024 * 1024)
  })

  test('a large compact message of the cheapest elements is refused before it becomes many objects', () => {
    const count = 32 * 1024 * 1024
    const header = Buffer.from('0c0019fc80808010', 'hex') // As above, in compact.
    const bytes = Buffer.concat([header, Buffer.alloc(count + 2)])
    const input = new CompactReader()
    input.reset(bytes, 0, bytes.length)
    const heldBefore = process.memoryUsage().heapUsed
    assert.throws(
      () => kvstore.KVStoreMethods.multiGet.readResult(input),
      (error) => error instanceof ThriftProtocolError && error.reason === 'too-many-elements',
    )
    assert.ok(process.memoryUsage().heapUsed - heldBefore < 16 * 1024 * 1024)
  })
})
