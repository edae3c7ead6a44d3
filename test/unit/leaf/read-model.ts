/**
 * What a read of a row must answer, said plainly: a list of what was done to the row, looked at anew for each question.
 * And arbitraries for what is done and what is asked.
 */
import fc from 'fast-check'
import { writeCell, writeTombstone } from '../../../src/leaf/cell-codec.js'
import { encodeRangeTombstones } from '../../../src/leaf/range-tombstones.js'
import { HISTORY_KINDS, historyCellKey, mutableCellKey, mutableMetaKey } from '../../../src/leaf/row-codec.js'
import { rangesKey } from '../../../src/leaf/row-codec.js'
import type { ShardFormat } from '../../../src/model/cluster-map.js'
import { ALL_VERSIONS, type ByteRange, type Cell, type CellSelector } from '../../../src/model/row.js'
import type { RowToken } from '../../../src/model/row-order.js'
import type { KeyOrder } from '../../../src/model/dataset.js'
import { type Entry, NOW } from './read-world.js'

/** Null as `to`: the last column. `life` is seconds from now until it dies, if it does. */
export type Deed =
  | { kind: 'PUT'; localKey: Buffer; at: bigint; life: number | null; value: Buffer }
  | { kind: 'DELETE'; localKey: Buffer; at: bigint }
  | { kind: 'DELETE_EXACT'; localKey: Buffer; at: bigint }
  | { kind: 'DELETE_ROW'; at: bigint }
  | { kind: 'DELETE_RANGE'; range: ByteRange; at: bigint }

const LOCAL_KEYS = ['', '\0', '\0\xff', 'a', 'a\0', 'a\0b', 'ab', 'b', 'c', '\xff'].map((key) =>
  Buffer.from(key, 'latin1'),
)
const localKeys = fc.constantFrom(...LOCAL_KEYS)
/** Few, so that much happens to the same versions. */
const touchedKeys = fc.oneof(fc.constantFrom(...LOCAL_KEYS.slice(2, 5)), localKeys)
const times = fc.bigInt({ min: -1n, max: 4n })

const ranges: fc.Arbitrary<ByteRange> = fc
  .tuple(localKeys, fc.option(localKeys))
  .filter(([from, to]) => to === null || from.compare(to) < 0)
  .map(([from, to]) => ({ from, to }))

export function deeds(format: ShardFormat): fc.Arbitrary<readonly Deed[]> {
  const put = fc.record({
    kind: fc.constant('PUT' as const),
    localKey: touchedKeys,
    at: times,
    life: fc.constantFrom(null, null, 50, -50),
    value: fc.constantFrom('', 'v', 'long value').map((value) => Buffer.from(value)),
  })
  const remove = fc.record({ kind: fc.constant('DELETE' as const), localKey: touchedKeys, at: times })
  const exact = fc.record({ kind: fc.constant('DELETE_EXACT' as const), localKey: touchedKeys, at: times })
  const row = fc.record({ kind: fc.constant('DELETE_ROW' as const), at: times })
  const range = fc.record({ kind: fc.constant('DELETE_RANGE' as const), range: ranges, at: times })
  const rare = [
    { weight: 2, arbitrary: remove },
    { weight: 1, arbitrary: row },
    { weight: 1, arbitrary: range },
    ...(format === 'history' ? [{ weight: 2, arbitrary: exact }] : []),
  ]
  return fc.array(fc.oneof({ weight: 12, arbitrary: put }, ...rare), { maxLength: 40, size: 'max' })
}

export function selectors(maxVersions = ALL_VERSIONS): fc.Arbitrary<CellSelector | null> {
  const spans = fc.array(ranges, { maxLength: 2 }).map((list) => {
    const sorted = list.toSorted((a, b) => a.from.compare(b.from))
    return sorted.filter((range, i) => {
      const before = sorted[i - 1]
      return before === undefined || (before.to !== null && before.to.compare(range.from) <= 0)
    })
  })
  return fc.option(
    fc
      .record({
        localKeys: fc.uniqueArray(localKeys, { maxLength: 4, selector: (key) => key.toString('hex') }),
        ranges: spans,
        limit: fc.option(fc.integer({ min: 1, max: 4 }), { freq: 2 }),
        isReversed: fc.boolean(),
        maxVersions: fc.constantFrom(1, 2, maxVersions),
        minTimestamp: fc.option(times, { freq: 2 }),
        maxTimestamp: fc.option(times, { freq: 2 }),
        keysOnly: fc.boolean(),
      })
      .map((one) => ({
        ...one,
        localKeys: one.localKeys
          .filter((key) => !one.ranges.some((range) => contains(range, key)))
          .sort((a, b) => a.compare(b)),
      })),
    { freq: 10 },
  )
}

function contains({ from, to }: ByteRange, localKey: Buffer): boolean {
  return from.compare(localKey) <= 0 && (to === null || localKey.compare(to) < 0)
}

