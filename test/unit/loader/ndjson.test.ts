import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { limits } from '../../../src/base/limits.js'
import { failureOf, open, readAll, rowsOf, type RequestChanges } from './read-source.js'

async function badLineOf(line: string | Buffer, changes: RequestChanges = {}): Promise<string> {
  const rows = await open(Buffer.concat([Buffer.from(line), Buffer.from('\n')]), {
    ...changes,
    maxBadLines: 1,
  })
  assert.deepEqual(await readAll(rows), [])
  assert.equal(rows.badLineCount, 1)
  assert.equal(rows.badLines[0]?.line, 1)
  return rows.badLines[0].reason
}

test('each line becomes a row: the key field its key, every other field a column', async () => {
  const content = '{"id":2643743,"name":"London","country":"GB"}\n{"id":"x","name":"Zürich"}\n'
  assert.deepEqual(await rowsOf(content), [
    ['2643743', { name: 'London', country: 'GB' }],
    ['x', { name: 'Zürich' }],
  ])
})

test('only the named columns are taken, and null is an absent column', async () => {
  const content = '{"id":1,"a":"1","b":null,"c":"3"}\n{"id":2,"b":"2"}\n'
  assert.deepEqual(await rowsOf(content, { columns: ['b', 'a'] }), [
    ['1', { a: '1' }],
    ['2', { b: '2' }],
  ])
})

test('lines with as many fields under other names keep theirs', async () => {
  assert.deepEqual(await rowsOf('{"id":1,"a":"1"}\n{"id":2,"b":"2"}\n{"b":"3","id":3}\n'), [
    ['1', { a: '1' }],
    ['2', { b: '2' }],
    ['3', { b: '3' }],
  ])
})

test('the key field can be a column too when it is named', async () => {
  assert.deepEqual(await rowsOf('{"id":7}\n', { columns: ['id'] }), [['7', { id: '7' }]])
})

test('cells stand in the byte order of their names, whatever the order in the line', async () => {
  const source = await open('{"id":1,"é":"4","z":"3","":"1","Z":"2"}\n{"z":"3","Z":"2","id":2}\n')
  const rows = await readAll(source)
  assert.deepEqual(
    rows.map(({ cells }) => cells.map(({ localKey }) => localKey.toString())),
    [
      ['', 'Z', 'z', 'é'],
      ['Z', 'z'],
    ],
  )
})

test('numbers are decimal, booleans words, nested values JSON', async () => {
  const line =
    '{"id":-0,"large":9007199254740991,"tiny":-1.5e-9,"lat":51.50853,"yes":true,"list":[1,{"a":null}]}\n'
  assert.deepEqual(await rowsOf(line), [
    [
      '0',
      {
        large: '9007199254740991',
        tiny: '-0.0000000015',
        lat: '51.50853',
        yes: 'true',
        list: '[1,{"a":null}]',
      },
    ],
  ])
})

test('fractions without an exponent read back as the same number', async () => {
  await fc.assert(
    fc.asyncProperty(fc.double({ noNaN: true, min: -1, max: 1 }), async (value) => {
      const [row] = await rowsOf(`{"id":1,"v":${JSON.stringify(value)}}\n`)
      const text = row?.[1]['v'] ?? ''
      assert.match(text, /^-?\d+(\.\d+)?$/)
      // Minus zero is written as 0.
      assert.equal(Number(text), value === 0 ? 0 : value)
    }),
    { numRuns: 100 },
  )
})

test('carriage returns, blank lines, a byte order mark and a missing last newline do no harm', async () => {
  const content = '\ufeff{"id":1,"a":"1"}\r\n\r\n  \t\n{"id":2,"a":"2"}'
  assert.deepEqual(
    (await rowsOf(content)).map(([key]) => key),
    ['1', '2'],
  )
})

test('what packs to nothing costs nothing: blank lines are passed over as fast as rows of as many bytes', async () => {
  const row = '{"id":"12345678","a":"some text","b":"and more of it"}\n'
  const msOf = async (line: string): Promise<number> => {
    const bytes = Buffer.alloc(row.length * 40_000, line)
    const times: number[] = []
    for (let round = 0; round < 3; round++) {
      const rows = await open({ bytes, pieceBytes: 128 * 1024 })
      const beganMs = performance.now()
      for await (const batch of rows) assert.ok(batch.length < 10_000)
      times.push(performance.now() - beganMs)
    }
    return Math.min(...times)
  }
  const rowMs = await msOf(row)
  // A search for its end and a whole look at each take ten times as much: of 64 MB in 80 KB, many seconds and no row.
  for (const blank of ['\n', '\r\n']) {
    const ms = await msOf(blank)
    assert.ok(ms < 4 * rowMs, `${JSON.stringify(blank)}: ${ms} ms, rows ${rowMs} ms`)
  }
})

