/** Types and valid values of them for property tests, with the odd ones that comparators disagree about. */
import fc from 'fast-check'
import type { NativeName } from '../../../shims/rocksandra/cql/ast.js'
import { comparatorOf } from '../../../shims/rocksandra/cql/compare.js'
import { type CqlType, TYPES } from '../../../shims/rocksandra/cql/types.js'
import { packEntries, packItems, packTuple } from '../../../shims/rocksandra/cql/values/collections.js'
import { decimalToBytes } from '../../../shims/rocksandra/cql/values/decimals.js'
import { varintToBytes } from '../../../shims/rocksandra/cql/values/integers.js'

function bytes(size: number): fc.Arbitrary<Buffer> {
  // Few different bytes, so that values share prefixes.
  const byte = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255))
  return fc.array(byte, { minLength: size, maxLength: size }).map((all) => Buffer.from(all))
}

function orEmpty(value: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc.oneof({ weight: 9, arbitrary: value }, { weight: 1, arbitrary: fc.constant(Buffer.alloc(0)) })
}

const blob = fc
  .array(fc.constantFrom(0, 1, 2, 0x61, 0xfe, 0xff), { maxLength: 6 })
  .map((all) => Buffer.from(all))
const text = fc.string({ maxLength: 6 }).map((value) => Buffer.from(value, 'utf8'))
const number = fc.oneof(
  fc.bigInt({ min: -300n, max: 300n }),
  fc.bigInt(),
  fc.bigInt({ min: -(10n ** 400n), max: 10n ** 400n }),
)

const timeuuid = bytes(16).map((value) => {
  value[6] = 0x10 | ((value[6] ?? 0) & 0x0f)
  return value
})

function double(size: 4 | 8): fc.Arbitrary<Buffer> {
  return fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, 1, -1)).map((value) => {
    const packed = Buffer.alloc(size)
    if (size === 8) packed.writeDoubleBE(value)
    else packed.writeFloatBE(value)
    return packed
  })
}

const decimal = fc
  .tuple(number, fc.oneof(fc.integer({ min: -4, max: 4 }), fc.integer()))
  .map(([unscaled, scale]) => decimalToBytes({ unscaled, scale }))

const NATIVE: Readonly<Record<NativeName, fc.Arbitrary<Buffer>>> = {
  ascii: fc.string({ maxLength: 6, unit: 'grapheme-ascii' }).map((value) => Buffer.from(value)),
  bigint: orEmpty(bytes(8)),
  blob,
  boolean: orEmpty(fc.boolean().map((value) => Buffer.of(value ? 1 : 0))),
  counter: bytes(8),
  date: bytes(4),
  decimal: orEmpty(decimal),
  double: orEmpty(double(8)),
  float: orEmpty(double(4)),
  inet: orEmpty(fc.oneof(bytes(4), bytes(16))),
  int: orEmpty(bytes(4)),
  smallint: bytes(2),
  text,
  time: fc.bigInt({ min: 0n, max: 86_399_999_999_999n }).map((value) => {
    const packed = Buffer.alloc(8)
    packed.writeBigInt64BE(value)
    return packed
  }),
  timestamp: orEmpty(bytes(8)),
  timeuuid: orEmpty(timeuuid),
  tinyint: bytes(1),
  uuid: orEmpty(bytes(16)),
  varint: orEmpty(number.map(varintToBytes)),
}

export const nativeType: fc.Arbitrary<CqlType> = fc.constantFrom(...Object.values(TYPES))

export const anyCqlType: fc.Arbitrary<CqlType> = fc.letrec<{ type: CqlType }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    nativeType,
    tie('type').map((element): CqlType => ({ kind: 'list', element, isFrozen: true })),
    tie('type').map((element): CqlType => ({ kind: 'set', element, isFrozen: true })),
    fc
      .tuple(tie('type'), tie('type'))
      .map(([key, value]): CqlType => ({ kind: 'map', key, value, isFrozen: true })),
    fc
      .array(tie('type'), { minLength: 1, maxLength: 3 })
      .map((elements): CqlType => ({ kind: 'tuple', elements })),
    fc.array(tie('type'), { minLength: 1, maxLength: 3 }).map((types): CqlType => {
      return {
        kind: 'user',
        keyspace: 'ks',
        name: 'pair',
        fields: types.map((type, i) => ({ name: `f${i}`, type })),
      }
    }),
  ),
})).type

function inOrder(type: CqlType, values: readonly Buffer[]): Buffer[] {
  const compare = comparatorOf(type)
  const sorted = [...values].sort(compare)
  return sorted.filter((value, index) => index === 0 || compare(sorted[index - 1] as Buffer, value) !== 0)
}

/** Valid bytes of the type; sets and maps in their order. */
export function valueOf(type: CqlType): fc.Arbitrary<Buffer> {
  switch (type.kind) {
    case 'native':
      return NATIVE[type.name]
    case 'list':
      return fc.array(valueOf(type.element), { maxLength: 3 }).map(packItems)
    case 'set':
      return fc
        .array(valueOf(type.element), { maxLength: 3 })
        .map((items) => packItems(inOrder(type.element, items)))
    case 'map':
      return fc.array(fc.tuple(valueOf(type.key), valueOf(type.value)), { maxLength: 3 }).map((entries) => {
        const keys = inOrder(
          type.key,
          entries.map(([key]) => key),
        )
        return packEntries(keys.flatMap((key) => [key, entries.find(([one]) => one === key)?.[1] ?? key]))
      })
    case 'tuple':
      return partsOf(type.elements)
    case 'user':
      return partsOf(type.fields.map((field) => field.type))
    case 'custom':
      return blob
  }
}

/** Nulls, and values written before the type got its last fields. */
function partsOf(types: readonly CqlType[]): fc.Arbitrary<Buffer> {
  const all = fc.tuple(...types.map((type) => fc.option(valueOf(type))))
  return fc.tuple(all, fc.nat(types.length)).map(([parts, missing]) => {
    return packTuple(parts.slice(0, missing > 1 ? types.length : types.length - missing))
  })
}
