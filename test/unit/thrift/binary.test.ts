import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  readApplicationException,
  writeApplicationException,
} from '../../../src/thrift/application-exception.js'
import { BinaryReader } from '../../../src/thrift/binary-reader.js'
import { BinaryWriter } from '../../../src/thrift/binary-writer.js'
import { ThriftProtocolError } from '../../../src/thrift/protocol.js'
import { i32, message, struct, text } from '../../support/frames.js'

function readerOn(bytes: Buffer): BinaryReader {
  const input = new BinaryReader()
  input.reset(bytes, 0, bytes.length)
  return input
}

describe('BinaryReader', () => {
  test('reads a strict message header', () => {
    const input = readerOn(message('multiGet', struct(), 4, -7))
    input.readMessageBegin()
    const { messageName, messageType, seqid, remaining } = input
    assert.deepEqual({ messageName, messageType, seqid, remaining }, { messageName: 'multiGet', messageType: 4, seqid: -7, remaining: 1 }) // prettier-ignore
  })

  test('reads a message header of the old kind, without a version', () => {
    const input = readerOn(Buffer.concat([text('get'), Buffer.of(1), i32(5)]))
    input.readMessageBegin()
    const { messageName, messageType, seqid } = input
    assert.deepEqual({ messageName, messageType, seqid }, { messageName: 'get', messageType: 1, seqid: 5 })
  })

  test('refuses another version, a name that is too long, and a header that is cut', () => {
    const refused = (bytes: Buffer, reason: string): void => {
      assert.throws(
        () => readerOn(bytes).readMessageBegin(),
        (error) => error instanceof ThriftProtocolError && error.reason === reason,
      )
    }
    refused(Buffer.of(0x80, 0x02, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0), 'bad-version')
    refused(message('x'.repeat(1_025), struct()), 'bad-message')
    refused(Buffer.concat([text('x'.repeat(1_025)), Buffer.alloc(9)]), 'bad-message')
    const whole = message('get', Buffer.alloc(0))
    for (let size = 0; size < whole.length - 1; size++) {
      assert.throws(() => readerOn(whole.subarray(0, size)).readMessageBegin(), ThriftProtocolError)
    }
  })

  test('strings that look alike are not confused, whatever was read before', () => {
    // Strings of one shape share a slot of the reader's memory: first, middle and last byte and size are equal here.
    const input = new BinaryReader()
    const read = (bytes: Buffer): string => {
      const sized = text(bytes)
      input.reset(sized, 0, sized.length)
      return input.readString()
    }
    const alike = ['abcde', 'axcye', 'abcde', 'aécxe', 'a\u00e9ce', 'abcde']
    for (const each of alike) assert.equal(read(Buffer.from(each)), each)
    const anyBytes = fc.array(fc.constantFrom(0x61, 0x62, 0xc3, 0xa9, 0xff, 0xef, 0xbf, 0xbd, 0x7f), {
      maxLength: 6,
    })
    fc.assert(
      fc.property(anyBytes, (list) => {
        const bytes = Buffer.from(list)
        assert.equal(read(bytes), bytes.toString('utf8'))
      }),
      { numRuns: 2_000 },
    )
  })

  test('bytes that are not UTF-8 become replacement characters in a string', () => {
    assert.equal(readerOn(text(Buffer.from([0x61, 0xff, 0xc3]))).readString(), 'a\ufffd\ufffd')
  })

  test('a view in the middle of a larger buffer reads as a buffer of its own', () => {
    const bytes = Buffer.concat([Buffer.alloc(13), text('key'), Buffer.alloc(5)]).subarray(3, 17)
    const input = new BinaryReader()
    input.reset(bytes, 10, 14)
    assert.throws(() => input.readBinary(), ThriftProtocolError, 'the end is respected')
    const whole = Buffer.concat([Buffer.alloc(7), text('key')]).subarray(5)
    input.reset(whole, 2, whole.length)
    assert.deepEqual(input.readBinary(), Buffer.from('key'))
  })
})

describe('BinaryWriter', () => {
  test('grows as needed and keeps what it holds', () => {
    const output = new BinaryWriter(8)
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 2_000 }), fc.string())),
        (texts) => {
          output.clear()
          for (const each of texts) output.writeString(each)
          assert.deepEqual(output.view(), Buffer.concat(texts.map(text)))
        },
      ),
    )
  })

  test('lone surrogates become replacement characters', () => {
    const output = new BinaryWriter()
    for (const each of ['\ud800', 'x'.repeat(30) + '\udc00']) output.writeString(each)
    assert.deepEqual(output.view(), Buffer.concat([text('\ufffd'), text('x'.repeat(30) + '\ufffd')]))
  })

  test('a frame carries its size, and a frame that is rolled back leaves those before it', () => {
    const output = new BinaryWriter(4)
    for (const size of [3, 50]) {
      output.beginFrame(100)
      output.writeBinary(Buffer.alloc(size))
      output.endFrame()
    }
    output.beginFrame(100)
    output.writeBinary(Buffer.alloc(20))
    output.rollbackFrame()
    const frames = [3, 50].map((size) => Buffer.concat([i32(size + 4), i32(size), Buffer.alloc(size)]))
    assert.deepEqual(output.view(), Buffer.concat(frames))
  })

  test('a frame over its limit is refused, before or after the buffer grows', () => {
    for (const initialSize of [16, 4_096]) {
      const output = new BinaryWriter(initialSize)
      output.beginFrame(100)
      assert.throws(() => {
        output.writeBinary(Buffer.alloc(97))
        output.endFrame()
      }, ThriftProtocolError)
      output.rollbackFrame()
      output.beginFrame(100)
      output.writeBinary(Buffer.alloc(96))
      output.endFrame()
      assert.equal(output.size, 104)
    }
  })

  test('bytes that were taken are not written to again', () => {
    const output = new BinaryWriter()
    output.writeString('first')
    const taken = output.take()
    output.writeString('other')
    assert.deepEqual([taken, output.view()], [text('first'), text('other')])
  })
})

test('an application exception reads back, and unknown fields in it are passed over', () => {
  const output = new BinaryWriter()
  writeApplicationException(output, { type: 6, message: 'ü' })
  assert.deepEqual(readApplicationException(readerOn(output.view())), { type: 6, message: 'ü' })
  const foreign = struct(Buffer.concat([Buffer.of(8, 0, 9), i32(1)]))
  assert.deepEqual(readApplicationException(readerOn(foreign)), { type: 0, message: '' })
})
