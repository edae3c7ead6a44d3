/** Statements about schemas, right ones and wrong ones, in this order on both nodes; and what the schema tables then say. */

const REPLICATION = "replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"

const KEYSPACES = `
CREATE KEYSPACE one WITH ${REPLICATION}
CREATE KEYSPACE one WITH ${REPLICATION}
CREATE KEYSPACE IF NOT EXISTS one WITH ${REPLICATION}
CREATE KEYSPACE "One" WITH ${REPLICATION} AND durable_writes = false
CREATE KEYSPACE two WITH durable_writes = true
CREATE KEYSPACE two WITH replication = 'x'
CREATE KEYSPACE two WITH replication = {}
CREATE KEYSPACE two WITH replication = {'replication_factor': 1}
CREATE KEYSPACE two WITH replication = {'class': 'Nope', 'replication_factor': 1}
CREATE KEYSPACE two WITH replication = {'class': 'SimpleStrategy'}
CREATE KEYSPACE two WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 'x'}
CREATE KEYSPACE two WITH replication = {'class': 'SimpleStrategy', 'replication_factor': -1}
CREATE KEYSPACE two WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1, 'x': 1}
CREATE KEYSPACE two WITH replication = {'class': 'LocalStrategy'}
CREATE KEYSPACE two WITH ${REPLICATION} AND nope = 1
CREATE KEYSPACE two WITH ${REPLICATION} AND durable_writes = {}
CREATE KEYSPACE two WITH ${REPLICATION} AND ${REPLICATION}
CREATE KEYSPACE "a-b" WITH ${REPLICATION}
CREATE KEYSPACE a123456789012345678901234567890123456789012345678 WITH ${REPLICATION}
CREATE KEYSPACE system WITH ${REPLICATION}
CREATE KEYSPACE nts WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}
CREATE KEYSPACE full WITH replication = {'class': 'org.apache.cassandra.locator.SimpleStrategy', 'replication_factor': 2}
CREATE KEYSPACE loose WITH ${REPLICATION} AND durable_writes = 'yes'
CREATE KEYSPACE
CREATE KEYSPACE three
ALTER KEYSPACE one WITH durable_writes = false
ALTER KEYSPACE one WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}
ALTER KEYSPACE one WITH replication = {'replication_factor': 1}
ALTER KEYSPACE one WITH replication = {'class': 'LocalStrategy'}
ALTER KEYSPACE one WITH nope = 1
ALTER KEYSPACE none WITH durable_writes = true
ALTER KEYSPACE system WITH durable_writes = true
SELECT keyspace_name, durable_writes, replication FROM system_schema.keyspaces WHERE keyspace_name IN ('one', 'One', 'nts', 'full', 'loose')
DROP KEYSPACE loose
DROP KEYSPACE loose
DROP KEYSPACE IF EXISTS loose
DROP KEYSPACE system
USE none
`

