import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { murmur3Token } from '../../../src/base/hash.js'
import type { KeyOrder } from '../../../src/model/dataset.js'
import { NO_TOKEN, type RowPosition, type RowSpan, compareRows } from '../../../src/model/row-order.js'
import { shardOfToken } from '../../../src/model/sharding.js'
import { spanOfScan, spansByShard } from '../../../src/routing/scan-spans.js'
import { scanRequest } from '../../support/scans.js'

const anyKey = fc.uint8Array({ minLength: 1, maxLength: 5 }).map((one) => Buffer.from(one))

function positionOf(rowKey: Buffer, keyOrder: KeyOrder): RowPosition {
  return { token: keyOrder === 'HASHED' ? murmur3Token(rowKey) : NO_TOKEN, rowKey }
}

function isInside(position: RowPosition, span: RowSpan | null): boolean {
  if (span === null) return false
  const { lower, upper } = span
  const fromLower = lower === null ? 1 : compareRows(position, lower)
  const fromUpper = upper === null ? -1 : compareRows(position, upper)
  return (
    (fromLower > 0 || (fromLower === 0 && lower?.isExclusive === false)) &&
    (fromUpper < 0 || (fromUpper === 0 && upper?.isExclusive === false))
  )
}

suite('spans of scans', () => {
  for (const keyOrder of ['HASHED', 'ORDERED'] as const) {
    test(`every ${keyOrder} row lies in exactly one segment`, () => {
      fc.assert(
        fc.property(anyKey, fc.integer({ min: 1, max: 1024 }), (rowKey, count) => {
          const row = positionOf(rowKey, keyOrder)
          const holding = Array.from({ length: count }, (_, index) => index).filter((index) => {
            return isInside(row, spanOfScan(scanRequest({ segment: { index, count } }), keyOrder))
          })
          assert.equal(holding.length, 1)
        }),
        { numRuns: 50 },
      )
    })

    test(`a position parts the ${keyOrder} rows before it from those behind it, in both directions`, () => {
      fc.assert(
        fc.property(anyKey, anyKey, fc.boolean(), (rowKey, at, isReversed) => {
          const row = positionOf(rowKey, keyOrder)
          const position = positionOf(at, keyOrder)
          const order = compareRows(row, position)
          const span = spanOfScan(scanRequest({ position, isReversed }), keyOrder)
          assert.equal(isInside(row, span), isReversed ? order < 0 : order > 0)
          const before = spanOfScan(
            scanRequest({ position: { ...position, isBefore: true }, isReversed }),
            keyOrder,
          )
          assert.equal(isInside(row, before), isReversed ? order <= 0 : order >= 0)
        }),
      )
    })
  }

  test('segments are about equally wide', () => {
    const bound = (index: number) =>
      spanOfScan(scanRequest({ segment: { index, count: 4 } }), 'ORDERED')?.lower
    assert.equal(bound(0), null)
    assert.deepEqual(bound(1)?.rowKey, Buffer.from('40000000', 'hex'))
    assert.deepEqual(bound(3)?.rowKey, Buffer.from('c0000000', 'hex'))
  })

  test('a range of keys, a segment and a position hold together; where they exclude each other nothing is left', () => {
    const range = { from: Buffer.from('b'), to: Buffer.from('d') }
    const at = (key: string) => ({ token: NO_TOKEN, rowKey: Buffer.from(key) })
    const span = spanOfScan(scanRequest({ range, position: at('c') }), 'ORDERED')
    assert.deepEqual(span?.lower, { ...at('c'), isExclusive: true })
    assert.deepEqual(span.upper, { ...at('d'), isExclusive: true })
    assert.equal(spanOfScan(scanRequest({ range, position: at('e') }), 'ORDERED'), null)
    assert.equal(spanOfScan(scanRequest({ range: { from: range.from, to: range.from } }), 'ORDERED'), null)
    assert.equal(spanOfScan(scanRequest({ range, segment: { index: 3, count: 4 } }), 'ORDERED'), null)
  })

  test('every row of a span lies in the part of its own shard and in no other', () => {
    const segment = fc.option(
      fc.constantFrom({ index: 0, count: 3 }, { index: 1, count: 3 }, { index: 2, count: 3 }),
    )
    fc.assert(
      fc.property(
        anyKey,
        fc.option(anyKey),
        segment,
        fc.integer({ min: 1, max: 50 }),
        (rowKey, at, part, count) => {
          const row = positionOf(rowKey, 'HASHED')
          const position = at === null ? null : positionOf(at, 'HASHED')
          for (const isReversed of [false, true]) {
            const span = spanOfScan(scanRequest({ segment: part, position, isReversed }), 'HASHED')
            const parts = span === null ? [] : spansByShard(span, count, isReversed)
            const holding = parts.filter((one) => isInside(row, one.span)).map(({ shard }) => shard)
            assert.deepEqual(holding, isInside(row, span) ? [shardOfToken(row.token, count)] : [])
            for (const one of parts.slice(1))
              assert.ok((isReversed ? one.span.upper : one.span.lower) !== null)
          }
        },
      ),
    )
  })
})
