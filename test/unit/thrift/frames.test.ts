import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { FrameReader } from '../../../src/thrift/frames.js'
import { ThriftProtocolError } from '../../../src/thrift/protocol.js'
import { frame, i32 } from '../../support/frames.js'

const MAX_FRAME_BYTES = 100_000

function framesOf(reader: FrameReader, chunks: readonly Buffer[]): Buffer[] {
  const found: Buffer[] = []
  for (const chunk of chunks) {
    reader.append(chunk)
    while (reader.next()) found.push(reader.buffer.subarray(reader.start, reader.end))
  }
  return found
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place))
}

describe('FrameReader', () => {
  test('finds the same frames however the bytes are cut, and holds nothing afterwards', () => {
    const contents = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(contents, fc.array(fc.nat(3_000)), (frames, cuts) => {
        const expected = frames.map((content) => Buffer.from(content))
        const bytes = Buffer.concat(expected.map(frame))
        const reader = new FrameReader(MAX_FRAME_BYTES)
        assert.deepEqual(framesOf(reader, split(bytes, cuts)), expected)
        assert.equal(reader.heldBytes, 0)
        assert.equal(reader.isInsideMessage, false)
        assert.equal(reader.buffer.length, 0, 'the last frame is kept')
      }),
    )
  })

  test('finds a large frame that comes byte by byte', () => {
    const content = Buffer.alloc(70_000, 'abcdefg')
    const bytes = frame(content)
    const reader = new FrameReader(MAX_FRAME_BYTES)
    const chunks = Array.from(bytes, (byte) => Buffer.of(byte))
    assert.deepEqual(framesOf(reader, chunks), [content])
  })

  test('hands out a frame of one chunk without a copy', () => {
    const chunk = frame(Buffer.from('abc'))
    const [found] = framesOf(new FrameReader(MAX_FRAME_BYTES), [chunk])
    chunk.fill('z')
    assert.equal(found?.toString(), 'zzz')
  })

  test('what was handed out stays as it was when more arrives', () => {
    const reader = new FrameReader(MAX_FRAME_BYTES)
    const [first] = framesOf(reader, split(frame(Buffer.from('first')), [2, 6]))
    framesOf(reader, split(frame(Buffer.from('other')), [2, 6]))
    assert.equal(first?.toString(), 'first')
  })

  test('holds memory for bytes that came, not for bytes that were announced', () => {
    const reader = new FrameReader(64 * 1024 * 1024)
    framesOf(reader, [i32(64 * 1024 * 1024), Buffer.alloc(10)])
    assert.ok(reader.heldBytes <= 16_384, `${reader.heldBytes} bytes are held`)
    framesOf(reader, [Buffer.alloc(100_000)])
    assert.ok(reader.heldBytes <= 250_000, `${reader.heldBytes} bytes are held`)
    assert.equal(reader.isInsideMessage, true)
    reader.clear()
    assert.equal(reader.heldBytes, 0)
  })

  test('refuses a frame over the limit and one of negative size, whole or split', () => {
    const faults: readonly (readonly [size: number, reason: string])[] = [
      [MAX_FRAME_BYTES + 1, 'frame-too-large'],
      [-1, 'negative-size'],
    ]
    for (const [size, reason] of faults) {
      for (const chunks of [[i32(size)], split(i32(size), [1, 3])]) {
        const refused = (error: unknown): boolean =>
          error instanceof ThriftProtocolError && error.reason === reason
        assert.throws(() => framesOf(new FrameReader(MAX_FRAME_BYTES), chunks), refused)
      }
    }
    const largest = frame(Buffer.alloc(MAX_FRAME_BYTES))
    assert.equal(framesOf(new FrameReader(MAX_FRAME_BYTES), [largest]).length, 1)
  })
})
