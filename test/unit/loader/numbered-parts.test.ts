import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { numberedParts } from '../../../src/loader/numbered-parts.js'

function objects(...names: string[]) {
  return names.map((name) => ({ url: `hdfs:///pins/1/${name}`, sizeBytes: 1, tag: name }))
}

test('the parts of a file set are read in their order, and nothing else', () => {
  const found = objects(
    '_SUCCESS',
    'inner/part-00000',
    'part-00001',
    'part-00000',
    'part-00002',
    'part-00000-ad2',
  )
  for (const from of ['hdfs:///pins/1', 'hdfs:///pins/1/']) {
    const parts = numberedParts(from, found, 2)
    assert.deepEqual(
      parts.map(({ tag }) => tag),
      ['part-00000', 'part-00001'],
    )
  }
})

test('a part that is not there any more is named', () => {
  assert.throws(
    () => numberedParts('hdfs:///pins/1/', objects('part-00000', 'part-00002'), 3),
    (error) => error instanceof KVError && error.message.startsWith('hdfs:///pins/1/part-00001 is not there'),
  )
})