const TABLES = `
CREATE TABLE one.t (k int PRIMARY KEY, v text)
CREATE TABLE one.t (k int PRIMARY KEY)
CREATE TABLE IF NOT EXISTS one.t (k int PRIMARY KEY)
CREATE TABLE none.t (k int PRIMARY KEY)
CREATE TABLE one."x-y" (k int PRIMARY KEY)
CREATE TABLE one.a123456789012345678901234567890123456789012345678 (k int PRIMARY KEY)
CREATE TABLE one.no (k int)
CREATE TABLE one.no (k int PRIMARY KEY, v int PRIMARY KEY)
CREATE TABLE one.no (k int, v int, PRIMARY KEY (k), PRIMARY KEY (v))
CREATE TABLE one.no (k int, k text, PRIMARY KEY (k))
CREATE TABLE one.no (k int, PRIMARY KEY (x))
CREATE TABLE one.no (k int, PRIMARY KEY (k, k))
CREATE TABLE one.no (k int, PRIMARY KEY ((k, k)))
CREATE TABLE one.no (k int PRIMARY KEY, v nope)
CREATE TABLE one.no (k list<int> PRIMARY KEY)
CREATE TABLE one.no (k int, c map<int, int>, PRIMARY KEY (k, c))
CREATE TABLE one.no (k counter PRIMARY KEY)
CREATE TABLE one.no (k int, c counter, PRIMARY KEY (k, c))
CREATE TABLE one.no (k int PRIMARY KEY, v counter, w int)
CREATE TABLE one.no (k int PRIMARY KEY, v list<counter>)
CREATE TABLE one.no (k int PRIMARY KEY, v tuple<counter>)
CREATE TABLE one.no (k int PRIMARY KEY, v list<list<int>>)
CREATE TABLE one.no (k int PRIMARY KEY, v map<int, set<int>>)
CREATE TABLE one.no (k int PRIMARY KEY, v frozen<int>)
CREATE TABLE one.no (k int PRIMARY KEY, v int static)
CREATE TABLE one.no (k int static PRIMARY KEY, v int)
CREATE TABLE one.no (k int, c int static, PRIMARY KEY (k, c))
CREATE TABLE one.no (k int PRIMARY KEY, v counter) WITH default_time_to_live = 1
CREATE TABLE one.no (k int PRIMARY KEY, v int) WITH CLUSTERING ORDER BY (v DESC)
CREATE TABLE one.no (k int, c int, d int, PRIMARY KEY (k, c, d)) WITH CLUSTERING ORDER BY (d DESC, c ASC)
CREATE TABLE one.no (k int, c int, d int, PRIMARY KEY (k, c, d)) WITH CLUSTERING ORDER BY (d DESC)
CREATE TABLE one.no (k int, c int, d int, PRIMARY KEY (k, c, d)) WITH CLUSTERING ORDER BY (x DESC)
CREATE TABLE one.co (k int, c int, d int, PRIMARY KEY (k, c, d)) WITH CLUSTERING ORDER BY (c DESC)
CREATE TABLE one.no (k int PRIMARY KEY) WITH COMPACT STORAGE
CREATE TABLE one.no (k int PRIMARY KEY, v list<int>) WITH COMPACT STORAGE
CREATE TABLE one.no (k int, c int, s int static, PRIMARY KEY (k, c)) WITH COMPACT STORAGE
CREATE TABLE one.no (k int, c int, v int, w int, PRIMARY KEY (k, c)) WITH COMPACT STORAGE
CREATE TABLE one.dense (k int, c int, v int, PRIMARY KEY (k, c)) WITH COMPACT STORAGE
CREATE TABLE one.dense2 (k int, c int, d int, v int, PRIMARY KEY (k, c, d)) WITH COMPACT STORAGE
CREATE TABLE one.sparse (k int PRIMARY KEY, v int, w int) WITH COMPACT STORAGE
CREATE TABLE one.keys (k int, c int, PRIMARY KEY (k, c))
CREATE TABLE one.counts (k int PRIMARY KEY, n counter, m counter)
CREATE TABLE one.wide (k int, c text, s int static, l list<int>, m map<text, int>, f frozen<set<int>>, PRIMARY KEY ((k), c)) WITH CLUSTERING ORDER BY (c DESC)
CREATE TABLE one."Quoted" ("K" int PRIMARY KEY, "a ""b""" int)
CREATE TABLE one.tuples (k tuple<int, text> PRIMARY KEY, v frozen<tuple<int, list<int>>>)
CREATE TABLE one.no (k int PRIMARY KEY, v duration)
CREATE TABLE one.ofclass (k int PRIMARY KEY, v 'org.apache.cassandra.db.marshal.Int32Type', w 'LongType')
CREATE TABLE one.composed (k int PRIMARY KEY, v 'org.apache.cassandra.db.marshal.CompositeType(org.apache.cassandra.db.marshal.Int32Type,org.apache.cassandra.db.marshal.UTF8Type)', u 'org.apache.cassandra.db.marshal.LexicalUUIDType')
INSERT INTO one.composed (k, v) VALUES (1, '7:a\\:b')
INSERT INTO one.composed (k, v) VALUES (2, '7:!')
INSERT INTO one.composed (k, v) VALUES (3, '7:b:_')
INSERT INTO one.composed (k, v) VALUES (4, 0x000400000007000001620000)
INSERT INTO one.composed (k, v) VALUES (5, 7)
INSERT INTO one.composed (k, v) VALUES (6, 'x:a')
INSERT INTO one.composed (k, v) VALUES (7, '')
INSERT INTO one.composed (k, v) VALUES (8, ':b!!')
INSERT INTO one.composed (k, v) VALUES (9, [1])
INSERT INTO one.composed (k, u) VALUES (1, 00000000-0000-1000-8000-000000000001)
INSERT INTO one.composed (k, u) VALUES (2, 'x')
SELECT k, v, u FROM one.composed WHERE k IN (1, 2, 3, 4, 5, 7, 8)
DROP TABLE one.none
DROP TABLE IF EXISTS one.none
DROP TABLE none.none
`

