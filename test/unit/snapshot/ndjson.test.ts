import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { decodeLine, encodeLine } from '../../../src/snapshot/ndjson.js'
import type { RowPiece } from '../../../src/snapshot/pieces.js'
import { random } from '../../support/random.js'

function piece(rowKey: Buffer, cell: Partial<RowPiece['cells'][number]> = {}): RowPiece {
  const plain = { localKey: Buffer.from('a'), value: Buffer.from('v'), timestamp: 5n, expiresAt: null }
  return { rowKey, cells: [{ ...plain, ...cell }] }
}

test('a row is a line as FORMATS.md has it', () => {
  const row = piece(Buffer.from('ada'), { expiresAt: 1_800_000_000 })
  assert.equal(encodeLine(row), '{"key":"ada","cells":[["a","v","5",1800000000]]}\n')
  const bytes = piece(Buffer.from([0xff, 0x00]), { timestamp: -(2n ** 63n) })
  assert.equal(encodeLine(bytes), '{"key":{"base64":"/wA="},"cells":[["a","v","-9223372036854775808"]]}\n')
})

test('whatever the bytes, they come back', () => {
  const next = random(7)
  const bytes = () =>
    Buffer.from(Array.from({ length: Math.floor(next() * 20) }, () => Math.floor(next() * 256)))
  const texts = ['', '\u0000\u0001', '"\\\n\r\u2028', '\ufeffmark', 'é', '🐦', '\x7f', '\ud7ff']
  for (let i = 0; i < 2_000; i++) {
    const value = i < texts.length ? Buffer.from(texts[i] ?? '') : bytes()
    const timestamp = i % 2 === 0 ? 2n ** 63n - 1n : -(2n ** 63n)
    const row = piece(bytes(), {
      localKey: bytes(),
      value,
      timestamp,
      expiresAt: i % 3 === 0 ? 0xffff_ffff : null,
    })
    const line = encodeLine(row)
    assert.equal(line.indexOf('\n'), line.length - 1)
    assert.deepEqual(decodeLine(line, 'here'), row)
  }
})

test('a value of control characters does not become six times as long', () => {
  const row = piece(Buffer.from('k'), { value: Buffer.alloc(100_000, 1) })
  assert.ok(encodeLine(row).length < 150_000)
  assert.deepEqual(decodeLine(encodeLine(row), 'here'), row)
})

const WRONG = [
  '',
  '[]',
  'null',
  '{}',
  '{"key":"k"}',
  '{"key":"k","cells":[]}',
  '{"key":"k","cells":{}}',
  '{"key":1,"cells":[["a","v","5"]]}',
  '{"key":{"base64":"*"},"cells":[["a","v","5"]]}',
  '{"key":{"base64":"YQ"},"cells":[["a","v","5"]]}',
  '{"key":"k","cells":[["a","v"]]}',
  '{"key":"k","cells":[["a","v","5",1,2]]}',
  '{"key":"k","cells":[["a","v",5]]}',
  '{"key":"k","cells":[["a","v","0x5"]]}',
  '{"key":"k","cells":[["a","v","9223372036854775808"]]}',
  '{"key":"k","cells":[["a","v","5",0]]}',
  '{"key":"k","cells":[["a","v","5",-1]]}',
  '{"key":"k","cells":[["a","v","5",4294967296]]}',
  '{"key":"k","cells":[["a","v","5",1.5]]}',
  '{"key":"k","cells":[["a","v","5",null]]}',
  '{"key":"k","cells":[["a","v","5"]',
]

for (const line of WRONG) {
  test(`a line is refused with where it stands: ${line}`, () => {
    assert.throws(
      () => decodeLine(line, 'file:///x:7'),
      (error) =>
        error instanceof KVError && error.code === 'CORRUPT' && error.message.startsWith('file:///x:7: '),
    )
  })
}
