/** Tables of many rows, many writers at once, and the same rows by KVStore: with the published Node driver. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Client, types } from 'cassandra-driver'
import { CQL_CONFIG, CQL_PORTS } from '../support/cql.js'
import { Gateway } from '../support/gateway.js'

let gateway: Gateway
let client: Client

const PREPARED = { prepare: true }

before(async () => {
  gateway = await Gateway.start({ ports: CQL_PORTS, config: CQL_CONFIG })
  client = await connected()
  await client.execute(
    "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
  )
  await client.execute('CREATE TABLE ks.wide (k int, c int, s int static, v text, PRIMARY KEY (k, c))')
  await client.execute('CREATE TABLE ks.plain (k text PRIMARY KEY, n int, m map<text, int>)')
})

after(async () => {
  await client.shutdown()
  await gateway.dispose()
})

async function connected(encoding = {}): Promise<Client> {
  const made = new Client({
    contactPoints: ['127.0.0.1'],
    localDataCenter: 'datacenter1',
    protocolOptions: { port: gateway.port('rocksandra') },
    encoding,
  })
  await made.connect()
  return made
}

/** Rows of one partition, a batch at a time. */
async function fill(k: number, rows: number): Promise<void> {
  const query = 'INSERT INTO ks.wide (k, c, v) VALUES (?, ?, ?)'
  for (let from = 0; from < rows; from += 500) {
    const count = Math.min(500, rows - from)
    const queries = Array.from({ length: count }, (_, i) => ({
      query,
      params: [k, from + i, `v${from + i}`],
    }))
    await client.batch(queries, PREPARED)
  }
}

