"""The ordinary use of DataStax's Python driver, as it comes from PyPI, against gateways.

usage: cql.py mode=checks|wrong|restart|pair host=.. port=.. [version=..] [compression=..] [user=.. password=.. ca=..]

Version 0: the driver finds out. Prints `ok NAME` or `not ok NAME: REASON` for each check.
"""
import ssl
import sys
import time
import traceback
import uuid
from decimal import Decimal

from cassandra import ConsistencyLevel, InvalidRequest, AlreadyExists
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT, NoHostAvailable
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.policies import ConstantReconnectionPolicy, DCAwareRoundRobinPolicy, TokenAwarePolicy
from cassandra.protocol import ProtocolException, SyntaxException
from cassandra.query import BatchStatement, BatchType, SimpleStatement, dict_factory

given = dict(argument.split("=", 1) for argument in sys.argv[1:])
version, compression = int(given.get("version", 0)), given.get("compression", "none")
name = f"python{version}{compression}{given.get('user', '')}"
replication = "{'class': 'SimpleStrategy', 'replication_factor': '1'}"
# How long a driver may take to find out that a gateway came or went.
PATIENCE_S = 20
checks = []


def connect(**options):
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy("datacenter1")), request_timeout=20
    )
    if version:
        options["protocol_version"] = version
    if "user" in given:
        options["auth_provider"] = PlainTextAuthProvider(given["user"], given["password"])
    if "ca" in given:
        options["ssl_context"] = ssl.create_default_context(cafile=given["ca"])
        options["ssl_options"] = {"server_hostname": "localhost"}
    return Cluster(
        [given["host"]],
        port=int(given["port"]),
        compression=False if compression == "none" else compression,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ConstantReconnectionPolicy(0.2, max_attempts=None),
        connect_timeout=20,
        **options,
    )


def until(what, ask):
    """Asks until the answer is yes; a question that fails is asked again."""
    end = time.time() + PATIENCE_S
    while True:
        try:
            if ask():
                return
        except Exception as error:
            what = f"{what} ({error!r})" if time.time() > end else what
        assert time.time() < end, f"in vain until {what}"
        time.sleep(0.05)


def wait_for_line():
    """Tells whoever started the program that it is ready, and waits for a word."""
    print("ready", flush=True)
    sys.stdin.readline()


def check(function):
    checks.append(function)
    return function


def raises(kind, text, function):
    try:
        function()
    except kind as error:
        assert text in str(error), str(error)
        return
    raise AssertionError(f"{kind.__name__} was not raised")


@check
def a_node_of_cassandra_3_0_is_found():
    assert cluster.protocol_version == (version or 4), cluster.protocol_version
    assert cluster.metadata.cluster_name == "godwit", cluster.metadata.cluster_name
    (host,) = cluster.metadata.all_hosts()
    assert host.release_version == "3.0.15" and host.datacenter == "datacenter1", host
    assert cluster.metadata.partitioner == "org.apache.cassandra.dht.Murmur3Partitioner"
    assert len(cluster.metadata.token_map.ring) == 8


@check
def schemas_are_made_and_described():
    session.execute(f"CREATE KEYSPACE {name} WITH replication = {replication}")
    session.set_keyspace(name)
    session.execute(
        "CREATE TABLE rows (k text, c int, s text static, v text, n bigint, PRIMARY KEY (k, c)) "
        "WITH CLUSTERING ORDER BY (c DESC) AND comment = 'of the tests'"
    )
    table = cluster.metadata.keyspaces[name].tables["rows"]
    assert [column.name for column in table.primary_key] == ["k", "c"], table.primary_key
    assert table.columns["s"].is_static and table.columns["c"].is_reversed
    assert table.options["comment"] == "of the tests"
    text = table.export_as_string()
    assert "CLUSTERING ORDER BY (c DESC)" in text and "COMPACT" not in text, text
    assert "system_schema" in cluster.metadata.keyspaces
    session.execute("CREATE TYPE address (street text, number int)")
    session.execute("CREATE INDEX rows_v ON rows (v)")
    keyspace = cluster.metadata.keyspaces[name]
    assert keyspace.user_types["address"].field_names == ["street", "number"], keyspace.user_types
    assert keyspace.indexes["rows_v"].index_options == {"target": "v"}, keyspace.indexes["rows_v"].index_options


@check
def what_exists_is_not_made_again():
    raises(AlreadyExists, "already exists", lambda: session.execute("CREATE TABLE rows (k int PRIMARY KEY)"))
    session.execute("CREATE TABLE IF NOT EXISTS rows (k int PRIMARY KEY)")


