/** Values of CQL as bytes, text and JSON; numbers, times and UUIDs against the published Node driver's codecs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { types } from 'cassandra-driver'
import fc from 'fast-check'
import type { NativeName } from '../../../shims/rocksandra/cql/ast.js'
import { comparatorOf } from '../../../shims/rocksandra/cql/compare.js'
import { jsonOfValue, rowOfJson, valueOfJsonText } from '../../../shims/rocksandra/cql/json.js'
import { nativeFromText } from '../../../shims/rocksandra/cql/literals.js'
import { parseTypeName } from '../../../shims/rocksandra/cql/parser.js'
import {
  type CqlType,
  type UserType,
  resolveType,
  TYPES,
  typeClassName,
  typeText,
} from '../../../shims/rocksandra/cql/types.js'
import { validateValue } from '../../../shims/rocksandra/cql/validate.js'
import { bytesToVarint, varintToBytes } from '../../../shims/rocksandra/cql/values/integers.js'
import {
  maxTimeuuid,
  minTimeuuid,
  timeuuidMs,
  TimeuuidSource,
} from '../../../shims/rocksandra/cql/values/uuids.js'
import { anyCqlType, valueOf } from './cql-value-arbitraries.js'

const PAIR: UserType = {
  kind: 'user',
  keyspace: 'ks',
  name: 'pair',
  fields: [
    { name: 'a', type: TYPES.int },
    { name: 'B', type: TYPES.text },
  ],
}

function typed(text: string): CqlType {
  return resolveType(parseTypeName(text), 'ks', (_keyspace, name) => (name === 'pair' ? PAIR : null))
}

/** Type, text of a constant, bytes, and the JSON of these. */
const LITERALS: readonly (readonly [NativeName, text: string, hex: string, json: string])[] = [
  ['ascii', 'a', '61', '"a"'],
  ['bigint', '-9223372036854775808', '8000000000000000', '-9223372036854775808'],
  ['blob', 'CAFE', 'cafe', '"0xcafe"'],
  ['boolean', 'TRUE', '01', 'true'],
  ['date', '1970-01-02', '80000001', '"1970-01-02"'],
  ['date', '2147483648', '80000000', '"1970-01-01"'],
  ['decimal', '-1.50', '00000002ff6a', '-1.50'],
  ['decimal', '1E+3', 'fffffffd01', '1E+3'],
  ['decimal', '0.0000001', '0000000701', '1E-7'],
  ['double', '10000000', '416312d000000000', '1.0E7'],
  ['double', '-infinity', 'fff0000000000000', '-Infinity'],
  ['float', '0.1', '3dcccccd', '0.1'],
  ['inet', '127.0.0.1', '7f000001', '"127.0.0.1"'],
  ['inet', '2001:db8::1', '20010db8000000000000000000000001', '"2001:db8:0:0:0:0:0:1"'],
  ['inet', '::ffff:1.2.3.4', '01020304', '"1.2.3.4"'],
  ['int', '+7', '00000007', '7'],
  ['smallint', '-2', 'fffe', '-2'],
  ['text', 'a"\u0001', '612201', '"a\\"\\u0001"'],
  ['time', '13:30:54.5', '00002c4042307100', '"13:30:54.500000000"'],
  ['timestamp', '2015-05-03 13:30:54.234+0100', '0000014d19c2011a', '"2015-05-03 12:30:54.234Z"'],
  ['timestamp', '-1', 'ffffffffffffffff', '"1969-12-31 23:59:59.999Z"'],
  ['tinyint', '-128', '80', '-128'],
  [
    'uuid',
    '123e4567-e89b-42d3-a456-426655440000',
    '123e4567e89b42d3a456426655440000',
    '"123e4567-e89b-42d3-a456-426655440000"',
  ],
  ['varint', '128', '0080', '128'],
  ['varint', '-129', 'ff7f', '-129'],
]

test('constants are read and values written as Cassandra does', () => {
  for (const [name, text, hex, json] of LITERALS) {
    const bytes = nativeFromText(name, text)
    assert.equal(bytes.toString('hex'), hex, `${name} ${text}`)
    validateValue(TYPES[name], bytes)
    assert.equal(jsonOfValue(TYPES[name], bytes), json, `${name} ${text}`)
  }
})

