/**
 * What statements do, told by the published Node driver: rows, order, names of refusals. The texts of refusals and the rules
 * are those of Cassandra 3.0. rocksandra-keys.test.ts has what depends on the parts of a key.
 */
import { testScripts } from '../support/cql-scripts.js'

/** In this order: later ones use tables of earlier ones. */
testScripts('CQL statements', [
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
  !! 2200 unconfigured table t
DROP TABLE IF EXISTS t
CREATE TABLE col (k int PRIMARY KEY)
  !! 2400 Cannot add already existing table "col" to keyspace "ks"
CREATE TABLE IF NOT EXISTS col (k int PRIMARY KEY)
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
])
