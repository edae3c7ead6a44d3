// The ordinary use of gocql, as it comes from the Go proxy, against gateways: `mode=checks host=.. port=..` and the like.
package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/gocql/gocql"
)

func main() {
	given := readSettings(os.Args[1:])
	switch given.mode {
	case "checks":
		runChecks(given)
	case "wrong":
		check("a_wrong_password_is_refused", func() {
			_, err := clusterOf(given).CreateSession()
			isTrue(err != nil, "a session was refused")
			fails[error](err, "Username and/or password are incorrect")
		})
	case "restart":
		check("a_session_outlives_a_restart", func() { outlive(given) })
	case "pair":
		check("both_gateways_are_found_and_asked", func() { askBoth(given) })
	}
}

func clusterOf(given settings) *gocql.ClusterConfig {
	cluster := gocql.NewCluster(given.host)
	cluster.Port = given.port
	cluster.ProtoVersion = given.version
	cluster.Timeout = 10 * time.Second
	cluster.ConnectTimeout = 10 * time.Second
	cluster.ReconnectInterval = time.Second
	cluster.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(gocql.RoundRobinHostPolicy())
	cluster.Compressor = compressor(given.compression)
	if given.user != "" {
		cluster.Authenticator = gocql.PasswordAuthenticator{Username: given.user, Password: given.password}
	}
	if given.ca != "" {
		cluster.SslOpts = &gocql.SslOptions{CaPath: given.ca, EnableHostVerification: true}
	}
	return cluster
}

func open(given settings, keyspace string) *gocql.Session {
	cluster := clusterOf(given)
	cluster.Keyspace = keyspace
	session, err := cluster.CreateSession()
	must(err)
	return session
}

// hosts notes who answered.
type hosts struct {
	answered map[string]int
	version  string
}

func (h *hosts) ObserveQuery(_ context.Context, query gocql.ObservedQuery) {
	if h.answered == nil {
		h.answered = map[string]int{}
	}
	if query.Err == nil {
		h.answered[query.Host.ConnectAddress().String()]++
	}
	h.version = query.Host.Version().String()
}

const createKeyspace = "CREATE KEYSPACE IF NOT EXISTS %s WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '1'}"

// outlive reads a row by a prepared statement, before and after the gateway was another process.
func outlive(given settings) {
	session := open(given, "")
	defer session.Close()
	must(session.Query(fmt.Sprintf(createKeyspace, "restart_go")).Exec())
	must(session.Query("CREATE TABLE IF NOT EXISTS restart_go.t (k int PRIMARY KEY, v text)").Exec())
	must(session.Query("INSERT INTO restart_go.t (k, v) VALUES (?, ?)", 1, "one").Exec())
	read := func() (value string, err error) {
		err = session.Query("SELECT v FROM restart_go.t WHERE k = ?", 1).Scan(&value)
		return
	}
	value, err := read()
	must(err)
	same(value, "one")
	waitForLine("ready")
	until("it is read again", func() bool {
		value, err = read()
		return err == nil
	})
	same(value, "one")
	until("the schema changes again", func() bool {
		return session.Query("CREATE TABLE IF NOT EXISTS restart_go.other (k int PRIMARY KEY)").Exec() == nil
	})
}

// askBoth finds the second gateway through the first, and hears of its end and return.
func askBoth(given settings) {
	cluster := clusterOf(given)
	seen := &hosts{}
	cluster.QueryObserver = seen
	session, err := cluster.CreateSession()
	must(err)
	defer session.Close()
	ask := func() map[string]int {
		seen.answered = map[string]int{}
		for key := range 60 {
			var value string
			if session.Query("SELECT v FROM pair.t WHERE k = ?", key%10).Scan(&value) == nil {
				same(value, "v")
			}
		}
		return seen.answered
	}
	both := func() bool { return len(ask()) == 2 }
	until("both answer", both)
	waitForLine("ready")
	until("one answers", func() bool { return reflect.DeepEqual(ask(), map[string]int{"127.0.0.1": 60}) })
	waitForLine("ready")
	until("both answer again", both)
}
