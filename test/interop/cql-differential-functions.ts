/** Calls with arguments of all types, right ones and wrong ones, in statements' values and in selections. */

const CALLS = `
CREATE TABLE functions (k int PRIMARY KEY, t text, b bigint, i int, ts timestamp, d date, u uuid, tu timeuuid, ti time, vi varint, l list<int>, p frozen<pair>, bl blob, a ascii)
INSERT INTO functions (k, t, b, i, ts, d, u, tu, ti, vi, l, p, bl, a) VALUES (1, 'x', 2, 3, 4, '2015-05-21', 50554d6e-29bb-11e5-b345-feff819cdc9f, 50554d6e-29bb-11e5-b345-feff819cdc9f, '10:00:00', 5, [6], {a: 1, b: 'q'}, 0x00000001, 'w')
SELECT intAsBlob(t) FROM functions
SELECT intAsBlob(b) FROM functions
SELECT textAsBlob(a) FROM functions
SELECT varintAsBlob(i) FROM functions
SELECT bigintAsBlob(ts) FROM functions
SELECT timestampAsBlob(b) FROM functions
SELECT dateOf(u) FROM functions
SELECT dateOf(i) FROM functions
SELECT toDate(b) FROM functions
SELECT toDate(i) FROM functions
SELECT toDate(u) FROM functions
SELECT toTimestamp(b) FROM functions
SELECT toUnixTimestamp(b) FROM functions
SELECT toUnixTimestamp(i) FROM functions
SELECT toUnixTimestamp(t) FROM functions
SELECT toUnixTimestamp(d), toUnixTimestamp(ts), toUnixTimestamp(tu) FROM functions
SELECT sum(ts) FROM functions
SELECT sum(t) FROM functions
SELECT sum(ti) FROM functions
SELECT sum(d) FROM functions
SELECT sum(b, i) FROM functions
SELECT sum() FROM functions
SELECT min(b, i) FROM functions
SELECT count(b, i) FROM functions
SELECT count(p), min(p), max(l) FROM functions
SELECT token(t) FROM functions
SELECT token(b) FROM functions
SELECT blobAsInt(t) FROM functions
SELECT blobAsInt(i) FROM functions
SELECT blobAsInt(bl) FROM functions
SELECT now(k) FROM functions
SELECT dateOf(tu, tu) FROM functions
SELECT system.toDate(t) FROM functions
SELECT nope.toDate(t) FROM functions
SELECT minTimeuuid(b) FROM functions
SELECT maxTimeuuid(t) FROM functions
SELECT fromJson(t) FROM functions
SELECT toJson(t, t) FROM functions
SELECT toJson(p) FROM functions
SELECT k FROM functions WHERE k = toDate(1)
INSERT INTO functions (k, d) VALUES (2, toDate('2015-05-21'))
INSERT INTO functions (k, d) VALUES (2, toDate(1432202400000))
INSERT INTO functions (k, d) VALUES (2, toDate(0x00))
INSERT INTO functions (k, ts) VALUES (2, toTimestamp('2015-05-21'))
INSERT INTO functions (k, b) VALUES (2, toUnixTimestamp('2015-05-21'))
INSERT INTO functions (k, b) VALUES (2, toUnixTimestamp(now()))
INSERT INTO functions (k, b) VALUES (2, toUnixTimestamp((date)'2015-05-21'))
INSERT INTO functions (k, b) VALUES (2, toUnixTimestamp((int)1))
INSERT INTO functions (k, b) VALUES (2, token(1))
INSERT INTO functions (k, b) VALUES (2, token(1, 2))
INSERT INTO functions (k, b) VALUES (2, sum(1))
INSERT INTO functions (k, b) VALUES (2, count(1))
INSERT INTO functions (k, bl) VALUES (2, intAsBlob('x'))
INSERT INTO functions (k, bl) VALUES (2, intAsBlob((text)'x'))
INSERT INTO functions (k, bl) VALUES (2, intAsBlob(blobAsBigint(0x00)))
INSERT INTO functions (k, bl) VALUES (2, nope(1))
INSERT INTO functions (k, bl) VALUES (2, toJson(1))
INSERT INTO functions (k, t) VALUES (2, now())
INSERT INTO functions (k, u) VALUES (2, now())
SELECT sum(blobAsInt(bl)) FROM functions
SELECT intAsBlob(sum(i)) FROM functions
SELECT p.a, p.z, t.a FROM functions
SELECT toJson(sum(i)), toJson(count(p)), textAsBlob(toJson(min(t))) FROM functions
SELECT JSON intAsBlob(sum(i)) AS x FROM functions
INSERT INTO functions (k, ti) VALUES (3, (bigint)1)
INSERT INTO functions (k, vi) VALUES (3, (timestamp)1)
INSERT INTO functions (k, d) VALUES (3, (int)1)
INSERT INTO functions (k, d) VALUES (3, toDate(fromJson('"2015-05-21"')))
INSERT INTO functions (k, d) VALUES (3, toDate(nope(1)))
INSERT INTO functions (k, d) VALUES (3, toDate(null))
INSERT INTO functions (k, ts) VALUES (3, dateOf(null))
INSERT INTO functions (k, ts) VALUES (3, dateOf(minTimeuuid('2015-05-21 10:00:00+0000')))
INSERT INTO functions (k, ts) VALUES (3, dateOf('x'))
INSERT INTO functions (k, ts) VALUES (3, dateOf([1]))
INSERT INTO functions (k, l) VALUES (3, now())
SELECT sum(x.y) FROM functions
SELECT intAsBlob(writetime(t)) FROM functions
SELECT sum(sum(i)) FROM functions
SELECT k, b, bl, d, i, ti, ts, vi FROM functions
SELECT uuid(), now(), toJson(t), intAsBlob(k), k, count(t) FROM functions WHERE k = 99
SELECT JSON toJson(t), intAsBlob(k), sum(k) FROM functions WHERE k = 99
`

export const FUNCTION_STATEMENTS: readonly string[] = CALLS.trim().split('\n')