const OPTIONS = `
CREATE TABLE one.no (k int PRIMARY KEY) WITH nope = 1
CREATE TABLE one.no (k int PRIMARY KEY) WITH comment = 'a' AND comment = 'b'
CREATE TABLE one.no (k int PRIMARY KEY) WITH comment = {}
CREATE TABLE one.no (k int PRIMARY KEY) WITH gc_grace_seconds = -1
CREATE TABLE one.no (k int PRIMARY KEY) WITH gc_grace_seconds = 'x'
CREATE TABLE one.no (k int PRIMARY KEY) WITH gc_grace_seconds = 3000000000
CREATE TABLE one.no (k int PRIMARY KEY) WITH default_time_to_live = -1
CREATE TABLE one.no (k int PRIMARY KEY) WITH bloom_filter_fp_chance = 2
CREATE TABLE one.no (k int PRIMARY KEY) WITH bloom_filter_fp_chance = 0
CREATE TABLE one.no (k int PRIMARY KEY) WITH bloom_filter_fp_chance = 'x'
CREATE TABLE one.no (k int PRIMARY KEY) WITH read_repair_chance = 1.5
CREATE TABLE one.no (k int PRIMARY KEY) WITH dclocal_read_repair_chance = -0.5
CREATE TABLE one.no (k int PRIMARY KEY) WITH crc_check_chance = 1.5
CREATE TABLE one.no (k int PRIMARY KEY) WITH min_index_interval = 0
CREATE TABLE one.no (k int PRIMARY KEY) WITH max_index_interval = 1
CREATE TABLE one.no (k int PRIMARY KEY) WITH min_index_interval = 5000
CREATE TABLE one.no (k int PRIMARY KEY) WITH memtable_flush_period_in_ms = -1
CREATE TABLE one.no (k int PRIMARY KEY) WITH speculative_retry = 'x'
CREATE TABLE one.no (k int PRIMARY KEY) WITH speculative_retry = '101percentile'
CREATE TABLE one.no (k int PRIMARY KEY) WITH speculative_retry = 'NaNpercentile'
CREATE TABLE one.no (k int PRIMARY KEY) WITH speculative_retry = '0x10ms'
CREATE TABLE one.no (k int PRIMARY KEY) WITH read_repair_chance = '0x1'
CREATE TABLE one.no (k int PRIMARY KEY) WITH read_repair_chance = 'nan'
CREATE TABLE one.no (k int PRIMARY KEY) WITH read_repair_chance = ''
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'crc_check_chance': 'x'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'tombstone_threshold': '0x10'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'bucket_low': '0x0'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH caching = 'all'
CREATE TABLE one.no (k int PRIMARY KEY) WITH caching = {'nope': 'ALL'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH caching = {'keys': 'x'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH caching = {'rows_per_partition': 'x'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'Nope'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'sstable_compression': 'Nope'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'chunk_length_in_kb': 4}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'nope': 1}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'org.example.Nope'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'tombstone_threshold': -0.5}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'tombstone_threshold': 'x'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'tombstone_compaction_interval': -1}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'tombstone_compaction_interval': 1.5}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'unchecked_tombstone_compaction': 'maybe'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'enabled': 'yes'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'min_sstable_size': -1}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'bucket_low': 'x'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'bucket_low': 2}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'bucket_high': '0.25'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'min_threshold': 1}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'min_threshold': 0}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'max_threshold': 2}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'max_threshold': 'x'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'min_threshold': -3}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'sstable_size_in_mb': 10}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': 0}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': 'x'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': 3000000000}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'LeveledCompactionStrategy', 'min_threshold': 4}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'DateTieredCompactionStrategy', 'timestamp_resolution': 'weeks'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'DateTieredCompactionStrategy', 'max_sstable_age_days': -1}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'DateTieredCompactionStrategy', 'base_time_seconds': 0}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'DateTieredCompactionStrategy', 'max_window_size_seconds': -1}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'DateTieredCompactionStrategy', 'expired_sstable_check_frequency_seconds': -1}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'TimeWindowCompactionStrategy', 'timestamp_resolution': 'MINUTES'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'WEEKS'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_size': 0}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_size': 'x'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compaction = {'class': 'TimeWindowCompactionStrategy', 'base_time_seconds': 60}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'nope': 1}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'sstable_compression': 'LZ4Compressor'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': ''}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'enabled': 'false'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'enabled': 'false', 'chunk_length_in_kb': 4}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'chunk_length_in_kb': 3}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'chunk_length_in_kb': 0}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'chunk_length_in_kb': -4}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'chunk_length_in_kb': 'x'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'chunk_length_in_kb': 4194304}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'chunk_length_in_kb': 4, 'chunk_length_kb': 4}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'sstable_compression': '', 'nope': 1}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'crc_check_chance': 2}
CREATE TABLE one.no (k int PRIMARY KEY) WITH compression = {'enabled': 'true'}
CREATE TABLE one.no (k int PRIMARY KEY) WITH id = 'x'
CREATE TABLE one.o1 (k int PRIMARY KEY) WITH comment = 'it''s' AND gc_grace_seconds = 60 AND default_time_to_live = 5 AND bloom_filter_fp_chance = 0.5 AND read_repair_chance = 0.25 AND dclocal_read_repair_chance = 1 AND crc_check_chance = 0.5 AND min_index_interval = 64 AND max_index_interval = 256 AND memtable_flush_period_in_ms = 100
CREATE TABLE one.o2 (k int PRIMARY KEY) WITH speculative_retry = '10ms' AND caching = {'keys': 'none', 'rows_per_partition': '10'}
CREATE TABLE one.o20 (k int PRIMARY KEY) WITH speculative_retry = '1.5dms' AND read_repair_chance = ' 0.25f' AND crc_check_chance = 'NaN' AND bloom_filter_fp_chance = '5e-1d'
CREATE TABLE one.o21 (k int PRIMARY KEY) WITH speculative_retry = '.5percentile' AND compaction = {'class': 'SizeTieredCompactionStrategy', 'tombstone_threshold': 'NaN', 'bucket_high': '2f', 'bucket_low': 'NaN'}
CREATE TABLE one.o3 (k int PRIMARY KEY) WITH speculative_retry = 'ALWAYS' AND caching = {'rows_per_partition': 'all'}
CREATE TABLE one.o4 (k int PRIMARY KEY) WITH speculative_retry = 'none' AND compaction = {'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': 100}
CREATE TABLE one.o5 (k int PRIMARY KEY) WITH compression = {} AND compaction = {'class': 'org.apache.cassandra.db.compaction.DateTieredCompactionStrategy'}
CREATE TABLE one.o6 (k int PRIMARY KEY) WITH compression = {'sstable_compression': 'SnappyCompressor', 'chunk_length_kb': 128}
CREATE TABLE one.o7 (k int PRIMARY KEY) WITH compression = {'sstable_compression': ''} AND speculative_retry = '50percentile'
CREATE TABLE one.o8 (k int PRIMARY KEY) WITH compression = {'enabled': 'false'}
CREATE TABLE one.o9 (k int PRIMARY KEY) WITH compression = {'class': 'DeflateCompressor', 'crc_check_chance': '0.5'}
CREATE TABLE one.p1 (k int PRIMARY KEY) WITH compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'HOURS', 'compaction_window_size': 6, 'min_threshold': 2, 'enabled': 'FALSE'}
CREATE TABLE one.p2 (k int PRIMARY KEY) WITH compaction = {'class': 'DateTieredCompactionStrategy', 'base_time_seconds': 3600, 'max_sstable_age_days': '0.5', 'timestamp_resolution': 'MINUTES'}
CREATE TABLE one.p3 (k int PRIMARY KEY) WITH compaction = {'class': 'SizeTieredCompactionStrategy', 'bucket_low': '0.25', 'bucket_high': 1.25, 'min_sstable_size': 10, 'tombstone_threshold': 0.5, 'only_purge_repaired_tombstones': 'x'}
CREATE TABLE one.p4 (k int PRIMARY KEY) WITH compaction = {'class': 'LeveledCompactionStrategy', 'bucket_low': 1, 'tombstone_compaction_interval': 0, 'unchecked_tombstone_compaction': 'True'}
CREATE TABLE one.p5 (k int PRIMARY KEY) WITH compression = {'class': 'LZ4Compressor', 'enabled': 'True', 'chunk_length_kb': 4}
CREATE TABLE one.p6 (k int PRIMARY KEY) WITH compression = {'enabled': 'no'}
ALTER TABLE one.o1 WITH comment = 'other'
ALTER TABLE one.o1 WITH gc_grace_seconds = -1
ALTER TABLE one.o1 WITH nope = 1
ALTER TABLE one.o1 WITH id = '5a1c395e-b41f-11e5-9f22-ba0be0483c18'
ALTER TABLE one.o1 WITH min_index_interval = 1000
ALTER TABLE one.o2 WITH caching = {'keys': 'ALL'}
ALTER TABLE one.counts WITH default_time_to_live = 5
SELECT table_name, bloom_filter_fp_chance, caching, comment, compaction, compression, crc_check_chance, dclocal_read_repair_chance FROM system_schema.tables WHERE keyspace_name = 'one'
SELECT table_name, default_time_to_live, extensions, flags, gc_grace_seconds, max_index_interval, memtable_flush_period_in_ms, min_index_interval, read_repair_chance, speculative_retry FROM system_schema.tables WHERE keyspace_name = 'one'
SELECT table_name, column_name, clustering_order, column_name_bytes, kind, position, type FROM system_schema.columns WHERE keyspace_name = 'one'
`

