/** HFiles that somebody made to harm, or that were damaged and then given checksums that fit. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { HFileReader } from '../../../src/loader/formats/hfile.js'
import type { SourceRow } from '../../../src/loader/load-source.js'
import { hfileOf } from '../../support/hfile-writer.js'
import { MemoryObjects } from '../../support/memory-objects.js'
import { root } from '../../support/tree.js'

const URL = 'file:///part-00000'
const HEADER_SIZE = 33
const TRAILER_SIZE = 212
const CHECKSUM_TYPE_AT = 24
const EXTREMES = [0, 1, -1, 0x7fff_ffff, -0x8000_0000, 0x7fff_ffdf, 0x10_000]

async function batchesOf(bytes: Buffer): Promise<(readonly SourceRow[])[]> {
  const options = { keyField: '', columns: null, header: null, maxValueBytes: 1 << 24, maxBadLines: 0 }
  const objects = new MemoryObjects().put(URL, bytes)
  const part = { index: 0, ...(await objects.stat(URL)) }
  const batches: (readonly SourceRow[])[] = []
  for await (const batch of new HFileReader(part, objects, options)) batches.push(batch)
  return batches
}

async function rowsOf(bytes: Buffer): Promise<readonly SourceRow[]> {
  return (await batchesOf(bytes)).flat()
}

/** Rows, or null where the file is refused; anything else is a fault. */
async function rowsUnlessRefused(bytes: Buffer, what: string): Promise<readonly SourceRow[] | null> {
  try {
    return await rowsOf(bytes)
  } catch (error) {
    assert.ok(error instanceof KVError && error.code === 'INVALID_ARGUMENT', `${what}: ${String(error)}`)
    assert.ok(error.message.includes(URL), `${what}: ${error.message}`)
    return null
  }
}

function fixture(name: string): Buffer {
  return readFileSync(join(root, 'test', 'fixtures', 'hfile', `${name}.hfile`))
}

function numbered(count: number): (readonly [Buffer, Buffer])[] {
  return Array.from({ length: count }, (_, index) => {
    const key = String(index).padStart(6, '0')
    return [Buffer.from(key), Buffer.from(`v${index + 1}`)]
  })
}

/** Where blocks begin, up to the trailer. */
function blocksOf(bytes: Buffer): number[] {
  const starts: number[] = []
  for (let at = 0; at < bytes.length - TRAILER_SIZE; at += HEADER_SIZE + bytes.readInt32BE(at + 8))
    starts.push(at)
  return starts
}

/** A copy, changed by `change`; the block's checksums fit it then. */
function resealed(
  bytes: Buffer,
  blockAt: number,
  change: (copy: Buffer) => void,
  sum: (bytes: Buffer) => number = crc32,
): Buffer {
  const checkedEnd = blockAt + bytes.readInt32BE(blockAt + 29)
  const chunk = bytes.readInt32BE(blockAt + 25)
  const copy = Buffer.from(bytes)
  change(copy)
  for (let from = blockAt, at = checkedEnd; from < checkedEnd; from += chunk, at += 4)
    copy.writeUInt32BE(sum(copy.subarray(from, Math.min(from + chunk, checkedEnd))), at)
  return copy
}

