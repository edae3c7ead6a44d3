import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { unpack } from '../../../src/loader/formats/unpack.js'
import { XxHash64 } from '../../../src/loader/formats/xxhash64.js'
import { root } from '../../support/tree.js'

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  await Promise.resolve()
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function unpacked(bytes: Buffer, pieceBytes = 1_000): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of unpack('s3://b/in', inPieces(bytes, pieceBytes))) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function failureOf(bytes: Buffer, pieceBytes?: number): Promise<KVError> {
  const error: unknown = await unpacked(bytes, pieceBytes).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof KVError, String(error))
  assert.equal(error.code, 'INVALID_ARGUMENT')
  assert.match(error.message, /s3:\/\/b\/in/)
  return error
}

function fixture(name: string): Buffer {
  return readFileSync(join(root, 'test/fixtures/loader', name))
}

const XXH64_VECTORS: readonly (readonly [number, number])[] = [
  [0, 1373170073],
  [1, 3674548072],
  [3, 1516374443],
  [4, 173386817],
  [5, 2322583699],
  [8, 1706632427],
  [9, 742597887],
  [12, 2585060881],
  [31, 2984714935],
  [32, 833144361],
  [33, 4174797716],
  [63, 333642278],
  [64, 1146582480],
  [100, 2185745883],
  [255, 3222498035],
  [1000, 2848964968],
  [5003, 3376565083],
]

const RAW = 0
const RLE = 1

/** A zstd frame of the blocks; without a content size, with a window of a kilobyte times 2^`window`. */
function zstdFrame(
  blocks: readonly [type: number, bytes: Buffer, size?: number][],
  window = 7,
  checksum?: number,
): Buffer {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, checksum === undefined ? 0 : 4, window << 3])
  const parts = blocks.map(([type, bytes, size = bytes.length], index) => {
    const header = Buffer.alloc(3)
    header.writeUIntLE((size << 3) | (type << 1) | Number(index === blocks.length - 1), 0, 3)
    return Buffer.concat([header, bytes])
  })
  const end = Buffer.alloc(checksum === undefined ? 0 : 4)
  if (checksum !== undefined) end.writeUInt32LE(checksum)
  return Buffer.concat([head, ...parts, end])
}

test('content that is not packed passes as it is', async () => {
  for (const text of ['', 'a', '{"id":1}\n', '\x1f', '(\xb5']) {
    assert.equal((await unpacked(Buffer.from(text, 'latin1'), 1)).toString('latin1'), text)
  }
})

test('gzip of several members is their content, wherever the pieces are cut', async () => {
  const members = Buffer.concat([
    gzipSync('one,'),
    gzipSync(''),
    gzipSync('two,'),
    gzipSync('three', { level: 0 }),
  ])
  for (const pieceBytes of [1, 7, 1_000]) {
    assert.equal((await unpacked(members, pieceBytes)).toString(), 'one,two,three')
  }
})

test('gzip that is cut anywhere is an error that says where', async () => {
  const whole = Buffer.concat([gzipSync('one'), gzipSync('two')])
  const ends = new Set([gzipSync('one').length, whole.length])
  for (let size = 2; size < whole.length; size++) {
    if (ends.has(size)) continue
    assert.match((await failureOf(whole.subarray(0, size))).message, /gzip data is cut off at about byte \d+/)
  }
})

test('gzip that is damaged, or followed by something else, is an error', async () => {
  const whole = gzipSync('some content that is long enough to be hurt')
  const hurt = Buffer.from(whole)
  hurt[20] = (hurt[20] ?? 0) ^ 0xff
  assert.match((await failureOf(hurt)).message, /gzip data is damaged at about byte/)
  assert.match((await failureOf(Buffer.concat([whole, Buffer.from('tail')]))).message, /damaged/)
  const padded = Buffer.concat([whole, Buffer.alloc(2_000), whole])
  for (const pieceBytes of [whole.length, 100_000]) {
    assert.match(
      (await failureOf(padded, pieceBytes)).message,
      /bytes behind its gzip data, from byte \d+ on/,
    )
  }
})

const packed = ['one', 'high', 'stream', 'long', 'frames', 'tiny'] as const
for (const name of packed) {
  test(`zstd (${name}) that is cut anywhere but between frames is an error that says where`, async () => {
    const whole = fixture(`${name}.ndjson.zst`)
    const content = await unpacked(whole)
    let between = 0
    for (let size = 4; size < whole.length; size++) {
      const cut = await unpacked(whole.subarray(0, size)).catch((error: unknown) => error)
      if (Buffer.isBuffer(cut)) {
        between++
        assert.ok(content.subarray(0, cut.length).equals(cut))
      } else assert.match(String(cut), /zstd data is cut off, at byte \d+/)
    }
    assert.ok(between < 30, `${between} cuts were not noticed`)
  })
}

