import com.datastax.oss.driver.api.core.AllNodesFailedException;
import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.CqlSessionBuilder;
import com.datastax.oss.driver.api.core.auth.AuthenticationException;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.config.ProgrammaticDriverConfigLoaderBuilder;
import com.datastax.oss.driver.api.core.cql.BatchStatement;
import com.datastax.oss.driver.api.core.cql.BatchStatementBuilder;
import com.datastax.oss.driver.api.core.cql.DefaultBatchType;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import com.datastax.oss.driver.api.core.cql.ResultSet;
import com.datastax.oss.driver.api.core.cql.Row;
import com.datastax.oss.driver.api.core.cql.SimpleStatement;
import com.datastax.oss.driver.api.core.data.TupleValue;
import com.datastax.oss.driver.api.core.data.UdtValue;
import com.datastax.oss.driver.api.core.metadata.Node;
import com.datastax.oss.driver.api.core.metadata.schema.KeyspaceMetadata;
import com.datastax.oss.driver.api.core.metadata.schema.TableMetadata;
import com.datastax.oss.driver.api.core.servererrors.AlreadyExistsException;
import com.datastax.oss.driver.api.core.servererrors.InvalidQueryException;
import com.datastax.oss.driver.api.core.servererrors.SyntaxError;
import com.datastax.oss.driver.api.core.type.DataTypes;
import com.datastax.oss.driver.api.core.uuid.Uuids;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** The ordinary use of the 4.x driver, as it comes from Maven Central, against gateways. */
public final class Driver4 {
  private static Map<String, String> given;

  public static void main(String[] arguments) throws Exception {
    given = Script.readArguments(arguments);
    switch (given.get("mode")) {
      case "checks":
        runChecks();
        break;
      case "wrong":
        Script.check("a_wrong_password_is_refused", () -> {
          AllNodesFailedException failed =
              Script.fails(AllNodesFailedException.class, "", () -> session().build().close());
          Throwable error = failed.getAllErrors().values().iterator().next().get(0);
          Script.isTrue(error instanceof AuthenticationException, String.valueOf(error));
          Script.isTrue(error.getMessage().contains("Username and/or password are incorrect"), error.getMessage());
        });
        break;
      case "restart":
        Script.check("a_session_outlives_a_restart", Driver4::outlive);
        break;
      case "pair":
        Script.check("both_gateways_are_found_and_asked", Driver4::askBoth);
        break;
      default:
        throw new IllegalArgumentException(given.get("mode"));
    }
    System.exit(0);
  }

