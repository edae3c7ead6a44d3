/** CQL clients that mean harm, or are merely wrong: each is told so, and whoever asks properly beside them is answered. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { CQL_CONFIG, CQL_PORTS } from '../support/cql.js'
import { Gateway } from '../support/gateway.js'
import {
  CqlClient,
  type Frame,
  bytes,
  errorOf,
  int,
  longString,
  query,
  short,
  stringMap,
} from '../wire/cql-peers.js'

const OP = { ERROR: 0, STARTUP: 1, QUERY: 7, RESULT: 8, PREPARE: 9, EXECUTE: 10 } as const
const [INVALID, UNPREPARED, SYNTAX, PROTOCOL, UNAVAILABLE, CONFIG, EXISTS] = [
  0x2200, 0x2500, 0x2000, 0x000a, 0x1000, 0x2300, 0x2400,
]
const UNSET = int(-2)
const REPLICATION = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
const SCHEMA_CHANGES_MS = 3_000

let gateway: Gateway
let clients: CqlClient[] = []
let client: CqlClient

before(async () => {
  gateway = await Gateway.start({ ports: CQL_PORTS, config: `${CQL_CONFIG}threads: { data: 2 }\n` })
  const first = await connected()
  await run(first, `CREATE KEYSPACE ks WITH replication = ${REPLICATION}`)
  await run(
    first,
    'CREATE TABLE ks.t (k int, c int, s map<text, text> static, v text, l list<int>, PRIMARY KEY (k, c))',
  )
  await run(first, 'CREATE TABLE ks.u (a text, b text, PRIMARY KEY (a, b)) WITH CLUSTERING ORDER BY (b DESC)')
  for (let c = 0; c < 5; c++) {
    await run(first, `INSERT INTO ks.t (k, c, v) VALUES (1, ${c}, 'v${c}')`)
    await run(first, `INSERT INTO ks.u (a, b) VALUES ('a', 'b${c}')`)
  }
})

after(() => gateway.dispose())

beforeEach(async () => {
  client = await connected()
})

afterEach(() => {
  for (const { socket } of clients) socket.destroy()
  clients = []
})

async function connected(): Promise<CqlClient> {
  const socket = connect(gateway.port('rocksandra'), '127.0.0.1')
  await once(socket, 'connect')
  const made = new CqlClient(socket, 4)
  clients.push(made)
  await made.ask(OP.STARTUP, stringMap({ CQL_VERSION: '3.0.0' }))
  return made
}

/** 0: it was answered. */
function codeOf(answer: Frame): number {
  return answer.opcode === OP.ERROR ? errorOf(answer).code : 0
}

async function run(on: CqlClient, statement: string): Promise<void> {
  const answer = await on.ask(OP.QUERY, query(statement))
  assert.equal(answer.opcode, OP.RESULT, answer.body.toString('latin1'))
}

async function prepare(on: CqlClient, statement: string): Promise<Buffer> {
  const { opcode, body } = await on.ask(OP.PREPARE, longString(statement))
  assert.equal(opcode, OP.RESULT, body.toString('latin1'))
  return body.subarray(6, 6 + body.readUInt16BE(4))
}

/** Values as they travel: `bytes`, or UNSET. */
function execute(on: CqlClient, id: Buffer, values: readonly Buffer[]): Promise<Frame> {
  const given = Buffer.concat([short(values.length), ...values])
  return on.ask(OP.EXECUTE, Buffer.concat([short(id.length), id, short(1), Buffer.of(0x01), given]))
}

async function isServed(): Promise<void> {
  await run(client, 'SELECT v FROM ks.t WHERE k = 1 AND c = 1')
}

describe('statements that are nested deeply', () => {
  const deep = (open: string, inner: string, close: string, depth = 20_000) =>
    `${open.repeat(depth)}${inner}${close.repeat(depth)}`
  const statements: readonly (readonly [string, string])[] = [
    ['lists', `INSERT INTO ks.t (k, c, l) VALUES (1, 1, ${deep('[', '1', ']')})`],
    ['sets', `INSERT INTO ks.t (k, c, l) VALUES (1, 1, ${deep('{', '1', '}')})`],
    ['tuples', `INSERT INTO ks.t (k, c, l) VALUES (1, 1, ${deep('(', '1', ')')})`],
    ['functions', `SELECT ${deep('toJson(', 'v', ')')} FROM ks.t`],
    ['casts', `INSERT INTO ks.t (k, c) VALUES (1, ${deep('(int)', '1', '')})`],
    ['types', `CREATE TABLE ks.deep (k int PRIMARY KEY, v ${deep('frozen<list<', 'int', '>>')})`],
    ['relations', `SELECT v FROM ks.t WHERE ${deep('(', 'k = 1', ')')}`],
  ]
  for (const [what, statement] of statements) {
    test(`${what}: refused at once, and the connection goes on`, async () => {
      assert.equal(codeOf(await client.ask(OP.QUERY, query(statement))), SYNTAX)
      await isServed()
    })
  }

  test('JSON is refused, too; types as deep as may be hold values', async () => {
    const json = `{"k": 1, "c": 1, "l": ${deep('[', '1', ']')}}`
    assert.equal(codeOf(await client.ask(OP.QUERY, query(`INSERT INTO ks.t JSON '${json}'`))), INVALID)
    const [open, close, depth] = ['frozen<tuple<', '>>', 128]
    await run(client, `CREATE TABLE ks.nested (k int PRIMARY KEY, v ${deep(open, 'int', close, depth)})`)
    await run(client, `INSERT INTO ks.nested (k, v) VALUES (1, ${deep('(', '7', ')', depth)})`)
    const answer = await client.ask(OP.QUERY, query('SELECT v, toJson(v) FROM ks.nested WHERE k = 1'))
    assert.equal(answer.opcode, OP.RESULT)
    assert.ok(answer.body.includes(deep('[', '7', ']', depth)))
  })
})