const badLines: readonly {
  name: string
  line: string | Buffer
  reason: RegExp
  options?: RequestChanges
}[] = [
  { name: 'text that is not JSON', line: '{"id":secret}', reason: /^not JSON$/ },
  { name: 'a list', line: '[1]', reason: /^not a JSON object$/ },
  { name: 'null', line: 'null', reason: /^not a JSON object$/ },
  { name: 'bytes that are not UTF-8', line: Buffer.from([0x7b, 0xff, 0x7d]), reason: /^not UTF-8$/ },
  { name: 'no key field', line: '{"a":"secret"}', reason: /^no field "id" for the key$/ },
  {
    name: 'a key that every object inherits',
    line: '{"a":"1"}',
    reason: /no field/,
    options: { keyField: 'toString' },
  },
  { name: 'a null key', line: '{"id":null,"a":1}', reason: /neither text nor a number/ },
  { name: 'a key that is a list', line: '{"id":[1],"a":1}', reason: /neither text nor a number/ },
  { name: 'an empty key', line: '{"id":"","a":1}', reason: /the key is empty/ },
  {
    name: 'a key that is too long',
    line: `{"id":"${'k'.repeat(65_536)}","a":1}`,
    reason: /65536 bytes, 65535/,
  },
  {
    name: 'a value that is too long',
    line: `{"id":1,"a":"${'v'.repeat(1_001)}"}`,
    reason: /"a" has 1001 bytes/,
  },
  { name: 'a key that lost digits', line: '{"id":9007199254740993,"a":1}', reason: /beyond 2\^53/ },
  { name: 'a value that lost digits', line: '{"id":1,"a":12345678901234567890}', reason: /beyond 2\^53/ },
  { name: 'a nested value that lost digits', line: '{"id":1,"a":[1e300]}', reason: /beyond 2\^53/ },
  { name: 'a number beyond every double', line: '{"id":1,"a":1e999}', reason: /beyond 2\^53/ },
  { name: 'half a surrogate pair', line: '{"id":1,"a":"\\ud800"}', reason: /surrogate/ },
  { name: 'half a surrogate pair in a name', line: '{"id":1,"\\udfff":"a"}', reason: /surrogate/ },
  { name: 'half a surrogate pair in the key', line: '{"id":"\\ud800","a":"a"}', reason: /surrogate/ },
  { name: 'half a surrogate pair inside', line: '{"id":1,"a":{"\\ud800":1}}', reason: /surrogate/ },
  { name: 'only null columns', line: '{"id":1,"a":null}', reason: /^no column with a value$/ },
  { name: 'nothing but a key', line: '{"id":1}', reason: /^no column with a value$/ },
  {
    name: 'a name that is too long',
    line: `{"id":1,"${'n'.repeat(65_536)}":1}`,
    reason: /the name of a column has more than 65535/,
  },
  {
    name: 'a value nested without end',
    line: `{"id":1,"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    reason: /nested too deeply|not JSON/,
  },
  {
    name: 'too many columns',
    line: `{"id":1${Array.from({ length: 10_001 }, (_, index) => `,"c${index}":1`).join('')}}`,
    reason: /more than 10000 columns/,
  },
]
for (const { name, line, reason, options } of badLines) {
  test(`a line with ${name} is a bad line, and its reason does not quote it`, async () => {
    const found = await badLineOf(line, options)
    assert.match(found, reason)
    assert.ok(!found.includes('secret') && found.length < 200, found)
  })
}

test('a prototype in a line is a column like any other', async () => {
  assert.deepEqual(await rowsOf('{"id":1,"__proto__":{"a":1}}\n'), [['1', { ['__proto__']: '{"a":1}' }]])
})

test('a line over the limit is skipped, the next one is read', async () => {
  const long = Buffer.alloc(limits.maxLoadLineBytes + 1, 0x61)
  const content = Buffer.concat([Buffer.from('{"id":1,"a":1}\n'), long, Buffer.from('\n{"id":2,"a":1}\n')])
  const source = await open(content, { maxBadLines: 1 })
  assert.deepEqual(
    (await readAll(source)).map(({ rowKey, line }) => [rowKey.toString(), line]),
    [
      ['1', 1],
      ['2', 3],
    ],
  )
  assert.deepEqual(source.badLines, [{ line: 2, reason: `longer than ${limits.maxLoadLineBytes} bytes` }])
})

test('allowed bad lines are left out and reported', async () => {
  const source = await open('{"id":1,"a":1}\nx\n{"id":2,"a":2}\ny\n', { maxBadLines: 2 })
  assert.equal((await readAll(source)).length, 2)
  assert.deepEqual(source.badLines, [
    { line: 2, reason: 'not JSON' },
    { line: 4, reason: 'not JSON' },
  ])
})

test('more bad lines than allowed fail the load by file, line and reason', async () => {
  const error = await failureOf('{"id":1,"a":1}\nx\n{"id":2,"a":2}\ny\n', { maxBadLines: 1 })
  assert.equal(error.code, 'INVALID_ARGUMENT')
  assert.match(error.message, /^2 bad lines, 1 allowed, the first at file:\/\/\/in\/rows:2: not JSON/)
})

test('a file that is all wrong is not read to its end, and only some of its lines are reported', async () => {
  const rows = await open('x\n'.repeat(1_000_000))
  await assert.rejects(readAll(rows), /bad lines, 0 allowed/)
  assert.equal(rows.badLines.length, limits.maxReportedBadLines)
  assert.ok(rows.readBytes < 1_000_000)
})

test('named columns that no line has a value for are told', async () => {
  const rows = await open('{"id":1,"name":"a"}\n{"id":2,"name":"b","nmae":null}\n', {
    columns: ['name', 'nmae'],
  })
  await readAll(rows)
  assert.deepEqual(rows.unseenColumns, ['nmae'])
})

test('lines of changing fields keep theirs, with and without the short way', async () => {
  const content =
    '{"a":"1","id":1}\n{"id":2,"a":"2","b":"3"}\n{"id":3,"a":"\\n"}\n{"id":4,"b":"5","a":"6"}\n{"a":"1","id":1}\n'
  assert.deepEqual(await rowsOf(content), [
    ['1', { a: '1' }],
    ['2', { a: '2', b: '3' }],
    ['3', { a: '\n' }],
    ['4', { b: '5', a: '6' }],
    ['1', { a: '1' }],
  ])
})

test('an empty file has no rows', async () => {
  assert.deepEqual(await rowsOf(''), [])
})

test('rows come back as they were written, wherever the pieces of the file are cut', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 300 })
  const row = fc.record({
    id: fc.oneof(
      fc.maxSafeInteger(),
      text.filter((key) => key !== ''),
    ),
    a: fc.option(text),
    b: fc.oneof(text, fc.integer(), fc.boolean()),
    // Long enough that lines cross the pieces in which the file is read.
    filler: fc.nat(3_000).map((length) => 'x'.repeat(length)),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 120 }), async (rows) => {
      const content = rows.map((value) => JSON.stringify(value)).join('\n')
      const expected = rows.map(({ id, a, b, filler }) => [
        String(id),
        { ...(a !== null && { a }), b: String(b), filler },
      ])
      for (const pieceBytes of [7, 4_096, 128 * 1024]) {
        assert.deepEqual(await rowsOf({ bytes: content, pieceBytes }, { maxValueBytes: 10_000 }), expected)
      }
    }),
    { numRuns: 20 },
  )
})

test('arbitrary bytes give rows or bad lines, never anything else', async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((json) => Buffer.from(json)),
    fc.constantFrom('\n', '{"id":1,"a":2}\n', '{"id":', '"', '\\', '\ufeff').map((text) => Buffer.from(text)),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 20 }), async (pieces) => {
      const content = Buffer.concat(pieces)
      const source = await open(content, { maxBadLines: 1_000 })
      const rows = await readAll(source)
      const lines = content.toString('latin1').split('\n').length
      assert.ok(rows.length + source.badLineCount <= lines)
      for (const { rowKey, cells } of rows) assert.ok(rowKey.length > 0 && cells.length > 0)
    }),
    { numRuns: 300 },
  )
})
