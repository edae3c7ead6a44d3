/** Structs of any shape, written by npm thrift: every field becomes its column, and the whole stays as it was. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { compileThriftStruct } from '../../../src/base/thrift-idl.js'
import type { ThriftEncoding } from '../../../src/base/thrift-layout.js'
import { BadLineError } from '../../../src/loader/json-text.js'
import { ThriftExploder } from '../../../src/loader/formats/thrift-explode.js'
import type { Cell } from '../../../src/model/row.js'
import {
  encodeStruct,
  encodeValue,
  idlOf,
  type Shape,
  type ShapeField,
  type ShapeType,
  type ShapeValue,
} from '../../support/stock-structs.js'

const ENCODINGS: readonly ThriftEncoding[] = ['binary', 'compact']
const MAX_VALUE = 1 << 20

function exploderOf(idl: string, struct: string, protocol: ThriftEncoding, columns: string[] | null = null) {
  const fields = compileThriftStruct([{ name: 'a.thrift', text: idl }], struct)
  return new ThriftExploder(
    { protocol, struct, valueField: '', fields },
    { columns, isBase64: false, maxValueBytes: MAX_VALUE },
  )
}

function cellWith(value: Buffer): Cell {
  return { localKey: Buffer.alloc(0), value, timestamp: null, ttlSeconds: null }
}

function explode(exploder: ThriftExploder, value: Buffer): Record<string, string> {
  const cells = exploder.explode([cellWith(value)])
  return Object.fromEntries(
    cells.map(({ localKey, value: bytes }) => [localKey.toString(), bytes.toString('latin1')]),
  )
}

const scalar: fc.Arbitrary<ShapeType> = fc.constantFrom(
  ...(['bool', 'byte', 'i16', 'i32', 'i64', 'double', 'string', 'binary'] as const).map((kind) => ({ kind })),
)

function typeArbitrary(depth: number): fc.Arbitrary<ShapeType> {
  if (depth === 0) return scalar
  const inner = typeArbitrary(depth - 1)
  return fc.oneof(
    { weight: 4, arbitrary: scalar },
    { weight: 1, arbitrary: inner.map((of) => ({ kind: 'list' as const, of })) },
    { weight: 1, arbitrary: inner.map((of) => ({ kind: 'set' as const, of })) },
    { weight: 1, arbitrary: fc.tuple(scalar, inner).map(([key, of]) => ({ kind: 'map' as const, key, of })) },
    {
      weight: 2,
      arbitrary: shapeArbitrary(depth - 1).map((struct) => ({ kind: 'struct' as const, struct })),
    },
  )
}

let shapes = 0

function shapeArbitrary(depth: number): fc.Arbitrary<Shape> {
  const field = fc.record({
    id: fc.integer({ min: 1, max: 32_767 }),
    type: typeArbitrary(depth),
    isRequired: fc.boolean(),
  })
  return fc.uniqueArray(field, { selector: ({ id }) => id, minLength: 1, maxLength: 8 }).map((fields) => ({
    name: `S${++shapes}`,
    fields: fields.map((one): ShapeField => ({ ...one, name: `f${one.id}` })),
  }))
}

function valueArbitrary(type: ShapeType): fc.Arbitrary<ShapeValue> {
  const items = (of: ShapeType) => fc.array(valueArbitrary(of), { maxLength: 20 })
  switch (type.kind) {
    case 'bool':
      return fc.boolean()
    case 'byte':
      return fc.integer({ min: -128, max: 127 })
    case 'i16':
      return fc.integer({ min: -32_768, max: 32_767 })
    case 'i32':
      return fc.integer()
    case 'i64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    case 'double':
      return fc.double()
    case 'string':
      return fc.string({ unit: 'grapheme' })
    case 'binary':
      return fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))
    case 'list':
    case 'set':
      return items(type.of)
    case 'map':
      return fc.array(fc.tuple(valueArbitrary(type.key), valueArbitrary(type.of)), { maxLength: 5 })
    case 'struct':
      return structArbitrary(type.struct)
  }
}

/** Some of the fields, all required ones, in any order. */
function structArbitrary({ fields }: Shape): fc.Arbitrary<ReadonlyMap<string, ShapeValue>> {
  const all = fields.map(({ name, type, isRequired }) => {
    const value = valueArbitrary(type)
    return fc.tuple(fc.constant(name), isRequired ? value : fc.option(value, { nil: null }), fc.nat())
  })
  return fc.tuple(...all).map((entries) => {
    const present = entries.filter(([, value]) => value !== null).sort(([, , a], [, , b]) => a - b)
    return new Map(present.map(([name, value]) => [name, value as ShapeValue]))
  })
}

