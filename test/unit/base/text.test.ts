import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { cutText } from '../../../src/base/text.js'

const MEGABYTE = 1024 * 1024
const COUNT = 64

test('a text is cut to its length, and a short one stays as it is', () => {
  assert.equal(cutText('maps-web', 8), 'maps-web')
  assert.equal(cutText('maps-web', 4), 'maps')
  assert.equal(cutText('', 4), '')
  // Half of a character is no character.
  assert.equal(cutText('ab😀', 3), 'ab�')
})

// Callers' names of a megabyte were cut to 128 characters and remembered: slices, each of which kept its megabyte.
test('what is cut does not keep the text that it was cut from', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void // V8's own function, there by the flag
  collect()
  const before = heldBytes()
  const kept = Array.from({ length: COUNT }, (_, number) =>
    cutText(Buffer.alloc(MEGABYTE, 64 + number).toString(), 128),
  )
  collect()
  const grown = heldBytes() - before
  assert.equal(kept.length, COUNT)
  assert.ok(grown < (COUNT / 4) * MEGABYTE, `${(grown / MEGABYTE).toFixed(1)} MB more`)
})

/** On the heap, and of strings that V8 keeps beside it. */
function heldBytes(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
