import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TYPES } from '../../../shims/rocksandra/cql/types.js'
import { unpackItems } from '../../../shims/rocksandra/cql/values/collections.js'
import { uuidText } from '../../../shims/rocksandra/cql/values/uuids.js'
import type { VirtualTable } from '../../../shims/rocksandra/engine/contract.js'
import {
  type KeyspaceSchema,
  type Schema,
  type TableDraft,
  tableSchema,
} from '../../../shims/rocksandra/engine/schema.js'
import { changesBetween, lookOf } from '../../../shims/rocksandra/schema-events.js'
import { ringOf } from '../../../shims/rocksandra/system/ring.js'
import { systemTables } from '../../../shims/rocksandra/system/tables.js'

const SETTINGS = {
  ...{
    clusterName: 'test',
    dataCenter: 'dc1',
    rack: 'r1',
    address: '127.0.0.2',
    peers: ['127.0.0.1', '127.0.0.3'],
  },
}
const VERSION = '01020304-0506-3708-890a-0b0c0d0e0f10'

function keyspace(name: string, tables: readonly TableDraft[], durableWrites = true): KeyspaceSchema {
  return {
    ...{ name, replication: { class: 'X', replication_factor: '1' }, durableWrites, types: new Map() },
    tables: new Map(tables.map((draft) => [draft.name, tableSchema(draft)])),
    isVirtual: false,
  }
}

function schemaOf(...keyspaces: readonly KeyspaceSchema[]): Schema {
  return { keyspaces: new Map(keyspaces.map((one) => [one.name, one])), version: VERSION }
}

const column = { type: TYPES.text, kind: 'regular' } as const
const key = { name: 'k', type: TYPES.int, kind: 'partition_key', position: 0 } as const
const clustering = { name: 'c', type: TYPES.int, kind: 'clustering', position: 0 } as const
const TABLE = { keyspace: 'ks', name: 't', id: VERSION } as const

/** Rows as text by column; what is null is left out. */
function rowsOf(schema: Schema, name: string): Record<string, string>[] {
  const tables = systemTables({ settings: SETTINGS, schema: () => schema })
  const table = tables.find((one) => `${one.schema.keyspace}.${one.schema.name}` === name)
  assert.ok(table, name)
  return [...table.rows()].map((row) => textsOf(table, row))
}

function textsOf({ schema }: VirtualTable, row: readonly (Buffer | null)[]): Record<string, string> {
  assert.equal(row.length, schema.columns.length)
  const texts: Record<string, string> = {}
  for (const { name, type, index } of schema.columns) {
    const value = row[index]
    if (value === undefined || value === null) continue
    if (type.kind === 'native') texts[name] = nativeText(type.name, value)
    else if (type.kind !== 'list' && type.kind !== 'set' && type.kind !== 'map') assert.fail(type.kind)
    else texts[name] = unpackItems(value, type.kind).map(String).join()
  }
  return texts
}

function nativeText(type: string, value: Buffer): string {
  if (type === 'int') return String(value.readInt32BE())
  if (type === 'double') return String(value.readDoubleBE())
  if (type === 'boolean') return String(value[0] === 1)
  if (type === 'uuid') return uuidText(value)
  return type === 'inet' ? [...value].join('.') : value.toString('utf8')
}

describe('the ring', () => {
  test('is the same whichever gateway is asked, and every node owns as much of it', () => {
    const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
    const views = addresses.map((address) => {
      const ring = ringOf({ address, peers: addresses.filter((other) => other !== address) })
      const nodes = [ring.local, ...ring.peers]
      return nodes.sort((a, b) => (a.address < b.address ? -1 : 1))
    })
    assert.deepEqual(views[1], views[0])
    assert.deepEqual(views[2], views[0])
    const tokens = (views[0] ?? []).flatMap((node) =>
      node.tokens.map((token) => [BigInt(token), node.address] as const),
    )
    tokens.sort(([a], [b]) => (a < b ? -1 : 1))
    assert.equal(new Set(tokens.map(([token]) => token)).size, 24)
    assert.deepEqual(
      tokens.map(([, address]) => address),
      Array.from({ length: 24 }, (_, index) => addresses[index % 3]),
    )
    assert.equal(tokens[0]?.[0], -(2n ** 63n))
  })

  test('a gateway that is among its own peers is itself and no peer', () => {
    const ring = ringOf({ address: '::1', peers: ['0:0:0:0:0:0:0:1', '10.0.0.1', '10.0.0.1'] })
    assert.deepEqual(
      ring.peers.map(({ address }) => address),
      ['10.0.0.1'],
    )
  })
})

