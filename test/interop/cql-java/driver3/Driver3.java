import com.datastax.driver.core.BatchStatement;
import com.datastax.driver.core.BoundStatement;
import com.datastax.driver.core.Cluster;
import com.datastax.driver.core.ConsistencyLevel;
import com.datastax.driver.core.Host;
import com.datastax.driver.core.KeyspaceMetadata;
import com.datastax.driver.core.LocalDate;
import com.datastax.driver.core.PreparedStatement;
import com.datastax.driver.core.ProtocolOptions;
import com.datastax.driver.core.ProtocolVersion;
import com.datastax.driver.core.QueryOptions;
import com.datastax.driver.core.RemoteEndpointAwareJdkSSLOptions;
import com.datastax.driver.core.ResultSet;
import com.datastax.driver.core.Row;
import com.datastax.driver.core.Session;
import com.datastax.driver.core.SimpleStatement;
import com.datastax.driver.core.SocketOptions;
import com.datastax.driver.core.TableMetadata;
import com.datastax.driver.core.TupleValue;
import com.datastax.driver.core.UDTValue;
import com.datastax.driver.core.DataType;
import com.datastax.driver.core.exceptions.AlreadyExistsException;
import com.datastax.driver.core.exceptions.AuthenticationException;
import com.datastax.driver.core.exceptions.InvalidQueryException;
import com.datastax.driver.core.exceptions.SyntaxError;
import com.datastax.driver.core.policies.ConstantReconnectionPolicy;
import com.datastax.driver.core.policies.DCAwareRoundRobinPolicy;
import com.datastax.driver.core.policies.TokenAwarePolicy;
import com.datastax.driver.core.utils.UUIDs;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** The ordinary use of the 3.x driver, as it comes from Maven Central, against gateways. */
public final class Driver3 {
  private static Map<String, String> given;

  public static void main(String[] arguments) throws Exception {
    given = Script.readArguments(arguments);
    switch (given.get("mode")) {
      case "checks":
        runChecks();
        break;
      case "wrong":
        Script.check("a_wrong_password_is_refused", () -> {
          try (Cluster cluster = cluster().build()) {
            String text = "Username and/or password are incorrect";
            Script.fails(AuthenticationException.class, text, cluster::connect);
          }
        });
        break;
      case "restart":
        Script.check("a_session_outlives_a_restart", Driver3::outlive);
        break;
      case "pair":
        Script.check("both_gateways_are_found_and_asked", Driver3::askBoth);
        break;
      default:
        throw new IllegalArgumentException(given.get("mode"));
    }
    System.exit(0);
  }

  private static Cluster.Builder cluster() throws Exception {
    Cluster.Builder builder =
        Cluster.builder()
            .withoutJMXReporting()
            .addContactPoint(given.get("host"))
            .withPort(Integer.parseInt(given.get("port")))
            .withQueryOptions(new QueryOptions().setRefreshSchemaIntervalMillis(20))
            .withReconnectionPolicy(new ConstantReconnectionPolicy(500))
            .withSocketOptions(new SocketOptions().setConnectTimeoutMillis(10_000))
            .withLoadBalancingPolicy(
                new TokenAwarePolicy(DCAwareRoundRobinPolicy.builder().withLocalDc("datacenter1").build()));
    int version = Integer.parseInt(given.getOrDefault("version", "0"));
    if (version != 0) builder.withProtocolVersion(ProtocolVersion.fromInt(version));
    String compression = given.getOrDefault("compression", "none").toUpperCase();
    if (!compression.equals("NONE")) builder.withCompression(ProtocolOptions.Compression.valueOf(compression));
    if (given.containsKey("user")) builder.withCredentials(given.get("user"), given.get("password"));
    if (given.containsKey("ca")) {
      builder.withSSL(
          RemoteEndpointAwareJdkSSLOptions.builder().withSSLContext(Script.trust(given.get("ca"))).build());
    }
    return builder;
  }

  private static String createKeyspace(String name) {
    String replication = "{'class': 'SimpleStrategy', 'replication_factor': '1'}";
    return "CREATE KEYSPACE IF NOT EXISTS " + name + " WITH replication = " + replication;
  }

  private static void runChecks() throws Exception {
    String version = given.getOrDefault("version", "0");
    String name = "java3_" + version + "_" + given.getOrDefault("compression", "none");
    if (given.containsKey("user")) name += "_" + given.get("user");
    try (Cluster cluster = cluster().build()) {
      try (Session session = cluster.connect()) {
        session.execute(createKeyspace(name));
        session.execute("USE " + name);
        checkAll(cluster, session, name);
      }
    }
  }

