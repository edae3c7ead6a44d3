package main

import (
	"bytes"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"github.com/gocql/gocql"
	"gopkg.in/inf.v0"
)

// address is the user type of the checks.
type address struct {
	Street string `cql:"street"`
	Number int    `cql:"number"`
}

func runChecks(given settings) {
	name := fmt.Sprintf("go_%d_%s", given.version, given.compression)
	if given.user != "" {
		name += "_" + given.user
	}
	first := open(given, "")
	defer first.Close()
	must(first.Query(fmt.Sprintf(createKeyspace, name)).Exec())
	session := open(given, name)
	defer session.Close()

	check("a_node_of_cassandra_3_0_is_found", func() {
		cluster := clusterOf(given)
		seen := &hosts{}
		cluster.QueryObserver = seen
		observed, err := cluster.CreateSession()
		must(err)
		defer observed.Close()
		must(observed.Query("SELECT key FROM system.local").Exec())
		same(seen.version, "v3.0.15")
		same(seen.answered, map[string]int{given.host: 1})
	})
	check("schemas_are_made_and_described", func() { describe(session, name) })
	check("what_exists_is_not_made_again", func() {
		err := session.Query("CREATE TABLE rows (k int PRIMARY KEY)").Exec()
		again := fails[*gocql.RequestErrAlreadyExists](err, "already existing table")
		same([]string{again.Keyspace, again.Table}, []string{name, "rows"})
		must(session.Query("CREATE TABLE IF NOT EXISTS rows (k int PRIMARY KEY)").Exec())
	})
	check("rows_are_written_and_read", func() {
		must(session.Query("INSERT INTO rows (k, c, v) VALUES ('a', 1, 'one')").Exec())
		must(session.Query("INSERT INTO rows (k, c, v, n) VALUES (?, ?, ?, ?)", "a", 2, "two", int64(1)<<60).Exec())
		all, err := session.Query("SELECT c, v, n FROM rows WHERE k = ?", "a").Iter().SliceMap()
		must(err)
		same(all, []map[string]any{
			{"c": 2, "v": "two", "n": int64(1) << 60},
			{"c": 1, "v": "one", "n": int64(0)},
		})
		var none string
		same(session.Query("SELECT v FROM rows WHERE k = 'nobody'").Scan(&none), gocql.ErrNotFound)
	})
	check("values_of_every_kind_come_back", func() { valuesOf(session, given.version) })
	check("pages_are_fetched_one_after_the_other", func() { pages(session) })
	check("a_batch_writes_all_of_its_rows", func() {
		batch := session.NewBatch(gocql.LoggedBatch)
		for c := range 5 {
			batch.Query("INSERT INTO rows (k, c, v) VALUES (?, ?, ?)", "batch", c, "v")
		}
		must(session.ExecuteBatch(batch))
		var count int
		must(session.Query("SELECT count(*) FROM rows WHERE k = 'batch'").Scan(&count))
		same(count, 5)
	})
	check("conditions_say_whether_they_were_met", func() { conditions(session) })
	check("times_and_lives_of_cells_are_told", func() {
		must(session.Query("INSERT INTO rows (k, c, v) VALUES ('times', 1, 'v') USING TTL 1000").WithTimestamp(1234).Exec())
		var written int64
		var left int
		must(session.Query("SELECT writetime(v), ttl(v) FROM rows WHERE k = 'times'").Scan(&written, &left))
		same(written, int64(1234))
		isTrue(left >= 990 && left <= 1000, "about 1000 seconds are left")
	})
	check("counters_count", func() {
		must(session.Query("CREATE TABLE counts (k int PRIMARY KEY, n counter)").Exec())
		for range 3 {
			must(session.Query("UPDATE counts SET n = n + ? WHERE k = 1", 2).Exec())
		}
		var n int64
		must(session.Query("SELECT n FROM counts WHERE k = 1").Scan(&n))
		same(n, int64(6))
	})
	check("an_index_finds_rows", func() {
		must(session.Query("INSERT INTO rows (k, c, v) VALUES ('indexed', 1, 'needle')").Exec())
		var k string
		must(session.Query("SELECT k FROM rows WHERE v = ?", "needle").Scan(&k))
		same(k, "indexed")
	})
	check("system_tables_are_selected_like_others", func() {
		var version string
		var count int
		query := "SELECT release_version AS v, count(*) FROM system.local WHERE key = ?"
		must(session.Query(query, "local").Scan(&version, &count))
		same(version, "3.0.15")
		fails[gocql.RequestError](session.Query("SELECT * FROM system.peers_v2").Exec(), "unconfigured table")
	})
	check("changes_of_the_schema_are_heard_of", func() { schemaChanges(session, given, name) })
	check("refusals_are_cassandras", func() {
		syntax := fails[gocql.RequestError](session.Query("nonsense").Exec(), "line 1:0 no viable alternative")
		same(syntax.Code(), gocql.ErrCodeSyntax)
		missing := fails[gocql.RequestError](session.Query("SELECT * FROM nothing").Exec(), "unconfigured table nothing")
		same(missing.Code(), gocql.ErrCodeInvalid)
		must(session.Query("SELECT * FROM rows LIMIT 1").Exec())
	})
	check("a_keyspace_is_dropped_with_all_that_is_in_it", func() {
		must(session.Query("DROP KEYSPACE " + name).Exec())
		until("it is gone", func() bool {
			_, err := session.KeyspaceMetadata(name)
			return err == gocql.ErrKeyspaceDoesNotExist
		})
	})
}

