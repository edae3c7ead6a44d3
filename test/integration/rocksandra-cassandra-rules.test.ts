/**
 * Rules of Cassandra 3.0.15 that only the real one told (test/interop/cql-differential.test.ts): kept here for whoever runs
 * no JVM.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from 'cassandra-driver'
import { runScript } from '../support/cql-script.js'
import { testScripts } from '../support/cql-scripts.js'

const SCRIPTS: readonly (readonly [name: string, script: string])[] = [
  [
    'a deletion of a range in which nothing can lie does nothing',
    `
CREATE TABLE r (k int, c int, v int, PRIMARY KEY (k, c))
INSERT INTO r (k, c, v) VALUES (1, 1, 1)
DELETE FROM r WHERE k = 1 AND c > 1 AND c < 1
SELECT * FROM r
  1 | 1 | 1
`,
  ],
  [
    'SELECT * has collections among static columns last, and those among others by name',
    `
CREATE TABLE o (k int, c int, a list<int> static, b int static, x list<int>, y int, PRIMARY KEY (k, c))
INSERT INTO o (k, c, a, b, x, y) VALUES (1, 2, [3], 4, [5], 6)
SELECT * FROM o
  1 | 2 | 4 | [3] | [5] | 6
`,
  ],
  [
    'token() of every key, with the key beside it, and one relation a side',
    `
CREATE TABLE tk (k text PRIMARY KEY)
INSERT INTO tk (k) VALUES ('a')
SELECT k FROM tk WHERE token(k) = -9223372036854775808
  a
SELECT k FROM tk WHERE token(k) > token('')
  a
SELECT k FROM tk WHERE token(k) > 0 AND k = 'a'
SELECT k FROM tk WHERE token(k) < 0 AND k IN ('a', 'b')
  a
SELECT k FROM tk WHERE token(k) > 0 AND token(k) >= 1
  !! 2200 More than one restriction was found for the start bound on k
SELECT k FROM tk WHERE token(k) = 0 AND token(k) > 1
  !! 2200 k cannot be restricted by more than one relation if it includes an Equal
SELECT k FROM tk WHERE token(k) > 0 AND token(k) = 1
  !! 2200 Columns "k" cannot be restricted by both an equality and an inequality relation
`,
  ],
  [
    'what cannot be selected together',
    `
CREATE TABLE w (k int, c int, s int static, l list<int>, f frozen<list<int>>, m frozen<map<int, int>>, PRIMARY KEY (k, c))
SELECT writetime(f) FROM w
  !! 2200 Cannot use selection function writeTime on collections
SELECT l FROM w WHERE k = 1 AND c IN (1, 2)
  !! 2200 Cannot restrict clustering columns by IN relations when a collection is selected by the query
SELECT s FROM w WHERE k = 1 AND c = 1
  !! 2200 Cannot restrict clustering columns when selecting only static columns
SELECT c FROM w WHERE m[1] = 2 ALLOW FILTERING
  !! 2200 Map-entry equality predicates on frozen map column m are not supported
SELECT c FROM w WHERE f IN ([1]) ALLOW FILTERING
SELECT c FROM w WHERE f IN ([1], [2]) ALLOW FILTERING
  !! 2200 IN predicates on non-primary-key columns (f) is not yet supported
SELECT c FROM w WHERE k = 1 AND c > 1 AND c = 2
  !! 2200 Column "c" cannot be restricted by both an equality and an inequality relation
SELECT k FROM w WHERE c = 1 ORDER BY c ASC
  !! 2200 ORDER BY is only supported when the partition key is restricted by an EQ or an IN.
INSERT INTO w (k, k) VALUES (1, 1)
  !! 2200 The column names contains duplicates
UPDATE w SET s = s + 'a' WHERE k = 1
  !! 2200 Invalid STRING constant (a) for "s" of type int
`,
  ],
  [
    'an empty text is null in a JSON row, and tuples are compared as bytes',
    `
CREATE TABLE j (k int PRIMARY KEY, v text, t frozen<tuple<int, int>>)
INSERT INTO j (k, v, t) VALUES (1, '', (1, 2))
SELECT JSON k, v FROM j
  {"k": 1, "v": null}
SELECT max(t) FROM j WHERE k = 1
  0x00000004000000010000000400000002
`,
  ],
  [
    'conditions on static cells show the first row of the partition',
    `
CREATE TABLE sc (k int, c int, s int static, v int, PRIMARY KEY (k, c))
UPDATE sc SET s = 1 WHERE k = 1 IF EXISTS
  false
INSERT INTO sc (k, c, v) VALUES (1, 2, 3)
UPDATE sc SET s = 1 WHERE k = 1 IF EXISTS
  false | 1 | 2 | null | null
UPDATE sc SET s = 1 WHERE k = 1 IF s = 5
  false | null
UPDATE sc SET s = 1 WHERE k = 1 AND c = 2 IF EXISTS
  !! 2200 Invalid restrictions on clustering columns since the UPDATE statement modifies only static columns
UPDATE sc SET v = 1 WHERE k = 1 AND c IN (2, 3) IF EXISTS
  !! 2200 IN on the clustering key columns is not supported with conditional updates
DELETE FROM sc WHERE k = 1 IF s = 1
  !! 2200 DELETE statements must restrict all PRIMARY KEY columns with equality relations in order to delete non static columns
DELETE s FROM sc WHERE k = 1 IF v = 1
  !! 2200 DELETE statements must restrict all PRIMARY KEY columns with equality relations in order to use IF condition on non static columns
UPDATE sc SET v = 1 WHERE k = 1 AND c = 2 IF zz = 1
  !! 2200 Unknown identifier zz in IF conditions
`,
  ],
  [
    'static cells decide and are shown where the row is not there',
    `
CREATE TABLE sa (k int, c int, s int static, t int static, v int, PRIMARY KEY (k, c))
UPDATE sa SET s = 1 WHERE k = 1
UPDATE sa SET s = 5, v = 5 WHERE k = 1 AND c = 1 IF v = 9
  false | null
UPDATE sa SET v = 5 WHERE k = 1 AND c = 1 IF v = 9
  false
UPDATE sa SET v = 5 WHERE k = 1 AND c = 1 IF s = 9 AND v = 9
  false | null | 1
INSERT INTO sa (k, c, v) VALUES (1, 1, 5) IF NOT EXISTS
  true
INSERT INTO sa (k, c, v) VALUES (1, 1, 5) IF NOT EXISTS
  false | 1 | 1 | null | null | 5
UPDATE sa SET v = 6 WHERE k = 1 AND c = 2 IF v = null AND s = 1
  true
UPDATE sa SET v = 7 WHERE k = 2 AND c = 1
UPDATE sa SET s = 7 WHERE k = 2 IF t = 9
  false
`,
  ],
  [
    'conditions of a batch are shown in the order of rows, and of one kind a row',
    `
CREATE TABLE cb (k int, c int, v int, PRIMARY KEY (k, c))
INSERT INTO cb (k, c, v) VALUES (1, 1, 1)
INSERT INTO cb (k, c, v) VALUES (1, 2, 2)
BEGIN BATCH UPDATE cb SET v = 5 WHERE k = 1 AND c = 2 IF v = 9; UPDATE cb SET v = 5 WHERE k = 1 AND c = 1 IF v = 9; APPLY BATCH
  false | 1 | 1 | 1
  false | 1 | 2 | 2
BEGIN BATCH UPDATE cb SET v = 5 WHERE k = 1 AND c = 1 IF EXISTS; UPDATE cb SET v = 5 WHERE k = 1 AND c = 1 IF v = 9; APPLY BATCH
  !! 2200 Cannot mix IF conditions and IF NOT EXISTS for the same row
BEGIN BATCH UPDATE cb SET v = 5 WHERE k = 1 AND c = 1 IF v = 9; UPDATE cb SET v = 5 WHERE k = 1 AND c = 1 IF EXISTS; APPLY BATCH
  !! 2200 Cannot mix IF conditions and IF EXISTS for the same row
BEGIN BATCH UPDATE cb SET v = 5 WHERE k = 1 AND c = 1 IF EXISTS; INSERT INTO cb (k, c) VALUES (1, 1) IF NOT EXISTS; APPLY BATCH
  !! 2200 Cannot mix IF EXISTS and IF NOT EXISTS conditions for the same row
`,
  ],
  [
    'an element of a static list is set beside a value of a row',
    `
CREATE TABLE sl (k int, c int, l list<int> static, v int, PRIMARY KEY (k, c))
UPDATE sl SET l = [1, 2] WHERE k = 1
UPDATE sl SET l[0] = 5, v = 5 WHERE k = 1 AND c = 1
SELECT * FROM sl
  1 | 1 | [5,2] | 5
UPDATE sl SET l[1] = 6, v = 6 WHERE k = 1 AND c = 1 IF v = 5
  true
SELECT * FROM sl
  1 | 1 | [5,6] | 6
`,
  ],
  [
    'a collection that is not there is an empty one to conditions',
    `
CREATE TABLE ec (k int PRIMARY KEY, l list<int>, v int)
UPDATE ec SET v = 1 WHERE k = 1 IF l < [1]
  true
UPDATE ec SET v = 2 WHERE k = 1 IF l > [1]
  false | null
`,
  ],
  [
    'conditions do not see what a column of the name had before it was dropped',
    `
CREATE TABLE dr (k int, c int, s int static, t set<int> static, v int, m map<int, int>, PRIMARY KEY (k, c))
UPDATE dr SET v = 1, m = {1: 1} WHERE k = 1 AND c = 1
INSERT INTO dr (k, c, v) VALUES (1, 2, 2)
INSERT INTO dr (k, c, v, m) VALUES (1, 3, 3, {3: 3})
UPDATE dr SET s = 3, t = {3} WHERE k = 1
UPDATE dr SET s = 3, t = {3} WHERE k = 2
ALTER TABLE dr DROP v
ALTER TABLE dr DROP m
ALTER TABLE dr DROP s
ALTER TABLE dr DROP t
ALTER TABLE dr ADD v int
ALTER TABLE dr ADD m map<int, int>
ALTER TABLE dr ADD s int static
ALTER TABLE dr ADD t set<int> static
INSERT INTO dr (k, c, v) VALUES (1, 1, 5) IF NOT EXISTS
  true
INSERT INTO dr (k, c, v) VALUES (1, 1, 6) IF NOT EXISTS
  false | 1 | 1 | null | null | null | 5
UPDATE dr SET v = 6 WHERE k = 1 AND c = 2 IF v = null
  true
UPDATE dr SET v = 7, m = {7: 7} WHERE k = 1 AND c = 3 IF v = null AND m = null AND s = null AND t = null
  true
INSERT INTO dr (k, s) VALUES (2, 8) IF NOT EXISTS
  true
UPDATE dr SET t = {9} WHERE k = 1 IF s = null AND t = null
  true
BEGIN BATCH INSERT INTO dr (k, c, v) VALUES (3, 1, 1) IF NOT EXISTS; INSERT INTO dr (k, s) VALUES (3, 3) IF NOT EXISTS; APPLY BATCH
  true
SELECT * FROM dr WHERE k IN (1, 2)
  1 | 1 | null | [9] | null | 5
  1 | 2 | null | [9] | null | 6
  1 | 3 | null | [9] | {"7":7} | 7
  2 | null | 8 | null | null | null
`,
  ],
  [
    'of a conditional batch, deletions of rows and cells win over values, and those of ranges and partitions do not',
    `
CREATE TABLE lb (k int, c int, s int static, v int, m map<int, int>, PRIMARY KEY (k, c))
INSERT INTO lb (k, c, v, m) VALUES (1, 1, 1, {9: 9})
BEGIN BATCH DELETE FROM lb WHERE k = 1 AND c = 1 IF EXISTS; UPDATE lb SET m = m + {1: 1}, v = 5 WHERE k = 1 AND c = 1; APPLY BATCH
  true
SELECT * FROM lb WHERE k = 1
INSERT INTO lb (k, c, v, m) VALUES (2, 1, 1, {9: 9})
BEGIN BATCH DELETE m FROM lb WHERE k = 2 AND c = 1 IF EXISTS; UPDATE lb SET m = m + {1: 1}, v = 5 WHERE k = 2 AND c = 1; APPLY BATCH
  true
BEGIN BATCH INSERT INTO lb (k, c, v, m) VALUES (3, 1, 1, {1: 1}) IF NOT EXISTS; DELETE FROM lb WHERE k = 3 AND c > 0; APPLY BATCH
  true
BEGIN BATCH INSERT INTO lb (k, c, v, m) VALUES (4, 1, 1, {1: 1}) IF NOT EXISTS; DELETE v, m FROM lb WHERE k = 4 AND c = 1; APPLY BATCH
  true
INSERT INTO lb (k, c, v) VALUES (5, 2, 2)
BEGIN BATCH INSERT INTO lb (k, c, s, v) VALUES (5, 1, 5, 5) IF NOT EXISTS; DELETE FROM lb WHERE k = 5; DELETE s FROM lb WHERE k = 5; APPLY BATCH
  true
SELECT * FROM lb WHERE k IN (2, 3, 4, 5)
  2 | 1 | null | null | 5
  3 | 1 | null | {"1":1} | 1
  4 | 1 | null | null | null
  5 | 1 | null | null | 5
`,
  ],
  [
    'COMPACT STORAGE asks for a value, and counters for no condition',
    `
CREATE TABLE cs (k int, c int, v int, PRIMARY KEY (k, c)) WITH COMPACT STORAGE
INSERT INTO cs (k, c) VALUES (1, 1)
  !! 2200 Column v is mandatory for this COMPACT STORAGE table
CREATE TABLE ct (k int, c text, v int, PRIMARY KEY (k, c)) WITH COMPACT STORAGE
INSERT INTO ct (k, c, v) VALUES (1, '', 1)
  !! 2200 Invalid empty or null value for column c
DELETE FROM ct WHERE k = 1 AND c = ''
  !! 2200 Invalid empty or null value for column c
DELETE v FROM ct WHERE k = 1 AND c = ''
  !! 2200 Invalid empty or null value for column c
DELETE FROM ct WHERE k = 1 AND c IN ('a', '')
  !! 2200 Invalid empty or null value for column c
DELETE FROM ct WHERE k = 1 AND c >= ''
CREATE TABLE ss (k int PRIMARY KEY, v int) WITH COMPACT STORAGE
INSERT INTO ss (k) VALUES (1)
  !! 2200 Some clustering keys are missing: column1
CREATE TABLE co (k int PRIMARY KEY, n counter)
UPDATE co SET n = n + 1 WHERE k = 1 IF n = 1
  !! 2200 Conditions on counters are not supported
`,
  ],
]

function testTimesAndWarnings(clientOf: () => Client): void {
  test('a time to live of 0 is that of the table', async () => {
    const client = clientOf()
    await runScript(
      client,
      `
CREATE TABLE d (k int PRIMARY KEY, v int) WITH default_time_to_live = 500000
INSERT INTO d (k, v) VALUES (1, 1) USING TTL 0
`,
    )
    const { rows } = await client.execute('SELECT ttl(v) AS seconds FROM d')
    const seconds = Number(rows[0]?.['seconds'])
    assert.ok(seconds > 490_000 && seconds <= 500_000, String(seconds))
  })

  test('aggregates over partitions warn, and rows of several partitions are ordered without pages', async () => {
    const client = clientOf()
    await runScript(client, 'CREATE TABLE ag (k int, c int, PRIMARY KEY (k, c))')
    for (const [k, c] of [
      [1, 5],
      [2, 4],
    ]) {
      await client.execute(`INSERT INTO ag (k, c) VALUES (${k}, ${c})`)
    }
    const warningsOf = async (query: string) => (await client.execute(query)).info.warnings
    assert.deepEqual(await warningsOf('SELECT count(*) FROM ag'), [
      'Aggregation query used without partition key',
    ])
    assert.deepEqual(await warningsOf('SELECT count(*) FROM ag WHERE k IN (1, 2)'), [
      'Aggregation query used on multiple partition keys (IN restriction)',
    ])
    const query = 'SELECT c FROM ag WHERE k IN (1, 2) ORDER BY c ASC'
    const { rows } = await client.execute(query, [], { fetchSize: 0 })
    assert.deepEqual(
      rows.map((row) => Number(row['c'])),
      [4, 5],
    )
  })
}

testScripts('CQL as Cassandra 3.0.15 has it', SCRIPTS, testTimesAndWarnings)
