import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { limits } from '../../../src/base/limits.js'
import { failureOf, open, readAll, rowsOf, type RequestChanges, type TextRow } from './read-source.js'

const csv = { format: 'csv' } as const
const tsv = { format: 'tsv' } as const

interface Case {
  readonly name: string
  readonly content: string
  readonly rows: readonly TextRow[]
  readonly changes?: RequestChanges
}

const cases: readonly Case[] = [
  { name: 'a header and rows', content: 'id,a\n1,x\n2,y\n', rows: [['1', { a: 'x' }], ['2', { a: 'y' }]] },
  { name: 'a last line without its end', content: 'id,a\n1,x', rows: [['1', { a: 'x' }]] },
  { name: 'CRLF and a byte order mark', content: '\ufeffid,a\r\n1,x\r\n2,"y"\r\n', rows: [['1', { a: 'x' }], ['2', { a: 'y' }]] },
  { name: 'a quoted field at the end with CR alone', content: 'id,a\n1,"x"\r', rows: [['1', { a: 'x' }]] },
  { name: 'delimiters, quotes and line ends in quotes', content: 'id,a\n1,"x,""y""\r\nz"\n2,b\n', rows: [['1', { a: 'x,"y"\r\nz' }], ['2', { a: 'b' }]] },
  { name: 'quotes within a field that does not begin with one', content: 'id,a\n1,5" disk "A"\n', rows: [['1', { a: '5" disk "A"' }]] },
  { name: 'an empty field, which is an absent column, and a pair of quotes, an empty value', content: 'id,a,b\n1,,""\n2,x,\n', rows: [['1', { b: '' }], ['2', { a: 'x' }]] },
  { name: 'blank lines', content: 'id,a\n\n1,x\n\r\n\n2,y\n\n', rows: [['1', { a: 'x' }], ['2', { a: 'y' }]] },
  { name: 'quoted names', content: '"id","a ""b"""\n1,x\n', rows: [['1', { 'a "b"': 'x' }]] },
  { name: 'names that are given', content: '1,x\n2,y\n', rows: [['1', { a: 'x' }], ['2', { a: 'y' }]], changes: { header: ['id', 'a'] } },
  { name: 'the named columns only, in the order of their names', content: 'b,id,a,c\n1,2,3,4\n', rows: [['2', { a: '3', b: '1' }]], changes: { columns: ['b', 'a'] } },
  { name: 'the key as a column too', content: 'id\n7\n', rows: [['7', { id: '7' }]], changes: { columns: ['id'] } },
  { name: 'tabs', content: 'id\ta\n1\tx, "y"\n2\t"a\tb"\n', rows: [['1', { a: 'x, "y"' }], ['2', { a: 'a\tb' }]], changes: tsv },
  { name: 'names alone', content: 'id,a\n', rows: [] },
] // prettier-ignore
for (const { name, content, rows, changes } of cases) {
  test(`${name} are read, wherever the pieces are cut`, async () => {
    for (const pieceBytes of [1, 2, 3, 1_000]) {
      assert.deepEqual(await rowsOf({ bytes: content, pieceBytes }, { ...csv, ...changes }), rows)
    }
  })
}

const badLines: readonly {
  readonly name: string
  readonly line: string | Buffer
  readonly reason: RegExp
}[] = [
  { name: 'too few fields', line: 'secret', reason: /^1 fields, the header has 3$/ },
  { name: 'too many fields', line: '1,2,3,secret', reason: /^4 fields, the header has 3$/ },
  { name: 'text behind a closing quote', line: '1,"x"secret,"y"', reason: /^text behind a closing quote$/ },
  { name: 'bytes that are not UTF-8', line: Buffer.from([0x31, 0x2c, 0xff, 0x2c]), reason: /^not UTF-8$/ },
  { name: 'an empty key', line: ',x,y', reason: /^the key is empty$/ },
  { name: 'a key that is too long', line: `${'k'.repeat(65_536)},x,y`, reason: /65536 bytes, 65535/ },
  {
    name: 'a value that is too long',
    line: `1,x,${'v'.repeat(1_001)}`,
    reason: /^the value of "b" has 1001 bytes/,
  },
  { name: 'no value at all', line: '1,,', reason: /^no column with a value$/ },
]
for (const { name, line, reason } of badLines) {
  test(`a line with ${name} is a bad line, and the next one is read`, async () => {
    const content = Buffer.concat([
      Buffer.from('id,a,b\n"0\n",1,2\n'),
      Buffer.from(line),
      Buffer.from('\n5,6,7\n'),
    ])
    for (const pieceBytes of [1, 1_000]) {
      const rows = await open({ bytes: content, pieceBytes }, { ...csv, maxBadLines: 1 })
      const found = await readAll(rows)
      assert.deepEqual(
        found.map(({ line: number, rowKey }) => [number, rowKey.toString()]),
        [
          [2, '0\n'],
          [5, '5'],
        ],
      )
      assert.equal(rows.badLines[0]?.line, 4)
      assert.match(rows.badLines[0].reason, reason)
    }
  })
}