const ALTERATIONS = `
ALTER TABLE one.t ADD w int
ALTER TABLE one.t ADD w int
ALTER TABLE one.t ADD k int
ALTER TABLE one.t ADD s int static
ALTER TABLE one.t ADD n counter
ALTER TABLE one.t ADD x nope
ALTER TABLE one.none ADD w int
ALTER TABLE one.wide ADD s2 text static
ALTER TABLE one.wide ADD l2 list<text>
ALTER TABLE one.dense ADD w int
ALTER TABLE one.dense ADD w int static
ALTER TABLE one.sparse ADD x int static
ALTER TABLE one.sparse ADD x list<int>
ALTER TABLE one.counts ADD o counter
ALTER TABLE one.counts ADD o2 int
ALTER TABLE one.keys ADD v counter
ALTER TABLE one.keys ADD v int
ALTER TABLE one.t ALTER v TYPE blob
ALTER TABLE one.t ALTER v TYPE int
ALTER TABLE one.t ALTER nope TYPE int
ALTER TABLE one.t DROP k
ALTER TABLE one.t DROP none
ALTER TABLE one.dense DROP v
ALTER TABLE one.sparse DROP v
ALTER TABLE one.t DROP w
ALTER TABLE one.t ADD w text
ALTER TABLE one.wide DROP m
ALTER TABLE one.wide ADD m map<text, text>
ALTER TABLE one.wide ADD m list<int>
ALTER TABLE one.wide ADD m map<text, int>
ALTER TABLE one.wide DROP l
ALTER TABLE one.wide ADD l int
ALTER TABLE one.wide DROP l USING TIMESTAMP 5
ALTER TABLE one.wide ADD l set<int>
ALTER TABLE one.counts DROP o
ALTER TABLE one.counts ADD o counter
ALTER TABLE one.t RENAME k TO key
ALTER TABLE one.t RENAME k TO key2
ALTER TABLE one.t RENAME key TO v
ALTER TABLE one.t RENAME v TO w2
ALTER TABLE one.wide RENAME k TO a AND c TO b
ALTER TABLE one.dense RENAME c TO c2
ALTER TABLE one.t
ALTER TABLE one.t WITH
ALTER TABLE one.t ADD
SELECT table_name, column_name, type FROM system_schema.dropped_columns WHERE keyspace_name = 'one'
SELECT table_name, column_name, clustering_order, kind, position, type FROM system_schema.columns WHERE keyspace_name = 'one' AND table_name IN ('t', 'wide', 'counts', 'dense', 'keys')
`