function textOf(type: ShapeType, value: ShapeValue, encoding: ThriftEncoding): string {
  if (typeof value === 'number') return type.kind === 'double' ? plainText(String(value)) : String(value)
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (typeof value === 'string') return Buffer.from(value).toString('latin1')
  return Buffer.isBuffer(value)
    ? value.toString('latin1')
    : encodeValue(type, value, encoding).toString('latin1')
}

/** Digits of a double without its exponent, by moving the point one place at a time. */
function plainText(text: string): string {
  if (!text.includes('e')) return text
  const [, sign = '', digits = '', exponent = '0'] = /^(-?)([\d.]+)e([+-]\d+)$/.exec(text) ?? []
  const [whole = '', fraction = ''] = digits.split('.')
  const power = Number(exponent)
  if (power > 0) return `${sign}${whole}${fraction.padEnd(power, '0')}`
  return `${sign}0.${'0'.repeat(-power - 1)}${whole}${fraction}`
}

function columnsOf(
  { fields }: Shape,
  value: ReadonlyMap<string, ShapeValue>,
  encoding: ThriftEncoding,
  prefix = '',
): Record<string, string> {
  const columns: Record<string, string> = {}
  for (const { name, type } of fields) {
    const item = value.get(name)
    if (item === undefined) continue
    const path = `${prefix}${name}`
    if (type.kind === 'struct') {
      Object.assign(
        columns,
        columnsOf(type.struct, item as ReadonlyMap<string, ShapeValue>, encoding, `${path}.`),
      )
    } else columns[path] = textOf(type, item, encoding)
  }
  return columns
}

const sample = shapeArbitrary(2).chain((shape) => fc.tuple(fc.constant(shape), structArbitrary(shape)))

describe('structs of any shape', () => {
  for (const encoding of ENCODINGS) {
    test(`${encoding}: the whole has equal bytes and every field that is set is a column`, () => {
      fc.assert(
        fc.property(sample, ([shape, value]) => {
          const bytes = encodeStruct(shape, value, encoding)
          const found = explode(exploderOf(idlOf(shape), shape.name, encoding), bytes)
          const expected = { '': bytes.toString('latin1'), ...columnsOf(shape, value, encoding) }
          assert.deepEqual(found, expected)
        }),
        { numRuns: 400 },
      )
    })

    test(`${encoding}: cut off anywhere, or with bits flipped, it is a bad line or a struct, never anything else`, () => {
      fc.assert(
        fc.property(sample, fc.nat(), fc.nat(), ([shape, value], at, mask) => {
          const bytes = encodeStruct(shape, value, encoding)
          const exploder = exploderOf(idlOf(shape), shape.name, encoding)
          const cut = bytes.subarray(0, at % bytes.length)
          assert.throws(() => exploder.explode([cellWith(cut)]), BadLineError)
          const flipped = Buffer.from(bytes)
          flipped[at % bytes.length] = (flipped[at % bytes.length] ?? 0) ^ (1 << (mask % 8))
          try {
            assert.equal(explode(exploder, flipped)[''], flipped.toString('latin1'))
          } catch (error) {
            assert.ok(error instanceof BadLineError, String(error))
          }
          // And it is fit for the next value.
          assert.equal(explode(exploder, bytes)[''], bytes.toString('latin1'))
        }),
        { numRuns: 200 },
      )
    })
  }
})

const USER = `
struct Address { 1: optional string city, 2: required i32 zip }
struct User {
  1: required i64 id
  2: optional string name
  3: optional Address home
  4: optional list<i32> marks
  5: optional map<string, i64> counts
  -1: optional bool old
}`

const USER_SHAPE: Shape = {
  name: 'User',
  fields: [
    { id: 1, name: 'id', type: { kind: 'i64' }, isRequired: true },
    { id: 2, name: 'name', type: { kind: 'string' }, isRequired: false },
    {
      id: 3,
      name: 'home',
      isRequired: false,
      type: {
        kind: 'struct',
        struct: {
          name: 'Address',
          fields: [
            { id: 1, name: 'city', type: { kind: 'string' }, isRequired: false },
            { id: 2, name: 'zip', type: { kind: 'i32' }, isRequired: true },
          ],
        },
      },
    },
    { id: 4, name: 'marks', type: { kind: 'list', of: { kind: 'i32' } }, isRequired: false },
    {
      id: 5,
      name: 'counts',
      type: { kind: 'map', key: { kind: 'string' }, of: { kind: 'i64' } },
      isRequired: false,
    },
    { id: 99, name: 'unknown', type: { kind: 'bool' }, isRequired: false },
  ],
}

