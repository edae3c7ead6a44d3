import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { distinctKeys, parseResource, resourceName } from '../../../shims/terrapin/translate.js'

function distinctByText(keys: readonly Buffer[]): string[] {
  return [...new Set(keys.map((key) => key.toString('hex')))]
}

test('keys stand once, in the order of their first appearance, whatever they are', () => {
  const key = fc.oneof(
    fc.uint8Array({ maxLength: 3 }),
    // Longer than what is hashed, with equal ends.
    fc.uint8Array({ minLength: 1, maxLength: 2 }).map((bytes) => Buffer.concat([bytes, Buffer.alloc(64)])),
  )
  fc.assert(
    fc.property(fc.array(key, { maxLength: 60 }), (made) => {
      const keys = made.map((bytes) => Buffer.from(bytes))
      assert.deepEqual(
        distinctKeys(keys).map((one) => one.toString('hex')),
        distinctByText(keys),
      )
    }),
  )
})

test('of thousands of keys, too, and different ones are answered as they came', () => {
  const keys = Array.from({ length: 3_000 }, (_, index) => Buffer.from(`pin:${index}`))
  for (const count of [999, 1_000, 1_001, 3_000]) {
    const some = keys.slice(0, count)
    assert.deepEqual(distinctKeys(some), some)
    assert.deepEqual(distinctKeys([...some, ...some.slice(5, 9)]), some)
  }
  const twenty = keys.slice(0, 20)
  assert.equal(distinctKeys(twenty), twenty)
})

test('a resource names a file set and a version, whatever the name holds', () => {
  for (const fileSet of ['pins', 'a$b', '$', '$terrapin$data$x', 'é/ü', ' ', '..']) {
    const named = { fileSet, version: 1_448_390_400_000 }
    assert.deepEqual(parseResource(resourceName(named)), named)
  }
  for (const resource of [
    '',
    'pins',
    '$terrapin$data$',
    '$terrapin$data$pins',
    '$terrapin$data$$1448390400000',
    '$terrapin$data$pins$',
    '$terrapin$data$pins$0',
    '$terrapin$data$pins$-1',
    '$terrapin$data$pins$1e3',
    '$terrapin$data$pins$0144',
    '$terrapin$data$pins$99999999999999999',
    '$terrapin$DATA$pins$1448390400000',
  ])
    assert.equal(parseResource(resource), null, resource)
})