/** Every row of all pages. */
async function paged(query: string, params: readonly unknown[], fetchSize: number): Promise<number[][]> {
  const pages: number[][] = []
  let pageState: string | undefined
  do {
    const options = { ...PREPARED, fetchSize, ...(pageState === undefined ? {} : { pageState }) }
    const page = await client.execute(query, [...params], options)
    pages.push(page.rows.map((row) => Number(row['c'])))
    // The driver's declaration leaves out that the last page has none.
    const next: unknown = page.pageState
    pageState = typeof next === 'string' ? next : undefined
  } while (pageState !== undefined)
  return pages
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

describe('tables of many rows', () => {
  test('pages of a scan go on within a partition and behind it, and no row comes twice', async () => {
    await fill(1, 5_000)
    for (const k of numbers(40))
      await client.execute('INSERT INTO ks.wide (k, c) VALUES (?, 7)', [k + 100], PREPARED)
    await client.execute('INSERT INTO ks.wide (k, s) VALUES (500, 5)')
    const pages = await paged('SELECT c FROM ks.wide', [], 333)
    assert.equal(pages.length, Math.ceil(5_041 / 333))
    assert.ok(pages.slice(0, -1).every(({ length }) => length === 333))
    const seen = pages.flat().sort((a, b) => a - b)
    const expected = [...numbers(5_000), ...numbers(40).map(() => 7), 0].sort((a, b) => a - b)
    // A partition of static cells alone is a row without a clustering key, which is 0 as a number.
    assert.deepEqual(seen, expected)
    const count = await client.execute('SELECT count(*) FROM ks.wide')
    assert.equal(String(count.rows[0]?.['count']), '5041')
  })

  test('slices, orders and limits of a large partition read what they answer', async () => {
    const select = 'SELECT c FROM ks.wide WHERE k = 1'
    assert.deepEqual(await paged(`${select} AND c >= 4990 ORDER BY c DESC`, [], 4), [
      [4999, 4998, 4997, 4996],
      [4995, 4994, 4993, 4992],
      [4991, 4990],
    ])
    assert.deepEqual(await paged(`${select} LIMIT 5`, [], 2), [[0, 1], [2, 3], [4]])
    assert.deepEqual(await paged(`${select} AND c IN (4, 2000, 3)`, [], 2), [[3, 4], [2000]])
  })

  test('PER PARTITION LIMIT holds over pages', async () => {
    const pages = await paged('SELECT c FROM ks.wide WHERE k IN (1, 100, 101) PER PARTITION LIMIT 3', [], 2)
    assert.deepEqual(pages.flat(), [0, 1, 2, 7, 7])
  })

  test('a thousand deletions of ranges of one partition are kept, and the next is refused', async () => {
    await client.execute('CREATE TABLE ks.ranges (k int, a int, b int, PRIMARY KEY (k, a, b))')
    for (const a of numbers(1_000)) {
      await client.execute('DELETE FROM ks.ranges WHERE k = 1 AND a = ?', [2 * a], PREPARED)
    }
    await assert.rejects(client.execute('DELETE FROM ks.ranges WHERE k = 1 AND a = 5000'), { code: 0x2200 })
    await client.execute('DELETE FROM ks.ranges WHERE k = 1')
  })
})

describe('many writers', () => {
  test('of those that insert a row if it does not exist one does', async () => {
    const insert = "INSERT INTO ks.plain (k, n) VALUES ('once', ?) IF NOT EXISTS"
    const answers = await Promise.all(numbers(50).map((n) => client.execute(insert, [n], PREPARED)))
    const applied = answers.filter((answer) => answer.wasApplied())
    assert.equal(applied.length, 1)
    const { rows } = await client.execute("SELECT n FROM ks.plain WHERE k = 'once'")
    for (const answer of answers) {
      if (!answer.wasApplied()) assert.equal(answer.rows[0]?.['n'], rows[0]?.['n'])
    }
  })

  test('who changes a value on the condition of the last one loses no change', async () => {
    await client.execute("INSERT INTO ks.plain (k, n) VALUES ('sum', 0)")
    const add = async (): Promise<void> => {
      for (;;) {
        const { rows } = await client.execute("SELECT n FROM ks.plain WHERE k = 'sum'", [], PREPARED)
        const n = Number(rows[0]?.['n'])
        const update = "UPDATE ks.plain SET n = ? WHERE k = 'sum' IF n = ?"
        if ((await client.execute(update, [n + 1, n], PREPARED)).wasApplied()) return
      }
    }
    await Promise.all(numbers(40).map(add))
    const { rows } = await client.execute("SELECT n FROM ks.plain WHERE k = 'sum'")
    assert.equal(rows[0]?.['n'], 40)
  })

  test('of those that set a collection on the condition that there is none one does', async () => {
    await client.execute("INSERT INTO ks.plain (k, n) VALUES ('unset', 0)")
    const update = "UPDATE ks.plain SET m = ? WHERE k = 'unset' IF m = null"
    const answers = await Promise.all(numbers(20).map((n) => client.execute(update, [{ [n]: n }], PREPARED)))
    const applied = answers.flatMap((answer, n) => (answer.wasApplied() ? [{ [n]: n }] : []))
    assert.equal(applied.length, 1)
    const { rows } = await client.execute("SELECT m FROM ks.plain WHERE k = 'unset'")
    assert.deepEqual([rows[0]?.['m']], applied)
  })

  test('who deletes the first element of a list on a condition deletes one that is still there', async () => {
    const list = numbers(10)
    await client.execute('CREATE TABLE ks.lists (k int PRIMARY KEY, l list<int>)')
    await client.execute('INSERT INTO ks.lists (k, l) VALUES (1, ?)', [list], PREPARED)
    const remove = 'DELETE l[0] FROM ks.lists WHERE k = 1 IF EXISTS'
    await Promise.all(list.slice(1).map(() => client.execute(remove)))
    const { rows } = await client.execute('SELECT l FROM ks.lists WHERE k = 1')
    assert.deepEqual(rows[0]?.['l'], list.slice(-1))
  })

  test('conditions of one batch stand on so many cells at most', async () => {
    await client.execute('CREATE TABLE ks.many (k int, c int, a int, b int, PRIMARY KEY (k, c))')
    const insert = 'INSERT INTO ks.many (k, c, a) VALUES (1, ?, 1) IF NOT EXISTS'
    const batch = (count: number) => numbers(count).map((c) => ({ query: insert, params: [c] }))
    await assert.rejects(client.batch(batch(334), PREPARED), {
      code: 0x2200,
      message: /^Conditions on 1002 cells in one request, at most 1000: /,
    })
    const { rows } = await client.batch(batch(333), PREPARED)
    assert.equal(rows[0]?.['[applied]'], true)
  })

  test('the elements of a map that many overwrite are those of one of them', async () => {
    const overwrite = "UPDATE ks.plain SET m = ? WHERE k = 'map'"
    await Promise.all(
      numbers(40).map((n) => client.execute(overwrite, [{ [`a${n}`]: n, [`b${n}`]: n }], PREPARED)),
    )
    const { rows } = await client.execute("SELECT m FROM ks.plain WHERE k = 'map'")
    const found = rows[0]?.['m'] as Readonly<Record<string, number>>
    assert.deepEqual(Object.keys(found).sort(), [
      `a${found[Object.keys(found)[0] ?? '']}`,
      `b${found[Object.keys(found)[0] ?? '']}`,
    ])
  })
})

describe('values that are bound', () => {
  test('null deletes, what is unset stays, and lists, limits and lives are bound as well', async () => {
    const insert = 'INSERT INTO ks.plain (k, n, m) VALUES (?, ?, ?) USING TTL ?'
    await client.execute(insert, ['bound', 1, { a: 1 }, types.unset], PREPARED)
    await client.execute(insert, ['bound', types.unset, null, 1_000], PREPARED)
    await client.execute(insert, ['bound2', null, null, 0], PREPARED)
    const select = 'SELECT k, n, m, ttl(n) FROM ks.plain WHERE k IN ? LIMIT ?'
    const { rows } = await client.execute(select, [['bound2', 'none', 'bound'], 5], PREPARED)
    assert.deepEqual(
      rows.map((row): unknown => row.values()),
      [
        ['bound', 1, null, null],
        ['bound2', null, null, null],
      ],
    )
    await assert.rejects(client.execute(select, [['bound'], 0], PREPARED), /LIMIT must be strictly positive/)
    await assert.rejects(client.execute(insert, [null, 1, null, 1], PREPARED), {
      message: 'Invalid null value in condition for column k',
    })
    await assert.rejects(client.execute(insert, [types.unset, 1, null, 1], PREPARED), {
      message: 'Invalid unset value for column k',
    })
  })

  test('sets and maps come in any order and are kept in theirs', async () => {
    await client.execute(
      'CREATE TABLE ks.sets (k int PRIMARY KEY, s set<int>, f frozen<map<int, frozen<set<int>>>>)',
    )
    const nested = new Map([
      [2, new Set([9, 8])],
      [1, new Set([7])],
    ])
    const insert = 'INSERT INTO ks.sets (k, s, f) VALUES (1, ?, ?)'
    const encoding = { map: Map, set: Set }
    const other = await connected(encoding)
    await other.execute(insert, [new Set([3, -1, 2]), nested], PREPARED)
    await other.shutdown()
    const { rows } = await client.execute('SELECT JSON s, f FROM ks.sets')
    assert.equal(rows[0]?.['[json]'], '{"s": [-1, 2, 3], "f": {"1": [7], "2": [8, 9]}}')
  })

  test('markers with names take values by name, and a wrong number of values is refused', async () => {
    const { rows } = await client.execute('SELECT k FROM ks.plain WHERE k = :key', { key: 'bound' }, PREPARED)
    assert.equal(rows.length, 1)
    await assert.rejects(client.execute('SELECT k FROM ks.plain WHERE k = ?', []), {
      message: 'Invalid amount of bind variables',
    })
    await assert.rejects(
      client.execute('SELECT k FROM ks.wide WHERE k = ?', [Buffer.from('abc')], { hints: ['blob'] }),
      {
        code: 0x2200,
      },
    )
  })
})

describe('a table is a dataset', () => {
  test('whose rows KVStore reads', async () => {
    await client.execute("INSERT INTO ks.plain (k, n, m) VALUES ('door', 258, {'x': 3})")
    const answer = await gateway.admin('GET', '/v1/datasets/ks.plain')
    const { dataset } = answer.body as {
      readonly dataset: { readonly owner: { readonly name: string }; readonly cql: { readonly name: string } }
    }
    assert.deepEqual([dataset.owner.name, dataset.cql.name], ['tests', 'plain'])
    const kvstore = await gateway.connect()
    const read = await kvstore.get({ dataset: 'ks.plain', key: Buffer.from('door') })
    const cells = (read.cells ?? []).map(({ localKey, value }) => [
      Buffer.from(localKey ?? '').toString('latin1'),
      value.toString('hex'),
    ])
    // The row's marker is its unnamed value, the map's first cell its own mark.
    assert.equal(read.value?.length, 0)
    assert.deepEqual(cells[0], ['m', ''])
    assert.ok(cells.some(([name, value]) => name?.startsWith('m\0') === true && value === '00000003'))
    assert.ok(cells.some(([name, value]) => name === 'n' && value === '00000102'))
    kvstore.close()
  })
})
