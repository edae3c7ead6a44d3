/**
 * The order of values of a type: of clustering keys, of the elements of sets and maps, of min and max. Of valid
 * values. Source: compareCustom of each type in db/marshal of Cassandra 3.0; the empty value is the least of every type.
 */
import type { NativeName } from './ast.js'
import type { CqlType } from './types.js'
import { unpackItems, unpackTuple } from './values/collections.js'
import { compareDecimals, decimalFromBytes, ZERO } from './values/decimals.js'
import { bytesToVarint } from './values/integers.js'

/** Less than, equal to or greater than 0. */
export type Comparator = (a: Buffer, b: Buffer) => number

/** A type's comparator; the same function for the same type object. */
export function comparatorOf(type: CqlType): Comparator {
  let comparator = known.get(type)
  if (comparator === undefined) {
    comparator = makeComparator(type)
    known.set(type, comparator)
  }
  return comparator
}

const known = new WeakMap<CqlType, Comparator>()

function makeComparator(type: CqlType): Comparator {
  switch (type.kind) {
    case 'native':
      return NATIVE[type.name]
    case 'list':
    case 'set': {
      const element = comparatorOf(type.element)
      return emptyFirst((a, b) =>
        compareItems([element], unpackItems(a, type.kind), unpackItems(b, type.kind)),
      )
    }
    case 'map': {
      const parts = [comparatorOf(type.key), comparatorOf(type.value)]
      return emptyFirst((a, b) => compareItems(parts, unpackItems(a, 'map'), unpackItems(b, 'map')))
    }
    case 'tuple':
      return compareTuples(type.elements.map(comparatorOf))
    case 'user':
      return compareTuples(type.fields.map((field) => comparatorOf(field.type)))
    case 'custom':
      return compareBytes
  }
}

/** Unsigned; a prefix comes before what it begins. */
export function compareBytes(a: Buffer, b: Buffer): number {
  return Buffer.compare(a, b)
}

function emptyFirst(compare: Comparator): Comparator {
  return (a, b) => {
    if (a.length === 0 || b.length === 0) return Math.sign(a.length) - Math.sign(b.length)
    return compare(a, b)
  }
}

/** One element after the other, by the comparators in turn; of two that begin alike the shorter is less. */
function compareItems(
  comparators: readonly Comparator[],
  a: readonly Buffer[],
  b: readonly Buffer[],
): number {
  const count = Math.min(a.length, b.length)
  for (let i = 0; i < count; i++) {
    const compare = comparators[i % comparators.length] ?? compareBytes
    const order = compare(a[i] as Buffer, b[i] as Buffer)
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareTuples(comparators: readonly Comparator[]): Comparator {
  return (a, b) => {
    const left = unpackTuple(a, comparators.length)
    const right = unpackTuple(b, comparators.length)
    const count = Math.min(left.length, right.length)
    for (let i = 0; i < count; i++) {
      const order = compareParts(comparators[i] ?? compareBytes, left[i] ?? null, right[i] ?? null)
      if (order !== 0) return order
    }
    return left.length - right.length
  }
}

function compareParts(compare: Comparator, a: Buffer | null, b: Buffer | null): number {
  if (a === null || b === null) return (a === null ? 0 : 1) - (b === null ? 0 : 1)
  return compare(a, b)
}

/** Two's complement of equal sizes. */
function compareSigned(a: Buffer, b: Buffer): number {
  const first = a.readInt8(0) - b.readInt8(0)
  return first !== 0 ? first : Buffer.compare(a, b)
}

function compareBooleans(a: Buffer, b: Buffer): number {
  return (a[0] === 0 ? 0 : 1) - (b[0] === 0 ? 0 : 1)
}

/** As Java's Double.compare: -0 before 0, NaN behind everything. */
function compareDoubles(a: number, b: number): number {
  if (a < b) return -1
  if (a > b) return 1
  if (a === b) return a !== 0 ? 0 : (Object.is(a, -0) ? 0 : 1) - (Object.is(b, -0) ? 0 : 1)
  return (Number.isNaN(a) ? 1 : 0) - (Number.isNaN(b) ? 1 : 0)
}

function compareVarints(a: Buffer, b: Buffer): number {
  const left = bytesToVarint(a)
  const right = bytesToVarint(b)
  return left < right ? -1 : left > right ? 1 : 0
}

function compareDecimalBytes(a: Buffer, b: Buffer): number {
  return compareDecimals(decimalFromBytes(a) ?? ZERO, decimalFromBytes(b) ?? ZERO)
}

const TIME_BASED = 1

export function uuidVersion(bytes: Buffer): number {
  return (bytes[6] ?? 0) >> 4
}

/** By version first; time-based ones by time, the others and what is left of these by unsigned bytes. */
function compareUuids(a: Buffer, b: Buffer): number {
  const version = uuidVersion(a)
  const order = version - uuidVersion(b)
  if (order !== 0) return order
  if (version !== TIME_BASED) return Buffer.compare(a, b)
  const time = compareTimes(a, b)
  return time !== 0 ? time : a.compare(b, 8, 16, 8, 16)
}

/** The timestamp's parts from the most significant on. */
function compareTimes(a: Buffer, b: Buffer): number {
  const high = a.compare(b, 6, 8, 6, 8)
  if (high !== 0) return high
  const middle = a.compare(b, 4, 6, 4, 6)
  return middle !== 0 ? middle : a.compare(b, 0, 4, 0, 4)
}

/** By time, then by the other eight bytes, each of them signed. */
function compareTimeuuids(a: Buffer, b: Buffer): number {
  const time = compareTimes(a, b)
  if (time !== 0) return time
  for (let i = 8; i < 16; i++) {
    const order = a.readInt8(i) - b.readInt8(i)
    if (order !== 0) return order
  }
  return 0
}

const NATIVE: Readonly<Record<NativeName, Comparator>> = {
  ascii: compareBytes,
  bigint: emptyFirst(compareSigned),
  blob: compareBytes,
  boolean: emptyFirst(compareBooleans),
  counter: emptyFirst(compareSigned),
  date: compareBytes,
  decimal: emptyFirst(compareDecimalBytes),
  double: emptyFirst((a, b) => compareDoubles(a.readDoubleBE(0), b.readDoubleBE(0))),
  float: emptyFirst((a, b) => compareDoubles(a.readFloatBE(0), b.readFloatBE(0))),
  inet: compareBytes,
  int: emptyFirst(compareSigned),
  smallint: emptyFirst(compareSigned),
  text: compareBytes,
  time: compareBytes,
  timestamp: emptyFirst(compareSigned),
  timeuuid: emptyFirst(compareTimeuuids),
  tinyint: emptyFirst(compareSigned),
  uuid: emptyFirst(compareUuids),
  varint: emptyFirst(compareVarints),
}
