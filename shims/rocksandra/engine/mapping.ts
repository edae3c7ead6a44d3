/**
 * Tables of CQL as datasets: the one place that knows how a row of a table lies in a row of ours. Pure. FORMATS.md has it in
 * words; never change it for tables that exist.
 *
 *     row key      the partition key as Cassandra serialises it: the value alone, or for several parts, each
 *                  `u16 size | value | 0x00`. Hence the same tokens.
 *     local key    row column
 *     row          no clustering columns: nothing
 *                  otherwise 0x00 for the static cells of the partition, or 0x01 and the clustering values, each
 *                  byte-comparable and ending by itself (cql/ordered-bytes.ts), for a clustered row
 *     column       nothing        the row's own marker (what INSERT writes); its value is empty
 *                  name           a column of one cell, with its value as CQL serialises it; of a collection that is not
 *                                 frozen: a cell without a value, up to whose time its elements are deleted
 *                  name 0x00 path an element of such a collection: of a map the value under its key, of a set an empty
 *                                 value under the element, of a list the element under where it stands
 *
 * Names have no zero byte. Counters are 8 bytes, as KVStore's.
 */
import { EMPTY_BYTES, prefixSuccessor } from '../../../src/base/bytes.js'
import { KVError } from '../../../src/base/errors.js'
import type { ByteRange } from '../../../src/model/row.js'
import { invalid } from '../cql/errors.js'
import { type KeyPart, decodeOrdered, encodeOrdered } from '../cql/ordered-bytes.js'
import type { CqlType } from '../cql/types.js'
import type { Column, TableSchema } from './schema.js'

/** FBUtilities.MAX_UNSIGNED_SHORT. */
const MAX_KEY_BYTES = 65_535
const STATIC_ROW = 0x00
const CLUSTERED_ROW = 0x01
const END_OF_NAME = Buffer.from([0x00])

/** In front of the static cells of a partition. */
export const STATIC_PREFIX = Buffer.from([STATIC_ROW])
export const STATIC_RANGE: ByteRange = { from: STATIC_PREFIX, to: Buffer.from([CLUSTERED_ROW]) }

/** @throws {CqlError} INVALID for one that is too long, or empty */
export function rowKeyOf({ partitionKey }: TableSchema, parts: readonly Buffer[]): Buffer {
  const [first = EMPTY_BYTES] = parts
  if (partitionKey.length === 1) {
    if (first.length === 0) throw invalid('Key may not be empty')
    if (first.length > MAX_KEY_BYTES) throw tooLong(first.length)
    return first
  }
  const pieces: Buffer[] = []
  for (const part of parts) {
    if (part.length > MAX_KEY_BYTES) throw tooLong(part.length)
    const size = Buffer.allocUnsafe(2)
    size.writeUInt16BE(part.length)
    pieces.push(size, part, END_OF_NAME)
  }
  const key = Buffer.concat(pieces)
  if (key.length > MAX_KEY_BYTES) throw tooLong(key.length)
  return key
}

function tooLong(size: number): Error {
  return invalid(`Key length of ${size} is longer than maximum of ${MAX_KEY_BYTES}`)
}

/** Null: the row was not written by CQL, and has no such key. */
export function partsOf({ partitionKey }: TableSchema, rowKey: Buffer): readonly Buffer[] | null {
  if (partitionKey.length === 1) return [rowKey]
  const parts: Buffer[] = []
  let at = 0
  for (let index = 0; index < partitionKey.length; index++) {
    if (at + 2 > rowKey.length) return null
    const end = at + 2 + rowKey.readUInt16BE(at)
    if (end >= rowKey.length) return null
    parts.push(rowKey.subarray(at + 2, end))
    at = end + 1
  }
  return at === rowKey.length ? parts : null
}

/** What all local keys of a row begin with; with fewer values, of all rows that have those. */
export function rowPrefix({ clustering }: TableSchema, values: readonly Buffer[]): Buffer {
  if (clustering.length === 0) return EMPTY_BYTES
  const prefix = encodeOrdered(clustering, values, CLUSTERED_ROW)
  if (prefix.length > MAX_KEY_BYTES) throw tooLong(prefix.length)
  return prefix
}

const CLUSTERED_MARK = Buffer.from([CLUSTERED_ROW])

/** All local keys that begin so. */
export function rangeOfPrefix(prefix: Buffer): ByteRange {
  return { from: prefix, to: prefix.length === 0 ? null : prefixSuccessor(prefix) }
}

/** All rows of a partition, without its static cells. */
export function allRows({ clustering }: TableSchema): ByteRange {
  return rangeOfPrefix(clustering.length === 0 ? EMPTY_BYTES : CLUSTERED_MARK)
}

export function columnKey(prefix: Buffer, { localName }: Column): Buffer {
  if (prefix.length === 0) return localName
  // Half of what Buffer.concat takes.
  const key = Buffer.allocUnsafe(prefix.length + localName.length)
  key.set(prefix)
  key.set(localName, prefix.length)
  return key
}

export function elementKey(prefix: Buffer, { localName }: Column, path: Buffer): Buffer {
  return Buffer.concat([prefix, localName, END_OF_NAME, path])
}

/** The path of a set's element or a map's key. */
export function pathOf({ type }: Column, key: Buffer): Buffer {
  if (type.kind === 'set') return encodeOrdered([ascending(type.element)], [key])
  return type.kind === 'map' ? encodeOrdered([ascending(type.key)], [key]) : key
}

/** The element of a set, or the key of a map, that a path stands for. */
export function keyOfPath({ type }: Column, path: Buffer): Buffer {
  if (type.kind !== 'set' && type.kind !== 'map') return path
  const { values } = decodeOrdered([ascending(type.kind === 'set' ? type.element : type.key)], path)
  return values[0] ?? EMPTY_BYTES
}

function ascending(type: CqlType): KeyPart {
  return { type, isReversed: false }
}

/** Where a local key's row ends, and which one it is; null: no CQL wrote it. */
export interface RowOfKey {
  /** Bytes of the row's prefix. */
  readonly end: number
  readonly isStatic: boolean
  readonly clustering: readonly Buffer[]
}

const UNCLUSTERED: RowOfKey = { end: 0, isStatic: false, clustering: [] }
const STATIC: RowOfKey = { end: 1, isStatic: true, clustering: [] }

export function rowOfKey({ clustering }: TableSchema, localKey: Buffer): RowOfKey | null {
  if (clustering.length === 0) return UNCLUSTERED
  const [lead] = localKey
  if (lead === STATIC_ROW) return STATIC
  if (lead !== CLUSTERED_ROW) return null
  try {
    const { values, end } = decodeOrdered(clustering, localKey, 1)
    return { end, isStatic: false, clustering: values }
  } catch (error) {
    // Cells carry checksums: what is no key of ours is whole, and was written by another door.
    if (error instanceof KVError) return null
    throw error
  }
}
