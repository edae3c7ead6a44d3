import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CqlError } from '../../../shims/rocksandra/cql/errors.js'
import { CqlBodyReader } from '../../../shims/rocksandra/protocol/body-reader.js'
import { OPCODES } from '../../../shims/rocksandra/protocol/constants.js'
import { CqlFrameReader } from '../../../shims/rocksandra/protocol/frame-reader.js'
import * as requests from '../../../shims/rocksandra/protocol/requests.js'

const MAX_BODY_BYTES = 20_000

interface Sent {
  readonly stream: number
  readonly body: Buffer
}

function bytesOf({ stream, body }: Sent): Buffer {
  const header = Buffer.from([4, 0, 0, 0, OPCODES.QUERY, 0, 0, 0, 0])
  header.writeInt16BE(stream, 2)
  header.writeUInt32BE(body.length, 5)
  return Buffer.concat([header, body])
}

/** In pieces of these sizes, again and again. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? bytes.length
    chunks.push(Buffer.from(bytes.subarray(at, at + size)))
    at += size
  }
  return chunks
}

describe('CqlFrameReader', () => {
  const frames = fc.array(
    fc.record({
      stream: fc.integer({ min: -32_768, max: 32_767 }),
      body: fc.oneof(
        fc.uint8Array({ maxLength: 50 }),
        fc.nat(MAX_BODY_BYTES + 2_000).map((size) => new Uint8Array(size).fill(size)),
      ),
    }),
    { minLength: 1, maxLength: 8 },
  )
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 30_000 })), {
    minLength: 1,
    maxLength: 6,
  })

  test('frames come out as they went in, however they are cut, and those that are too large by name', () => {
    fc.assert(
      fc.property(frames, sizes, (sent, cuts) => {
        const reader = new CqlFrameReader(MAX_BODY_BYTES)
        const seen: (readonly [number, Buffer | number])[] = []
        const all = sent.map(({ stream, body }) => ({ stream, body: Buffer.from(body) }))
        for (const chunk of cut(Buffer.concat(all.map(bytesOf)), cuts)) {
          reader.append(chunk)
          for (let found = reader.next(); found !== 'none'; found = reader.next()) {
            assert.notEqual(found, 'broken')
            const body = Buffer.from(reader.buffer.subarray(reader.start, reader.end))
            seen.push([reader.stream, found === 'frame' ? body : reader.bodyBytes])
          }
        }
        const expected = all.map(({ stream, body }) => {
          return [stream, body.length > MAX_BODY_BYTES ? body.length : body] as const
        })
        assert.deepEqual(seen, expected)
        assert.equal(reader.isInsideFrame, false)
        assert.equal(reader.heldBytes, 0)
      }),
      { numRuns: 200 },
    )
  })

  test('holds no more than twice the bytes that came, whatever a header announces', () => {
    const reader = new CqlFrameReader(64 * 1024 * 1024)
    const announced = bytesOf({ stream: 1, body: Buffer.alloc(0) })
    announced.writeUInt32BE(60 * 1024 * 1024, 5)
    reader.append(announced)
    assert.equal(reader.next(), 'none')
    for (let sent = 0; sent < 100_000; sent += 1_000) {
      reader.append(Buffer.alloc(1_000))
      assert.equal(reader.next(), 'none')
      assert.ok(reader.heldBytes <= Math.max(4_096, 2 * (sent + 1_009)), `${reader.heldBytes} held`)
    }
  })

  test('whatever comes, it throws nothing and goes no further than what it cannot follow', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), sizes, (bytes, cuts) => {
        const reader = new CqlFrameReader(100)
        let isBroken = false
        for (const chunk of cut(Buffer.from(bytes), cuts)) {
          reader.append(chunk)
          for (let found = reader.next(); found !== 'none'; found = reader.next()) {
            assert.equal(isBroken, false)
            isBroken = found === 'broken'
            if (isBroken) assert.notEqual(reader.fault, '')
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('bodies of requests', () => {
  const frame = { version: 4, deadline: 0 }
  const readers: Readonly<Record<string, (reader: CqlBodyReader) => unknown>> = {
    parameters: (reader) => requests.readParameters(reader, frame),
    batch: (reader) => requests.readBatch(reader, frame),
    startup: requests.readStartup,
    register: requests.readRegister,
    statement: (reader) => reader.longString(),
    payload: (reader) => reader.skipBytesMap(),
  }
  /** Small counts and sizes beside arbitrary bytes, or nothing gets beyond the first field. */
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .array(fc.constantFrom(0, 0, 0, 1, 2, 4, 0x7f, 0xff), { maxLength: 200 })
      .map((list) => Uint8Array.from(list)),
  )

  for (const [name, read] of Object.entries(readers)) {
    test(`${name}: whatever the bytes, nothing is thrown but CqlErrors, and nothing beyond them is read`, () => {
      fc.assert(
        fc.property(bytes, (list) => {
          const reader = new CqlBodyReader()
          const around = Buffer.concat([Buffer.alloc(3, 1), list, Buffer.alloc(50, 1)])
          reader.reset(around, 3, 3 + list.length)
          try {
            read(reader)
            assert.ok(reader.remaining >= 0)
          } catch (error) {
            assert.ok(error instanceof CqlError, String(error))
          }
        }),
        { numRuns: 3_000 },
      )
    })
  }
})
