import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pathOfUrl, toPlaceUrl } from '../../../src/objects/object-url.js'

test('a place is written as what is listed below it, however it was given', () => {
  for (const [given, url] of [
    ['file:///tmp/a b/', 'file:///tmp/a%20b/'],
    ['file:///tmp//x/../y', 'file:///tmp/y/'],
    ['file:///tmp/what%231%3F2', 'file:///tmp/what%231%3F2/'],
    ['s3://bucket/prefix', 's3://bucket/prefix/'],
    ['s3://bucket/', 's3://bucket/'],
  ] as const) {
    assert.equal(toPlaceUrl(given), url, given)
  }
})

test('what would be cut off a path is refused', () => {
  for (const url of ['file:///tmp/snap#1', 'file:///tmp/snap?1']) {
    assert.throws(() => pathOfUrl(url), /write \? as %3F and # as %23/, url)
    assert.throws(() => toPlaceUrl(url), { code: 'INVALID_ARGUMENT' }, url)
  }
  assert.throws(() => toPlaceUrl('/tmp/x'), { code: 'INVALID_ARGUMENT' })
})
