import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLogger } from '../../../src/base/logger.js'
import { openMetastore } from '../../../src/kvsm/metastore.js'
import { type ClusterMap, EMPTY_CLUSTER_MAP } from '../../../src/model/cluster-map.js'
import type { Metastore } from '../../../src/model/metastore.js'
import type { CqlAnswer } from '../../../src/model/table-call.js'
import { typeText } from '../../../shims/rocksandra/cql/types.js'
import { SchemaCalls } from '../../../shims/rocksandra/engine/schema-calls.js'
import { SchemaView } from '../../../shims/rocksandra/engine/schema.js'
import { CHANGE, kvError, manualClock } from '../kvsm/fixtures.js'
import { MemoryStore } from '../kvsm/memory-store.js'

const OWNER = { name: 'team', contact: 'team@example.org' }
const REPLICATION = "{'class': 'SimpleStrategy', 'replication_factor': 1}"

interface World {
  readonly store: MemoryStore
  readonly metastore: Metastore
  readonly run: (text: string) => Promise<CqlAnswer>
}

async function world(owner = OWNER): Promise<World> {
  const store = new MemoryStore()
  const metastore = await openMetastore(store, manualClock(), silentLogger)
  const calls = new SchemaCalls(metastore, owner)
  const run = (text: string) => calls.run({ text, keyspace: 'ks', caller: 'test' })
  await run(`CREATE KEYSPACE ks WITH replication = ${REPLICATION}`)
  return { store, metastore, run }
}

/** As a thread's ClusterMap has it. */
function mapOf(metastore: Metastore): ClusterMap {
  const tables = metastore.list().flatMap(({ cql }) => cql ?? [])
  return { ...EMPTY_CLUSTER_MAP, cql: structuredClone({ keyspaces: metastore.keyspaces(), tables }) }
}

function change(answer: CqlAnswer): string | null {
  if ('refusal' in answer) return `${answer.refusal.code} ${answer.refusal.message}`
  const { change: made } = answer
  return made === null ? null : `${made.change} ${made.target} ${made.keyspace}.${made.name ?? ''}`
}

