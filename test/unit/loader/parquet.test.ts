import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { KVError } from '../../../src/base/errors.js'
import { loadFilesIn, readLoadFile } from '../../support/load-files.js'
import { random } from '../../support/random.js'
import { root } from '../../support/tree.js'
import { failureOf, open, readAll, type RequestChanges } from './read-source.js'

const FOLDER = join(root, 'test/fixtures/loader')
const parquet = { format: 'parquet', maxValueBytes: 1 << 20 } as const

function fixture(name: string): Buffer {
  return readFileSync(join(FOLDER, `${name}.parquet`))
}

/** The same row so many times: a dictionary of one key and one value. */
function sameRows(count: number, key: string, value: string): Buffer {
  const column = (name: string, text: string) => ({
    name,
    data: Array<string>(count).fill(text),
    type: 'STRING' as const,
  })
  return Buffer.from(parquetWriteBuffer({ columnData: [column('id', key), column('a', value)] }))
}

test('a small file that stands for rows without measure is stopped, one that stands for some is not', async () => {
  const [key, value] = ['k'.repeat(500), 'v'.repeat(500)]
  const bomb = sameRows(70_000, key, value)
  assert.ok(bomb.length * 250 < 70_000 * 1_000)
  assert.match(
    (await failureOf(bomb, parquet)).message,
    /unpacks to more than 250 times its size; if that is right, load it as text/,
  )
  assert.equal((await readAll(await open(sameRows(10_000, key, value), parquet))).length, 10_000)
})

test('only the columns that are named are read from the file', async () => {
  const whole = fixture('none')
  const rows = await open(whole, { ...parquet, columns: ['same', 'int8'] })
  const found = await readAll(rows)
  assert.equal(found.length, 12)
  for (const { cells } of found) {
    for (const { localKey } of cells) assert.ok(['same', 'int8'].includes(localKey.toString()))
  }
  assert.equal(rows.readBytes, whole.length)
})

test('a row with nothing but nulls is a bad line by its number', async () => {
  const rows = await open(fixture('none'), { ...parquet, columns: ['text', 'int8'], maxBadLines: 12 })
  const found = await readAll(rows)
  assert.ok(rows.badLineCount > 0)
  assert.equal(rows.badLines[0]?.reason, 'no column with a value')
  const lines = [...found.map(({ line }) => line), ...rows.badLines.map(({ line }) => line)]
  assert.deepEqual(
    lines.sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  )
})

test('a value that is larger than the dataset takes is a bad line', async () => {
  const rows = await open(fixture('zstd'), {
    ...parquet,
    columns: ['same'],
    maxValueBytes: 3,
    maxBadLines: 12,
  })
  assert.deepEqual(await readAll(rows), [])
  assert.match(rows.badLines[0]?.reason ?? '', /^the value of "same" has 8 bytes, the dataset takes 3$/)
})

const failures: readonly { readonly name: string; readonly content: Buffer; readonly message: RegExp; readonly changes?: RequestChanges }[] = [
  { name: 'is empty', content: Buffer.alloc(0), message: /is no Parquet file: it is too short/ },
  { name: 'is something else', content: Buffer.from('{"id":1,"a":2}\n'), message: /does not end in PAR1/ },
  { name: 'is encrypted', content: Buffer.from('PAREsome bytes\0\0\0\0PARE'), message: /is encrypted/ },
  { name: 'has a footer that cannot be so large', content: Buffer.from('PAR1some bytes\xff\xff\xff\x7fPAR1', 'latin1'), message: /its footer cannot have 2147483647 bytes/ },
  { name: 'has a footer of nothing', content: Buffer.from('PAR1\0\0\0\0\0\x05\0\0\0PAR1', 'latin1'), message: /is damaged: its footer/ },
  { name: 'has no such column', content: fixture('none'), message: /has no field "x"; correct the name/, changes: { columns: ['x'] } },
  { name: 'has no such key', content: fixture('none'), message: /has no field "key" for the key; it has id, text, /, changes: { keyField: 'key' } },
  { name: 'has a boolean for a key', content: fixture('none'), message: /"bool" is no text, number or bytes/, changes: { keyField: 'bool' } },
  { name: 'has a list for a key', content: fixture('none'), message: /"list" is no text, number or bytes/, changes: { keyField: 'list' } },
] // prettier-ignore
for (const { name, content, message, changes } of failures) {
  test(`a file that ${name} is refused`, async () => {
    const error = await failureOf(content, { ...parquet, ...changes })
    assert.equal(error.code, 'INVALID_ARGUMENT')
    assert.match(error.message, message)
  })
}

test('a file that is cut anywhere is refused', async () => {
  const whole = fixture('split-1.0')
  for (let size = 0; size < whole.length; size += 37) {
    const error = await failureOf(whole.subarray(0, size), parquet)
    assert.match(error.message, /cut off|too short/)
  }
})

test('a bit that flips under a page checksum is noticed', async () => {
  for (const name of ['lz4', 'second']) {
    const whole = fixture(name)
    const footerAt = whole.length - 8 - whole.readUInt32LE(whole.length - 8)
    const below = belowFrom(3)
    let noticed = 0
    for (let turn = 0; turn < 25; turn++) {
      const at = 4 + below(footerAt - 4)
      const hurt = Buffer.from(whole)
      hurt[at] = (hurt[at] ?? 0) ^ (1 << below(8))
      const error = await readAll(await open(hurt, parquet)).catch((thrown: unknown) => thrown)
      if (!(error instanceof KVError)) continue
      assert.equal(error.code, 'INVALID_ARGUMENT')
      assert.match(error.message, /is damaged/)
      noticed++
    }
    // What is not noticed lies where nothing is read: statistics of pages, and indexes behind them.
    assert.ok(noticed > 12, `only ${noticed} of 25`)
  }
})

test('damage anywhere gives rows or a clear error, soon and in bounded memory', async () => {
  const below = belowFrom(11)
  const startedAtMs = performance.now()
  let failed = 0
  for (const file of loadFilesIn(FOLDER)) {
    if (file.format !== 'parquet') continue
    for (let turn = 0; turn < 15; turn++) {
      const hurt = damaged(file.content, below)
      try {
        await readLoadFile({ format: 'parquet', content: hurt }, { maxBadLines: 100_000 })
      } catch (error) {
        assert.ok(error instanceof KVError && error.code === 'INVALID_ARGUMENT', String(error))
        failed++
      }
    }
  }
  assert.ok(failed > 40, `only ${failed} failed`)
  assert.ok(performance.now() - startedAtMs < 60_000)
  assert.ok(process.memoryUsage().rss < 1_500_000_000, `${process.memoryUsage().rss} bytes`)
})

/** A few bytes, in the data or in the footer, become what hostile ones would be. */
function damaged(content: Buffer, below: (end: number) => number): Buffer {
  const hurt = Buffer.from(content)
  const footerAt = hurt.length - 8 - hurt.readUInt32LE(hurt.length - 8)
  const [from, to] = below(2) === 0 ? [4, footerAt] : [footerAt, hurt.length - 8]
  for (let count = 1 + below(4); count > 0; count--) {
    const at = from + below(to - from)
    hurt[at] = [0, 0xff, 0x7f, 0x80, below(256)][below(5)] ?? 0
  }
  return hurt
}

function belowFrom(seed: number): (end: number) => number {
  const next = random(seed)
  return (end) => Math.floor(next() * end)
}