describe('prepared statements of what is gone', () => {
  test('a dropped table, one made anew with other types, a dropped keyspace', async () => {
    await run(client, `CREATE KEYSPACE gone WITH replication = ${REPLICATION}`)
    const create = (type: string) => run(client, `CREATE TABLE gone.t (k int PRIMARY KEY, v ${type})`)
    const [insert, text] = ['INSERT INTO gone.t (k, v) VALUES (?, ?)', bytes(Buffer.from('text'))]
    await create('text')
    const id = await prepare(client, insert)
    assert.equal(codeOf(await execute(client, id, [bytes(int(1)), text])), 0)
    await run(client, 'DROP TABLE gone.t')
    assert.equal(codeOf(await execute(client, id, [bytes(int(1)), text])), UNPREPARED)
    assert.equal(codeOf(await client.ask(OP.PREPARE, longString(insert))), INVALID)
    await create('bigint')
    assert.equal(codeOf(await execute(client, id, [bytes(int(1)), text])), UNPREPARED)
    assert.deepEqual(await prepare(client, insert), id)
    assert.equal(codeOf(await execute(client, id, [bytes(int(1)), text])), INVALID)
    await run(client, 'DROP KEYSPACE gone')
    assert.equal(codeOf(await execute(client, id, [bytes(int(1)), text])), UNPREPARED)
    await isServed()
  })
})

describe('values that are wrong', () => {
  const one = bytes(int(1))
  const nothing = bytes(null)
  const cases: readonly (readonly [string, string, readonly Buffer[]])[] = [
    ['an unset key', 'SELECT v FROM ks.t WHERE k = ?', [UNSET]],
    ['a null key', 'SELECT v FROM ks.t WHERE k = ?', [nothing]],
    ['a key of no bytes', "INSERT INTO ks.u (a, b) VALUES (?, 'b')", [bytes(Buffer.alloc(0))]],
    ['an unset bound', 'SELECT v FROM ks.t WHERE k = 1 AND c > ?', [UNSET]],
    ['an unset list of IN', 'SELECT v FROM ks.t WHERE k IN ?', [UNSET]],
    ['an unset index', 'UPDATE ks.t SET l[?] = 1 WHERE k = 1 AND c = 1', [UNSET]],
    ['an unset key of a map', "UPDATE ks.t SET s[?] = 'x' WHERE k = 1", [UNSET]],
    ['an unset condition', "UPDATE ks.t SET v = 'x' WHERE k = 1 AND c = 1 IF v = ?", [UNSET]],
    ['a null limit', 'SELECT v FROM ks.t LIMIT ?', [nothing]],
    ['an int of three bytes', 'SELECT v FROM ks.t WHERE k = ?', [bytes(Buffer.alloc(3))]],
    ['a text that is none', "INSERT INTO ks.u (a, b) VALUES ('a', ?)", [bytes(Buffer.of(0xff, 0xfe))]],
    ['a list that says more than it has', 'UPDATE ks.t SET l = ? WHERE k = 1 AND c = 1', [bytes(int(0x7fff_ffff))]],
    ['a list of a negative number', 'UPDATE ks.t SET l = ? WHERE k = 1 AND c = 1', [bytes(int(-5))]],
    ['a time to live below zero', "UPDATE ks.t USING TTL ? SET v = 'x' WHERE k = 1 AND c = 1", [bytes(int(-1))]],
    ['too few values', 'SELECT v FROM ks.t WHERE k = ? AND c = ?', [one]],
    ['too many values', 'SELECT v FROM ks.t WHERE k = ?', [one, one]],
    ['a key of 65,536 bytes', "INSERT INTO ks.u (a, b) VALUES (?, 'b')", [bytes(Buffer.alloc(65_536, 97))]],
    ['a clustering value of as many', "INSERT INTO ks.u (a, b) VALUES ('a', ?)", [bytes(Buffer.alloc(65_536, 97))]],
    ['a cell of 40 MB', 'INSERT INTO ks.t (k, c, v) VALUES (1, 1, ?)', [bytes(Buffer.alloc(40_000_000, 97))]],
  ] // prettier-ignore
  for (const [what, statement, values] of cases) {
    test(`${what}: 0x2200, and the connection goes on`, async () => {
      const id = await prepare(client, statement)
      const answer = await execute(client, id, values)
      assert.equal(codeOf(answer), INVALID, answer.body.toString('latin1', 0, 200))
      await isServed()
    })
  }

  test('thousands of names that come in the wrong order cost no more than in the right one', async () => {
    const names = Array.from({ length: 60_000 }, (_, index) => `p${index}`)
    const where = names.map((name) => `:${name}`).join(', ')
    const id = await prepare(client, `SELECT v FROM ks.t WHERE k IN (${where})`)
    const given = names.reverse().map((name) => Buffer.concat([short(name.length), Buffer.from(name), one]))
    const parameters = Buffer.concat([short(1), Buffer.of(0x41), short(names.length), ...given])
    const begun = performance.now()
    const answer = await client.ask(OP.EXECUTE, Buffer.concat([short(id.length), id, parameters]))
    assert.equal(codeOf(answer), INVALID)
    assert.match(errorOf(answer).message, /more than 10000 keys/)
    assert.ok(performance.now() - begun < 3_000)
  })
})

