import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { ByteRange } from '../../../src/model/row.js'
import { TYPES } from '../../../shims/rocksandra/cql/types.js'
import { allRows, rowPrefix } from '../../../shims/rocksandra/engine/mapping.js'
import {
  type SliceBound,
  intersect,
  rangesBehind,
  rangesBehindPrefix,
  slice,
  sortRanges,
} from '../../../shims/rocksandra/engine/ranges.js'
import { type TableSchema, tableSchema } from '../../../shims/rocksandra/engine/schema.js'

type Row = readonly [number, number, number]

function tableOf(reversed: readonly boolean[]): TableSchema {
  return tableSchema({
    ...{ keyspace: 'ks', name: 't', id: '' },
    columns: [
      { name: 'k', type: TYPES.int, kind: 'partition_key', position: 0 },
      ...['a', 'b', 'c'].map((name, position) => {
        const isReversed = reversed[position] ?? false
        return { name, type: TYPES.tinyint, kind: 'clustering' as const, position, isReversed }
      }),
    ],
  })
}

function bytes(row: readonly number[]): Buffer[] {
  return row.map((value) => Buffer.from([value & 0xff]))
}

function contains(ranges: readonly ByteRange[], key: Buffer): boolean {
  return ranges.some(({ from, to }) => key.compare(from) >= 0 && (to === null || key.compare(to) < 0))
}

function isOrdered(ranges: readonly ByteRange[]): boolean {
  return ranges.every(({ from, to }, index) => {
    const next = ranges[index + 1]
    return (
      (to === null || from.compare(to) < 0) &&
      (next === undefined || (to !== null && to.compare(next.from) <= 0))
    )
  })
}

/** Whether a row is within a bound, by the order of values. */
function meets(row: Row, values: readonly number[], { isLower, isInclusive }: SliceBound): boolean {
  for (const [index, value] of values.entries()) {
    const found = row[index] ?? 0
    if (found !== value) return isLower ? found > value : found < value
  }
  return isInclusive
}

const small = fc.integer({ min: -2, max: 2 })
const rows: Row[] = []
for (let a = -2; a <= 2; a++) for (let b = -2; b <= 2; b++) for (let c = -2; c <= 2; c++) rows.push([a, b, c])

describe('slices of clustering columns', () => {
  test('hold the rows that the values say, whatever the order of the columns', () => {
    const bound = fc.record({
      values: fc.array(small, { minLength: 1, maxLength: 3 }),
      isInclusive: fc.boolean(),
      isLower: fc.boolean(),
    })
    const orders = fc.array(fc.boolean(), { minLength: 3, maxLength: 3 })
    fc.assert(
      fc.property(orders, bound, bound, (reversed, one, other) => {
        const table = tableOf(reversed)
        const bounds = [one, other].map(({ values, ...side }) => {
          return { ...side, columns: table.clustering.slice(0, values.length), values: bytes(values) }
        })
        const ranges = bounds
          .map((each) => slice(allRows(table).from, each))
          .reduce(intersect, [allRows(table)])
        assert.ok(isOrdered(ranges))
        for (const row of rows) {
          const isWithin = [one, other].every((each, index) => {
            const side = bounds[index]
            return side !== undefined && meets(row, each.values, side)
          })
          assert.equal(contains(ranges, rowPrefix(table, bytes(row))), isWithin)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('behind a key, or behind all keys of a row, the rest is left in either direction', () => {
    const table = tableOf([false, true, false])
    const sorted = rows.map((row) => rowPrefix(table, bytes(row))).toSorted((a, b) => a.compare(b))
    fc.assert(
      fc.property(fc.nat(sorted.length - 1), fc.boolean(), (at, isReversed) => {
        const key = sorted[at] ?? Buffer.alloc(0)
        const behind = rangesBehindPrefix([allRows(table)], key, isReversed)
        const cell = Buffer.concat([key, Buffer.from('v')])
        const behindCell = rangesBehind([allRows(table)], cell, isReversed)
        sorted.forEach((other, index) => {
          const isBehind = isReversed ? index < at : index > at
          assert.equal(contains(behind, other), isBehind)
          assert.equal(contains(behindCell, other), isBehind || (isReversed && index === at))
        })
        assert.equal(contains(behind, cell), false)
      }),
    )
  })

  test('ranges that overlap or touch are joined, empty ones left out', () => {
    const range = (from: number, to: number | null): ByteRange => ({
      from: Buffer.from([from]),
      to: to === null ? null : Buffer.from([to]),
    })
    assert.deepEqual(sortRanges([range(5, 7), range(1, 3), range(3, 4), range(6, null), range(9, 9)]), [
      range(1, 4),
      range(5, null),
    ])
  })
})
