/** HFiles that HBase 0.94 wrote (test/fixtures/hfile), whole and damaged. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { HFileReader } from '../../../src/loader/formats/hfile.js'
import { readVlong } from '../../../src/loader/formats/hfile-trailer.js'
import type { SourceRow } from '../../../src/loader/load-source.js'
import type { ObjectStore, StoredObject } from '../../../src/objects/object-store.js'
import { hfileOf } from '../../support/hfile-writer.js'
import { random } from '../../support/random.js'
import { root } from '../../support/tree.js'

const FIXTURES = join(root, 'test', 'fixtures', 'hfile')
const OPTIONS = { keyField: '', columns: null, header: null, maxValueBytes: 1024 * 1024, maxBadLines: 0 }

function fixture(name: string): Buffer {
  return readFileSync(join(FIXTURES, `${name}.hfile`))
}

/** One object in memory, handed out in pieces of an odd size. */
function objectsOf(bytes: Buffer, pieceSize: number): ObjectStore {
  const refuse = () => Promise.reject(new Error('only reads are expected'))
  return {
    list: refuse,
    stat: refuse,
    write: refuse,
    remove: refuse,
    async *read(_object: StoredObject, offset = 0, length = bytes.length - offset) {
      for (let at = offset; at < Math.min(bytes.length, offset + length);) {
        const end = Math.min(bytes.length, offset + length, at + pieceSize)
        await Promise.resolve()
        yield bytes.subarray(at, end)
        at = end
      }
    },
  }
}

async function read(bytes: Buffer, pieceSize = 1_000, options = OPTIONS) {
  const part = { index: 0, url: 'file:///part-00000', sizeBytes: bytes.length, tag: '1' }
  const reader = new HFileReader(part, objectsOf(bytes, pieceSize), options)
  const rows: SourceRow[] = []
  for await (const batch of reader) rows.push(...batch)
  return { rows, reader }
}

function assertRows(rows: readonly SourceRow[], count: number): void {
  assert.equal(rows.length, count)
  for (const [index, { rowKey, cells }] of rows.entries()) {
    assert.equal(rowKey.toString(), String(index).padStart(6, '0'))
    assert.equal(cells.length, 1)
    assert.equal(cells[0]?.localKey.length, 0)
    assert.equal(cells[0].value.toString(), index < 2 ? '' : `v${index + 1}`)
  }
}

describe('files of HBase 0.94', () => {
  for (const [name, count] of [
    ['none-0', 0],
    ['none-300', 300],
    ['none-unchecked', 60],
    ['gz-1000', 1_000],
    ['gz-levels', 800],
    ['snappy-1000', 1_000],
  ] as const) {
    test(`${name} has its ${count} rows, in pieces of any size`, async () => {
      const bytes = fixture(name)
      for (const pieceSize of [7, 1_000, bytes.length]) {
        const { rows, reader } = await read(bytes, pieceSize)
        assertRows(rows, count)
        assert.equal(reader.readBytes, bytes.length)
        assert.equal(reader.foreignCellCount, 0)
      }
    })
  }

  test('of equal keys the first is taken; cells that Terrapin does not show are left out and counted', async () => {
    const { rows, reader } = await read(fixture('none-odd'))
    assertRows(rows, 60)
    assert.equal(reader.foreignCellCount, 40)
    assert.deepEqual(rows.slice(0, 3).map(({ line }) => line), [1, 4, 5]) // prettier-ignore
  })

  test('a value over the limit of the dataset is a bad line', async () => {
    const { rows, reader } = await read(fixture('none-300'), 1_000, {
      ...OPTIONS,
      maxValueBytes: 3,
      maxBadLines: 300,
    })
    assert.equal(rows.length, 99)
    assert.equal(reader.badLineCount, 201)
  })
})

describe('damage', () => {
  test('every flipped bit of blocks and trailer is refused, or harms nothing that is read', async () => {
    const next = random(7)
    const below = (count: number) => Math.floor(next() * count)
    for (const name of ['none-300', 'gz-1000', 'snappy-1000']) {
      const whole = fixture(name)
      const { rows: expected } = await read(whole)
      let refused = 0
      for (let run = 0; run < 120; run++) {
        const bytes = Buffer.from(whole)
        const at = below(bytes.length)
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8))
        try {
          // What is not read (index blocks, the comparator's name) may be anything.
          assert.deepEqual((await read(bytes)).rows, expected, `${name}, byte ${at}`)
        } catch (error) {
          if (!(error instanceof KVError)) throw error
          assert.equal(error.code, 'INVALID_ARGUMENT', error.message)
          refused++
        }
      }
      assert.ok(refused > 60, `${name}: ${refused} of 120`)
    }
  })

  test('every flipped bit of the trailer is refused, or harms nothing that is read, however many rows there are', async () => {
    // A count that is a power of two is one bit away from none.
    for (const count of [0, 1, 2, 8, 300]) {
      const rows = Array.from({ length: count }, (_, index): [Buffer, Buffer] => {
        const key = Buffer.from(String(index).padStart(6, '0'))
        return [key, Buffer.from(index < 2 ? '' : `v${index + 1}`)]
      })
      const whole = hfileOf(rows, { blockBytes: 1_000 })
      for (let bit = 0; bit < 212 * 8; bit++) {
        const bytes = Buffer.from(whole)
        const at = whole.length - 212 + (bit >> 3)
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7))
        try {
          assertRows((await read(bytes)).rows, count)
        } catch (error) {
          assert.ok(
            error instanceof KVError && error.code === 'INVALID_ARGUMENT',
            `${count} rows, bit ${bit}`,
          )
        }
      }
    }
  })

  test('a file that is cut off anywhere is refused', async () => {
    const whole = fixture('gz-1000')
    for (let size = 0; size < whole.length; size += 97) {
      await assert.rejects(read(whole.subarray(0, size)), { code: 'INVALID_ARGUMENT' })
    }
  })

  test('a flipped byte of data is named with its place', async () => {
    const bytes = fixture('none-300')
    bytes[2_000] = (bytes[2_000] ?? 0) ^ 1
    await assert.rejects(
      read(bytes),
      /file:\/\/\/part-00000 is damaged at byte \d+: the \d+ bytes from here do not have their checksum/,
    )
  })

  test('other versions are refused by name', async () => {
    const bytes = fixture('none-300')
    bytes.writeUInt32BE(0x02000002, bytes.length - 4)
    await assert.rejects(read(bytes), /an HFile of version 2\.2; 2\.0 and 2\.1 are read/)
    bytes.writeUInt32BE(0x00000003, bytes.length - 4)
    await assert.rejects(read(bytes), /an HFile of version 3; 2\.0/)
    bytes.writeUInt32BE(0x12345678, bytes.length - 4)
    await assert.rejects(read(bytes), /is no HFile/)
  })

  test('other compressions are refused by name', async () => {
    const bytes = fixture('none-300')
    bytes.writeUInt32BE(0, bytes.length - 212 + 56)
    await assert.rejects(read(bytes), /LZO compression: write it with NONE, GZ or SNAPPY/)
  })
})

test("numbers of Hadoop's kind", () => {
  for (const [hex, value] of [
    ['00', 0],
    ['7f', 127],
    ['90', -112],
    ['8f80', 128],
    ['8e0100', 256],
    ['8780', -129],
  ] as const) {
    const bytes = Buffer.from(hex, 'hex')
    assert.deepEqual(readVlong(bytes, 0), [value, bytes.length])
  }
  assert.throws(() => readVlong(Buffer.from('8e01', 'hex'), 0), RangeError)
})
