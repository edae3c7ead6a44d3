/**
 * Filters that look at row keys alone and have no name in the filter language: MultiRowRangeFilter and FuzzyRowFilter.
 * HBase's answer which row is looked at next; here the keys between are read and passed over, within the hull of all.
 */
import type { ByteRange } from '../../src/model/row.js'
import type { FilterTree } from './filter-parse.js'
import { DO_NOT_RETRY, ioFault } from './hbase-errors.js'

/** Empty ends: the first and the last row. */
export interface KeyRange {
  readonly from: Buffer
  readonly isFromIncluded: boolean
  readonly to: Buffer
  readonly isToIncluded: boolean
}

/** Bytes of a key, of which those count where the mask says so. */
export interface FuzzyKey {
  readonly key: Buffer
  /** 0 or -1: the byte must be this one; 1 or 2: any byte. */
  readonly mask: Buffer
}

/** @throws {KVError} as MultiRowRangeFilter for no ranges and for one that ends before it begins */
export function keysWithin(ranges: readonly KeyRange[]): FilterTree {
  if (ranges.length === 0) throw ioFault(DO_NOT_RETRY, 'No ranges found.')
  const half = ranges.map(halfOpen)
  for (const { from, to } of half) {
    if (to !== null && from.compare(to) > 0)
      throw ioFault(DO_NOT_RETRY, 'a row range that ends before it begins')
  }
  half.sort((a, b) => a.from.compare(b.from))
  return { kind: 'keys', passes: (key) => isWithin(half, key), range: hullOf(half), count: half.length }
}

function halfOpen({ from, isFromIncluded, to, isToIncluded }: KeyRange): ByteRange {
  return {
    from: isFromIncluded ? from : behind(from),
    to: to.length === 0 ? null : isToIncluded ? behind(to) : to,
  }
}

/** By where they begin; they may overlap. */
function isWithin(ranges: readonly ByteRange[], key: Buffer): boolean {
  for (const { from, to } of ranges) {
    if (key.compare(from) < 0) return false
    if (to === null || key.compare(to) < 0) return true
  }
  return false
}

function hullOf(ranges: readonly ByteRange[]): ByteRange {
  const [first] = ranges
  let to: Buffer | null = first?.to ?? null
  for (const range of ranges) {
    if (to !== null && (range.to === null || range.to.compare(to) > 0)) to = range.to
  }
  return { from: first?.from ?? NO_BYTES, to }
}

/** @throws {KVError} where a mask is not as long as its key */
export function fuzzyKeys(pairs: readonly FuzzyKey[]): FilterTree {
  for (const { key, mask } of pairs) {
    if (key.length !== mask.length)
      throw ioFault(DO_NOT_RETRY, `Fuzzy pair lengths do not match: ${key.length} and ${mask.length} bytes`)
  }
  const passes = (rowKey: Buffer): boolean => pairs.some((pair) => isAlike(pair, rowKey))
  return { kind: 'keys', passes, range: null, count: pairs.length }
}

/** As far as both go: a row key may be longer than the pattern, and shorter (FuzzyRowFilter.satisfies). */
function isAlike({ key, mask }: FuzzyKey, rowKey: Buffer): boolean {
  const size = Math.min(key.length, rowKey.length)
  for (let at = 0; at < size; at++) {
    const isAny = mask[at] === ANY || mask[at] === ANY_PREPARED
    if (!isAny && rowKey[at] !== key[at]) return false
  }
  return true
}

/** What says "any byte" in a mask, as callers write it and as HBase rewrites it. */
const ANY = 1
const ANY_PREPARED = 2

const ZERO = Buffer.alloc(1)
const NO_BYTES = Buffer.alloc(0)

function behind(key: Buffer): Buffer {
  return Buffer.concat([key, ZERO])
}
