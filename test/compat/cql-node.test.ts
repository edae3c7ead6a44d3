/** The published Node driver, unedited, against the gateway as it would be against a node of Cassandra. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type ClientOptions, Client, types } from 'cassandra-driver'
import { CQL_CONFIG, CQL_PORTS } from '../support/cql.js'
import { Gateway } from '../support/gateway.js'

let gateway: Gateway
let client: Client

const LOCAL = { contactPoints: ['127.0.0.1'], localDataCenter: 'datacenter1' }

function connectTo(target: Gateway, options: Partial<ClientOptions> = {}): Client {
  return new Client({ ...LOCAL, protocolOptions: { port: target.port('rocksandra') }, ...options })
}

before(async () => {
  gateway = await Gateway.start({ ports: CQL_PORTS, config: CQL_CONFIG })
  client = connectTo(gateway)
  await client.connect()
  await client.execute(
    "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
  )
  await client.execute(
    'CREATE TABLE ks.events (id text, at int, name text, tags map<text, text>, PRIMARY KEY (id, at)) ' +
      'WITH CLUSTERING ORDER BY (at DESC)',
  )
})

after(async () => {
  await client.shutdown()
  await gateway.dispose()
})

describe('cassandra-driver', () => {
  test('finds a node of Cassandra 3.0', () => {
    const [host] = client.hosts.values()
    assert.equal(host?.cassandraVersion, '3.0.15')
    assert.equal(host.datacenter, 'datacenter1')
  })

  test('reads the schema of a table that it made', async () => {
    const table = await client.metadata.getTable('ks', 'events')
    assert.deepEqual(table.columns.map(({ name }: { name: string }) => name).sort(), [
      'at',
      'id',
      'name',
      'tags',
    ])
    assert.deepEqual(
      table.partitionKeys.map(({ name }: { name: string }) => name),
      ['id'],
    )
    assert.deepEqual(table.clusteringOrder, ['DESC'])
    assert.equal(table.isCompact, false)
  })

  test('writes and reads, prepared and not', async () => {
    const insert = 'INSERT INTO ks.events (id, at, name, tags) VALUES (?, ?, ?, ?)'
    for (const prepare of [true, false]) {
      const id = `prepared ${prepare}`
      const hints = prepare ? {} : { hints: ['text', 'int', 'text', 'map<text, text>'] }
      await client.execute(insert, [id, 1, 'one', { a: 'b' }], { prepare, ...hints })
      const { rows } = await client.execute('SELECT * FROM ks.events WHERE id = ?', [id], { prepare })
      assert.deepEqual({ ...rows[0] }, { id, at: 1, name: 'one', tags: { a: 'b' } })
    }
  })

  test('pages through a partition, and its rows come once each and in order', async () => {
    const queries = Array.from({ length: 250 }, (_, at) => ({
      query: 'INSERT INTO ks.events (id, at, name) VALUES (?, ?, ?)',
      params: ['pages', at, `name ${at}`],
    }))
    await client.batch(queries, { prepare: true })
    const seen: number[] = []
    let pages = 0
    let pageState = ''
    do {
      const options = { prepare: true, fetchSize: 40, ...(pageState === '' ? {} : { pageState }) }
      const page: types.ResultSet = await client.execute(
        'SELECT at FROM ks.events WHERE id = ?',
        ['pages'],
        options,
      )
      for (const row of page.rows) seen.push(row['at'] as number)
      pages++
      // The driver's declaration leaves out that the last page has none.
      const next: unknown = page.pageState
      pageState = typeof next === 'string' ? next : ''
    } while (pageState !== '')
    assert.equal(pages, 7)
    assert.deepEqual(
      seen,
      Array.from({ length: 250 }, (_, index) => 249 - index),
    )
  })

  test('a damaged page state is refused, and the connection goes on', async () => {
    const select = 'SELECT at FROM ks.events WHERE id = ?'
    await assert.rejects(
      client.execute(select, ['pages'], { prepare: true, fetchSize: 4, pageState: 'cafe' }),
      { code: types.responseErrorCodes.protocolError },
    )
    await client.execute(select, ['pages'], { prepare: true, fetchSize: 4 })
  })

  test('many requests at once are each answered with their own rows', async () => {
    const ids = Array.from({ length: 2_000 }, (_, index) => `many ${index}`)
    const insert = 'INSERT INTO ks.events (id, at, name) VALUES (?, 0, ?)'
    await Promise.all(ids.map((id) => client.execute(insert, [id, id], { prepare: true })))
    const select = 'SELECT name FROM ks.events WHERE id = ?'
    const answers = await Promise.all(ids.map((id) => client.execute(select, [id], { prepare: true })))
    assert.deepEqual(
      answers.map(({ rows }) => String(rows[0]?.['name'])),
      ids,
    )
  })

  test('a keyspace that is chosen holds for its client', async () => {
    const chosen = connectTo(gateway, { keyspace: 'ks' })
    await chosen.connect()
    await chosen.execute("INSERT INTO events (id, at) VALUES ('chosen', 0)")
    assert.equal((await chosen.execute("SELECT at FROM events WHERE id = 'chosen'")).rowLength, 1)
    await chosen.shutdown()
    await assert.rejects(client.execute('SELECT * FROM events'), /No keyspace has been specified/)
  })

  test('changes of the schema reach every client’s metadata, and statements of before are prepared again', async () => {
    const other = connectTo(gateway)
    await other.connect()
    await client.execute('CREATE TABLE ks.grown (k int PRIMARY KEY, a text)')
    await other.execute('INSERT INTO ks.grown (k, a) VALUES (?, ?)', [1, 'x'], { prepare: true })
    const select = 'SELECT * FROM ks.grown WHERE k = ?'
    await other.execute(select, [1], { prepare: true })
    await client.execute('ALTER TABLE ks.grown ADD b text')
    const { rows } = await other.execute(select, [1], { prepare: true })
    assert.deepEqual({ ...rows[0] }, { k: 1, a: 'x', b: null })
    const table = await other.metadata.getTable('ks', 'grown')
    assert.equal(table.columns.length, 3)
    await other.shutdown()
  })

  const refusals = [
    ['SELEC', types.responseErrorCodes.syntaxError, /^line 1:0 no viable alternative at input 'SELEC'/],
    ['SELECT * FROM ks.nothing', types.responseErrorCodes.invalid, /^unconfigured table nothing$/],
    ['SELECT * FROM nowhere.t', types.responseErrorCodes.invalid, /^Keyspace nowhere does not exist$/],
    [
      "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
      types.responseErrorCodes.alreadyExists,
      /^Cannot add existing keyspace "ks"$/,
    ],
  ] as const
  for (const [statement, code, message] of refusals) {
    test(`${statement.slice(0, 30)} is refused as Cassandra refuses it`, async () => {
      await assert.rejects(client.execute(statement), (error: { code?: number; message: string }) => {
        assert.equal(error.code, code)
        assert.match(error.message, message)
        return true
      })
    })
  }
})
