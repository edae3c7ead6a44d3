/**
 * Values of several values: list and set as [i32 count] and [i32 size][bytes] each, map as twice as many, tuple and user
 * type as [i32 size][bytes] each without a count, size -1 for null (native_protocol_v4.spec section 6). The same form for
 * protocols v3 and v4, for frozen collections in the store, and for literals.
 */
import { invalid } from '../errors.js'

const SIZE = 4

type CollectionKind = 'list' | 'set' | 'map'

function packedSize(items: readonly (Buffer | null)[]): number {
  let size = 0
  for (const item of items) size += SIZE + (item === null ? 0 : item.length)
  return size
}

function write(items: readonly (Buffer | null)[], to: Buffer, from: number): void {
  let at = from
  for (const item of items) {
    at = to.writeInt32BE(item === null ? -1 : item.length, at)
    if (item !== null) at += item.copy(to, at)
  }
}

/** A list or a set; its caller has put a set in order. */
export function packItems(items: readonly Buffer[]): Buffer {
  return packCounted(items, items.length)
}

/** A map of keys and values in turn; its caller has put it in order. */
export function packEntries(keysAndValues: readonly Buffer[]): Buffer {
  return packCounted(keysAndValues, keysAndValues.length / 2)
}

function packCounted(items: readonly Buffer[], count: number): Buffer {
  const packed = Buffer.allocUnsafe(SIZE + packedSize(items))
  packed.writeInt32BE(count, 0)
  write(items, packed, SIZE)
  return packed
}

/** A tuple or a value of a user type. */
export function packTuple(items: readonly (Buffer | null)[]): Buffer {
  const packed = Buffer.allocUnsafe(packedSize(items))
  write(items, packed, 0)
  return packed
}

/**
 * The elements of a list or a set as views, or a map's keys and values in turn.
 * @throws {CqlError} INVALID with Cassandra's text for bytes that are none
 */
export function unpackItems(bytes: Buffer, kind: CollectionKind): Buffer[] {
  if (bytes.length < SIZE) throw tooShort(kind)
  const count = bytes.readInt32BE(0)
  if (count < 0) throw invalid(`The data cannot be deserialized as a ${kind}`)
  const total = kind === 'map' ? count * 2 : count
  const items: Buffer[] = []
  let at = SIZE
  // Each takes four bytes at least, so that a count that lies ends with the bytes and not with the memory.
  for (let i = 0; i < total; i++) {
    if (at + SIZE > bytes.length) throw tooShort(kind)
    const size = bytes.readInt32BE(at)
    at += SIZE
    if (size < 0) throw invalid('null is not supported inside collections')
    if (at + size > bytes.length) throw tooShort(kind)
    items.push(bytes.subarray(at, at + size))
    at += size
  }
  if (at !== bytes.length) throw invalid(`Unexpected extraneous bytes after ${kind} value`)
  return items
}

function tooShort(kind: CollectionKind): Error {
  return invalid(`Not enough bytes to read a ${kind}`)
}

/** How messages call the parts of a tuple: `component`, or a user type's fields by name. */
export type PartName = (index: number) => string

const componentName: PartName = () => 'component'

/**
 * The parts of a tuple or a user type as views, fewer than `count` where the value was written before the type grew.
 * @throws {CqlError} INVALID with Cassandra's text for bytes that are none
 */
export function unpackTuple(
  bytes: Buffer,
  count: number,
  nameOf: PartName = componentName,
): (Buffer | null)[] {
  const items: (Buffer | null)[] = []
  let at = 0
  while (items.length < count && at < bytes.length) {
    const index = items.length
    if (at + SIZE > bytes.length) {
      throw invalid(`Not enough bytes to read size of ${index}th ${nameOf(index)}`)
    }
    const size = bytes.readInt32BE(at)
    at += SIZE
    if (size < 0) {
      items.push(null)
      continue
    }
    if (at + size > bytes.length) throw invalid(`Not enough bytes to read ${index}th ${nameOf(index)}`)
    items.push(bytes.subarray(at, at + size))
    at += size
  }
  if (at !== bytes.length) {
    const what = nameOf === componentName ? 'tuple' : 'UDT'
    throw invalid(`Invalid remaining data after end of ${what} value`)
  }
  return items
}