const WRONG: readonly (readonly [NativeName, text: string, message: string])[] = [
  ['int', '2147483648', "Unable to make int from '2147483648'"],
  ['bigint', 'x', "Unable to make long from 'x'"],
  ['smallint', '40000', "Unable to make short from '40000'"],
  ['boolean', 'yes', "Unable to make boolean from 'yes'"],
  ['blob', 'abc', "cannot parse 'abc' as hex bytes"],
  ['decimal', '1.2.3', "unable to make BigDecimal from '1.2.3'"],
  ['double', 'one', "Unable to make double from 'one'"],
  ['inet', 'localhost', "Unable to make inet address from 'localhost'"],
  ['timestamp', '2015-02-30', "Unable to coerce '2015-02-30' to a formatted date (long)"],
  ['date', '2015-13-01', "Unable to coerce '2015-13-01' to a formatted date (long)"],
  ['time', '24:00:00', "(TimeType) Unable to coerce '24:00:00' to a formatted time (long)"],
  ['timeuuid', '123e4567-e89b-42d3-a456-426655440000', 'TimeUUID supports only version 1 UUIDs'],
  ['uuid', '123', "Unable to make UUID from '123'"],
]

test('a constant that is none of its type is refused with the text of Cassandra', () => {
  for (const [name, text, message] of WRONG) {
    assert.throws(() => nativeFromText(name, text), { code: 'INVALID', message })
  }
})

test('bytes that are no value are refused with the text of Cassandra', () => {
  const refused: readonly (readonly [type: string, hex: string, message: string])[] = [
    ['int', '0102', 'Expected 4 or 0 byte int (2)'],
    ['tinyint', '', 'Expected 1 byte for a tinyint (0)'],
    ['text', 'ff', "String didn't validate."],
    ['ascii', '80', 'Invalid byte for ascii: -128'],
    ['uuid', '01', 'UUID should be 16 or 0 bytes (1)'],
    ['timeuuid', '123e4567e89b42d3a456426655440000', 'Invalid version for TimeUUID type.'],
    ['list<int>', '00000002', 'Not enough bytes to read a list'],
    ['list<int>', '7fffffff00000004', 'Not enough bytes to read a list'],
    ['set<int>', 'ffffffff', 'The data cannot be deserialized as a set'],
    ['map<int, int>', '0000000000', 'Unexpected extraneous bytes after map value'],
    ['list<int>', '00000001ffffffff', 'null is not supported inside collections'],
    ['tuple<int>', '0000', 'Not enough bytes to read size of 0th component'],
    ['tuple<int>', 'ffffffff00', 'Invalid remaining data after end of tuple value'],
    ['frozen<pair>', '00000005', 'Not enough bytes to read 0th field a'],
  ]
  for (const [type, hex, message] of refused) {
    assert.throws(
      () => validateValue(typed(type), Buffer.from(hex, 'hex')),
      { code: 'INVALID', message },
      type,
    )
  }
})

test('types are written as the schema tables and Java have them', () => {
  const type = typed('map<text, frozen<list<tuple<int, pair>>>>')
  assert.equal(typeText(type), 'map<text, frozen<list<frozen<tuple<int, frozen<pair>>>>>>')
  assert.equal(
    typeClassName(typed('frozen<pair>')).replaceAll('org.apache.cassandra.db.marshal.', ''),
    'UserType(ks,70616972,61:Int32Type,42:UTF8Type)',
  )
  for (const [text, message] of [
    ['list<set<int>>', 'Non-frozen collections are not allowed inside collections: list<set<int>>'],
    ['list<counter>', 'Counters are not allowed inside collections: list<counter>'],
    ['pair', 'Non-frozen User-Defined types are not supported, please use frozen<>'],
    ['frozen<none>', 'Unknown type ks.none'],
  ] as const) {
    assert.throws(() => typed(text), { code: 'INVALID', message })
  }
})

test('numbers, and UUIDs of a time, are those of the published driver', () => {
  fc.assert(
    fc.property(
      fc.bigInt(),
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
      (value, date) => {
        const bytes = varintToBytes(value)
        assert.equal(bytesToVarint(bytes), value)
        assert.equal(types.Integer.fromBuffer(bytes).toString(), value.toString())
        const ms = BigInt(date.getTime())
        assert.deepEqual(minTimeuuid(ms), types.TimeUuid.min(date, 0).getBuffer())
        // Behind the time the server's greatest is 7f in all bytes, which the driver's has the variant of RFC 4122 in.
        const greatest = types.TimeUuid.max(date, 9999).getBuffer()
        assert.deepEqual(maxTimeuuid(ms), Buffer.concat([greatest.subarray(0, 8), Buffer.alloc(8, 0x7f)]))
        assert.equal(timeuuidMs(types.TimeUuid.fromDate(date, 5).getBuffer()), ms)
      },
    ),
  )
})

