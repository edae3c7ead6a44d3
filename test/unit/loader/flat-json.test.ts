import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FlatJson } from '../../../src/loader/formats/flat-json.js'
import { valueToText } from '../../../src/loader/json-text.js'

/** What the scanner makes of a line, as JSON.parse and valueToText would; null: it leaves the line to them. */
function scanned(flat: FlatJson, line: Buffer): [string, string | null][] | null {
  if (!flat.scan(line, 0, line.length)) return null
  return flat.names.map((name, index) => {
    const text = line.toString('utf8', flat.starts[index], flat.ends[index])
    return [name, flat.kinds[index] === 'null' ? null : text]
  })
}

function parsed(text: string): [string, string | null][] {
  const fields = JSON.parse(text) as Record<string, unknown>
  return Object.entries(fields).map(([name, value]) => [name, valueToText(value, text.includes('\\u'))])
}

function assertEqual(flat: FlatJson, text: string): boolean {
  const found = scanned(flat, Buffer.from(text))
  if (found === null) return false
  // Of a name given twice the last one counts, and numbers as names come first: neither matters to who asks by name.
  const byName = new Map(found)
  assert.deepEqual([...byName].sort(), parsed(text).sort(), text)
  return true
}

test('simple lines are taken, and say what JSON.parse says', () => {
  const flat = new FlatJson()
  const lines = [
    '{"id":1,"name":"Zürich","ok":true,"no":false,"none":null}',
    '{ "id" : -12 , "lat" : 51.50853, "zero":0,"half":-0.5,"tiny":0.00000012 }\r',
    '{"id":"\u{1f600}","2":"b","1":"a","":"","__proto__":"p"}',
    '{"id":999999999999999,"a":"\u2028\u007f"}',
  ]
  for (const line of lines) assert.ok(assertEqual(flat, line), line)
})

const others: readonly string[] = [
  '', '{', '{}', '[]', 'null', '{"a":1', '{"a":1}}', '{"a":1}{', '{"a":1,}', '{"a" 1}', '{"a":}', '{a:1}', '{"a":01}',
  '{"a":1.}', '{"a":.5}', '{"a":-}', '{"a":+1}', '{"a":1e5}', '{"a":1.50}', '{"a":1.0}', '{"a":-0}', '{"a":-0.0}',
  '{"a":1234567890123456}', '{"a":0.1234567890123456}', '{"a":tru}', '{"a":truely}', '{"a":nulll}', '{"a":"\\n"}',
  '{"a":"\t"}', '{"a":"x}', '{"a\\u0041":1}', '{"a":[1]}', '{"a":{"b":1}}', '{"a":1 2}', '{"a":"1"2}', '{"a":1,"b"}',
  '{"a":NaN}', '{"a":0x1}', '{"a":1_0}',
] // prettier-ignore
for (const line of others) {
  test(`${JSON.stringify(line)} is left to JSON.parse`, () => {
    assert.equal(scanned(new FlatJson(), Buffer.from(line)), null)
  })
}

test('whatever is taken says what JSON.parse says', () => {
  const flat = new FlatJson()
  let taken = 0
  const number = fc.oneof(
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.float({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger(),
  )
  const decimal = fc
    .tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.stringMatching(/^\d{0,12}$/))
    .map(([whole, fraction]) => (fraction === '' ? String(whole) : `${whole}.${fraction}`))
  const value = fc.oneof(
    fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
    number.map((one) => JSON.stringify(one)),
    decimal,
    fc.constantFrom('true', 'false', 'null', '-0', '1E3'),
    fc.json({ maxDepth: 2 }),
  )
  const name = fc.oneof(
    fc.constantFrom('id', 'a', 'b', '__proto__', '1'),
    fc.string({ unit: 'binary', maxLength: 4 }),
  )
  const space = fc.constantFrom('', '', ' ', '\t')
  const field = fc.tuple(space, name, space, space, value, space)
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 6 }), (fields) => {
      const text = `{${fields.map(([a, key, b, c, one, d]) => `${a}${JSON.stringify(key)}${b}:${c}${one}${d}`).join(',')}}`
      if (hasLoneSurrogate(text)) return
      taken += Number(assertEqual(flat, text))
    }),
    { numRuns: 3_000 },
  )
  assert.ok(taken > 300, `only ${taken} lines were simple`)
})

test('a line that is taken is JSON, whatever its bytes', () => {
  const flat = new FlatJson()
  const piece = fc.constantFrom(
    '{',
    '}',
    '"',
    ':',
    ',',
    '"id"',
    '"a"',
    ':1',
    '1',
    '-',
    '.',
    '0',
    'true',
    'null',
    ' ',
    '\\',
    '[',
    'é',
    '\n',
  )
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 14 }),
      (pieces) => void assertEqual(flat, `{"id":1,${pieces.join('')}`),
    ),
    { numRuns: 5_000 },
  )
})

test('the names are those of the line, not of the one before', () => {
  const flat = new FlatJson()
  const namesOf = (line: string) => scanned(flat, Buffer.from(line))?.map(([name]) => name)
  assert.deepEqual(namesOf('{"a":1,"b":2,"c":3}'), ['a', 'b', 'c'])
  assert.deepEqual(namesOf('{"a":1,"b":2}'), ['a', 'b'])
  assert.deepEqual(namesOf('{"a":1,"b":2,"d":3}'), ['a', 'b', 'd'])
  assert.deepEqual(namesOf('{"a":1,"bb":2}'), ['a', 'bb'])
  assert.equal(namesOf('{"a":1,"x":2,"y":oops}'), undefined)
  assert.deepEqual(namesOf('{"a":1,"bb":2,"d":3}'), ['a', 'bb', 'd'])
  const names = flat.names
  assert.deepEqual(namesOf('{"a":7,"bb":8,"d":9}'), ['a', 'bb', 'd'])
  assert.equal(flat.names, names)
})

function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text)
}
