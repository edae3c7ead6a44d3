import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VALUE_SIZE, pickRows, rowKey, rowValue } from '../../../bench/dataset.js'
import { encodeCalls, types } from '../../../bench/stock-thrift.js'

test('row keys are 16 bytes, differ, and are the same every time', () => {
  const keys = Array.from({ length: 10_000 }, (_, row) => rowKey(row).toString('latin1'))
  assert.ok(keys.every((key) => /^[0-9a-f]{16}$/.test(key)))
  assert.equal(new Set(keys).size, keys.length)
  assert.equal(rowKey(7).toString('latin1'), keys[7])
})

test('values have their size and hold nothing that JSON would escape', () => {
  for (const row of [0, 1, 999_999, 123_456_789]) {
    assert.match(rowValue(row).toString('latin1'), /^[\w-]+$/)
    assert.equal(rowValue(row).length, VALUE_SIZE)
    assert.equal(rowValue(row, 2160).length, 2160)
  }
})

test('no value is cut short where its slice would pass the end of the pool', () => {
  for (let row = 0; row < 20_000; row++) assert.equal(rowValue(row).length, VALUE_SIZE, `row ${row}`)
})

test('rows that are picked are the same every time and lie in the range', () => {
  const picked = pickRows(1_000, 50)
  assert.deepEqual(picked, pickRows(1_000, 50))
  assert.ok(picked.every((row) => row >= 0 && row < 50))
  assert.equal(new Set(picked).size, 50)
})

test('calls are framed one behind the other with rising sequence numbers', () => {
  const frames = encodeCalls(
    'get',
    [1, 2, 3].map((row) => new types.GetRequest({ dataset: 'd', key: rowKey(row) })),
  )
  const seqids: number[] = []
  for (let at = 0; at < frames.length; at += 4 + frames.readUInt32BE(at)) {
    assert.equal(frames.readUInt32BE(at + 4), 0x80010001, 'a strict call')
    assert.equal(frames.toString('latin1', at + 12, at + 15), 'get')
    seqids.push(frames.readUInt32BE(at + 15))
  }
  assert.deepEqual(seqids, [1, 2, 3])
})