func describe(session *gocql.Session, name string) {
	for _, statement := range []string{
		"CREATE TYPE address (street text, number int)",
		"CREATE TABLE rows (k text, c int, s text static, v text, n bigint, PRIMARY KEY (k, c)) WITH CLUSTERING ORDER BY (c DESC)",
		"CREATE INDEX rows_v ON rows (v)",
	} {
		must(session.Query(statement).Exec())
	}
	var keyspace *gocql.KeyspaceMetadata
	until("the schema is known", func() bool {
		known, err := session.KeyspaceMetadata(name)
		must(err)
		keyspace = known
		return known.UserTypes["address"] != nil && known.Tables["rows"] != nil
	})
	same(keyspace.StrategyClass, "org.apache.cassandra.locator.SimpleStrategy")
	table := keyspace.Tables["rows"]
	same([]string{table.PartitionKey[0].Name, table.ClusteringColumns[0].Name}, []string{"k", "c"})
	same(table.Columns["s"].Kind, gocql.ColumnStatic)
	same(table.ClusteringColumns[0].Order, gocql.DESC)
	same(keyspace.UserTypes["address"].FieldNames, []string{"street", "number"})
}

func valuesOf(session *gocql.Session, version int) {
	must(session.Query("CREATE TABLE kinds (k int PRIMARY KEY, a ascii, b blob, d decimal, e double, f float, g boolean, " +
		"h inet, i frozen<address>, l list<int>, m map<text, int>, s set<text>, t timestamp, u uuid, v varint, " +
		"x timeuuid)").Exec())
	now := time.UnixMilli(1767323045678).UTC()
	id, timeId := gocql.MustRandomUUID(), gocql.TimeUUID()
	big90 := new(big.Int).Lsh(big.NewInt(-1), 90)
	home := address{"Elm Street", 7}
	must(session.Query("INSERT INTO kinds (k, a, b, d, e, f, g, h, i, l, m, s, t, u, v, x) "+
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		1, "ascii", []byte{0, 255}, inf.NewDec(-150, 2), -0.25, float32(0.5), true, net.IPv4(10, 0, 0, 1), home,
		[]int{3, 1, 2}, map[string]int{"b": 2, "a": 1}, []string{"y", "x"}, now, id, big90, timeId).Exec())
	var a string
	var b []byte
	var d inf.Dec
	var e float64
	var f float32
	var g bool
	var h net.IP
	var i address
	var l []int
	var m map[string]int
	var s []string
	var t time.Time
	var u, x gocql.UUID
	var v big.Int
	must(session.Query("SELECT a, b, d, e, f, g, h, i, l, m, s, t, u, v, x FROM kinds WHERE k = 1").
		Scan(&a, &b, &d, &e, &f, &g, &h, &i, &l, &m, &s, &t, &u, &v, &x))
	isTrue(bytes.Equal(b, []byte{0, 255}) && h.Equal(net.IPv4(10, 0, 0, 1)), "blob and inet")
	isTrue(d.Cmp(inf.NewDec(-150, 2)) == 0 && v.Cmp(big90) == 0 && t.Equal(now), "decimal, varint and timestamp")
	same([]any{a, e, f, g, i, l, m}, []any{"ascii", -0.25, float32(0.5), true, home, []int{3, 1, 2}, map[string]int{"b": 2, "a": 1}})
	same([]any{s, u, x}, []any{[]string{"x", "y"}, id, timeId})
	if version != 3 {
		newerValues(session, now.Truncate(24*time.Hour))
	}
}

