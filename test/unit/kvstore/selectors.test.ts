import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { limits } from '../../../src/base/limits.js'
import {
  NOTHING,
  intersection,
  isEmptyRange,
  prefixRange,
  toByteRange,
  toChangedColumns,
  toCondition,
  toSelector,
} from '../../../src/kvstore/selectors.js'
import { ALL_VERSIONS, type ByteRange, type CellSelector } from '../../../src/model/row.js'
import * as wire from '../../../src/thrift/generated/kvstore.js'
import { codeOf } from './refusals.js'

const bytes = (text: string): Buffer => Buffer.from(text)
const range = (lower: string | null, upper: string | null, rest: Partial<wire.ByteRange> = {}) =>
  wire.makeByteRange({
    lower: lower === null ? null : bytes(lower),
    upper: upper === null ? null : bytes(upper),
    ...rest,
  })
const select = (fields: Partial<wire.CellSelector>) => toSelector(wire.makeCellSelector(fields))
const shown = (ranges: readonly ByteRange[] | undefined) =>
  (ranges ?? []).map(({ from, to }) => [from.toString('latin1'), to === null ? null : to.toString('latin1')])

suite('selectors', () => {
  test('nothing in it, and lists of nothing, mean the newest version of every column', () => {
    assert.equal(select({}), null)
    assert.equal(select({ localKeys: [], ranges: [], prefixes: [], maxVersions: 1 }), null)
    assert.equal(select({ prefixes: [bytes('')] }), null)
    assert.equal(select({ ranges: [range(null, null)], localKeys: [bytes('a')] }), null)
  })

  test('local keys are sorted, repeats fall away, and so do those that a range holds', () => {
    const selector = select({
      localKeys: ['z', 'b', '', 'b', 'm'].map(bytes),
      ranges: [range('k', 'n')],
    })
    assert.deepEqual(
      selector?.localKeys.map((key) => key.toString()),
      ['', 'b', 'z'],
    )
  })

  test('ranges and prefixes become sorted, disjoint ranges; those that touch become one', () => {
    const selector = select({
      ranges: [range('x', null), range('b', 'd'), range('d', 'f'), range('c', 'e')],
      prefixes: [bytes('a'), bytes('pq')],
    })
    assert.deepEqual(shown(selector?.ranges), [
      ['a', 'f'],
      ['pq', 'pr'],
      ['x', null],
    ])
  })

  test('bounds are taken in or left out as asked', () => {
    const selector = select({
      ranges: [range('b', 'c', { lowerExclusive: true, upperInclusive: true })],
    })
    assert.deepEqual(shown(selector?.ranges), [['b\0', 'c\0']])
  })

  test('an inclusive bound of the greatest length ends before the next key that can exist', () => {
    const longest = Buffer.alloc(limits.maxLocalKeyBytes, 0x61)
    const { to } = toByteRange(
      wire.makeByteRange({ upper: longest, upperInclusive: true }),
      limits.maxLocalKeyBytes,
    )
    assert.equal(to?.length, limits.maxLocalKeyBytes)
    assert.equal(to[limits.maxLocalKeyBytes - 1], 0x62)
  })

  test('behind the greatest key of all there is nothing', () => {
    const greatest = Buffer.alloc(limits.maxLocalKeyBytes, 0xff)
    const behind = wire.makeByteRange({ lower: greatest, lowerExclusive: true })
    assert.equal(isEmptyRange(toByteRange(behind, limits.maxLocalKeyBytes)), true)
    const upTo = wire.makeByteRange({ upper: greatest, upperInclusive: true })
    assert.equal(toByteRange(upTo, limits.maxLocalKeyBytes).to, null)
  })

  test('parts that can all match nothing select nothing, not everything', () => {
    assert.equal(select({ ranges: [range('b', 'a'), range('c', 'c')] }), NOTHING)
    assert.equal(select({ ranges: [range('b', 'a')], keysOnly: true }), NOTHING)
    assert.equal(select({ minTimestamp: 5n, maxTimestamp: 5n }), NOTHING)
    const some = select({ ranges: [range('b', 'a')], localKeys: [bytes('x')] })
    assert.deepEqual([some?.localKeys.length, some?.ranges.length], [1, 0])
  })

  test('the other fields narrow', () => {
    const selector = select({
      limit: 3,
      reversed: true,
      maxVersions: 0,
      minTimestamp: -5n,
      maxTimestamp: 5n,
      keysOnly: true,
    })
    const expected: CellSelector = {
      localKeys: [],
      ranges: [],
      limit: 3,
      isReversed: true,
      maxVersions: ALL_VERSIONS,
      minTimestamp: -5n,
      maxTimestamp: 5n,
      keysOnly: true,
    }
    assert.deepEqual(selector, expected)
  })

  const refused: [name: string, fields: Partial<wire.CellSelector>, code: string][] = [
    ['a limit of zero', { limit: 0 }, 'INVALID_ARGUMENT'],
    ['a negative limit', { limit: -1 }, 'INVALID_ARGUMENT'],
    ['negative maxVersions', { maxVersions: -1 }, 'INVALID_ARGUMENT'],
    [
      'a bad limit beside parts that select nothing',
      { ranges: [range('b', 'a')], limit: 0 },
      'INVALID_ARGUMENT',
    ],
    [
      'a bound over the limit',
      { ranges: [wire.makeByteRange({ lower: Buffer.alloc(65_536) })] },
      'TOO_LARGE',
    ],
    ['a prefix over the limit', { prefixes: [Buffer.alloc(65_536)] }, 'TOO_LARGE'],
    // Sorting came before the limit: one request held its thread for seconds.
    [
      'more parts than a selector may have',
      { prefixes: new Array<Buffer>(10_001).fill(bytes('k')) },
      'TOO_LARGE',
    ],
  ]
  for (const [name, fields, code] of refused) {
    test(`${name} is refused as ${code}`, () =>
      assert.equal(
        codeOf(() => select(fields)),
        code,
      ))
  }

  test('any parts together select exactly the keys that one of them selects', () => {
    const short = fc.uint8Array({ maxLength: 3, max: 3 }).map((one) => Buffer.from(one))
    const anyRange = fc.record({
      lower: fc.option(short),
      upper: fc.option(short),
      lowerExclusive: fc.option(fc.boolean()),
      upperInclusive: fc.option(fc.boolean()),
    })
    const parts = fc.record({
      localKeys: fc.array(short, { maxLength: 4 }),
      ranges: fc.array(anyRange, { maxLength: 4 }),
      prefixes: fc.array(short, { maxLength: 3 }),
    })
    fc.assert(
      fc.property(parts, fc.array(short, { maxLength: 20 }), (given, keys) => {
        const selector = toSelector(wire.makeCellSelector(given))
        const isAnyGiven = given.localKeys.length + given.ranges.length + given.prefixes.length > 0
        for (const key of keys) {
          const expected =
            !isAnyGiven ||
            given.localKeys.some((one) => one.equals(key)) ||
            given.prefixes.some((prefix) => key.subarray(0, prefix.length).equals(prefix)) ||
            given.ranges.some((one) => isInside(key, one))
          assert.equal(isSelected(key, selector), expected)
        }
        checkForm(selector)
      }),
    )
  })
})