/** Castagnoli's polynomial, bit by bit. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * 0x82f63b78)
  }
  return ~crc >>> 0
}

describe('numbers of any size', () => {
  test('in headers of blocks are refused, or harm nothing', async () => {
    for (const whole of [hfileOf(numbered(300), { blockBytes: 1_000 }), fixture('gz-1000')]) {
      const expected = await rowsOf(whole)
      for (const at of blocksOf(whole).slice(0, 3)) {
        for (const field of [8, 12, 16, 20, 25, 29]) {
          for (const value of EXTREMES) {
            const bytes = resealed(whole, at, (copy) => copy.writeInt32BE(value, at + field))
            const rows = await rowsUnlessRefused(bytes, `field ${field} of ${at} is ${value}`)
            // The offset of the block before is not read.
            if (rows !== null) assert.deepEqual(rows, expected, `field ${field} is ${value}`)
          }
        }
      }
    }
  })

  test('in the trailer are refused, or harm nothing', async () => {
    const whole = hfileOf(numbered(300), { blockBytes: 1_000 })
    const expected = await rowsOf(whole)
    for (let field = 0; field < TRAILER_SIZE; field += 4) {
      for (const value of EXTREMES) {
        const bytes = Buffer.from(whole)
        bytes.writeInt32BE(value, whole.length - TRAILER_SIZE + field)
        const rows = await rowsUnlessRefused(bytes, `trailer's byte ${field} is ${value}`)
        if (rows !== null) assert.deepEqual(rows, expected, `trailer's byte ${field} is ${value}`)
      }
    }
  })

  test('in cells are refused, or are another cell than before', async () => {
    const whole = hfileOf(numbered(40), { blockBytes: 1_000 })
    const expected = await rowsOf(whole)
    for (const field of [0, 4, 7]) {
      for (const value of EXTREMES) {
        const at = HEADER_SIZE + field
        const bytes = resealed(whole, 0, (copy) => copy.writeInt32BE(value, at))
        const rows = await rowsUnlessRefused(bytes, `byte ${field} of a cell is ${value}`)
        if (rows !== null) assert.ok(rows.length <= expected.length && rows.length >= expected.length - 1)
      }
    }
  })

  test('in the framing of Snappy are refused', async () => {
    const whole = fixture('snappy-1000')
    const before = await rowsOf(whole)
    for (let byte = 0; byte < 14; byte++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const at = HEADER_SIZE + byte
        const bytes = resealed(whole, 0, (copy) => void (copy[at] = value))
        const rows = await rowsUnlessRefused(bytes, `byte ${byte} is ${value}`)
        if (rows !== null) assert.equal(rows.length, before.length)
      }
    }
  })
})

describe('checksums', () => {
  test('a block that says it has none, and has some, is refused: one flipped bit would switch its check off', async () => {
    const whole = hfileOf(numbered(300), { blockBytes: 1_000 })
    const bytes = Buffer.from(whole)
    bytes[CHECKSUM_TYPE_AT] = 0
    bytes[HEADER_SIZE + 30] = 0x7f
    await assert.rejects(
      rowsOf(bytes),
      /is damaged at byte \d+: the block says that it has no checksums, and has/,
    )
  })

  test('a file that was written without any is read, as HBase left their places empty', async () => {
    const whole = hfileOf(numbered(300), { blockBytes: 1_000 })
    const bytes = Buffer.from(whole)
    for (const at of blocksOf(whole)) {
      bytes[at + CHECKSUM_TYPE_AT] = 0
      bytes.fill(0, at + bytes.readInt32BE(at + 29), at + HEADER_SIZE + bytes.readInt32BE(at + 8))
    }
    assert.deepEqual(await rowsOf(bytes), await rowsOf(whole))
  })
})

test('checksums of the other kind, CRC32C, are verified as well', async () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  const whole = hfileOf(numbered(300), { blockBytes: 1_000 })
  const toOther = (bytes: Buffer, at: number) =>
    resealed(bytes, at, (copy) => void (copy[at + CHECKSUM_TYPE_AT] = 2), crc32c)
  const bytes = blocksOf(whole).reduce(toOther, whole)
  assert.deepEqual(await rowsOf(bytes), await rowsOf(whole))
  const at = HEADER_SIZE + 30
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await assert.rejects(rowsOf(bytes), /do not have their checksum/)
})

test('file info where another block stands is refused', async () => {
  const bytes = hfileOf(numbered(300), { blockBytes: 1_000 })
  bytes.writeBigInt64BE(0n, bytes.length - TRAILER_SIZE + 8)
  await assert.rejects(rowsOf(bytes), /is damaged at byte 0: its file info does not begin here/)
})

test('a bomb is stopped, and what is only small is not', async () => {
  const zeros = (count: number): (readonly [Buffer, Buffer])[] =>
    numbered(count).map(([key]) => [key, Buffer.alloc(1_000_000)])
  const count = Math.ceil(limits.unpackedBytesBeforeRatio / 1_000_000) + 1
  await assert.rejects(
    rowsOf(hfileOf(zeros(count), { compression: 'GZ' })),
    /unpacks to more than 250 times its size; if that is right, write it without compression/,
  )
  assert.equal((await rowsOf(hfileOf(zeros(10), { compression: 'GZ' }))).length, 10)
})

test('a block of very many rows is handed on in pieces', async () => {
  const batches = await batchesOf(hfileOf(numbered(20_000), { blockBytes: 10_000_000 }))
  assert.equal(batches.flat().length, 20_000)
  assert.ok(
    batches.every((batch) => batch.length <= 1_000),
    'all rows of the block at once',
  )
})
