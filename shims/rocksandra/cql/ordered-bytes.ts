/**
 * Clustering keys as bytes whose unsigned order is the order of the values, so that a row's cells lie in the store as CQL
 * sorts them. Each value is self-delimiting: no encoding of a type is a prefix of another one of the same type, so that
 * encodings can be written one after the other, and what begins with some of them is one range of bytes. A descending column
 * has all its bits inverted. Values that compare as equal have one encoding: a decimal loses zeros at its end and a varint
 * needless bytes, as in Rocksandra (BigDecimalRowKey.java). FORMATS.md has the grammar; changing it is a format break.
 */
import { KVError } from '../../../src/base/errors.js'
import type { NativeName } from './ast.js'
import { uuidVersion } from './compare.js'
import { OrderedReader, OrderedWriter } from './values/ordered-io.js'
import type { CqlType } from './types.js'
import { packEntries, packItems, packTuple, unpackItems, unpackTuple } from './values/collections.js'
import { decimalFromBytes, decimalOfDigits, decimalToBytes, digitsOf, ZERO } from './values/decimals.js'
import { bytesToVarint, varintToBytes } from './values/integers.js'

/** A column of the clustering key. */
export interface KeyPart {
  readonly type: CqlType
  readonly isReversed: boolean
}

/**
 * The first columns of a clustering key, as many as there are values. They are valid values (validate.ts).
 * The buffer is the caller's.
 * @param lead a byte to stand before them
 */
export function encodeOrdered(parts: readonly KeyPart[], values: readonly Buffer[], lead?: number): Buffer {
  const writer = new OrderedWriter()
  if (lead !== undefined) writer.byte(lead)
  for (let index = 0; index < values.length; index++) {
    const [part, value] = [parts[index], values[index]]
    if (part === undefined || value === undefined)
      throw new KVError('INTERNAL', `a clustering key of more than ${parts.length} columns`)
    const from = writer.length
    codecOf(part.type).write(writer, value)
    if (part.isReversed) writer.invert(from)
  }
  return writer.finish()
}

export interface DecodedKey {
  readonly values: readonly Buffer[]
  /** Where in the bytes they end. */
  readonly end: number
}

/**
 * The values of all these columns, from `at` on.
 * @throws {KVError} CORRUPT when the bytes are no such key
 */
export function decodeOrdered(parts: readonly KeyPart[], bytes: Buffer, at = 0): DecodedKey {
  const reader = new OrderedReader(bytes, at)
  const values: Buffer[] = []
  for (const { type, isReversed } of parts) {
    reader.isInverted = isReversed
    values.push(codecOf(type).read(reader))
  }
  return { values, end: reader.at }
}

interface Codec {
  write(writer: OrderedWriter, value: Buffer): void
  read(reader: OrderedReader): Buffer
}

const known = new WeakMap<CqlType, Codec>()

function codecOf(type: CqlType): Codec {
  let codec = known.get(type)
  if (codec === undefined) {
    codec = makeCodec(type)
    known.set(type, codec)
  }
  return codec
}

function makeCodec(type: CqlType): Codec {
  switch (type.kind) {
    case 'native':
      return NATIVE[type.name]
    case 'list':
    case 'set': {
      const kind = type.kind
      return itemsCodec([codecOf(type.element)], (bytes) => unpackItems(bytes, kind), packItems)
    }
    case 'map':
      return itemsCodec(
        [codecOf(type.key), codecOf(type.value)],
        (bytes) => unpackItems(bytes, 'map'),
        packEntries,
      )
    case 'tuple':
      return tupleCodec(type.elements.map(codecOf))
    case 'user':
      return tupleCodec(type.fields.map((field) => codecOf(field.type)))
    case 'custom':
      return BYTES
  }
}

/** The empty value, which is less than all others. Nothing else begins with it. */
const EMPTY = 0x00
const PRESENT = 0x01

/** [00] or [01][what `inner` writes]. */
function optional(inner: Codec): Codec {
  return {
    write(writer, value) {
      writer.byte(value.length === 0 ? EMPTY : PRESENT)
      if (value.length > 0) inner.write(writer, value)
    },
    read(reader) {
      return reader.oneOf(EMPTY, PRESENT) === EMPTY ? Buffer.alloc(0) : inner.read(reader)
    },
  }
}

/** Bytes of any number: 00 as 00 FF, and 00 00 behind the last. */
const BYTES: Codec = {
  write(writer, value) {
    writer.escaped(value)
  },
  read(reader) {
    return reader.escaped()
  },
}

/** Bytes of one size that are in order as they are. */
function unsigned(size: number): Codec {
  return {
    write(writer, value) {
      writer.bytes(value, size)
    },
    read(reader) {
      return reader.bytes(size)
    },
  }
}

/** Two's complement: the sign's bit the other way round. */
function signed(size: number): Codec {
  return {
    write(writer, value) {
      const from = writer.length
      writer.bytes(value, size)
      writer.flip(from, 0x80)
    },
    read(reader) {
      const value = reader.bytes(size)
      value[0] = (value[0] ?? 0) ^ 0x80
      return value
    },
  }
}

