import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HotKeys } from '../../../src/leaf/rocksdb/write/hot-keys.js'

function key(text: string): Buffer {
  return Buffer.from(text)
}

test('a key is to be folded from its 33rd merge on, until it was, and then again after as many', () => {
  const keys = new HotKeys()
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 32; i++) assert.equal(keys.count(key('hot')), false)
    assert.equal(keys.count(key('hot')), true)
    assert.equal(keys.count(key('hot')), true)
    keys.folded(key('hot'))
  }
})

test('among many keys written in turn hardly one is folded', () => {
  const keys = new HotKeys()
  let folds = 0
  for (let i = 0; i < 500_000; i++) {
    const written = key(`row-${i % 50_000}`)
    if (!keys.count(written)) continue
    folds++
    keys.folded(written)
  }
  assert.ok(folds < 5_000, String(folds))
})

test('a key with every tenth write among others is folded once in about 32 of its writes', () => {
  const keys = new HotKeys()
  let folds = 0
  for (let i = 0; i < 100_000; i++) {
    const written = key(i % 10 === 0 ? 'hot' : `cold-${i}`)
    if (!keys.count(written)) continue
    if (i % 10 === 0) folds++
    keys.folded(written)
  }
  assert.ok(folds > 280, String(folds))
})
