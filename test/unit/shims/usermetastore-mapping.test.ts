/** Columns as local keys: a bijection that keeps HBase's order, and the limits that tables have. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import * as mapping from '../../../shims/usermetastore/mapping.js'
import {
  HBASE_EXCEPTIONS,
  UMS_CODES,
  readErrorOf,
  writeErrorOf,
} from '../../../shims/usermetastore/errors.js'
import { ERROR_CODES, type ErrorCode, KVError } from '../../../src/base/errors.js'
import * as wire from '../../../src/thrift/generated/usermetastore.js'
import { datasetEntry } from '../../support/datasets.js'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const shown = ({ family, qualifier }: mapping.Column): string =>
  `${family.toString('latin1')}:${qualifier.toString('latin1')}`

/** Short, of few letters, so that prefixes, zero bytes and colons meet. */
const anyBytes = fc
  .array(fc.constantFrom(0, 1, 0x2d, 0x31, 0x3a, 0x61, 0xff), { maxLength: 5 })
  .map((list) => Buffer.from(list))
const anyFamily = anyBytes.filter((name) => name.length > 0 && !name.includes(0) && !name.includes(0x3a))
const anyColumn = fc.record({ family: anyFamily, qualifier: anyBytes })

function refusedWith(code: ErrorCode, pattern: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof KVError)
    assert.equal(error.code, code)
    assert.equal(error.outcome, 'NOT_APPLIED')
    assert.match(error.message, pattern)
    return true
  }
}

describe('columns', () => {
  test('every local key is one column, and that column is this local key', () => {
    fc.assert(
      fc.property(anyBytes, (localKey) => {
        assert.deepEqual(mapping.toLocalKey(mapping.toColumn(localKey)), localKey)
      }),
    )
  })

  test('every column of a family is one local key, and that local key is this column', () => {
    fc.assert(
      fc.property(anyColumn, (column) => {
        assert.equal(shown(mapping.toColumn(mapping.toLocalKey(column))), shown(column))
      }),
    )
  })

  test('local keys sort as HBase sorts columns: by family, then by qualifier', () => {
    fc.assert(
      fc.property(anyColumn, anyColumn, (a, b) => {
        const hbase = a.family.compare(b.family) || a.qualifier.compare(b.qualifier)
        assert.equal(mapping.toLocalKey(a).compare(mapping.toLocalKey(b)), hbase)
      }),
    )
    const [short, long] = [bytes('a'), bytes('a1')].map((family) =>
      mapping.toLocalKey({ family, qualifier: bytes('x') }),
    )
    assert.ok(
      short !== undefined && long !== undefined && short.compare(long) < 0,
      'a colon turns them around',
    )
  })

  test('a family is a range of local keys that no other family has a key in', () => {
    fc.assert(
      fc.property(anyFamily, anyColumn, (family, column) => {
        const { from, to } = mapping.familyRange(family)
        const localKey = mapping.toLocalKey(column)
        const isWithin = localKey.compare(from) >= 0 && (to === null || localKey.compare(to) < 0)
        assert.equal(isWithin, family.equals(column.family))
      }),
    )
  })

  test('what has no family is a column of the empty one, which has no range', () => {
    assert.equal(shown(mapping.toColumn(bytes('name'))), ':name')
    assert.equal(shown(mapping.toColumn(bytes(''))), ':')
    assert.equal(shown(mapping.toColumn(bytes('\0x'))), ':\0x')
    assert.equal(shown(mapping.toColumn(bytes('a:b\0x'))), ':a:b\0x', 'no family has a colon')
    assert.throws(() => mapping.familyRange(bytes('')), refusedWith('UNSUPPORTED', /without a family/))
    const confused = { family: bytes(''), qualifier: bytes('f\0q') }
    assert.throws(() => mapping.toLocalKey(confused), refusedWith('INVALID_ARGUMENT', /one of a family/))
  })

  test('names are refused by size and by what they may not have', () => {
    const qualifier = bytes('q')
    for (const family of ['a:b', 'a\0b']) {
      const make = () => mapping.toLocalKey({ family: bytes(family), qualifier })
      assert.throws(make, refusedWith('INVALID_ARGUMENT', /colon or a zero byte/))
    }
    const long = () => mapping.toLocalKey({ family: Buffer.alloc(128, 'a'), qualifier })
    assert.throws(long, refusedWith('TOO_LARGE', /128 bytes, at most 127/))
    const column = { family: bytes('a'), qualifier: Buffer.alloc(32_766) }
    assert.throws(() => mapping.toLocalKey(column), refusedWith('TOO_LARGE', /32768 bytes/))
    assert.throws(() => mapping.checkRowKey(null), refusedWith('INVALID_ARGUMENT', /row key/))
    const value = Buffer.alloc(mapping.MAX_CELL_BYTES + 1)
    assert.throws(() => mapping.checkValue(qualifier, value), refusedWith('TOO_LARGE', /column 0x71/))
  })
})

test('the time of a write: the greatest is the clock, a negative one is refused', () => {
  assert.equal(mapping.stampOf(null), null)
  assert.equal(mapping.stampOf(2n ** 63n - 1n), null)
  assert.equal(mapping.stampOf(0n), 0n)
  assert.throws(() => mapping.stampOf(-1n), refusedWith('INVALID_ARGUMENT', /timestamp of -1/))
})

test('a dataset is a table if its times are milliseconds', () => {
  assert.equal(mapping.checkTable(datasetEntry({ timestampUnit: 'MILLISECONDS' })).name, 'cities')
  for (const timestampUnit of ['MICROSECONDS', 'OPAQUE'] as const) {
    const check = () => mapping.checkTable(datasetEntry({ timestampUnit }))
    assert.throws(check, refusedWith('DATASET_NOT_FOUND', /cities is no table/))
  }
})

describe('errors', () => {
  test('every code has one of UserMetaStore and an exception of HBase', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      assert.notEqual(wire.umsErrorCodeName(UMS_CODES[code]), null, code)
      assert.match(HBASE_EXCEPTIONS[code], /^(org\.apache\.hadoop\.hbase|java\.io)\.[\w.]+Exception$/, code)
    }
  })

  test('a failed write says what became of it, a failed read does not', () => {
    const late = new KVError('DEADLINE_EXCEEDED', 'late')
    assert.equal(readErrorOf(late).outcome, null)
    assert.equal(writeErrorOf(late).outcome, wire.WriteOutcome.UNKNOWN)
    assert.equal(writeErrorOf(new KVError('TOO_LARGE', 'large')).outcome, wire.WriteOutcome.NOT_APPLIED)
    const throttled = readErrorOf(new KVError('THROTTLED', 'slower', { retryAfterMs: 7 }))
    assert.deepEqual([throttled.retryable, throttled.retryAfterMs], [true, 7])
  })
})
