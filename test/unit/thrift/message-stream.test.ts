import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { BinaryReader } from '../../../src/thrift/binary-reader.js'
import { BinaryScanner } from '../../../src/thrift/binary-scanner.js'
import { BinaryWriter } from '../../../src/thrift/binary-writer.js'
import { CompactReader } from '../../../src/thrift/compact-reader.js'
import { CompactScanner } from '../../../src/thrift/compact-scanner.js'
import { CompactWriter } from '../../../src/thrift/compact-writer.js'
import type { MessageScanner } from '../../../src/thrift/message-scanner.js'
import { MessageStream } from '../../../src/thrift/message-stream.js'
import { ThriftProtocolError, type MessageReader, type MessageWriter } from '../../../src/thrift/protocol.js'
import { field, i32, message, struct, T, text } from '../../support/frames.js'
import { anyEverything, loadEverything, type EverythingModule, type Fields } from './everything.js'

const MAX_BYTES = 1_000_000
const LIMITS = { maxMessageBytes: MAX_BYTES, maxDepth: 32 }

interface Protocol {
  readonly reader: MessageReader
  readonly writer: MessageWriter
  readonly makeScanner: () => MessageScanner
}

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

let everything: EverythingModule

before(async () => {
  everything = await loadEverything()
})

function encode({ writer }: Protocol, value: Fields, seqid = 1): Buffer {
  writer.clear()
  writer.writeMessageBegin('echo', 1, seqid)
  everything.writeEverything(writer, value)
  return Buffer.from(writer.view())
}

/** Whole messages, copied; and every one ends exactly where its reader ends. */
function messagesOf({ reader }: Protocol, stream: MessageStream, chunks: readonly Buffer[]): Buffer[] {
  const found: Buffer[] = []
  for (const chunk of chunks) {
    stream.append(chunk)
    while (stream.next()) {
      assert.equal(stream.failure, null)
      found.push(Buffer.from(stream.buffer.subarray(stream.start, stream.end)))
      reader.reset(stream.buffer, stream.start, stream.end)
      reader.readMessageBegin()
      everything.readEverything(reader)
      assert.equal(reader.remaining, 0)
    }
  }
  return found
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place))
}