@check
def rows_are_written_and_read():
    session.execute("INSERT INTO rows (k, c, v) VALUES (%s, %s, %s)", ("a", 1, "one"))
    insert = session.prepare("INSERT INTO rows (k, c, v, n) VALUES (?, ?, ?, ?)")
    session.execute(insert, ("a", 2, "two", 1 << 60))
    select = session.prepare("SELECT c, v, n FROM rows WHERE k = ?")
    assert select.routing_key_indexes in ([0], None), select.routing_key_indexes
    assert [tuple(row) for row in session.execute(select, ("a",))] == [(2, "two", 1 << 60), (1, "one", None)]
    named = session.prepare("SELECT v FROM rows WHERE k = :key AND c = :place")
    assert session.execute(named, {"key": "a", "place": 1}).one().v == "one"


@check
def values_of_every_kind_come_back():
    session.execute(
        "CREATE TABLE kinds (k int PRIMARY KEY, a ascii, b blob, d decimal, f float, g double, i inet, l list<int>, "
        "m map<text, int>, o boolean, s set<text>, t timestamp, u uuid, v varint, x frozen<tuple<int, text>>, "
        "y date, z time, w smallint, q tinyint, j frozen<address>)"
    )
    from collections import namedtuple
    from datetime import datetime

    Address = namedtuple("Address", ["street", "number"])
    cluster.register_user_type(name, "address", Address)
    values = dict(
        k=1, a="ascii", b=b"\x00\xff", d=Decimal("-1.50"), f=0.5, g=-0.25, i="10.0.0.1", l=[3, 1, 2], m={"b": 2, "a": 1},
        o=True, s={"y", "x"}, t=datetime(2026, 1, 2, 3, 4, 5), u=uuid.uuid4(), v=-(1 << 90), x=(1, "x"),
        w=-2, q=7, j=Address("Elm Street", 7),
    )
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    session.execute(session.prepare(f"INSERT INTO kinds ({names}) VALUES ({marks})"), list(values.values()))
    session.execute("UPDATE kinds SET y = '2026-01-02', z = '03:04:05.000000006' WHERE k = 1")
    row = session.execute("SELECT * FROM kinds").one()
    for column, value in values.items():
        got = getattr(row, column)
        got = {**got} if column == "m" else got
        assert got == value or (column == "s" and set(got) == value), (column, got, value)
    assert str(row.y) == "2026-01-02" and str(row.z) == "03:04:05.000000006", (row.y, row.z)


@check
def pages_are_fetched_one_after_the_other():
    insert = session.prepare("INSERT INTO rows (k, c, v) VALUES ('pages', ?, 'v')")
    execute_concurrent_with_args(session, insert, [(c,) for c in range(300)], concurrency=100)
    result = session.execute(SimpleStatement("SELECT c FROM rows WHERE k = 'pages'", fetch_size=70))
    assert result.has_more_pages and len(result.current_rows) == 70
    assert [row.c for row in result] == list(range(299, -1, -1))


@check
def a_batch_writes_all_of_its_rows():
    insert = session.prepare("INSERT INTO rows (k, c, v) VALUES (?, ?, ?)")
    batch = BatchStatement(BatchType.LOGGED)
    for c in range(5):
        batch.add(insert, ("batch", c, str(c)))
    batch.add(SimpleStatement("DELETE FROM rows WHERE k = 'batch' AND c = 9"))
    session.execute(batch)
    assert len(session.execute("SELECT c FROM rows WHERE k = 'batch'").all()) == 5


@check
def conditions_say_whether_they_were_met():
    insert = "INSERT INTO rows (k, c, v) VALUES ('lwt', 1, %s) IF NOT EXISTS"
    assert session.execute(insert, ("first",)).was_applied
    again = session.execute(insert, ("second",)).one()
    assert not again[0] and again.v == "first", again
    update = session.prepare("UPDATE rows SET v = ? WHERE k = 'lwt' AND c = 1 IF v = ?")
    assert not session.execute(update, ("x", "wrong")).was_applied
    assert session.execute(update, ("x", "first")).was_applied


@check
def times_and_lives_of_cells_are_told():
    session.execute("INSERT INTO rows (k, c, v) VALUES ('times', 1, 'v') USING TIMESTAMP 1234 AND TTL 1000")
    row = session.execute("SELECT writetime(v), ttl(v) FROM rows WHERE k = 'times'").one()
    assert row[0] == 1234 and 990 <= row[1] <= 1000, row