test('made UUIDs rise, also when the clock stands still', () => {
  const source = new TimeuuidSource(() => 1_700_000_000_000, Buffer.alloc(8, 0x5a))
  const made = Array.from({ length: 20_001 }, () => source.next())
  const compare = comparatorOf(TYPES.timeuuid)
  made.slice(1).forEach((uuid, index) => {
    assert.ok(compare(made[index] as Buffer, uuid) < 0)
  })
  assert.equal(timeuuidMs(made[20_000] as Buffer), 1_700_000_000_002n)
})

test('JSON keeps every digit and is refused where Cassandra refuses it', () => {
  assert.equal(valueOfJsonText(TYPES.bigint, '9007199254740993')?.readBigInt64BE(), 9007199254740993n)
  assert.equal(valueOfJsonText(TYPES.int, 'null'), null)
  const list = valueOfJsonText(typed('map<int, frozen<set<text>>>'), '{"2": ["b", "a", "b"], "-1": []}')
  assert.equal(
    jsonOfValue(typed('map<int, frozen<set<text>>>'), list as Buffer),
    '{"-1": [], "2": ["a", "b"]}',
  )
  const pair = valueOfJsonText(typed('frozen<pair>'), '{"A": 1, "\\"B\\"": "x"}')
  assert.equal(jsonOfValue(PAIR, pair as Buffer), '{"a": 1, "\\"B\\"": "x"}')
  for (const [type, json, message] of [
    ['int', '1.5', 'Expected an int value, but got a Double: 1.5'],
    ['int', '3000000000', 'Expected an int value, but got a Long: 3000000000'],
    ['text', '[1, {"a": true}]', 'Expected a UTF-8 string, but got a ArrayList: [1, {a=true}]'],
    ['list<int>', '[null]', 'Invalid null element in list'],
    ['tuple<int, int>', '[1]', 'Tuple is missing items (expected 2): [1]'],
    ['frozen<pair>', '{"c": 1}', "Unknown field 'c' in value of user defined type pair"],
    ['int', '{', "Could not decode JSON string '{': a string expected at character 1"],
  ] as const) {
    assert.throws(() => valueOfJsonText(typed(type), json), { code: 'INVALID', message })
  }
})

test('INSERT JSON takes names as CQL folds them', () => {
  const receivers = [
    { name: 'k', type: TYPES.int },
    { name: 'Q', type: TYPES.text },
    { name: 'v', type: TYPES.text },
  ]
  const row = rowOfJson('{"K": 1, "\\"Q\\"": "x"}', receivers)
  assert.deepEqual(row, [Buffer.from('00000001', 'hex'), Buffer.from('x'), null])
  for (const [text, message] of [
    ['{"z": 1}', 'JSON values map contains unrecognized column: z'],
    ['null', 'Got null for INSERT JSON values'],
    ['{"k": "x"}', "Error decoding JSON value for k: Unable to make int from 'x'"],
  ] as const) {
    assert.throws(() => rowOfJson(text, receivers), { code: 'INVALID', message })
  }
})

test('what is valid is valid again after JSON, and the same', () => {
  const typedValue = anyCqlType.chain((type) => fc.tuple(fc.constant(type), valueOf(type)))
  fc.assert(
    fc.property(typedValue, ([type, value]) => {
      validateValue(type, value)
      const text = jsonOfValue(type, value)
      let back: Buffer | null
      try {
        back = valueOfJsonText(type, text)
      } catch {
        // NaN is no JSON, a counter is not read, and some empty values have no text.
        return
      }
      validateValue(type, back as Buffer)
      // A decimal goes through a double, no boolean becomes a false one, and a part that a key lacks becomes null.
      if (/Decimal|Boolean|(Map|Set)Type.*(Tuple|User)Type/.test(typeClassName(type))) return
      assert.equal(jsonOfValue(type, back as Buffer), text, typeText(type))
    }),
    { numRuns: 3_000 },
  )
})
