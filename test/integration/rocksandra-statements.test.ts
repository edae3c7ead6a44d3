/**
 * What statements do, told by the published Node driver: rows, order, names of refusals. The texts of refusals and the rules
 * are those of Cassandra 3.0.
 */
import { after, before, describe, test } from 'node:test'
import { Client } from 'cassandra-driver'
import { CQL_CONFIG, CQL_PORTS } from '../support/cql.js'
import { runScript } from '../support/cql-script.js'
import { Gateway } from '../support/gateway.js'

let gateway: Gateway
let client: Client

before(async () => {
  gateway = await Gateway.start({ ports: CQL_PORTS, config: CQL_CONFIG })
  const where = { contactPoints: ['127.0.0.1'], localDataCenter: 'datacenter1' }
  const protocolOptions = { port: gateway.port('rocksandra') }
  const first = new Client({ ...where, protocolOptions })
  await first.execute(
    "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
  )
  await first.shutdown()
  client = new Client({ ...where, protocolOptions, keyspace: 'ks' })
})

after(async () => {
  await client.shutdown()
  await gateway.dispose()
})

/** In this order: later ones use tables of earlier ones. */
const SCRIPTS: readonly (readonly [name: string, script: string])[] = [
  [
    'rows live by their marker or a value, static cells by their partition',
    `
CREATE TABLE s (k int, c int, st int static, v text, PRIMARY KEY (k, c))
INSERT INTO s (k, st) VALUES (1, 7)
SELECT * FROM s
  1 | null | 7 | null
INSERT INTO s (k, c, v) VALUES (1, 1, 'a')
INSERT INTO s (k, c, v) VALUES (1, 2, 'b')
INSERT INTO s (k, c) VALUES (1, 3)
INSERT INTO s (k, c, v) VALUES (2, 3, 'z')
SELECT * FROM s
  1 | 1 | 7 | a
  1 | 2 | 7 | b
  1 | 3 | 7 | null
  2 | 3 | null | z
SELECT * FROM s WHERE k = 1
  1 | 1 | 7 | a
  1 | 2 | 7 | b
  1 | 3 | 7 | null
SELECT c, v FROM s WHERE k = 1 ORDER BY c DESC
  3 | null
  2 | b
  1 | a
SELECT c FROM s WHERE k = 1 AND c > 1
  2
  3
SELECT c FROM s WHERE k = 1 AND c >= 1 AND c < 3
  1
  2
SELECT c FROM s WHERE k = 1 AND c IN (3, 1)
  1
  3
SELECT c FROM s WHERE k IN (2, 1)
  1
  2
  3
  3
SELECT c FROM s WHERE k = 1 LIMIT 2
  1
  2
SELECT DISTINCT k, st FROM s
  1 | 7
  2 | null
SELECT count(*) FROM s
  4
SELECT k, c FROM s PER PARTITION LIMIT 1
  1 | 1
  2 | 3
UPDATE s SET v = null WHERE k = 1 AND c = 1
UPDATE s SET v = 'new' WHERE k = 1 AND c = 9
UPDATE s SET v = null WHERE k = 1 AND c = 9
SELECT * FROM s WHERE k = 1
  1 | 1 | 7 | null
  1 | 2 | 7 | b
  1 | 3 | 7 | null
DELETE FROM s WHERE k = 1 AND c > 1
SELECT * FROM s WHERE k = 1
  1 | 1 | 7 | null
DELETE v FROM s WHERE k = 1 AND c = 1
DELETE FROM s WHERE k = 1 AND c = 1
SELECT * FROM s WHERE k = 1
  1 | null | 7 | null
DELETE st FROM s WHERE k = 1
SELECT * FROM s WHERE k = 1
DELETE FROM s WHERE k = 2
SELECT * FROM s
`,
  ],
  [
    'the later time wins, and a deletion of the same time',
    `
CREATE TABLE t (k int PRIMARY KEY, a int, b text)
INSERT INTO t (k, a, b) VALUES (1, 1, 'x') USING TIMESTAMP 100 AND TTL 1000
SELECT a, writetime(a), ttl(a), writetime(b) FROM t
  1 | 100 | 1000 | 100
UPDATE t USING TIMESTAMP 50 SET a = 2 WHERE k = 1
SELECT a FROM t WHERE k = 1
  1
DELETE FROM t USING TIMESTAMP 100 WHERE k = 1
SELECT * FROM t
INSERT INTO t (k, a) VALUES (1, 5) USING TIMESTAMP 101
SELECT * FROM t WHERE k = 1
  1 | 5 | null
`,
  ],
  [
    'conditions hold or answer what stands in the way',
    `
INSERT INTO t (k, a) VALUES (1, 5) IF NOT EXISTS
  false | 1 | 5 | null
INSERT INTO t (k, a) VALUES (2, 5) IF NOT EXISTS
  true
UPDATE t SET a = 6 WHERE k = 2 IF a = 5
  true
UPDATE t SET a = 6 WHERE k = 2 IF a = 5
  false | 6
UPDATE t SET a = 6 WHERE k = 3 IF a = 5
  false
UPDATE t SET a = 7 WHERE k = 2 IF a IN (5, 6) AND b = null
  true
DELETE FROM t WHERE k = 2 IF EXISTS
  true
DELETE FROM t WHERE k = 2 IF EXISTS
  false
SELECT * FROM t
  1 | 5 | null
`,
  ],
  [
    'in a batch a deletion beats what is written at its time',
    `
BEGIN BATCH INSERT INTO t (k, a) VALUES (7, 1); UPDATE t SET b = 'bb' WHERE k = 7; DELETE a FROM t WHERE k = 7; APPLY BATCH
SELECT * FROM t WHERE k = 7
  7 | null | bb
`,
  ],
  [
    'collections are changed element by element, and overwritten as a whole',
    `
CREATE TABLE col (k int PRIMARY KEY, l list<int>, s set<text>, m map<text, int>, f frozen<list<int>>)
INSERT INTO col (k, l, s, m, f) VALUES (1, [1, 2, 3], {'b', 'a'}, {'x': 1, 'y': 2}, [9, 8])
SELECT * FROM col
  1 | [9,8] | [1,2,3] | {"x":1,"y":2} | ["a","b"]
UPDATE col SET l = l + [4], s = s + {'c'}, m = m + {'z': 3} WHERE k = 1
UPDATE col SET l = [0] + l, m['x'] = 10 WHERE k = 1
SELECT * FROM col
  1 | [9,8] | [0,1,2,3,4] | {"x":10,"y":2,"z":3} | ["a","b","c"]
UPDATE col SET l[0] = 100, s = s - {'a'}, m = m - {'y'} WHERE k = 1
SELECT * FROM col
  1 | [9,8] | [100,1,2,3,4] | {"x":10,"z":3} | ["b","c"]
UPDATE col SET l = l - [2, 3] WHERE k = 1
DELETE l[0], m['z'] FROM col WHERE k = 1
SELECT * FROM col
  1 | [9,8] | [1,4] | {"x":10} | ["b","c"]
UPDATE col SET l[9] = 1 WHERE k = 1
  !! 2200 List index 9 out of bound, list has size 2
UPDATE col SET l = [5], s = {}, m = {'q': 1} WHERE k = 1
SELECT * FROM col
  1 | [9,8] | [5] | {"q":1} | null
DELETE m FROM col WHERE k = 1
SELECT JSON * FROM col
  {"k": 1, "f": [9, 8], "l": [5], "m": null, "s": null}
INSERT INTO col JSON '{"k": 2, "l": [1], "s": ["q"], "m": {"a": 3}, "f": null}'
SELECT JSON k, l, m FROM col WHERE k = 2
  {"k": 2, "l": [1], "m": {"a": 3}}
SELECT * FROM col WHERE s CONTAINS 'q'
  !! 2200 Cannot execute this query as it might involve data filtering and thus may have unpredictable performance. If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING
SELECT * FROM col WHERE s CONTAINS 'q' ALLOW FILTERING
  2 | null | [1] | {"a":3} | ["q"]
CREATE INDEX ON col (s)
SELECT k FROM col WHERE s CONTAINS 'q'
  2
`,
  ],
  [
    'counters count, and are counted once a statement',
    `
CREATE TABLE ct (k int PRIMARY KEY, n counter)
UPDATE ct SET n = n + 5 WHERE k = 1
UPDATE ct SET n = n - 2 WHERE k = 1
SELECT * FROM ct
  1 | 3
DELETE FROM ct WHERE k = 1
SELECT * FROM ct
BEGIN COUNTER BATCH UPDATE ct SET n = n + 1 WHERE k = 2; UPDATE ct SET n = n + 1 WHERE k = 2; APPLY BATCH
SELECT * FROM ct
  2 | 2
INSERT INTO ct (k, n) VALUES (1, 1)
  !! 2200 INSERT statements are not allowed on counter tables, use UPDATE instead
`,
  ],
  [
    'user types and tuples are values; a column that comes again has none of its former values',
    `
CREATE TYPE addr (street text, no int)
CREATE TABLE u (k int PRIMARY KEY, a frozen<addr>, t tuple<int, text>)
INSERT INTO u (k, a, t) VALUES (1, {street: 'x', no: 4}, (1, 'q'))
SELECT k, a.street, a, t FROM u
  1 | x | {"street":"x","no":4} | (1, q)
DROP TYPE addr
  !! 2200 Cannot drop user type ks.addr as it is still used by table ks.u
ALTER TYPE addr ADD zip text
SELECT a FROM u
  {"street":"x","no":4}
ALTER TABLE u ADD extra int
UPDATE u SET extra = 1 WHERE k = 1
ALTER TABLE u DROP extra
ALTER TABLE u ADD extra int
SELECT k, extra FROM u
  1 | null
SELECT min(k), max(k), sum(k), avg(k), count(k) FROM u
  1 | 1 | 1 | 1 | 1
`,
  ],
  [
    'functions, tokens and what needs filtering',
    `
SELECT token(k), k FROM u
  -4069959284402364209 | 1
SELECT k FROM u WHERE token(k) > -9223372036854775808 AND token(k) <= 9223372036854775807
  1
SELECT * FROM s WHERE c = 1
  !! 2200 Cannot execute this query as it might involve data filtering and thus may have unpredictable performance. If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING
SELECT * FROM s WHERE v = 'a'
  !! 2200 Cannot execute this query as it might involve data filtering and thus may have unpredictable performance. If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING
SELECT k FROM s WHERE v = 'z' ALLOW FILTERING
INSERT INTO t (k) VALUES ('a')
  !! 2200 Invalid STRING constant (a) for "k" of type int
INSERT INTO t (k, zz) VALUES (1, 2)
  !! 2200 Unknown identifier zz
SELECT zz FROM t
  !! 2200 Undefined name zz in selection clause
SELECT * FROM nope
  !! 2200 unconfigured table nope
SELECT blobAsInt(0x00000001) FROM t
  !! 2000 line 1:17 no viable alternative at input '0x00000001' (SELECT blobAsInt([0x00000001]...)
SELECT intAsBlob(k) FROM t
  0x00000001
  0x00000007
`,
  ],
  [
    'TRUNCATE empties a table and DROP removes it',
    `
TRUNCATE t
SELECT * FROM t
DROP TABLE t
DROP TABLE t
  !! 2300 Cannot drop non existing table 't' in keyspace 'ks'.
DROP TABLE IF EXISTS t
CREATE TABLE col (k int PRIMARY KEY)
  !! 2400 Cannot add already existing table "col" to keyspace "ks"
CREATE TABLE IF NOT EXISTS col (k int PRIMARY KEY)
`,
  ],
  [
    'clustering keys of mixed order: slices, tuples, IN, deletions',
    `
CREATE TABLE m (k int, a int, b text, c int, v int, PRIMARY KEY (k, a, b, c)) WITH CLUSTERING ORDER BY (a ASC, b DESC, c ASC)
INSERT INTO m (k,a,b,c,v) VALUES (0,1,'x',1,1)
INSERT INTO m (k,a,b,c,v) VALUES (0,1,'x',2,2)
INSERT INTO m (k,a,b,c,v) VALUES (0,1,'y',1,3)
INSERT INTO m (k,a,b,c,v) VALUES (0,2,'x',1,4)
INSERT INTO m (k,a,b,c,v) VALUES (0,2,'',1,5)
INSERT INTO m (k,a,b,c,v) VALUES (0,-3,'z',1,6)
SELECT * FROM m WHERE k = 0
  0 | -3 | z | 1 | 6
  0 | 1 | y | 1 | 3
  0 | 1 | x | 1 | 1
  0 | 1 | x | 2 | 2
  0 | 2 | x | 1 | 4
  0 | 2 |  | 1 | 5
SELECT v FROM m WHERE k = 0 AND (a, b) > (1, 'x')
  3
  4
  5
SELECT v FROM m WHERE k = 0 AND (a, b) >= (1, 'x')
  3
  1
  2
  4
  5
SELECT v FROM m WHERE k = 0 AND (a, b) <= (1, 'x')
  6
  1
  2
SELECT v FROM m WHERE k = 0 AND (a, b, c) IN ((1, 'x', 2), (2, '', 1))
  2
  5
SELECT v FROM m WHERE k = 0 AND a = 1 AND b > 'x'
  3
SELECT v FROM m WHERE k = 0 AND a = 1 AND b >= 'x' ORDER BY a DESC, b ASC
  2
  1
  3
SELECT v FROM m WHERE k = 0 ORDER BY a DESC, b DESC
  !! 2200 Unsupported order by relation
SELECT v FROM m WHERE k = 0 ORDER BY b DESC
  !! 2200 Order by currently only support the ordering of columns following their declared order in the PRIMARY KEY
SELECT v FROM m WHERE k = 0 AND a = 1 ORDER BY b DESC
  3
  1
  2
SELECT v FROM m WHERE k = 0 AND b = 'x'
  !! 2200 PRIMARY KEY column "b" cannot be restricted as preceding column "a" is not restricted
SELECT v FROM m WHERE k = 0 AND b = 'x' ALLOW FILTERING
  1
  2
  4
SELECT v FROM m WHERE k = 0 AND a > 1 AND b = 'x'
  !! 2200 Clustering column "b" cannot be restricted (preceding column "a" is restricted by a non-EQ relation)
SELECT v FROM m WHERE k = 0 AND a > 1 AND a > 2
  !! 2200 More than one restriction was found for the start bound on a
SELECT v FROM m WHERE k = 0 AND a = 1 AND a = 2
  !! 2200 a cannot be restricted by more than one relation if it includes an Equal
SELECT v FROM m WHERE k = 0 AND a > 0 AND a < 2
  3
  1
  2
DELETE FROM m WHERE k = 0 AND a = 1 AND b = 'x'
SELECT v FROM m WHERE k = 0
  6
  3
  4
  5
DELETE FROM m WHERE k = 0 AND (a, b) > (1, 'y')
SELECT v FROM m WHERE k = 0
  6
  3
UPDATE m SET v = 1 WHERE k = 0 AND a = 1
  !! 2200 Some clustering keys are missing: b, c
UPDATE m SET v = 1 WHERE k = 0 AND a = 1 AND b = 'q' AND c > 1
  !! 2200 Slice restrictions are not supported on the clustering columns in UPDATE statements
UPDATE m SET v = 1 WHERE k = 0 AND a IN (1, 2) AND b = 'q' AND c = 1
SELECT * FROM m WHERE k = 0
  0 | -3 | z | 1 | 6
  0 | 1 | y | 1 | 3
  0 | 1 | q | 1 | 1
  0 | 2 | q | 1 | 1
DELETE v FROM m WHERE k = 0 AND a = 1
  !! 2200 Range deletions are not supported for specific columns
UPDATE m SET k = 1 WHERE k = 0
  !! 2200 PRIMARY KEY part k found in SET part
`,
  ],
  [
    'partition keys of several parts, tokens, empty and null keys',
    `
CREATE TABLE p (a int, b text, v int, PRIMARY KEY ((a, b)))
INSERT INTO p (a, b, v) VALUES (1, 'x', 1)
INSERT INTO p (a, b, v) VALUES (1, '', 2)
SELECT * FROM p WHERE a = 1 AND b IN ('x', '', 'q')
  1 |  | 2
  1 | x | 1
SELECT * FROM p WHERE a = 1
  !! 2200 Partition key parts: b must be restricted as other parts are
SELECT token(a, b) FROM p WHERE a = 1 AND b = 'x'
  746584927563629270
SELECT v FROM p WHERE token(a, b) = token(1, 'x')
  1
SELECT v FROM p WHERE token(b, a) > 1
  !! 2200 The token function arguments must be in the partition key order: a, b
SELECT v FROM p WHERE a > 1
  !! 2200 Only EQ and IN relation are supported on the partition key (unless you use the token() function)
INSERT INTO p (a, v) VALUES (1, 2)
  !! 2200 Some partition key parts are missing: b
INSERT INTO p (a, b, v) VALUES (1, null, 2)
  !! 2200 Invalid null value in condition for column b
CREATE TABLE z (k text PRIMARY KEY, v text)
INSERT INTO z (k, v) VALUES ('', 'x')
  !! 2200 Key may not be empty
INSERT INTO z (k, v) VALUES ('a', '')
SELECT * FROM z
  a |
SELECT v FROM z LIMIT 0
  !! 2200 LIMIT must be strictly positive
`,
  ],
  [
    'static columns with conditions, and batches with conditions',
    `
CREATE TABLE st (k int, c int, s int static, m map<text,int> static, v int, PRIMARY KEY (k, c))
INSERT INTO st (k, s) VALUES (1, 1) IF NOT EXISTS
  true
INSERT INTO st (k, s) VALUES (1, 2) IF NOT EXISTS
  false | 1 | null | 1 | null | null
UPDATE st SET s = 5 WHERE k = 1 IF s = 1
  true
INSERT INTO st (k, c, v) VALUES (1, 1, 1)
UPDATE st SET v = 2 WHERE k = 1 AND c = 1 IF s = 5
  true
UPDATE st SET v = 2 WHERE k = 1 AND c = 1 IF s = 9
  false | 5
UPDATE st SET s = 6, v = 3 WHERE k = 1 AND c = 2
UPDATE st SET m = {'a': 1} WHERE k = 1
UPDATE st SET m['b'] = 2 WHERE k = 1
SELECT * FROM st
  1 | 1 | 6 | {"a":1,"b":2} | 2
  1 | 2 | 6 | {"a":1,"b":2} | 3
UPDATE st SET s = 1 WHERE k = 1 AND c = 1
  !! 2200 Invalid restrictions on clustering columns since the UPDATE statement modifies only static columns
BEGIN BATCH UPDATE st SET v = 10 WHERE k = 1 AND c = 1 IF v = 2; INSERT INTO st (k, c, v) VALUES (1, 7, 7); APPLY BATCH
  true
BEGIN BATCH UPDATE st SET v = 11 WHERE k = 1 AND c = 1 IF v = 2; INSERT INTO st (k, c, v) VALUES (1, 8, 7) IF NOT EXISTS; APPLY BATCH
  false | 1 | 1 | 6 | {"a":1,"b":2} | 10
BEGIN BATCH UPDATE st SET v = 11 WHERE k = 1 AND c = 1 IF v = 2; UPDATE st SET v = 1 WHERE k = 1 AND c = 7; APPLY BATCH
  false | 1 | 1 | 10
BEGIN BATCH UPDATE st SET v = 11 WHERE k = 1 AND c = 1 IF v = 2; UPDATE st SET v = 1 WHERE k = 2 AND c = 7; APPLY BATCH
  !! 2200 Batch with conditions cannot span multiple partitions
SELECT * FROM st WHERE k = 1
  1 | 1 | 6 | {"a":1,"b":2} | 10
  1 | 2 | 6 | {"a":1,"b":2} | 3
  1 | 7 | 6 | {"a":1,"b":2} | 7
`,
  ],
  [
    'times and lives of batches and statements',
    `
BEGIN BATCH USING TIMESTAMP 5 INSERT INTO z (k, v) VALUES ('b', 'b') USING TIMESTAMP 6; APPLY BATCH
  !! 2200 Timestamp must be set either on BATCH or individual statements
BEGIN BATCH APPLY BATCH
BEGIN BATCH USING TIMESTAMP 5 INSERT INTO z (k, v) VALUES ('b', 'b'); DELETE FROM z WHERE k = 'b'; INSERT INTO z (k, v) VALUES ('c', 'c'); APPLY BATCH
UPDATE z USING TTL 0 SET v = 'q' WHERE k = 'c'
UPDATE z USING TTL -1 SET v = 'q' WHERE k = 'c'
  !! 2200 A TTL must be greater or equal to 0, but was -1
UPDATE z USING TTL 999999999 SET v = 'q' WHERE k = 'c'
  !! 2200 ttl is too large. requested (999999999) maximum (630720000)
SELECT writetime(k) FROM z
  !! 2200 Cannot use selection function writeTime on PRIMARY KEY part k
`,
  ],
  [
    'COMPACT STORAGE: rows are there as far as they have values',
    `
CREATE TABLE comp (k text, c int, v blob, PRIMARY KEY (k, c)) WITH COMPACT STORAGE
INSERT INTO comp (k, c, v) VALUES ('a', 1, 0xff)
INSERT INTO comp (k, c, v) VALUES ('a', 2, 0x)
DELETE v FROM comp WHERE k = 'a' AND c = 1
SELECT * FROM comp
  a | 2 | 0x
CREATE TABLE comp1 (k text PRIMARY KEY, a text, b text) WITH COMPACT STORAGE
INSERT INTO comp1 (k, a) VALUES ('x', 'y')
SELECT * FROM comp1
  x | y | null
DELETE a FROM comp1 WHERE k = 'x'
SELECT * FROM comp1
`,
  ],
  [
    'conditions on collections and their elements',
    `
CREATE TABLE lw (k int PRIMARY KEY, l list<int>, m map<text, int>, s set<int>)
INSERT INTO lw (k, l, m, s) VALUES (1, [1, 2], {'a': 1}, {3})
UPDATE lw SET l = [9] WHERE k = 1 IF l = [1, 2]
  true
UPDATE lw SET l = [9] WHERE k = 1 IF l = [1, 2]
  false | [9]
UPDATE lw SET m['a'] = 2 WHERE k = 1 IF m['a'] = 1 AND l[0] = 9
  true
UPDATE lw SET s = {} WHERE k = 1 IF s = {3}
  true
UPDATE lw SET s = {1} WHERE k = 1 IF s = {}
  true
UPDATE lw SET s = {1} WHERE k = 1 IF s > {4}
  false | [1]
SELECT * FROM lw
  1 | [9] | {"a":2} | [1]
INSERT INTO lw (k, l) VALUES (1, [1]) IF NOT EXISTS
  false | 1 | [9] | {"a":2} | [1]
DELETE FROM lw WHERE k = 1 IF m['a'] IN (1, 2)
  true
SELECT * FROM lw
`,
  ],
  [
    'values of every native type, as they are and as JSON',
    `
CREATE TABLE ty (k int PRIMARY KEY, a ascii, b bigint, c blob, d boolean, e date, f decimal, g double, h float, i inet, j smallint, l time, m timestamp, n timeuuid, o tinyint, p uuid, q varint)
INSERT INTO ty (k,a,b,c,d,e,f,g,h,i,j,l,m,n,o,p,q) VALUES (1,'a',9223372036854775807,0xcafe,true,'2020-01-02',1.50,1.5,2.5,'127.0.0.1',7,'01:02:03.004','2020-01-02 03:04:05+0000',50554d6e-29bb-11e5-b345-feff819cdc9f,3,123e4567-e89b-12d3-a456-426655440000,12345678901234567890)
SELECT * FROM ty
  1 | a | 9223372036854775807 | 0xcafe | true | 2020-01-02 | 1.50 | 1.5 | 2.5 | 127.0.0.1 | 7 | 01:02:03.004 | 2020-01-02T03:04:05.000Z | 50554d6e-29bb-11e5-b345-feff819cdc9f | 3 | 123e4567-e89b-12d3-a456-426655440000 | 12345678901234567890
SELECT JSON * FROM ty
  {"k": 1, "a": "a", "b": 9223372036854775807, "c": "0xcafe", "d": true, "e": "2020-01-02", "f": 1.50, "g": 1.5, "h": 2.5, "i": "127.0.0.1", "j": 7, "l": "01:02:03.004000000", "m": "2020-01-02 03:04:05.000Z", "n": "50554d6e-29bb-11e5-b345-feff819cdc9f", "o": 3, "p": "123e4567-e89b-12d3-a456-426655440000", "q": 12345678901234567890}
SELECT sum(f), avg(g), max(q), min(a) FROM ty
  1.50 | 1.5 | 12345678901234567890 | a
SELECT dateOf(n), unixTimestampOf(n), toTimestamp(e) FROM ty
  2015-07-14T00:00:18.805Z | 1436832018805 | 2020-01-02T00:00:00.000Z
SELECT count(*) AS n, k AS x FROM ty
  1 | 1
SELECT ttl(a) FROM ty
  null
SELECT k FROM ty WHERE k = 1 AND b = 3
  !! 2200 Cannot execute this query as it might involve data filtering and thus may have unpredictable performance. If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING
`,
  ],
  [
    'times to live, keys by IN, and what a simple key allows',
    `
CREATE TABLE a (k int PRIMARY KEY, v int)
INSERT INTO a (k, v) VALUES (1, 1) USING TTL 2
INSERT INTO a (k, v) VALUES (2, 2)
UPDATE a USING TTL 2 SET v = 5 WHERE k = 2
UPDATE a USING TTL 2 SET v = 5 WHERE k = 3
SELECT k, v, ttl(v) FROM a
  1 | 1 | 2
  2 | 5 | 2
  3 | 5 | 2
SELECT * FROM a WHERE k = 1 AND k = 2
  !! 2200 k cannot be restricted by more than one relation if it includes an Equal
SELECT * FROM a WHERE k = 1 AND k IN (1)
  !! 2200 k cannot be restricted by more than one relation if it includes an Equal
SELECT * FROM a WHERE v > 1
  !! 2200 Cannot execute this query as it might involve data filtering and thus may have unpredictable performance. If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING
SELECT * FROM a WHERE v IN (1, 2)
  !! 2200 IN predicates on non-primary-key columns (v) is not yet supported
SELECT * FROM a WHERE k != 1
  !! 2200 Unsupported "!=" relation: k != 1
SELECT * FROM a WHERE q = 1
  !! 2200 Undefined name q in where clause ('q = 1')
SELECT k, k FROM a WHERE k IN ()
SELECT * FROM a WHERE k IN (1, 1, 2)
  1 | 1
  2 | 5
SELECT DISTINCT v FROM a
  !! 2200 SELECT DISTINCT queries must only request partition key columns and/or static columns (not v)
SELECT v FROM a ORDER BY k
  !! 2200 ORDER BY is only supported when the partition key is restricted by an EQ or an IN.
SELECT count(1) FROM a WHERE k = 99
  0
SELECT max(v), v FROM a WHERE k = 99
  null | null
SELECT JSON count(*) FROM a
  {"count": 3}
SELECT "k" AS "K" FROM a WHERE k=2
  2
DELETE FROM a WHERE v = 1
  !! 2200 Non PRIMARY KEY columns found in where clause: v
DELETE FROM a WHERE k > 1
  !! 2200 Only EQ and IN relation are supported on the partition key (unless you use the token() function)
DELETE k FROM a WHERE k = 1
  !! 2200 Invalid identifier k for deletion (should not be a PRIMARY KEY part)
DELETE FROM a WHERE k IN (1, 2)
SELECT * FROM a
  3 | 5
`,
  ],
  [
    'descending rows, orders over partitions, indexes by filtering',
    `
CREATE TABLE b (k int, c text, v int, PRIMARY KEY (k, c)) WITH CLUSTERING ORDER BY (c DESC)
INSERT INTO b (k, c, v) VALUES (1, 'a', 1)
INSERT INTO b (k, c, v) VALUES (1, 'b', 2)
INSERT INTO b (k, c, v) VALUES (2, 'c', 3)
SELECT * FROM b
  1 | b | 2
  1 | a | 1
  2 | c | 3
SELECT * FROM b WHERE k IN (1, 2) ORDER BY c ASC
  !! 2200 Cannot page queries with both ORDER BY and a IN restriction on the partition key; you must either remove the ORDER BY or the IN and sort client side, or disable paging for this query
SELECT * FROM b WHERE k IN (1, 2) ORDER BY c ASC LIMIT 2
  !! 2200 Cannot page queries with both ORDER BY and a IN restriction on the partition key; you must either remove the ORDER BY or the IN and sort client side, or disable paging for this query
SELECT * FROM b WHERE k = 1 AND c > 'a'
  1 | b | 2
SELECT k, c FROM b WHERE k = 1 LIMIT 1
  1 | b
SELECT DISTINCT k FROM b
  1
  2
SELECT c FROM b WHERE token(k) > 0
SELECT c FROM b WHERE token(k) > 0 AND k = 1
SELECT c FROM b WHERE token(k) < 0 AND k = 1 LIMIT 1
  b
SELECT * FROM b WHERE c = 'a' ALLOW FILTERING
  1 | a | 1
SELECT * FROM b WHERE k = 1 AND (c) = ('a')
  1 | a | 1
SELECT * FROM b WHERE k = 1 AND (c, v) = ('a', 1)
  !! 2200 Multi-column relations can only be applied to clustering columns but was applied to: v
SELECT v FROM b WHERE k = 1 AND v = 2 ALLOW FILTERING
  2
CREATE INDEX vi ON b (v)
CREATE INDEX vi ON b (v)
  !! 2200 Index vi already exists
CREATE INDEX IF NOT EXISTS vi ON b (v)
SELECT * FROM b WHERE v = 2
  1 | b | 2
SELECT * FROM b WHERE v = 2 AND k = 1
  1 | b | 2
SELECT * FROM b WHERE v > 2
  !! 2200 Cannot execute this query as it might involve data filtering and thus may have unpredictable performance. If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING
DROP INDEX vi
SELECT * FROM b WHERE v = 2
  !! 2200 Cannot execute this query as it might involve data filtering and thus may have unpredictable performance. If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING
INSERT INTO b (k, c, v) VALUES (1, 'a', 1) IF NOT EXISTS USING TIMESTAMP 5
  !! 2200 Cannot provide custom timestamp for conditional updates
BEGIN UNLOGGED BATCH INSERT INTO b (k, c) VALUES (5, 'x'); INSERT INTO a (k) VALUES (5); APPLY BATCH
SELECT * FROM a
  5 | null
  3 | 5
`,
  ],
  [
    'what is no value and no function',
    `
CREATE TABLE n (k uuid PRIMARY KEY, t timeuuid, l frozen<set<frozen<list<int>>>>)
INSERT INTO n (k, t) VALUES (123, now())
  !! 2200 Invalid INTEGER constant (123) for "k" of type uuid
INSERT INTO n (k, t) VALUES (uuid(), uuid())
  !! 2200 Type error: cannot assign result of function system.uuid (type uuid) to t (type timeuuid)
SELECT foo(k) FROM n
  !! 2200 Unknown function 'foo'
SELECT k.x FROM n
  !! 2200 Invalid field selection: k of type native is not a user type
`,
  ],
  [
    'what no schema may be',
    `
CREATE TABLE x.y (k int PRIMARY KEY)
  !! 2300 Keyspace x doesn't exist
CREATE TABLE bad (k int, k int, PRIMARY KEY (k))
  !! 2200 Multiple definition of identifier k
CREATE TABLE bad (k int)
  !! 2200 No PRIMARY KEY specifed (exactly one required)
CREATE TABLE bad (k list<int> PRIMARY KEY)
  !! 2200 Invalid collection type for PRIMARY KEY component k
CREATE TABLE bad (k int PRIMARY KEY, v int static)
  !! 2200 Static columns are only useful (and thus allowed) if the table has at least one clustering column
CREATE TABLE bad (k int PRIMARY KEY, v int, n counter)
  !! 2200 Cannot mix counter and non counter columns in the same table
CREATE TABLE bad (k int PRIMARY KEY) WITH foo = 'a'
  !! 2000 Unknown property 'foo'
CREATE TABLE ow (k int PRIMARY KEY) WITH owner = {'name': 'me', 'contact': 'me@x'} AND default_time_to_live = 50 AND comment = 'c'
INSERT INTO ow (k) VALUES (1)
ALTER TABLE ow WITH gc_grace_seconds = 5
ALTER TABLE m RENAME a TO aa
SELECT aa FROM m LIMIT 1
  -3
`,
  ],
  [
    'what is not offered is refused by name, and system tables are only read',
    `
GRANT ALL ON x TO y
  !! 2200 GRANT is not supported
CREATE MATERIALIZED VIEW mv AS SELECT * FROM m
  !! 2200 CREATE MATERIALIZED VIEW is not supported
USE nope
  !! 2200 Keyspace 'nope' does not exist
INSERT INTO system.local (key) VALUES ('x')
  !! 2200 Cannot modify table system.local: it is not stored
CREATE TABLE system.foo (k int PRIMARY KEY)
  !! 2100 system keyspace is not user-modifiable.
SELECT cluster_name FROM system.local WHERE key = 'local'
  godwit
SELECT JSON keyspace_name, replication FROM system_schema.keyspaces WHERE keyspace_name = 'ks'
  {"keyspace_name": "ks", "replication": {"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "1"}}
`,
  ],
]

describe('CQL statements', () => {
  for (const [name, script] of SCRIPTS) test(name, () => runScript(client, script))
})
