import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/logger.js'
import { compileThriftStruct } from '../../../src/base/thrift-idl.js'
import { openMetastore } from '../../../src/kvsm/metastore.js'
import { readLayout } from '../../../src/kvsm/value-layouts.js'
import type { ValueLayout } from '../../../src/base/thrift-layout.js'
import { CHANGE, batchDraft, manualClock } from './fixtures.js'
import { MemoryStore } from './memory-store.js'

const IDL =
  'struct Author { 1: string name }\nstruct Pin { 1: required i64 id, 2: Author author, 3: list<i32> tags }'
const fields = compileThriftStruct([{ name: 'pin.thrift', text: IDL }], 'Pin')
const layout: ValueLayout = { protocol: 'compact', struct: 'Pin', columns: ['id', 'author.name'], fields }

test('what the values of a dataset are is stored, said in short in the audit, and taken away by null', async () => {
  const store = new MemoryStore()
  const open = () => openMetastore(store, manualClock(), silentLogger)
  const metastore = await open()
  await metastore.createDataset(batchDraft('pins'), CHANGE)
  await metastore.updateDataset('pins', { explode: layout }, CHANGE)
  assert.equal(metastore.audit(1)[0]?.detail, 'explode none -> "Pin" (compact, 2 fields)')
  const { revision } = await metastore.updateDataset('pins', { explode: structuredClone(layout) }, CHANGE)
  assert.equal(metastore.get('pins')?.revision, revision)
  assert.equal(metastore.audit(2).length, 2)
  const again = await open()
  assert.deepEqual(again.get('pins')?.explode, layout)
  assert.ok(Object.isFrozen(again.get('pins')?.explode?.fields[1]?.fields?.[0]))
  const after = await again.updateDataset('pins', { explode: null }, CHANGE)
  assert.equal('explode' in after, false)
  assert.equal(again.audit(1)[0]?.detail, 'explode "Pin" (compact, 2 fields) -> none')
})

test('datasets that are written in place have none', async () => {
  const metastore = await openMetastore(new MemoryStore(), manualClock(), silentLogger)
  await metastore.createDataset(batchDraft('profiles', { mode: 'READ_WRITE' }), CHANGE)
  await assert.rejects(
    metastore.updateDataset('profiles', { explode: layout }, CHANGE),
    /explode is for BATCH/,
  )
})

const [field] = fields
const wrong: readonly (readonly [string, unknown])[] = [
  ['no object', 'Pin'],
  ['another protocol', { ...layout, protocol: 'json' }],
  ['no struct', { ...layout, struct: '' }],
  ['no columns', { ...layout, columns: [] }],
  ['fields that are none', { ...layout, fields: [{ ...field, type: 'uuid' }] }],
  [
    'too many fields',
    { ...layout, fields: Array.from({ length: limits.maxExplodedFields + 1 }, () => field) },
  ],
  [
    'deeper nesting than values may have',
    {
      ...layout,
      fields: Array.from({ length: 40 }).reduce<unknown>((inner) => [{ ...field, fields: inner }], null),
    },
  ],
]

for (const [name, given] of wrong) {
  test(`${name} is refused`, () => {
    const faults: string[] = []
    assert.deepEqual(readLayout(given, faults), {})
    assert.equal(faults.length, 1)
  })
}