// newerValues are of types that version 3 does not name, and the driver does not write there.
func newerValues(session *gocql.Session, day time.Time) {
	must(session.Query("CREATE TABLE newer (k int PRIMARY KEY, w smallint, q tinyint, y date, z time)").Exec())
	must(session.Query("INSERT INTO newer (k, w, q, y, z) VALUES (1, ?, ?, ?, ?)", int16(-2), int8(7), day, 5*time.Nanosecond).Exec())
	var w int16
	var q int8
	var y time.Time
	var z time.Duration
	must(session.Query("SELECT w, q, y, z FROM newer WHERE k = 1").Scan(&w, &q, &y, &z))
	isTrue(y.Equal(day), "date")
	same([]any{w, q, z}, []any{int16(-2), int8(7), 5 * time.Nanosecond})
}

func pages(session *gocql.Session) {
	for c := range 300 {
		must(session.Query("INSERT INTO rows (k, c, v) VALUES ('pages', ?, 'v')", c).Exec())
	}
	iter := session.Query("SELECT c FROM rows WHERE k = 'pages'").PageSize(70).Iter()
	same(iter.NumRows(), 70)
	seen, c := 0, 0
	for iter.Scan(&c) {
		same(c, 299-seen)
		seen++
	}
	must(iter.Close())
	same(seen, 300)
	// A caller may carry the state to another query.
	page := session.Query("SELECT c FROM rows WHERE k = 'pages'").PageSize(200).PageState(nil).Iter()
	rest := session.Query("SELECT c FROM rows WHERE k = 'pages'").PageSize(200).PageState(page.PageState()).Iter()
	same([]int{page.NumRows(), rest.NumRows()}, []int{200, 100})
}

func conditions(session *gocql.Session) {
	insert := "INSERT INTO rows (k, c, v) VALUES ('lwt', 1, ?) IF NOT EXISTS"
	isApplied, err := session.Query(insert, "first").MapScanCAS(map[string]any{})
	must(err)
	isTrue(isApplied, "the first is written")
	there := map[string]any{}
	isApplied, err = session.Query(insert, "second").MapScanCAS(there)
	must(err)
	isTrue(!isApplied && there["v"] == "first", "the second is told of the first")
	var before string
	isApplied, err = session.Query("UPDATE rows SET v = ? WHERE k = 'lwt' AND c = 1 IF v = ?", "x", "first").ScanCAS(&before)
	must(err)
	isTrue(isApplied, "the condition is met")
}

func schemaChanges(session *gocql.Session, given settings, name string) {
	other := open(given, name)
	defer other.Close()
	_, err := other.KeyspaceMetadata(name)
	must(err)
	must(other.Query("SELECT * FROM rows WHERE k = ?", "a").Exec())
	must(session.Query("ALTER TABLE rows ADD extra text").Exec())
	until("the new column is known", func() bool {
		keyspace, err := other.KeyspaceMetadata(name)
		must(err)
		return keyspace.Tables["rows"].Columns["extra"] != nil
	})
	row := map[string]any{}
	must(other.Query("SELECT * FROM rows WHERE k = ? LIMIT 1", "a").MapScan(row))
	_, isThere := row["extra"]
	isTrue(isThere && strings.HasPrefix(fmt.Sprint(row["v"]), "t"), "the row has the new column")
}