const ADA: readonly (readonly [string, ShapeValue])[] = [
  ['id', 1n],
  ['name', 'Ada'],
  ['home', new Map<string, ShapeValue>([['city', 'Zürich'], ['zip', 8001]])], // prettier-ignore
]

describe('a struct with a nested one', () => {
  test('fields that are not set have no column, and columns are in the order of their bytes', () => {
    const bytes = encodeStruct(USER_SHAPE, new Map(ADA), 'binary')
    const cells = exploderOf(USER, 'User', 'binary').explode([cellWith(bytes)])
    assert.deepEqual(
      cells.map(({ localKey, value }) => [
        localKey.toString(),
        value.equals(bytes) ? 'all' : value.toString(),
      ]),
      [['', 'all'], ['home.city', 'Zürich'], ['home.zip', '8001'], ['id', '1'], ['name', 'Ada']], // prettier-ignore
    )
  })

  test('only the named columns are taken, and the whole', () => {
    const bytes = encodeStruct(USER_SHAPE, new Map(ADA), 'compact')
    const found = explode(exploderOf(USER, 'User', 'compact', ['name', 'home.zip']), bytes)
    assert.deepEqual(Object.keys(found), ['', 'home.zip', 'name'])
  })

  test('a column that is no field is refused with those that are', () => {
    assert.throws(
      () => exploderOf(USER, 'User', 'binary', ['home']),
      /no field "home" that is a column; it has id, name, home.city/,
    )
  })

  for (const [what, bytes, reason] of [
    ['a field that the IDL does not have', struct([...ADA, ['unknown', true]]), /field 99 is not in the IDL/],
    ['a required field that is missing', struct(ADA.slice(1)), /required field "id" is missing/],
    [
      'a required field of a nested struct',
      struct([
        ['id', 1n],
        ['home', new Map()],
      ]),
      /"home.zip" is missing/,
    ],
    ['nothing', Buffer.alloc(0), /ends inside a struct/],
    ['bytes behind it', Buffer.concat([struct(ADA), Buffer.alloc(3)]), /3 bytes behind it/],
    ['another type', Buffer.from('08000100000001' + '00', 'hex'), /"id" has type i32, the IDL says i64/],
    ['a field twice', Buffer.from('02ffff0102ffff01' + '00', 'hex'), /"old" is there twice/],
    ['text that is none', Buffer.from('0b000200000001ff' + '00', 'hex'), /"name" is text that is not UTF-8/],
    [
      'a list of others',
      Buffer.from('0f00040b0000000100000000' + '00', 'hex'),
      /a list of string, the IDL says i32/,
    ],
    [
      'a map of others',
      Buffer.from('0d00050b0b000000010000000000000000' + '00', 'hex'),
      /a map of string, string, the IDL says string, i64/,
    ],
    ['a size that lies', Buffer.from('0b00027fffffff' + '00', 'hex'), /2147483647 bytes are declared/],
  ] as const) {
    test(`${what} is a bad line that says so, without the value`, () => {
      const exploder = exploderOf(USER, 'User', 'binary')
      assert.throws(
        () => exploder.explode([cellWith(bytes)]),
        (error) =>
          error instanceof BadLineError && reason.test(error.message) && !error.message.includes('Ada'),
      )
    })
  }

  for (const encoding of ENCODINGS) {
    test(`${encoding}: maps and lists of many elements keep their bytes, and their types are compared`, () => {
      const counts = Array.from({ length: 300 }, (_, index) => [`n${index}`, BigInt(index)] as const)
      const value = new Map<string, ShapeValue>([...ADA, ['counts', counts], ['marks', Array.from({ length: 300 }, () => 7)]]) // prettier-ignore
      const bytes = encodeStruct(USER_SHAPE, value, encoding)
      const { counts: found } = explode(exploderOf(USER, 'User', encoding), bytes)
      const type = { kind: 'map', key: { kind: 'string' }, of: { kind: 'i64' } } as const
      assert.equal(found, encodeValue(type, counts, encoding).toString('latin1'))
      const other = USER.replace('map<string, i64>', 'map<string, i32>')
      assert.throws(
        () => explode(exploderOf(other, 'User', encoding), bytes),
        /"counts" is a map of string, i64, the IDL says string, i32/,
      )
    })
  }

  test('values nest no deeper than thrift frames may', () => {
    const idl = 'struct Node { 1: optional Node next }'
    const deep = Buffer.concat([Buffer.from('0c0001'.repeat(200), 'hex'), Buffer.alloc(201)])
    assert.throws(() => exploderOf(idl, 'Node', 'binary').explode([cellWith(deep)]), /nest deeper than/)
  })
})

function struct(entries: readonly (readonly [string, ShapeValue])[]): Buffer {
  return encodeStruct(USER_SHAPE, new Map(entries), 'binary')
}
