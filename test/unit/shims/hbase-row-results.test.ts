/** Rows of the first gateway's answers: columns by name, whatever rows came before. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RowResults } from '../../../shims/usermetastore/hbase-thrift1-answers.js'
import { toLocalKey } from '../../../shims/usermetastore/mapping.js'
import type { Cell } from '../../../src/model/row.js'

/** `a1:x` comes before `a:x` as a name, and behind it as a local key. */
const NAMES = ['a:', 'a:x', 'a:y', 'a1:', 'a1:x', 'b:x'] as const

function localKeyOf(name: string): Buffer {
  const [family = '', qualifier = ''] = name.split(':')
  return toLocalKey({ family: Buffer.from(family), qualifier: Buffer.from(qualifier) })
}

function cellsOf(names: readonly string[], keyOf: (name: string) => Buffer): Cell[] {
  return names
    .map((name) => ({ localKey: keyOf(name), value: Buffer.from(name), timestamp: 1n, ttlSeconds: null }))
    .sort((a, b) => a.localKey.compare(b.localKey))
}

test('columns are in the order of their names with the colon, whatever rows came before', () => {
  const rows = fc.array(fc.subarray([...NAMES], { minLength: 1 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(rows, fc.boolean(), (list, areShared) => {
      const shared = new Map(NAMES.map((name) => [name as string, localKeyOf(name)]))
      const keyOf = (name: string): Buffer => (areShared ? shared.get(name) : undefined) ?? localKeyOf(name)
      const results = new RowResults(false)
      for (const names of list) {
        const { columns } = results.of(Buffer.from('row'), cellsOf(names, keyOf))
        const found = columns?.map(([name, cell]) => [name.toString(), cell.value?.toString()])
        assert.deepEqual(
          found,
          names.toSorted().map((name) => [name, name]),
        )
      }
    }),
  )
})
