import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  checkTally,
  decodeEntry,
  decodeHeader,
  emptyHeader,
  emptyTally,
  encodeEntry,
  encodeHeader,
  tallyEntry,
} from '../../../src/kvsm/store-lmdb-format.js'
import { kvError } from './fixtures.js'

test('an entry has the bytes that its head comment gives', () => {
  const bytes = encodeEntry('dataset/a', 0x0102, 'hé')
  assert.equal(bytes.subarray(4).toString('hex'), '000000000000010268c3a9')
  assert.equal(decodeEntry('dataset/a', bytes).text, 'hé')
})

test('the bytes are those of the examples in FORMATS', () => {
  assert.equal(encodeEntry('dataset/a', 7, '{}').toString('hex'), 'a93d246100000000000000077b7d')
  assert.equal(encodeHeader(emptyHeader()).toString('hex', 0, 14), 'b690865800000000000000007b22')
})

test('a table that came later is empty in a header that was written before', () => {
  const { audit, dataset } = emptyHeader().tables
  const older = encodeEntry(
    'header',
    3,
    JSON.stringify({ format: 1, revision: 3, tables: { audit, dataset } }),
  )
  assert.deepEqual(decodeHeader(older).tables, emptyHeader().tables)
})

test('any one flipped bit, a cut or another key is found', () => {
  const bytes = encodeEntry('dataset/cities', 5, '{"format":1}')
  fc.assert(
    fc.property(fc.nat(bytes.byteLength * 8 - 1), (bit) => {
      const damaged = Buffer.from(bytes)
      damaged[bit >> 3] = damaged[bit >> 3]! ^ (1 << (bit & 7))
      assert.throws(() => decodeEntry('dataset/cities', damaged), kvError('CORRUPT', /dataset\/cities/))
    }),
  )
  assert.throws(() => decodeEntry('dataset/cities', bytes.subarray(0, 20)), kvError('CORRUPT'))
  assert.throws(() => decodeEntry('dataset/cities', Buffer.alloc(3)), kvError('CORRUPT'))
  assert.throws(() => decodeEntry('dataset/towns', bytes), kvError('CORRUPT', /dataset\/towns/))
})

test('a tally finds a record that is missing, added or another one', () => {
  const entries = ['x', 'y', 'z'].map((key) => decodeEntry(key, encodeEntry(key, 1, key)))
  const header = emptyHeader()
  for (const entry of entries) tallyEntry(header.tables.dataset, entry, 1)
  const found = emptyTally()
  for (const entry of entries.toReversed()) tallyEntry(found, entry, 1)
  checkTally('dataset', found, header)
  tallyEntry(found, entries[1]!, -1)
  assert.throws(
    () => checkTally('dataset', found, header),
    kvError('CORRUPT', /dataset has 2 .* the 3 written/),
  )
  tallyEntry(found, decodeEntry('y', encodeEntry('y', 2, 'y')), 1)
  assert.throws(() => checkTally('dataset', found, header), kvError('CORRUPT'))
})

test('a header of a newer format is refused with both numbers, a missing one as foreign', () => {
  assert.deepEqual(decodeHeader(encodeHeader(emptyHeader())), emptyHeader())
  const newer = encodeHeader({ ...emptyHeader(), format: 2 })
  assert.throws(() => decodeHeader(newer), kvError('FAILED_PRECONDITION', /format is 2 .* up to 1/))
  assert.throws(() => decodeHeader(undefined), kvError('FAILED_PRECONDITION', /another program/))
})
