import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bytesToText, printable, textToBytes } from '../../../src/cli/bytes.js'
import {
  displayWidth,
  formatBytes,
  formatCount,
  formatDuration,
  formatPairs,
  formatTable,
  formatTime,
  right,
  whole,
  wrapText,
} from '../../../src/cli/format.js'

test('a table is aligned, without blanks at the ends of lines', () => {
  assert.equal(
    formatTable(
      ['NAME', 'VALUE'],
      [
        ['a', '1'],
        ['longer', ''],
      ],
      { width: null },
    ),
    'NAME    VALUE\na       1\nlonger\n',
  )
})

test('a table for a terminal cuts the widest columns until it fits', () => {
  const text = 'x'.repeat(200)
  for (const width of [40, 60, 80]) {
    const lines = formatTable(['NAME', 'VALUE', 'OTHER'], [['short', text, text.slice(0, 30)]], {
      width,
    }).split('\n')
    for (const line of lines) assert.ok(displayWidth(line) <= width, `${line.length} of ${width}`)
    assert.match(lines[1] ?? '', /^short +x+… +x+…?$/)
  }
})

test('a column that says nothing when it is cut is whole, and the others make room', () => {
  const name = 'shadow reads end in comparisons'
  for (const width of [60, 80]) {
    const table = formatTable([whole('GUARD'), 'FOUND', right('OF')], [[name, 'x'.repeat(99), '7']], {
      width,
    })
    const [head = '', line = ''] = table.split('\n')
    assert.match(line, new RegExp(`^${name} +x+… +7$`))
    assert.ok(head.startsWith('GUARD') && displayWidth(line) <= width, table)
  }
  const block = formatTable([whole('GUARD'), 'FOUND'], [[name, 'x'.repeat(99)]], { width: 20 })
  assert.match(block, new RegExp(`^GUARD +${name}\nFOUND +x+…\n$`))
})

test('no table is wider than the terminal as long as its columns have eight places each', () => {
  const cell = fc.string({ unit: 'grapheme', maxLength: 60 })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, cell, cell), { maxLength: 8 }),
      fc.integer({ min: 28, max: 120 }),
      (rows, width) => {
        for (const line of formatTable(['A', 'B', 'C'], rows, { width }).split('\n')) {
          assert.ok(displayWidth(line) <= width)
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('wide characters take two columns and combining marks none', () => {
  assert.equal(displayWidth('東京'), 4)
  assert.equal(displayWidth('e\u0301'), 1)
  assert.equal(
    formatTable(
      ['CITY', 'N'],
      [
        ['東京', '1'],
        ['Rome', '2'],
      ],
      { width: null },
    ),
    'CITY  N\n東京  1\nRome  2\n',
  )
})

test('a stored value cannot steer the terminal or break a table', () => {
  assert.equal(printable('a\n\t\x1b[31mred\u009b'), 'a\\n\\t\\x1b[31mred\\x9b')
  assert.equal(printable('for \u202egnitset\u2028'), 'for \\u202egnitset\\u2028')
  assert.equal(formatPairs([['k', 'a\nb']]), 'k  a\\nb\n')
  assert.ok(!formatTable(['A'], [['\x1b[2J']], { width: null }).includes('\x1b'))
})

test('figures are written for people', () => {
  assert.equal(formatCount(135_233), '135,233')
  assert.deepEqual([0, 999, 1_000, 999_949, 999_950, 18_477_316, 5e12].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '999.9 kB',
    '1.0 MB',
    '18.5 MB',
    '5.0 TB',
  ])
  assert.deepEqual([1_240, 59_999, 61_000, 3_660_000, 90_000_000].map(formatDuration), [
    '1.2 s',
    '59 s',
    '1 min 1 s',
    '1 h 1 min',
    '1 d 1 h',
  ])
  assert.equal(formatTime(0), '1970-01-01 00:00:00Z')
})

test('bytes travel as text or base64 and come back', () => {
  assert.deepEqual(textToBytes('Zürich', 'text'), { utf8: 'Zürich' })
  assert.deepEqual(textToBytes('FF00', 'hex'), { base64: '/wA=' })
  assert.deepEqual(textToBytes('_wA', 'base64'), { base64: '/wA=' })
  assert.equal(bytesToText({ base64: '/wA=' }), 'base64:/wA=')
  for (const [text, encoding] of [
    ['f', 'hex'],
    ['zz', 'hex'],
    ['*', 'base64'],
  ] as const) {
    assert.throws(() => textToBytes(text, encoding), { exitCode: 2 })
  }
})

test('what does not fit a terminal goes on in its next lines, broken at blanks', () => {
  const text = 'one two three four five six seven eight nine ten eleven'
  for (const [width, indent] of [
    [20, 4],
    [30, 0],
  ] as const) {
    const lines = (' '.repeat(indent) + wrapText(text, width, indent)).split('\n')
    assert.ok(lines.length > 1)
    for (const line of lines) {
      assert.ok(displayWidth(line) <= width, line)
      assert.match(line, new RegExp(`^ {${indent}}\\S`))
    }
    assert.equal(lines.map((line) => line.trim()).join(' '), text)
  }
  assert.equal(wrapText(text, null, 4), text)
  assert.equal(wrapText('x'.repeat(99), 20, 4), 'x'.repeat(99))
  assert.equal(formatPairs([['name', 'some words of it']], 14), 'name  some\n      words of\n      it\n')
})