const TYPES = `
CREATE TYPE one.pair (a int, b text)
CREATE TYPE one.pair (a int)
CREATE TYPE IF NOT EXISTS one.pair (a int)
CREATE TYPE none.pair (a int)
CREATE TYPE one.no (a int, a text)
CREATE TYPE one.no (a counter)
CREATE TYPE one.no (a nope)
CREATE TYPE one.no (a pair)
CREATE TYPE one.no (a frozen<none.pair>)
CREATE TYPE one.no ()
CREATE TYPE one.int (a int)
CREATE TYPE one.date (a int)
CREATE TYPE one.outer (p frozen<pair>, l list<frozen<pair>>, "Q x" int)
CREATE TYPE one.open (l list<int>)
CREATE TABLE one.typed (k int PRIMARY KEY, p frozen<pair>, o frozen<outer>, l list<frozen<pair>>, m map<text, frozen<tuple<int, pair>>>)
CREATE TABLE one.no (k int PRIMARY KEY, p pair)
CREATE TABLE one.no (k pair PRIMARY KEY)
CREATE TABLE one.no (k int PRIMARY KEY, p list<pair>)
CREATE TABLE one.udtkey (k frozen<pair> PRIMARY KEY)
ALTER TYPE one.pair ADD c int
ALTER TYPE one.pair ADD a int
ALTER TYPE one.pair ADD d nope
ALTER TYPE one.pair ADD d frozen<outer>
ALTER TYPE one.pair ADD d frozen<pair>
ALTER TYPE one.pair ADD d frozen<open>
ALTER TYPE one.pair ALTER a TYPE blob
ALTER TYPE one.none ADD a int
ALTER TYPE none.pair ADD a int
ALTER TYPE one.pair RENAME a TO aa
ALTER TYPE one.pair RENAME none TO x
ALTER TYPE one.pair RENAME aa TO b
ALTER TYPE one.pair RENAME aa TO a AND b TO bb
DROP TYPE one.pair
DROP TYPE one.outer
DROP TYPE one.open
DROP TYPE one.none
DROP TYPE IF EXISTS one.none
DROP TYPE none.none
DROP TYPE IF EXISTS none.none
SELECT type_name, field_names, field_types FROM system_schema.types WHERE keyspace_name = 'one'
SELECT column_name, type FROM system_schema.columns WHERE keyspace_name = 'one' AND table_name = 'typed'
`