  private static void checkAll(Cluster cluster, Session session, String name) {
    Script.check("a_node_of_cassandra_3_0_is_found", () -> {
      int version = Integer.parseInt(given.getOrDefault("version", "0"));
      ProtocolVersion used = cluster.getConfiguration().getProtocolOptions().getProtocolVersion();
      Script.same(used.toInt(), version == 0 ? 4 : version);
      Host host = cluster.getMetadata().getAllHosts().iterator().next();
      Script.same(host.getCassandraVersion().toString(), "3.0.15");
      Script.same(host.getTokens().size(), 8);
      Script.same(cluster.getMetadata().getClusterName(), "godwit");
    });
    Script.check("schemas_are_made_and_described", () -> describe(cluster, session, name));
    Script.check("what_exists_is_not_made_again", () -> {
      String create = "CREATE TABLE rows (k int PRIMARY KEY)";
      AlreadyExistsException again =
          Script.fails(AlreadyExistsException.class, "already exist", () -> session.execute(create));
      Script.same(List.of(again.getKeyspace(), again.getTable()), List.of(name, "rows"));
      session.execute("CREATE TABLE IF NOT EXISTS rows (k int PRIMARY KEY)");
    });
    Script.check("rows_are_written_and_read", () -> {
      session.execute("INSERT INTO rows (k, c, v) VALUES ('a', 1, 'one')");
      PreparedStatement insert = session.prepare("INSERT INTO rows (k, c, v, n) VALUES (?, ?, ?, ?)");
      session.execute(insert.bind("a", 2, "two", 1L << 60));
      PreparedStatement select = session.prepare("SELECT c, v, n FROM rows WHERE k = :key");
      BoundStatement bound = select.bind().setString("key", "a");
      List<Row> all = session.execute(bound).all();
      Script.same(List.of(all.get(0).getInt("c"), all.get(0).getLong("n")), List.of(2, 1L << 60));
      Script.isTrue(all.get(1).getString("v").equals("one") && all.get(1).isNull("n"), "the second row");
      Script.same(all.size(), 2);
    });
    Script.check("values_of_every_kind_come_back", () -> values(cluster, session, name));
    Script.check("pages_are_fetched_one_after_the_other", () -> pages(session));
    Script.check("a_batch_writes_all_of_its_rows", () -> {
      PreparedStatement insert = session.prepare("INSERT INTO rows (k, c, v) VALUES (?, ?, ?)");
      BatchStatement batch = new BatchStatement();
      for (int c = 0; c < 5; c++) batch.add(insert.bind("batch", c, "v"));
      batch.add(new SimpleStatement("DELETE FROM rows WHERE k = 'batch' AND c = 9"));
      session.execute(batch);
      Script.same(session.execute("SELECT count(*) FROM rows WHERE k = 'batch'").one().getLong(0), 5L);
    });
    Script.check("conditions_say_whether_they_were_met", () -> {
      String insert = "INSERT INTO rows (k, c, v) VALUES ('lwt', 1, ?) IF NOT EXISTS";
      Script.isTrue(session.execute(insert, "first").wasApplied(), "the first is written");
      ResultSet again = session.execute(insert, "second");
      Script.isTrue(!again.wasApplied(), "the second is not");
      Script.same(again.one().getString("v"), "first");
      PreparedStatement update = session.prepare("UPDATE rows SET v = ? WHERE k = 'lwt' AND c = 1 IF v = ?");
      BoundStatement bound = update.bind("x", "first");
      bound.setSerialConsistencyLevel(ConsistencyLevel.LOCAL_SERIAL);
      Script.isTrue(session.execute(bound).wasApplied(), "the condition is met");
    });
    Script.check("times_and_lives_of_cells_are_told", () -> {
      session.execute("INSERT INTO rows (k, c, v) VALUES ('times', 1, 'v') USING TIMESTAMP 1234 AND TTL 1000");
      Row row = session.execute("SELECT writetime(v), ttl(v) FROM rows WHERE k = 'times'").one();
      Script.same(row.getLong(0), 1234L);
      Script.isTrue(row.getInt(1) >= 990 && row.getInt(1) <= 1000, "about 1000 seconds are left");
    });
    Script.check("counters_count", () -> {
      session.execute("CREATE TABLE counts (k int PRIMARY KEY, n counter)");
      for (int time = 0; time < 3; time++) session.execute("UPDATE counts SET n = n + 2 WHERE k = 1");
      Script.same(session.execute("SELECT n FROM counts WHERE k = 1").one().getLong("n"), 6L);
    });
    Script.check("an_index_finds_rows", () -> {
      session.execute("INSERT INTO rows (k, c, v) VALUES ('indexed', 1, 'needle')");
      Script.same(session.execute("SELECT k FROM rows WHERE v = 'needle'").one().getString("k"), "indexed");
    });
    Script.check("system_tables_are_selected_like_others", () -> {
      String select = "SELECT release_version AS v, count(*) FROM system.local WHERE key = ?";
      Row row = session.execute(session.prepare(select).bind("local")).one();
      Script.same(List.of(row.getString("v"), row.getLong(1)), List.of("3.0.15", 1L));
      Script.fails(
          InvalidQueryException.class,
          "unconfigured table",
          () -> session.execute("SELECT * FROM system.peers_v2"));
    });
    Script.check("changes_of_the_schema_are_heard_of", () -> changes(session, name));
    Script.check("refusals_are_cassandras", () -> {
      String syntax = "line 1:0 no viable alternative";
      Script.fails(SyntaxError.class, syntax, () -> session.execute("nonsense"));
      String missing = "unconfigured table nothing";
      Script.fails(InvalidQueryException.class, missing, () -> session.execute("SELECT * FROM nothing"));
      session.execute("SELECT * FROM rows LIMIT 1");
    });
    Script.check("a_keyspace_is_dropped_with_all_that_is_in_it", () -> {
      session.execute("DROP KEYSPACE " + name);
      Script.same(cluster.getMetadata().getKeyspace(name), null);
    });
  }