/** IEEE 754: a positive number's sign bit is set, all of a negative one's bits are inverted; one NaN for all. */
function floating(nan: Buffer, isNaN: (value: Buffer) => boolean): Codec {
  return {
    write(writer, value) {
      const from = writer.length
      const canonical = isNaN(value) ? nan : value
      writer.bytes(canonical, nan.length)
      if (((canonical[0] ?? 0) & 0x80) === 0) writer.flip(from, 0x80)
      else writer.invert(from)
    },
    read(reader) {
      const value = reader.bytes(nan.length)
      const isPositive = ((value[0] ?? 0) & 0x80) !== 0
      if (isPositive) value[0] = (value[0] ?? 0) ^ 0x80
      else for (let i = 0; i < value.length; i++) value[i] = ~(value[i] ?? 0)
      return value
    },
  }
}

const BOOLEAN: Codec = {
  write(writer, value) {
    writer.byte(value[0] === 0 ? 0 : 1)
  },
  read(reader) {
    return Buffer.of(reader.oneOf(0, 1))
  },
}

/** Sizes of numbers up to this stand in the first byte; of longer ones it says that four bytes of size follow. */
const LONGEST_SHORT = 125
const POSITIVE = 0x80
const NEGATIVE = 0x7f

/**
 * [80 + n][n bytes] for a number of n bytes without needless zeros, n up to 125, [FE][u32 n][n bytes] beyond; a negative one
 * is that of its magnitude, inverted. So 00 is left for the empty value, below all.
 */
const VARINT: Codec = {
  write(writer, value) {
    if (value.length === 0) {
      writer.byte(EMPTY)
      return
    }
    const number = bytesToVarint(value)
    const from = writer.length
    writeMagnitude(writer, number < 0n ? -number : number)
    if (number < 0n) writer.invert(from)
  },
  read(reader) {
    const first = reader.byte()
    if (first === EMPTY) return Buffer.alloc(0)
    const isNegative = first <= NEGATIVE
    if (isNegative) reader.isInverted = !reader.isInverted
    const magnitude = readMagnitude(reader, isNegative ? ~first & 0xff : first)
    if (isNegative) reader.isInverted = !reader.isInverted
    return varintToBytes(isNegative ? -magnitude : magnitude)
  },
}

function writeMagnitude(writer: OrderedWriter, magnitude: bigint): void {
  const bytes = magnitude === 0n ? Buffer.alloc(0) : varintToBytes(magnitude)
  const digits = bytes[0] === 0 ? bytes.subarray(1) : bytes
  if (digits.length <= LONGEST_SHORT) {
    writer.byte(POSITIVE + digits.length)
  } else {
    writer.byte(POSITIVE + LONGEST_SHORT + 1)
    writer.u32(digits.length)
  }
  writer.bytes(digits, digits.length)
}

function readMagnitude(reader: OrderedReader, first: number): bigint {
  const short = first - POSITIVE
  if (short > LONGEST_SHORT + 1) throw reader.corrupt()
  const digits = reader.bytes(short <= LONGEST_SHORT ? short : reader.u32())
  return digits.length === 0 ? 0n : BigInt(`0x${digits.toString('hex')}`)
}

const DECIMAL_NEGATIVE = 0x40
const DECIMAL_ZERO = 0x80
const DECIMAL_POSITIVE = 0xc0
/** Makes every exponent positive: it lies between minus and plus 2^31 and the number of digits. */
const EXPONENT_BIAS = 2 ** 39

/**
 * [80] for zero, [C0][u40 exponent + 2^39][a byte for two digits, 1 to 100]..[00], or [40] and the inverse of what the
 * negative number's magnitude has behind its first byte. The number is 0.digits times ten to the exponent.
 */
const DECIMAL: Codec = {
  write(writer, value) {
    if (value.length === 0) {
      writer.byte(EMPTY)
      return
    }
    const { sign, digits, exponent } = digitsOf(decimalFromBytes(value) ?? ZERO)
    writer.byte(sign === 0 ? DECIMAL_ZERO : sign < 0 ? DECIMAL_NEGATIVE : DECIMAL_POSITIVE)
    if (sign === 0) return
    const from = writer.length
    writer.u40(exponent + EXPONENT_BIAS)
    for (let i = 0; i < digits.length; i += 2) {
      writer.byte(1 + Number(digits.slice(i, i + 2).padEnd(2, '0')))
    }
    writer.byte(0)
    if (sign < 0) writer.invert(from)
  },
  read(reader) {
    const first = reader.byte()
    if (first === EMPTY) return Buffer.alloc(0)
    if (first === DECIMAL_ZERO) return decimalToBytes(ZERO)
    if (first !== DECIMAL_NEGATIVE && first !== DECIMAL_POSITIVE) throw reader.corrupt()
    const isNegative = first === DECIMAL_NEGATIVE
    if (isNegative) reader.isInverted = !reader.isInverted
    const exponent = reader.u40() - EXPONENT_BIAS
    const digits = readDigits(reader)
    if (isNegative) reader.isInverted = !reader.isInverted
    const decimal = decimalOfDigits({ sign: isNegative ? -1 : 1, digits, exponent })
    if (decimal === null) throw reader.corrupt()
    return decimalToBytes(decimal)
  },
}

