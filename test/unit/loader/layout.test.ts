import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileThriftStruct } from '../../../src/base/thrift-idl.js'
import { layoutToKeep, withLayout } from '../../../src/loader/layout.js'
import type { ValueLayout } from '../../../src/base/thrift-layout.js'
import type { LoadRequest } from '../../../src/model/load.js'
import { datasetRecord } from '../../support/datasets.js'
import { requestFor } from './fakes.js'

const fields = compileThriftStruct([{ name: 'p', text: 'struct Pin { 1: i64 id, 2: string title }' }], 'Pin')
const layout: ValueLayout = { protocol: 'binary', struct: 'Pin', columns: ['title'], fields }
const exploded = { protocol: 'binary', struct: 'Pin', valueField: '', fields } as const
const plain = datasetRecord({ name: 'pins', id: 'p', mode: 'BATCH' })
const known = { ...plain, explode: layout }

function hfiles(changes: Partial<LoadRequest> = {}): LoadRequest {
  return requestFor('pins', '/in', { format: 'hfile', keyField: '', ...changes })
}

test('a load of HFiles that says nothing explodes as its dataset says, and keeps that', () => {
  const request = withLayout(hfiles(), known)
  assert.deepEqual(request, hfiles({ columns: ['title'], explode: exploded }))
  assert.equal(layoutToKeep(request, known), undefined)
})

test('what a load says goes before what its dataset says, and takes its place', () => {
  const asked = hfiles({ explode: { ...exploded, protocol: 'compact' } })
  assert.equal(withLayout(asked, known), asked)
  assert.deepEqual(layoutToKeep(asked, known), { ...layout, protocol: 'compact', columns: null })
  const fewer = withLayout(hfiles({ columns: ['id'] }), known)
  assert.deepEqual(layoutToKeep(fewer, known), { ...layout, columns: ['id'] })
})

test('a load without columns ends it, and where there is nothing nothing changes', () => {
  const none = hfiles({ explode: null })
  assert.equal(withLayout(none, known), none)
  assert.equal(layoutToKeep(none, known), null)
  assert.equal(layoutToKeep(none, plain), undefined)
  assert.equal(layoutToKeep(withLayout(hfiles(), plain), plain), undefined)
})

test('formats whose fields are columns are left as they are', () => {
  const request = requestFor('pins', '/in.parquet', { format: 'parquet' })
  assert.equal(withLayout(request, known), request)
  assert.equal(layoutToKeep(request, known), undefined)
})
