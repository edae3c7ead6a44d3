/** Clustering keys as bytes: their order is the comparator's, they end by themselves, and they are read back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { KVError } from '../../../src/base/errors.js'
import { comparatorOf } from '../../../shims/rocksandra/cql/compare.js'
import { decodeOrdered, encodeOrdered, type KeyPart } from '../../../shims/rocksandra/cql/ordered-bytes.js'
import { type CqlType, TYPES, typeText } from '../../../shims/rocksandra/cql/types.js'
import { validateValue } from '../../../shims/rocksandra/cql/validate.js'
import { anyCqlType, nativeType, valueOf } from './cql-value-arbitraries.js'

const part: fc.Arbitrary<KeyPart> = fc.record({
  type: fc.oneof(nativeType, anyCqlType),
  isReversed: fc.boolean(),
})

const keys = fc.array(part, { minLength: 1, maxLength: 3 }).chain((parts) => {
  const key = fc.tuple(...parts.map(({ type }) => valueOf(type)))
  return fc.tuple(fc.constant(parts), key, key)
})

/** As Cassandra compares clusterings: column by column, descending ones the other way round. */
function compareKeys(parts: readonly KeyPart[], a: readonly Buffer[], b: readonly Buffer[]): number {
  for (const [index, { type, isReversed }] of parts.entries()) {
    const order = comparatorOf(type)(a[index] as Buffer, b[index] as Buffer)
    if (order !== 0) return isReversed ? -order : order
  }
  return 0
}

function shown(parts: readonly KeyPart[], ...all: readonly (readonly Buffer[])[]): string {
  const types = parts.map(({ type, isReversed }) => `${typeText(type)}${isReversed ? ' DESC' : ''}`)
  return [types.join(', '), ...all.map((key) => key.map((value) => value.toString('hex')).join(', '))].join(
    ' | ',
  )
}

test('the order of the bytes is the order of the keys', () => {
  fc.assert(
    fc.property(keys, ([parts, a, b]) => {
      const order = Buffer.compare(encodeOrdered(parts, a), encodeOrdered(parts, b))
      assert.equal(Math.sign(order), Math.sign(compareKeys(parts, a, b)), shown(parts, a, b))
    }),
    { numRuns: 20_000 },
  )
})

test('a key is read back as one that equals it and has the same bytes', () => {
  fc.assert(
    fc.property(keys, ([parts, key]) => {
      const bytes = encodeOrdered(parts, key)
      const framed = Buffer.concat([Buffer.of(7, 7), bytes, Buffer.from('rest')])
      const { values, end } = decodeOrdered(parts, framed, 2)
      assert.equal(end, bytes.length + 2, shown(parts, key))
      values.forEach((value, index) => {
        validateValue((parts[index] as KeyPart).type, value)
      })
      assert.equal(compareKeys(parts, values, key), 0, shown(parts, key, values))
      assert.deepEqual(encodeOrdered(parts, values), bytes)
    }),
    { numRuns: 10_000 },
  )
})

test('no encoding of a type is a prefix of another one', () => {
  fc.assert(
    fc.property(keys, ([parts, a, b]) => {
      const left = encodeOrdered(parts, a)
      const right = encodeOrdered(parts, b)
      if (compareKeys(parts, a, b) === 0) return
      assert.ok(!right.subarray(0, left.length).equals(left), shown(parts, a, b))
    }),
    { numRuns: 10_000 },
  )
})

test('values that differ in form alone have one encoding, the shorter form', () => {
  const one = (type: CqlType, hex: string): string => {
    return encodeOrdered([{ type, isReversed: false }], [Buffer.from(hex, 'hex')]).toString('hex')
  }
  assert.equal(one(TYPES.decimal, '000000020096'), one(TYPES.decimal, '000000010f'), '1.50 and 1.5')
  assert.equal(one(TYPES.decimal, '0000000500'), one(TYPES.decimal, '0000000000'), '0.00000 and 0')
  assert.equal(one(TYPES.varint, '000001'), one(TYPES.varint, '01'))
  assert.equal(one(TYPES.varint, 'ffff80'), one(TYPES.varint, '80'))
  assert.equal(one(TYPES.boolean, '02'), one(TYPES.boolean, '01'))
  assert.equal(one(TYPES.double, 'fff8000000000001'), one(TYPES.double, '7ff8000000000000'), 'not a number')
})

/** Also in docs/FORMATS.md. Another result for any of them is a format break. */
const GOLDEN: readonly (readonly [type: CqlType, isReversed: boolean, value: string, encoded: string])[] = [
  [TYPES.int, false, '00000005', '0180000005'],
  [TYPES.int, false, 'fffffffb', '017ffffffb'],
  [TYPES.int, false, '', '00'],
  [TYPES.int, true, '00000005', 'fe7ffffffa'],
  [TYPES.text, false, '616200', '616200ff0000'],
  [TYPES.text, true, '6162', '9e9dffff'],
  [TYPES.varint, false, '00', '80'],
  [TYPES.varint, false, '0100', '820100'],
  [TYPES.varint, false, 'ff', '7efe'],
  [TYPES.decimal, false, '000000010f', 'c080000000011000'],
  [TYPES.decimal, false, '00000001f1', '407ffffffffeefff'],
  [TYPES.boolean, false, '01', '0101'],
  [TYPES.double, false, '3ff0000000000000', '01bff0000000000000'],
  [TYPES.double, false, 'bff0000000000000', '01400fffffffffffff'],
  [TYPES.timeuuid, false, '0102030405061708ff0a0b0c0d0e0f10', '0117080506010203047f8a8b8c8d8e8f90'],
  [TYPES.uuid, false, '0102030405061708890a0b0c0d0e0f10', '021708050601020304890a0b0c0d0e0f10'],
  [TYPES.uuid, false, '0102030405064708890a0b0c0d0e0f10', '050102030405064708890a0b0c0d0e0f10'],
  [TYPES.date, false, '80000000', '80000000'],
  [{ kind: 'list', element: TYPES.tinyint, isFrozen: true }, false, '00000001000000010a', '01018a00'],
  [{ kind: 'tuple', elements: [TYPES.tinyint, TYPES.int] }, false, '000000010a', '028a00'],
]

test('the bytes of each type are those of the format', () => {
  for (const [type, isReversed, value, encoded] of GOLDEN) {
    const parts = [{ type, isReversed }]
    const bytes = encodeOrdered(parts, [Buffer.from(value, 'hex')])
    assert.equal(bytes.toString('hex'), encoded, `${typeText(type)} ${value}`)
    assert.equal(decodeOrdered(parts, bytes).values[0]?.toString('hex'), value, `${typeText(type)} ${value}`)
  }
})

test('damaged bytes are CORRUPT and never read past their end', () => {
  const damaged = keys.chain(([parts, key]) => {
    const bytes = encodeOrdered(parts, key)
    return fc.tuple(fc.constant(parts), fc.constant(bytes), fc.nat(bytes.length), fc.nat(255))
  })
  fc.assert(
    fc.property(damaged, ([parts, bytes, at, byte]) => {
      const cut = bytes.subarray(0, at)
      if (at < bytes.length) assert.throws(() => decodeOrdered(parts, cut), { code: 'CORRUPT' })
      const changed = Buffer.from(bytes)
      if (at < changed.length) changed[at] = byte
      try {
        assert.ok(decodeOrdered(parts, changed).end <= changed.length)
      } catch (error) {
        assert.ok(error instanceof KVError && error.code === 'CORRUPT', String(error))
      }
    }),
    { numRuns: 5_000 },
  )
})
