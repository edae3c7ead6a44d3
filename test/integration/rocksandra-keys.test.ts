/**
 * Statements about keys of several parts, told by the published Node driver: slices, tokens, orders, static columns, lives;
 * and what no statement may say. The texts of refusals and the rules are those of Cassandra 3.0.
 */
import { testScripts } from '../support/cql-scripts.js'

/** In this order: later ones use tables of earlier ones. */
testScripts('CQL keys', [
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
SELECT token(a, b) FROM p WHERE a = 1 AND b = ''
  -6115126023624040605
SELECT token(max(a), max(b)) FROM p
  746584927563629270
SELECT token(a, max(b)) FROM p
  746584927563629270
SELECT token(max(a), b), b FROM p WHERE a = 1 AND b IN ('x', '', 'q')
  -6115126023624040605 | 
SELECT token(max(a), b), toJson(token(a, max(b))) FROM p WHERE a = 9 AND b = 'x'
  null | null
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
  false | 1 | 1 | null | null | 10
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
    'times to live, keys by IN, and what a simple key allows',
    `
CREATE TABLE a (k int PRIMARY KEY, v int)
INSERT INTO a (k, v) VALUES (1, 1) USING TTL 500000
INSERT INTO a (k, v) VALUES (2, 2)
UPDATE a USING TTL 500000 SET v = 5 WHERE k = 2
UPDATE a USING TTL 500000 SET v = 5 WHERE k = 3
SELECT * FROM a
  1 | 1
  2 | 5
  3 | 5
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
SELECT v FROM b WHERE k = 1 ORDER BY c ASC, c DESC
  2
  1
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
SELECT * FROM b WHERE v IN (2)
  !! 2200 Cannot execute this query as it might involve data filtering and thus may have unpredictable performance. If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING
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
  !! 2200 Invalid field selection: k of type uuid is not a user type
`,
  ],
  [
    'which function a call means',
    `
CREATE TABLE g (k int PRIMARY KEY, a ascii, b bigint, d date, t text, ts timestamp, u uuid)
INSERT INTO g (k, a, b, d, t, ts) VALUES (1, 'w', 2, toDate('2015-05-21'), 'x', toTimestamp((int)-2147483648))
INSERT INTO g (k, b) VALUES (1, toUnixTimestamp('2015-05-21'))
  !! 2200 Ambiguous call to function tounixtimestamp (can be matched by following signatures: system.tounixtimestamp : (timestamp) -> bigint, system.tounixtimestamp : (date) -> bigint): use type casts to disambiguate
INSERT INTO g (k, b) VALUES (1, intAsBlob('x'))
  !! 2200 Type error: 'x' cannot be passed as argument 0 of function system.intasblob of type int
INSERT INTO g (k, b) VALUES (1, token(1, 2))
  !! 2200 Incorrect number of arguments specified for function system.token : (int) -> bigint (expected 1, found 2)
INSERT INTO g (k, t) VALUES (1, toJson(1))
  !! 2200 toJson() may only be used within the selection clause of SELECT statements
INSERT INTO g (k, t) VALUES (1, nope(1))
  !! 2200 Unknown function nope called
SELECT textAsBlob(a), varintAsBlob(k), toDate(b), toUnixTimestamp(ts), min(a) FROM g
  0x77 | 0x00000001 | 1970-01-01 | 0 | w
SELECT intAsBlob(sum(k)), toJson(count(t)) FROM g
  0x00000001 | 1
SELECT textAsBlob(toJson(t)), intAsBlob(k), t, count(t) FROM g WHERE k = 9
  0x6e756c6c | null | null | 0
CREATE TABLE h (k int, c int, v decimal, PRIMARY KEY (k, c))
INSERT INTO h (k, c, v) VALUES (1, 1, -1.5)
INSERT INTO h (k, c, v) VALUES (1, 2, 1)
INSERT INTO h (k, c, v) VALUES (1, 3, 1)
SELECT sum(v), avg(v) FROM h
  0.5 | 0.1
SELECT dateOf(u) FROM g
  !! 2200 Type error: u cannot be passed as argument 0 of function system.dateof of type timeuuid
SELECT maxTimeuuid(t) FROM g
  !! 2200 Type error: t cannot be passed as argument 0 of function system.maxtimeuuid of type timestamp
SELECT system.toDate(u) FROM g
  !! 2200 Invalid call to function system.todate, none of its type signatures match (known type signatures: system.todate : (timeuuid) -> date, system.todate : (timestamp) -> date)
SELECT sum(ts) FROM g
  !! 2200 Ambiguous call to function sum (can be matched by following signatures: system.sum : (bigint) -> bigint, system.sum : (varint) -> varint): use type casts to disambiguate
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
])