@check
def counters_count():
    session.execute("CREATE TABLE counts (k int PRIMARY KEY, n counter)")
    for _ in range(3):
        session.execute("UPDATE counts SET n = n + 2 WHERE k = 1")
    assert session.execute("SELECT n FROM counts WHERE k = 1").one().n == 6


@check
def an_index_finds_rows():
    session.execute("INSERT INTO rows (k, c, v) VALUES ('indexed', 1, 'needle')")
    assert session.execute("SELECT k FROM rows WHERE v = %s", ("needle",)).one().k == "indexed"


@check
def system_tables_are_selected_like_others():
    statement = session.prepare("SELECT release_version AS v, count(*) FROM system.local WHERE key = ?")
    row = session.execute(statement, ("local",)).one()
    assert row.v == "3.0.15" and row.count == 1, row
    select = "SELECT column_name FROM system_schema.columns WHERE keyspace_name = %s AND table_name = 'rows' LIMIT 2"
    assert [row.column_name for row in session.execute(select, (name,))] == ["c", "k"]
    raises(InvalidRequest, "unconfigured table", lambda: session.execute("SELECT * FROM system.peers_v2"))


@check
def changes_of_the_schema_are_heard_of():
    other = connect()
    listening = other.connect(name)
    session.execute("ALTER TABLE rows ADD extra text")
    until = time.time() + 10
    while "extra" not in other.metadata.keyspaces[name].tables["rows"].columns and time.time() < until:
        time.sleep(0.05)
    assert "extra" in other.metadata.keyspaces[name].tables["rows"].columns
    assert listening.execute("SELECT extra FROM rows WHERE k = 'a' AND c = 1").one().extra is None
    other.shutdown()


@check
def refusals_are_cassandras():
    raises(SyntaxException, "line 1:0 no viable alternative", lambda: session.execute("nonsense"))
    raises(InvalidRequest, "unconfigured table nothing", lambda: session.execute("SELECT * FROM nothing"))
    raises(InvalidRequest, "ALLOW FILTERING", lambda: session.execute("SELECT * FROM rows WHERE n = 1"))
    session.execute("SELECT * FROM rows LIMIT 1")


@check
def a_keyspace_is_dropped_with_all_that_is_in_it():
    session.execute(f"DROP KEYSPACE {name}")
    assert name not in cluster.metadata.keyspaces


def run(function):
    try:
        function()
        print(f"ok {function.__name__}", flush=True)
    except Exception as error:
        print(f"not ok {function.__name__}: {error!r} {traceback.format_exc()}", flush=True)


def a_wrong_password_is_refused():
    raises(NoHostAvailable, "Username and/or password are incorrect", lambda: connect().connect())


def a_session_outlives_a_restart():
    """Reads a row by a prepared statement, before and after the gateway was another process."""
    session.execute(f"CREATE KEYSPACE restart_python WITH replication = {replication}")
    session.execute("CREATE TABLE restart_python.t (k int PRIMARY KEY, v text)")
    session.execute("INSERT INTO restart_python.t (k, v) VALUES (1, 'one')")
    select = session.prepare("SELECT v FROM restart_python.t WHERE k = ?")
    assert session.execute(select, (1,)).one().v == "one"
    wait_for_line()
    until("it is read again", lambda: session.execute(select, (1,)).one().v == "one")
    until(
        "the schema changes again",
        lambda: session.execute("CREATE TABLE IF NOT EXISTS restart_python.other (k int PRIMARY KEY)") is not None
        and "other" in cluster.metadata.keyspaces["restart_python"].tables,
    )


def both_gateways_are_found_and_asked():
    """Finds the second gateway through the first, and hears of its end and return."""
    select = session.prepare("SELECT v FROM pair.t WHERE k = ?")

    def asked():
        hosts = set()
        for key in range(60):
            result = session.execute(select, (key % 10,))
            assert result.one().v == "v"
            hosts.add(result.response_future.coordinator_host.address)
        return hosts

    until("both answer", lambda: len(asked()) == 2)
    wait_for_line()
    until("one answers", lambda: asked() == {"127.0.0.1"})
    wait_for_line()
    until("both answer again", lambda: len(asked()) == 2)


if given["mode"] == "wrong":
    run(a_wrong_password_is_refused)
else:
    cluster = connect()
    session = cluster.connect()
    for one in {
        "checks": checks,
        "restart": [a_session_outlives_a_restart],
        "pair": [both_gateways_are_found_and_asked],
    }[given["mode"]]:
        run(one)
    cluster.shutdown()