  private static void describe(Cluster cluster, Session session, String name) {
    session.execute("CREATE TYPE address (street text, number int)");
    session.execute(
        "CREATE TABLE rows (k text, c int, s text static, v text, n bigint, PRIMARY KEY (k, c)) "
            + "WITH CLUSTERING ORDER BY (c DESC) AND comment = 'of the checks'");
    session.execute("CREATE INDEX rows_v ON rows (v)");
    KeyspaceMetadata keyspace = cluster.getMetadata().getKeyspace(name);
    TableMetadata table = keyspace.getTable("rows");
    Script.same(table.getPartitionKey().get(0).getName(), "k");
    Script.same(table.getClusteringOrder().toString(), "[DESC]");
    Script.isTrue(table.getColumn("s").isStatic() && !table.getOptions().isCompactStorage(), "statics");
    Script.same(table.getOptions().getComment(), "of the checks");
    Script.same(table.getIndex("rows_v").getTarget(), "v");
    Script.isTrue(table.asCQLQuery().contains("CLUSTERING ORDER BY (c DESC)"), table.asCQLQuery());
    Script.same(keyspace.getUserType("address").getFieldType("number"), DataType.cint());
  }

  private static void values(Cluster cluster, Session session, String name) throws Exception {
    session.execute(
        "CREATE TABLE kinds (k int PRIMARY KEY, a ascii, b blob, d decimal, e double, f float, g boolean, h inet, "
            + "i frozen<address>, l list<int>, m map<text, int>, s set<text>, t timestamp, u uuid, v varint, "
            + "x timeuuid, p frozen<tuple<int, text>>)");
    UDTValue home = cluster.getMetadata().getKeyspace(name).getUserType("address").newValue();
    home.setString("street", "Elm Street").setInt("number", 7);
    TupleValue pair = cluster.getMetadata().newTupleType(DataType.cint(), DataType.text()).newValue(1, "x");
    Map<String, Object> values = new HashMap<>();
    values.put("a", "ascii");
    values.put("b", ByteBuffer.wrap(new byte[] {0, -1}));
    values.put("d", new BigDecimal("-1.50"));
    values.put("e", -0.25);
    values.put("f", 0.5f);
    values.put("g", true);
    values.put("h", InetAddress.getByName("10.0.0.1"));
    values.put("i", home);
    values.put("l", List.of(3, 1, 2));
    values.put("m", Map.of("b", 2, "a", 1));
    values.put("s", Set.of("y", "x"));
    values.put("t", new Date(1_767_323_045_678L));
    values.put("u", UUID.randomUUID());
    values.put("v", BigInteger.ONE.shiftLeft(90).negate());
    values.put("x", UUIDs.timeBased());
    values.put("p", pair);
    List<String> names = new ArrayList<>(values.keySet());
    String marks = ", ?".repeat(names.size());
    String insert = "INSERT INTO kinds (k, " + String.join(", ", names) + ") VALUES (1" + marks + ")";
    PreparedStatement prepared = session.prepare(insert);
    session.execute(prepared.bind(names.stream().map(values::get).toArray()));
    Row row = session.execute("SELECT * FROM kinds WHERE k = 1").one();
    for (String column : names) Script.same(row.getObject(column), values.get(column));
    if (cluster.getConfiguration().getProtocolOptions().getProtocolVersion().toInt() < 4) return;
    session.execute("ALTER TABLE kinds ADD w smallint");
    session.execute("ALTER TABLE kinds ADD y date");
    PreparedStatement newer = session.prepare("UPDATE kinds SET w = ?, y = ? WHERE k = 1");
    session.execute(newer.bind((short) -2, LocalDate.fromYearMonthDay(2026, 1, 2)));
    Row newest = session.execute("SELECT w, y FROM kinds WHERE k = 1").one();
    Script.same(newest.getShort("w"), (short) -2);
    Script.same(newest.getDate("y"), LocalDate.fromYearMonthDay(2026, 1, 2));
  }