/** As the IDL words a range, without turning it into another form. */
function isInside(key: Buffer, { lower, upper, lowerExclusive, upperInclusive }: wire.ByteRange): boolean {
  const below = lower === null ? 1 : Buffer.compare(key, lower)
  const above = upper === null ? -1 : Buffer.compare(key, upper)
  return (
    (below > 0 || (below === 0 && lowerExclusive !== true)) &&
    (above < 0 || (above === 0 && upperInclusive === true))
  )
}

function isSelected(key: Buffer, selector: CellSelector | null): boolean {
  if (selector === null) return true
  if (selector === NOTHING) return false
  if (selector.localKeys.some((one) => one.equals(key))) return true
  return selector.ranges.some(
    ({ from, to }) => Buffer.compare(key, from) >= 0 && (to === null || Buffer.compare(key, to) < 0),
  )
}

function checkForm(selector: CellSelector | null): void {
  for (const [index, one] of (selector?.ranges ?? []).entries()) {
    assert.equal(isEmptyRange(one), false)
    const before = selector?.ranges[index - 1]
    if (before !== undefined) assert.ok(before.to !== null && Buffer.compare(before.to, one.from) < 0)
  }
}

suite('columns of a change', () => {
  const change = (fields: Partial<wire.CellSelector>) =>
    toChangedColumns(wire.makeCellSelector(fields), 'remove')

  test('a range of everything means the row, named columns only themselves', () => {
    assert.equal(change({ prefixes: [bytes('')] }), null)
    assert.deepEqual(
      change({ localKeys: [bytes('a')], limit: 1, reversed: true, maxVersions: 3 })?.localKeys,
      [bytes('a')],
    )
    assert.equal(change({ localKeys: [bytes('a')], limit: 1 })?.limit, null)
  })

  test('parts that match nothing change nothing', () => {
    assert.equal(change({ ranges: [range('b', 'a')] }), NOTHING)
  })

  // It removed the whole row: a caller whose list of columns happened to be empty lost everything.
  test('a selector without any part is refused as INVALID_ARGUMENT', () => {
    assert.equal(
      codeOf(() => change({})),
      'INVALID_ARGUMENT',
    )
    assert.equal(
      codeOf(() => change({ localKeys: [], keysOnly: true })),
      'INVALID_ARGUMENT',
    )
  })
})

suite('ranges of keys', () => {
  test('two ranges meet in what both hold', () => {
    const both = intersection(prefixRange(bytes('ab'), 100), toByteRange(range('abc', 'b'), 100))
    assert.deepEqual(shown([both]), [['abc', 'ac']])
    assert.equal(isEmptyRange(intersection(prefixRange(bytes('a'), 9), prefixRange(bytes('b'), 9))), true)
  })
})

suite('conditions', () => {
  test('every comparison of the IDL is known by its own name', () => {
    for (const [name, comparison] of Object.entries(wire.Comparison)) {
      assert.equal(toCondition(wire.makeCondition({ comparison, timestamp: 1n })).comparison, name)
    }
  })

  test('an absent, an unknown and an incomplete comparison are refused as INVALID_ARGUMENT', () => {
    for (const comparison of [null, 0, 12, wire.Comparison.VERSION_EQUAL]) {
      assert.equal(
        codeOf(() => toCondition(wire.makeCondition({ comparison }))),
        'INVALID_ARGUMENT',
      )
    }
  })

  test('absent parts are the unnamed column, the empty value and a test that fails where the column is missing', () => {
    assert.deepEqual(toCondition(wire.makeCondition({ comparison: wire.Comparison.EQUAL })), {
      localKey: bytes(''),
      comparison: 'EQUAL',
      value: bytes(''),
      timestamp: null,
      ifMissing: false,
    })
  })
})