const failures: readonly { readonly name: string; readonly content: string; readonly message: RegExp; readonly changes?: RequestChanges }[] = [
  { name: 'no line at all', content: '', message: /is empty: it has no line with the names/ },
  { name: 'no field for the key', content: 'a,b\n1,2\n', message: /has no field "id" for the key; it has a, b$/ },
  { name: 'no such column', content: 'id,a\n1,2\n', message: /has no field "b"; correct the name/, changes: { columns: ['b'] } },
  { name: 'a name twice', content: 'id,a,a\n1,2,3\n', message: /has the field "a" twice/ },
  { name: 'a header with a bad quote', content: 'id,"a"b\n1,2\n', message: /:1: the line with the names of the fields is bad/ },
  { name: 'a quote that is never closed', content: 'id,a\n1,2\n3,"x\n4,5\n6,7\n', message: /:3: a quote in the line is never closed/ },
  { name: 'names for a format that has them', content: '{"id":1}', message: /ndjson names them itself/, changes: { format: 'ndjson', header: ['id'] } },
] // prettier-ignore
for (const { name, content, message, changes } of failures) {
  test(`a file with ${name} fails`, async () => {
    const error = await failureOf(content, { ...csv, maxBadLines: 1_000, ...changes })
    assert.equal(error.code, 'INVALID_ARGUMENT')
    assert.match(error.message, message)
  })
}

test('a quote that opens a file without end is given up at the limit of a line', async () => {
  const content = Buffer.alloc(limits.maxLoadLineBytes * 2, 'x,\n')
  content.write('id,a\n1,"', 0)
  const error = await failureOf({ bytes: content, pieceBytes: 128 * 1024 }, csv)
  assert.match(error.message, /:2: the line is longer than \d+ bytes, or a quote in it is never closed/)
})

test('rows are those of csv-parse, wherever the pieces are cut', async () => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'b', '"', ',', '\n', '\r', '\t', ' ', 'é', ''),
    maxLength: 8,
  })
  const field = (value: string) => `"${value.replaceAll('"', '""')}"`
  const plain = fc.stringMatching(/^[a-c .é][a-c" .é]{0,6}$/)
  const cell = fc.oneof(
    text.map((value) => ({ written: field(value), value })),
    plain.map((value) => ({ written: value, value })),
  )
  const rows = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(
      rows,
      fc.constantFrom('\n', '\r\n'),
      fc.integer({ min: 1, max: 40 }),
      async (made, lineEnd, pieceBytes) => {
        const lines = made.map(([a, b], index) => `k${index},${a.written},${b.written}`)
        const content = ['id,a,b', ...lines, ''].join(lineEnd)
        const options = { columns: true, record_delimiter: lineEnd, relax_quotes: true } as const
        const peer = parse<Record<string, string>>(content, options).map(({ id, a, b }) => [id, { a, b }])
        assert.deepEqual(await rowsOf({ bytes: content, pieceBytes }, csv), peer)
        assert.deepEqual(
          peer,
          made.map(([a, b], index) => [`k${index}`, { a: a.value, b: b.value }]),
        )
      },
    ),
    { numRuns: 300 },
  )
})

test('arbitrary bytes give rows, bad lines or a clear error, the same however they are cut', async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom('"', '""', ',', '\n', '\r\n', '\r', 'a', ',"', '",').map((one) => Buffer.from(one)),
  )
  const read = async (bytes: Buffer, pieceBytes: number): Promise<unknown> => {
    const rows = await open({ bytes, pieceBytes }, { ...csv, maxBadLines: 1_000 })
    const found = await readAll(rows).catch((error: unknown) =>
      error instanceof Error ? error.message : error,
    )
    return [found, rows.badLines, rows.badLineCount]
  }
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
      const bytes = Buffer.concat([Buffer.from('id,a\n'), ...pieces])
      assert.deepEqual(await read(bytes, 1), await read(bytes, 10_000))
    }),
    { numRuns: 500 },
  )
})