test('a bit that flips in zstd with a checksum is noticed', async () => {
  const whole = fixture('stream.ndjson.zst')
  const content = await unpacked(whole)
  for (let at = 4; at < whole.length; at++) {
    const hurt = Buffer.from(whole)
    hurt[at] = (hurt[at] ?? 0) ^ (1 << (at % 8))
    const found = await unpacked(hurt).catch((error: unknown) => error)
    // Not every bit is part of the content: a larger window, say, is as good.
    if (Buffer.isBuffer(found)) assert.ok(found.equals(content), `byte ${at}`)
    else assert.ok(found instanceof KVError && found.code === 'INVALID_ARGUMENT', String(found))
  }
})

test('zstd without compression is read, and a wrong checksum refused', async () => {
  const text = Buffer.from('plain text')
  const hash = new XxHash64()
  hash.update(Buffer.concat([text, Buffer.alloc(50_000, 'z')]))
  const blocks: [number, Buffer, number?][] = [
    [RAW, text],
    [RLE, Buffer.from('z'), 50_000],
  ]
  assert.equal((await unpacked(zstdFrame(blocks))).length, 50_010)
  assert.equal((await unpacked(zstdFrame(blocks, 7, hash.low32()), 1)).length, 50_010)
  assert.match(
    (await failureOf(zstdFrame(blocks, 7, (hash.low32() ^ 1) >>> 0))).message,
    /its checksum does not match/,
  )
})

test('zstd that is hostile or of another kind is refused by name', async () => {
  const frame = zstdFrame([[RAW, Buffer.from('x')]])
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [zstdFrame([[RAW, Buffer.from('x')]], 31), /needs a window of \d+ bytes/],
    [zstdFrame([[3, Buffer.from('x')]]), /no block begins there/],
    [zstdFrame([[RLE, Buffer.from('x'), 200_000]]), /no block begins there/],
    [Buffer.concat([frame, Buffer.from('more than nothing')]), /no frame begins there/],
    [Buffer.concat([frame, Buffer.from([0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 1])]), /cut off/],
  ]
  for (const [bytes, message] of cases) assert.match((await failureOf(bytes)).message, message)
  const withDictionary = Buffer.from(frame)
  withDictionary[4] = 1
  assert.match((await failureOf(withDictionary)).message, /packed with a dictionary/)
})

test('a bomb is stopped, of gzip and of zstd, and what is only small is not', async () => {
  const zeros = Buffer.alloc(limits.unpackedBytesBeforeRatio + 1_000_000)
  assert.match((await failureOf(gzipSync(zeros))).message, /unpacks to more than 250 times its size/)
  const blocks = Array.from({ length: 700 }, (): [number, Buffer, number] => [RLE, Buffer.from('z'), 100_000])
  assert.match((await failureOf(zstdFrame(blocks))).message, /unpacks to more than 250 times its size/)
  assert.equal((await unpacked(gzipSync(Buffer.alloc(10_000_000)))).length, 10_000_000)
})

test('the hash is that of xxhash, however the bytes come', () => {
  // python: xxhash.xxh64(bytes(i * 7 % 256 for i in range(n))).intdigest() & 0xffffffff
  for (const [size, digest] of XXH64_VECTORS) {
    const bytes = Buffer.from(Array.from({ length: size }, (_, index) => (index * 7) % 256))
    for (const step of [1, 5, 32, 1_000]) {
      const hash = new XxHash64()
      for (let at = 0; at < size; at += step) hash.update(bytes.subarray(at, at + step))
      assert.equal(hash.low32(), digest, `${size} bytes by ${step}`)
    }
  }
})

test('arbitrary bytes behind a magic are content or a clear error', async () => {
  const magic = fc.constantFrom([0x1f, 0x8b, 8, 0], [0x28, 0xb5, 0x2f, 0xfd], [0x50, 0x2a, 0x4d, 0x18])
  await fc.assert(
    fc.asyncProperty(
      magic,
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 50 }),
      async (head, tail, size) => {
        const found = await unpacked(Buffer.from([...head, ...tail]), size).catch((error: unknown) => error)
        assert.ok(
          Buffer.isBuffer(found) || (found instanceof KVError && found.code === 'INVALID_ARGUMENT'),
          String(found),
        )
      },
    ),
    { numRuns: 1_000 },
  )
})
