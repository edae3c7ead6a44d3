/** What statements mean and how wrong ones are refused: the texts are those that ANTLR gives Cassandra 3.0. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.js'
import { parseStatement } from '../../../shims/rocksandra/cql/parser.js'

const WRONG: readonly (readonly [statement: string, message: string])[] = [
  ['', "line 0:-1 no viable alternative at input '<EOF>'"],
  ['SELEC * FROM t', "line 1:0 no viable alternative at input 'SELEC' ([SELEC]...)"],
  ['DESCRIBE TABLES', "line 1:0 no viable alternative at input 'DESCRIBE' ([DESCRIBE]...)"],
  ['SELECT FROM t', "line 1:7 no viable alternative at input 'FROM' (SELECT [FROM]...)"],
  ['SELECT * t', "line 1:9 missing K_FROM at 't' (SELECT * [t])"],
  ['SELECT *\nFROM t WHERE ;', "line 2:13 no viable alternative at input ';' (SELECT *FROM t WHERE [;])"],
  ['SELECT * FROM t WHERE k = 1 foo bar', "line 1:28 missing EOF at 'foo' (...t WHERE k = 1 [foo] bar)"],
  ['SELECT * FROM t foo', "line 1:16 extraneous input 'foo' expecting EOF (SELECT * FROM t [foo])"],
  [
    'CREATE TABLE t (id int primary key, name varchar(20))',
    "line 1:48 mismatched input '(' expecting ')' (...int primary key, name varchar[(]20...)",
  ],
  ["SELECT * FROM t WHERE k = 'abc", "line 1:30 mismatched character '<EOF>' expecting '''"],
  ['SELECT % FROM t', "line 1:7 no viable alternative at character '%'"],
  ['SELECT * FROM t -- and no end of line', "line 1:37 mismatched character '<EOF>' expecting set null"],
  ['SELECT * FROM ?', 'Bind variables cannot be used for table names'],
  ['SELECT count(2) FROM t', 'Only COUNT(1) is supported, got COUNT(2)'],
  ['UPDATE t SET a = 1, a = 2 WHERE k = 1', 'Multiple incompatible setting of column a'],
  ['UPDATE t SET a = b + 1 WHERE k = 1', 'Only expressions of the form X = X +<value> are supported.'],
  ['ALTER TABLE t WITH a = 1 AND a = 2', "Multiple definition for property 'a'"],
  [
    'CREATE TABLE t (k frozen<int>)',
    'frozen<> is only allowed on collections, tuples, and user-defined types (got int)',
  ],
  [
    "CREATE KEYSPACE k WITH replication = {'class': ?}",
    "Invalid property value: ? for property: 'class' (bind variables are not supported in DDL queries)",
  ],
]

test('a wrong statement is refused with its place and the words around it', () => {
  for (const [statement, message] of WRONG) {
    assert.throws(() => parseStatement(statement), { code: 'SYNTAX_ERROR', message }, statement)
  }
})

test('names are folded to lower case unless they are in quotes, and markers are numbered', () => {
  const { statement, markers } = parseStatement(
    'SELECT Name, "Name", "a""b" FROM Ks.T WHERE K = ? AND c > :Low;;',
  )
  assert.deepEqual(statement, {
    kind: 'select',
    table: { keyspace: 'ks', name: 't' },
    selection: ['name', 'Name', 'a"b'].map((name) => ({ selector: { kind: 'column', name }, alias: null })),
    isJson: false,
    isDistinct: false,
    where: [
      { kind: 'compare', column: 'k', operator: '=', value: { kind: 'marker', index: 0, name: null } },
      { kind: 'compare', column: 'c', operator: '>', value: { kind: 'marker', index: 1, name: 'low' } },
    ],
    orderBy: [],
    perPartitionLimit: null,
    limit: null,
    allowFiltering: false,
  })
  assert.deepEqual(markers, [null, 'low'])
})

test('words that are no reserved ones are names wherever nothing else fits', () => {
  const { statement } = parseStatement(
    'SELECT json, distinct, ttl, count, key, writetime FROM values WHERE exists = 1',
  )
  assert.ok(statement.kind === 'select' && !statement.isJson && !statement.isDistinct)
  assert.equal(statement.selection.length, 6)
  assert.ok(parseStatement('SELECT JSON DISTINCT a FROM t').statement.kind === 'select')
})

test('strings, comments and a minus belong to what they stand in', () => {
  const text = "INSERT INTO t /* ' */ (a, b, c) -- ?\n VALUES ('it''s', $$a'$b$$, -5) // end\n"
  const { statement, markers } = parseStatement(text)
  assert.ok(statement.kind === 'insert')
  assert.deepEqual(
    statement.values.map((value) => (value.kind === 'constant' ? value.text : null)),
    ["it's", "a'$b", '-5'],
  )
  assert.deepEqual(markers, [])
  const update = parseStatement('UPDATE t SET c = c -3 WHERE k = 1').statement
  assert.ok(update.kind === 'update')
  assert.deepEqual(update.assignments, [
    { kind: 'add', column: 'c', value: { kind: 'constant', type: 'integer', text: '-3' } },
  ])
})

test('statements that are not served are named', () => {
  for (const [text, what] of [
    ['CREATE OR REPLACE FUNCTION f (a int) RETURNS', 'CREATE FUNCTION'],
    ['create materialized view v as', 'CREATE MATERIALIZED VIEW'],
    ['DROP ROLE IF EXISTS r', 'DROP ROLE'],
    ['LIST ROLES', 'LIST'],
    ['GRANT ALL ON t TO u', 'GRANT'],
  ] as const) {
    assert.deepEqual(parseStatement(text).statement, { kind: 'unsupported', what })
  }
})

test('size, depth and bind markers are bounded', () => {
  const deep = `SELECT * FROM t WHERE a = ${'['.repeat(limits.maxCqlDepth + 1)}`
  assert.throws(() => parseStatement(deep), { code: 'SYNTAX_ERROR', message: /nested deeper than 300/ })
  const relations = `SELECT * FROM t WHERE ${'('.repeat(100_000)}`
  assert.throws(() => parseStatement(relations), { code: 'SYNTAX_ERROR' })
  const markers = `SELECT * FROM t WHERE a IN (${'?,'.repeat(limits.maxCqlMarkers)}?)`
  assert.throws(() => parseStatement(markers), { message: /more than 65535 bind variables/ })
  const long = `SELECT * FROM t WHERE a = '${'x'.repeat(limits.maxCqlStatementChars)}'`
  assert.throws(() => parseStatement(long), { code: 'INVALID', message: /at most 16777216 are taken/ })
})