function readDigits(reader: OrderedReader): string {
  let digits = ''
  for (let pair = reader.byte(); pair !== 0; pair = reader.byte()) {
    if (pair > 100) throw reader.corrupt()
    digits += String(pair - 1).padStart(2, '0')
  }
  if (digits === '' || digits.startsWith('00')) throw reader.corrupt()
  return digits.endsWith('0') ? digits.slice(0, -1) : digits
}

const TIME_BASED = 1

function moveTime(value: Buffer, from: readonly number[]): Buffer {
  const moved = Buffer.from(value)
  from.forEach((place, index) => {
    moved[index] = value[place] ?? 0
  })
  return moved
}

/** Places of a time-based uuid's bytes, most significant first; and back. */
const TIME_FIRST = [6, 7, 4, 5, 0, 1, 2, 3]
const TIME_LAST = [4, 5, 6, 7, 2, 3, 0, 1]

/** [version + 1][the value, a time-based one with its time in order]. */
const UUID: Codec = {
  write(writer, value) {
    if (value.length === 0) {
      writer.byte(EMPTY)
      return
    }
    const version = uuidVersion(value)
    writer.byte(version + 1)
    writer.bytes(version === TIME_BASED ? moveTime(value, TIME_FIRST) : value, 16)
  },
  read(reader) {
    const first = reader.byte()
    if (first === EMPTY) return Buffer.alloc(0)
    if (first > 16) throw reader.corrupt()
    const value = reader.bytes(16)
    return first - 1 === TIME_BASED ? moveTime(value, TIME_LAST) : value
  },
}

/** The time in order, then eight bytes that are each signed. */
const TIMEUUID: Codec = {
  write(writer, value) {
    writer.bytes(flipSigns(moveTime(value, TIME_FIRST)), 16)
  },
  read(reader) {
    return moveTime(flipSigns(reader.bytes(16)), TIME_LAST)
  },
}

function flipSigns(value: Buffer): Buffer {
  for (let i = 8; i < 16; i++) value[i] = (value[i] ?? 0) ^ 0x80
  return value
}

const END = 0x00
const NULL = 0x01
const VALUE = 0x02

/** [01] before each element or entry and [00] behind the last, all of it behind [01]; [00] for no bytes at all. */
function itemsCodec(
  codecs: readonly Codec[],
  unpack: (bytes: Buffer) => Buffer[],
  pack: (items: Buffer[]) => Buffer,
): Codec {
  return optional({
    write(writer, value) {
      unpack(value).forEach((item, index) => {
        const turn = index % codecs.length
        if (turn === 0) writer.byte(PRESENT)
        codecs[turn]?.write(writer, item)
      })
      writer.byte(END)
    },
    read(reader) {
      const items: Buffer[] = []
      while (reader.oneOf(END, PRESENT) === PRESENT) items.push(...codecs.map((codec) => codec.read(reader)))
      return pack(items)
    },
  })
}

/** [01] for null or [02][value] for each part; [00] where the value ends before its type does. */
function tupleCodec(codecs: readonly Codec[]): Codec {
  return {
    write(writer, value) {
      const parts = unpackTuple(value, codecs.length)
      parts.forEach((part, index) => {
        writer.byte(part === null ? NULL : VALUE)
        if (part !== null) codecs[index]?.write(writer, part)
      })
      if (parts.length < codecs.length) writer.byte(END)
    },
    read(reader) {
      const parts: (Buffer | null)[] = []
      for (const codec of codecs) {
        const mark = reader.byte()
        if (mark === END) break
        if (mark !== NULL && mark !== VALUE) throw reader.corrupt()
        parts.push(mark === NULL ? null : codec.read(reader))
      }
      return packTuple(parts)
    },
  }
}

const NAN_FLOAT = Buffer.from('7fc00000', 'hex')
const NAN_DOUBLE = Buffer.from('7ff8000000000000', 'hex')

const NATIVE: Readonly<Record<NativeName, Codec>> = {
  ascii: BYTES,
  bigint: optional(signed(8)),
  blob: BYTES,
  boolean: optional(BOOLEAN),
  counter: optional(signed(8)),
  date: unsigned(4),
  decimal: DECIMAL,
  double: optional(floating(NAN_DOUBLE, (value) => Number.isNaN(value.readDoubleBE(0)))),
  float: optional(floating(NAN_FLOAT, (value) => Number.isNaN(value.readFloatBE(0)))),
  inet: BYTES,
  int: optional(signed(4)),
  smallint: signed(2),
  text: BYTES,
  time: unsigned(8),
  timestamp: optional(signed(8)),
  timeuuid: optional(TIMEUUID),
  tinyint: signed(1),
  uuid: UUID,
  varint: VARINT,
}