describe('system tables', () => {
  test('this gateway is local and the others are peers, who lack nothing that drivers ask for', () => {
    const [local] = rowsOf(schemaOf(), 'system.local')
    assert.equal(local?.['release_version'], '3.0.15')
    assert.equal(local['rpc_address'], '127.0.0.2')
    assert.equal(local['schema_version'], VERSION)
    assert.equal(local['partitioner'], 'org.apache.cassandra.dht.Murmur3Partitioner')
    const peers = rowsOf(schemaOf(), 'system.peers')
    assert.deepEqual(peers.map((peer) => peer['peer']).sort(), ['127.0.0.1', '127.0.0.3'])
    for (const peer of peers) {
      for (const name of [
        'data_center',
        'host_id',
        'rack',
        'release_version',
        'rpc_address',
        'schema_version',
        'tokens',
      ])
        assert.ok(peer[name], name)
    }
  })

  test('an index names its column as it must be written, and compression of nothing is none', () => {
    const indexes = [
      { name: 'i1', column: 'v', target: 'simple' },
      { name: 'i2', column: 'MyColumn', target: 'simple' },
      { name: 'i3', column: 'order', target: 'keys' },
    ] as const
    const columns = [key, ...indexes.map((index) => ({ ...column, name: index.column }))]
    const drafts = [{}, { compression: {} }, { compression: '' }].map((options, index) => ({
      ...{ ...TABLE, name: `t${index}`, columns, options, indexes: index === 0 ? indexes : [] },
    }))
    const schema = schemaOf(keyspace('ks', drafts))
    assert.deepEqual(
      rowsOf(schema, 'system_schema.indexes').map((row) => row['options']),
      ['target,v', 'target,"MyColumn"', 'target,keys("order")'],
    )
    const compressions = rowsOf(schema, 'system_schema.tables').map((row) => row['compression'])
    assert.match(compressions[0] ?? '', /LZ4Compressor/)
    assert.deepEqual(compressions.slice(1), ['enabled,false', 'enabled,false'])
  })

  test('tables and columns are those of the schema, with what Cassandra takes for granted', () => {
    const schema = schemaOf(
      keyspace('ks', [
        {
          ...TABLE,
          columns: [{ ...column, name: 'v' }, key, { ...clustering, isReversed: true }],
          options: { comment: 'x' },
        },
      ]),
    )
    const [table] = rowsOf(schema, 'system_schema.tables')
    assert.deepEqual(
      [table?.['flags'], table?.['comment'], table?.['gc_grace_seconds'], table?.['speculative_retry']],
      ['compound', 'x', '864000', '99PERCENTILE'],
    )
    assert.deepEqual(
      rowsOf(schema, 'system_schema.columns').map((row) =>
        [row['column_name'], row['kind'], row['position'], row['type'], row['clustering_order']].join(' '),
      ),
      ['c clustering 0 int desc', 'k partition_key 0 int none', 'v regular -1 text none'],
    )
  })

  const layouts = [
    ['a dense compact table', [key, clustering, { ...column, name: 'v' }], 'dense', ['c', 'k', 'v']],
    ['one without a value', [key, clustering], 'dense', ['c', 'k', 'value']],
    ['a static compact table', [key, { ...column, name: 'v' }, { ...column, name: 'value' }], '', ['column1', 'k', 'v', 'value', 'value1']],
    ['a table of counters', [key, { name: 'n', type: TYPES.counter, kind: 'regular' }], 'counter', null],
  ] as const // prettier-ignore
  for (const [what, columns, flags, names] of layouts) {
    test(`${what} has the flags that drivers know it by`, () => {
      const isCompact = names !== null
      const schema = schemaOf(keyspace('ks', [{ ...TABLE, columns, isCompact }]))
      const [table] = rowsOf(schema, 'system_schema.tables')
      assert.equal(table?.['flags'], isCompact ? flags : `compound,${flags}`)
      if (names === null) return
      assert.deepEqual(
        rowsOf(schema, 'system_schema.columns').map((row) => row['column_name']),
        names,
      )
    })
  }

  test('rows come in the order of their partition keys’ tokens', () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const rows = rowsOf(schemaOf(...names.map((name) => keyspace(name, []))), 'system_schema.keyspaces')
    // By murmur3 of the name, as Cassandra has them.
    assert.notDeepEqual(
      rows.map((row) => row['keyspace_name']),
      names,
    )
    assert.deepEqual(rows.map((row) => row['keyspace_name']).sort(), names)
  })
})

describe('changes of a schema', () => {
  const table = { ...TABLE, columns: [key, { ...column, name: 'v' }] }
  const without = schemaOf()
  const empty = schemaOf(keyspace('ks', []))
  const full = schemaOf(keyspace('ks', [table]))
  const wider = schemaOf(
    keyspace('ks', [{ ...table, columns: [...table.columns, { ...column, name: 'w' }] }]),
  )
  const cases = [
    ['a keyspace is made', without, empty, ['CREATED KEYSPACE ks']],
    ['a table is made', empty, full, ['CREATED TABLE ks.t']],
    ['both at once', without, full, ['CREATED KEYSPACE ks', 'CREATED TABLE ks.t']],
    ['a column is added', full, wider, ['UPDATED TABLE ks.t']],
    ['a keyspace is altered', empty, schemaOf(keyspace('ks', [], false)), ['UPDATED KEYSPACE ks']],
    ['a table is dropped', full, empty, ['DROPPED TABLE ks.t']],
    ['a keyspace is dropped with its table', full, without, ['DROPPED KEYSPACE ks']],
    ['nothing', full, full, []],
  ] as const
  for (const [what, before, after, expected] of cases) {
    test(`${what}: ${expected.length === 0 ? 'nobody is told' : expected.join(', ')}`, () => {
      const changes = changesBetween(lookOf(before), lookOf(after))
      assert.deepEqual(
        changes.map(({ change, target, keyspace: own, name }) => {
          return `${change} ${target} ${own}${name === null ? '' : `.${name}`}`
        }),
        expected,
      )
    })
  }
})