  private static void pages(Session session) {
    PreparedStatement insert = session.prepare("INSERT INTO rows (k, c, v) VALUES ('pages', ?, 'v')");
    for (int c = 0; c < 300; c++) session.execute(insert.bind(c));
    SimpleStatement select = new SimpleStatement("SELECT c FROM rows WHERE k = 'pages'");
    select.setFetchSize(70);
    ResultSet rows = session.execute(select);
    Script.same(rows.getAvailableWithoutFetching(), 70);
    String state = rows.getExecutionInfo().getPagingState().toString();
    int seen = 0;
    for (Row row : rows) Script.same(row.getInt("c"), 299 - seen++);
    Script.same(seen, 300);
    select.setPagingState(com.datastax.driver.core.PagingState.fromString(state));
    Script.same(session.execute(select).one().getInt("c"), 229);
  }

  private static void changes(Session session, String name) throws Exception {
    try (Cluster other = cluster().build();
        Session listening = other.connect(name)) {
      PreparedStatement select = listening.prepare("SELECT c, v FROM rows WHERE k = ? LIMIT 1");
      listening.execute(select.bind("a"));
      session.execute("ALTER TABLE rows ADD extra text");
      Script.until("the new column is known", () -> {
        return other.getMetadata().getKeyspace(name).getTable("rows").getColumn("extra") != null;
      });
      Row row = listening.execute(listening.prepare("SELECT * FROM rows WHERE k = ?").bind("a")).one();
      Script.isTrue(row.getString("v").equals("two") && row.isNull("extra"), "the row has the new column");
      Script.same(listening.execute(select.bind("a")).one().getString("v"), "two");
    }
  }

  /** Reads a row by a prepared statement, before and after the gateway was another process. */
  private static void outlive() throws Exception {
    try (Cluster cluster = cluster().build();
        Session session = cluster.connect()) {
      session.execute(createKeyspace("restart_java3"));
      session.execute("CREATE TABLE restart_java3.t (k int PRIMARY KEY, v text)");
      session.execute("INSERT INTO restart_java3.t (k, v) VALUES (1, 'one')");
      PreparedStatement select = session.prepare("SELECT v FROM restart_java3.t WHERE k = ?");
      Script.same(session.execute(select.bind(1)).one().getString("v"), "one");
      Script.waitForLine("ready");
      Script.until("it is read again", () -> session.execute(select.bind(1)).one().getString("v").equals("one"));
      Script.until("the schema changes again", () -> {
        session.execute("CREATE TABLE IF NOT EXISTS restart_java3.other (k int PRIMARY KEY)");
        return cluster.getMetadata().getKeyspace("restart_java3").getTable("other") != null;
      });
    }
  }

  /** Finds the second gateway through the first, and hears of its end and return. */
  private static void askBoth() throws Exception {
    try (Cluster cluster = cluster().build();
        Session session = cluster.connect("pair")) {
      PreparedStatement select = session.prepare("SELECT v FROM t WHERE k = ?");
      Script.until("both answer", () -> countAnswers(session, select).size() == 2);
      Script.waitForLine("ready");
      Script.until("one answers", () -> {
        return countAnswers(session, select).equals(Map.of("127.0.0.1", 60));
      });
      Script.waitForLine("ready");
      Script.until("both answer again", () -> countAnswers(session, select).size() == 2);
    }
  }

  private static Map<String, Integer> countAnswers(Session session, PreparedStatement select) {
    Map<String, Integer> counts = new HashMap<>();
    for (int key = 0; key < 60; key++) {
      ResultSet rows = session.execute(select.bind(key % 10));
      Script.same(rows.one().getString("v"), "v");
      Host host = rows.getExecutionInfo().getQueriedHost();
      counts.merge(host.getEndPoint().resolve().getAddress().getHostAddress(), 1, Integer::sum);
    }
    return counts;
  }
}