  private static CqlSessionBuilder session() throws Exception {
    ProgrammaticDriverConfigLoaderBuilder config =
        DriverConfigLoader.programmaticBuilder()
            .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(10))
            .withDuration(DefaultDriverOption.CONNECTION_CONNECT_TIMEOUT, Duration.ofSeconds(10))
            .withDuration(DefaultDriverOption.CONNECTION_INIT_QUERY_TIMEOUT, Duration.ofSeconds(10))
            .withDuration(DefaultDriverOption.CONTROL_CONNECTION_TIMEOUT, Duration.ofSeconds(10))
            // Every change of the schema waits for it.
            .withDuration(DefaultDriverOption.METADATA_SCHEMA_WINDOW, Duration.ofMillis(20))
            .withString(DefaultDriverOption.RECONNECTION_POLICY_CLASS, "ConstantReconnectionPolicy")
            .withDuration(DefaultDriverOption.RECONNECTION_BASE_DELAY, Duration.ofMillis(500));
    String version = given.getOrDefault("version", "0");
    if (!version.equals("0")) config.withString(DefaultDriverOption.PROTOCOL_VERSION, "V" + version);
    String compression = given.getOrDefault("compression", "none");
    if (!compression.equals("none")) config.withString(DefaultDriverOption.PROTOCOL_COMPRESSION, compression);
    CqlSessionBuilder builder =
        CqlSession.builder()
            .addContactPoint(new InetSocketAddress(given.get("host"), Integer.parseInt(given.get("port"))))
            .withLocalDatacenter("datacenter1")
            .withConfigLoader(config.build());
    if (given.containsKey("user")) builder.withAuthCredentials(given.get("user"), given.get("password"));
    if (given.containsKey("ca")) builder.withSslContext(Script.trust(given.get("ca")));
    return builder;
  }

  private static String createKeyspace(String name) {
    String replication = "{'class': 'SimpleStrategy', 'replication_factor': '1'}";
    return "CREATE KEYSPACE IF NOT EXISTS " + name + " WITH replication = " + replication;
  }

  private static void runChecks() throws Exception {
    String version = given.getOrDefault("version", "0");
    String name = "java4_" + version + "_" + given.getOrDefault("compression", "none");
    if (given.containsKey("user")) name += "_" + given.get("user");
    try (CqlSession session = session().build()) {
      session.execute(createKeyspace(name));
      session.execute("USE " + name);
      checkAll(session, name);
    }
  }

  private static void checkAll(CqlSession session, String name) {
    Script.check("a_node_of_cassandra_3_0_is_found", () -> {
      String version = given.getOrDefault("version", "0");
      String used = session.getContext().getProtocolVersion().name();
      Script.same(used, "V" + (version.equals("0") ? "4" : version));
      Node node = session.getMetadata().getNodes().values().iterator().next();
      Script.same(String.valueOf(node.getCassandraVersion()), "3.0.15");
      Script.same(session.getMetadata().getTokenMap().get().getTokens(node).size(), 8);
      Script.same(session.getMetadata().getClusterName().get(), "godwit");
    });
    Script.check("schemas_are_made_and_described", () -> describe(session, name));
    Script.check("what_exists_is_not_made_again", () -> {
      String create = "CREATE TABLE rows (k int PRIMARY KEY)";
      Script.fails(AlreadyExistsException.class, "already exists", () -> session.execute(create));
      session.execute("CREATE TABLE IF NOT EXISTS rows (k int PRIMARY KEY)");
    });
    Script.check("rows_are_written_and_read", () -> {
      session.execute("INSERT INTO rows (k, c, v) VALUES ('a', 1, 'one')");
      PreparedStatement insert = session.prepare("INSERT INTO rows (k, c, v, n) VALUES (?, ?, ?, ?)");
      session.execute(insert.bind("a", 2, "two", 1L << 60));
      PreparedStatement select = session.prepare("SELECT c, v, n FROM rows WHERE k = :key");
      List<Row> all = session.execute(select.boundStatementBuilder().setString("key", "a").build()).all();
      Script.same(List.of(all.get(0).getInt("c"), all.get(0).getLong("n")), List.of(2, 1L << 60));
      Script.isTrue(all.get(1).getString("v").equals("one") && all.get(1).isNull("n"), "the second row");
      Script.same(all.size(), 2);
    });
    Script.check("values_of_every_kind_come_back", () -> values(session, name));
    Script.check("pages_are_fetched_one_after_the_other", () -> pages(session));
    Script.check("a_batch_writes_all_of_its_rows", () -> {
      PreparedStatement insert = session.prepare("INSERT INTO rows (k, c, v) VALUES (?, ?, ?)");
      BatchStatementBuilder batch = BatchStatement.builder(DefaultBatchType.LOGGED);
      for (int c = 0; c < 5; c++) batch.addStatement(insert.bind("batch", c, "v"));
      batch.addStatement(SimpleStatement.newInstance("DELETE FROM rows WHERE k = 'batch' AND c = 9"));
      session.execute(batch.build());
      Script.same(session.execute("SELECT count(*) FROM rows WHERE k = 'batch'").one().getLong(0), 5L);
    });
    Script.check("conditions_say_whether_they_were_met", () -> {
      String insert = "INSERT INTO rows (k, c, v) VALUES ('lwt', 1, ?) IF NOT EXISTS";
      Script.isTrue(session.execute(SimpleStatement.newInstance(insert, "first")).wasApplied(), "the first");
      ResultSet again = session.execute(SimpleStatement.newInstance(insert, "second"));
      Script.isTrue(!again.wasApplied(), "the second is not");
      Script.same(again.one().getString("v"), "first");
      PreparedStatement update = session.prepare("UPDATE rows SET v = ? WHERE k = 'lwt' AND c = 1 IF v = ?");
      Script.isTrue(session.execute(update.bind("x", "first")).wasApplied(), "the condition is met");
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
      String text = "unconfigured table";
      Script.fails(InvalidQueryException.class, text, () -> session.execute("SELECT * FROM system.peers_v2"));
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
      Script.until("it is gone", () -> session.getMetadata().getKeyspace(name).isEmpty());
    });
  }

  private static void describe(CqlSession session, String name) {
    session.execute("CREATE TYPE address (street text, number int)");
    session.execute(
        "CREATE TABLE rows (k text, c int, s text static, v text, n bigint, PRIMARY KEY (k, c)) "
            + "WITH CLUSTERING ORDER BY (c DESC) AND comment = 'of the checks'");
    session.execute("CREATE INDEX rows_v ON rows (v)");
    KeyspaceMetadata keyspace = session.getMetadata().getKeyspace(name).get();
    TableMetadata table = keyspace.getTable("rows").get();
    Script.same(table.getPartitionKey().get(0).getName().asInternal(), "k");
    Script.same(table.getClusteringColumns().values().toString(), "[DESC]");
    Script.isTrue(table.getColumn("s").get().isStatic() && !table.isCompactStorage(), "statics");
    Script.same(table.getIndex("rows_v").get().getTarget(), "v");
    Script.isTrue(table.describe(true).contains("CLUSTERING ORDER BY (c DESC)"), table.describe(true));
    Script.same(keyspace.getUserDefinedType("address").get().getFieldTypes(), List.of(DataTypes.TEXT, DataTypes.INT));
  }

  private static void values(CqlSession session, String name) throws Exception {
    boolean isNewer = session.getContext().getProtocolVersion().getCode() >= 4;
    session.execute(
        "CREATE TABLE kinds (k int PRIMARY KEY, a ascii, b blob, d decimal, e double, f float, g boolean, h inet, "
            + "i frozen<address>, l list<int>, m map<text, int>, s set<text>, t timestamp, u uuid, v varint, "
            + "x timeuuid, p frozen<tuple<int, text>>, w smallint, y date, z time)");
    UdtValue home =
        session.getMetadata().getKeyspace(name).get().getUserDefinedType("address").get().newValue("Elm Street", 7);
    TupleValue pair = DataTypes.tupleOf(DataTypes.INT, DataTypes.TEXT).newValue(1, "x");
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
    values.put("t", Instant.ofEpochMilli(1_767_323_045_678L));
    values.put("u", UUID.randomUUID());
    values.put("v", BigInteger.ONE.shiftLeft(90).negate());
    values.put("x", Uuids.timeBased());
    values.put("p", pair);
    if (isNewer) {
      values.put("w", (short) -2);
      values.put("y", LocalDate.of(2026, 1, 2));
      values.put("z", LocalTime.of(3, 4, 5, 6));
    }
    List<String> names = new ArrayList<>(values.keySet());
    String marks = ", ?".repeat(names.size());
    String insert = "INSERT INTO kinds (k, " + String.join(", ", names) + ") VALUES (1" + marks + ")";
    session.execute(session.prepare(insert).bind(names.stream().map(values::get).toArray()));
    Row row = session.execute("SELECT * FROM kinds WHERE k = 1").one();
    for (String column : names) Script.same(row.getObject(column), values.get(column));
  }

  private static void pages(CqlSession session) {
    PreparedStatement insert = session.prepare("INSERT INTO rows (k, c, v) VALUES ('pages', ?, 'v')");
    for (int c = 0; c < 300; c++) session.execute(insert.bind(c));
    SimpleStatement select = SimpleStatement.newInstance("SELECT c FROM rows WHERE k = 'pages'").setPageSize(70);
    ResultSet rows = session.execute(select);
    Script.same(rows.getAvailableWithoutFetching(), 70);
    ByteBuffer state = rows.getExecutionInfo().getPagingState();
    int seen = 0;
    for (Row row : rows) Script.same(row.getInt("c"), 299 - seen++);
    Script.same(seen, 300);
    Script.same(session.execute(select.setPagingState(state)).one().getInt("c"), 229);
  }

  private static void changes(CqlSession session, String name) throws Exception {
    try (CqlSession other = session().withKeyspace(name).build()) {
      PreparedStatement select = other.prepare("SELECT c, v FROM rows WHERE k = ? LIMIT 1");
      other.execute(select.bind("a"));
      session.execute("ALTER TABLE rows ADD extra text");
      Script.until("the new column is known", () -> {
        return other.getMetadata().getKeyspace(name).get().getTable("rows").get().getColumn("extra").isPresent();
      });
      Row row = other.execute(SimpleStatement.newInstance("SELECT * FROM rows WHERE k = ? LIMIT 1", "a")).one();
      Script.isTrue(row.getString("v").equals("two") && row.isNull("extra"), "the row has the new column");
      Script.same(other.execute(select.bind("a")).one().getString("v"), "two");
    }
  }

  /** Reads a row by a prepared statement, before and after the gateway was another process. */
  private static void outlive() throws Exception {
    try (CqlSession session = session().build()) {
      session.execute(createKeyspace("restart_java4"));
      session.execute("CREATE TABLE restart_java4.t (k int PRIMARY KEY, v text)");
      session.execute("INSERT INTO restart_java4.t (k, v) VALUES (1, 'one')");
      PreparedStatement select = session.prepare("SELECT v FROM restart_java4.t WHERE k = ?");
      Script.same(session.execute(select.bind(1)).one().getString("v"), "one");
      Script.waitForLine("ready");
      Script.until("it is read again", () -> session.execute(select.bind(1)).one().getString("v").equals("one"));
      // A change before the control connection is back leaves the driver's metadata as they were for good: its refresh fails with
      // "Control channel not available", and all later ones wait behind it. It comes back within half a second.
      Thread.sleep(3_000);
      session.execute("CREATE TABLE restart_java4.other (k int PRIMARY KEY)");
      Script.isTrue(session.getMetadata().getKeyspace("restart_java4").get().getTable("other").isPresent(), "other");
    }
  }

  /** Finds the second gateway through the first, and hears of its end and return. */
  private static void askBoth() throws Exception {
    try (CqlSession session = session().withKeyspace("pair").build()) {
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

  private static Map<String, Integer> countAnswers(CqlSession session, PreparedStatement select) {
    Map<String, Integer> counts = new HashMap<>();
    for (int key = 0; key < 60; key++) {
      ResultSet rows = session.execute(select.bind(key % 10));
      Script.same(rows.one().getString("v"), "v");
      InetSocketAddress address =
          (InetSocketAddress) rows.getExecutionInfo().getCoordinator().getEndPoint().resolve();
      counts.merge(address.getAddress().getHostAddress(), 1, Integer::sum);
    }
    return counts;
  }
}