describe('paging states', () => {
  test('of another table, or of the other order, are refused; for others of the table they are good', async () => {
    const page = (text: string, state: Buffer | null) => {
      const flags = state === null ? 0x04 : 0x0c
      const rest = [Buffer.of(flags), int(2), ...(state === null ? [] : [bytes(state)])]
      return client.ask(OP.QUERY, query(text, Buffer.concat(rest)))
    }
    const { body } = await page('SELECT c FROM ks.t WHERE k = 1', null)
    // Kind, flags and number of columns stand before it.
    const state = body.subarray(16, 16 + body.readInt32BE(12))
    assert.equal(codeOf(await page('SELECT c FROM ks.t WHERE k = 1', state)), 0)
    assert.equal(codeOf(await page('SELECT v FROM ks.t WHERE k = 1', state)), 0)
    assert.equal(codeOf(await page('SELECT c FROM ks.t WHERE k = 1 ORDER BY c DESC', state)), PROTOCOL)
    assert.equal(codeOf(await page("SELECT b FROM ks.u WHERE a = 'a'", state)), PROTOCOL)
    assert.equal(codeOf(await page('SELECT * FROM system_schema.columns', state)), PROTOCOL)
    await isServed()
  })
})

describe('large static collections', () => {
  test('are read as they are, however many reads that takes', async () => {
    const id = await prepare(client, 'UPDATE ks.t SET s[?] = ? WHERE k = 9')
    const value = bytes(Buffer.alloc(100_000, 97))
    for (let index = 0; index < 40; index++) {
      assert.equal(codeOf(await execute(client, id, [bytes(Buffer.from(`key ${index}`)), value])), 0)
    }
    const { body } = await client.ask(OP.QUERY, query('SELECT s FROM ks.t WHERE k = 9'))
    assert.ok(body.length > 4_000_000, `${body.length} bytes`)
    for (let index = 0; index < 40; index++) assert.ok(body.includes(`key ${index}`), `key ${index}`)
  })
})

describe('schemas that change all the time', () => {
  test('two sessions make, alter, empty and drop a table that two others use', async () => {
    const until = Date.now() + SCHEMA_CHANGES_MS
    const seen = new Map<number, number>()
    const changes = [
      'CREATE TABLE IF NOT EXISTS ks.busy (k int PRIMARY KEY, v int)',
      'ALTER TABLE ks.busy ADD w int',
      'CREATE INDEX IF NOT EXISTS ON ks.busy (v)',
      'TRUNCATE ks.busy',
      'DROP INDEX IF EXISTS ks.busy_v_idx',
      'ALTER TABLE ks.busy DROP w',
      'DROP TABLE IF EXISTS ks.busy',
    ]
    const uses = [
      'INSERT INTO ks.busy (k, v) VALUES (1, 2)',
      'SELECT * FROM ks.busy',
      'UPDATE ks.busy SET v = 3 WHERE k = 1 IF EXISTS',
      "BEGIN BATCH INSERT INTO ks.busy (k, v) VALUES (5, 6); INSERT INTO ks.u (a, b) VALUES ('x', 'y'); APPLY BATCH",
    ]
    const work = async (statements: readonly string[]): Promise<void> => {
      const own = await connected()
      for (let at = 0; Date.now() < until; at++) {
        const answer = await own.ask(OP.QUERY, query(statements[at % statements.length] ?? ''))
        const code = codeOf(answer)
        const isKnown = [0, INVALID, CONFIG, EXISTS, UNAVAILABLE].includes(code)
        assert.ok(isKnown, `0x${code.toString(16)}: ${answer.body.toString('latin1', 4)}`)
        seen.set(code, (seen.get(code) ?? 0) + 1)
        await pause(1)
      }
    }
    await Promise.all([work(changes), work([...changes].reverse()), work(uses), work(uses)])
    assert.ok((seen.get(0) ?? 0) > 20)
    await run(client, 'CREATE TABLE ks.calm (k int PRIMARY KEY)')
    await run(client, 'INSERT INTO ks.calm (k) VALUES (1)')
    await isServed()
  })
})