for (const [name, protocol] of Object.entries(PROTOCOLS)) {
  const streamOf = (): MessageStream => new MessageStream(protocol.makeScanner())

  describe(`MessageStream of ${name} messages`, () => {
    test('finds the same messages however the bytes are cut, and holds nothing afterwards', () => {
      const values = fc.array(anyEverything(everything), { minLength: 1, maxLength: 5 })
      fc.assert(
        fc.property(values, fc.array(fc.nat(9_000), { maxLength: 40 }), (some, cuts) => {
          const expected = some.map((value, index) => encode(protocol, value, index * 1_000))
          const stream = streamOf()
          assert.deepEqual(messagesOf(protocol, stream, split(Buffer.concat(expected), cuts)), expected)
          assert.deepEqual([stream.heldBytes, stream.isInsideMessage, stream.buffer.length], [0, false, 0])
        }),
        { numRuns: 60 },
      )
    })

    test('finds a large message that comes byte by byte', () => {
      const keys = Array.from({ length: 1_000 }, (_, index) => Buffer.from(`key ${index}`))
      const words = new Set(Array.from({ length: 300 }, (_, index) => `${index}`))
      const large = encode(protocol, everything.makeEverything({ keys, words, bytes: Buffer.alloc(30_000) }))
      const chunks = Array.from(Buffer.concat([large, large]), (byte) => Buffer.of(byte))
      assert.deepEqual(messagesOf(protocol, streamOf(), chunks), [large, large])
    })

    test('looks at no more than a few bytes of each chunk again, however small the chunks are', () => {
      let looks = 0
      const bytes = encode(protocol, everything.makeEverything({ keys: Array.from({ length: 500 }, () => Buffer.alloc(40, 7)) })) // prettier-ignore
      const scanner = protocol.makeScanner()
      scanner.begin()
      for (let end = 1; end <= bytes.length; end++) {
        const counted = new Proxy(bytes, {
          get: (target, key) => {
            if (typeof key === 'string' && /^\d+$|^read/.test(key)) looks++
            const value: unknown = Reflect.get(target, key, target)
            return typeof value === 'function' ? (value.bind(target) as unknown) : value
          },
        })
        assert.equal(scanner.scan(counted, 0, end), end === bytes.length)
      }
      assert.ok(looks < bytes.length, `${looks} looks at ${bytes.length} bytes`)
    })

    test('hands out a message of one chunk without a copy, and leaves what was handed out alone', () => {
      const value = everything.makeEverything({ bytes: Buffer.alloc(100, 'x') })
      const bytes = encode(protocol, value)
      const stream = streamOf()
      stream.append(bytes)
      assert.ok(stream.next())
      assert.equal(stream.buffer, bytes)
      stream.next()
      stream.append(bytes.subarray(0, 50))
      assert.equal(stream.next(), false)
      stream.append(bytes.subarray(50))
      assert.ok(stream.next())
      const first = stream.buffer.subarray(stream.start, stream.end)
      for (const part of [bytes.subarray(0, 60), bytes.subarray(60)]) {
        stream.append(Buffer.from(part).fill(0, 60))
        stream.next()
      }
      assert.deepEqual(first, bytes)
    })

    test('holds memory for bytes that came, not for bytes that were announced', () => {
      const bytes = encode(protocol, everything.makeEverything({ bytes: Buffer.alloc(900_000) }))
      const stream = streamOf()
      stream.append(bytes.subarray(0, 1_000))
      assert.equal(stream.next(), false)
      assert.ok(stream.heldBytes <= 2_000, `${stream.heldBytes} bytes are held`)
      stream.append(bytes.subarray(1_000, 200_000))
      assert.equal(stream.next(), false)
      assert.ok(stream.heldBytes <= 400_000, `${stream.heldBytes} bytes are held`)
      assert.equal(stream.isInsideMessage, true)
      stream.clear()
      assert.equal(stream.heldBytes, 0)
    })

    test('refuses a message over the limit as soon as it is announced, and takes one just below', () => {
      const most = encode(protocol, everything.makeEverything({ bytes: Buffer.alloc(MAX_BYTES - 500) }))
      const fits = Buffer.alloc(MAX_BYTES - 500 + (MAX_BYTES - most.length))
      const largest = encode(protocol, everything.makeEverything({ bytes: fits }))
      assert.equal(largest.length, MAX_BYTES)
      assert.deepEqual(messagesOf(protocol, streamOf(), [largest]), [largest])
      const stream = streamOf()
      stream.append(
        encode(protocol, everything.makeEverything({ bytes: Buffer.alloc(MAX_BYTES) })).subarray(0, 100),
      )
      assert.ok(stream.next())
      assert.equal(stream.failure?.reason, 'frame-too-large')
    })

    test('refuses a message that goes on and on in small pieces when it passes the limit', () => {
      const header = encode(protocol, everything.makeEverything())
      const content = Buffer.alloc(1_000, 'x')
      const fields =
        name === 'binary'
          ? field(T.STRING, 7, text(content))
          : Buffer.concat([Buffer.of(0x08, 14, 0xe8, 0x07), content])
      const stream = streamOf()
      stream.append(header.subarray(0, -1))
      let sent = header.length
      while (!stream.next()) {
        stream.append(fields)
        sent += fields.length
        assert.ok(sent < MAX_BYTES * 2)
      }
      assert.equal(stream.failure?.reason, 'frame-too-large')
      assert.ok(sent > MAX_BYTES - 10_000)
    })

    test('a fault behind the header is found with the header, one in it is thrown', () => {
      const bytes = encode(protocol, everything.makeEverything(), 77)
      for (const cuts of [[], [3], [bytes.length - 1]]) {
        const stream = streamOf()
        let isFound = false
        // No protocol has the types 15 and 255.
        for (const chunk of split(Buffer.concat([bytes.subarray(0, -1), Buffer.alloc(8, 0xff)]), cuts)) {
          stream.append(chunk)
          isFound = stream.next()
        }
        assert.ok(isFound)
        assert.equal(stream.failure?.reason, 'bad-type')
        protocol.reader.reset(stream.buffer, stream.start, stream.end)
        protocol.reader.readMessageBegin()
        assert.equal(protocol.reader.seqid, 77)
      }
      const stream = streamOf()
      stream.append(Buffer.alloc(8, 0xff))
      assert.throws(() => stream.next(), ThriftProtocolError)
    })

    test('structs and containers that nest too deeply are refused before they have come whole', () => {
      const header = encode(protocol, everything.makeEverything()).subarray(0, -1)
      const nest = name === 'binary' ? Buffer.of(T.STRUCT, 0, 99) : Buffer.of(0x1c)
      const stream = streamOf()
      stream.append(Buffer.concat([header, Buffer.alloc(nest.length * 40, nest)]))
      assert.ok(stream.next())
      assert.equal(stream.failure?.reason, 'too-deep')
    })
  })
}

describe('MessageStream of binary messages without a version', () => {
  test('finds them beside those with one', () => {
    const old = Buffer.concat([text('get'), Buffer.of(1), i32(1), struct(field(T.I32, 1, i32(5)))])
    const strict = message('get', struct())
    const bytes = Buffer.concat([old, strict, old])
    for (const chunks of [[bytes], Array.from(bytes, (byte) => Buffer.of(byte))]) {
      const stream = new MessageStream(new BinaryScanner(LIMITS))
      const found: Buffer[] = []
      for (const chunk of chunks) {
        stream.append(chunk)
        while (stream.next()) found.push(Buffer.from(stream.buffer.subarray(stream.start, stream.end)))
      }
      assert.deepEqual(found, [old, strict, old])
    }
  })
})

describe('a message of the other protocol in mid-stream', () => {
  const compact = Buffer.of(0x82, 0x21, 0x01, 0x03, 0x67, 0x65, 0x74, 0x00)
  const binary = message('get', struct())
  test('is named in the refusal', () => {
    const refused = (protocol: Protocol, first: Buffer, then: Buffer, what: RegExp): void => {
      const stream = new MessageStream(protocol.makeScanner())
      stream.append(Buffer.concat([first, then]))
      assert.ok(stream.next())
      assert.throws(() => stream.next(), what)
      protocol.reader.reset(then, 0, then.length)
      assert.throws(() => protocol.reader.readMessageBegin(), what)
    }
    refused(PROTOCOLS.binary, binary, compact, /compact message on a connection that began with binary/)
    refused(PROTOCOLS.compact, compact, binary, /binary message on a connection that began with compact/)
  })
})