/** What the selector means of a row to which this was done. */
export function expected(
  list: readonly Deed[],
  wanted: CellSelector | null,
  { format, maxCellVersions }: { readonly format: ShardFormat; readonly maxCellVersions: number },
): readonly Cell[] {
  const { isReversed = false, limit = null, keysOnly = false, maxVersions = 1 } = wanted ?? {}
  const puts = list.flatMap((deed) => (deed.kind === 'PUT' ? [deed.localKey.toString('latin1')] : []))
  const columns = [...new Set(puts)]
    .map((key) => Buffer.from(key, 'latin1'))
    .sort((a, b) => a.compare(b))
    .filter((key) => isWanted(wanted, key))
  if (isReversed) columns.reverse()
  const found = columns.map((localKey) =>
    livingVersions(list, localKey, format)
      .slice(0, maxCellVersions)
      .filter(({ at }) => {
        const { minTimestamp = null, maxTimestamp = null } = wanted ?? {}
        return (minTimestamp === null || at >= minTimestamp) && (maxTimestamp === null || at < maxTimestamp)
      })
      .slice(0, maxVersions)
      .map(({ at, life, value }) => ({
        localKey,
        value: keysOnly ? Buffer.alloc(0) : value,
        timestamp: at,
        ttlSeconds: life,
      })),
  )
  return found
    .filter((versions) => versions.length > 0)
    .slice(0, limit ?? undefined)
    .flat()
}

type Put = Extract<Deed, { kind: 'PUT' }>

function livingVersions(list: readonly Deed[], localKey: Buffer, format: ShardFormat): readonly Put[] {
  const covers = (deed: Deed) =>
    deed.kind === 'DELETE_ROW' ||
    (deed.kind === 'DELETE_RANGE' && contains(deed.range, localKey)) ||
    (deed.kind === 'DELETE' && deed.localKey.equals(localKey))
  const deletedUpTo = list.filter(covers).map(({ at }) => at)
  const byTime = new Map<bigint, Put>()
  for (const deed of list) {
    if (deed.kind !== 'PUT' || !deed.localKey.equals(localKey)) continue
    const other = byTime.get(deed.at)
    // History: what comes later wins. Mutable: what is the greater when it is stored.
    const isWinner = format === 'history' || other === undefined || stored(deed).compare(stored(other)) > 0
    if (isWinner) byTime.set(deed.at, deed)
  }
  const newestFirst = [...byTime.values()].sort((a, b) => (a.at < b.at ? 1 : -1))
  const versions = format === 'mutable' ? newestFirst.slice(0, 1) : newestFirst
  const deletedAt = (at: bigint) =>
    list.some((d) => d.kind === 'DELETE_EXACT' && d.at === at && d.localKey.equals(localKey))
  return versions.filter(
    ({ at, life }) =>
      (life === null || life > 0) && !deletedUpTo.some((upTo) => at <= upTo) && !deletedAt(at),
  )
}

function isWanted(wanted: CellSelector | null, localKey: Buffer): boolean {
  if (wanted === null || (wanted.localKeys.length === 0 && wanted.ranges.length === 0)) return true
  return (
    wanted.localKeys.some((key) => key.equals(localKey)) ||
    wanted.ranges.some((range) => contains(range, localKey))
  )
}

function stored({ at, life, value }: Put, stamp = at): Buffer {
  const target = Buffer.alloc(64 + value.byteLength)
  const cell = { timestamp: stamp, ttlSeconds: life === null ? null : 100, value }
  // Written so long ago that it dies when it should.
  const end = writeCell(target, 0, cell, NOW + (life ?? 0) - 100)
  return target.subarray(0, end)
}

function tombstone(timestamp: bigint): Buffer {
  const target = Buffer.alloc(64)
  return target.subarray(0, writeTombstone(target, 0, timestamp, NOW))
}

/** What the writer would store. */
export function entriesOf(
  list: readonly Deed[],
  { format, keyOrder }: { readonly format: ShardFormat; readonly keyOrder: KeyOrder },
  { token, rowKey }: { readonly token: RowToken; readonly rowKey: Buffer },
): readonly Entry[] {
  const metaKey = mutableMetaKey(keyOrder, token, rowKey)
  const entries: Entry[] = []
  const inRanges = list.filter((deed) => deed.kind === 'DELETE_RANGE')
  if (inRanges.length > 0) {
    const tombstones = inRanges
      .map(({ range, at }) => ({ ...range, timestamp: at, deletedAtSeconds: NOW }))
      .sort((a, b) => a.from.compare(b.from))
    entries.push([rangesKey(metaKey), encodeRangeTombstones(tombstones)])
  }
  for (const [arrival, deed] of list.entries()) {
    const stamp = BigInt(arrival + 1)
    if (deed.kind === 'DELETE_ROW') entries.push([metaKey, tombstone(deed.at)])
    else if (deed.kind === 'DELETE_RANGE') continue
    else if (format === 'mutable') {
      const key = mutableCellKey(metaKey, deed.localKey)
      entries.push([key, deed.kind === 'PUT' ? stored(deed) : tombstone(deed.at)])
    } else {
      const kind = { PUT: 'PUT', DELETE: 'DELETE_UP_TO', DELETE_EXACT: 'DELETE_EXACT' } as const
      const key = historyCellKey(metaKey, deed.localKey, deed.at, HISTORY_KINDS[kind[deed.kind]])
      entries.push([key, deed.kind === 'PUT' ? stored(deed, stamp) : tombstone(stamp)])
    }
  }
  return entries
}
