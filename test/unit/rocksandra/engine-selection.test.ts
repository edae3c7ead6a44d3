import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Selector } from '../../../shims/rocksandra/cql/ast.js'
import { TYPES } from '../../../shims/rocksandra/cql/types.js'
import { tableSchema } from '../../../shims/rocksandra/engine/schema.js'
import { compileSelection } from '../../../shims/rocksandra/engine/selection.js'

const TABLE = tableSchema({
  ...{ keyspace: 'ks', name: 't', id: '' },
  columns: ['a', 'b'].map((name, position) => {
    return { name, type: TYPES.bigint, kind: 'partition_key' as const, position }
  }),
})

function column(name: string): Selector {
  return { kind: 'column', name }
}

function token(...args: Selector[]): Selector {
  return { kind: 'call', name: { keyspace: null, name: 'token' }, args }
}

/** Of 2 ** height columns. */
function tree(height: number): Selector {
  return height === 0 ? column('a') : token(tree(height - 1), tree(height - 1))
}

test('the name of a call is not kept once more in each call around it', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void // V8's own function, there by the flag
  let selector = tree(13)
  for (let depth = 0; depth < 280; depth++) selector = token(selector, column('b'))
  collect()
  const before = process.memoryUsage().heapUsed
  const selection = compileSelection(TABLE, [{ selector, alias: null }], false)
  collect()
  const grown = process.memoryUsage().heapUsed - before
  const name = selection.columns[0]?.name ?? ''
  assert.ok(grown < 100 * name.length, `${grown} bytes for a name of ${name.length}`)
  assert.match(name, /^(system\.token\()+a, a\), system\.token\(a, a\)\), .*, b\)$/)
})