describe('statements that change schemas', () => {
  test('make a dataset of a table, with an owner, and audit who asked', async () => {
    const { metastore, run } = await world()
    const made = await run('CREATE TABLE t (k int PRIMARY KEY, v text) WITH gc_grace_seconds = 60')
    assert.equal(change(made), 'CREATED TABLE ks.t')
    const record = metastore.get('ks.t')
    assert.equal(record?.owner.name, 'team')
    assert.equal(record.mode, 'READ_WRITE')
    assert.equal(record.graceSeconds, 60)
    assert.deepEqual(
      record.cql?.columns.map(({ name, type }) => `${name} ${type}`),
      ['k int', 'v text'],
    )
    assert.equal(metastore.audit(1)[0]?.actor, 'cql client test')
    assert.equal(change(await run('CREATE TABLE IF NOT EXISTS t (k int PRIMARY KEY)')), null)
  })

  test('refuse a table that nobody owns, and take the owner that it names', async () => {
    const { metastore, run } = await world({ name: '', contact: '' })
    assert.match(
      change(await run('CREATE TABLE t (k int PRIMARY KEY)')) ?? '',
      /^INVALID every table has an owner/,
    )
    await run("CREATE TABLE t (k int PRIMARY KEY) WITH owner = {'name': 'mine', 'contact': 'me'}")
    assert.deepEqual(metastore.get('ks.t')?.owner, { name: 'mine', contact: 'me' })
    await run("ALTER TABLE t WITH owner = {'name': 'other', 'contact': 'you'}")
    assert.equal(metastore.get('ks.t')?.owner.name, 'other')
  })

  test('are there after a restart', async () => {
    const { store, metastore, run } = await world()
    await run('CREATE TYPE a (x int)')
    await run('CREATE TABLE t (k int PRIMARY KEY, v frozen<map<text, a>>)')
    const before = new SchemaView(() => mapOf(metastore), []).current()
    const again = await openMetastore(store, manualClock(), silentLogger)
    const after = new SchemaView(() => mapOf(again), []).current()
    assert.equal(after.version, before.version)
    const column = after.keyspaces.get('ks')?.tables.get('t')?.byName.get('v')
    assert.ok(column)
    assert.equal(typeText(column.type), 'frozen<map<text, frozen<a>>>')
  })

  test('one after the other: of two that make the same table the second finds it', async () => {
    const { run } = await world()
    const create = 'CREATE TABLE t (k int PRIMARY KEY)'
    const answers = await Promise.all([run(create), run(create), run('DROP TABLE t'), run('DROP TABLE t')])
    assert.deepEqual(answers.map(change), [
      'CREATED TABLE ks.t',
      'ALREADY_EXISTS Cannot add already existing table "t" to keyspace "ks"',
      'DROPPED TABLE ks.t',
      'INVALID unconfigured table t',
    ])
  })

  test('of a keyspace take its tables along; an operator must remove them first', async () => {
    const { metastore, run } = await world()
    await run('CREATE TABLE t (k int PRIMARY KEY)')
    await assert.rejects(metastore.removeKeyspace('ks', CHANGE), kvError('FAILED_PRECONDITION'))
    assert.equal(change(await run('DROP KEYSPACE ks')), 'DROPPED KEYSPACE ks.')
    assert.equal(metastore.get('ks.t'), null)
    assert.deepEqual(metastore.keyspaces(), [])
  })

  test('TRUNCATE gives the dataset other data and leaves the table as it is', async () => {
    const { metastore, run } = await world()
    await run('CREATE TABLE t (k int PRIMARY KEY)')
    const before = metastore.get('ks.t')
    assert.equal(change(await run('TRUNCATE t')), null)
    const after = metastore.get('ks.t')
    assert.notEqual(after?.id, before?.id)
    assert.deepEqual(after?.cql, before?.cql)
  })

  test('let fields of a type change their names at once, and a type have a field of a later one', async () => {
    const { metastore, run } = await world()
    await run('CREATE TYPE first (a int, b text)')
    await run('CREATE TYPE later (x int)')
    assert.equal(change(await run('ALTER TYPE first RENAME a TO b AND b TO a')), 'UPDATED TYPE ks.first')
    assert.equal(change(await run('ALTER TYPE first ADD l frozen<later>')), 'UPDATED TYPE ks.first')
    await run('CREATE TABLE t (k int PRIMARY KEY, v frozen<first>)')
    const schema = new SchemaView(() => mapOf(metastore), []).current()
    const type = schema.keyspaces.get('ks')?.tables.get('t')?.byName.get('v')?.type
    assert.ok(type?.kind === 'user')
    const fields = type.fields.map((field) => `${field.name} ${field.type.kind}`)
    assert.deepEqual(fields, ['b native', 'a native', 'l user'])
  })

  test('keep a table of counters one when its counters are gone, and none of them comes back', async () => {
    const { run } = await world()
    await run('CREATE TABLE n (k int PRIMARY KEY, c counter)')
    await run('ALTER TABLE n DROP c')
    assert.match(
      change(await run('ALTER TABLE n ADD v int')) ?? '',
      /Cannot add a non counter column \(ColumnDefinition\{name=v, /,
    )
    const again = change(await run('ALTER TABLE n ADD c counter'))
    assert.equal(again, 'INVALID Cannot re-add previously dropped counter column c')
    assert.equal(change(await run('ALTER TABLE n ADD d counter')), 'UPDATED TABLE ks.n')
  })

  test('refuse types that would be too deep, or too large to be described, also behind user types', async () => {
    const { run } = await world()
    await run('CREATE TYPE t0 (a int)')
    let answer: string | null = ''
    for (let index = 1; answer?.startsWith('INVALID') === false && index < 100; index++) {
      const field = `frozen<t${index - 1}>`
      answer = change(await run(`CREATE TYPE t${index} (a ${field}, b ${field})`))
    }
    assert.match(answer ?? '', /^INVALID A type of \d+ types within each other, at most 10000: frozen<t\d+>$/)
    const nested = `${'frozen<tuple<'.repeat(200)}int${'>>'.repeat(200)}`
    assert.match(change(await run(`CREATE TYPE deep (a ${nested})`)) ?? '', /^SYNTAX_ERROR .*deeper than/)
    const half = `${'frozen<tuple<'.repeat(140)}int${'>>'.repeat(140)}`
    assert.equal(change(await run(`CREATE TYPE d1 (a ${half})`)), 'CREATED TYPE ks.d1')
    await run(`CREATE TYPE d2 (a ${half.replace('int', 'd1')})`)
    const deeper = change(await run(`CREATE TYPE d3 (a ${half.replace('int', 'd2')})`))
    assert.match(deeper ?? '', /^INVALID Types within each other \d+ deep, at most 300/)
  })

  const refused: readonly (readonly [string, RegExp])[] = [
    ['CREATE TABLE t2 (k int, PRIMARY KEY (x))', /Unknown definition x referenced in PRIMARY KEY/],
    [
      'CREATE TABLE t2 (k int, c int, PRIMARY KEY (k, c)) WITH CLUSTERING ORDER BY (k DESC)',
      /Missing CLUSTERING ORDER for column c/,
    ],
    ['CREATE TABLE t2 (k counter PRIMARY KEY)', /counter type is not supported for PRIMARY KEY part k/],
    ['CREATE TABLE t2 (k int PRIMARY KEY, v nothing)', /Unknown type ks.nothing/],
    ['CREATE TABLE t2 (k int PRIMARY KEY) WITH gc_grace_seconds = -1', /must be greater than or equal to 0/],
    ['ALTER TABLE t ADD v int', /Invalid column name v because it conflicts with an existing column/],
    ['ALTER TABLE t DROP k', /Cannot drop PRIMARY KEY part k/],
    ['ALTER TABLE t DROP x', /Column x was not found in table t/],
    ['ALTER TABLE t ALTER v TYPE blob', /^INVALID Altering of types is not allowed$/],
    ['ALTER TABLE t ADD n counter', /Cannot add a counter column \(n\) in a non counter column family/],
    ['ALTER TYPE p ALTER a TYPE blob', /^INVALID Altering of types is not allowed$/],
    [
      'ALTER TYPE p ADD a int',
      /Cannot add new field a to type ks.p: a field of the same name already exists/,
    ],
    ['ALTER TYPE p ADD o frozen<list<frozen<q>>>', /to type ks.p as this would create a circular reference/],
    ['ALTER TYPE p RENAME none TO x', /Unknown field none in type ks.p/],
    ['ALTER TYPE p RENAME a TO b', /Duplicate field name b in type p/],
    ['CREATE TYPE p (a int)', /A user type of name ks.p already exists/],
    ['CREATE TYPE r (a counter, b nothing)', /A user type cannot contain counters/],
    ['ALTER TABLE t RENAME v TO w', /Cannot rename non PRIMARY KEY part v/],
    ['ALTER TABLE none ADD v int', /unconfigured table none/],
    ['CREATE INDEX ON t (x)', /No column definition found for column x/],
    ['CREATE INDEX ON t (k)', /Cannot create secondary index on partition key column k/],
    ["CREATE CUSTOM INDEX ON t (v) USING 'x'", /CREATE CUSTOM INDEX is not supported/],
    ['DROP INDEX none', /Index 'none' could not be found/],
    ['DROP TYPE none', /No user type named ks.none exists/],
    ['DROP TYPE p', /Cannot drop user type ks.p as it is still used by user type q/],
    [`CREATE KEYSPACE system WITH replication = ${REPLICATION}`, /not user-modifiable/],
    ["CREATE KEYSPACE x WITH replication = {'class': 'Nope'}", /Unable to find replication strategy class/],
    ['ALTER KEYSPACE none WITH durable_writes = true', /Unknown keyspace none/],
  ]
  for (const [text, why] of refused) {
    test(`${text} is refused as Cassandra refuses it`, async () => {
      const { run } = await world()
      await run('CREATE TABLE t (k int PRIMARY KEY, v text)')
      await run('CREATE TYPE p (a int, b text)')
      await run('CREATE TYPE q (p frozen<p>)')
      assert.match(change(await run(text)) ?? '', why)
    })
  }
})

describe('the schema of a thread', () => {
  test('keeps tables that did not change, and says a version that all gateways agree on', async () => {
    const { metastore, run } = await world()
    await run('CREATE TABLE a (k int PRIMARY KEY)')
    await run('CREATE TABLE b (k int PRIMARY KEY)')
    let map = mapOf(metastore)
    const view = new SchemaView(() => map, [])
    const before = view.current()
    map = mapOf(metastore)
    assert.equal(view.current(), before)
    await run('ALTER TABLE b ADD v int')
    map = mapOf(metastore)
    const after = view.current()
    assert.notEqual(after.version, before.version)
    const table = (schema: typeof after, name: string) => schema.keyspaces.get('ks')?.tables.get(name)
    assert.equal(table(after, 'a'), table(before, 'a'))
    assert.notEqual(table(after, 'b'), table(before, 'b'))
    assert.equal(new SchemaView(() => mapOf(metastore), []).current().version, after.version)
  })

  test('a type that is not known any more is bytes, and the rest is served', () => {
    const column = { name: 'k', type: 'gone', kind: 'partition_key' as const, position: 0, isReversed: false }
    const table = { keyspace: 'ks', name: 't', id: '', columns: [column], isCompact: false }
    const keyspace = { name: 'ks', replication: {}, durableWrites: true, types: [], revision: 1 }
    const cql = { keyspaces: [keyspace], tables: [{ ...table, options: {}, indexes: [], dropped: [] }] }
    const schema = new SchemaView(() => ({ ...EMPTY_CLUSTER_MAP, cql }), []).current()
    assert.equal(schema.keyspaces.get('ks')?.tables.get('t')?.columns[0]?.type.kind, 'custom')
  })
})