const INDEXES = `
CREATE TABLE one.ix (k int, h int, c int, v text, s int static, l list<int>, st set<int>, m map<text, int>, f frozen<list<int>>, PRIMARY KEY ((k, h), c))
CREATE INDEX ON one.ix (v)
CREATE INDEX ON one.ix (v)
CREATE INDEX IF NOT EXISTS ON one.ix (v)
CREATE INDEX other ON one.ix (v)
CREATE INDEX named ON one.ix (c)
CREATE INDEX named ON one.ix (l)
CREATE INDEX IF NOT EXISTS named ON one.ix (l)
CREATE INDEX ON one.ix (h)
CREATE INDEX ON one.ix (s)
CREATE INDEX ON one.ix (none)
CREATE INDEX ON one.none (v)
CREATE INDEX ON none.none (v)
CREATE INDEX ON one.ix (l)
CREATE INDEX ON one.ix (keys(l))
CREATE INDEX ON one.ix (keys(m))
CREATE INDEX ON one.ix (values(m))
CREATE INDEX ON one.ix (entries(m))
CREATE INDEX ON one.ix (entries(st))
CREATE INDEX ON one.ix (full(m))
CREATE INDEX ON one.ix (full(f))
CREATE INDEX ON one.ix (f)
CREATE INDEX ON one.ix (keys(v))
CREATE INDEX ON one.ix (values(v))
CREATE INDEX ON one.ix (full(v))
CREATE INDEX ON one.ix (v, c)
CREATE INDEX ON one.ix ()
CREATE INDEX ON one.counts (n)
CREATE INDEX ON one.keys (k)
CREATE INDEX ON one.dense (v)
CREATE INDEX ON one.sparse (v)
CREATE INDEX ON one.sparse (k)
ALTER TABLE one.ix DROP v
ALTER TABLE one.ix RENAME c TO cc
SELECT table_name, index_name, kind, options FROM system_schema.indexes WHERE keyspace_name = 'one'
DROP INDEX one.named
DROP INDEX one.named
DROP INDEX IF EXISTS one.named
DROP INDEX none.named
DROP INDEX IF EXISTS none.named
`

const OTHERS = `
TRUNCATE one.t
TRUNCATE TABLE one.t
TRUNCATE one.none
TRUNCATE none.none
DROP TABLE system.local
ALTER TABLE system.local ADD x int
CREATE TABLE system.x (k int PRIMARY KEY)
CREATE TYPE system.x (a int)
CREATE INDEX ON system.local (cluster_name)
DROP TABLE one.typed
DROP TYPE one.outer
DROP KEYSPACE one
DROP KEYSPACE "One"
SELECT * FROM one.t
SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'one'
`

export const SCHEMA_STATEMENTS: readonly string[] = [
  ...[KEYSPACES, TABLES, OPTIONS, ALTERATIONS, TYPES, INDEXES, OTHERS].flatMap((text) =>
    text.trim().split('\n'),
  ),
]
